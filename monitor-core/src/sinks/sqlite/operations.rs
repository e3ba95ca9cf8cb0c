//! Operations by id in the file: begun in one process, ended in another.
//!
//! Each request is one immediate transaction, so that of several processes that begin or end an id exactly one does. It is
//! made on the thread that asks, by a connection that all threads of the process share; the sink of the same file sees each
//! second to what had to wait, and to ends by others.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::durable::Durable;
use super::error::StoreError;
use super::operation_rows::{self as rows, Answer, Ends};
use super::presence::{self, RunFile, RunShare};
use super::{instances, losses};
use crate::model::{Instance, LedgerBegin, LedgerEnd, LedgerEntry, LedgerWrite};
use crate::ports::operations::{LedgerError, LedgerNews, OperationLedger};

/// How long nobody tries again after the file could not be reached, unless the sink has reached it.
const PAUSE: Duration = Duration::from_secs(5);

/// Beginnings, steps and ends that may wait for the file.
const MOST_WAITING: usize = 1_024;

/// Operations by id in the file of a history: an [`OperationLedger`].
///
/// `MonitorBuilder::sqlite` has one; with a sink of your own take that sink's, by
/// [`SqliteSink::operations`](crate::SqliteSink::operations). Without any sink it does as well, but then what had to wait is
/// written, and what others ended is known, at the next call by id only, and nobody looks for the dead.
///
/// A beginning, step or end is one transaction and takes some 30 to 60 µs of the thread that makes it. It survives the end of
/// the process, `kill -9` included; a loss of power may take the last ones. A caller waits for a second at most; after
/// that the process goes on by itself, tells the file later (1,024 beginnings, steps and ends may wait) and tries again in 5 s.
///
/// An operation belongs to the run that began it. When that is dead, which is checked by a lock that it holds, and not guessed
/// from times, it becomes [`interrupted`](crate::Outcome::Interrupted): by the next sink that opens the file, or that has it
/// open, within a minute. It may be ended all the same by whoever finished it, go on with a step, or, at once, begin anew.
///
/// ```
/// use monitor_core::{Monitor, SqliteOptions, SqliteSink};
///
/// # let path = std::env::temp_dir().join(format!("monitor-operations-{}.db", std::process::id()));
/// let sink = SqliteSink::with(SqliteOptions::new(&path).survive_power_loss(true));
/// let here = Monitor::builder().operation_ledger(sink.operations()).sink(sink).build()?;
/// let elsewhere = Monitor::builder().sqlite(&path).build()?; // as if in another process
/// here.begin("nightly-42", "backup").worker("w1").start()?;
/// let ended = elsewhere.end("nightly-42").items(150).finish()?;
/// assert_eq!((ended.name.as_str(), ended.by_id.worker.as_deref()), ("backup", Some("w1")));
/// assert!(here.end("nightly-42").finish().is_err(), "it ends once");
/// # drop((here, elsewhere));
/// # for end in ["", "-wal", "-shm"] { let _ = std::fs::remove_file(format!("{}{end}", path.display())); }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SqliteOperations {
    shared: Arc<Shared>,
}

impl SqliteOperations {
    /// Operations by id in that file, without a sink. Nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> SqliteOperations {
        SqliteOperations { shared: Arc::new(Shared::new(&path.into())) }
    }

    pub(super) fn of(shared: &Arc<Shared>) -> SqliteOperations {
        SqliteOperations { shared: Arc::clone(shared) }
    }
}

/// What the ledger and the sink of one file and run have in common.
pub(super) struct Shared {
    durable: Durable,
    pub(super) runs: RunShare,
    state: Mutex<State>,
    process: u32,
}

#[derive(Default)]
struct State {
    instance: Option<Instance>,
    news: LedgerNews,
    /// What is to be written when it is possible.
    waiting: VecDeque<LedgerWrite>,
    /// What found no room there, or was decided otherwise in the meantime, and is not in the file's account yet.
    lost: u64,
    /// Until when nobody tries, and why.
    paused: Option<(Instant, String)>,
    /// From the first beginning on.
    held: Option<Arc<RunFile>>,
}

/// Work with the file by one instance.
#[derive(Clone, Copy)]
struct By<'a> {
    instance: &'a Instance,
    id: i64,
}

