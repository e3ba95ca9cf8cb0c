//! What a job begins with.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{Held, Progress, bounded_message};
use crate::base::names::bounded_name;
use crate::record::local::watch_forks;
use crate::record::recorder::RecorderRef;
use crate::store::progress::{Job, Plan};

/// After so long without movement a job has stalled, unless said otherwise.
const STALLED_AFTER: Duration = Duration::from_mins(1);

/// A job that is about to start: [`Monitor::progress`](crate::Monitor::progress), [`Progress::step`].
///
/// ```
/// use monitor_core::Monitor;
/// use std::time::Duration;
///
/// let local = Monitor::builder().build()?;
/// let import = local
///     .progress("data_import")
///     .total(1_000)
///     .already_done(200)
///     .batch_size(50)
///     .stalled_after(Duration::from_mins(5))
///     .start();
/// assert_eq!(import.stats().remaining(), Some(800));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a job begins with `start`"]
pub struct ProgressBuilder<'a> {
    recorder: RecorderRef,
    name: &'a str,
    parent: Option<Arc<Job>>,
    total: Option<u64>,
    total_bytes: Option<u64>,
    already_done: u64,
    batch_size: Option<u64>,
    message: Cow<'a, str>,
    stalled_after: Duration,
    #[cfg(feature = "checkpoints")]
    pub(super) checkpoints: Option<Arc<dyn crate::ports::checkpoints::Checkpoints>>,
}

impl<'a> ProgressBuilder<'a> {
    pub(crate) fn new(recorder: RecorderRef, name: &'a str) -> Self {
        Self {
            recorder,
            name,
            parent: None,
            total: None,
            total_bytes: None,
            already_done: 0,
            batch_size: None,
            message: Cow::Borrowed(""),
            stalled_after: STALLED_AFTER,
            #[cfg(feature = "checkpoints")]
            checkpoints: None,
        }
    }

    pub(super) fn step_of(self, parent: &Arc<Job>) -> Self {
        Self { stalled_after: parent.stalled_after, parent: Some(Arc::clone(parent)), ..self }
    }

    /// Items in all. Default: unknown, or what an adaptor finds out. [`Progress::set_total`] changes it.
    pub fn total(mut self, items: u64) -> Self {
        self.total = Some(items);
        self
    }

    /// Bytes in all. Default: unknown. The time left is that for the bytes when the total of items is not known.
    pub fn total_bytes(mut self, bytes: u64) -> Self {
        self.total_bytes = Some(bytes);
        self
    }

    /// Items that earlier runs had done. They count as done, and not for the rate. Default: none.
    pub fn already_done(mut self, items: u64) -> Self {
        self.already_done = items;
        self
    }

    /// Items worked on together, to be shown. Default: none is shown.
    pub fn batch_size(mut self, items: u64) -> Self {
        self.batch_size = Some(items);
        self
    }

    /// What it is at, for people. Default: nothing. Over 200 bytes it is cut.
    pub fn message(mut self, message: impl Into<Cow<'a, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// After how long without movement it is said to have stalled. Default: 60 s, for a step that of its job.
    /// `Duration::MAX` is never; with `Duration::ZERO` it has stalled whenever it does not move at the very moment.
    pub fn stalled_after(mut self, time: Duration) -> Self {
        self.stalled_after = time;
        self
    }

    /// Starts the job. It takes 1 KB of memory, on machines with many processors up to 8 KB.
    ///
    /// As many as 1,024 running jobs of a monitor are listed in its snapshots. One more works like any other, is not
    /// listed, and is counted in [`MonitorStats::jobs_unlisted`](crate::MonitorStats::jobs_unlisted). Nor is one listed
    /// that starts while recording is switched off. Without the feature `enabled` nothing is counted; checkpoints work.
    pub fn start(self) -> Progress {
        #[cfg(feature = "checkpoints")]
        let saving = self.checkpoints.clone().map(|place| super::saved::Saving::new(place, self.name));
        let Self {
            recorder, name, parent, total, total_bytes, already_done, batch_size, message, stalled_after, ..
        } = self;
        let bounded = bounded_name(name);
        if *bounded != *name {
            recorder.counts.names_changed.fetch_add(1, Ordering::Relaxed);
        }
        let plan = Plan {
            name: bounded.into(),
            parent,
            total,
            total_bytes,
            already_done,
            batch_size,
            message: bounded_message(message),
            stalled_after,
        };
        watch_forks();
        let listed = cfg!(feature = "enabled") && recorder.is_enabled();
        let job = recorder.stores.progress.begin(plan, &recorder.clock, listed);
        let began_in_panic = std::thread::panicking();
        let held = Held {
            recorder,
            job: Arc::clone(&job),
            began_in_panic,
            #[cfg(feature = "checkpoints")]
            saving,
        };
        Progress { job, held: Arc::new(held) }
    }
}

impl fmt::Debug for ProgressBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProgressBuilder").field("name", &self.name).field("total", &self.total).finish_non_exhaustive()
    }
}
