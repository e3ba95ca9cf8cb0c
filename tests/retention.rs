//! What becomes of a history that is too old or too large.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

#[path = "retention/model.rs"]
mod model;
mod sqlite_support;

use std::path::Path;
use std::time::{Duration, SystemTime};

use model::{END, Event, OFF, dangling, differences, events, history, parts, retention};
use monitor_core::{
    AuditDraft, AuditLog, AuditTrail as _, Figure, History as _, Retention, Selection, Sink as _, SqliteHistory,
    SqliteOptions, SqliteSink, TimeRange,
};
use proptest::prelude::*;
use rusqlite::{Connection, types::FromSql};
use serde_json::{Value, json};
use sqlite_support::{
    Folder, MINUTE, SECOND, T0, batch, instance, job, keep, keep_at, queue, record, rollup, transition,
};

const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

const LONG: Duration = Duration::from_secs(30);

fn open(path: &Path, run: &str, retention: Retention) -> SqliteSink {
    let mut sink = SqliteSink::with(SqliteOptions::new(path).retention(retention));
    sink.open(&instance(run)).unwrap();
    sink
}

fn one<T: FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path)
        .unwrap()
        .query_row(sql, [], |row| row.get(0))
        .unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn count(path: &Path, table: &str) -> i64 {
    one(path, &format!("SELECT count(*) FROM {table}"))
}

fn age(ns: i64) -> Duration {
    Duration::from_nanos(ns.unsigned_abs())
}

fn at(ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + age(ns)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn what_is_too_old_goes_and_nothing_else(
        events in events(),
        ages in prop::array::uniform11(prop_oneof![0..30_i64, 0..2_400_i64]),
    ) {
        let folder = Folder::new("retention");
        let (path, old) = (folder.file(), folder.path().join("old.db"));
        history(&path, &events);
        std::fs::copy(&path, &old).unwrap();
        let mut sink = open(&path, "last", retention(&ages));
        keep_at(&mut sink, &path, T0 + END * MINUTE);
        prop_assert_eq!(differences(&path, &old, &ages), Vec::<String>::new());
        prop_assert_eq!(dangling(&path), Vec::<String>::new());
        // What was removed comes again under ids that lead somewhere.
        for (number, what) in (1_000..).zip(0..10) {
            let at_ns = T0 + END * MINUTE;
            let event = Event { minute: END, what };
            sink.write(&batch(at_ns, parts(number, &event, at_ns))).unwrap();
        }
        prop_assert_eq!(dangling(&path), Vec::<String>::new());
        sink.close().unwrap();
        // And the file tells what it is complete of, which is no more than it is.
        let since = |part: &str| -> i64 {
            one(&path, &format!("SELECT coalesce(max(since_ns), {}) FROM kept_since WHERE part = '{part}'", i64::MIN))
        };
        prop_assert!(since("records") <= T0 + END * MINUTE - ages[0] * HOUR);
        prop_assert!(since("transitions") <= T0 + END * MINUTE - ages[8] * HOUR);
    }

    #[test]
    fn figures_are_those_of_the_range_that_they_are_said_to_be_of(
        events in events(),
        ages in prop::array::uniform3(0..2_400_i64),
        ranges in prop::collection::vec((0..END, 0..END), 1..12),
    ) {
        let folder = Folder::new("covered");
        let path = folder.file();
        history(&path, &events);
        let [ten, minutes, hours] = ages.map(|hours| age(hours * HOUR + OFF));
        let mut sink = open(&path, "last", Retention::forever().figures(ten, minutes, hours));
        keep_at(&mut sink, &path, T0 + END * MINUTE);
        let history = SqliteHistory::open(&path).unwrap();
        for (one, other) in ranges {
            let (since, until) = (T0 + one.min(other) * MINUTE, T0 + (one.max(other) + 1) * MINUTE);
            let selection = Selection::new(TimeRange::since(at(since)).until(at(until)));
            let found = history.figures(&selection, LONG).unwrap();
            let covered = |event: &&Event| {
                let time = at(T0 + event.minute * MINUTE);
                found.covered.since.is_none_or(|since| since <= time) && found.covered.until.is_none_or(|until| time < until)
            };
            // Two calls each.
            let calls = 2 * events.iter().filter(covered).count() as u64;
            let there = one_row(&path) > 0;
            prop_assert_eq!(found.figures.finished(), if there { calls } else { 0 }, "{:?}", found.covered);
            // Step by step: what is known is right, what is not is said not to be.
            let step = Duration::from_hours(1);
            let series = history.series(&selection, Figure::Calls, step, LONG).unwrap();
            for point in series.points {
                let within = |event: &&Event| {
                    let time = at(T0 + event.minute * MINUTE);
                    (point.start..point.start + step).contains(&time)
                };
                let calls = 2.0 * f64::from(u32::try_from(events.iter().filter(within).count()).unwrap());
                prop_assert!(point.value.is_none_or(|value| (value - calls).abs() < 0.5), "{point:?} of {calls}");
            }
            // Percentiles of all together are read from sums of their own.
            for (figure, point) in [Figure::Percentile(0.9), Figure::Mean, Figure::Max].into_iter().flat_map(|figure| {
                let points = history.series(&selection, figure, step, LONG).unwrap().points;
                points.into_iter().map(move |point| (figure, point))
            }) {
                if point.value.is_none() {
                    continue;
                }
                let hour = TimeRange::since(point.start).until(point.start + step);
                let figures = history.figures(&Selection::new(hour), LONG).unwrap();
                if figures.covered == hour {
                    prop_assert_eq!(point.value, figure.of(&figures.figures), "{:?} {:?}", figure, hour);
                }
            }
        }
    }
}

