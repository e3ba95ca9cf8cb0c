//! What a sink writes into a SQLite file.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod sqlite_support;

use std::path::Path;

use monitor_core::{Sink as _, SqliteSink};
use rusqlite::Connection;
use serde_json::{Value, json};
use sqlite_support::{Folder, SECOND, T0, batch, error_group, instance, job, open, queue, record, rollup, transition};

fn one<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path)
        .unwrap()
        .query_row(sql, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn count(path: &Path, table: &str) -> i64 {
    one(path, &format!("SELECT count(*) FROM {table}"))
}

#[test]
fn a_record_is_kept_with_everything_that_it_has() {
    let folder = Folder::new("record");
    let mut sink = open(&folder.file(), "a");
    let parts = json!({
        "parent": 3, "parent_name": "import", "parent_span_id": "0000000000000003", "outcome": "failure",
        "labels": { "table": "users" }, "component": "storage", "polls": 2, "busy_time_ns": 55, "items": 4, "bytes": 5,
        "fields": [["user_id", { "u64": u64::MAX }]], "context": [["tenant", { "text": "acme" }]],
        "error": { "kind": "Io", "message": "refused", "sources": ["no route"] },
    });
    sink.write(&batch(T0, json!({ "records": [record(9, "db.fetch", parts), record(3, "import", json!({}))] })))
        .unwrap();
    let file = folder.file();
    let shown: String = one(
        &file,
        "SELECT json_array(outcome, started_at_ns, duration_ns, span_id, parent_span_id, polls, busy_ns, items, bytes,
            printf('%016x%016x', trace_id_high, coalesce(trace_id_low, parent_span_id, span_id)), detail,
            (SELECT text FROM strings WHERE strings.id = thread_id),
            (SELECT name FROM series WHERE series.id = parent_series_id),
            (SELECT name || kind || component || labels FROM series WHERE series.id = series_id))
        FROM records WHERE span_id = 9",
    );
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let detail: Value = serde_json::from_str(shown[10].as_str().unwrap()).unwrap();
    assert_eq!(detail["fields"], json!([["user_id", { "u64": u64::MAX }]]));
    assert_eq!(detail["context"], json!([["tenant", { "text": "acme" }]]));
    assert_eq!(detail["error"]["sources"], json!(["no route"]));
    let plain: Vec<_> =
        shown.as_array().unwrap().iter().enumerate().filter(|(at, _)| *at != 10).map(|(_, v)| v).collect();
    let wanted = json!([
        1,
        T0,
        1_000,
        9,
        3,
        2,
        55,
        4,
        5,
        "000000000000004d0000000000000009",
        "main",
        "import",
        "db.fetchfunctionstorage{\"table\":\"users\"}"
    ]);
    assert_eq!(json!(plain), wanted);
    assert_eq!(count(&file, "record_fields"), 2);
    assert_eq!(one::<i64>(&file, "SELECT trace_id_low IS NULL FROM records WHERE span_id = 3"), 1, "its own span");
    let block: String =
        one(&file, "SELECT json_array(block, min_duration_ns, max_duration_ns, outcomes) FROM record_blocks");
    assert_eq!(block, "[0,1000,1000,3]");
}

#[test]
fn numbers_at_the_ends_of_their_ranges_are_kept_as_documented() {
    let folder = Folder::new("ends");
    let mut sink = open(&folder.file(), "a");
    let span = format!("{:016x}", u64::MAX);
    let parts = json!({
        "span_id": span, "trace_id": format!("{:032x}", u128::MAX), "items": u64::MAX, "bytes": i64::MAX as u64 + 1,
        "duration_ns": u64::MAX, "started_at_ns": i64::MIN,
    });
    sink.write(&batch(i64::MAX, json!({ "records": [record(u64::MAX, "x", parts)] }))).unwrap();
    let file = folder.file();
    let shown: String = one(
        &file,
        "SELECT json_array(span_id, items, bytes, duration_ns,
            printf('%016x%016x', trace_id_high, coalesce(trace_id_low, parent_span_id, span_id))) FROM records",
    );
    assert_eq!(shown, format!("[-1,{0},{0},{0},\"{1}\"]", i64::MAX, "f".repeat(32)));
    assert_eq!(one::<i64>(&file, "SELECT last_seen_at_ns FROM instances"), i64::MAX);
}

