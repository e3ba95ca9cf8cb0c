//! History in a SQLite file: what stands there is what was recorded, whoever writes and however often.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::path::Path;
use std::thread;
use std::time::Duration;

use monitor_core::{Context, Monitor, RecordPolicy, Severity};
use rusqlite::{Connection, types::FromSql};
use tests::folder::Folder;

const PATIENCE: Duration = Duration::from_secs(30);

fn ask<T: FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn monitor(path: &Path) -> Monitor {
    Monitor::builder().service("shop").sqlite(path).build().unwrap()
}

#[test]
fn what_was_recorded_stands_in_the_file() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    for n in 0..5_u64 {
        let sell =
            local.operation("sell").kind("api").component("shop").label("region", "eu").record(RecordPolicy::All);
        let mut sell = sell.field("order", n).start();
        sell.add_items(3);
        sell.add_bytes(10);
        if n == 4 { sell.fail_with("card 4711 refused") } else { sell.succeed() }
    }
    local.error_with("cache is cold").severity(Severity::Low).record();
    let order =
        local.state_machine("order").initial("open").terminal("paid").transition("open", "paid").build().unwrap();
    order.entity("o1").unwrap().to("paid").unwrap();
    let import = local.progress("import").total(10).start();
    import.inc(7);
    let queue = local.queue("mail");
    let _waits = queue.enqueued();
    queue.enqueued().start().succeed();
    local.shutdown(PATIENCE).unwrap();

    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 5);
    assert_eq!(ask::<i64>(&path, "SELECT sum(items) FROM records"), 15);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records WHERE outcome = 1"), 1);
    let detail: String = ask(&path, "SELECT detail FROM records WHERE outcome = 1");
    assert!(detail.contains("card 4711 refused") && detail.contains(r#"["order",{"u64":4}]"#), "{detail}");
    let found = "SELECT r.id FROM record_fields f JOIN strings s ON s.id = f.key_id JOIN records r ON r.id = f.record_id \
                 WHERE s.text = 'order' AND f.value = '2'";
    assert_eq!(ask::<i64>(&path, found), 3);
    assert_eq!(
        ask::<String>(
            &path,
            "SELECT name || '|' || kind || '|' || component || '|' || labels FROM series WHERE name = 'sell'"
        ),
        r#"sell|api|shop|{"region":"eu"}"#
    );
    assert_eq!(ask::<i64>(&path, "SELECT sum(count) FROM error_groups"), 2);
    assert_eq!(ask::<String>(&path, "SELECT message FROM error_samples WHERE severity = 0"), "cache is cold");
    assert_eq!(ask::<i64>(&path, "SELECT sum(count) FROM error_hours"), 2);
    let moved = "SELECT m.text || ' ' || t.entity || ' ' || f.text || ' ' || g.text FROM transitions t \
                 JOIN strings m ON m.id = machine_id JOIN strings f ON f.id = from_id JOIN strings g ON g.id = to_id";
    assert_eq!(ask::<String>(&path, moved), "order o1 open paid");
    assert_eq!(ask::<i64>(&path, "SELECT done FROM progress WHERE name = 'import'"), 7);
    assert_eq!(ask::<i64>(&path, "SELECT depth * 100 + enqueued * 10 + processed FROM queue_samples"), 121);
    assert_eq!(ask::<String>(&path, "SELECT service || ' ' || ended FROM instances"), "shop shutdown");
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
    assert_eq!(folder.files(), ["monitor.db"], "nothing is left beside");
}

#[test]
fn every_step_of_time_has_all_that_the_finer_ones_have() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    let steps = "SELECT group_concat(calls, ' ') FROM (SELECT sum(succeeded) AS calls FROM rollups GROUP BY step_s)";
    for _ in 0..3 {
        (0..100).for_each(|_| local.track("work", |_| ()));
        local.flush(PATIENCE).unwrap();
    }
    // The open step of ten seconds is in none of the others yet; together they have everything.
    let coarse_and_open = "SELECT (SELECT coalesce(sum(succeeded), 0) FROM rollups WHERE step_s = ?1) \
                           + (SELECT coalesce(sum(succeeded), 0) FROM rollups WHERE step_s = 10 AND open = 1)";
    for step in ["60", "3600", "86400"] {
        assert_eq!(ask::<i64>(&path, &coarse_and_open.replace("?1", step)), 300);
    }
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<String>(&path, steps), "300 300 300 300");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM rollups WHERE open = 1"), 0);
}