fn one_row(path: &Path) -> i64 {
    one(path, "SELECT EXISTS (SELECT 1 FROM rollups)")
}

/// Records of some seconds, a thousand each.
fn fill(sink: &mut SqliteSink, first: i64, seconds: i64) {
    for second in first..first + seconds {
        let at_ns = T0 + second * SECOND;
        let ids = second.unsigned_abs() * 1_000;
        let records: Vec<_> =
            (ids..ids + 1_000).map(|id| record(id + 1, "load", json!({ "started_at_ns": at_ns }))).collect();
        let parts = json!({ "records": records, "rollups": [rollup("load", at_ns, &[1_000; 1_000])] });
        sink.write(&batch(at_ns, parts)).unwrap();
    }
}

#[test]
fn a_file_that_is_too_large_loses_the_oldest_and_gives_its_room_back() {
    let folder = Folder::new("bytes");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::new().max_bytes(2 << 20));
    fill(&mut sink, 0, 40);
    keep(&mut sink, &path);
    let left = count(&path, "records");
    assert!((5_000..39_000).contains(&left), "{left}");
    assert_eq!(
        one::<i64>(&path, "SELECT min(started_at_ns) FROM records WHERE id = (SELECT max(id) FROM records)"),
        T0 + 39 * SECOND,
        "the newest are there"
    );
    let since: i64 = one(&path, "SELECT since_ns FROM kept_since WHERE part = 'records'");
    assert_eq!(
        one::<i64>(&path, &format!("SELECT count(*) FROM records WHERE started_at_ns >= {since}")),
        40_000 - (since - T0 + SECOND - 1) / SECOND * 1_000,
        "from then on it is complete"
    );
    assert_eq!(one::<i64>(&path, "SELECT sum(succeeded) FROM rollups WHERE step_s = 86400 OR open = 1"), 40_000);
    assert_eq!(dangling(&path), Vec::<String>::new());
    sink.close().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() <= 2 << 20);
}

#[test]
fn a_program_that_leaves_no_time_does_not_make_the_file_too_large() {
    let folder = Folder::new("busy");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::new().max_bytes(2 << 20));
    let pragma = |name: &str| one::<i64>(&path, &format!("PRAGMA {name}"));
    let size = || (pragma("page_count") - pragma("freelist_count")) * pragma("page_size");
    sink.idle().unwrap();
    let mut largest = 0;
    for second in 0..150 {
        // Never idle.
        fill(&mut sink, second, 1);
        largest = largest.max(size());
    }
    assert!(largest < 4 << 20, "{largest}");
    assert_eq!(one::<i64>(&path, "SELECT max(started_at_ns) FROM records"), T0 + 149 * SECOND);
}

#[test]
fn what_nothing_has_any_more_goes() {
    let folder = Folder::new("unused");
    let path = folder.file();
    let mut sink = open(&path, "old", Retention::new());
    fill(&mut sink, 0, 1);
    sink.write(&batch(T0 + SECOND, json!({ "lost": { "ring full": 1 }, "transitions": [transition(T0)] }))).unwrap();
    sink.close().unwrap();
    let mut sink = open(&path, "new", Retention::new());
    let later = T0 + 800 * DAY;
    sink.write(&batch(later, json!({ "rollups": [rollup("save", later, &[5])] }))).unwrap();
    keep_at(&mut sink, &path, later);
    // Once an hour.
    sink.write(&batch(later + 2 * HOUR, json!({ "rollups": [rollup("save", later + 2 * HOUR, &[5])] }))).unwrap();
    keep(&mut sink, &path);
    for (table, left) in [("series", 1), ("instances", 1), ("strings", 0), ("losses", 0), ("records", 0)] {
        assert_eq!(count(&path, table), left, "{table}");
    }
    // One that comes again is one that is new, to the sink that removed it as well.
    sink.write(&batch(later + 3 * HOUR, json!({ "records": [record(1, "load", json!({ "started_at_ns": later }))] })))
        .unwrap();
    assert_eq!(dangling(&path), Vec::<String>::new());
}

