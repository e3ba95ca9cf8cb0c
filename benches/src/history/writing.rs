//! What storing records costs, beside a loop that inserts the same rows into the same tables.

use std::path::Path;
use std::time::{Duration, Instant};

use monitor_core::{Batch, Instance, Sink as _, SqliteSink};
use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};
use serde_json::json;

use super::file::END_NS;
use super::random::Random;
use super::remove;
use crate::BenchResult;

/// Records in a batch: what a program at some thousand recorded calls a second has in one.
const BATCH: u64 = 5_000;

/// What came of it.
#[derive(Clone, Debug)]
pub struct Written {
    /// Records stored in each round.
    pub records: u64,
    /// The shortest round of the sink.
    pub ours: Duration,
    /// The shortest round of the loop.
    pub bare: Duration,
    /// Bytes that the file grew by, with all indexes.
    pub bytes: u64,
}

impl Written {
    /// Records a second, of a round that took so long.
    #[must_use]
    pub fn rate(&self, took: Duration) -> f64 {
        f64::from(u32::try_from(self.records).unwrap_or(u32::MAX)) / took.as_secs_f64()
    }

    /// Bytes a record.
    #[must_use]
    pub fn bytes_each(&self) -> f64 {
        f64::from(u32::try_from(self.bytes).unwrap_or(u32::MAX)) / f64::from(u32::try_from(self.records).unwrap_or(1))
    }
}

/// The run of that name.
///
/// # Errors
///
/// Never, unless an instance has other fields than it had.
pub fn instance(run: &str) -> BenchResult<Instance> {
    Ok(serde_json::from_value(json!({
        "run": run, "service": "api", "host": "here", "program": "bench", "pid": 7, "started_at_ns": START_NS,
    }))?)
}

/// When it began: at the end of the history that is asked.
const START_NS: u64 = END_NS.unsigned_abs();

/// Stores so many batches by the sink and by a loop, in turn, a fresh file each time.
///
/// # Errors
///
/// When a file cannot be written.
pub fn compare(folder: &Path, batches: u64, rounds: usize) -> BenchResult<Written> {
    let mut random = Random::new(4);
    let batches: Vec<Batch> = (0..batches).map(|number| batch(number, &mut random)).collect::<BenchResult<_>>()?;
    let records = batches.iter().map(|batch| batch.records.len() as u64).sum();
    let mut written = Written { records, ours: Duration::MAX, bare: Duration::MAX, bytes: 0 };
    let (path, empty) = (folder.join("written.db"), folder.join("written-empty.db"));
    remove(&empty);
    let mut sink = SqliteSink::new(&empty);
    sink.open(&instance("bench")?)?;
    sink.close()?;
    drop(sink);
    for _ in 0..rounds {
        remove(&path);
        let mut sink = SqliteSink::new(&path);
        sink.open(&instance("bench")?)?;
        let start = Instant::now();
        for batch in &batches {
            sink.write(batch)?;
        }
        written.ours = written.ours.min(start.elapsed());
        sink.close()?;
        drop(sink);
        written.bytes = std::fs::metadata(&path)?.len().saturating_sub(std::fs::metadata(&empty)?.len());
        let rows = Rows::of(&path)?;
        remove(&path);
        std::fs::copy(&empty, &path)?;
        written.bare = written.bare.min(rows.insert(&path)?);
    }
    remove(&path);
    remove(&empty);
    Ok(written)
}

/// Rows as they are in a file.
struct Rows {
    records: Vec<Vec<Value>>,
    fields: Vec<Vec<Value>>,
    blocks: Vec<Vec<Value>>,
}

const RECORD: &str =
    "id, instance_id, series_id, outcome, started_at_ns, duration_ns, span_id, parent_span_id, trace_id_high,
    trace_id_low, thread_id, busy_ns, polls, items, bytes, parent_series_id, detail";

impl Rows {
    fn of(path: &Path) -> BenchResult<Rows> {
        let connection = Connection::open(path)?;
        let all = |sql: &str| -> BenchResult<Vec<Vec<Value>>> {
            let mut statement = connection.prepare(sql)?;
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect())?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        Ok(Rows {
            records: all(&format!("SELECT {RECORD} FROM records ORDER BY id"))?,
            fields: all("SELECT key_id, value, record_id FROM record_fields ORDER BY record_id")?,
            blocks: all("SELECT * FROM record_blocks")?,
        })
    }

    /// The plainest way: a prepared statement for each table, a transaction for each batch.
    fn insert(&self, path: &Path) -> BenchResult<Duration> {
        let mut connection = Connection::open(path)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")?;
        let record = format!(
            "INSERT INTO records ({RECORD}) VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)"
        );
        let start = Instant::now();
        let mut fields = self.fields.iter().peekable();
        for batch in self.records.chunks(usize::try_from(BATCH)?) {
            let transaction = connection.transaction()?;
            {
                let mut insert = transaction.prepare_cached(&record)?;
                let mut field = transaction.prepare_cached("INSERT INTO record_fields VALUES (?1, ?2, ?3)")?;
                for row in batch {
                    insert.execute(params_from_iter(row))?;
                    while let Some(row) = fields.next_if(|field| field.get(2) == row.first()) {
                        field.execute(params_from_iter(row))?;
                    }
                }
            }
            transaction.commit()?;
        }
        let transaction = connection.transaction()?;
        for row in &self.blocks {
            transaction
                .execute("INSERT INTO record_blocks VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)", params_from_iter(row))?;
        }
        transaction.commit()?;
        Ok(start.elapsed())
    }
}

/// Calls of 200 operations: three of four with a parent, one of ten with a field, one of fifty failed.
fn batch(number: u64, random: &mut Random) -> BenchResult<Batch> {
    let records: Vec<_> = (0..BATCH)
        .map(|n| {
            let id = number * BATCH + n + 1;
            let root = id / 4 * 4;
            let operation = random.below(200);
            let magnitude = 8 + random.below(20);
            let duration = 1_000 + random.below(1 << magnitude);
            let span = |id: u64| format!("{:016x}", id.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
            let child = id != root;
            let fields =
                if random.one_in(10) { json!([["user", { "u64": random.below(1_000_000) }]]) } else { json!([]) };
            let error =
                random.one_in(50).then(|| json!({ "kind": "io", "message": "connection reset", "sources": [] }));
            json!({
                "id": id, "parent": child.then_some(root | 1), "parent_name": child.then_some("part.op1"),
                "trace_id": format!("{:016x}{}", 0x5DEE_CE66_D1CE_4E5B + id / 4, span(root)), "span_id": span(id),
                "parent_span_id": child.then(|| span(root)), "name": format!("part.op{operation}"), "kind": "function",
                "component": "part", "labels": {}, "outcome": if error.is_some() { "failure" } else { "success" },
                "started_at_ns": START_NS + id * 100_000, "duration_ns": duration, "busy_time_ns": null, "polls": 0,
                "items": 0, "bytes": random.below(5_000), "fields": fields, "context": [], "error": error,
                "thread": format!("worker-{}", id % 4),
            })
        })
        .collect();
    Ok(serde_json::from_value(json!({
        "at_ns": START_NS + number * 1_000_000_000, "records": records, "rollups": [], "errors": [], "transitions": [],
        "progress": [], "queues": [], "active": [], "lost": {},
    }))?)
}
