//! A file of millions of records and 30 days of rollups of 200 operations.
//!
//! It takes minutes to make, so it is kept in the target folder, under a name that says what is in it and by which tables.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use monitor_core::{Fingerprint, Monitor};
use rusqlite::{Connection, Statement, params};

use super::OPERATIONS;
use super::model::{Cell, Model};
use super::random::Random;
use crate::BenchResult;

/// Tables as they are now: another form makes another file.
const SCHEMA: &str = include_str!("../../../monitor-core/src/sinks/sqlite/schema_1.sql");

/// Counted up when what is generated changes.
const GENERATOR: u32 = 6;

/// Says how many records, in place of ten million, or 200,000 in the short form.
pub const RECORDS: &str = "BENCH_RECORDS";

/// Days of history.
pub const DAYS: i64 = 30;

/// Runs, one a day.
pub const RUNS: i64 = DAYS;

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;

/// A midnight: when the history ends.
pub const END_NS: i64 = 1_767_225_600 * SECOND;

/// When it begins.
pub const BEGIN_NS: i64 = END_NS - DAYS * DAY;

/// Records in a transaction.
const AT_ONCE: u64 = 20_000;

/// A file with a history, and how much is in it.
#[derive(Clone, Debug)]
pub struct HistoryFile {
    /// Where it is.
    pub path: PathBuf,
    /// Individual records in it.
    pub records: u64,
}

/// How many records the file is to have.
///
/// # Errors
///
/// When the variable is no number.
pub fn wanted(short: bool) -> BenchResult<u64> {
    match std::env::var(RECORDS) {
        Ok(text) => Ok(text.parse().map_err(|_| format!("{RECORDS}={text} is no number"))?),
        Err(_) if short => Ok(200_000),
        Err(_) => Ok(10_000_000),
    }
}

/// The file of so many records in a folder; made if it is not there.
///
/// # Errors
///
/// When it cannot be made.
pub fn ready(folder: &Path, records: u64, mut say: impl FnMut(&str)) -> BenchResult<HistoryFile> {
    let mut hasher = DefaultHasher::new();
    (SCHEMA, GENERATOR).hash(&mut hasher);
    let path = folder.join(format!("history-v1-{records}-{:08x}.db", hasher.finish() >> 32));
    if path.exists() {
        return Ok(HistoryFile { path, records });
    }
    let unfinished = path.with_extension("unfinished");
    let _ = std::fs::remove_file(&unfinished);
    // The tables are those that the sink makes.
    let monitor = Monitor::builder().service("bench").sqlite(&unfinished).build()?;
    monitor.operation("made").start().succeed();
    monitor.shutdown(Duration::from_mins(1))?;
    let mut connection = Connection::open(&unfinished)?;
    connection.execute_batch(
        "PRAGMA synchronous = OFF; PRAGMA cache_size = -400000; PRAGMA foreign_keys = OFF;
         DELETE FROM records; DELETE FROM record_blocks; DELETE FROM rollups; DELETE FROM rollups_of_all;
         DELETE FROM series; DELETE FROM instances;",
    )?;
    let model = Model::new(records);
    names(&connection)?;
    say("rollups");
    rollups(&mut connection, &model, &mut say)?;
    say("records");
    fill(&mut connection, &model, records, &mut say)?;
    errors(&mut connection)?;
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    drop(connection);
    std::fs::rename(&unfinished, &path)?;
    Ok(HistoryFile { path, records })
}

fn names(connection: &Connection) -> BenchResult {
    let kinds = ["function", "database", "http", "batch", "queue"];
    for operation in 0..OPERATIONS {
        let kind = kinds.get(usize::try_from(operation % 5)?).copied().unwrap_or_default();
        connection.execute(
            "INSERT INTO series (id, name, kind, component, labels, used_at_ns) VALUES (?1, ?2, ?3, ?4, '{}', ?5)",
            (
                (operation + 1).cast_signed(),
                format!("part{}.op{operation}", operation / 40),
                kind,
                format!("part{}", operation / 40),
                END_NS,
            ),
        )?;
    }
    for run in 0..RUNS {
        let begin = BEGIN_NS + run * DAY;
        connection.execute(
            "INSERT INTO instances (id, run, service, host, program, pid, started_at_ns, last_seen_at_ns, ended_at_ns, ended)
             VALUES (?1, printf('%032x', ?1), ?2, 'here', 'bench', 7, ?3, ?4, ?4, 'shutdown')",
            (run + 1, if run % 10 == 0 { "nightly" } else { "api" }, begin, begin + DAY),
        )?;
    }
    connection.execute("DELETE FROM strings", [])?;
    for (id, text) in [(1, "user"), (2, "region"), (3, "main")] {
        connection
            .execute("INSERT INTO strings (id, text, used_at_ns) VALUES (?1, ?2, ?3)", params![id, text, END_NS])?;
    }
    Ok(())
}

