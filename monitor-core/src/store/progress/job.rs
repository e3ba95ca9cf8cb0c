//! One job: what it has done, how fast it is, when it last moved, how it ended.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::counters::{Count, Counters, Sums};
use super::estimator::{Estimator, Pace};
use crate::base::clock::{Anchor, Clock};
use crate::model::units::{per_second, to_ns};
use crate::model::{ProgressState, ProgressStats};

/// A time left that is longer is as good as unknown.
const LONGEST_ETA: Duration = Duration::from_hours(365 * 24);

/// Between two samples for the rate, at least.
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// Jobs above a step that it moves.
const ANCESTORS: usize = 64;

/// What a job begins with. Texts are bounded already.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) name: Box<str>,
    pub(crate) parent: Option<Arc<Job>>,
    pub(crate) total: Option<u64>,
    pub(crate) total_bytes: Option<u64>,
    pub(crate) already_done: u64,
    pub(crate) batch_size: Option<u64>,
    pub(crate) message: String,
    pub(crate) stalled_after: Duration,
}

#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    pub(crate) name: Box<str>,
    pub(crate) stalled_after: Duration,
    parent: Option<(u64, Weak<Job>)>,
    /// What it is a step of, and what that is a step of, and so on; the nearest [`ANCESTORS`], also when they have ended.
    ancestors: Box<[u64]>,
    started: u64,
    counters: Counters,
    sample_ticks: u64,
    sampled_at: AtomicU64,
    state: Mutex<State>,
}

/// What changes now and then. Counting never waits for its lock.
#[derive(Debug)]
struct State {
    total: Option<u64>,
    total_bytes: Option<u64>,
    already_done: u64,
    already_bytes: u64,
    batch_size: Option<u64>,
    message: String,
    estimator: Estimator,
    /// The sums when a reader last looked, and the latest moment at which something is known to have moved.
    seen: Sums,
    moved: u64,
    ended: Option<Arc<Ended>>,
}

/// A job as it was when it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    stats: ProgressStats,
    started: u64,
}

impl Ended {
    pub(super) fn stats(&self, anchor: &Anchor<'_>) -> ProgressStats {
        ProgressStats { started_at: anchor.wall_time(self.started), ..self.stats.clone() }
    }
}

impl Job {
    pub(super) fn new(id: u64, plan: Plan, clock: &Clock) -> Self {
        let started = clock.ticks();
        if let Some(parent) = &plan.parent {
            parent.touch(started);
        }
        Self {
            id,
            name: plan.name,
            stalled_after: plan.stalled_after,
            // Weak: a long chain of steps must not be dropped by recursion.
            ancestors: plan.parent.as_deref().map_or_else(Box::default, Job::with_ancestors),
            parent: plan.parent.map(|parent| (parent.id, Arc::downgrade(&parent))),
            started,
            counters: Counters::new(clock, started),
            sample_ticks: clock.ticks_in(SAMPLE_EVERY),
            sampled_at: AtomicU64::new(started),
            state: Mutex::new(State {
                total: plan.total,
                total_bytes: plan.total_bytes,
                already_done: plan.already_done,
                already_bytes: 0,
                batch_size: plan.batch_size,
                message: plan.message,
                estimator: Estimator::default(),
                seen: Sums::default(),
                moved: started,
                ended: None,
            }),
        }
    }

    fn with_ancestors(&self) -> Box<[u64]> {
        let nearest = self.ancestors.len().saturating_sub(ANCESTORS - 1);
        self.ancestors[nearest..].iter().copied().chain([self.id]).collect()
    }

    /// The jobs that move when this one does.
    pub(super) fn ancestors(&self) -> &[u64] {
        &self.ancestors
    }

    pub(super) fn parent(&self) -> Option<u64> {
        self.parent.as_ref().map(|(id, _)| *id)
    }

    /// Counts. This is the hot path: no lock that it would wait for, and seldom a reading of the clock.
    #[inline(always)]
    pub(crate) fn count(&self, count: Count, n: u64, clock: &Clock) {
        if let Some(now) = self.counters.add(count, n, clock) {
            self.sample(now, clock);
        }
    }

    #[cold]
    #[inline(never)]
    fn sample(&self, now: u64, clock: &Clock) {
        if now.saturating_sub(self.sampled_at.load(Ordering::Relaxed)) < self.sample_ticks {
            return;
        }
        // Whoever holds the lock takes a sample or reads; the next count makes up for this one.
        let Some(mut state) = self.state.try_lock() else { return };
        self.sampled_at.store(now, Ordering::Relaxed);
        let sums = self.counters.read().sums;
        state.estimator.add(clock.nanos_between(self.started, now), &sums);
    }

    pub(crate) fn set_total(&self, total: Option<u64>) {
        self.state.lock().total = total;
    }

    #[cfg(feature = "checkpoints")]
    pub(crate) fn total(&self) -> Option<u64> {
        self.state.lock().total
    }

    #[cfg(feature = "checkpoints")]
    pub(crate) fn is_ended(&self) -> bool {
        self.state.lock().ended.is_some()
    }

    /// Sets a total if there is none yet: what is done and so many more.
    pub(crate) fn expect(&self, more: u64) {
        let items = self.counters.read().sums.items();
        let mut state = self.state.lock();
        let done = state.already_done.saturating_add(items);
        state.total.get_or_insert(done.saturating_add(more));
    }

