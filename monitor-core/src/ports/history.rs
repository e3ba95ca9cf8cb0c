//! What can be asked of the past.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{
    AuditEntry, AuditFilter, AuditHead, AuditReport, DashboardSummary, ErrorFilter, ErrorSample, Figure, Fingerprint,
    HistoryFigures, HistorySummary, OperationFilter, OperationStatus, Page, PageRequest, ProgressFilter, QueueSample,
    Selection, Series, StoredErrorGroup, StoredInstance, StoredProgress, StoredRecord, StoredTransition, TimeRange,
    TransitionFilter,
};

use super::history_error::HistoryError;

/// What a monitor and others kept, asked for afterwards or while they go on: by the library, a dashboard, a command line.
///
/// `SqliteHistory` is one (feature `sqlite`). Every call is bounded: by the limit of its page, and by its deadline, past
/// which it is broken off with an error. What is not allowed is an error that says what is. Each call sees one moment;
/// two calls may see two.
///
/// Methods block while they read. A program with an asynchronous runtime calls them where blocking is allowed.
///
/// ```no_run
/// # #[cfg(feature = "sqlite")]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use monitor_core::{History, OperationFilter, PageRequest, SqliteHistory};
///
/// let history = SqliteHistory::open("monitor.db")?;
/// let mut page = PageRequest::new();
/// loop {
///     let found = history.operations(&OperationFilter::new().name("import").not_succeeded(), &page)?;
///     for record in &found.entries {
///         println!("{} {:?}", record.name, record.duration);
///     }
///     let Some(next) = found.next else { break };
///     page = page.after(next);
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub trait History: Send + Sync {
    /// The runs, by their beginning.
    ///
    /// # Errors
    /// [`HistoryError`]: bad page, deadline, place that cannot be read.
    fn instances(&self, range: &TimeRange, page: &PageRequest) -> Result<Page<StoredInstance>, HistoryError>;

    /// Individual records, in the order in which they came to the history, which is that in which calls ended, but for
    /// what came from several programs within a second.
    ///
    /// # Errors
    /// [`HistoryError`]: bad filter, bad page, deadline, place that cannot be read.
    fn operations(&self, filter: &OperationFilter, page: &PageRequest) -> Result<Page<StoredRecord>, HistoryError>;

    /// The figures of each operation. Of the page, limit and deadline count; it has no second one.
    ///
    /// # Errors
    /// [`HistoryError`]: bad selection, deadline, place that cannot be read.
    fn summary(&self, selection: &Selection, page: &PageRequest) -> Result<HistorySummary, HistoryError>;

    /// A figure of all that is selected together, step by step: from 10 s on, a multiple of it, at most 10,000 steps. The
    /// range must have a beginning.
    ///
    /// # Errors
    /// [`HistoryError`]: bad selection, step or quantile, deadline, place that cannot be read.
    fn series(
        &self,
        selection: &Selection,
        figure: Figure,
        step: Duration,
        deadline: Duration,
    ) -> Result<Series, HistoryError>;

    /// All figures of all that is selected together.
    ///
    /// # Errors
    /// [`HistoryError`]: bad selection, deadline, place that cannot be read.
    fn figures(&self, selection: &Selection, deadline: Duration) -> Result<HistoryFigures, HistoryError>;

    /// Groups of errors, by when one came last. A group of which one comes between two pages moves to the front: it may be
    /// missing on later pages, and none comes twice.
    ///
    /// # Errors
    /// [`HistoryError`]: bad filter, bad page, deadline, place that cannot be read.
    fn errors(&self, filter: &ErrorFilter, page: &PageRequest) -> Result<Page<StoredErrorGroup>, HistoryError>;

    /// Errors of one group, as far as they are kept.
    ///
    /// # Errors
    /// [`HistoryError`]: bad page, deadline, place that cannot be read.
    fn error_samples(&self, group: Fingerprint, page: &PageRequest) -> Result<Page<ErrorSample>, HistoryError>;

    /// Transitions of state machines.
    ///
    /// # Errors
    /// [`HistoryError`]: bad filter, bad page, deadline, place that cannot be read.
    fn transitions(
        &self,
        filter: &TransitionFilter,
        page: &PageRequest,
    ) -> Result<Page<StoredTransition>, HistoryError>;

    /// Jobs, by their beginning.
    ///
    /// # Errors
    /// [`HistoryError`]: bad filter, bad page, deadline, place that cannot be read.
    fn progress(&self, filter: &ProgressFilter, page: &PageRequest) -> Result<Page<StoredProgress>, HistoryError>;

    /// The last run of the operation with that id; `None` if there was none.
    ///
    /// # Errors
    /// [`HistoryError`]: empty or over-long id, deadline, place that cannot be read.
    fn operation_by_id(&self, id: &str, deadline: Duration) -> Result<Option<OperationStatus>, HistoryError>;

    /// Samples of the queue of that name, or of all queues.
    ///
    /// # Errors
    /// [`HistoryError`]: bad range, bad page, deadline, place that cannot be read.
    fn queues(
        &self,
        queue: Option<&str>,
        range: &TimeRange,
        page: &PageRequest,
    ) -> Result<Page<QueueSample>, HistoryError>;

    /// Audit entries, by their time: who did what.
    ///
    /// # Errors
    /// [`HistoryError`]: bad filter, bad page, deadline, place that cannot be read.
    fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>, HistoryError>;

    /// Checks all audit entries against their hashes, and against the end of the trail if one was kept elsewhere. What was
    /// found wrong is no error but in the report.
    ///
    /// # Errors
    /// [`HistoryError`]: deadline (1 ms to 10 minutes), place that cannot be read.
    fn verify_audit(&self, known: Option<&AuditHead>, deadline: Duration) -> Result<AuditReport, HistoryError>;

    /// How things stand, as the one value of a first screen.
    ///
    /// # Errors
    /// [`HistoryError`]: deadline, place that cannot be read.
    fn dashboard_summary(&self, deadline: Duration) -> Result<DashboardSummary, HistoryError>;
}

