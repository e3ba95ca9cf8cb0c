//! The sink: opens the file, stores batches, and begins anew when the file does not do any more.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::connection::{self, Durability};
use super::error::{Cure, StoreError};
use super::link::Link;
use super::operations::{Shared, SqliteOperations};
use super::options::SqliteOptions;
use super::presence::RunFile;
use super::recovery::{self, FileIdentity};
use super::retention::Keeper;
use super::session::Session;
use super::trouble::{Trouble, sink_error};
use super::wal::WalWatch;
use crate::model::units::unix_ns;
use crate::model::{Batch, Instance};
use crate::ports::sink::{Sink, SinkError};

/// A damaged file is not set aside more often.
const BETWEEN_REPLACEMENTS: Duration = Duration::from_mins(1);

/// How often an instance that has nothing to write says that it is alive.
const BETWEEN_SIGNS: Duration = Duration::from_secs(10);

/// How often dead instances are looked for.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);

/// Keeps a history in a SQLite file: a [`Sink`].
///
/// Each batch is one transaction, all or nothing. Several processes may write into the same file. A file that is damaged is
/// set aside as `<file>.damaged-<UTC time>`, and a new one begun; one that is removed is begun anew; a disk that is full and
/// a lock held elsewhere are waited for. The tables are described in `docs/schema.md` of the project.
///
/// A process that is forked off may open the same file with a monitor of its own; what it inherited is its parent's. A fork
/// waits for a tenth of a second at most until the file is not being used. If that was not enough, the child cannot open
/// any history, and is told so. More on forks stands at [`MonitorBuilder::sqlite`](crate::MonitorBuilder::sqlite).
///
/// What is too old or too much is removed as [`Retention`](crate::Retention) says, a little each second.
///
/// Cost: a batch of 10,000 records takes about a tenth of a second of the sink's own thread, and 90 to 120 bytes a record
/// in the file.
///
/// ```
/// use monitor_core::SqliteSink;
///
/// let sink = SqliteSink::new("monitor.db"); // to be given to a monitor; nothing is opened yet
/// ```
pub struct SqliteSink {
    options: SqliteOptions,
    instance: Option<Instance>,
    path: PathBuf,
    session: Option<Session>,
    run_file: Option<Arc<RunFile>>,
    /// What it shares with the operations by id of the same file and run.
    operations: Arc<Shared>,
    wal: WalWatch,
    keeper: Keeper,
    /// The file that it keeps.
    keeps: Option<FileIdentity>,
    kept: Instant,
    /// Beginning of the first step of rollups that is not folded.
    folded_until_ns: i64,
    replaced: Option<Instant>,
    /// Damaged files set aside of which the new one does not tell yet.
    replacements: u64,
    looked_for_dead: Option<Instant>,
    signed: Instant,
    /// When the last batch was, by the wall clock and by the monotonic one.
    last_batch: (i64, Instant),
    closed: bool,
    process: u32,
}

