//! The handle on a job whose progress is followed, and the builder that starts it.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | [`Progress`]: counting, saying, ending |
//! | `builder` | what a job begins with |
//! | `saved` | its checkpoints |
//! | `adaptors` | iterators, streams, readers and writers that count for it |

mod adaptors;
mod builder;
#[cfg(feature = "checkpoints")]
mod saved;

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::sync::Arc;

pub use adaptors::Progressed;
pub use adaptors::io::ProgressIo;
pub use adaptors::iter::TrackProgress;
#[cfg(feature = "stream")]
pub use adaptors::stream::TrackProgressStream;
pub use builder::ProgressBuilder;

use super::outcome::Displayed;
use crate::base::names::{MAX_NAME_BYTES, truncated};
use crate::model::{ProgressState, ProgressStats};
use crate::record::failure::Failure;
use crate::record::recorder::RecorderRef;
use crate::store::progress::{Count, Job};

/// How far a long job is: what it has done, how fast it is, when it will be done.
///
/// It is a handle: clones are the same job, and any thread may count with one. A count costs a few nanoseconds however
/// many threads count at once; it takes no lock and seldom reads the clock. Counts that reach `u64::MAX` stay there.
///
/// The job ends with [`finish`](Self::finish), [`fail`](Self::fail) or [`cancel`](Self::cancel). When the last handle is
/// dropped without a word it has finished if all of a known total is done, has panicked if a panic dropped it, and is
/// abandoned otherwise. After its end everything said of it changes nothing in its figures.
///
/// In a forked child a handle that it inherited does nothing.
///
/// ```
/// use monitor_core::{Monitor, ProgressState};
///
/// let local = Monitor::builder().build()?;
/// let import = local.progress("data_import").total(1_000).start();
/// std::thread::scope(|threads| {
///     for _ in 0..4 {
///         threads.spawn(|| (0..250).for_each(|_| import.inc(1)));
///     }
/// });
/// import.finish();
///
/// let snapshot = local.snapshot();
/// let stats = &snapshot.progress()[0];
/// assert_eq!((stats.name.as_str(), stats.done, stats.state), ("data_import", 1_000, ProgressState::Finished));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "a job that is not kept in a variable is abandoned at once"]
pub struct Progress {
    job: Arc<Job>,
    held: Arc<Held>,
}

/// What all handles on a job share; dropped with the last of them.
struct Held {
    recorder: RecorderRef,
    job: Arc<Job>,
    /// Whether the job began in a destructor that a panic runs: that panic is not its own.
    began_in_panic: bool,
    #[cfg(feature = "checkpoints")]
    saving: Option<saved::Saving>,
}

impl Held {
    fn end(&self, how: ProgressState, error: Option<String>) {
        let recorder = &self.recorder;
        if !recorder.is_inherited() {
            recorder.stores.progress.end(&self.job, how, error, &recorder.clock.anchor());
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.recorder.is_inherited() {
            return;
        }
        let how = if std::thread::panicking() && !self.began_in_panic {
            ProgressState::Panicked
        } else if self.job.is_complete() {
            ProgressState::Finished
        } else {
            ProgressState::Abandoned
        };
        self.end(how, None);
    }
}

/// # Counting
impl Progress {
    /// Counts items that were done with success.
    #[inline]
    pub fn inc(&self, items: u64) {
        self.count(Count::Succeeded, items);
    }

    /// Counts items that failed. They are done, too.
    #[inline]
    pub fn inc_failed(&self, items: u64) {
        self.count(Count::Failed, items);
    }

    /// Counts items that were skipped. They are done, too, and count for the rate as long as they keep coming. What an
    /// earlier run had done is better told by [`ProgressBuilder::already_done`].
    #[inline]
    pub fn inc_skipped(&self, items: u64) {
        self.count(Count::Skipped, items);
    }

    /// Counts bytes.
    #[inline]
    pub fn add_bytes(&self, bytes: u64) {
        self.count(Count::Bytes, bytes);
    }

    #[inline(always)]
    fn count(&self, count: Count, n: u64) {
        // Without a question whether it is inherited: no lock is waited for, and nobody reads what a child counts here.
        // Nothing is no movement.
        if cfg!(feature = "enabled") && n > 0 {
            self.job.count(count, n, &self.held.recorder.clock);
        }
    }
}

/// # Saying
impl Progress {
    /// Items in all; `None` for unknown. It may change at any time. Below what is done already, the time left is zero.
    pub fn set_total(&self, total: Option<u64>) {
        self.unless_inherited(|| self.job.set_total(total));
    }

    /// Bytes in all; `None` for unknown. The time left is that for the bytes when the total of items is not known.
    pub fn set_total_bytes(&self, total: Option<u64>) {
        self.unless_inherited(|| self.job.set_total_bytes(total));
    }