impl<H: History + ?Sized> History for Arc<H> {
    fn instances(&self, range: &TimeRange, page: &PageRequest) -> Result<Page<StoredInstance>, HistoryError> {
        (**self).instances(range, page)
    }

    fn operations(&self, filter: &OperationFilter, page: &PageRequest) -> Result<Page<StoredRecord>, HistoryError> {
        (**self).operations(filter, page)
    }

    fn summary(&self, selection: &Selection, page: &PageRequest) -> Result<HistorySummary, HistoryError> {
        (**self).summary(selection, page)
    }

    fn series(
        &self,
        selection: &Selection,
        figure: Figure,
        step: Duration,
        deadline: Duration,
    ) -> Result<Series, HistoryError> {
        (**self).series(selection, figure, step, deadline)
    }

    fn figures(&self, selection: &Selection, deadline: Duration) -> Result<HistoryFigures, HistoryError> {
        (**self).figures(selection, deadline)
    }

    fn errors(&self, filter: &ErrorFilter, page: &PageRequest) -> Result<Page<StoredErrorGroup>, HistoryError> {
        (**self).errors(filter, page)
    }

    fn error_samples(&self, group: Fingerprint, page: &PageRequest) -> Result<Page<ErrorSample>, HistoryError> {
        (**self).error_samples(group, page)
    }

    fn transitions(
        &self,
        filter: &TransitionFilter,
        page: &PageRequest,
    ) -> Result<Page<StoredTransition>, HistoryError> {
        (**self).transitions(filter, page)
    }

    fn progress(&self, filter: &ProgressFilter, page: &PageRequest) -> Result<Page<StoredProgress>, HistoryError> {
        (**self).progress(filter, page)
    }

    fn operation_by_id(&self, id: &str, deadline: Duration) -> Result<Option<OperationStatus>, HistoryError> {
        (**self).operation_by_id(id, deadline)
    }

    fn queues(
        &self,
        queue: Option<&str>,
        range: &TimeRange,
        page: &PageRequest,
    ) -> Result<Page<QueueSample>, HistoryError> {
        (**self).queues(queue, range, page)
    }

    fn audit(&self, filter: &AuditFilter, page: &PageRequest) -> Result<Page<AuditEntry>, HistoryError> {
        (**self).audit(filter, page)
    }

    fn verify_audit(&self, known: Option<&AuditHead>, deadline: Duration) -> Result<AuditReport, HistoryError> {
        (**self).verify_audit(known, deadline)
    }

    fn dashboard_summary(&self, deadline: Duration) -> Result<DashboardSummary, HistoryError> {
        (**self).dashboard_summary(deadline)
    }
}
