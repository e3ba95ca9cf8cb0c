//! A file as a history: connections that read, and how long they may.
//!
//! A connection is taken out of the pool, used without a lock, and put back. Each question is one read transaction: it
//! sees one moment, and holds back the clean-up of the write-ahead log no longer than its deadline.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::config::DbConfig;

use super::connection::open_to_read;
use super::error::StoreError;
use super::link::Link;
use super::reading::Reading;
use super::turns::{Turn, Turns};
use super::{
    audit_verify, read_audit, read_dashboard, read_errors, read_operations, read_others, read_points, read_rollups,
};
use crate::model::{
    AuditEntry, AuditFilter, AuditHead, AuditReport, DashboardSummary, ErrorFilter, ErrorSample, Figure, Fingerprint,
    HistoryFigures, HistorySummary, OperationFilter, OperationStatus, Page, PageRequest, ProgressFilter, QueueSample,
    Selection, Series, StoredErrorGroup, StoredInstance, StoredProgress, StoredRecord, StoredTransition, TimeRange,
    TransitionFilter,
};
use crate::ports::history::History;
use crate::ports::history_checks as checks;
use crate::ports::history_error::HistoryError;

/// Connections at a time; who comes beyond waits within its deadline.
const MOST_CONNECTIONS: usize = 4;

/// Steps of SQLite's machine between two looks at the clock: some tens of microseconds.
const STEPS_PER_LOOK: i32 = 1_000;

/// Kibibytes of pages that a connection keeps; the system keeps the rest.
const CACHE_KIB: i64 = 8 * 1024;

/// A file that a monitor with `MonitorBuilder::sqlite` writes, as a [`History`]: read only, from the same process or another
/// one, while it is written or afterwards.
///
/// A clone is the same history. At most four questions are answered at a time; others wait within their deadlines. In
/// a forked child every question is an error: open the file anew there, after the fork.
///
/// Cost: opening takes less than a millisecond, whatever the size of the file. A first page of records takes some
/// milliseconds in a file of ten million, and so does a summary of a day.
///
/// ```
/// use monitor_core::SqliteHistory;
///
/// let error = SqliteHistory::open("/no/such/file.db").unwrap_err();
/// assert!(error.is_unavailable());
/// ```
#[derive(Clone)]
pub struct SqliteHistory {
    pool: Arc<Pool>,
}

struct Pool {
    path: PathBuf,
    /// The process that opened it. A connection must not be used, nor even closed, across a fork.
    process: u32,
    links: Turns<Link>,
}

impl SqliteHistory {
    /// Opens a file to read it. It must be there; nothing in it is made or changed.
    ///
    /// # Errors
    /// One that [`is_unavailable`](HistoryError::is_unavailable): there is no such file, it is no database or that of
    /// another program, or its version is older or newer than this library reads.
    pub fn open(path: impl AsRef<Path>) -> Result<SqliteHistory, HistoryError> {
        let path = path.as_ref().to_path_buf();
        let first = connect(&path)?;
        let pool = Pool { path, process: std::process::id(), links: Turns::with(MOST_CONNECTIONS, first) };
        Ok(SqliteHistory { pool: Arc::new(pool) })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.pool.path
    }

    /// Asks one question in a transaction of its own, within the deadline.
    fn ask<T>(
        &self,
        deadline: Duration,
        question: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
    ) -> Result<T, HistoryError> {
        checks::deadline(deadline)?;
        let until = Instant::now() + deadline;
        let lent = self.pool.lend(until, deadline)?;
        let Some(reader) = lent.0.has.as_ref() else { return Err(HistoryError::deadline(deadline)) };
        let answer = answer(reader, until, question);
        answer.map_err(|error| {
            if error.is_interrupted() {
                HistoryError::deadline(deadline)
            } else if error.is_damaged() {
                HistoryError::damaged(error.to_string())
            } else {
                HistoryError::unavailable(error)
            }
        })
    }
}

fn connect(path: &Path) -> Result<Link, HistoryError> {
    let open = || {
        let connection = open_to_read(path)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
        // Plans that do not follow the values bound: otherwise a statement is compiled anew for each place it is asked for.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok::<_, StoreError>(connection)
    };
    Link::open(open).map_err(|error| HistoryError::unavailable(format!("{error}; the file is {}", path.display())))
}

