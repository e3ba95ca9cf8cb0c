//! Files with a history, filled by plain SQL.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]
#![allow(dead_code, reason = "no suite uses all of it")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use monitor_core::{Histogram, SqliteHistory};
use rusqlite::Connection;

const SCHEMA: &str = concat!(
    include_str!("../monitor-core/src/sinks/sqlite/schema_1.sql"),
    include_str!("../monitor-core/src/sinks/sqlite/views_1.sql")
);

pub(crate) const SECOND: i64 = 1_000_000_000;

/// A Thursday, at the beginning of a day.
pub(crate) const DAY: i64 = 1_789_603_200 * SECOND;

pub(crate) fn at(ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns.unsigned_abs())
}

/// A file of its own, removed in the end.
pub(crate) struct File {
    pub(crate) path: PathBuf,
    pub(crate) sql: Connection,
    /// Durations of all series together by step and beginning, for `rollups_of_all`.
    all: RefCell<BTreeMap<(i64, i64), Histogram>>,
}

/// A record with what a test does not care about.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) instance: i64,
    pub(crate) series: i64,
    pub(crate) outcome: i64,
    pub(crate) started_at_ns: i64,
    pub(crate) duration_ns: i64,
    pub(crate) trace_high: i64,
    pub(crate) fields: Vec<(i64, String)>,
}

impl Record {
    pub(crate) fn new(id: i64) -> Record {
        let started_at_ns = DAY + id * SECOND;
        Record {
            id,
            instance: 1,
            series: 1,
            outcome: 0,
            started_at_ns,
            duration_ns: 1_000,
            trace_high: id,
            fields: vec![],
        }
    }
}

impl File {
    pub(crate) fn new() -> File {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("monitor-history-{}-{number}.db", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let sql = Connection::open(&path).unwrap();
        sql.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").unwrap();
        sql.execute_batch(SCHEMA).unwrap();
        sql.execute_batch("PRAGMA application_id = 0x4D6F4E69; PRAGMA user_version = 1").unwrap();
        File { path, sql, all: RefCell::default() }
    }

    pub(crate) fn history(&self) -> SqliteHistory {
        SqliteHistory::open(&self.path).unwrap()
    }

    pub(crate) fn instance(&self, id: i64, service: &str, started_at_ns: i64, last_seen_at_ns: i64) {
        let sql = "INSERT INTO instances (id, run, service, host, program, pid, started_at_ns, last_seen_at_ns)
            VALUES (?1, printf('%032x', ?1), ?2, 'here', 'prog', 7, ?3, ?4)";
        self.sql.execute(sql, (id, service, started_at_ns, last_seen_at_ns)).unwrap();
    }

    pub(crate) fn series(&self, id: i64, name: &str, kind: &str, labels: &str) {
        let sql =
            "INSERT INTO series (id, name, kind, component, labels, used_at_ns) VALUES (?1, ?2, ?3, 'storage', ?4, 0)";
        self.sql.execute(sql, (id, name, kind, labels)).unwrap();
    }

    pub(crate) fn string(&self, id: i64, text: &str) {
        self.sql.execute("INSERT INTO strings (id, text, used_at_ns) VALUES (?1, ?2, 0)", (id, text)).unwrap();
    }

    /// The record and what belongs to it, as a writer does it.
    pub(crate) fn record(&self, record: &Record) {
        let Record { id, instance, series, outcome, started_at_ns, duration_ns, trace_high, fields } = record;
        let sql = "INSERT INTO records (id, instance_id, series_id, outcome, started_at_ns, duration_ns, span_id, trace_id_high,
            polls, items, bytes, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?1, ?7, 0, 1, 2, ?8)";
        let detail = (!fields.is_empty()).then(|| {
            let fields: Vec<_> = fields.iter().map(|(key, value)| (self.text(*key), [("text", value)])).collect();
            let fields: Vec<_> =
                fields.into_iter().map(|(key, [(kind, value)])| serde_json::json!([key, { kind: value }])).collect();
            serde_json::json!({ "fields": fields }).to_string()
        });
        let parameters = (id, instance, series, outcome, started_at_ns, duration_ns, trace_high, detail);
        self.sql.prepare_cached(sql).unwrap().execute(parameters).unwrap();
        for (key, value) in fields {
            self.sql.execute("INSERT OR IGNORE INTO record_fields VALUES (?1, ?2, ?3)", (key, value, id)).unwrap();
        }
        let sql = "INSERT INTO record_blocks VALUES (?1 >> 10, ?2, ?2, ?3, ?3, 1 << ?4, 1 << (?5 & 63))
            ON CONFLICT DO UPDATE SET
            first_started_at_ns = min(first_started_at_ns, ?2), last_started_at_ns = max(last_started_at_ns, ?2),
            min_duration_ns = min(min_duration_ns, ?3), max_duration_ns = max(max_duration_ns, ?3),
            outcomes = outcomes | (1 << ?4), instances = instances | (1 << (?5 & 63))";
        self.sql.prepare_cached(sql).unwrap().execute((id, started_at_ns, duration_ns, outcome, instance)).unwrap();
    }