#[test]
fn a_writer_does_not_use_what_another_one_removed() {
    let folder = Folder::new("two");
    let path = folder.file();
    let (mut one_sink, mut other) = (open(&path, "a", Retention::forever()), open(&path, "b", Retention::new()));
    fill(&mut one_sink, 0, 1);
    for day in 1..6 {
        let later = T0 + day * 400 * DAY;
        other.write(&batch(later, json!({ "rollups": [rollup("save", later, &[5])] }))).unwrap();
        keep_at(&mut other, &path, later);
        keep_at(&mut other, &path, later + 2 * HOUR);
        let records = [record(1, "load", json!({ "started_at_ns": later }))];
        one_sink.write(&batch(later, json!({ "records": records, "rollups": [rollup("load", later, &[5])] }))).unwrap();
        assert_eq!(dangling(&path), Vec::<String>::new());
    }
}

#[test]
fn a_run_that_was_removed_does_not_write_as_the_one_that_has_its_id_now() {
    let folder = Folder::new("id");
    let path = folder.file();
    let mut slept = open(&path, "slept", Retention::new());
    slept.write(&batch(T0, json!({}))).unwrap();
    // Taken for dead and removed by one that came later, and that has got its id.
    Connection::open(&path).unwrap().execute("DELETE FROM instances", []).unwrap();
    let mut other = open(&path, "other", Retention::new());
    other.write(&batch(T0, json!({}))).unwrap();
    assert_eq!(one::<i64>(&path, "SELECT id FROM instances WHERE run = 'other'"), 1);
    let parts = json!({ "records": [record(1, "load", json!({ "started_at_ns": T0 }))] });
    let again = slept.write(&batch(T0 + SECOND, parts.clone()));
    assert!(again.is_err_and(|error| error.is_again()), "it begins anew");
    slept.write(&batch(T0 + SECOND, parts)).unwrap();
    let sql = "SELECT run FROM records JOIN instances ON instances.id = instance_id";
    assert_eq!(one::<String>(&path, sql), "slept");
}

#[test]
fn a_step_that_is_still_open_does_not_stand_for_the_newest() {
    let folder = Folder::new("open");
    let path = folder.file();
    // One that lives, and last worked on the first day; another one that worked on the second, and ended.
    let (mut quiet, mut busy) = (open(&path, "quiet", Retention::new()), open(&path, "busy", Retention::new()));
    quiet.write(&batch(T0, json!({ "rollups": [rollup("load", T0, &[5])] }))).unwrap();
    let second = T0 + DAY + HOUR;
    busy.write(&batch(second, json!({ "rollups": [rollup("save", second, &[5, 6])] }))).unwrap();
    busy.close().unwrap();
    keep_at(&mut quiet, &path, T0 + 4 * DAY);
    let history = SqliteHistory::open(&path).unwrap();
    let calls = |since: i64| {
        let selection = Selection::new(TimeRange::since(at(since)).until(at(T0 + 5 * DAY)));
        history.figures(&selection, LONG).unwrap().figures.finished()
    };
    assert_eq!((calls(T0), calls(T0 + DAY)), (3, 2));
}