#[test]
fn hostile_texts_come_back_as_they_were() {
    let folder = Folder::new("texts");
    let mut sink = open(&folder.file(), "a");
    let long = "x".repeat(10_000);
    let texts = ["'; DROP TABLE records; --", "a\0b", "\u{1F980} \u{202E}", "\"", "%s{}", &long, ""];
    for (number, text) in (1..).zip(texts) {
        let parts = json!({
            "thread": text, "labels": { text: text }, "fields": [[text, { "text": text }]], "parent_name": text,
            "error": { "kind": text, "message": text, "sources": [text] }, "component": text,
        });
        sink.write(&batch(T0, json!({ "records": [record(number, text, parts)] }))).unwrap();
    }
    let connection = Connection::open(folder.file()).unwrap();
    for (number, text) in (1_i64..).zip(texts) {
        let sql = "SELECT strings.text, series.name, series.labels, detail, record_fields.value FROM records
            JOIN strings ON strings.id = thread_id JOIN series ON series.id = series_id
            JOIN record_fields ON record_id = records.id WHERE span_id = ?1";
        let row: [String; 5] = connection
            .query_row(sql, [number], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?]))
            .unwrap();
        assert_eq!([row[0].as_str(), &row[1], &row[4]], [text; 3]);
        assert_eq!(serde_json::from_str::<Value>(&row[2]).unwrap(), json!({ text: text }));
        assert_eq!(serde_json::from_str::<Value>(&row[3]).unwrap()["error"]["message"], text);
    }
}

#[test]
fn every_other_kind_of_entry_is_kept() {
    let folder = Folder::new("others");
    let mut sink = open(&folder.file(), "a");
    let (group, transition) = (error_group(T0, "high", 3), transition(T0));
    let (job, queue) = (job(4, T0, "running"), queue(3));
    let active = json!({
        "id": 8, "name": "serve", "kind": "function", "labels": {}, "parent": null, "trace_id": null,
        "span_id": format!("{:016x}", 8), "started_at_ns": T0, "age_ns": 1, "thread": "t", "state": "running", "polls": 0,
        "busy_time_ns": 0,
    });
    let parts = json!({
        "errors": [group], "transitions": [transition], "progress": [job], "queues": [queue], "active": [active],
        "lost": { "ring full": 4 },
    });
    for _ in 0..2 {
        sink.write(&batch(T0 + SECOND, parts.clone())).unwrap();
    }
    let file = folder.file();
    let seen: String = one(
        &file,
        "SELECT json_array((SELECT count FROM error_groups), (SELECT sum(count) FROM error_hours),
            (SELECT count(*) FROM error_samples), (SELECT count(*) FROM transitions), (SELECT count(*) FROM progress),
            (SELECT enqueued FROM queue_samples), (SELECT count(*) FROM active_operations), (SELECT count FROM losses),
            (SELECT severity FROM error_groups), (SELECT start_ns FROM queue_samples))",
    );
    assert_eq!(seen, format!("[6,6,2,2,1,6,1,8,2,{T0}]"), "counts are added, what stands now is replaced");
    sink.close().unwrap();
    let seen: String = one(
        &file,
        "SELECT json_array((SELECT state FROM progress), (SELECT count(*) FROM active_operations),
            (SELECT outcome FROM records), (SELECT duration_ns FROM records), (SELECT ended FROM instances))",
    );
    assert_eq!(seen, format!("[\"interrupted\",0,4,{SECOND},\"shutdown\"]"));
    assert_eq!(folder.names(), ["monitor.db"], "neither log nor run file is left");
}

#[test]
fn an_error_group_that_comes_back_after_a_day_has_regressed_once() {
    let folder = Folder::new("regressed");
    let mut sink = open(&folder.file(), "a");
    let group = |at: i64, state: &str| {
        json!({ "errors": [{
            "fingerprint": "1-00000000000000aa", "kind": "", "place": "", "pattern": "p", "component": "",
            "severity": "low", "state": state, "count": 1, "count_unread": 0, "first_seen_ns": at, "last_seen_ns": at,
            "last_hour": 1, "samples": [],
        }] })
    };
    let day = 24 * 3_600 * SECOND;
    sink.write(&batch(T0, group(T0, "new"))).unwrap();
    let regressed = || one::<Option<i64>>(&folder.file(), "SELECT regressed_at_ns FROM error_groups");
    assert_eq!(regressed(), None);
    sink.write(&batch(T0 + day, group(T0 + day, "new"))).unwrap();
    assert_eq!(regressed(), Some(T0 + day), "a new run does not know that it was there before");
    sink.write(&batch(T0 + day + SECOND, group(T0 + day + SECOND, "regressed"))).unwrap();
    assert_eq!(regressed(), Some(T0 + day), "the same return");
}

