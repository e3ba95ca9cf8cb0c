//! Call edges of one operation on one thread: who called it, how often, for how long.

use super::counter::Counter;
use super::list::List;
use super::quiet::quietly_or_not;
use super::sync::{AtomicPtr, Ordering};

/// Callers told apart for one operation and thread; calls from further ones are counted together.
pub(crate) const MAX_CALLERS: usize = 64;

/// The number of a series that stands for "callers over the cap".
pub(crate) const OTHER_CALLERS: u32 = u32::MAX;

struct Edge {
    caller: u32,
    calls: Counter,
    total_ns: Counter,
}

/// A list of callers with one writer. The one that called last is found with one comparison.
pub(crate) struct Edges {
    last: AtomicPtr<Edge>,
    all: List<Edge>,
}

impl Edges {
    /// Bytes that each caller takes.
    pub(crate) const EDGE_BYTES: usize = size_of::<Edge>();

    pub(crate) fn new() -> Self {
        Self { last: AtomicPtr::new(std::ptr::null_mut()), all: List::new() }
    }

    /// Counts calls from a series. Only the thread that holds the shard may call it.
    #[inline(always)]
    pub(crate) fn record(&self, caller: u32, calls: u64, total_ns: u64) {
        let last = self.last.load(Ordering::Relaxed);
        // SAFETY: an edge, once in the list, stays until the list is dropped, which needs `&mut self`.
        let edge = match unsafe { last.as_ref() } {
            Some(edge) if edge.caller == caller => edge,
            _ => self.find_or_insert(caller),
        };
        edge.calls.add(calls);
        edge.total_ns.add(total_ns);
    }

    #[cold]
    #[inline(never)]
    fn find_or_insert(&self, caller: u32) -> &Edge {
        let full = self.held() >= MAX_CALLERS;
        let edge = self.find(caller).or_else(|| if full { self.find(OTHER_CALLERS) } else { None });
        let edge = edge.unwrap_or_else(|| self.insert(if full { OTHER_CALLERS } else { caller }));
        self.last.store(std::ptr::from_ref(edge).cast_mut(), Ordering::Relaxed);
        edge
    }

    fn find(&self, caller: u32) -> Option<&Edge> {
        self.all.iter().find(|edge| edge.caller == caller)
    }

    fn insert(&self, caller: u32) -> &Edge {
        let edge = Edge { caller, calls: Counter::new(0), total_ns: Counter::new(0) };
        quietly_or_not(|| self.all.push(edge))
    }

    /// All callers with calls and nanoseconds, from any thread.
    pub(crate) fn read(&self) -> impl Iterator<Item = (u32, u64, u64)> {
        self.all.iter().map(|edge| (edge.caller, edge.calls.get(), edge.total_ns.get()))
    }

    /// Callers in the list.
    pub(crate) fn held(&self) -> usize {
        self.all.iter().count()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn callers_are_told_apart_and_bounded() {
        let edges = Edges::new();
        for round in 0..3 {
            for caller in 0..100 {
                edges.record(caller, 1, 10 * u64::from(caller) + round);
            }
        }
        assert_eq!(edges.held(), MAX_CALLERS + 1);
        assert_eq!(edges.read().map(|(_, calls, _)| calls).sum::<u64>(), 300);
        let (_, calls, ns) = edges.read().find(|(caller, ..)| *caller == 63).unwrap();
        assert_eq!((calls, ns), (3, 630 * 3 + 3));
        let (_, calls, _) = edges.read().find(|(caller, ..)| *caller == OTHER_CALLERS).unwrap();
        assert_eq!(calls, 36 * 3);
    }
}
