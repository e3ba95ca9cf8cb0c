//! What of a history is kept, said a second time and in another way: by one query a table.

use std::path::Path;

use monitor_core::{Retention, Severity, Sink as _};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};

use crate::sqlite_support::{MINUTE, SECOND, T0, batch, error_group, job, queue, record, rollup, transition};
use crate::{HOUR, age, one, open};

/// The moment at which it is looked what is too old, in minutes.
pub(crate) const END: i64 = 100 * 24 * 60;

/// A limit is never on a minute, at which everything happens.
pub(crate) const OFF: i64 = 30 * SECOND;

/// What a program did at some minute.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) minute: i64,
    pub(crate) what: u8,
}

pub(crate) fn events() -> impl Strategy<Value = Vec<Event>> {
    // Some of them close to each other, so that steps have several.
    let minute = prop_oneof![0..END, END - 2_000..END, (0..100_i64).prop_map(|day| day * 1_440)];
    let event = (minute, 0..10_u8).prop_map(|(minute, what)| Event { minute, what });
    prop::collection::vec(event, 1..60).prop_map(|mut events| {
        events.sort_by_key(|event| event.minute);
        events
    })
}

pub(crate) fn parts(number: u64, event: &Event, at_ns: i64) -> Value {
    let name = ["load", "save", "send"][usize::from(event.what) % 3];
    let severity = ["low", "medium", "high", "critical"][usize::from(event.what) % 4];
    let begun = json!({ "started_at_ns": at_ns, "fields": [["user", { "text": format!("u{}", event.what) }]],
        "thread": format!("t{}", event.minute % 7) });
    let mut parts = json!({
        "records": [record(number, name, begun)],
        "rollups": [rollup(name, at_ns, &[1_000, 2_000 + number])],
    });
    let (key, value) = match event.what {
        0 | 1 => ("errors", error_group(at_ns, severity, 2)),
        2 | 3 => ("transitions", transition(at_ns)),
        4 => ("progress", job(number, at_ns, "finished")),
        5 => ("progress", job(number, at_ns, "running")),
        6 => ("queues", queue(3)),
        7 => ("lost", json!({ "ring full": 1 })),
        _ => ("errors", error_group(at_ns, severity, 1)),
    };
    parts[key] = if key == "lost" { value } else { json!([value]) };
    parts
}

/// A file to which several runs, one after the other, wrote what happened.
pub(crate) fn history(path: &Path, events: &[Event]) {
    let mut number = 0;
    for (run, events) in events.chunks(9).enumerate() {
        let mut sink = open(path, &format!("run{run}"), Retention::forever());
        for event in events {
            let at_ns = T0 + event.minute * MINUTE;
            number += 1;
            sink.write(&batch(at_ns + SECOND, parts(number, event, at_ns))).unwrap();
        }
        sink.close().unwrap();
    }
}

/// Ages in hours, in the order of the parts below.
pub(crate) type Ages = [i64; 11];

pub(crate) fn retention(ages: &Ages) -> Retention {
    let age = |part: usize| age(ages[part] * HOUR + OFF);
    Retention::forever()
        .records(age(0))
        .errors(Severity::Low, age(1))
        .errors(Severity::Medium, age(2))
        .errors(Severity::High, age(3))
        .errors(Severity::Critical, age(4))
        .figures(age(5), age(6), age(7))
        .transitions(age(8))
        .progress(age(9))
        .queue_samples(age(10))
}

