//! Which runs are alive: each holds the lock of a file of its own beside the database.
//!
//! The system lets go of a lock when its process ends, however it ends. So a run without an end whose file is missing, or can
//! be locked, is dead: that is checked, not guessed from times. A child that was forked off holds its parent's lock as
//! well: a run counts as alive while one of them lives.

use std::fs::{OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;
use super::intern::Ids;
use super::link::OwnFile;
use super::recovery::FileIdentity;
use super::values::INTERRUPTED;
use super::{write_records, write_rollups};

/// Runs that are looked at in one go.
const MOST_RUNS: i64 = 1_000;

/// How often a file is tried to be locked that somebody else has locked for a moment, to see whether its run is dead.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(1);

/// The file of a living run, and its lock.
pub(super) struct RunFile {
    path: PathBuf,
    locked: OwnFile,
}

impl RunFile {
    /// Makes the file and locks it.
    pub(super) fn hold(database: &Path, run: &str) -> io::Result<RunFile> {
        let path = run_path(database, run);
        let lock = || {
            for _ in 0..TRIES {
                let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path)?;
                match file.try_lock() {
                    // Whoever looked for the dead between the making and the lock may have removed it.
                    Ok(()) if FileIdentity::of(&path).is_some_and(|at| FileIdentity::of_file(&file) == Some(at)) => {
                        return Ok(file);
                    }
                    Ok(()) => {}
                    // Or has it just now.
                    Err(TryLockError::WouldBlock) => thread::sleep(BETWEEN_TRIES),
                    Err(TryLockError::Error(error)) => return Err(error),
                }
            }
            Err(io::Error::new(io::ErrorKind::AlreadyExists, "another process has the same run"))
        };
        let locked = OwnFile::open(lock)?;
        Ok(RunFile { path, locked })
    }

    /// That of a run that has ended, if it can be locked.
    fn left_behind(path: PathBuf) -> io::Result<RunFile> {
        let locked = OwnFile::open(|| {
            let file = OpenOptions::new().write(true).open(&path)?;
            file.try_lock()?;
            Ok(file)
        })?;
        Ok(RunFile { path, locked })
    }

    /// Whether nobody has removed it.
    pub(super) fn is_there(&self) -> bool {
        self.path.exists()
    }

    /// Ends the run. A file that cannot be removed does no harm. That of a process that this one was forked from stays.
    pub(super) fn remove(self) {
        if self.locked.is_own() {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// The file of one run, shared by all of this process that write as that run: it is there as long as one of them holds it.
#[derive(Default)]
pub(super) struct RunShare(Mutex<Weak<RunFile>>);

impl RunShare {
    /// Makes the file and locks it, unless that is done.
    pub(super) fn hold(&self, database: &Path, run: &str) -> io::Result<Arc<RunFile>> {
        // A lock for nothing but the file: who waits here waits for that.
        let mut held = self.0.lock();
        if let Some(file) = held.upgrade().filter(|file| file.is_there()) {
            return Ok(file);
        }
        let file = Arc::new(RunFile::hold(database, run)?);
        *held = Arc::downgrade(&file);
        Ok(file)
    }

    /// Lets go of the file: the last one who does removes it.
    pub(super) fn release(&self, file: Arc<RunFile>) {
        let _held = self.0.lock();
        if let Some(file) = Arc::into_inner(file) {
            file.remove();
        }
    }
}

/// A run is text from a file; nothing of it may lead elsewhere.
fn run_path(database: &Path, run: &str) -> PathBuf {
    let safe: String =
        run.chars().take(64).map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '_' }).collect();
    let mut path = database.as_os_str().to_owned();
    path.push("-run-");
    path.push(safe);
    path.into()
}

/// A file of a dead run, locked so that nobody else sees to it meanwhile.
enum Dead {
    WithFile(RunFile),
    WithoutFile,
}

fn dead(database: &Path, run: &str) -> Option<Dead> {
    let path = run_path(database, run);
    match RunFile::left_behind(path) {
        Ok(file) => Some(Dead::WithFile(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Dead::WithoutFile),
        // It cannot be known: then it is not said.
        Err(_) => None,
    }
}

/// Whether a run is known to be dead.
pub(super) fn is_dead(database: &Path, run: &str) -> bool {
    dead(database, run).is_some()
}

/// Marks what belongs to dead runs as interrupted. Returns how many runs that were.
pub(super) fn bury_dead(connection: &mut Connection, database: &Path, mine: i64) -> Result<usize, StoreError> {
    let unended: Vec<(i64, String)> = {
        let sql = "SELECT id, run FROM instances WHERE ended_at_ns IS NULL AND id <> ?1 ORDER BY id LIMIT ?2";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map((mine, MOST_RUNS), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    let mut buried = 0;
    for (instance, run) in unended {
        let Some(dead) = dead(database, &run) else { continue };
        cut_off(connection, instance)?;
        interrupt_operations(connection, instance)?;
        end(connection, instance, "interrupted")?;
        if let Dead::WithFile(file) = dead {
            file.remove();
        }
        buried += 1;
    }
    interrupt_left_behind(connection, database, mine)?;
    sweep(database);
    Ok(buried)
}

/// What dead runs began by id, and others have not ended, becomes interrupted. Nobody is left to be told of ends.
fn interrupt_operations(connection: &Connection, instance: i64) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE operations_by_id SET outcome = ?2, ended_at_ns = max(started_at_ns, coalesce(step_since_ns, started_at_ns),
            (SELECT last_seen_at_ns FROM instances WHERE id = ?1)) WHERE begun_by = ?1 AND outcome IS NULL",
        (instance, INTERRUPTED),
    )?;
    connection.execute("DELETE FROM operations_ended_elsewhere WHERE instance_id = ?1", [instance])?;
    Ok(())
}

/// Runs that ended in good order may have left operations by id to others, or go on with them: until they are dead.
fn interrupt_left_behind(connection: &Connection, database: &Path, mine: i64) -> Result<(), StoreError> {
    let left: Vec<(i64, String)> = {
        let sql = "SELECT id, run FROM instances WHERE ended_at_ns IS NOT NULL AND id <> ?1
            AND (id IN (SELECT begun_by FROM operations_by_id INDEXED BY operations_by_id_running WHERE outcome IS NULL)
                OR id IN (SELECT instance_id FROM operations_ended_elsewhere)) ORDER BY id LIMIT ?2";
        let mut statement = connection.prepare(sql)?;
        let rows = statement.query_map((mine, MOST_RUNS), |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<Result<_, _>>()?
    };
    for (instance, run) in left {
        let Some(dead) = dead(database, &run) else { continue };
        interrupt_operations(connection, instance)?;
        if let Dead::WithFile(file) = dead {
            file.remove();
        }
    }
    Ok(())
}

/// Removes files of runs that died before they were in the database.
fn sweep(database: &Path) {
    let Some(begins) = run_path(database, "").file_name().map(|name| name.to_string_lossy().into_owned()) else {
        return;
    };
    let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let most = usize::try_from(MOST_RUNS).unwrap_or(usize::MAX);
    let runs = entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(&begins));
    for entry in runs.take(most) {
        // One that is alive holds its lock. One that is about to begin notices that its file is gone, and makes it anew.
        if let Ok(file) = RunFile::left_behind(entry.path()) {
            file.remove();
        }
    }
}

/// What runs in an instance that does not go on becomes interrupted, and its rollups are folded. In small transactions, each
/// of which may be the last one and is not made twice.
pub(super) fn cut_off(connection: &mut Connection, instance: i64) -> Result<(), StoreError> {
    // What others ended was not cut off.
    connection.execute(
        "DELETE FROM active_operations WHERE instance_id = ?1
            AND span_id IN (SELECT span_id FROM operations_ended_elsewhere WHERE instance_id = ?1)",
        [instance],
    )?;
    cut_off_operations(connection, instance)?;
    connection.execute(
        "UPDATE progress SET state = 'interrupted' WHERE instance_id = ?1 AND state IN ('running', 'stalled')",
        [instance],
    )?;
    write_rollups::fold_all(connection, instance)
}

/// The last thing that is written of an instance.
pub(super) fn end(connection: &Connection, instance: i64, how: &str) -> Result<(), StoreError> {
    connection.execute(
        "UPDATE instances SET ended = ?2, ended_at_ns = last_seen_at_ns WHERE id = ?1 AND ended IS NULL",
        (instance, how),
    )?;
    Ok(())
}

/// Operations that ran become records: how long they ran is known up to when the instance was seen last.
fn cut_off_operations(connection: &mut Connection, instance: i64) -> Result<(), StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let sql = "SELECT last_seen_at_ns FROM instances WHERE id = ?1";
        let last_seen: i64 = transaction.query_row(sql, [instance], |row| row.get(0))?;
        let mut ids = Ids::default();
        ids.begin(&transaction, last_seen)?;
        let mut numbering = write_records::Numbering::new(&transaction, instance)?;
        let sql = "SELECT span_id, series_id, started_at_ns, parent_span_id, coalesce(trace_id_high, 0),
                CASE WHEN trace_id_high IS NULL THEN 0 ELSE trace_id_low END, thread
            FROM active_operations WHERE instance_id = ?1";
        let mut statement = transaction.prepare(sql)?;
        let mut insert = transaction.prepare(write_records::INSERT)?;
        let mut rows = statement.query([instance])?;
        while let Some(row) = rows.next()? {
            let started_at: i64 = row.get(2)?;
            let took = last_seen.saturating_sub(started_at).max(0);
            let thread: Option<String> = row.get(6)?;
            let thread = thread.map(|thread| ids.string(&transaction, &thread)).transpose()?;
            let number = numbering.number(&transaction, (started_at, took), INTERRUPTED)?;
            insert.execute(rusqlite::params![
                number,
                instance,
                row.get::<_, i64>(1)?,
                INTERRUPTED,
                started_at,
                took,
                row.get::<_, i64>(0)?,
                row.get::<_, Option<i64>>(3)?,
                row.get::<_, i64>(4)?,
                row.get::<_, Option<i64>>(5)?,
                thread,
                None::<i64>,
                0,
                0,
                0,
                None::<i64>,
                None::<String>,
            ])?;
        }
        numbering.finish(&transaction)?;
    }
    transaction.execute("DELETE FROM active_operations WHERE instance_id = ?1", [instance])?;
    transaction.commit()?;
    Ok(())
}
