//! What the monitor sees, as events of `tracing`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tracing::{Level, event};

use super::TARGET;
use super::emit::{Wanted, emitting, is_emitting, ms};
use super::watcher::Watcher;
use crate::base::error::Error;
use crate::model::Outcome;
use crate::record::listener::{EndedCall, Listener, MAX_LISTENERS, Moved, Topic};
use crate::record::recorder::RecorderRef;

/// Operations and machines whose events are counted apart; those of further ones share a budget.
const MAX_SOURCES: usize = 10_000;

/// Events about calls of one operation that may be emitted at once, and then each second: failures, and slow ones.
const CALLS_PER_SECOND: u64 = 10;

/// Events about transitions of one state machine, likewise.
const TRANSITIONS_PER_SECOND: u64 = 100;

/// Which events are wanted: [`Monitor::tracing_events`](crate::Monitor::tracing_events). Nothing is, unless asked for.
///
/// All have the target `monitor`. A layer of this crate does not look at them, and what happens while one is written
/// causes no further one, so a log that fails does not feed on itself. (A log that is tracked and writes on a thread of its
/// own can; there the bounds below hold. One whose writer is tracked must not hold a lock while it calls tracked functions:
/// a failure of theirs is written by it, too.)
///
/// | asked for by | level | message | fields |
/// |---|---|---|---|
/// | [`failures`](Self::failures) | error | `operation failed`, `operation panicked` | `operation`, `kind`, `component`, `duration_ms`, `error_kind`, `error`, ids |
/// | [`slower_than`](Self::slower_than) | warn | `operation slow` | `operation`, `kind`, `component`, `duration_ms`, ids |
/// | [`stuck_after`](Self::stuck_after) | warn | `operation stuck` | `operation`, `kind`, `age_ms`, `thread`, ids |
/// | [`transitions`](Self::transitions) | info | `state changed` | `state_machine`, `entity`, `from`, `to`, `trigger`, `time_in_state_ms` |
/// | [`stalled`](Self::stalled) | warn | `progress stalled` | `job`, `job_id`, `done`, `total`, `idle_ms` |
///
/// The ids are `operation_id`, `trace_id` and `span_id`. Of one operation ten failures and ten slow calls are told at
/// once, and then ten a second; of one state machine a hundred transitions. What is left out is counted, and the next
/// event says it as `suppressed`.
///
/// ```
/// use monitor_core::{ManualClock, Monitor};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let local = Monitor::builder().clock(&clock).build()?;
/// let events = local.tracing_events().failures(true).slower_than(Duration::from_millis(250)).start()?;
/// let slow = local.operation("import").start();
/// clock.advance(Duration::from_secs(1));
/// slow.succeed(); // WARN monitor: operation slow operation="import" kind="function" duration_ms=1000.0 ..
/// drop(events); // from here on nothing is emitted
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "events are emitted after `start`"]
pub struct TracingEventsBuilder {
    recorder: RecorderRef,
    wanted: Wanted,
}

impl TracingEventsBuilder {
    pub(super) fn new(recorder: RecorderRef) -> Self {
        Self { recorder, wanted: Wanted::default() }
    }

    /// Calls that fail or panic. Default: no.
    pub fn failures(mut self, wanted: bool) -> Self {
        self.wanted.failures = wanted;
        self
    }

    /// Calls that succeed and take at least so long. Default: none. What is recorded of a call does not change by it.
    pub fn slower_than(mut self, limit: Duration) -> Self {
        self.wanted.slower_than = Some(limit);
        self
    }

    /// Calls that have been running for so long; each is told of once, within a second. Default: none.
    ///
    /// It starts a thread that looks once a second.
    pub fn stuck_after(mut self, age: Duration) -> Self {
        self.wanted.stuck_after = Some(age);
        self
    }

    /// Transitions of state machines. Default: no.
    pub fn transitions(mut self, wanted: bool) -> Self {
        self.wanted.transitions = wanted;
        self
    }

    /// Jobs whose progress stalls; each time once, within a second. Default: no.
    ///
    /// It starts a thread that looks once a second.
    pub fn stalled(mut self, wanted: bool) -> Self {
        self.wanted.stalled = wanted;
        self
    }

