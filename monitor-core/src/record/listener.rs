//! Who is told of calls that fail or take long, and of what entities do: outside of locks and of slow paths, on the
//! thread that it happens on.
//!
//! Calls are told of where they are noted, which is never on the straight way of a call. Nobody listens unless asked
//! for, and then one flag is all that others pay.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::RwLock;

use super::quiet::quietly;
use crate::model::{ErrorText, Outcome, SpanId, TraceId};

/// A call that ended.
pub(crate) struct EndedCall<'a> {
    pub(crate) operation: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) component: &'a str,
    pub(crate) id: u64,
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    pub(crate) outcome: Outcome,
    /// `None` of a call that was not timed.
    pub(crate) duration: Option<Duration>,
    pub(crate) error: Option<&'a ErrorText>,
    /// Calls alike that nobody was told of since the last one.
    pub(crate) suppressed: u64,
}

/// A transition that was made.
pub(crate) struct Moved<'a> {
    pub(crate) machine: &'a str,
    pub(crate) entity: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) trigger: Option<&'a str>,
    /// Reading of the clock.
    pub(crate) at: u64,
    pub(crate) time_in_state: Duration,
    pub(crate) suppressed: u64,
}

/// What may be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    /// A call that failed or panicked.
    Failure,
    /// One that succeeded and took at least so many nanoseconds.
    Slow(u64),
    Transition,
}

pub(crate) trait Listener: Send + Sync {
    /// Whether it is ever to be asked about calls. Always the same.
    fn hears_calls(&self) -> bool;

    /// Whether it is ever to be asked about transitions. Always the same.
    fn hears_moves(&self) -> bool;

    /// Whether it wants to be told: then how many it was not told of before. `source` tells operations and machines
    /// apart, `now` is the clock's reading. Called inside [`quietly`]: no code of the host may run.
    fn wants(&self, topic: Topic, source: u64, now: u64) -> Option<u64>;

    /// How long a call takes at the least that it wants to be told of as slow; `u64::MAX`: none.
    fn slow_ns(&self) -> u64;

    /// Must not panic.
    fn call_ended(&self, call: &EndedCall<'_>);

    /// Must not panic.
    fn moved(&self, moved: &Moved<'_>);
}

type All = Arc<Vec<Arc<dyn Listener>>>;

/// Listeners of one recorder that there may be.
pub(crate) const MAX_LISTENERS: usize = 16;

/// A listener that wants to be told, and how many it was not told of.
pub(crate) type Told = (Arc<dyn Listener>, u64);

/// Who listens to one recorder.
pub(crate) struct Listeners {
    calls: AtomicBool,
    moves: AtomicBool,
    /// Calls at least this long are noted. `u64::MAX`: none.
    slow_ns: AtomicU64,
    all: RwLock<All>,
}

impl Listeners {
    pub(crate) fn new() -> Self {
        Self {
            calls: AtomicBool::new(false),
            moves: AtomicBool::new(false),
            slow_ns: AtomicU64::new(u64::MAX),
            all: RwLock::default(),
        }
    }

    /// Whether anybody wants to be told of calls.
    #[inline(always)]
    pub(crate) fn hear_calls(&self) -> bool {
        self.calls.load(Ordering::Relaxed)
    }

    /// Whether anybody wants to be told of transitions.
    #[inline(always)]
    pub(crate) fn hear_moves(&self) -> bool {
        self.moves.load(Ordering::Relaxed)
    }

    pub(crate) fn slow_ns(&self) -> u64 {
        self.slow_ns.load(Ordering::SeqCst)
    }

    /// Changes the list. False over the bound, and nothing is changed.
    pub(crate) fn change(&self, change: impl FnOnce(&mut Vec<Arc<dyn Listener>>)) -> bool {
        let before = {
            let mut all = self.all.write();
            let mut changed = (**all).clone();
            change(&mut changed);
            if changed.len() > MAX_LISTENERS {
                return false;
            }
            self.calls.store(changed.iter().any(|one| one.hears_calls()), Ordering::Relaxed);
            self.moves.store(changed.iter().any(|one| one.hears_moves()), Ordering::Relaxed);
            let slow_ns = changed.iter().map(|one| one.slow_ns()).min();
            self.slow_ns.store(slow_ns.unwrap_or(u64::MAX), Ordering::SeqCst);
            std::mem::replace(&mut *all, Arc::new(changed))
        };
        // Not under the lock.
        drop(before);
        true
    }

    /// Those that want to be told.
    #[cold]
    pub(crate) fn who_wants(&self, topic: Topic, source: u64, now: u64) -> Vec<Told> {
        quietly(|| {
            let all = Arc::clone(&self.all.read());
            all.iter().filter_map(|one| Some((Arc::clone(one), one.wants(topic, source, now)?))).collect()
        })
        .unwrap_or_default()
    }
}
