//! What a job has done, counted by any number of threads at once.
//!
//! A count is one locked addition on a cache line that hardly any other thread writes, some 5 ns. Reading the clock
//! would double that, so a stripe reads it at every k-th count only: after 16 readings in a row that were less than a
//! millisecond apart k doubles with each, and it falls to 1 as soon as two are more than 8 ms apart. Slow work is stamped
//! exactly, and of fast work the last few hundred counts are not. The reader makes up for those: see
//! [`Counters::ask_for_stamps`].

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::base::clock::Clock;
use crate::base::lane::lane;
use crate::base::padded::Padded;
use crate::base::stripes::stripes;

/// Counts between two readings of the clock, at the most.
const LONGEST_INTERVAL: u32 = 256;
/// Readings in a row that show fast work before the clock is read less often.
const SURELY_FAST: u32 = 16;

/// What can be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    Succeeded,
    Failed,
    Skipped,
    Bytes,
}

/// Sums over all threads. They stay at the largest number rather than start again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sums {
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    pub(crate) bytes: u64,
}

impl Sums {
    /// Items done in this run, however they ended.
    pub(crate) fn items(&self) -> u64 {
        self.succeeded.saturating_add(self.failed).saturating_add(self.skipped)
    }
}

#[derive(Debug)]
pub(super) struct Counters {
    stripes: Box<[Padded<Stripe>]>,
    /// A power of two less one.
    mask: usize,
    ticks_in_ms: u64,
}

#[derive(Debug, Default)]
struct Stripe {
    counts: [AtomicU64; 4],
    /// Counts until the clock is read again. Threads that share a stripe may lose a step of it, which only puts the
    /// reading off.
    left: AtomicU32,
    interval: AtomicU32,
    /// Readings in a row that were close to each other.
    close: AtomicU32,
    /// The last reading.
    read_at: AtomicU64,
}

/// What the stripes say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) sums: Sums,
    /// The latest reading of the clock by a count.
    pub(super) stamped: u64,
    /// Whether all counts have been stamped.
    pub(super) exact: bool,
}

impl Counters {
    pub(super) fn new(clock: &Clock, start: u64) -> Self {
        let stripes = stripes();
        let stripe = || Padded(Stripe { read_at: AtomicU64::new(start), ..Stripe::default() });
        Self {
            stripes: (0..stripes).map(|_| stripe()).collect(),
            mask: stripes - 1,
            ticks_in_ms: clock.ticks_in(std::time::Duration::from_millis(1)).max(1),
        }
    }

    /// Counts, and gives the reading of the clock if it was this count's turn to take one.
    #[inline(always)]
    pub(super) fn add(&self, count: Count, n: u64, clock: &Clock) -> Option<u64> {
        let stripe = self.stripes.get(lane() & self.mask)?;
        let left = stripe.left.load(Ordering::Relaxed);
        let mut now = None;
        // The stamp comes before the count: a reader that sees the count sees its stamp too, or that it has none.
        if left > 1 {
            stripe.left.store(left - 1, Ordering::Relaxed);
        } else {
            now = Some(self.stamp(stripe, clock));
        }
        let sum = &stripe.counts[count as usize];
        let before = sum.fetch_add(n, Ordering::Release);
        if before.checked_add(n).is_none() {
            sum.store(u64::MAX, Ordering::Release);
        }
        now
    }

    #[cold]
    #[inline(never)]
    fn stamp(&self, stripe: &Stripe, clock: &Clock) -> u64 {
        let now = clock.ticks();
        let apart = now.saturating_sub(stripe.read_at.load(Ordering::Relaxed));
        let before = stripe.interval.load(Ordering::Relaxed).max(1);
        let close = stripe.close.load(Ordering::Relaxed);
        let (interval, close) = if apart > self.ticks_in_ms.saturating_mul(8) {
            (1, 0)
        } else if apart >= self.ticks_in_ms {
            (before, close)
        } else if close < SURELY_FAST {
            (before, close + 1)
        } else {
            (before.saturating_mul(2).min(LONGEST_INTERVAL), close)
        };
        stripe.close.store(close, Ordering::Relaxed);
        stripe.read_at.store(now, Ordering::Relaxed);
        stripe.interval.store(interval, Ordering::Relaxed);
        stripe.left.store(interval, Ordering::Relaxed);
        now
    }