#[test]
fn what_runs_stays() {
    let folder = Folder::new("running");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::new());
    let active = json!({
        "id": 8, "name": "serve", "kind": "function", "labels": {}, "parent": null, "trace_id": null,
        "span_id": format!("{:016x}", 8), "started_at_ns": T0, "age_ns": 1, "thread": "t", "state": "running", "polls": 0,
        "busy_time_ns": 0,
    });
    let parts = json!({ "active": [active], "progress": [job(1, T0, "running"), job(2, T0, "finished")] });
    sink.write(&batch(T0, parts.clone())).unwrap();
    let sql = Connection::open(&path).unwrap();
    sql.execute_batch(&format!(
        "INSERT INTO alerts (rule, labels, severity, state, message, started_at_ns, ended_at_ns) VALUES
            ('slow', '{{}}', 1, 'firing', 'm', {T0}, NULL), ('slow', '{{}}', 1, 'resolved', 'm', {T0}, {T0});
        INSERT INTO operations_by_id (id, name, kind, component, labels, fields, context, steps, steps_over, begun_by, started_at_ns, items, bytes)
            VALUES ('runs', 'n', 'k', '', '{{}}', '[]', '[]', '[]', 0, 1, {T0}, 0, 0), ('over', 'n', 'k', '', '{{}}', '[]', '[]', '[]', 0, 1, {T0}, 0, 0);
        UPDATE operations_by_id SET ended_at_ns = {T0}, outcome = 0 WHERE id = 'over';
        INSERT INTO checkpoints VALUES ('import', x'00', {T0});"
    ))
    .unwrap();
    for days in [800, 801] {
        sink.write(&batch(T0 + days * DAY, json!({ "active": [active_again(&parts)] }))).unwrap();
        keep(&mut sink, &path);
    }
    for (what, left) in [
        ("SELECT count(*) FROM active_operations", 1),
        ("SELECT count(*) FROM series", 1),
        ("SELECT count(*) FROM instances", 1),
        ("SELECT count(*) FROM progress WHERE state = 'running'", 1),
        ("SELECT count(*) FROM progress", 1),
        ("SELECT count(*) FROM alerts WHERE state = 'firing'", 1),
        ("SELECT count(*) FROM alerts", 1),
        ("SELECT count(*) FROM operations_by_id WHERE id = 'runs'", 1),
        ("SELECT count(*) FROM operations_by_id", 1),
        ("SELECT count(*) FROM checkpoints", 1),
    ] {
        assert_eq!(one::<i64>(&path, what), left, "{what}");
    }
}

fn active_again(parts: &Value) -> Value {
    parts["active"][0].clone()
}

#[test]
fn the_audit_trail_loses_its_oldest_entries_and_stays_whole() {
    let folder = Folder::new("audit");
    let path = folder.file();
    let log = AuditLog::open(&path).unwrap();
    for day in [0, 1, 50, 80, 99] {
        log.write(&AuditDraft::new(at(T0 + day * DAY), "alice", "deploy")).unwrap();
    }
    let mut sink = open(&path, "a", Retention::new());
    keep_at(&mut sink, &path, T0 + 100 * DAY);
    assert_eq!(log.verify().unwrap().to_string(), "3 entries, 3 to 5, intact");
    // One that was changed is evidence, whatever its age.
    Connection::open(&path).unwrap().execute("UPDATE audit SET actor = 'bob' WHERE id = 4", []).unwrap();
    keep_at(&mut sink, &path, T0 + 1_000 * DAY);
    assert_eq!((count(&path, "audit"), one::<i64>(&path, "SELECT min(id) FROM audit")), (3, 3));
}

#[test]
fn runs_that_are_short_remove_what_is_too_old_as_well() {
    let folder = Folder::new("short");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::forever());
    fill(&mut sink, 0, 1);
    sink.close().unwrap();
    let run = |name: &str, at_ns: i64| {
        let mut sink = open(&path, name, Retention::new());
        sink.write(&batch(at_ns, json!({ "rollups": [rollup("load", at_ns, &[5])] }))).unwrap();
        sink.close().unwrap();
        one::<i64>(&path, "SELECT at_ns FROM upkeep WHERE task = 'retention'")
    };
    // A clock that is so far ahead is believed when the next one has it as well.
    let looked = run("b", T0 + 31 * DAY);
    assert_eq!(count(&path, "records"), 1_000);
    // Not each of them looks.
    assert_eq!(run("c", T0 + 31 * DAY + MINUTE), looked);
    assert!(run("d", T0 + 31 * DAY + HOUR) > looked);
    assert_eq!(count(&path, "records"), 0);
}

#[test]
fn a_run_that_closes_has_ended_before_anything_is_removed() {
    let folder = Folder::new("closes");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::forever());
    fill(&mut sink, 0, 1);
    sink.close().unwrap();
    let sql = "CREATE TABLE seen (ended TEXT); CREATE TRIGGER removed AFTER DELETE ON records BEGIN
        INSERT INTO seen SELECT ended FROM instances WHERE run = 'b'; END";
    Connection::open(&path).unwrap().execute_batch(sql).unwrap();
    let mut sink = open(&path, "b", Retention::new().records(age(HOUR)));
    sink.write(&batch(T0 + 2 * HOUR, json!({ "transitions": [transition(T0)] }))).unwrap();
    sink.close().unwrap();
    assert!(count(&path, "seen") > 0);
    assert_eq!(one::<i64>(&path, "SELECT count(*) FROM seen WHERE ended IS NOT 'shutdown'"), 0);
}

