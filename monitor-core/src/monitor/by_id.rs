//! Operations that are begun in one place and ended in another.

use super::Monitor;
use crate::model::OperationStatus;
use crate::trackers::by_id as tracked;
use crate::trackers::by_id::begin::BeginById;
use crate::trackers::by_id::end::EndById;
use crate::trackers::by_id::error::OperationIdError;

/// # Operations by id
///
/// For work that no guard can be carried along with: a job that one callback begins and another one ends, or one thread
/// and another. At most 10,000 run at a time, and the last 1,024 that ended are remembered. With
/// [`MonitorBuilder::sqlite`](crate::MonitorBuilder), or a [ledger](crate::OperationLedger) of the program's own, one process
/// may begin it and another one end it; the last run of each id is remembered then.
#[allow(clippy::must_use_candidate, reason = "a builder that is dropped does what it says")]
impl Monitor {
    /// An operation to begin, known by an id of 1 to 200 bytes until it [ends](Self::end): see [`BeginById`].
    ///
    /// ```
    /// use monitor_core::Monitor;
    ///
    /// let local = Monitor::builder().build()?;
    /// local.begin("nightly-42", "backup"); // it begins also without `start`, but then nobody hears of an error
    /// assert_eq!(local.active()[0].by_id.as_ref().unwrap().id, "nightly-42");
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn begin<'a>(&self, id: &'a str, name: &'a str) -> BeginById<'a> {
        BeginById::new(self.recorder(), id, name)
    }

    /// An operation to end that was begun by id, on whichever thread: see [`EndById`].
    ///
    /// ```
    /// use monitor_core::Monitor;
    ///
    /// let local = Monitor::builder().build()?;
    /// local.begin("nightly-42", "backup");
    /// local.end("nightly-42").success().items(150).bytes(4_096);
    /// assert_eq!(local.snapshot().operation("backup").unwrap().items, 150);
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn end<'a>(&self, id: &'a str) -> EndById<'a> {
        EndById::new(self.recorder(), id)
    }

    /// Has an operation that was begun by id go on to its next step: the one before ends here. How long each took is in
    /// its [status](Self::operation_by_id) and its record. At most 64 are kept apart.
    ///
    /// # Errors
    /// [`NeverBegun`](OperationIdError::NeverBegun), [`AlreadyEnded`](OperationIdError::AlreadyEnded),
    /// [`InvalidId`](OperationIdError::InvalidId), [`Reentrant`](OperationIdError::Reentrant),
    /// [`Unreachable`](OperationIdError::Unreachable).
    pub fn step(&self, id: &str, name: &str) -> Result<(), OperationIdError> {
        tracked::step(&self.recorder(), id, name)
    }

    /// How the operation of that id is doing; if it does not run, how it ended last. `None` when it was never begun or
    /// is not among the last 1,024 that ended, here or in the processes that share what they know. Costs a few microseconds, and some 20 more where there are such.
    ///
    /// ```
    /// use monitor_core::Monitor;
    ///
    /// let local = Monitor::builder().build()?;
    /// local.begin("nightly-42", "backup").start()?;
    /// local.step("nightly-42", "dump")?;
    /// let status = local.operation_by_id("nightly-42").unwrap();
    /// assert_eq!((status.is_running(), status.step()), (true, Some("dump")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn operation_by_id(&self, id: &str) -> Option<OperationStatus> {
        tracked::status(&self.recorder(), id)
    }
}