const INSERT: &str = "INSERT INTO records (id, instance_id, series_id, outcome, started_at_ns, duration_ns, span_id,
    parent_span_id, trace_id_high, trace_id_low, thread_id, busy_ns, polls, items, bytes, parent_series_id, detail)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL, 3, NULL, 0, ?10, ?11, ?12, ?13)";

const INSERT_BLOCK: &str = "INSERT INTO record_blocks (block, first_started_at_ns, last_started_at_ns, min_duration_ns,
    max_duration_ns, outcomes, instances) SELECT id >> 10, min(started_at_ns), max(started_at_ns), min(duration_ns),
    max(duration_ns), max(outcome = 0) + 2 * max(outcome = 1) + 4 * max(outcome = 2)
    + 8 * max(outcome = 3) + 16 * max(outcome = 4), (1 << (min(instance_id) & 63)) | (1 << (max(instance_id) & 63)) FROM records GROUP BY 1";

fn fill(connection: &mut Connection, model: &Model, records: u64, say: &mut impl FnMut(&str)) -> BenchResult {
    let mut random = Random::new(1);
    let mut id = 0;
    while id < records {
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare(INSERT)?;
            let mut field = transaction.prepare("INSERT INTO record_fields VALUES (?1, ?2, ?3)")?;
            for _ in 0..AT_ONCE.min(records - id) {
                id += 1;
                one(&mut insert, &mut field, model, id, &mut random)?;
            }
        }
        transaction.commit()?;
        if id % 1_000_000 == 0 {
            say(&format!("{id} records"));
        }
    }
    connection.execute(INSERT_BLOCK, [])?;
    Ok(())
}

