//! A connection for what must not be lost: its commits survive the loss of power.
//!
//! Checkpoints and audit entries are written one by one on the thread that asks, unlike batches, and when the call
//! returns they are on the disk. One connection does it for all threads that share it, one after the other, in the
//! order in which they came. Operations by id are written likewise, but survive the end of the process alone, and their
//! callers do not wait long.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::{self, Durability};
use super::error::{Cure, StoreError};
use super::link::Link;
use super::recovery::FileIdentity;
use super::turns::Turns;

/// How long one caller waits for the others.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same where it is hasty; and for the lock of another process.
const HASTE: Duration = Duration::from_millis(500);

/// Waits for the lock of another connection. SQLite's own handler asks ever more seldom, up to ten times a second, and comes
/// away empty-handed where many processes write a little each.
fn ask_often(asked: i32) -> bool {
    const PAUSE: Duration = Duration::from_millis(1);
    let more = u128::try_from(asked).is_ok_and(|asked| asked < HASTE.as_millis());
    if more {
        std::thread::sleep(if asked < 10 { PAUSE / 10 } else { PAUSE });
    }
    more
}

pub(super) struct Durable {
    path: PathBuf,
    open: Turns<Open>,
    process: u32,
    hasty: bool,
    /// Whether somebody else takes the log over, so that no caller has to wait for the disk.
    leaves_log: AtomicBool,
}

struct Open {
    link: Link,
    identity: Option<FileIdentity>,
}

impl Durable {
    /// For that file. Nothing is opened yet.
    pub(super) fn new(path: &Path) -> Durable {
        // Absolute, so that it stays the same file when the program changes its folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (open, process) = (Turns::new(1), std::process::id());
        Durable { path, open, process, hasty: false, leaves_log: AtomicBool::new(false) }
    }

    /// The same for what survives the end of the process, and for callers that wait for half a second at most.
    pub(super) fn hasty(path: &Path) -> Durable {
        let mut this = Durable::new(path);
        this.hasty = true;
        this
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Closes the connection, unless somebody is about to use it. It is opened again when it is needed.
    pub(super) fn close(&self) {
        if self.process == std::process::id() {
            // Not under the lock.
            drop(self.open.take_idle());
        }
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        if !self.hasty {
            return connection::open_to_write(&self.path, Durability::Power);
        }
        let mut connection = connection::open_to_write_within(&self.path, Durability::Process, HASTE)?;
        connection.busy_handler(Some(ask_often))?;
        if self.leaves_log.load(Ordering::Relaxed) {
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
        }
        Ok(connection)
    }

    /// Has a sink take the log over from now on, or not.
    pub(super) fn leave_log(&self, leave: bool) {
        self.leaves_log.store(leave, Ordering::Relaxed);
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
        let patience = if self.hasty { HASTE } else { PATIENCE };
        let mut turn = self.open.take(Instant::now() + patience).ok_or_else(StoreError::busy)?;
        let is_current = |open: &Open| open.identity.is_some() && open.identity == FileIdentity::of(&self.path);
        // Closed first: SQLite must not have a file that was removed and a new one at the same path.
        let open = match turn.has.take().filter(is_current) {
            Some(open) => open,
            None => Open { link: Link::open(|| self.connect())?, identity: FileIdentity::of(&self.path) },
        };
        let mut connection = open.link.get()?;
        // If it panics, the connection, which may be in a transaction, is closed before the turn ends.
        let done = work(&mut connection);
        let is_whole = connection.is_autocommit();
        drop(connection);
        // After an error of reading or writing a connection may not be of use any more. After a full disk it is, and it
        // can read what a new one, which needs room for its index of the log, could not.
        let is_usable = match &done {
            Err(error) if error.cure() != Cure::None => (error.is_lock() || error.is_full()) && is_whole,
            _ => true,
        };
        turn.has = is_usable.then_some(open);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[test]
    fn a_panic_leaves_no_transaction_and_closing_waits_for_nobody() {
        let folder = std::env::temp_dir().join(format!("monitor-durable-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let durable = Durable::new(&folder.join("monitor.db"));
        let begin = |connection: &mut Connection| -> Result<(), StoreError> {
            connection.execute_batch("BEGIN IMMEDIATE; CREATE TABLE half_done (x)")?;
            panic!("in a transaction");
        };
        assert!(catch_unwind(AssertUnwindSafe(|| durable.with(begin))).is_err());
        let tables = durable.with(|connection| {
            durable.close();
            let found = "SELECT count(*) FROM sqlite_schema WHERE name = 'half_done'";
            assert!(connection.is_autocommit());
            Ok(connection.query_row(found, [], |row| row.get::<_, i64>(0))?)
        });
        assert_eq!(tables.unwrap(), 0);
        durable.close();
        assert!(durable.open.take_idle().is_none(), "it is closed");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
