//! The hub: [`Monitor`], its builder, and the one that the process has by itself.

mod audit;
mod builder;
mod by_id;
mod caches;
mod errors;
mod progress;
mod queues;
mod states;

use std::fmt;
use std::time::Duration;

pub use builder::{Installed, MonitorBuilder};

use crate::base::error::Error;
use crate::model::{ActiveOperation, OperationRecord, SinkStats, Snapshot};
use crate::record::context::{innermost_context, run_in};
use crate::record::recorder::RecorderRef;
use crate::record::{local, reader};
use crate::trackers::by_id::ledger;
use crate::trackers::operation::{Operation, OperationBuilder};

/// A monitor: operations are recorded into it and read from it.
///
/// It is a handle; clones are the same monitor. The one of the process is [`monitor()`] and needs no set-up. Others are
/// ordinary values, each with figures of its own, which suits tests:
///
/// ```
/// use monitor_core::{Monitor, monitor};
///
/// let local = Monitor::builder().build()?;
/// local.scope(|| {
///     monitor().track("resize", |_| 2 + 2); // `monitor()` is `local` in here
/// });
/// assert_eq!(local.snapshot().operation("resize").unwrap().succeeded, 1);
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// A thread records into a monitor at full speed while it is in the monitor's [scope](Self::scope); outside of it an
/// operation costs some 100 ns more and has no parent.
///
/// No thread is started by anything here. In a forked child every handle leads to the child's own monitor, which
/// begins clean.
#[derive(Clone)]
pub struct Monitor {
    recorder: RecorderRef,
}

/// The monitor that this thread records into: that of the [scope](Monitor::scope) it is in, else that of the process.
///
/// It works without any set-up. In a thread-local destructor that runs after this crate's own it is the monitor of the
/// process.
///
/// ```
/// use monitor_core::monitor;
///
/// let sum: u32 = monitor().track("sum", |_| (1..=10).sum());
/// assert_eq!(sum, 55);
/// println!("{}", monitor().snapshot());
/// ```
#[must_use]
#[inline(always)]
pub fn monitor() -> Monitor {
    Monitor { recorder: local::current_recorder() }
}

impl Monitor {
    /// Settings for a monitor of its own, or for that of the process.
    pub fn builder() -> MonitorBuilder {
        MonitorBuilder::default()
    }

    pub(crate) fn of(recorder: RecorderRef) -> Self {
        Self { recorder }
    }

    /// The recorder; in a forked child, which must not touch what it inherited, that of the child's process.
    pub(crate) fn recorder(&self) -> RecorderRef {
        if self.recorder.is_inherited() { RecorderRef::of_process() } else { self.recorder.clone() }
    }