    pub(crate) fn set_total_bytes(&self, total: Option<u64>) {
        self.state.lock().total_bytes = total;
    }

    pub(crate) fn set_already_done(&self, items: u64, bytes: u64) {
        let mut state = self.state.lock();
        (state.already_done, state.already_bytes) = (items, bytes);
    }

    pub(crate) fn set_batch_size(&self, size: Option<u64>) {
        self.state.lock().batch_size = size;
    }

    pub(crate) fn set_message(&self, message: String) {
        // The old text is freed when the lock is gone.
        let _old = std::mem::replace(&mut self.state.lock().message, message);
    }

    /// Items and bytes done, those of earlier runs included.
    #[cfg(feature = "checkpoints")]
    pub(crate) fn done(&self) -> (u64, u64) {
        let sums = self.counters.read().sums;
        let state = self.state.lock();
        (state.already_done.saturating_add(sums.items()), state.already_bytes.saturating_add(sums.bytes))
    }

    /// Whether all of a known total is done.
    pub(crate) fn is_complete(&self) -> bool {
        let items = self.counters.read().sums.items();
        let state = self.state.lock();
        state.total.is_some_and(|total| state.already_done.saturating_add(items) >= total)
    }

    /// Takes note that a step of the job has begun or ended.
    fn touch(&self, now: u64) {
        let mut state = self.state.lock();
        state.moved = state.moved.max(now);
    }

    /// Ends the job, once. `None` if it had ended before.
    pub(super) fn end(&self, how: ProgressState, error: Option<String>, anchor: &Anchor<'_>) -> Option<Arc<Ended>> {
        if let Some((_, parent)) = &self.parent
            && let Some(parent) = parent.upgrade()
        {
            parent.touch(anchor.ticks);
        }
        let mut state = self.state.lock();
        if state.ended.is_some() {
            return None;
        }
        let moved = self.observe(&mut state, anchor.ticks);
        let mut stats = self.running(&state, anchor, moved);
        (stats.state, stats.error, stats.eta) = (how, error, None);
        let mean = |n: u64| (n > 0 && !stats.elapsed.is_zero()).then(|| per_second(n, stats.elapsed));
        (stats.rate, stats.bytes_rate) = (mean(state.seen.items()), mean(state.seen.bytes));
        let ended = Arc::new(Ended { stats, started: self.started });
        state.ended = Some(Arc::clone(&ended));
        Some(ended)
    }

    /// The latest moment at which something is known to have moved.
    pub(super) fn moved(&self, now: u64) -> u64 {
        self.observe(&mut self.state.lock(), now)
    }

    fn observe(&self, state: &mut State, now: u64) -> u64 {
        let reading = self.counters.read();
        if reading.sums != state.seen {
            state.seen = reading.sums;
            if !reading.exact {
                // It moved at some time since the last look. That it has stalled must never be said wrongly, so: now.
                state.moved = state.moved.max(now);
                self.counters.ask_for_stamps();
            }
        }
        state.moved = state.moved.max(reading.stamped);
        state.moved
    }

    /// How far it is. `steps_moved` is when one of its steps last moved.
    pub(super) fn stats(&self, anchor: &Anchor<'_>, steps_moved: u64) -> ProgressStats {
        let mut state = self.state.lock();
        if let Some(ended) = state.ended.clone() {
            drop(state);
            return ended.stats(anchor);
        }
        let moved = self.observe(&mut state, anchor.ticks).max(steps_moved);
        self.running(&state, anchor, moved)
    }

    fn running(&self, state: &State, anchor: &Anchor<'_>, moved: u64) -> ProgressStats {
        let sums = state.seen;
        let elapsed = anchor.age(self.started);
        let idle = anchor.age(moved);
        let own_moved = elapsed.saturating_sub(anchor.age(state.moved));
        let (pace, bytes_pace) = state.estimator.paces(to_ns(elapsed), to_ns(own_moved), &sums);
        let done = state.already_done.saturating_add(sums.items());
        let bytes = state.already_bytes.saturating_add(sums.bytes);
        let stalled = idle >= self.stalled_after;
        let eta = match (state.total, state.total_bytes) {
            _ if stalled => None,
            (Some(total), _) => eta(total, done, pace),
            (None, Some(total)) => eta(total, bytes, bytes_pace),
            (None, None) => None,
        };
        ProgressStats {
            id: self.id,
            parent: self.parent(),
            name: self.name.clone().into(),
            state: if stalled { ProgressState::Stalled } else { ProgressState::Running },
            total: state.total,
            done,
            already_done: state.already_done,
            succeeded: sums.succeeded,
            failed: sums.failed,
            skipped: sums.skipped,
            batch_size: state.batch_size,
            bytes,
            total_bytes: state.total_bytes,
            message: state.message.clone(),
            error: None,
            started_at: anchor.wall_time(self.started),
            elapsed,
            idle,
            rate: pace.map(Pace::per_second),
            bytes_rate: bytes_pace.map(Pace::per_second),
            eta,
        }
    }
}

fn eta(total: u64, done: u64, pace: Option<Pace>) -> Option<Duration> {
    let remaining = total.saturating_sub(done);
    if remaining == 0 {
        return Some(Duration::ZERO);
    }
    let time = Duration::try_from_secs_f64(pace?.time_for(remaining) / 1e9).ok()?;
    (time <= LONGEST_ETA).then_some(time)
}
