//! Checkpoints of a job: saved one after the other, the newest wins.

use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex, MutexGuard};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Held, Progress, ProgressBuilder};
use crate::base::names::bounded_name;
use crate::checkpoints::envelope::{self, Header};
use crate::checkpoints::error::{CheckpointError, CheckpointErrorKind as Kind};
use crate::checkpoints::file_name::shown;
use crate::model::units::unix_ns;
use crate::ports::checkpoints::Checkpoints;
use crate::record::failure::count_panicked_callback;

/// Where the checkpoints of one job go.
///
/// Calls of several threads are numbered. One of them writes, without a lock; of those that come meanwhile only the
/// newest is written next, and it answers for the older ones, which it replaces.
pub(super) struct Saving {
    place: Arc<dyn Checkpoints>,
    /// The job's name at full length: two long names must not share a checkpoint.
    name: Box<str>,
    numbers: AtomicU64,
    queue: Mutex<Queue>,
    ended: Condvar,
}

#[derive(Default)]
struct Queue {
    /// Who writes, if anybody does.
    writer: Option<ThreadId>,
    waiting: Option<(u64, Change)>,
    /// The last one that is in force, and the last one that failed.
    done: u64,
    failed: Option<(u64, CheckpointError)>,
    /// The job has finished: nothing is saved any more.
    closed: bool,
}

enum Change {
    Save(Vec<u8>),
    Remove,
}

impl Saving {
    pub(super) fn new(place: Arc<dyn Checkpoints>, name: &str) -> Self {
        let name = if name.is_empty() { bounded_name(name).into() } else { name.into() };
        let (numbers, queue, ended) = (AtomicU64::new(0), Mutex::default(), Condvar::new());
        Self { place, name, numbers, queue, ended }
    }

    fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Lets nothing be saved from now on, and gives the number of the last change: it comes after all that were let in.
    fn close(&self) -> u64 {
        let mut queue = self.queue.lock();
        queue.closed = true;
        self.next_number()
    }

    /// Brings a change in force, or finds that a newer one is.
    fn change(&self, number: u64, change: Change) -> Result<(), CheckpointError> {
        let this_thread = thread::current().id();
        let mut queue = self.queue.lock();
        if queue.closed && matches!(change, Change::Save(_)) {
            drop(queue);
            let name = shown(&self.name);
            let message = format!("job `{name}` has finished: the next run would go on with it; save before `finish`");
            return Err(CheckpointError::new(Kind::Finished, message));
        }
        if number > queue.done && queue.waiting.as_ref().is_none_or(|(waiting, _)| *waiting < number) {
            queue.waiting = Some((number, change));
        }
        loop {
            if queue.done >= number {
                return Ok(());
            }
            if let Some((failed, error)) = &queue.failed
                && *failed >= number
            {
                let error = error.clone();
                // One that came late is not kept for nobody.
                queue.waiting.take_if(|(waiting, _)| *waiting == number);
                return Err(error);
            }
            if let Some(writer) = queue.writer {
                if writer == this_thread {
                    queue.waiting.take_if(|(waiting, _)| *waiting == number);
                    let message = "the place for checkpoints asked for one of the same job while it saved one";
                    return Err(CheckpointError::new(Kind::Reentrant, message));
                }
                self.ended.wait(&mut queue);
                continue;
            }
            let Some((number, change)) = queue.waiting.take() else {
                // Whoever took it has said by now how it ended.
                return Err(CheckpointError::new(Kind::Panicked, "the checkpoint was given up"));
            };
            queue.writer = Some(this_thread);
            drop(queue);
            let result = self.apply(&change);
            queue = self.queue.lock();
            queue.writer = None;
            let error_before = match result {
                Ok(()) => {
                    queue.done = queue.done.max(number);
                    None
                }
                Err(error) => queue.failed.replace((number, error)),
            };
            // An older one that came late has been answered for.
            queue.waiting.take_if(|(waiting, _)| *waiting <= number);
            self.ended.notify_all();
            if error_before.is_some() {
                // It has an error of the host in it, whose drop may do anything.
                MutexGuard::unlocked(&mut queue, || _ = contained(|| drop(error_before)));
            }
        }
    }

    fn apply(&self, change: &Change) -> Result<(), CheckpointError> {
        let (doing, result) = match change {
            Change::Save(bytes) => ("saved", contained(|| self.place.save(&self.name, bytes))),
            Change::Remove => ("removed", contained(|| self.place.remove(&self.name))),
        };
        result?.map_err(|error| self.told(doing, error))
    }

    /// An error of the place in words; they may be the host's.
    fn told(&self, doing: &str, error: io::Error) -> CheckpointError {
        let location = self.location();
        contained(|| CheckpointError::io(doing, &location, error)).unwrap_or_else(|panicked| panicked)
    }

    fn location(&self) -> String {
        contained(|| self.place.location(&self.name)).unwrap_or_default()
    }
}

/// Runs code of the host.
fn contained<T>(host: impl FnOnce() -> T) -> Result<T, CheckpointError> {
    catch_unwind(AssertUnwindSafe(host)).map_err(|panic| {
        // What a panic carries may itself panic when dropped.
        std::mem::forget(panic);
        count_panicked_callback();
        CheckpointError::new(Kind::Panicked, "code that was called for a checkpoint panicked; the panic was contained")
    })
}

