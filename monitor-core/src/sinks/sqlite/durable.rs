//! A connection for what must not be lost: its commits survive the loss of power.
//!
//! Checkpoints and audit entries are written one by one on the thread that asks, unlike batches, and when the call returns
//! they are on the disk. One connection does it for all threads that share it, one after the other. Its lock is held for a moment,
//! not while it is used: a fork in between harms nobody. Operations by id are
//! written likewise, but survive the end of the process alone, and their callers do not wait long.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::connection::{self, Durability};
use super::error::{Cure, StoreError};
use super::link::Link;
use super::recovery::FileIdentity;
use crate::base::watched::Watched;

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
    turns: Watched<Turns>,
    process: u32,
    hasty: bool,
    /// Whether somebody else takes the log over, so that no caller has to wait for the disk.
    leaves_log: AtomicBool,
}

/// Whose turn it is: of whoever waits longest, not of whoever comes round first.
#[derive(Default)]
struct Turns {
    open: Option<Open>,
    /// Somebody has the connection, or is about to open it.
    taken: bool,
    /// Threads that wait, the first one first.
    waiting: VecDeque<u64>,
    next: u64,
}

struct Open {
    link: Link,
    identity: Option<FileIdentity>,
}

/// The turn of one caller. It ends also when what is done in it panics.
struct Turn<'a> {
    turns: &'a Watched<Turns>,
    open: Option<Open>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.turns.lock();
        (turns.open, turns.taken) = (self.open.take(), false);
        drop(turns);
        self.turns.notify_all();
    }
}

impl Durable {
    /// For that file. Nothing is opened yet.
    pub(super) fn new(path: &Path) -> Durable {
        // Absolute, so that it stays the same file when the program changes its folder.
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (turns, process) = (Watched::default(), std::process::id());
        Durable { path, turns, process, hasty: false, leaves_log: AtomicBool::new(false) }
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
            // While somebody has it there is none here.
            let open = self.turns.lock().open.take();
            drop(open);
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
        let mut turn = self.turn()?;
        let slot = &mut turn.open;
        let is_current = |open: &Open| open.identity.is_some() && open.identity == FileIdentity::of(&self.path);
        if !slot.as_ref().is_some_and(is_current) {
            // Closed first: SQLite must not have a file that was removed and a new one at the same path.
            *slot = None;
            let link = Link::open(|| self.connect())?;
            *slot = Some(Open { link, identity: FileIdentity::of(&self.path) });
        }
        let Some(open) = slot.as_mut() else { return Err(StoreError::busy()) };
        let mut connection = open.link.get()?;
        let done = work(&mut connection);
        let is_whole = connection.is_autocommit();
        drop(connection);
        if let Err(error) = &done
            && error.cure() != Cure::None
            && !((error.is_lock() || error.is_full()) && is_whole)
        {
            // After an error of reading or writing a connection may not be of use any more. After a full disk it is, and it
            // can read what a new one, which needs room for its index of the log, could not.
            *slot = None;
        }
        done
    }

    /// Waits for its turn, for as long as a caller waits.
    fn turn(&self) -> Result<Turn<'_>, StoreError> {
        let until = Instant::now() + if self.hasty { HASTE } else { PATIENCE };
        let mut turns = self.turns.lock();
        let mine = turns.next;
        turns.next += 1;
        turns.waiting.push_back(mine);
        while turns.taken || turns.waiting.front() != Some(&mine) {
            let late;
            (turns, late) = self.turns.wait_until(turns, until);
            if late && (turns.taken || turns.waiting.front() != Some(&mine)) {
                turns.waiting.retain(|&waits| waits != mine);
                drop(turns);
                // It may have been the first one.
                self.turns.notify_all();
                return Err(StoreError::busy());
            }
        }
        turns.waiting.pop_front();
        turns.taken = true;
        Ok(Turn { turns: &self.turns, open: turns.open.take() })
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    /// A file that is removed at the end.
    struct Place(Durable);

    impl Place {
        fn new(name: &str) -> Place {
            let path = std::env::temp_dir().join(format!("monitor-durable-{name}-{}.db", std::process::id()));
            Place(Durable::hasty(&path))
        }
    }

    impl Drop for Place {
        fn drop(&mut self) {
            self.0.close();
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(super::super::recovery::beside(self.0.path(), end));
            }
        }
    }

    #[test]
    fn who_waits_too_long_is_told_and_is_in_nobodys_way() {
        let place = Place::new("late");
        let (has_it, had_it) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        thread::scope(|scope| {
            let durable = &place.0;
            scope.spawn(move || {
                let hold = |_: &mut Connection| {
                    has_it.send(()).unwrap();
                    let _ = released.recv();
                    Ok(())
                };
                durable.with(hold).unwrap();
            });
            had_it.recv().unwrap();
            // Those who come first give up first.
            let late = thread::scope(|scope| {
                let waits: Vec<_> = (0..3).map(|_| scope.spawn(|| place.0.with(|_| Ok(())).is_err())).collect();
                waits.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
            });
            assert_eq!(late, [true; 3]);
            // It is in use: nothing is closed.
            place.0.close();
            drop(release);
        });
        place.0.with(|_| Ok(())).unwrap();
        assert!(place.0.turns.lock().waiting.is_empty());
    }

    #[test]
    fn a_panic_ends_the_turn_and_the_transaction() {
        let place = Place::new("panic");
        let count = |connection: &mut Connection| {
            Ok(connection.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get::<_, i64>(0))?)
        };
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            place.0.with(|connection| -> Result<(), StoreError> {
                let transaction = connection.transaction()?;
                transaction.execute("INSERT INTO checkpoints VALUES ('a', x'00', 0)", [])?;
                panic!("in the midst of it");
            })
        }));
        assert!(panicked.is_err());
        assert_eq!(place.0.with(count).unwrap(), 0);
    }

    #[test]
    fn each_of_many_has_its_turn() {
        let place = Place::new("many");
        let add = |_: &mut Connection| Ok(());
        thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| (0..50).filter(|_| place.0.with(add).is_ok()).count())).collect();
            assert_eq!(threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>(), 400);
        });
    }
}