impl Shared {
    pub(super) fn new(path: &Path) -> Shared {
        let durable = Durable::hasty(path);
        Shared { durable, runs: RunShare::default(), state: Mutex::default(), process: std::process::id() }
    }

    /// Does one request, in a transaction of its own, after what waits.
    fn request<T>(
        &self,
        holds_run: bool,
        work: impl FnOnce(&Connection, i64, &Instance) -> Answer<T>,
    ) -> Result<T, LedgerError> {
        let instance = self.may_try()?;
        if holds_run {
            self.hold_run(&instance).map_err(|error| self.failed(&error))?;
        }
        let mut ends = Vec::new();
        let done = self.durable.with(|connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let by = By { instance: &instance, id: instances::id_of(&transaction, &instance)? };
            let (answer, told) = self.in_order(transaction, by, |connection| work(connection, by.id, by.instance))?;
            ends = told;
            Ok(answer)
        });
        self.tell(ends);
        match done {
            Ok(answer) => {
                self.reached();
                answer
            }
            Err(error) => Err(self.failed(&error)),
        }
    }

    /// What waits, then the work, then what others ended; all of it or nothing.
    fn in_order<T>(
        &self,
        transaction: Transaction<'_>,
        by: By<'_>,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<(T, Ends), StoreError> {
        // Taken with the write lock of the file held: nobody can come before it with something newer.
        let (waiting, lost) = {
            let mut state = self.state.lock();
            (std::mem::take(&mut state.waiting), std::mem::take(&mut state.lost))
        };
        let done = (|| {
            let refused = waiting
                .iter()
                .try_fold(0, |refused, write| Ok::<u64, StoreError>(refused + self.catch(&transaction, by, write)?))?;
            if lost + refused > 0 {
                losses::add(&transaction, by.id, "operation by id", lost + refused)?;
            }
            let done = work(&transaction)?;
            let ends = rows::take_ends(&transaction, by.id)?;
            transaction.commit()?;
            Ok((done, ends))
        })();
        if done.is_err() {
            let mut state = self.state.lock();
            state.lost += lost;
            let newer = std::mem::replace(&mut state.waiting, waiting);
            state.waiting.extend(newer);
        }
        done
    }

    fn is_dead(&self, run: &str) -> bool {
        presence::is_dead(self.durable.path(), run)
    }

    /// Writes what waited: 1 if it was decided otherwise in the meantime.
    fn catch(&self, connection: &Connection, by: By<'_>, write: &LedgerWrite) -> Result<u64, StoreError> {
        let run = (by.id, by.instance.run.as_str());
        let answer = match write {
            LedgerWrite::Begin(begun) => rows::begin(connection, by.id, begun, |run| self.is_dead(run))?,
            LedgerWrite::Step { id, name, at } => rows::step(connection, run, (id, name, *at))?,
            LedgerWrite::End { id, end } => rows::end(connection, run, id, end)?.map(drop),
        };
        Ok(u64::from(answer.is_err()))
    }

    /// There is a sink for the same file, which is open.
    pub(super) fn has_sink(&self) {
        self.durable.leave_log(true);
    }

    /// Upkeep by the connection of the sink, which is that of the same instance.
    pub(super) fn keep_up(&self, connection: &Connection, id: i64) -> Result<(), StoreError> {
        let (instance, waits) = {
            let state = self.state.lock();
            let Some(instance) = state.instance.clone() else { return Ok(()) };
            (instance, !state.waiting.is_empty() || state.lost > 0)
        };
        if waits || rows::has_ends(connection, id)? {
            let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
            let by = By { instance: &instance, id };
            let ((), ends) = self.in_order(transaction, by, |_| Ok(()))?;
            self.tell(ends);
        }
        self.reached();
        Ok(())
    }

    /// Its sink is about to close: lets go of the file, and of that of the run if nothing runs that the run began.
    pub(super) fn let_go(&self, connection: &Connection, id: i64) {
        if matches!(rows::runs_any(connection, id), Ok(false)) {
            self.release();
        }
        // It does not take the log over any more.
        self.durable.leave_log(false);
        self.durable.close();
    }

    fn release(&self) {
        let held = self.state.lock().held.take();
        if let Some(file) = held {
            self.runs.release(file);
        }
    }

    /// The instance, unless it is clear that the file cannot be reached.
    fn may_try(&self) -> Result<Instance, LedgerError> {
        if self.process != std::process::id() {
            return Err(LedgerError::Unreachable(StoreError::forked().to_string()));
        }
        let state = self.state.lock();
        if let Some((until, why)) = &state.paused
            && Instant::now() < *until
        {
            return Err(LedgerError::Unreachable(why.clone()));
        }
        state.instance.clone().ok_or_else(|| LedgerError::Unreachable("the monitor has not opened it".to_owned()))
    }

    /// Shows that this run is alive, since something is about to depend on it.
    fn hold_run(&self, instance: &Instance) -> Result<(), StoreError> {
        let held = self.state.lock().held.clone();
        if held.is_some_and(|file| file.is_there()) {
            return Ok(());
        }
        let file = self.runs.hold(self.durable.path(), &instance.run).map_err(|error| {
            let why = format!("the file that shows that this run is alive cannot be made: {error}");
            StoreError::from(rusqlite::Error::ToSqlConversionFailure(why.into()))
        })?;
        let before = self.state.lock().held.replace(file);
        if let Some(before) = before {
            self.runs.release(before);
        }
        Ok(())
    }

    fn failed(&self, error: &StoreError) -> LedgerError {
        let why = error.to_string();
        self.state.lock().paused = Some((Instant::now() + PAUSE, why.clone()));
        LedgerError::Unreachable(why)
    }

    fn reached(&self) {
        let mut state = self.state.lock();
        if state.paused.take().is_some() {
            state.news.reachable();
        }
    }

    fn tell(&self, ends: Ends) {
        if ends.is_empty() {
            return;
        }
        let news = self.state.lock().news.clone();
        for (id, span) in ends {
            news.ended(&id, span);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // A forked child has its parent's file, which must not be removed.
        if self.process == std::process::id() {
            self.release();
        }
    }
}