#[test]
fn a_trace_is_found_by_its_id_as_it_stands_in_a_log() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    let remote = Context::from_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    local.scope(|| {
        let nest = || {
            let outer = local.operation("outer").record(RecordPolicy::All).start();
            let middle = local.operation("middle").record(RecordPolicy::All).start();
            local.operation("inner").record(RecordPolicy::All).start().succeed();
            middle.succeed();
            outer.succeed();
        };
        nest();
        remote.in_context(nest);
    });
    let traces: Vec<String> = local.recent(10).iter().map(|record| record.trace_id.unwrap().to_string()).collect();
    local.shutdown(PATIENCE).unwrap();
    let written = "SELECT printf('%016x%016x', trace_id_high, coalesce(trace_id_low, parent_span_id, span_id)) AS trace, \
                   count(*) FROM records GROUP BY trace ORDER BY trace";
    let connection = Connection::open(&path).unwrap();
    let mut rows = connection.prepare(written).unwrap();
    let found: Vec<(String, i64)> =
        rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().map(Result::unwrap).collect();
    let mut expected = [(traces[0].clone(), 3), (traces[5].clone(), 3)];
    expected.sort();
    assert_eq!(found, expected);
    assert!(traces.contains(&"4bf92f3577b34da6a3ce929d0e0e4736".to_owned()));
}

#[test]
fn texts_come_back_as_they_were_and_numbers_never_wrap() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    let long = "x".repeat(10_000);
    for text in ["'; DROP TABLE records; --", "\"quoted\"", "🦀 ünïcödé", "a\tb", &long] {
        local.operation("op").record(RecordPolicy::All).label("text", text).field("text", text).start().fail_with(text);
    }
    let mut large = local.operation("large").record(RecordPolicy::All).start();
    large.add_items(u64::MAX);
    large.succeed();
    let records = local.recent(10);
    local.shutdown(PATIENCE).unwrap();
    let connection = Connection::open(&path).unwrap();
    let mut rows = connection.prepare("SELECT detail FROM records WHERE detail IS NOT NULL ORDER BY id DESC").unwrap();
    let details: Vec<String> = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(details.len(), 5);
    for (detail, record) in details.iter().zip(records.iter().filter(|record| record.name == "op")) {
        let detail: serde_json::Value = serde_json::from_str(detail).unwrap();
        assert_eq!(detail["fields"], serde_json::to_value(&record.fields).unwrap());
        assert_eq!(detail["error"], serde_json::to_value(&record.error).unwrap());
    }
    assert_eq!(ask::<i64>(&path, "SELECT max(items) FROM records"), i64::MAX);
    assert_eq!(ask::<i64>(&path, "SELECT max(items) FROM rollups"), i64::MAX);
}

#[test]
fn many_write_one_file_at_once_from_its_making_on() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let local = monitor(&path);
                for _ in 0..20 {
                    local.operation("work").record(RecordPolicy::All).start().succeed();
                    local.flush(PATIENCE).unwrap();
                }
                local.shutdown(PATIENCE).unwrap();
                let sinks = local.snapshot().sinks().to_vec();
                assert_eq!(sinks[0].dropped(), 0, "{sinks:?}");
            });
        }
    });
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 160);
    assert_eq!(ask::<i64>(&path, "SELECT sum(succeeded) FROM rollups WHERE step_s = 86400"), 160);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM series"), 1);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM instances WHERE ended = 'shutdown'"), 8);
}

#[test]
fn a_file_can_be_read_while_it_is_written() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    let reader = Connection::open_with_flags(&path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    for n in 1..=10_i64 {
        local.operation("work").record(RecordPolicy::All).start().succeed();
        local.flush(PATIENCE).unwrap();
        let seen: i64 = reader.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap();
        assert_eq!(seen, n);
    }
    local.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_program_that_does_nothing_writes_nothing() {
    let folder = Folder::new("sqlite");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    local.track("work", |_| ());
    local.flush(PATIENCE).unwrap();
    let log = || std::fs::metadata(folder.file("monitor.db-wal")).unwrap().len();
    let before = log();
    for _ in 0..20 {
        local.flush(PATIENCE).unwrap();
    }
    assert_eq!(log(), before);
    local.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_path_at_which_there_can_be_no_file_is_told_at_once() {
    let folder = Folder::new("sqlite");
    let foreign = folder.file("mine.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    let newer = folder.file("newer.db");
    monitor(&newer).shutdown(PATIENCE).unwrap();
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    for (path, says) in [
        (folder.path().to_owned(), "is a folder"),
        (folder.file("nowhere/monitor.db"), "does not exist; make it first"),
        ("".into(), "is empty"),
        (foreign.clone(), "a database of another program"),
        (newer, "version 99"),
    ] {
        let error = Monitor::builder().sqlite(&path).build().unwrap_err();
        assert!(error.is_sink_refused() && error.to_string().contains(says), "{}: {error}", path.display());
    }
    assert_eq!(ask::<i64>(&foreign, "SELECT sum(x) FROM mine"), 1);
    assert_eq!(ask::<i64>(&foreign, "SELECT count(*) FROM sqlite_schema"), 1);
}