    /// Begins to emit. Calls, transitions and jobs are told of by the thread that they are on, to the subscriber that is
    /// the default there; the thread that looks for what is stuck uses the one that is the default now.
    ///
    /// # Errors
    /// [`Error::is_invalid_setting`] if nothing is asked for, and for a duration of zero; [`Error::is_too_many`] for more
    /// than 16 at one monitor. Another one if no thread can be started.
    pub fn start(self) -> Result<TracingEvents, Error> {
        let Wanted { failures, slower_than, stuck_after, transitions, stalled } = self.wanted;
        if !(failures || transitions || stalled) && slower_than.is_none() && stuck_after.is_none() {
            let allowed = "one at least of failures, slower_than, stuck_after, transitions and stalled";
            return Err(Error::invalid_setting("tracing_events", "nothing", allowed));
        }
        for (name, limit) in [("slower_than", slower_than), ("stuck_after", stuck_after)] {
            if limit.is_some_and(|limit| limit.is_zero()) {
                return Err(Error::invalid_setting(name, "0", "a nanosecond and longer"));
            }
        }
        let recorder = if self.recorder.is_inherited() { RecorderRef::of_process() } else { self.recorder };
        let emitter = Arc::new(Emitter::new(&recorder, self.wanted));
        let listener: Arc<dyn Listener> = Arc::clone(&emitter) as _;
        if !recorder.change_listeners(|all| all.push(Arc::clone(&listener))) {
            let advice = "drop one that is not needed any more";
            return Err(Error::too_many("streams of events", "this monitor".to_owned(), MAX_LISTENERS, advice));
        }
        // From here on dropping it ends what has begun.
        let mut events = TracingEvents { recorder, listener, watcher: None };
        if stuck_after.is_some() || stalled {
            events.watcher = Some(Watcher::start(&events.recorder, self.wanted)?);
        }
        Ok(events)
    }
}

impl fmt::Debug for TracingEventsBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TracingEventsBuilder").field(&self.wanted).finish()
    }
}

/// Events are emitted as long as this is kept: [`TracingEventsBuilder::start`].
///
/// Dropped, it ends its thread, and waits for that for two seconds at most. In a forked child nothing is emitted.
#[must_use = "dropping it ends the events"]
pub struct TracingEvents {
    recorder: RecorderRef,
    listener: Arc<dyn Listener>,
    watcher: Option<Watcher>,
}

impl TracingEvents {
    /// Looks for what is stuck or stalled now, on this thread and for the subscriber that is its default, as the thread
    /// does once a second: for tests, with a manual clock.
    pub fn check(&self) {
        if let Some(watcher) = self.watcher.as_ref().filter(|_| !self.recorder.is_inherited()) {
            watcher.check();
        }
    }
}

impl Drop for TracingEvents {
    fn drop(&mut self) {
        if self.recorder.is_inherited() {
            // The thread and the locks are the parent's.
            std::mem::forget(self.watcher.take());
            return;
        }
        self.recorder.change_listeners(|all| all.retain(|one| !Arc::ptr_eq(one, &self.listener)));
    }
}

impl fmt::Debug for TracingEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingEvents").finish_non_exhaustive()
    }
}

/// Emits what happens on the threads of the program.
struct Emitter {
    wanted: Wanted,
    slow_ns: u64,
    call_interval: u64,
    transition_interval: u64,
    /// By what it is about and by source.
    budgets: Mutex<HashMap<(u8, u64), Budget>>,
}

/// How many events of one source are emitted.
#[derive(Default)]
struct Budget {
    /// The first moment at which there will be room again.
    from: u64,
    suppressed: u64,
}