impl OperationLedger for SqliteOperations {
    fn open(&self, instance: &Instance, news: LedgerNews) {
        let mut state = self.shared.state.lock();
        (state.instance, state.news) = (Some(instance.clone()), news);
    }

    fn begin(&self, begun: &LedgerBegin) -> Result<(), LedgerError> {
        let is_dead = |run: &str| self.shared.is_dead(run);
        self.shared.request(true, |connection, instance, _| rows::begin(connection, instance, begun, is_dead))
    }

    fn step(&self, id: &str, name: &str, at: SystemTime) -> Result<(), LedgerError> {
        self.shared
            .request(true, |connection, instance, this| rows::step(connection, (instance, &this.run), (id, name, at)))
    }

    fn end(&self, id: &str, end: &LedgerEnd) -> Result<LedgerEntry, LedgerError> {
        self.shared.request(false, |connection, instance, this| rows::end(connection, (instance, &this.run), id, end))
    }

    fn find(&self, id: &str) -> Result<Option<LedgerEntry>, LedgerError> {
        let shared = &self.shared;
        let instance = shared.may_try()?;
        let read = || {
            shared.durable.with(|connection| {
                let found = rows::find(connection, id)?.map(|(entry, _)| entry);
                let waits = !shared.state.lock().waiting.is_empty();
                let by = instances::id_of(connection, &instance)?;
                Ok((found, waits || rows::has_ends(connection, by)?))
            })
        };
        match read() {
            Ok((found, false)) => {
                shared.reached();
                Ok(found)
            }
            Ok((_, true)) => {
                shared.request(false, |connection, _, _| Ok(Ok(rows::find(connection, id)?.map(|(entry, _)| entry))))
            }
            Err(error) => Err(shared.failed(&error)),
        }
    }

    fn keep(&self, write: LedgerWrite) -> bool {
        let mut state = self.shared.state.lock();
        let fits = state.waiting.len() < MOST_WAITING;
        if fits {
            state.waiting.push_back(write);
        } else {
            state.lost += 1;
        }
        fits
    }
}

impl fmt::Debug for SqliteOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteOperations").field("path", &self.shared.durable.path()).finish_non_exhaustive()
    }
}
