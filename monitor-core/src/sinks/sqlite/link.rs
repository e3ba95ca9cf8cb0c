//! A connection that a fork does not cut in two.
//!
//! A child that is forked off has the connections of its parent, and SQLite in it has noted down locks that only the parent
//! holds. To open the same file there would be to rely on those. So each connection is used inside the
//! [gate](crate::base::fork_gate), and noted; a child closes the ones that it inherited, which nobody was using,
//! before it opens its first own one. Closed like this, without taking the log over, they leave the file alone: the
//! parent's locks are not the child's to let go of.
//!
//! SQLite says of forks: <https://www.sqlite.org/howtocorrupt.html>, 2.6.

use std::fs::File;
use std::io;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use parking_lot::{MappedMutexGuard, Mutex, MutexGuard};
use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::error::StoreError;
use crate::base::fork_gate::{self, Inside};

/// All that is open, in this process or in the one that it was forked from.
static OPEN: Mutex<Noted> = Mutex::new(Noted { of: None, entries: Vec::new(), is_unsafe: false });

struct Noted {
    of: Option<Process>,
    entries: Vec<Arc<Entry>>,
    /// Something that was inherited could not be closed.
    is_unsafe: bool,
}

/// Which process: the number alone comes again one day.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Process {
    id: u32,
    generation: usize,
}

impl Process {
    fn this() -> Process {
        Process { id: std::process::id(), generation: fork_gate::generation() }
    }
}

enum Entry {
    Connection(Mutex<Option<Connection>>),
    /// A file whose lock shows that a run is alive: it must not seem so because of a child.
    File(Mutex<Option<File>>),
}

impl Entry {
    /// Notes something that is opened. Called inside.
    fn note(self) -> Arc<Entry> {
        let entry = Arc::new(self);
        OPEN.lock().entries.push(Arc::clone(&entry));
        entry
    }

    /// Closes it, inside.
    fn close(entry: &Arc<Entry>) {
        OPEN.lock().entries.retain(|other| !Arc::ptr_eq(other, entry));
        match &**entry {
            Entry::Connection(connection) => drop(connection.lock().take()),
            Entry::File(file) => drop(file.lock().take()),
        }
    }

    /// Closes it in a child. Returns whether nothing of it is left.
    fn close_inherited(&self) -> bool {
        match self {
            Entry::Connection(connection) => {
                let Some(connection) = connection.lock().take() else { return true };
                let leaves_log = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
                if !matches!(leaves_log, Ok(true)) {
                    std::mem::forget(connection);
                    return false;
                }
                drop(connection);
            }
            Entry::File(file) => drop(file.lock().take()),
        }
        true
    }
}

/// Closes what was inherited, once, so that files may be opened. Called inside.
fn begin_clean() -> Result<(), StoreError> {
    // Before the lock: somebody may have held it.
    if fork_gate::was_cut() {
        return Err(StoreError::forked_while_in_use());
    }
    let this = Process::this();
    let mut noted = OPEN.lock();
    if noted.of != Some(this) {
        noted.of = Some(this);
        let inherited = std::mem::take(&mut noted.entries);
        let left = inherited.iter().filter(|entry| !entry.close_inherited()).count();
        noted.is_unsafe |= left > 0;
    }
    if noted.is_unsafe { Err(StoreError::forked_while_in_use()) } else { Ok(()) }
}

/// A connection of ours.
pub(super) struct Link {
    entry: Arc<Entry>,
    of: Process,
}

/// The connection while it is used.
pub(super) struct Using<'a> {
    connection: MappedMutexGuard<'a, Connection>,
    // Dropped after it.
    _inside: Inside,
}

impl Link {
    /// Opens a connection, by what is given.
    pub(super) fn open(open: impl FnOnce() -> Result<Connection, StoreError>) -> Result<Link, StoreError> {
        let _inside = fork_gate::enter();
        begin_clean()?;
        let connection = open()?;
        Ok(Link { entry: Entry::Connection(Mutex::new(Some(connection))).note(), of: Process::this() })
    }

    /// The connection. Not to be asked for again while it is used.
    pub(super) fn get(&self) -> Result<Using<'_>, StoreError> {
        // Before the gate and the lock: in a child neither is its own.
        if self.of != Process::this() {
            return Err(StoreError::forked());
        }
        let inside = fork_gate::enter();
        let Entry::Connection(connection) = &*self.entry else { return Err(StoreError::forked()) };
        let connection = MutexGuard::try_map(connection.lock(), Option::as_mut).map_err(|_| StoreError::forked())?;
        Ok(Using { connection, _inside: inside })
    }
}

impl Deref for Using<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl DerefMut for Using<'_> {
    fn deref_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // In a child it stays until all that was inherited is closed.
        if self.of == Process::this() {
            let _inside = fork_gate::enter();
            Entry::close(&self.entry);
        }
    }
}

/// A file that is open, and locked, in this process alone.
pub(super) struct OwnFile {
    entry: Arc<Entry>,
    of: Process,
}

impl OwnFile {
    /// Opens a file, by what is given.
    pub(super) fn open(open: impl FnOnce() -> io::Result<File>) -> io::Result<OwnFile> {
        let _inside = fork_gate::enter();
        begin_clean().map_err(|error| io::Error::other(error.to_string()))?;
        let file = open()?;
        Ok(OwnFile { entry: Entry::File(Mutex::new(Some(file))).note(), of: Process::this() })
    }

    /// Whether it was opened by this process.
    pub(super) fn is_own(&self) -> bool {
        self.of == Process::this()
    }
}

impl Drop for OwnFile {
    fn drop(&mut self) {
        if self.of == Process::this() {
            let _inside = fork_gate::enter();
            Entry::close(&self.entry);
        }
    }
}
