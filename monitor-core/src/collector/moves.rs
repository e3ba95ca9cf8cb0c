//! Transitions of state machines on their way to a batch.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::Anchor;
use crate::model::{MachineTransition, TransitionRecord};
use crate::record::listener::{EndedCall, Listener, Moved, Topic};
use crate::record::quiet::quietly_or_not;

/// Transitions that wait; further ones are lost and counted.
const WAITING: usize = 16_384;

/// Hears of transitions, on the threads that make them.
#[derive(Default)]
pub(super) struct Moves {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: VecDeque<Made>,
    lost: u64,
}

struct Made {
    machine: Box<str>,
    entity: Box<str>,
    from: Box<str>,
    to: Box<str>,
    trigger: Option<Box<str>>,
    /// Reading of the clock.
    at: u64,
    time_in_state: Duration,
}

impl Moves {
    /// What came since the last time, by the time at which it was made.
    pub(super) fn take(&self, anchor: &Anchor<'_>) -> Vec<MachineTransition> {
        let mut waiting = Vec::from(std::mem::take(&mut self.inner.lock().waiting));
        // Threads come here after they have made their transitions, in any order.
        waiting.sort_by_key(|made| made.at);
        let told = waiting.into_iter().map(|made| MachineTransition {
            machine: made.machine.into(),
            transition: TransitionRecord {
                entity: made.entity.into(),
                from: made.from.into(),
                to: made.to.into(),
                trigger: made.trigger.map(Into::into),
                at: anchor.wall_time(made.at),
                time_in_state: made.time_in_state,
            },
        });
        told.collect()
    }

    pub(super) fn lost(&self) -> u64 {
        self.inner.lock().lost
    }
}

impl Listener for Moves {
    fn hears_calls(&self) -> bool {
        false
    }

    fn hears_moves(&self) -> bool {
        true
    }

    fn wants(&self, topic: Topic, _source: u64, _now: u64) -> Option<u64> {
        (topic == Topic::Transition).then_some(0)
    }

    fn slow_ns(&self) -> u64 {
        u64::MAX
    }

    fn call_ended(&self, _call: &EndedCall<'_>) {}

    fn moved(&self, moved: &Moved<'_>) {
        // Quietly: what is asked of the program's allocator may be tracked.
        quietly_or_not(|| self.keep(moved));
    }
}

impl Moves {
    fn keep(&self, moved: &Moved<'_>) {
        let made = Made {
            machine: moved.machine.into(),
            entity: moved.entity.into(),
            from: moved.from.into(),
            to: moved.to.into(),
            trigger: moved.trigger.map(Into::into),
            at: moved.at,
            time_in_state: moved.time_in_state,
        };
        let mut inner = self.inner.lock();
        if inner.waiting.len() < WAITING {
            inner.waiting.push_back(made);
        } else {
            inner.lost += 1;
            // Freed when the lock is gone.
            drop(inner);
            drop(made);
        }
    }
}
