//! Counters that any number of threads write at once without waiting for each other: a stripe for each of a few groups
//! of threads, added up when they are read.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::lane::lane;
use super::padded::Padded;

/// Four stripes for each thread that can run at one time, since threads that wait keep the stripes that they have
/// written; 8 to 64, a power of two.
pub(crate) fn stripes() -> usize {
    /// Asked for once: the answer takes a few system calls. Not a `OnceLock`, in which a forked child could find a thread
    /// of its parent for ever at work.
    static STRIPES: AtomicUsize = AtomicUsize::new(0);

    match STRIPES.load(Ordering::Relaxed) {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let stripes = cores.saturating_mul(4).clamp(8, 64).next_power_of_two();
            STRIPES.store(stripes, Ordering::Relaxed);
            stripes
        }
        known => known,
    }
}

/// Adds to a sum that stays at `u64::MAX` once it is there.
#[inline(always)]
pub(crate) fn add(sum: &AtomicU64, n: u64) {
    // Looked at first: one that is full must not start again even for a moment, in which somebody may read it.
    let is_full = sum.load(Ordering::Relaxed).checked_add(n).is_none();
    if is_full || sum.fetch_add(n, Ordering::Release).checked_add(n).is_none() {
        sum.store(u64::MAX, Ordering::Release);
    }
}

/// `N` sums. An addition is one locked one on a cache line that hardly any other thread writes, some 5 ns. A sum stays
/// at the largest number rather than start again.
#[derive(Debug)]
pub(crate) struct Striped<const N: usize> {
    stripes: Box<[Padded<[AtomicU64; N]>]>,
    /// A power of two less one.
    mask: usize,
}

impl<const N: usize> Striped<N> {
    pub(crate) fn new() -> Self {
        let stripes = stripes();
        let stripe = || Padded([const { AtomicU64::new(0) }; N]);
        Self { stripes: (0..stripes).map(|_| stripe()).collect(), mask: stripes - 1 }
    }

    /// Adds to the sum of that number; to none if there is none of that number.
    #[inline(always)]
    pub(crate) fn add(&self, which: usize, n: u64) {
        let Some(sum) = self.stripes.get(lane() & self.mask).and_then(|stripe| stripe.get(which)) else { return };
        add(sum, n);
    }

    /// The stripes added up.
    pub(crate) fn sums(&self) -> [u64; N] {
        let mut sums = [0_u64; N];
        for stripe in &self.stripes {
            for (sum, of_stripe) in sums.iter_mut().zip(&stripe.0) {
                *sum = sum.saturating_add(of_stripe.load(Ordering::Acquire));
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn additions_of_all_threads_add_up_each_to_its_sum() {
        let counts = Striped::<2>::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..1_000).for_each(|_| counts.add(0, 1)));
                scope.spawn(|| (0..1_000).for_each(|_| counts.add(1, 3)));
            }
        });
        counts.add(2, 1);
        assert_eq!(counts.sums(), [20_000, 60_000]);
    }

    #[test]
    fn sums_stop_at_the_largest_number() {
        let counts = Striped::<1>::new();
        for n in [u64::MAX, 7, u64::MAX] {
            counts.add(0, n);
            assert_eq!(counts.sums(), [u64::MAX]);
        }
    }
}
