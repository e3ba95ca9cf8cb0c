//! Hits and misses of one kind of a cache, counted by any number of threads at once.

use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::base::clock::Clock;
use crate::base::stripes::Striped;
use crate::store::named::HasName;
use crate::store::slices::{FIVE_MINUTES, MINUTE, Slices, Slicing};

const HITS: usize = 0;
const MISSES: usize = 1;

/// Hits and misses of one kind.
#[derive(Debug)]
pub(crate) struct Lookups {
    kind: Box<str>,
    counts: Striped<2>,
    /// When the slice ends that runs: what a count compares its reading of the clock with.
    ends: AtomicU64,
    slices: Mutex<Slices<2>>,
}

/// Hits and misses: of all time, of the last minute, of the last five.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) all: [u64; 2],
    pub(super) minute: [u64; 2],
    pub(super) five_minutes: [u64; 2],
}

/// What it has inside is whole whenever code of the host runs, also code that panics: no lock is held then.
impl RefUnwindSafe for Lookups {}

impl HasName for Lookups {
    fn name(&self) -> &str {
        &self.kind
    }
}

impl Lookups {
    pub(super) fn new(kind: &str, slicing: Slicing) -> Lookups {
        let slices = Slices::new(slicing);
        let ends = AtomicU64::new(slices.ends());
        Lookups { kind: kind.into(), counts: Striped::new(), ends, slices: Mutex::new(slices) }
    }

    /// Counts lookups. No lock that it would wait for.
    #[inline(always)]
    pub(crate) fn count(&self, hit: bool, n: u64, clock: &Clock) {
        let now = clock.ticks();
        if now >= self.ends.load(Ordering::Relaxed) {
            self.turn(now);
        }
        self.counts.add(if hit { HITS } else { MISSES }, n);
    }

    #[cold]
    #[inline(never)]
    fn turn(&self, now: u64) {
        // Whoever holds it turns to the new slice, or reads, and who reads has turned before.
        if let Some(mut slices) = self.slices.try_lock() {
            self.turn_to(&mut slices, now);
        }
    }

    fn turn_to(&self, slices: &mut Slices<2>, now: u64) {
        slices.turn(now, || self.counts.sums());
        self.ends.store(slices.ends(), Ordering::Relaxed);
    }

    pub(super) fn read(&self, now: u64) -> Read {
        let mut slices = self.slices.lock();
        self.turn_to(&mut slices, now);
        let all = self.counts.sums();
        Read { all, minute: slices.recent(MINUTE, now, all), five_minutes: slices.recent(FIVE_MINUTES, now, all) }
    }
}

impl Read {
    pub(super) fn add(&mut self, other: &Read) {
        let pairs = [(&mut self.all, other.all), (&mut self.minute, other.minute)];
        for (sum, more) in pairs.into_iter().chain([(&mut self.five_minutes, other.five_minutes)]) {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum = sum.saturating_add(more));
        }
    }
}
