//! Removing a million records: how long the file is locked at a time, how long it takes, what the file is afterwards.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use monitor_core::{Retention, Sink as _, SqliteOptions, SqliteSink};
use rusqlite::Connection;

use super::file::{BEGIN_NS, END_NS, HistoryFile};
use super::remove;
use super::writing::instance;
use crate::BenchResult;

/// How often it is tried whether the file may be written.
const PROBE: Duration = Duration::from_micros(200);

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Removed {
    /// Records removed.
    pub records: u64,
    /// The longest time that another connection could not begin to write.
    pub longest_lock: Duration,
    /// The time that the sink's thread worked, its pauses included; it does so for a tenth of each second.
    pub worked: Duration,
    /// Bytes of the file before and after.
    pub bytes: [u64; 2],
}

/// Removes the oldest records from a copy of a history, so many, or half of them.
///
/// # Errors
///
/// When the copy cannot be made or written.
pub fn measure(folder: &Path, file: &HistoryFile, records: u64) -> BenchResult<Removed> {
    let path = folder.join("removed.db");
    remove(&path);
    std::fs::copy(&file.path, &path)?;
    let removed = removing(&path, file.records, records.min(file.records / 2));
    remove(&path);
    removed
}

fn removing(path: &Path, all: u64, records: u64) -> BenchResult<Removed> {
    let watch = Connection::open(path)?;
    let ask = |sql: &str| watch.query_row(sql, [], |row| row.get::<_, i64>(0));
    // They come evenly over the days, and the sink takes it to be the end of the last one.
    let span = i128::from(END_NS - BEGIN_NS);
    let kept = span - span * i128::from(records) / i128::from(all);
    let age = Duration::from_nanos(u64::try_from(kept)?);
    let before = (ask("SELECT count(*) FROM records")?, std::fs::metadata(path)?.len());
    // What becomes free is given back at once, not only when it is a tenth of the file.
    let retention = Retention::forever().records(age).max_bytes(before.1.saturating_sub(records * 80));
    let mut sink = SqliteSink::with(SqliteOptions::new(path).retention(retention));
    sink.open(&instance("remover")?)?;
    let done = AtomicBool::new(false);
    let start = Instant::now();
    let (worked, longest_lock) = std::thread::scope(|scope| -> BenchResult<(Duration, Duration)> {
        let prober = scope.spawn(|| probe(path, &done).map_err(|error| error.to_string()));
        let worked = (|| -> BenchResult<Duration> {
            loop {
                let version = ask("PRAGMA data_version")?;
                sink.idle()?;
                if ask("PRAGMA data_version")? == version {
                    return Ok(start.elapsed());
                }
            }
        })();
        done.store(true, Ordering::Relaxed);
        let longest = prober.join().map_err(|_| "the thread that tries to write ended early")??;
        Ok((worked?, longest))
    })?;
    sink.close()?;
    let after = (ask("SELECT count(*) FROM records")?, std::fs::metadata(path)?.len());
    let records = u64::try_from(before.0 - after.0)?;
    Ok(Removed { records, longest_lock, worked, bytes: [before.1, after.1] })
}

/// Begins to write again and again, and tells the longest time in which it could not.
fn probe(path: &Path, done: &AtomicBool) -> BenchResult<Duration> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::ZERO)?;
    let mut longest = Duration::ZERO;
    let mut refused: Option<Instant> = None;
    while !done.load(Ordering::Relaxed) {
        let tried = Instant::now();
        if connection.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
            longest = longest.max(refused.take().map_or(Duration::ZERO, |since| since.elapsed()));
        } else {
            refused.get_or_insert(tried);
        }
        std::thread::sleep(PROBE);
    }
    Ok(longest)
}