fn answer<T>(
    link: &Link,
    until: Instant,
    question: impl FnOnce(&Reading<'_>) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let mut connection = link.get()?;
    // How long the lock of another connection is waited for is within the deadline, too.
    connection.busy_timeout(until.saturating_duration_since(Instant::now()))?;
    connection.progress_handler(STEPS_PER_LOOK, Some(move || Instant::now() >= until))?;
    let answer = (|| {
        let transaction = connection.transaction()?;
        let answer = question(&Reading::new(&transaction, until))?;
        drop(transaction);
        Ok(answer)
    })();
    connection.progress_handler(0, None::<fn() -> bool>)?;
    answer
}

impl Pool {
    fn lend(&self, until: Instant, deadline: Duration) -> Result<Lent<'_>, HistoryError> {
        // Before the lock: one that was held during a fork is never released in the child.
        if std::process::id() != self.process {
            return Err(HistoryError::unavailable(
                "it was opened by the process that this one was forked from; open it anew in this process",
            ));
        }
        let mut turn = self.links.take(until).ok_or_else(|| HistoryError::deadline(deadline))?;
        if turn.has.is_none() {
            turn.has = Some(connect(&self.path)?);
        }
        Ok(Lent(turn))
    }
}

/// Gives the connection back, also when a question panics.
struct Lent<'a>(Turn<'a, Link>);

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        // One that is still in a transaction would hold its moment for good.
        let is_whole = |link: &Link| link.get().is_ok_and(|connection| connection.is_autocommit());
        self.0.has = self.0.has.take().filter(is_whole);
    }
}

impl fmt::Debug for SqliteHistory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteHistory").field("path", &self.pool.path).finish_non_exhaustive()
    }
}

impl History for SqliteHistory {
    fn instances(&self, range: &TimeRange, page: &PageRequest) -> Result<Page<StoredInstance>, HistoryError> {
        checks::range(range)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_others::instances(reading, range, page))
    }

    fn operations(&self, filter: &OperationFilter, page: &PageRequest) -> Result<Page<StoredRecord>, HistoryError> {
        checks::operations(filter)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_operations::operations(reading, filter, page))
    }

    fn summary(&self, selection: &Selection, page: &PageRequest) -> Result<HistorySummary, HistoryError> {
        checks::selection(selection)?;
        checks::only_page(page)?;
        self.ask(page.deadline, |reading| read_rollups::summary(reading, selection, page.limit))
    }

    fn series(
        &self,
        selection: &Selection,
        figure: Figure,
        step: Duration,
        deadline: Duration,
    ) -> Result<Series, HistoryError> {
        checks::selection(selection)?;
        checks::figure(figure)?;
        if selection.range.since.is_none() {
            return Err(HistoryError::invalid("the range of a series", "without a beginning", "one with a beginning"));
        }
        let (since, until) = selection.range.bounds_ns();
        let now = crate::model::units::unix_ns(std::time::SystemTime::now());
        let until = if selection.range.until.is_some() { until } else { now.max(since.saturating_add(1)) };
        let step_s = checks::step(step, since, until)?;
        self.ask(deadline, |reading| read_points::series(reading, selection, figure, step_s, since, until))
    }

    fn figures(&self, selection: &Selection, deadline: Duration) -> Result<HistoryFigures, HistoryError> {
        checks::selection(selection)?;
        self.ask(deadline, |reading| read_rollups::figures(reading, selection))
    }

    fn errors(&self, filter: &ErrorFilter, page: &PageRequest) -> Result<Page<StoredErrorGroup>, HistoryError> {
        checks::errors(filter)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_errors::groups(reading, filter, page))
    }

    fn error_samples(&self, group: Fingerprint, page: &PageRequest) -> Result<Page<ErrorSample>, HistoryError> {
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_errors::samples(reading, group, page))
    }

    fn transitions(
        &self,
        filter: &TransitionFilter,
        page: &PageRequest,
    ) -> Result<Page<StoredTransition>, HistoryError> {
        checks::transitions(filter)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_others::transitions(reading, filter, page))
    }

    fn progress(&self, filter: &ProgressFilter, page: &PageRequest) -> Result<Page<StoredProgress>, HistoryError> {
        checks::progress(filter)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_others::progress(reading, filter, page))
    }

    fn operation_by_id(&self, id: &str, deadline: Duration) -> Result<Option<OperationStatus>, HistoryError> {
        checks::id(id)?;
        self.ask(deadline, |reading| read_others::operation_by_id(reading, id))
    }

    fn queues(
        &self,
        queue: Option<&str>,
        range: &TimeRange,
        page: &PageRequest,
    ) -> Result<Page<QueueSample>, HistoryError> {
        checks::queue(queue)?;
        checks::range(range)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_others::queues(reading, queue, range, page))
    }

    fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>, HistoryError> {
        checks::audit(filter)?;
        checks::page(page)?;
        self.ask(page.deadline, |reading| read_audit::entries(reading, filter, page))
    }

    fn verify_audit(&self, known: Option<&AuditHead>, deadline: Duration) -> Result<AuditReport, HistoryError> {
        self.ask(deadline, |reading| audit_verify::verify(reading, known))
    }

    fn dashboard_summary(&self, deadline: Duration) -> Result<DashboardSummary, HistoryError> {
        self.ask(deadline, read_dashboard::summary)
    }
}
