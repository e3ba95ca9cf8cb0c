//! One question being answered: the connection in its transaction, and until when.

use std::time::Instant;

use rusqlite::{CachedStatement, Connection};

use super::error::StoreError;

/// One question being answered.
pub(super) struct Reading<'a> {
    connection: &'a Connection,
    until: Instant,
}

impl<'a> Reading<'a> {
    pub(super) fn new(connection: &'a Connection, until: Instant) -> Reading<'a> {
        Reading { connection, until }
    }

    pub(super) fn connection(&self) -> &'a Connection {
        self.connection
    }

    /// A statement of which there are few, so that it is compiled once for a connection.
    pub(super) fn prepare(&self, sql: &str) -> Result<CachedStatement<'a>, StoreError> {
        #[cfg(test)]
        super::plans::note(self.connection, sql);
        Ok(self.connection.prepare_cached(sql)?)
    }

    /// Fails past the deadline: between statements the progress handler is not asked.
    pub(super) fn check_deadline(&self) -> Result<(), StoreError> {
        if Instant::now() < self.until {
            return Ok(());
        }
        let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT);
        Err(rusqlite::Error::SqliteFailure(code, None).into())
    }
}