impl ProgressBuilder<'_> {
    /// Where its checkpoints are kept: [`FileCheckpoints`](crate::FileCheckpoints), `SqliteCheckpoints`,
    /// [`MemoryCheckpoints`](crate::MemoryCheckpoints) or a place of the program's own. Default: nowhere. A step has its own,
    /// under its own name.
    pub fn checkpoints(mut self, place: impl Checkpoints + 'static) -> Self {
        self.checkpoints = Some(Arc::new(place));
        self
    }
}

/// # Checkpoints
///
/// With the feature `checkpoints`. A job that was given a place keeps its state there from time to time, and a later run
/// goes on from the last one.
impl Progress {
    /// Saves a state from which a later run can go on, with what is done so far. It is in the place when this returns:
    /// of [`FileCheckpoints`](crate::FileCheckpoints), on the disk. That takes as long as the disk does, some
    /// milliseconds; how often to do it is for the program to weigh.
    ///
    /// The state may be anything that serde can write as JSON and read again, up to 64 MiB. JSON has no NaN and no
    /// infinities, and nothing that is nested more than 127 deep is read: such a state is saved, and resuming from it is
    /// an error.
    ///
    /// Call it when state and counts agree. When several threads do so at once, the newest wins, and each returns when its
    /// own or a newer one is in the place. After [`finish`](Self::finish) nothing is saved any more; of a job that failed
    /// or was cancelled it is.
    ///
    /// ```
    /// use monitor_core::{MemoryCheckpoints, Monitor};
    /// use serde::{Deserialize, Serialize};
    ///
    /// #[derive(Serialize, Deserialize)]
    /// struct State {
    ///     next_row: u64,
    /// }
    ///
    /// let local = Monitor::builder().build()?;
    /// let job = local.progress("import").total(100).checkpoints(MemoryCheckpoints::new()).start();
    /// let State { next_row } = job.resume()?.unwrap_or(State { next_row: 0 });
    /// for row in next_row..100 {
    ///     job.inc(1);
    ///     if row % 10 == 9 {
    ///         job.checkpoint(&State { next_row: row + 1 })?;
    ///     }
    /// }
    /// job.finish();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When it could not be saved; the one from before is then as it was. See
    /// [`CheckpointErrorKind`](crate::CheckpointErrorKind).
    pub fn checkpoint<T: Serialize + ?Sized>(&self, state: &T) -> Result<(), CheckpointError> {
        let saving = self.saving()?;
        let number = saving.next_number();
        let recorder = &self.held.recorder;
        let (done, bytes) = self.job.done();
        let header = Header {
            job: saving.name.clone().into(),
            saved_at_ns: unix_ns(recorder.clock.anchor().wall),
            done,
            bytes,
            total: self.job.total(),
        };
        let state = contained(|| serde_json::to_vec(state))?.map_err(|error| {
            CheckpointError::new(Kind::Unwritable, format!("the state of job `{}` is not JSON: {error}", self.job.name))
        })?;
        saving.change(number, Change::Save(envelope::seal(&header, &state)?))
    }

    /// The state of the last checkpoint, `None` if there is none. What was done by then counts as done already: call it
    /// once, before the work begins.
    ///
    /// # Errors
    /// When there is a checkpoint that cannot be read, or it cannot be told whether there is one. It is never taken for a
    /// fresh start in silence: [`CheckpointError::is_unreadable`] tells the first from the second.
    pub fn resume<T: DeserializeOwned>(&self) -> Result<Option<T>, CheckpointError> {
        let saving = self.saving()?;
        let text = contained(|| saving.place.load(&saving.name))?.map_err(|error| saving.told("read", error))?;
        let Some(text) = text else { return Ok(None) };
        let location = saving.location();
        let (header, state) = envelope::open(&text, &saving.name, &location)?;
        let state = contained(|| serde_json::from_slice(state))?.map_err(|error| {
            let wanted = std::any::type_name::<T>();
            CheckpointError::new(
                Kind::OtherType,
                format!("the state in the checkpoint {location} is not a `{wanted}`: {error}; did the type change?"),
            )
        })?;
        self.already_done(header.done, header.bytes);
        Ok(Some(state))
    }

    /// Removes the last checkpoint, if there is one, so that the next run begins anew.
    ///
    /// # Errors
    /// When it could not be removed.
    pub fn clear_checkpoint(&self) -> Result<(), CheckpointError> {
        let saving = self.saving()?;
        saving.change(saving.next_number(), Change::Remove)
    }

    fn saving(&self) -> Result<&Saving, CheckpointError> {
        if self.held.recorder.is_inherited() {
            let message = "the job belongs to the process that this one was forked from; start one of your own";
            return Err(CheckpointError::new(Kind::Forked, message));
        }
        self.held.saving.as_ref().ok_or_else(|| {
            let name = self.job.name.escape_debug();
            let message = format!("job `{name}` has no place for checkpoints; give it one with `.checkpoints(..)`");
            CheckpointError::new(Kind::NoPlace, message)
        })
    }
}

impl Held {
    /// Removes the checkpoint of a job that has finished. What goes wrong is said in its figures.
    pub(super) fn clear_finished(&self) -> Option<String> {
        let saving = self.saving.as_ref().filter(|_| !self.job.is_ended())?;
        let result = saving.change(saving.close(), Change::Remove);
        result.err().map(|error| error.to_string())
    }
}

impl fmt::Debug for Saving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Saving").field("name", &self.name).finish_non_exhaustive()
    }
}