impl SqliteSink {
    /// A history in that file, with the defaults of [`SqliteOptions`]. Nothing is opened yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> SqliteSink {
        SqliteSink::with(SqliteOptions::new(path))
    }

    /// A history with options. Nothing is opened yet.
    #[must_use]
    pub fn with(options: SqliteOptions) -> SqliteSink {
        // Absolute, so that it stays the same file when the program changes its folder, and `:memory:` is a name.
        let path = std::path::absolute(&options.path).unwrap_or_default();
        let operations = Arc::new(Shared::new(&path));
        SqliteSink {
            keeper: Keeper::new(options.retention.clone()),
            keeps: None,
            kept: Instant::now(),
            options,
            instance: None,
            path,
            session: None,
            run_file: None,
            operations,
            wal: WalWatch::default(),
            folded_until_ns: i64::MIN,
            replaced: None,
            replacements: 0,
            looked_for_dead: None,
            signed: Instant::now(),
            last_batch: (0, Instant::now()),
            closed: false,
            process: std::process::id(),
        }
    }

    /// The operations by id in the same file, for
    /// [`MonitorBuilder::operation_ledger`](crate::MonitorBuilder::operation_ledger) of the same monitor.
    #[must_use]
    pub fn operations(&self) -> SqliteOperations {
        SqliteOperations::of(&self.operations)
    }

    /// A path at which there can be no file.
    fn check_path(&self) -> Result<(), SinkError> {
        let refuse = |why: String| SinkError::refused(&Trouble(why));
        let shown = self.options.path.display();
        if self.path.as_os_str().is_empty() {
            return Err(refuse("the path of the history is empty; give the name of a file".into()));
        }
        if self.path.is_dir() {
            return Err(refuse(format!(
                "the path of the history, {shown}, is a folder; give the name of a file in it"
            )));
        }
        match self.path.parent() {
            Some(folder) if !folder.is_dir() => {
                Err(refuse(format!("the folder of the history, {}, does not exist; make it first", folder.display())))
            }
            _ => Ok(()),
        }
    }

    /// Makes sure that there is a session with the file that is at the path now.
    fn ready(&mut self) -> Result<&mut Session, SinkError> {
        if self.process != std::process::id() {
            return Err(SinkError::refused(&Trouble(
                "the history was opened before a fork and cannot be used in the child; build a monitor there".into(),
            )));
        }
        if self.closed {
            return Err(SinkError::refused(&Trouble("the history is closed".into())));
        }
        let moved = self.session.as_ref().is_some_and(|session| !session.is_at(&self.path));
        if moved {
            self.session = None;
        }
        if self.session.is_none() {
            if let Some(folder) = self.path.parent().filter(|folder| self.run_file.is_some() && !folder.exists()) {
                // It was there before, and somebody removed it with the file in it.
                std::fs::create_dir_all(folder).map_err(|error| SinkError::again(&error))?;
            }
            self.hold_run_file()?;
            let found = FileIdentity::of(&self.path);
            let session = match self.connect() {
                Ok(session) => session,
                Err(error) if error.cure() == Cure::Replace => {
                    self.replace(&error, found)?;
                    self.connect().map_err(|error| sink_error(&error))?
                }
                Err(error) => return Err(sink_error(&error)),
            };
            self.session = Some(session);
        } else {
            self.hold_run_file()?;
        }
        self.session.as_mut().ok_or_else(|| SinkError::again(&Trouble("the history is not open".into())))
    }

    fn hold_run_file(&mut self) -> Result<(), SinkError> {
        let Some(instance) = &self.instance else {
            return Err(SinkError::refused(&Trouble("the history was not opened: call `open` first".into())));
        };
        if !self.run_file.as_ref().is_some_and(|file| file.is_there()) {
            self.run_file = None;
            let held = self.operations.runs.hold(&self.path, &instance.run);
            self.run_file = Some(held.map_err(|error| {
                SinkError::again(&Trouble(format!(
                    "the file that shows that this run is alive cannot be made: {error}"
                )))
            })?);
        }
        Ok(())
    }

    fn connect(&mut self) -> Result<Session, StoreError> {
        let durability = if self.options.survive_power_loss { Durability::Power } else { Durability::Process };
        let link = Link::open(|| connection::open_to_write(&self.path, durability))?;
        let Some(instance) = &self.instance else { return Err(rusqlite::Error::InvalidQuery.into()) };
        let session = Session::begin(link, &self.path, instance, self.replacements)?;
        self.replacements = 0;
        if self.keeps != session.identity() {
            // What was to be done was to be done in another file.
            self.keeps = session.identity();
            self.keeper = Keeper::new(self.options.retention.clone());
        }
        Ok(session)
    }

    /// Sets a damaged file aside, unless that was done just now, or somebody else has.
    fn replace(&mut self, error: &StoreError, opened: Option<FileIdentity>) -> Result<(), SinkError> {
        self.session = None;
        if opened.is_some() && opened != FileIdentity::of(&self.path) {
            return Ok(());
        }
        if self.replaced.is_some_and(|replaced| replaced.elapsed() < BETWEEN_REPLACEMENTS) {
            return Err(SinkError::again(&Trouble(format!(
                "the file of the history is damaged again, within a minute ({error}); look at the disk"
            ))));
        }
        recovery::set_aside(&self.path).map_err(|why| {
            SinkError::again(&Trouble(format!(
                "the file of the history is damaged ({error}) and cannot be set aside: {why}"
            )))
        })?;
        self.replaced = Some(Instant::now());
        self.replacements += 1;
        Ok(())
    }

    /// What is to be done with an error of a living session.
    fn recover(&mut self, error: &StoreError) -> Result<(), SinkError> {
        if error.cure() == Cure::Replace {
            let opened = self.session.as_ref().and_then(Session::identity);
            return self.replace(error, opened);
        }
        if !error.is_lock() {
            // After a full disk or an error of reading or writing a connection may not be of use any more.
            self.session = None;
        }
        Err(sink_error(error))
    }

    fn store(&mut self, batch: &Batch) -> Result<Result<(), StoreError>, SinkError> {
        let (path, limit, hard) = (self.path.clone(), self.options.wal_limit_bytes, self.options.wal_hard_limit_bytes);
        let folded_until_ns = self.folded_until_ns;
        self.ready()?;
        let Some(session) = &mut self.session else { return Ok(Ok(())) };
        // Between the limits there is time: `idle` sees to it.
        if super::wal::wal_bytes(&path) > hard.max(limit)
            && let Ok(connection) = session.connection()
            && let Some(why) = self.wal.look(&connection, &path, limit, hard)
        {
            return Err(SinkError::again(&Trouble(why)));
        }
        let stored = session.store(batch, folded_until_ns).map(|folded| self.folded_until_ns = folded);
        if stored.is_ok() {
            // What does not go now, goes when there is nothing to store.
            let _ =
                session.connection().and_then(|connection| self.operations.keep_up(&connection, session.instance()));
        }
        Ok(stored)
    }

    fn upkeep(&mut self) -> Result<Result<(), StoreError>, SinkError> {
        self.ready()?;
        let Some(session) = &mut self.session else { return Ok(Ok(())) };
        let (limit, hard) = (self.options.wal_limit_bytes, self.options.wal_hard_limit_bytes);
        let connection = session.connection().map_err(|error| sink_error(&error))?;
        if let Some(why) = self.wal.look(&connection, &self.path, limit, hard) {
            return Err(SinkError::again(&Trouble(why)));
        }
        if let Err(error) = self.operations.keep_up(&connection, session.instance()) {
            return Ok(Err(error));
        }
        drop(connection);
        if self.looked_for_dead.is_none_or(|looked| looked.elapsed() >= BETWEEN_LOOKS) {
            self.looked_for_dead = Some(Instant::now());
            if let Err(error) = session.bury_dead(&self.path) {
                return Ok(Err(error));
            }
        }
        if self.signed.elapsed() >= BETWEEN_SIGNS {
            self.signed = Instant::now();
            let now_ns = self.now_ns();
            let Some(session) = &mut self.session else { return Ok(Ok(())) };
            return Ok(session.sign(now_ns));
        }
        Ok(Ok(()))
    }

    /// Removes some of what is too old or too much.
    fn keep(&mut self) -> Result<Result<(), StoreError>, SinkError> {
        self.kept = Instant::now();
        let now_ns = self.now_ns();
        self.ready()?;
        Ok(self.session.as_mut().map_or(Ok(()), |session| session.keep(&mut self.keeper, now_ns)))
    }

    /// Whether it is to remove more before the next batch.
    fn is_to_keep(&mut self, times: u32) -> Result<bool, StoreError> {
        let since = self.kept.elapsed();
        let Some(session) = &self.session else { return Ok(false) };
        self.keeper.is_due(&*session.connection()?, since, times)
    }

    /// The time of the last batch, and what has passed since.
    fn now_ns(&self) -> i64 {
        let (at_ns, then) = self.last_batch;
        at_ns.saturating_add(super::values::duration(then.elapsed()))
    }
}

