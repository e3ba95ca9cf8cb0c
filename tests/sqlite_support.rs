//! Batches as JSON, and files in folders that vanish.
#![allow(dead_code, clippy::expect_used, reason = "each suite uses a part of it")]

use std::path::{Path, PathBuf};

use monitor_core::{Batch, Instance, Sink as _, SqliteSink};
use rusqlite::Connection;
use serde_json::{Value, json};

/// A second of 2023 that begins a day.
pub(crate) const T0: i64 = 1_700_006_400_000_000_000;

pub(crate) const SECOND: i64 = 1_000_000_000;

pub(crate) const MINUTE: i64 = 60 * SECOND;

/// A folder of a test's own, with a file for a history.
pub(crate) struct Folder(tests::folder::Folder);

impl Folder {
    #[must_use]
    pub(crate) fn new(name: &str) -> Folder {
        Folder(tests::folder::Folder::new(&format!("sqlite-{name}")))
    }

    #[must_use]
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    #[must_use]
    pub(crate) fn file(&self) -> PathBuf {
        self.0.file("monitor.db")
    }

    /// Names of the files in it, sorted.
    #[must_use]
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.files()
    }
}

#[must_use]
pub(crate) fn instance(run: &str) -> Instance {
    let json = json!({
        "run": run, "service": "api", "host": "here", "program": "test", "pid": 7, "started_at_ns": T0,
    });
    serde_json::from_value(json).expect("an instance")
}

/// A batch of that moment with some parts replaced.
#[must_use]
pub(crate) fn batch(at_ns: i64, parts: Value) -> Batch {
    let mut json = json!({
        "at_ns": at_ns, "records": [], "rollups": [], "errors": [], "transitions": [], "progress": [], "queues": [],
        "active": [], "lost": {},
    });
    merge(&mut json, parts);
    serde_json::from_value(json).expect("a batch")
}

fn merge(json: &mut Value, parts: Value) {
    let (Value::Object(json), Value::Object(parts)) = (json, parts) else { return };
    json.extend(parts);
}

#[must_use]
pub(crate) fn record(id: u64, name: &str, parts: Value) -> Value {
    let mut json = json!({
        "id": id, "parent": null, "parent_name": null, "trace_id": format!("{:016x}{id:016x}", 77),
        "span_id": format!("{id:016x}"), "parent_span_id": null, "name": name, "kind": "function", "component": "",
        "labels": {}, "outcome": "success", "started_at_ns": T0, "duration_ns": 1_000, "busy_time_ns": null,
        "polls": 0, "items": 0, "bytes": 0, "fields": [], "context": [], "error": null, "thread": "main",
    });
    merge(&mut json, parts);
    json
}

#[must_use]
pub(crate) fn rollup(name: &str, step_start_ns: i64, durations: &[u64]) -> Value {
    let mut histogram = monitor_core::Histogram::new();
    for &duration in durations {
        histogram.record(duration);
    }
    let sum: u64 = durations.iter().sum();
    let (min, max) =
        (durations.iter().min().copied().unwrap_or(u64::MAX), durations.iter().max().copied().unwrap_or(0));
    json!({
        "name": name, "kind": "function", "component": "", "labels": {}, "step_start_ns": step_start_ns,
        "figures": {
            "started": durations.len(), "succeeded": durations.len(), "failed": 0, "panicked": 0, "cancelled": 0,
            "items": 2 * durations.len(), "bytes": 0, "polls": 0, "total_time_ns": sum, "self_time_ns": sum,
            "busy_time_ns": 0, "durations": histogram, "window_ns": 10 * SECOND, "in_flight": 0,
            "min_time_ns": min, "max_time_ns": max,
        },
    })
}

/// A group of errors of which some came at that moment, with one sample. Each severity has a group of its own.
#[must_use]
pub(crate) fn error_group(at_ns: i64, severity: &str, count: u64) -> Value {
    let sample = json!({
        "error": { "kind": "Io", "message": "port 1 refused", "sources": [] }, "severity": severity, "seen_at_ns": at_ns,
        "operation_id": 9, "operation": "connect", "trace_id": format!("{:032x}", 99_u128 << 64 | 9),
        "span_id": format!("{:016x}", 9), "location": "a.rs:1:1", "context": [], "thread": null, "backtrace": null,
    });
    json!({
        "fingerprint": format!("1-00000000000000a{}", severity.len()), "kind": "Io", "place": "connect",
        "pattern": "port <n> refused", "component": "", "severity": severity, "state": "new", "count": count,
        "count_unread": 0, "first_seen_ns": at_ns, "last_seen_ns": at_ns, "last_hour": count, "samples": [sample],
    })
}

#[must_use]
pub(crate) fn transition(at_ns: i64) -> Value {
    json!({
        "machine": "order", "entity": "o-1", "from": "new", "to": "paid", "trigger": "pay", "at_ns": at_ns,
        "time_in_state_ns": 5,
    })
}

#[must_use]
pub(crate) fn job(id: u64, started_at_ns: i64, state: &str) -> Value {
    json!({
        "id": id, "parent": null, "name": "import", "state": state, "total": 10, "done": 1, "already_done": 0,
        "succeeded": 1, "failed": 0, "skipped": 0, "batch_size": null, "bytes": 0, "total_bytes": null, "message": "m",
        "error": null, "started_at_ns": started_at_ns, "elapsed_ns": 5, "idle_ns": 1, "rate": 0.5, "bytes_rate": null,
        "eta_ns": 18,
    })
}

/// What came into a queue since the last batch.
#[must_use]
pub(crate) fn queue(enqueued: u64) -> Value {
    let recent = json!({ "window_ns": 0, "enqueued": 0, "ended": 0, "discarded": 0 });
    json!({
        "name": "mail", "depth": 2, "depth_reported": false, "in_process": 1, "enqueued": enqueued, "processed": 1,
        "failed": 0, "discarded": 0, "requeued": 0, "waiting": { "version": 1, "buckets": [[5, 1]] }, "waiting_time_ns": 5,
        "max_waiting_ns": 5, "oldest_ns": 7, "untimed": 0, "last_minute": recent, "last_five_minutes": recent,
        "window_ns": 0,
    })
}

/// A sink that is open.
///
/// # Panics
/// When it cannot be opened.
#[must_use]
pub(crate) fn open(path: &Path, run: &str) -> SqliteSink {
    let mut sink = SqliteSink::new(path);
    sink.open(&instance(run)).expect("the sink opens");
    sink
}

/// Lets the sink remove until it changes nothing any more.
///
/// # Panics
/// When it cannot.
pub(crate) fn keep(sink: &mut SqliteSink, path: &Path) {
    let watch = Connection::open(path).expect("the file opens");
    let version = || watch.query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).expect("a version");
    loop {
        let before = version();
        sink.idle().expect("the sink removes");
        if version() == before {
            break;
        }
    }
}

/// Comes to that time, and lets the sink remove what it removes then. A jump of the clock is believed at the second look.
///
/// # Panics
/// When it cannot.
pub(crate) fn keep_at(sink: &mut SqliteSink, path: &Path, at_ns: i64) {
    for at_ns in [at_ns - 2 * MINUTE, at_ns] {
        sink.write(&batch(at_ns, json!({}))).expect("the sink writes");
        keep(sink, path);
    }
}