    /// Adds the stripes up.
    pub(super) fn read(&self) -> Reading {
        let (mut sums, mut stamped, mut exact) = (Sums::default(), 0, true);
        for stripe in &self.stripes {
            let [succeeded, failed, skipped, bytes] = stripe.counts.each_ref().map(|sum| sum.load(Ordering::Acquire));
            sums.succeeded = sums.succeeded.saturating_add(succeeded);
            sums.failed = sums.failed.saturating_add(failed);
            sums.skipped = sums.skipped.saturating_add(skipped);
            sums.bytes = sums.bytes.saturating_add(bytes);
            stamped = stamped.max(stripe.read_at.load(Ordering::Relaxed));
            exact &= stripe.is_stamped();
        }
        Reading { sums, stamped, exact }
    }

    /// Lets the next count of each stripe that has counted without a stamp read the clock.
    pub(super) fn ask_for_stamps(&self) {
        for stripe in self.stripes.iter().filter(|stripe| !stripe.is_stamped()) {
            stripe.interval.store(1, Ordering::Relaxed);
            stripe.left.store(1, Ordering::Relaxed);
        }
    }
}

impl Stripe {
    fn is_stamped(&self) -> bool {
        self.left.load(Ordering::Relaxed) == self.interval.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::ManualClock;

    fn counters() -> (Counters, Clock, ManualClock) {
        let manual = ManualClock::new();
        let clock = Clock::manual(&manual);
        (Counters::new(&clock, clock.ticks()), clock, manual)
    }

    #[test]
    fn counts_of_all_threads_add_up() {
        let (counters, clock, _) = counters();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        counters.add(Count::Succeeded, 1, &clock);
                        counters.add(Count::Bytes, 10, &clock);
                    }
                    counters.add(Count::Failed, 2, &clock);
                    counters.add(Count::Skipped, 3, &clock);
                });
            }
        });
        let sums = Sums { succeeded: 20_000, failed: 40, skipped: 60, bytes: 200_000 };
        assert_eq!((counters.read().sums, sums.items()), (sums, 20_100));
    }

    #[test]
    fn sums_stop_at_the_largest_number() {
        let (counters, clock, _) = counters();
        for n in [u64::MAX, 7, u64::MAX] {
            counters.add(Count::Succeeded, n, &clock);
            counters.add(Count::Failed, n, &clock);
        }
        let sums = counters.read().sums;
        assert_eq!((sums.succeeded, sums.items()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn slow_work_is_stamped_at_every_count() {
        let (counters, clock, manual) = counters();
        for _ in 0..5 {
            manual.advance(Duration::from_millis(9));
            assert_eq!(counters.add(Count::Succeeded, 1, &clock), Some(clock.ticks()));
            assert!(counters.read().exact);
        }
    }

    #[test]
    fn fast_work_reads_the_clock_ever_less_often_and_a_reader_asks_for_it() {
        let (counters, clock, manual) = counters();
        let read = (0..100_000).filter(|_| counters.add(Count::Succeeded, 1, &clock).is_some()).count();
        assert!((300..600).contains(&read), "{read}");
        counters.add(Count::Succeeded, 1, &clock);
        assert!(!counters.read().exact);
        counters.ask_for_stamps();
        manual.advance(Duration::from_millis(3));
        assert_eq!(counters.add(Count::Succeeded, 1, &clock), Some(clock.ticks()));
        assert_eq!(counters.read(), Reading { stamped: clock.ticks(), exact: true, ..counters.read() });
    }
}
