//! Opening a file, and what each connection is set to.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::StoreError;
use super::migrations;

/// How long a connection waits for the lock of another one.
pub(super) const BUSY: Duration = Duration::from_secs(2);

/// Bytes that the write-ahead log is cut to when it has been taken over.
const JOURNAL_SIZE_LIMIT: i64 = 16 << 20;

/// How safe a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durability {
    /// It survives the end of the process, but the last ones may be lost with the power.
    Process,
    /// It survives the loss of power.
    Power,
}

/// A connection that may write. The file is made, and its tables brought up to date, if need be.
pub(crate) fn open_to_write(path: &Path, durability: Durability) -> Result<Connection, StoreError> {
    open_to_write_within(path, durability, BUSY)
}

/// The same, waiting so long at most for the lock of another connection.
pub(super) fn open_to_write_within(
    path: &Path,
    durability: Durability,
    patience: Duration,
) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(patience)?;
    migrations::check_owner(&connection)?;
    // Takes effect on a file without tables alone.
    connection.pragma_update(None, "auto_vacuum", "INCREMENTAL")?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", if durability == Durability::Power { "FULL" } else { "NORMAL" })?;
    connection.pragma_update(None, "journal_size_limit", JOURNAL_SIZE_LIMIT)?;
    connection.pragma_update(None, "wal_autocheckpoint", 4_000)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    migrations::migrate(&mut connection)?;
    Ok(connection)
}

/// A connection that only reads. Nothing is made or changed.
pub(crate) fn open_to_read(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    migrations::check_readable(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