/// Rows that are there and should not be, or the other way round.
pub(crate) fn differences(path: &Path, old: &Path, ages: &Ages) -> Vec<String> {
    let end = T0 + END * MINUTE;
    let cut = |part: usize| end - ages[part] * HOUR - OFF;
    let step = |ns: i64, step_s: i64| ns - ns.rem_euclid(step_s * SECOND);
    let (ten, minutes) = (ages[5], ages[5].max(ages[6]));
    let hours = minutes.max(ages[7]);
    let figures = [(10, ten), (60, minutes), (3_600, hours), (86_400, hours)]
        .map(|(step_s, age)| format!("step_s = {step_s} AND start_ns >= {}", step(end - age * HOUR - OFF, step_s)))
        .join(" OR ");
    let by_severity = |time: &str| {
        let each = (0..4).map(|severity| format!("severity = {severity} AND {time} >= {}", cut(severity + 1)));
        each.collect::<Vec<_>>().join(" OR ")
    };
    // A group has the severity of its worst sample, and stays until the last of them may go.
    let groups = (0..4).map(|severity| {
        let longest = (0..=severity).map(|severity| cut(severity + 1)).min().unwrap_or(0);
        format!("severity = {severity} AND last_seen_at_ns >= {longest}")
    });
    let of_groups = groups.collect::<Vec<_>>().join(" OR ");
    let groups = format!("SELECT id FROM old.error_groups WHERE {of_groups}");
    let longest = (1..5).map(cut).min().unwrap_or(0);
    let expected = [
        ("records", "id", format!("started_at_ns >= {}", cut(0))),
        (
            "record_fields",
            "record_id",
            format!("record_id IN (SELECT id FROM old.records WHERE started_at_ns >= {})", cut(0)),
        ),
        ("rollups", "step_s, start_ns, series_id, instance_id, hex(durations)", figures),
        ("error_groups", "id", of_groups),
        ("error_samples", "id", format!("({}) AND group_id IN ({groups})", by_severity("seen_at_ns"))),
        (
            "error_hours",
            "start_ns, group_id, instance_id, count",
            format!("start_ns >= {} AND group_id IN ({groups})", step(longest, 3_600)),
        ),
        ("transitions", "id", format!("at_ns >= {}", cut(8))),
        ("progress", "id", format!("state = 'running' OR started_at_ns >= {0} OR updated_at_ns >= {0}", cut(9))),
        ("queue_samples", "start_ns, enqueued", format!("start_ns >= {}", step(cut(10), 10))),
    ];
    let sql = Connection::open(path).unwrap();
    sql.execute("ATTACH ?1 AS old", [old.to_str()]).unwrap();
    let mut differences = Vec::new();
    for (table, columns, condition) in expected {
        for (what, first, second) in [
            ("missing", format!("old.{table} WHERE {condition}"), format!("main.{table}")),
            ("too old", format!("main.{table}"), format!("old.{table} WHERE {condition}")),
        ] {
            let rows = format!("SELECT {columns} FROM {first} EXCEPT SELECT {columns} FROM {second}");
            let rows: i64 = sql.query_row(&format!("SELECT count(*) FROM ({rows})"), [], |row| row.get(0)).unwrap();
            if rows > 0 {
                differences.push(format!("{table}: {rows} {what}"));
            }
        }
    }
    differences
}

/// Ids that lead nowhere, and blocks that do not fit their records.
pub(crate) fn dangling(path: &Path) -> Vec<String> {
    let ids = [
        ("records", "instance_id", "instances"),
        ("records", "series_id", "series"),
        ("records", "parent_series_id", "series"),
        ("records", "thread_id", "strings"),
        ("record_fields", "key_id", "strings"),
        ("record_fields", "record_id", "records"),
        ("records", "id >> 10", "(SELECT block AS id FROM record_blocks)"),
        ("record_blocks", "block", "(SELECT id >> 10 AS id FROM records)"),
        ("rollups", "series_id", "series"),
        ("rollups", "instance_id", "instances"),
        ("rollups_of_all", "instance_id", "instances"),
        ("error_hours", "instance_id", "instances"),
        ("error_samples", "instance_id", "instances"),
        ("transitions", "instance_id", "instances"),
        ("transitions", "machine_id", "strings"),
        ("transitions", "from_id", "strings"),
        ("transitions", "trigger_id", "strings"),
        ("progress", "instance_id", "instances"),
        ("queue_samples", "queue_id", "strings"),
        ("queue_samples", "instance_id", "instances"),
    ];
    let sql = Connection::open(path).unwrap();
    let dangling = |(table, column, target): &(&str, &str, &str)| {
        let rows = format!("SELECT count(*) FROM {table} WHERE {column} NOT IN (SELECT id FROM {target})");
        sql.query_row(&rows, [], |row| row.get::<_, i64>(0)).unwrap() > 0
    };
    let mut wrong: Vec<_> = ids.iter().filter(|id| dangling(id)).map(|id| format!("{id:?}")).collect();
    let narrow: i64 = one(
        path,
        "SELECT count(*) FROM records JOIN record_blocks ON block = records.id >> 10
            WHERE started_at_ns NOT BETWEEN first_started_at_ns AND last_started_at_ns",
    );
    wrong.extend((narrow > 0).then(|| format!("{narrow} records out of their block")));
    wrong.extend(Some(one::<String>(path, "PRAGMA integrity_check")).filter(|said| said != "ok"));
    wrong
}