/// Sums of a step length, and of those of 10 s that are open.
fn sums(path: &Path, step_s: i64) -> (i64, i64, Option<i64>, Option<i64>) {
    let sql = format!(
        "SELECT coalesce(sum(started), 0), coalesce(sum(total_ns), 0), min(min_ns), max(max_ns) FROM rollups
        WHERE step_s = {step_s} OR (step_s = 10 AND open = 1)"
    );
    let connection = Connection::open(path).unwrap();
    connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).unwrap()
}

/// Steps in which the sums of all series are not what those of each come to.
fn apart(path: &Path, step_s: i64) -> i64 {
    let columns = [
        "started",
        "succeeded",
        "failed",
        "panicked",
        "cancelled",
        "items",
        "bytes",
        "allocations",
        "allocated_bytes",
        "polls",
        "total_ns",
        "self_ns",
        "busy_ns",
    ];
    let (sums, plain) = (columns.map(|column| format!("sum({column})")).join(", "), columns.join(", "));
    let of_each = format!(
        "SELECT start_ns, instance_id, {sums}, min(min_ns), max(max_ns) FROM rollups WHERE step_s = {step_s}
            GROUP BY start_ns, instance_id"
    );
    let of_all =
        format!("SELECT start_ns, instance_id, {plain}, min_ns, max_ns FROM rollups_of_all WHERE step_s = {step_s}");
    let apart = format!(
        "SELECT (SELECT count(*) FROM ({of_each} EXCEPT {of_all})) + (SELECT count(*) FROM ({of_all} EXCEPT {of_each}))"
    );
    one(path, &apart)
}

#[test]
fn at_every_commit_coarse_and_open_rollups_are_everything() {
    let folder = Folder::new("rollups");
    let mut sink = open(&folder.file(), "a");
    let (mut calls, mut total) = (0, 0);
    // In the order of time, within a step, one that comes late, and far ahead.
    for (round, step) in [0_i64, 0, 1, 2, 7, 7, 3, 400, 9_000, 0].into_iter().enumerate() {
        let durations = [10, 1_000 + round as u64];
        let start = T0 + step * 10 * SECOND;
        let parts = json!({ "rollups": [rollup("a", start, &durations), rollup("b", start, &[7])] });
        sink.write(&batch(start + SECOND, parts)).unwrap();
        calls += 3;
        total += 10 + 1_000 + i64::try_from(round).unwrap() + 7;
        for step_s in [60, 3_600, 86_400] {
            let wanted =
                (calls, total, Some(7), Some(1_000 + i64::try_from(if round == 0 { 0 } else { round }).unwrap()));
            assert_eq!(sums(&folder.file(), step_s), wanted, "round {round}, steps of {step_s} s");
            assert_eq!(apart(&folder.file(), step_s), 0, "round {round}, steps of {step_s} s");
        }
    }
    sink.close().unwrap();
    let file = folder.file();
    assert_eq!(one::<i64>(&file, "SELECT count(*) FROM rollups WHERE open = 1"), 0);
    assert_eq!(one::<i64>(&file, "SELECT sum(started) FROM rollups WHERE step_s = 86400"), calls);
    assert_eq!(one::<i64>(&file, "SELECT sum(started) FROM rollups WHERE step_s = 10"), calls);
}

#[test]
fn a_histogram_that_cannot_be_read_is_counted_and_the_sums_go_on() {
    let folder = Folder::new("histogram");
    let mut sink = open(&folder.file(), "a");
    sink.write(&batch(T0, json!({ "rollups": [rollup("a", T0, &[5])] }))).unwrap();
    Connection::open(folder.file()).unwrap().execute("UPDATE rollups SET durations = x'07FF'", []).unwrap();
    sink.write(&batch(T0, json!({ "rollups": [rollup("a", T0, &[5])] }))).unwrap();
    let file = folder.file();
    assert_eq!(one::<i64>(&file, "SELECT started FROM rollups"), 2);
    assert_eq!(one::<String>(&file, "SELECT reason FROM losses"), "damaged histogram");
}

#[test]
fn eight_threads_that_make_the_file_at_once_all_write_into_it() {
    let folder = Folder::new("race");
    let file = folder.file();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let file = &file;
            scope.spawn(move || {
                let mut sink = SqliteSink::new(file);
                let run = format!("run{thread}");
                while let Err(error) = sink.open(&instance(&run)) {
                    assert!(error.is_again(), "{error}");
                }
                for number in 0..10_u64 {
                    let parts = json!({
                        "records": [record(number + 1, "shared", json!({ "thread": run }))],
                        "rollups": [rollup("shared", T0 + 10 * SECOND * i64::try_from(number).unwrap(), &[1])],
                    });
                    let batch = batch(T0, parts);
                    while let Err(error) = sink.write(&batch) {
                        assert!(error.is_again(), "{error}");
                    }
                }
                sink.close().unwrap();
            });
        }
    });
    assert_eq!((count(&file, "records"), count(&file, "series"), count(&file, "instances")), (80, 1, 8));
    assert_eq!(one::<i64>(&file, "SELECT sum(started) FROM rollups WHERE step_s = 86400"), 80);
    assert_eq!(
        one::<i64>(&file, "SELECT count(*) FROM instances WHERE ended = 'shutdown'"),
        8,
        "none took another for dead"
    );
    assert_eq!(one::<String>(&file, "PRAGMA integrity_check"), "ok");
}