    /// An operation to start, see [`OperationBuilder`].
    #[inline(always)]
    pub fn operation<'a>(&self, name: &'a str) -> OperationBuilder<'a> {
        OperationBuilder::new(self.recorder.clone(), name)
    }

    /// Runs a closure as an operation. The outcome is read from what it returns: an `Err` is a failure, of which the
    /// type is kept, `Option` and everything else is a success.
    ///
    /// ```
    /// use monitor_core::monitor;
    ///
    /// let number: Result<u8, _> = monitor().track("parse", |op| {
    ///     op.add_bytes(3);
    ///     "abc".parse()
    /// });
    /// assert!(number.is_err());
    /// assert!(monitor().snapshot().operation("parse").unwrap().failed >= 1);
    /// ```
    #[inline]
    pub fn track<T>(&self, name: &str, f: impl FnOnce(&mut Operation) -> T) -> T {
        self.operation(name).run(f)
    }

    /// Runs a closure that returns a `Result` as an operation, and keeps the text of its error.
    ///
    /// # Errors
    /// That of the closure.
    #[inline]
    pub fn try_track<T, E: fmt::Display>(
        &self,
        name: &str,
        f: impl FnOnce(&mut Operation) -> Result<T, E>,
    ) -> Result<T, E> {
        self.operation(name).try_run(f)
    }

    /// Runs a closure with everything that this thread records going to this monitor: by [`monitor()`], by the
    /// attribute, and by futures that are first polled inside. Threads that the closure starts are not in the scope.
    pub fn scope<R>(&self, f: impl FnOnce() -> R) -> R {
        let recorder = self.recorder();
        // In another monitor's scope: here, what runs around says where the thread is.
        let context = if local::is_in(&recorder) { None } else { innermost_context() };
        local::scope(&recorder, || match &context {
            Some(_) => run_in(context.as_ref(), f),
            None => f(),
        })
    }

    /// Everything that is known at this moment: an operation that has ended before is in it. Others go on meanwhile.
    ///
    /// Costs about a microsecond for an operation and thread. Asked from within the program's global allocator while this
    /// crate asks for memory, it is empty, as are [`active`](Self::active) and [`recent`](Self::recent), and that is
    /// counted in [`MonitorStats::reentrant_calls`](crate::MonitorStats::reentrant_calls).
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let recorder = self.recorder();
        ledger::catch_up(&recorder);
        reader::snapshot(&recorder)
    }

    /// Name of the service, as the monitor was built with; may be empty.
    #[must_use]
    pub fn service(&self) -> String {
        self.recorder().service.lock().clone()
    }

    /// How long it has been recording, by the monotonic clock.
    #[must_use]
    pub fn uptime(&self) -> Duration {
        let recorder = self.recorder();
        recorder.clock.anchor().age(recorder.since)
    }

    /// How its sinks are doing, in the order in which they were given. A small part of [`snapshot`](Self::snapshot), at a
    /// small part of its cost.
    #[must_use]
    pub fn sinks(&self) -> Vec<SinkStats> {
        self.recorder().attached.sinks()
    }

    /// What runs right now, the oldest first.
    #[must_use]
    pub fn active(&self) -> Vec<ActiveOperation> {
        let recorder = self.recorder();
        ledger::catch_up(&recorder);
        let mut active = reader::active_now(&recorder);
        active.sort_by_key(|operation| std::cmp::Reverse(operation.age));
        active
    }

    /// The last `n` individual records, the newest first.
    ///
    /// Which calls are recorded individually is said by their [`RecordPolicy`](crate::RecordPolicy). A thread keeps its
    /// records in a ring of 256 until somebody reads them. Without a sink nobody does all the time: this call takes in
    /// the rings of all threads, and a thread whose ring is full moves it over itself. So the newest records are always
    /// there, up to [`MonitorBuilder::recent_capacity`] of them, and no thread is needed for it.
    #[must_use]
    pub fn recent(&self, n: usize) -> Vec<OperationRecord> {
        reader::recent(&self.recorder(), n)
    }

    /// Delivers to all sinks what came before this call, within a deadline; at once when there is no sink. From any thread but
    /// a sink's own, any number of times.
    ///
    /// ```
    /// use monitor_core::monitor;
    /// use std::time::Duration;
    ///
    /// monitor().track("last", |_| ());
    /// monitor().flush(Duration::from_secs(5))?; // before `std::process::exit`
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::is_not_delivered`], which says of each sink what is still waiting and why. It goes on being tried.
    pub fn flush(&self, deadline: Duration) -> Result<(), Error> {
        self.recorder().attached.flush(deadline)
    }

    /// Delivers what is still on its way to sinks, within a deadline, and ends them. Recording and reading go on. From any
    /// thread but a sink's own, any number of times; the first call's deadline counts.
    ///
    /// # Errors
    /// [`Error::is_not_delivered`], which says of each sink what it could not store in time and why. That is lost.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), Error> {
        self.recorder().attached.shut_down(deadline)
    }

    /// Switches recording off or on, for all threads. Off, a tracked call costs less than a nanosecond; a call that
    /// runs while the switch is turned is counted to its end. The host's own metrics go on.
    pub fn set_enabled(&self, enabled: bool) {
        self.recorder().set_enabled(enabled);
    }

    /// Whether recording is switched on.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        cfg!(feature = "enabled") && self.recorder().is_enabled()
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A copy: the formatter is code of the host, which must not run under the lock.
        let service = self.recorder().service.lock().clone();
        f.debug_struct("Monitor").field("service", &service).finish_non_exhaustive()
    }
}
