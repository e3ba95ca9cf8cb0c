//! The figures of one series on one thread, and the list of them that a shard publishes.

use super::counter::Counter;
use super::durations::Durations;
use super::edges::Edges;
use super::tallies::{MAX_KINDS, TALLY_BYTES, Tallies};

/// The figures of one series (an operation with one label set) on one thread. About 750 bytes, and 256 more for each
/// octave of durations in use.
///
/// Written by the thread that holds the shard. What every call touches comes first.
#[repr(C, align(64))]
pub(crate) struct Cell {
    pub(crate) started: Counter,
    pub(crate) succeeded: Counter,
    pub(crate) total_ns: Counter,
    /// Time less the children's; a signed sum in two's complement, since a sampled child may be counted for more
    /// time than its parent took this once.
    pub(crate) self_ns: Counter,
    pub(crate) min_ns: Counter,
    pub(crate) max_ns: Counter,
    /// Reading of the clock from which on a call may be recorded individually. `u64::MAX`: never.
    pub(crate) record_from: Counter,
    /// Calls at least this long are looked at, as slow ones: because they are recorded, or because somebody listens.
    /// `u64::MAX`: none. After the making of the cell it is written only by [`listen`](Self::listen).
    slow_ns: Counter,
    pub(crate) durations: Durations,
    pub(crate) edges: Edges,
    pub(crate) tallies: Tallies<MAX_KINDS>,

    pub(crate) failed: Counter,
    pub(crate) panicked: Counter,
    pub(crate) cancelled: Counter,
    /// Operations by id that another process ended, and that another one began.
    pub(crate) ended_elsewhere: Counter,
    pub(crate) begun_elsewhere: Counter,
    pub(crate) items: Counter,
    pub(crate) bytes: Counter,
    /// Memory that was asked for while a call was on top of the stack.
    pub(crate) allocations: Counter,
    pub(crate) allocated_bytes: Counter,
    /// Of futures and spans, which wait: from the beginning to the end, and on a thread.
    pub(crate) task_ns: Counter,
    pub(crate) busy_ns: Counter,
    pub(crate) polls: Counter,
    pub(crate) recorded: Counter,
    /// Calls still to pass before the next one is timed, and the weight that one will have.
    pub(crate) skip: Counter,
    pub(crate) gap: Counter,
    /// As `record_from`, for calls that did not succeed, and for the slow ones.
    pub(crate) record_failure_from: Counter,
    pub(crate) record_slow_from: Counter,
    /// Calls at least this long are recorded as slow. Never changed.
    pub(crate) record_slow_ns: u64,

    pub(crate) series: u32,
    /// Whether a new longest call is recorded though the budget is spent.
    pub(crate) record_slowest: bool,
    /// Whether every call is recorded, without a budget.
    pub(crate) record_all: bool,
}

/// Which calls of a cell are recorded individually.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Recording {
    pub(crate) successes: Successes,
    pub(crate) failures: bool,
    /// Calls at least this long are recorded as slow.
    pub(crate) slow_ns: u64,
}

/// Which successful calls are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Successes {
    /// None for being a success.
    No,
    /// As many as the budget allows, and the slowest so far.
    Some,
    All,
}

const NEVER: u64 = u64::MAX;

impl Cell {
    pub(crate) fn new(series: u32, recording: Recording) -> Self {
        let from = |on: bool| Counter::new(if on { 0 } else { NEVER });
        Self {
            started: Counter::new(0),
            succeeded: Counter::new(0),
            total_ns: Counter::new(0),
            self_ns: Counter::new(0),
            min_ns: Counter::new(u64::MAX),
            max_ns: Counter::new(0),
            record_from: from(recording.successes != Successes::No),
            slow_ns: Counter::new(recording.slow_ns),
            durations: Durations::new(),
            edges: Edges::new(),
            tallies: Tallies::new(),
            failed: Counter::new(0),
            panicked: Counter::new(0),
            cancelled: Counter::new(0),
            ended_elsewhere: Counter::new(0),
            begun_elsewhere: Counter::new(0),
            items: Counter::new(0),
            bytes: Counter::new(0),
            allocations: Counter::new(0),
            allocated_bytes: Counter::new(0),
            task_ns: Counter::new(0),
            busy_ns: Counter::new(0),
            polls: Counter::new(0),
            recorded: Counter::new(0),
            skip: Counter::new(0),
            gap: Counter::new(1),
            record_failure_from: from(recording.failures),
            record_slow_from: Counter::new(0),
            record_slow_ns: recording.slow_ns,
            series,
            record_slowest: recording.successes == Successes::Some,
            record_all: recording.successes == Successes::All,
        }
    }

    /// Has calls at least this long looked at, as well as those that are recorded as slow. From any thread: it is not
    /// the holder who writes here, so writers agree among themselves, see `Shard::listen`.
    pub(crate) fn listen(&self, slow_ns: u64) {
        self.slow_ns.set(slow_ns.min(self.record_slow_ns));
    }

    /// Adds the time of a call that stands for `weight` calls.
    #[inline(always)]
    pub(crate) fn add_time(&self, ns: u64, self_ns: u64, weight: u64) {
        self.total_ns.add(ns.wrapping_mul(weight));
        self.self_ns.add(self_ns.wrapping_mul(weight));
        self.durations.record(ns, weight);
    }

    /// The same of a future or span, which was on a thread for some of the time.
    #[inline(always)]
    pub(crate) fn add_task_time(&self, ns: u64, busy_ns: u64, self_ns: u64, weight: u64) {
        self.task_ns.add(ns.wrapping_mul(weight));
        self.busy_ns.add(busy_ns.wrapping_mul(weight));
        self.self_ns.add(self_ns.wrapping_mul(weight));
        self.durations.record(ns, weight);
    }

    /// Whether this call needs a look: a new extreme, slow, or with room in the budget of records.
    #[inline(always)]
    pub(crate) fn is_notable(&self, ns: u64, now: u64) -> bool {
        // Not `||`: one branch that is nearly never taken instead of four.
        (ns > self.max_ns.get())
            | (ns < self.min_ns.get())
            | (now >= self.record_from.get())
            | (ns >= self.slow_ns.get())
    }

    /// Bytes held, histogram and edges included.
    pub(crate) fn bytes_held(&self) -> usize {
        size_of::<Self>()
            + self.durations.octaves_held() * Durations::OCTAVE_BYTES
            + self.edges.held() * Edges::EDGE_BYTES
            + self.tallies.held() * TALLY_BYTES
    }
}