#[test]
fn a_run_that_died_is_marked_and_one_that_lives_is_not() {
    let folder = Folder::new("dead");
    let file = folder.file();
    let living = open(&file, "living");
    let mut died = open(&file, "died");
    let active = json!({
        "id": 8, "name": "serve", "kind": "function", "labels": {}, "parent": null, "trace_id": null, "span_id": null,
        "started_at_ns": T0, "age_ns": 1, "thread": "t", "state": "running", "polls": 0, "busy_time_ns": 0,
    });
    let job = json!({
        "id": 4, "parent": null, "name": "import", "state": "stalled", "total": null, "done": 1, "already_done": 0,
        "succeeded": 1, "failed": 0, "skipped": 0, "batch_size": null, "bytes": 0, "total_bytes": null, "message": "",
        "error": null, "started_at_ns": T0, "elapsed_ns": 5, "idle_ns": 1, "rate": null, "bytes_rate": null,
        "eta_ns": null,
    });
    let parts = json!({ "active": [active], "progress": [job], "rollups": [rollup("a", T0, &[5])] });
    died.write(&batch(T0 + 3 * SECOND, parts)).unwrap();
    Connection::open(&file)
        .unwrap()
        .execute(
            "INSERT INTO operations_by_id (id, name, kind, component, labels, fields, steps, begun_by, started_at_ns, items,
                bytes) SELECT 'n', 'x', '', '', '{}', '[]', '[]', id, ?1, 0, 0 FROM instances WHERE run = 'died'",
            [T0],
        )
        .unwrap();
    // Without `close`, as at the end of a process that is killed: the system lets go of its lock.
    drop(died);
    let threads: Vec<_> = ["next", "other"]
        .map(|run| {
            let file = file.clone();
            std::thread::spawn(move || drop(open(&file, run)))
        })
        .into();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut last = open(&file, "last");
    let seen: String = one(
        &file,
        "SELECT json_array((SELECT ended FROM instances WHERE run = 'died'),
            (SELECT ended_at_ns FROM instances WHERE run = 'died'), (SELECT ended FROM instances WHERE run = 'living'),
            (SELECT state FROM progress), (SELECT count(*) FROM active_operations), (SELECT count(*) FROM records),
            (SELECT outcome FROM records), (SELECT duration_ns FROM records),
            (SELECT outcome FROM operations_by_id), (SELECT started FROM rollups WHERE step_s = 86400),
            (SELECT count(*) FROM rollups WHERE open = 1))",
    );
    let end = T0 + 3 * SECOND;
    assert_eq!(seen, format!("[\"interrupted\",{end},null,\"interrupted\",0,1,4,{},4,1,0]", 3 * SECOND));
    assert!(!folder.names().contains(&"monitor.db-run-died".to_owned()));
    assert!(folder.names().contains(&"monitor.db-run-living".to_owned()));
    last.close().unwrap();
    drop(living);
}

#[test]
fn a_path_that_cannot_be_a_file_and_files_of_others_are_refused() {
    let folder = Folder::new("paths");
    let refused = |path: &Path| {
        let error = SqliteSink::new(path).open(&instance("a")).unwrap_err();
        assert!(!error.is_again(), "{error}");
        error.to_string()
    };
    assert!(refused(folder.path()).contains("is a folder"));
    assert!(refused(&folder.path().join("no/monitor.db")).contains("does not exist"));
    assert!(refused(Path::new("")).contains("empty"));
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    assert!(refused(&foreign).contains("another program"));
    drop(open(&folder.file(), "a"));
    Connection::open(folder.file()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    assert!(refused(&folder.file()).contains("version 99"));
}

#[test]
fn nothing_is_written_before_opening_or_after_closing() {
    let folder = Folder::new("order");
    let mut sink = SqliteSink::new(folder.file());
    assert!(!sink.write(&batch(T0, json!({}))).unwrap_err().is_again());
    sink.close().unwrap();
    let mut sink = open(&folder.file(), "a");
    sink.close().unwrap();
    sink.close().unwrap();
    assert!(!sink.write(&batch(T0, json!({}))).unwrap_err().is_again());
}
