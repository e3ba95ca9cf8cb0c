//! The thread that looks for what does not move: calls that are stuck, jobs that have stalled.

use std::collections::HashSet;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use tracing::{Dispatch, Level, dispatcher, event};

use super::TARGET;
use super::emit::{Wanted, emitting, ms};
use crate::base::error::Error;
use crate::model::{ActiveOperation, ProgressState, ProgressStats};
use crate::record::reader::active_now;
use crate::record::recorder::RecorderRef;

/// How often it looks.
const TICK: Duration = Duration::from_secs(1);

/// How long its end is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Calls and jobs that are told of at one look; the others follow at the next ones.
const MAX_AT_ONCE: usize = 100;

const THREAD: &str = "monitor-watcher";

/// The thread; dropping it ends it.
pub(super) struct Watcher {
    shared: Arc<Shared>,
    thread: ThreadId,
}

struct Shared {
    recorder: RecorderRef,
    wanted: Wanted,
    told: Mutex<Told>,
    end: Mutex<End>,
    changed: Condvar,
}

/// What was told of and lasts.
#[derive(Default)]
struct Told {
    stuck: HashSet<u64>,
    stalled: HashSet<u64>,
}

#[derive(Default)]
struct End {
    asked: bool,
    reached: bool,
}

impl Watcher {
    pub(super) fn start(recorder: &RecorderRef, wanted: Wanted) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            recorder: recorder.clone(),
            wanted,
            told: Mutex::default(),
            end: Mutex::default(),
            changed: Condvar::new(),
        });
        let dispatch = dispatcher::get_default(Dispatch::clone);
        let of_thread = Ending(Arc::clone(&shared));
        let started = thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            let ending = of_thread;
            dispatcher::with_default(&dispatch, || ending.0.watch());
            // Before it says that it has ended: the last handle may be this one. It may panic.
            drop(dispatch);
        });
        // Its end is waited for by hand, since a thread can only be joined without a deadline.
        started
            .map(|handle| Self { shared, thread: handle.thread().id() })
            .map_err(|error| Error::no_thread(THREAD, error))
    }

    pub(super) fn check(&self) {
        self.shared.check();
    }
}

/// Says that the thread has ended, however it does.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end.lock().reached = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.shared.end.lock().asked = true;
        self.shared.changed.notify_all();
        // By the thread itself, if a subscriber is what owns it.
        if thread::current().id() == self.thread {
            return;
        }
        let deadline = Instant::now() + PATIENCE;
        let mut end = self.shared.end.lock();
        while !end.reached {
            if self.shared.changed.wait_until(&mut end, deadline).timed_out() {
                return;
            }
        }
    }
}

impl Shared {
    fn watch(&self) {
        loop {
            {
                let mut end = self.end.lock();
                if !end.asked {
                    self.changed.wait_for(&mut end, TICK);
                }
                if end.asked {
                    return;
                }
            }
            self.check();
        }
    }

    fn check(&self) {
        if let Some(limit) = self.wanted.stuck_after {
            let mut stuck = active_now(&self.recorder);
            stuck.retain(|operation| operation.age >= limit);
            stuck.sort_by_key(|operation| std::cmp::Reverse(operation.age));
            let new = tell_once(&mut self.told.lock().stuck, stuck, |operation| operation.id);
            new.iter().for_each(emit_stuck);
        }
        if self.wanted.stalled {
            let mut jobs = self.recorder.stores.progress.read(&self.recorder.clock.anchor());
            jobs.retain(|job| job.state == ProgressState::Stalled);
            let new = tell_once(&mut self.told.lock().stalled, jobs, |job| job.id);
            new.iter().for_each(emit_stalled);
        }
    }
}

/// Those that are new, as many as may be told of at once. What does not last is forgotten, so `told` has no more than
/// there are.
fn tell_once<T>(told: &mut HashSet<u64>, lasting: Vec<T>, id: impl Fn(&T) -> u64) -> Vec<T> {
    let ids: HashSet<u64> = lasting.iter().map(&id).collect();
    told.retain(|known| ids.contains(known));
    lasting
        .into_iter()
        .filter(|one| !told.contains(&id(one)))
        .take(MAX_AT_ONCE)
        .collect::<Vec<_>>()
        .into_iter()
        .inspect(|one| {
            told.insert(id(one));
        })
        .collect()
}

fn emit_stuck(operation: &ActiveOperation) {
    let thread = operation.thread.as_deref();
    let (trace_id, span_id) = (operation.trace_id.map(|id| id.to_string()), operation.span_id.map(|id| id.to_string()));
    emitting(|| {
        event!(
            target: TARGET, Level::WARN,
            operation = operation.name, kind = operation.kind, age_ms = ms(operation.age), thread,
            operation_id = operation.id, trace_id, span_id, "operation stuck"
        );
    });
}

fn emit_stalled(job: &ProgressStats) {
    emitting(|| {
        event!(
            target: TARGET, Level::WARN,
            job = job.name, job_id = job.id, done = job.done, total = job.total, idle_ms = ms(job.idle),
            "progress stalled"
        );
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_told_once_and_what_comes_back_again() {
        let mut told = HashSet::new();
        let mut tell = |ids: &[u64]| tell_once(&mut told, ids.to_vec(), |id| *id);
        assert_eq!(tell(&[1, 2]), [1, 2]);
        assert_eq!(tell(&[2, 1, 3]), [3]);
        assert_eq!(tell(&[3]), Vec::<u64>::new());
        assert_eq!(tell(&[1, 3]), [1]);
    }

    #[test]
    fn of_many_some_are_told_at_each_look() {
        let (mut told, all) = (HashSet::new(), (0..250).collect::<Vec<u64>>());
        let counts: Vec<_> = (0..4).map(|_| tell_once(&mut told, all.clone(), |id| *id).len()).collect();
        assert_eq!(counts, [100, 100, 50, 0]);
    }
}
