//! A connection for what must not be lost: its commits survive the loss of power.
//!
//! Checkpoints, audit entries and operations by id are written one by one on the thread that asks, unlike batches, and
//! when the call returns they are on the disk. One connection does it for all threads that share it, one after the other.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::connection::{self, Durability};
use super::error::{Cure, StoreError};
use super::recovery::FileIdentity;

/// How long one caller waits for the others.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Durable {
    path: PathBuf,
    open: Mutex<Option<Open>>,
    process: u32,
}

struct Open {
    connection: Connection,
    identity: Option<FileIdentity>,
}

impl Durable {
    /// For that file. Nothing is opened yet.
    pub(super) fn new(path: &Path) -> Durable {
        // Absolute, so that it stays the same file when the program changes its folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Durable { path, open: Mutex::new(None), process: std::process::id() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is that of the process that this one was forked from.
    pub(super) fn is_inherited(&self) -> bool {
        self.process != std::process::id()
    }

    /// Has `work` done with the connection, which is opened first if need be. The work makes its own transaction, an
    /// immediate one if it reads before it writes.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Connection) -> Result<T, StoreError>) -> Result<T, StoreError> {
        if self.process != std::process::id() {
            return Err(StoreError::forked());
        }
        let mut slot = self.open.try_lock_for(PATIENCE).ok_or_else(StoreError::busy)?;
        let is_current = |open: &Open| open.identity.is_some() && open.identity == FileIdentity::of(&self.path);
        if !slot.as_ref().is_some_and(is_current) {
            // Closed first: SQLite must not have a file that was removed and a new one at the same path.
            *slot = None;
            let connection = connection::open_to_write(&self.path, Durability::Power)?;
            *slot = Some(Open { connection, identity: FileIdentity::of(&self.path) });
        }
        let Some(open) = slot.as_mut() else { return Err(StoreError::busy()) };
        let done = work(&mut open.connection);
        if let Err(error) = &done
            && error.cure() != Cure::None
            && !((error.is_lock() || error.is_full()) && open.connection.is_autocommit())
        {
            // After an error of reading or writing a connection may not be of use any more. After a full disk it is, and it
            // can read what a new one, which needs room for its index of the log, could not.
            *slot = None;
        }
        done
    }
}

/// A forked child has its parent's connection, and closing it there would take the log over under the parent's hands.
impl Drop for Durable {
    fn drop(&mut self) {
        if self.process != std::process::id() {
            std::mem::forget(self.open.get_mut().take());
        }
    }
}
