//! Checkpoints of jobs in a file.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use rusqlite::OptionalExtension as _;
use rusqlite::ffi;

use super::durable::Durable;
use super::error::StoreError;
use crate::checkpoints::MAX_BYTES;
use crate::model::units::unix_ns;
use crate::ports::checkpoints::Checkpoints;

/// Checkpoints of jobs in a SQLite file, the same file as that of the history or one of its own.
///
/// A checkpoint is on the disk when [`Progress::checkpoint`](crate::Progress::checkpoint) returns, and survives a kill and the
/// loss of power from then on. When it fails the one from before is as it was. Jobs are told apart by their names. Several
/// processes may use one file; two that run the same job overwrite each other's checkpoints, each of which is whole.
///
/// A clone is the same place. In a forked child every call is an error; open the file anew there.
///
/// Cost: as long as the disk takes to flush. The largest checkpoint is 64 MiB.
///
/// ```
/// use monitor_core::{Monitor, SqliteCheckpoints};
///
/// # let folder = std::env::temp_dir().join(format!("monitor-sqlite-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("monitor.db");
/// let local = Monitor::builder().build()?;
/// let job = local.progress("import").checkpoints(SqliteCheckpoints::open(&file)?).start();
/// let mut next_row = job.resume::<u64>()?.unwrap_or(0);
/// while next_row < 3 {
///     next_row += 1;
///     job.inc(1);
///     job.checkpoint(&next_row)?;
/// }
/// job.finish(); // removes the checkpoint
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteCheckpoints {
    durable: Arc<Durable>,
}

impl SqliteCheckpoints {
    /// Opens a file to keep checkpoints in it. The file and its tables are made if need be; the folder must be there: a wrong
    /// path is not to look like a job without a checkpoint.
    ///
    /// # Errors
    /// Of the kinds `NotFound` (no such folder), `PermissionDenied`, `ReadOnlyFilesystem`, `StorageFull`, `InvalidData` (not a
    /// database, that of another program, or damaged), `Unsupported` (of a newer version of this library), `TimedOut` (others
    /// have it for longer than two seconds), or what the system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<SqliteCheckpoints> {
        let place = SqliteCheckpoints { durable: Arc::new(Durable::new(path.as_ref())) };
        place.with(|_| Ok(()))?;
        Ok(place)
    }

    fn with<T>(&self, work: impl FnOnce(&mut rusqlite::Connection) -> Result<T, StoreError>) -> io::Result<T> {
        self.durable.with(work).map_err(|error| self.explained(error))
    }

    fn explained(&self, error: StoreError) -> io::Error {
        let path = self.durable.path();
        if let Some(folder) = path.parent().filter(|folder| !folder.is_dir()) {
            let folder = folder.display();
            return io::Error::new(
                io::ErrorKind::NotFound,
                format!("the folder `{folder}` does not exist; create it first"),
            );
        }
        io::Error::new(kind(&error), error)
    }
}

/// The system's word for it.
fn kind(error: &StoreError) -> io::ErrorKind {
    if error.is_full() {
        return io::ErrorKind::StorageFull;
    }
    if error.is_lock() {
        return io::ErrorKind::TimedOut;
    }
    if error.is_forked() {
        return io::ErrorKind::Unsupported;
    }
    match error.extended_code().map(|code| code & 0xFF) {
        Some(ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB) => io::ErrorKind::InvalidData,
        Some(ffi::SQLITE_READONLY) => io::ErrorKind::ReadOnlyFilesystem,
        Some(ffi::SQLITE_PERM | ffi::SQLITE_AUTH | ffi::SQLITE_CANTOPEN) => io::ErrorKind::PermissionDenied,
        Some(ffi::SQLITE_TOOBIG) => io::ErrorKind::FileTooLarge,
        Some(_) => io::ErrorKind::Other,
        None if error.is_version() => io::ErrorKind::Unsupported,
        None => io::ErrorKind::InvalidData,
    }
}

impl Checkpoints for SqliteCheckpoints {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > MAX_BYTES {
            let given = bytes.len();
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("it has {given} bytes; allowed are {MAX_BYTES}"),
            ));
        }
        self.with(|connection| {
            let sql = "INSERT INTO checkpoints (name, state, saved_at_ns) VALUES (?1, ?2, ?3)
                ON CONFLICT (name) DO UPDATE SET state = excluded.state, saved_at_ns = excluded.saved_at_ns";
            connection.prepare_cached(sql)?.execute((name, bytes, unix_ns(SystemTime::now())))?;
            Ok(())
        })
    }

    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.with(|connection| {
            // One byte more than is allowed shows that it is too large.
            let sql = "SELECT substr(state, 1, ?2) FROM checkpoints WHERE name = ?1";
            let most = i64::try_from(MAX_BYTES + 1).unwrap_or(i64::MAX);
            let state = |row: &rusqlite::Row<'_>| row.get::<_, Option<Vec<u8>>>(0);
            let state = connection.prepare_cached(sql)?.query_row((name, most), state).optional()?;
            // Of nothing, a part is NULL.
            Ok(state.map(Option::unwrap_or_default))
        })
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.with(|connection| {
            connection.prepare_cached("DELETE FROM checkpoints WHERE name = ?1")?.execute([name])?;
            Ok(())
        })
    }

    fn location(&self, name: &str) -> String {
        format!("of job `{name}` in `{}`", self.durable.path().display())
    }
}

impl fmt::Debug for SqliteCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCheckpoints").field("path", &self.durable.path()).finish_non_exhaustive()
    }
}