    /// Items, and bytes, that earlier runs had done. They count as done, and not for the rate. Replaces what was said
    /// before.
    pub fn already_done(&self, items: u64, bytes: u64) {
        self.unless_inherited(|| self.job.set_already_done(items, bytes));
    }

    /// Items worked on together at present, to be shown; `None` for no batches.
    pub fn batch_size(&self, items: impl Into<Option<u64>>) {
        let items = items.into();
        self.unless_inherited(|| self.job.set_batch_size(items));
    }

    /// What it is at, for people; the newest message is shown. Over 200 bytes it is cut.
    ///
    /// ```
    /// # let local = monitor_core::Monitor::builder().build()?;
    /// let import = local.progress("import").start();
    /// import.message("reading part 3");
    /// import.message(format!("writing {} rows", 3_000));
    /// assert_eq!(import.stats().message, "writing 3000 rows");
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn message<'m>(&self, message: impl Into<Cow<'m, str>>) {
        let message = bounded_message(message.into());
        self.unless_inherited(|| self.job.set_message(message));
    }

    /// A part of the job with a progress of its own, shown below it. While it moves, the job has not stalled, provided
    /// that the step is listed (see [`ProgressBuilder::start`]) and at most 64 levels below.
    ///
    /// ```
    /// # let local = monitor_core::Monitor::builder().build()?;
    /// let backup = local.progress("backup").total(2).start();
    /// let copy = backup.step("copy").total(10).start();
    /// copy.inc(10);
    /// copy.finish();
    /// backup.inc(1);
    /// assert_eq!(copy.stats().parent, Some(backup.id()));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn step<'a>(&self, name: &'a str) -> ProgressBuilder<'a> {
        let recorder = &self.held.recorder;
        if recorder.is_inherited() {
            return ProgressBuilder::new(RecorderRef::of_process(), name);
        }
        ProgressBuilder::new(recorder.clone(), name).step_of(&self.job)
    }

    /// Sets the total, if there is none yet, to what is done and so many more.
    fn expect(&self, more: u64) {
        self.unless_inherited(|| self.job.expect(more));
    }

    fn unless_inherited(&self, f: impl FnOnce()) {
        if !self.held.recorder.is_inherited() {
            f();
        }
    }
}

/// # Reading
impl Progress {
    /// The id under which [`Snapshot::progress`](crate::Snapshot::progress) shows the job.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.job.id
    }

    /// How far it is now. In a forked child the handle has nothing to tell but the name. It costs about a microsecond,
    /// and some more for jobs that began later, since they may be steps of this one.
    #[must_use]
    pub fn stats(&self) -> ProgressStats {
        let recorder = &self.held.recorder;
        if recorder.is_inherited() {
            return ProgressStats::unknown(self.job.id, &self.job.name);
        }
        recorder.stores.progress.read_one(&self.job, &recorder.clock.anchor())
    }
}

/// # Ending
impl Progress {
    /// Ends the job as finished, whether all of its total is done or not.
    ///
    /// If it has a place for checkpoints, its checkpoint is removed first, so that the next run begins anew; should that
    /// fail, [`ProgressStats::error`] says so. To have that as a value call `clear_checkpoint` before. A job that finishes
    /// because its last handle is dropped leaves its checkpoint where it is.
    pub fn finish(&self) {
        #[cfg(feature = "checkpoints")]
        let error = if self.held.recorder.is_inherited() { None } else { self.held.clear_finished() };
        #[cfg(not(feature = "checkpoints"))]
        let error = None;
        self.held.end(ProgressState::Finished, error);
    }

    /// Ends the job as failed. The reason is an error, a message, or anything else that can be displayed; over 1,024
    /// bytes it is cut.
    ///
    /// ```
    /// # let local = monitor_core::Monitor::builder().build()?;
    /// let import = local.progress("import").start();
    /// import.fail("no such table");
    /// assert_eq!(import.stats().error.as_deref(), Some("no such table"));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn fail<E: Display + ?Sized>(&self, reason: &E) {
        if !self.held.recorder.is_inherited() {
            let reason = Displayed(reason).describe().message;
            self.held.end(ProgressState::Failed, Some(reason));
        }
    }

    /// Ends the job as cancelled: given up before it was done, and nobody's error.
    pub fn cancel(&self) {
        self.held.end(ProgressState::Cancelled, None);
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("id", &self.job.id).field("name", &self.job.name).finish_non_exhaustive()
    }
}

fn bounded_message(message: Cow<'_, str>) -> String {
    match truncated(&message, MAX_NAME_BYTES) {
        Cow::Owned(cut) => cut,
        Cow::Borrowed(_) => message.into_owned(),
    }
}
