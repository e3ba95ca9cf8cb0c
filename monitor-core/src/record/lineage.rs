//! Which trace a call belongs to, and the ids of traces and spans.
//!
//! Nothing is made for a call that nobody asks about: the id of its span is its own id, encrypted. The id of a trace
//! that begins here is made of its outermost call: the high half is its id, counted from a random number, so that traces
//! of one time stand side by side in an index; the low half is its span. Keys are drawn when the first id is asked for,
//! and anew in a forked child.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::model::{FieldValue, SpanId, TraceId};

/// What a program said of a piece of work: its trace, on whose behalf it is done, and fields for everything in it.
#[derive(Clone, Debug)]
pub(crate) struct ContextData {
    pub(crate) trace: TraceId,
    /// The call that it is done on behalf of.
    pub(crate) parent: Option<Caller>,
    /// That of another program, on whose behalf it is done.
    pub(crate) remote: Option<SpanId>,
    pub(crate) flags: u8,
    pub(crate) state: Option<Box<str>>,
    pub(crate) fields: Vec<(String, FieldValue)>,
}

/// A call of this process, from elsewhere in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) id: u64,
    /// Kept, because a forked child makes its ids by other keys, and this is a call of its parent there.
    pub(crate) span: SpanId,
    pub(crate) series: u32,
    /// The address of its recorder: the numbers of series are each recorder's own.
    pub(crate) home: usize,
}

impl ContextData {
    /// The call that it is done on behalf of, if that is one of this recorder.
    pub(crate) fn caller_in(&self, home: usize) -> Option<Caller> {
        self.parent.filter(|caller| caller.home == home)
    }

    /// What work directly in it is done on behalf of.
    pub(crate) fn span(&self) -> Option<SpanId> {
        self.parent.map(|caller| caller.span).or(self.remote)
    }
}

/// Where a call comes from.
#[derive(Clone, Debug)]
pub(crate) enum Lineage {
    /// From an outermost call, of this id, that is in no context.
    Root(u64),
    Context(Arc<ContextData>),
}

impl Lineage {
    /// Whether it is known to be the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Root(id), Self::Root(other)) => id == other,
            (Self::Context(data), Self::Context(other)) => Arc::ptr_eq(data, other),
            _ => false,
        }
    }

    pub(crate) fn trace(&self) -> TraceId {
        match self {
            Self::Root(id) => trace_of(*id),
            Self::Context(data) => data.trace,
        }
    }

    /// The call that the trace of a call began with, as far as it is told by calls and not by a context.
    pub(crate) fn root_for(&self, call: u64) -> u64 {
        match self {
            Self::Root(root) => *root,
            Self::Context(_) => call,
        }
    }

    pub(crate) fn fields(&self) -> &[(String, FieldValue)] {
        match self {
            Self::Root(_) => &[],
            Self::Context(data) => &data.fields,
        }
    }

    /// The call that it comes from directly, if that is one of this recorder.
    pub(crate) fn caller_in(&self, home: usize) -> Option<Caller> {
        match self {
            Self::Root(_) => None,
            Self::Context(data) => data.caller_in(home),
        }
    }

    /// The span that a call without a parent in this process is done on behalf of.
    pub(crate) fn span(&self) -> Option<SpanId> {
        match self {
            Self::Root(_) => None,
            Self::Context(data) => data.span(),
        }
    }
}

/// The keys; zero: not drawn yet.
static KEYS: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Contexts that no call stands for have numbers of their own: even ones, which no call has.
static NEXT_ROOT: AtomicU64 = AtomicU64::new(2);

/// Has keys drawn anew, in a forked child: its calls may have the ids of calls of its parent.
pub(crate) fn forget_keys() {
    for key in &KEYS {
        key.store(0, Ordering::Relaxed);
    }
}

fn key(which: usize) -> u64 {
    match KEYS[which].load(Ordering::Relaxed) {
        0 => draw(which),
        key => key,
    }
}

#[cold]
fn draw(which: usize) -> u64 {
    // A keyed hash, whose key the system draws once for the process, of what tells this process from a forked one.
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_usize(which);
    hasher.write_u32(std::process::id());
    hasher.write_u128(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    let drawn = hasher.finish().max(1);
    match KEYS[which].compare_exchange(0, drawn, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => drawn,
        Err(earlier) => earlier,
    }
}

/// A permutation of the numbers of 64 bits in which every bit of the result depends on each of the argument: the
/// finaliser of `splitmix64` (Steele, Lea, Flood 2014).
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

/// Two rounds with a key each: two calls of a process never have the same.
fn encrypted(id: u64, keys: [u64; 2]) -> u64 {
    mixed(mixed(id ^ keys[0]).wrapping_add(keys[1]))
}

/// The id of a call's span.
pub(crate) fn span_of(call: u64) -> SpanId {
    span(encrypted(call, [key(0), key(1)]))
}

fn span(number: u64) -> SpanId {
    const ONE: SpanId = match SpanId::new(1) {
        Some(one) => one,
        None => unreachable!(),
    };
    SpanId::new(number).unwrap_or(ONE)
}

/// The id of the trace that begins with a call.
pub(crate) fn trace_of(root: u64) -> TraceId {
    const ONE: TraceId = match TraceId::new(1) {
        Some(one) => one,
        None => unreachable!(),
    };
    let (high, low) = (key(2).wrapping_add(root), span_of(root).get());
    TraceId::new(u128::from(high) << 64 | u128::from(low)).unwrap_or(ONE)
}

/// The id of a trace that begins with no call.
pub(crate) fn new_trace() -> TraceId {
    trace_of(NEXT_ROOT.fetch_add(2, Ordering::Relaxed))
}

/// The id of a span that stands for what is done in a context by no operation.
pub(crate) fn span_without_call(trace: TraceId) -> SpanId {
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    span(encrypted(trace.get() as u64 ^ (trace.get() >> 64) as u64, [key(1), key(0)]))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_stable_and_differ() {
        let ids: Vec<u64> = (0..10_000).map(|n| n * 128 + 1).collect();
        let spans: HashSet<_> = ids.iter().map(|id| span_of(*id)).collect();
        let traces: HashSet<_> = ids.iter().map(|id| trace_of(*id)).collect();
        assert_eq!((spans.len(), traces.len()), (ids.len(), ids.len()));
        assert_eq!((span_of(1), trace_of(1)), (span_of(1), trace_of(1)));
        assert_ne!(new_trace(), new_trace());
    }

    #[test]
    fn traces_of_one_time_stand_side_by_side() {
        let high = |root: u64| (trace_of(root).get() >> 64) as u64;
        assert_eq!(high(129).wrapping_sub(high(1)), 128);
        assert_ne!(high(1), 1);
    }

    #[test]
    fn each_bit_of_the_lower_half_of_an_id_is_set_about_half_of_the_time() {
        let traces: Vec<u128> = (0..4_096_u64).map(|n| trace_of(n * 128 + 1).get()).collect();
        for bit in 0..64 {
            let set = traces.iter().filter(|trace| *trace >> bit & 1 == 1).count();
            // Seven standard deviations.
            assert!((1_824..=2_272).contains(&set), "bit {bit}: {set} of 4096");
        }
    }
}
