//! How long it takes until a large file is open.

use std::time::{Duration, Instant};

use monitor_core::{Retention, Sink as _, SqliteHistory, SqliteOptions, SqliteSink};
use rusqlite::Connection;

use super::file::HistoryFile;
use super::writing::instance;
use crate::BenchResult;

/// The longest of so many times.
#[derive(Clone, Copy, Debug, Default)]
pub struct Opened {
    /// To read.
    pub to_read: Duration,
    /// To write, the run's own row included.
    pub to_write: Duration,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Opens a file in both ways.
///
/// # Errors
///
/// When it cannot be opened.
pub fn open(file: &HistoryFile, times: usize) -> BenchResult<Opened> {
    let mut opened = Opened { bytes: std::fs::metadata(&file.path)?.len(), ..Opened::default() };
    for time in 0..times {
        let start = Instant::now();
        let history = SqliteHistory::open(&file.path)?;
        opened.to_read = opened.to_read.max(start.elapsed());
        drop(history);
        let run = format!("opened-{time}");
        let mut sink = SqliteSink::with(SqliteOptions::new(&file.path).retention(Retention::forever()));
        let instance = instance(&run)?;
        let start = Instant::now();
        sink.open(&instance)?;
        opened.to_write = opened.to_write.max(start.elapsed());
        sink.close()?;
    }
    // As it was.
    Connection::open(&file.path)?.execute("DELETE FROM instances WHERE run LIKE 'opened-%'", [])?;
    Ok(opened)
}