    fn text(&self, id: i64) -> String {
        self.sql.query_row("SELECT text FROM strings WHERE id = ?1", [id], |row| row.get(0)).unwrap()
    }

    /// A row of rollups with calls of these durations, some of them failed.
    pub(crate) fn rollup(&self, step_s: i64, start_ns: i64, series: i64, open: bool, durations: &[u64], failed: u64) {
        let mut histogram = Histogram::new();
        for &ns in durations {
            histogram.record(ns);
        }
        let calls = durations.len() as u64;
        let total: u64 = durations.iter().sum();
        let sql = "INSERT INTO rollups (step_s, start_ns, series_id, instance_id, open, started, succeeded, failed, panicked,
            cancelled, items, bytes, allocations, allocated_bytes, polls, total_ns, self_ns, busy_ns, min_ns, max_ns, durations)
            VALUES (?1, ?2, ?3, 1, ?4, ?5, ?6, ?7, 0, 0, ?8, 3 * ?8, 0, 0, 0, ?9, ?9, ?9, ?10, ?11, ?12)";
        let (min, max) = (durations.iter().min(), durations.iter().max());
        let of = |ns: Option<&u64>| ns.map(|&ns| i64::try_from(ns).unwrap());
        let parameters = rusqlite::params![
            step_s,
            start_ns,
            series,
            open,
            calls.cast_signed(),
            (calls - failed).cast_signed(),
            failed.cast_signed(),
            calls.cast_signed(),
            total.cast_signed(),
            of(min),
            of(max),
            blob(&histogram)
        ];
        self.sql.prepare_cached(sql).unwrap().execute(parameters).unwrap();
        if step_s > 10 {
            self.add_to_all((step_s, start_ns), &histogram, [calls, failed, total], (of(min), of(max)));
        }
    }

    /// The same in the sum of all series, as a writer does it.
    fn add_to_all(
        &self,
        (step_s, start_ns): (i64, i64),
        histogram: &Histogram,
        [calls, failed, total]: [u64; 3],
        (min, max): (Option<i64>, Option<i64>),
    ) {
        let mut all = self.all.borrow_mut();
        let sum = all.entry((step_s, start_ns)).or_default();
        sum.merge(histogram);
        let sql = "INSERT INTO rollups_of_all (step_s, start_ns, instance_id, started, succeeded, failed, panicked,
            cancelled, items, bytes, allocations, allocated_bytes, polls, total_ns, self_ns, busy_ns, min_ns, max_ns,
            durations)
            VALUES (?1, ?2, 1, ?3, ?3 - ?4, ?4, 0, 0, ?3, 3 * ?3, 0, 0, 0, ?5, ?5, ?5, ?6, ?7, ?8)
            ON CONFLICT DO UPDATE SET
            started = started + ?3, succeeded = succeeded + ?3 - ?4, failed = failed + ?4, items = items + ?3,
            bytes = bytes + 3 * ?3, total_ns = total_ns + ?5, self_ns = self_ns + ?5, busy_ns = busy_ns + ?5,
            min_ns = coalesce(min(min_ns, ?6), min_ns, ?6), max_ns = coalesce(max(max_ns, ?7), max_ns, ?7),
            durations = ?8";
        let [calls, failed, total] = [calls, failed, total].map(u64::cast_signed);
        let parameters = (step_s, start_ns, calls, failed, total, min, max, blob(sum));
        self.sql.prepare_cached(sql).unwrap().execute(parameters).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", self.path.display()));
        }
    }
}

/// A histogram as the file has it.
pub(crate) fn blob(histogram: &Histogram) -> Vec<u8> {
    let json = serde_json::to_value(histogram).unwrap();
    let mut blob = vec![1];
    let mut before = 0;
    let mut put = |mut number: u64| {
        while number >= 128 {
            blob.push(number.to_le_bytes()[0] | 128);
            number >>= 7;
        }
        blob.push(number.to_le_bytes()[0]);
    };
    for bucket in json["buckets"].as_array().unwrap() {
        let (index, count) = (bucket[0].as_u64().unwrap(), bucket[1].as_u64().unwrap());
        put(index - before);
        put(count);
        before = index;
    }
    blob
}