impl Budget {
    /// Asks for one (the generic cell rate algorithm, ITU-T I.371), `burst` at once: gives how many were refused before.
    fn take(&mut self, now: u64, interval: u64, burst: u64) -> Option<u64> {
        if now < self.from {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        let tolerance = interval.saturating_mul(burst.saturating_sub(1));
        let next = self.from.saturating_add(tolerance).max(now).saturating_add(interval);
        self.from = next.saturating_sub(tolerance);
        Some(std::mem::take(&mut self.suppressed))
    }
}

impl Emitter {
    fn new(recorder: &RecorderRef, wanted: Wanted) -> Self {
        let second = recorder.clock.ticks_in(Duration::from_secs(1));
        // The longest time stands for none, so the longest limit is one less.
        let slow_ns =
            wanted.slower_than.map_or(u64::MAX, |limit| u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX - 1));
        Self {
            wanted,
            slow_ns,
            call_interval: second / CALLS_PER_SECOND,
            transition_interval: second / TRANSITIONS_PER_SECOND,
            budgets: Mutex::new(HashMap::new()),
        }
    }
}

impl Listener for Emitter {
    fn hears_calls(&self) -> bool {
        self.wanted.failures || self.wanted.slower_than.is_some()
    }

    fn hears_moves(&self) -> bool {
        self.wanted.transitions
    }

    fn wants(&self, topic: Topic, source: u64, now: u64) -> Option<u64> {
        let (wanted, number, interval, burst) = match topic {
            Topic::Failure => (self.wanted.failures, 0, self.call_interval, CALLS_PER_SECOND),
            Topic::Slow(ns) => (ns >= self.slow_ns, 1, self.call_interval, CALLS_PER_SECOND),
            Topic::Transition => (self.wanted.transitions, 2, self.transition_interval, TRANSITIONS_PER_SECOND),
        };
        if !wanted || is_emitting() {
            return None;
        }
        let mut budgets = self.budgets.lock();
        let source =
            if budgets.len() >= MAX_SOURCES && !budgets.contains_key(&(number, source)) { u64::MAX } else { source };
        budgets.entry((number, source)).or_default().take(now, interval, burst)
    }

    fn slow_ns(&self) -> u64 {
        self.slow_ns
    }

    fn call_ended(&self, call: &EndedCall<'_>) {
        let EndedCall { operation, kind, id, .. } = *call;
        let component = Some(call.component).filter(|component| !component.is_empty());
        let (trace_id, span_id) = (call.trace.to_string(), call.span.to_string());
        let duration_ms = call.duration.map(ms);
        let suppressed = Some(call.suppressed).filter(|suppressed| *suppressed > 0);
        // The message comes first, as macros of `tracing` put it.
        macro_rules! emit {
            ($level:expr, $message:literal $(, $field:ident = $value:expr)*) => {
                emitting(|| {
                    event!(
                        target: TARGET, $level,
                        operation, kind, component, duration_ms, $($field = $value,)*
                        operation_id = id, trace_id, span_id, suppressed, $message
                    );
                })
            };
        }
        match call.outcome {
            Outcome::Success => emit!(Level::WARN, "operation slow"),
            Outcome::Panicked => emit!(Level::ERROR, "operation panicked"),
            _ => {
                let text = call.error.map(|error| {
                    error.sources.iter().fold(error.message.clone(), |all, source| format!("{all}: {source}"))
                });
                let error_kind = call.error.map(|error| &*error.kind);
                emit!(Level::ERROR, "operation failed", error_kind = error_kind, error = text);
            }
        }
    }

    fn moved(&self, moved: &Moved<'_>) {
        let Moved { machine, entity, from, to, trigger, .. } = *moved;
        let time_in_state_ms = ms(moved.time_in_state);
        let suppressed = Some(moved.suppressed).filter(|suppressed| *suppressed > 0);
        emitting(|| {
            event!(
                target: TARGET, Level::INFO,
                state_machine = machine, entity, from, to, trigger, time_in_state_ms, suppressed, "state changed"
            );
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_counts_what_it_refuses() {
        let mut budget = Budget::default();
        let given = (0..100).filter(|_| budget.take(1_000_000, 1_000, 10).is_some()).count();
        assert_eq!((given, budget.suppressed), (10, 90));
        assert_eq!(budget.take(1_000_999, 1_000, 10), None);
        assert_eq!(budget.take(1_001_000, 1_000, 10), Some(91));
        assert_eq!(budget.take(u64::MAX, 1_000, 10), Some(0));
        assert_eq!(Budget { from: u64::MAX, suppressed: 0 }.take(5, u64::MAX, u64::MAX), None);
    }
}