impl Sink for SqliteSink {
    fn name(&self) -> &'static str {
        "sqlite"
    }

    fn open(&mut self, instance: &Instance) -> Result<(), SinkError> {
        if self.session.is_none() && self.run_file.is_none() {
            // Before that a fork does no harm.
            self.process = std::process::id();
        }
        if self.instance.is_none() {
            self.check_path()?;
            self.last_batch = (unix_ns(instance.started_at), Instant::now());
        }
        self.instance = Some(instance.clone());
        self.operations.has_sink();
        self.ready()?;
        self.looked_for_dead = Some(Instant::now());
        let Some(session) = &mut self.session else { return Ok(()) };
        // If it does not go now, it does later.
        if session.bury_dead(&self.path).is_err() {
            self.looked_for_dead = None;
        }
        Ok(())
    }

    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        if self.session.as_ref().is_some_and(|session| session.has_all_of(batch) && session.is_at(&self.path)) {
            self.last_batch = (unix_ns(batch.at), Instant::now());
            return Ok(());
        }
        match self.store(batch)? {
            Ok(()) => {}
            Err(error) => {
                self.recover(&error)?;
                // The damaged file is out of the way.
                self.store(batch)?.map_err(|error| sink_error(&error))?;
            }
        }
        self.last_batch = (unix_ns(batch.at), Instant::now());
        self.signed = Instant::now();
        let mut times = 0;
        // The batch is stored, and must not come again: what goes wrong here shows next time.
        while self.is_to_keep(times).unwrap_or(false) {
            times += 1;
            if !matches!(self.keep(), Ok(Ok(()))) {
                break;
            }
        }
        Ok(())
    }

    fn idle(&mut self) -> Result<(), SinkError> {
        for done in [self.upkeep()?, self.keep()?] {
            if let Err(error) = done {
                return self.recover(&error);
            }
        }
        Ok(())
    }

    fn close(&mut self) -> Result<(), SinkError> {
        if self.closed || self.instance.is_none() {
            self.closed = true;
            return Ok(());
        }
        let now_ns = self.now_ns();
        let operations = Arc::clone(&self.operations);
        let ended = self.ready().and_then(|session| {
            if let Ok(connection) = session.connection() {
                let _ = operations.keep_up(&connection, session.instance());
                operations.let_go(&connection, session.instance());
            }
            session.end().map_err(|error| sink_error(&error))
        });
        if ended.is_ok()
            && let Some(session) = &mut self.session
        {
            // Last, since the program may not wait for it. What is not removed now is removed by another run.
            let _ = session.keep_at_end(&mut self.keeper, now_ns);
            session.take_log_over();
        }
        self.closed = true;
        self.session = None;
        // A run that could not be ended in the file must not look alive: it is for the next one to see to.
        if let Some(file) = self.run_file.take() {
            self.operations.runs.release(file);
        }
        ended
    }
}

impl fmt::Debug for SqliteSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteSink").field("options", &self.options).finish_non_exhaustive()
    }
}