#[test]
fn a_clock_that_is_ahead_for_a_moment_costs_no_history() {
    let folder = Folder::new("ahead");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::new());
    fill(&mut sink, 0, 10);
    sink.write(&batch(T0, json!({ "transitions": [transition(T0)], "queues": [queue(3)] }))).unwrap();
    keep(&mut sink, &path);
    let before =
        ["records", "rollups", "transitions", "series", "strings", "queue_samples"].map(|table| count(&path, table));
    // Four years ahead, with a record and a call of then; and back.
    let ahead = T0 + 1_461 * DAY;
    let wrong = json!({ "started_at_ns": ahead });
    let parts = json!({ "records": [record(99_999, "load", wrong)], "rollups": [rollup("load", ahead, &[7])] });
    sink.write(&batch(ahead, parts)).unwrap();
    keep(&mut sink, &path);
    fill(&mut sink, 60, 1);
    keep(&mut sink, &path);
    let after =
        ["records", "rollups", "transitions", "series", "strings", "queue_samples"].map(|table| count(&path, table));
    assert_eq!((after[0], after[2], after[3]), (before[0] + 1_001, before[2], before[3]), "{before:?} {after:?}");
    assert!(after.iter().zip(before).all(|(&after, before)| after >= before), "{before:?} {after:?}");

    // One that is ahead for long costs what it costs; but it does not hide what comes after it.
    keep_at(&mut sink, &path, ahead + HOUR);
    assert_eq!(count(&path, "records"), 1);
    let now = T0 + 10 * MINUTE;
    sink.write(&batch(now, json!({ "rollups": [rollup("load", now, &[5, 6])] }))).unwrap();
    sink.close().unwrap();
    let mut sink = open(&path, "b", Retention::new());
    // It is seen to have gone back at the second look.
    keep_at(&mut sink, &path, now + 3 * MINUTE);
    let later = now + 2 * HOUR;
    sink.write(&batch(later, json!({ "rollups": [rollup("load", later, &[5, 6, 7])] }))).unwrap();
    let selection = Selection::new(TimeRange::since(at(now + HOUR)).until(at(later + MINUTE)));
    let found = SqliteHistory::open(&path).unwrap().figures(&selection, LONG).unwrap();
    assert_eq!(found.figures.finished(), 3, "{:?}", found.covered);
}

#[test]
fn what_is_of_a_time_after_its_batch_keeps_what_it_needs() {
    let folder = Folder::new("after");
    let path = folder.file();
    let days = |days: u64| Duration::from_hours(24 * days);
    let retention = Retention::new().records(days(5)).figures(days(5), days(5), days(5)).transitions(days(5));
    let mut sink = open(&path, "a", retention);
    // A clock that went back between a call and its batch.
    let ahead = T0 + 10 * DAY;
    let parts = json!({
        "records": [record(1, "early", json!({ "started_at_ns": ahead, "thread": "t1" }))],
        "rollups": [rollup("ahead", ahead, &[5])],
        "transitions": [transition(ahead)],
    });
    sink.write(&batch(T0, parts)).unwrap();
    for day in 11..14 {
        keep_at(&mut sink, &path, T0 + day * DAY);
        assert_eq!(dangling(&path), Vec::<String>::new(), "{day}");
    }
    assert_eq!((count(&path, "records"), count(&path, "transitions")), (1, 1));
}

#[test]
fn a_record_of_a_wrong_clock_does_not_make_the_others_too_many() {
    let folder = Folder::new("wrong");
    let path = folder.file();
    let mut sink = open(&path, "a", Retention::new().max_bytes(2 << 20));
    let wrong = json!({ "started_at_ns": T0 + 1_461 * DAY });
    sink.write(&batch(T0, json!({ "records": [record(99_999, "load", wrong)] }))).unwrap();
    // Two hours: more may go than must.
    for minute in 0..120 {
        fill(&mut sink, minute * 60, 1);
    }
    keep(&mut sink, &path);
    assert!(one::<i64>(&path, "PRAGMA page_count") * one::<i64>(&path, "PRAGMA page_size") <= 2 << 20);
    let left = count(&path, "records");
    assert!((5_000..100_000).contains(&left), "{left}");
    assert_eq!(one::<i64>(&path, "SELECT max(started_at_ns) FROM records WHERE id > 2000"), T0 + 119 * MINUTE);
}