fn one(
    insert: &mut Statement<'_>,
    field: &mut Statement<'_>,
    model: &Model,
    id: u64,
    random: &mut Random,
) -> BenchResult {
    let at = i64::try_from(i128::from(id) * i128::from(DAYS * DAY) / i128::from(model.records + 1))?;
    let (started_at, run) = (BEGIN_NS + at, at / DAY + 1);
    // What is rare: an operation that ran in the first hours alone, and calls of half an hour then.
    let early = id <= 100_000.min(model.records / 100);
    let operation = match model.operation(random) {
        199 if !early => 198,
        operation => operation,
    };
    let outcome = Model::outcome(operation, random);
    let duration = if early && random.one_in(10_000) { 1_800 * SECOND } else { Model::duration(operation, random) };
    // Traces of four calls, counted up from a random number as the library does it.
    let (trace, span) = (0x5DEE_CE66_D1CE_4E5B_u64.wrapping_add(id / 4), id.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let child = !id.is_multiple_of(4);
    let parent = child.then(|| (id / 4 * 4).wrapping_mul(0x9E37_79B9_7F4A_7C15).cast_signed());
    let user = random.one_in(20).then(|| format!("u{}", random.below(100_000)));
    let region = random.one_in(20).then(|| format!("r{}", random.below(4)));
    let mut fields = Vec::new();
    fields.extend(user.as_ref().map(|value| format!("[\"user\",{{\"text\":\"{value}\"}}]")));
    fields.extend(region.as_ref().map(|value| format!("[\"region\",{{\"text\":\"{value}\"}}]")));
    let mut parts = Vec::new();
    if !fields.is_empty() {
        parts.push(format!("\"fields\":[{}]", fields.join(",")));
    }
    if outcome == 1 {
        parts.push("\"error\":{\"kind\":\"io\",\"message\":\"connection reset\",\"sources\":[]}".to_owned());
    }
    let detail = (!parts.is_empty()).then(|| format!("{{{}}}", parts.join(",")));
    insert.execute(params![
        id.cast_signed(),
        run,
        (operation + 1).cast_signed(),
        outcome,
        started_at,
        duration,
        span.cast_signed(),
        parent,
        trace.cast_signed(),
        random.below(100).cast_signed(),
        random.below(5_000).cast_signed(),
        child.then_some((operation % 7 + 1).cast_signed()),
        detail,
    ])?;
    for (key, value) in [(1, user), (2, region)] {
        if let Some(value) = value {
            field.execute(params![key, value, id.cast_signed()])?;
        }
    }
    Ok(())
}

/// Steps of 10 s of a day, of a minute, an hour and a day of all days, of each operation.
fn rollups(connection: &mut Connection, model: &Model, say: &mut impl FnMut(&str)) -> BenchResult {
    let minutes_of = if model.records < 1_000_000 { 2 } else { DAYS };
    let tiers = [(10, 1, 4), (60, minutes_of, 12), (3_600, DAYS, 400), (86_400, DAYS, 4_000)];
    for (step_s, days, calls) in tiers {
        say(&format!("steps of {step_s} s"));
        let mut random = Random::new(2);
        // Some histograms of each operation, taken in turn.
        let blobs: Vec<Vec<Cell>> = (0..OPERATIONS)
            .map(|operation| (0..16).map(|_| Cell::new(operation, calls, &mut random)).collect())
            .collect();
        let transaction = connection.transaction()?;
        {
            let mut insert = transaction.prepare(
                "INSERT INTO rollups (step_s, start_ns, series_id, instance_id, open, started, succeeded, failed, panicked,
                 cancelled, items, bytes, allocations, allocated_bytes, polls, total_ns, self_ns, busy_ns, min_ns, max_ns,
                 durations) VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5 - ?6, ?6, 0, 0, ?5, 0, 0, 0, 0, ?7, ?7, 0, ?8, ?9, ?10)",
            )?;
            let mut together = transaction.prepare(
                "INSERT INTO rollups_of_all (step_s, start_ns, instance_id, started, succeeded, failed, panicked,
                     cancelled, items, bytes, allocations, allocated_bytes, polls, total_ns, self_ns, busy_ns, min_ns,
                     max_ns, durations)
                     VALUES (?1, ?2, ?3, ?4, ?4 - ?5, ?5, 0, 0, ?4, 0, 0, 0, 0, ?6, ?6, 0, ?7, ?8, ?9)",
            )?;
            let first = END_NS - days * DAY;
            for step in 0..days * 86_400 / step_s {
                let start = first + step * step_s * SECOND;
                let run = (start - BEGIN_NS) / DAY + 1;
                let mut all = Cell::none();
                for (series, cells) in (1_i64..).zip(&blobs) {
                    let Some(cell) = cells.get(usize::try_from(random.below(16))?) else { continue };
                    all.merge(cell);
                    let Cell { calls, failed, total, min, max, blob, .. } = cell;
                    insert.execute(params![step_s, start, series, run, calls, failed, total, min, max, blob])?;
                }
                if step_s > 10 {
                    let blob = all.encoded();
                    let Cell { calls, failed, total, min, max, .. } = all;
                    together.execute(params![step_s, start, run, calls, failed, total, min, max, blob])?;
                }
            }
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Two thousand groups of errors with their hours, and some samples.
fn errors(connection: &mut Connection) -> BenchResult {
    let mut random = Random::new(3);
    let transaction = connection.transaction()?;
    for group in 0..2_000_i64 {
        let first = BEGIN_NS + i64::try_from(random.below((DAYS * DAY / SECOND).unsigned_abs()))? * SECOND;
        let hours = i64::try_from(random.below(40))?;
        let last = (first + hours * 3_600 * SECOND).min(END_NS - 1);
        transaction.execute(
            "INSERT INTO error_groups (id, fingerprint, kind, place, pattern, component, severity, first_seen_at_ns,
             last_seen_at_ns, count) VALUES (?1, ?8, ?2, 'src/a.rs:1', ?3, 'part0', ?4, ?5, ?6, ?7)",
            params![
                group + 1,
                format!("kind{}", group % 20),
                format!("it failed {group} times"),
                group % 4,
                first,
                last,
                hours + 1,
                Fingerprint::given(&group.to_string()).to_string(),
            ],
        )?;
        let mut hour = first - first.rem_euclid(3_600 * SECOND);
        while hour <= last {
            let run = (hour - BEGIN_NS) / DAY + 1;
            transaction.execute("INSERT INTO error_hours VALUES (?1, ?2, ?3, 1)", params![hour, group + 1, run])?;
            hour += 3_600 * SECOND;
        }
        for sample in 0..8_i64 {
            transaction.execute(
                "INSERT INTO error_samples (group_id, instance_id, seen_at_ns, severity, kind, message, sources, operation,
                 context) VALUES (?1, 1, ?2, 1, 'kind', 'it failed', '[]', 'part0.op1', '[]')",
                params![group + 1, first + sample],
            )?;
        }
    }
    transaction.commit()?;
    Ok(())
}
