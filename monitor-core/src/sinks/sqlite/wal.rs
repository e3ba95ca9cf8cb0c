//! The write-ahead log: kept from growing without end.
//!
//! While somebody reads in one transaction, the log behind it cannot be taken over into the file, and grows.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::connection::BUSY;
use super::recovery::beside;
use super::values::utc;

/// The longest wait for a reader: writing goes on meanwhile in nobody's thread but the sink's own.
const WAIT: Duration = Duration::from_millis(50);

/// Watches the size of the log.
#[derive(Debug, Default)]
pub(super) struct WalWatch {
    /// Since when it could not be cut.
    kept_since: Option<SystemTime>,
}

impl WalWatch {
    /// Takes the log over if it is larger than the limit. Returns why nothing may be written, if so.
    pub(super) fn look(&mut self, connection: &Connection, path: &Path, limit: u64, hard: u64) -> Option<String> {
        let bytes = wal_bytes(path);
        if bytes <= limit {
            self.kept_since = None;
            return None;
        }
        if truncate(connection, WAIT) {
            self.kept_since = None;
            return None;
        }
        let since = *self.kept_since.get_or_insert_with(SystemTime::now);
        (bytes > hard.max(limit)).then(|| {
            format!(
                "a reader has kept the write-ahead log of the history from being taken over since {}, and it has grown to {} \
                 MiB; writing stops so that the disk does not fill, and goes on when the reader ends its transaction",
                utc(since),
                bytes >> 20
            )
        })
    }
}

pub(super) fn wal_bytes(path: &Path) -> u64 {
    fs::metadata(beside(path, "-wal")).map_or(0, |metadata| metadata.len())
}

/// Takes the log over and cuts it to nothing. Returns whether that went.
pub(super) fn truncate(connection: &Connection, wait: Duration) -> bool {
    let tried = connection
        .busy_timeout(wait)
        .and_then(|()| connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)));
    let _ = connection.busy_timeout(BUSY);
    tried.is_ok_and(|busy| busy == 0)
}
