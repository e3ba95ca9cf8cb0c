//! A number that goes up, counted by any number of threads at once.
//!
//! A count is one locked addition on cache lines that hardly any other thread writes, some 2 ns. The first stripe lies in
//! the counter, each further one is made when a thread with its number first counts: a counter takes less than 1 KB, and
//! 128 bytes for each further thread that counts at one time, up to 64.

use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::base::lane::lane;
use crate::base::padded::Padded;
use crate::base::stripes::{self, stripes};
use crate::store::reentry::unless_inside;

#[derive(Debug)]
pub(crate) struct Counter {
    first: Padded<AtomicU64>,
    /// What [`Counter::at_least`] has added.
    raised: AtomicU64,
    /// Of lane 1 and up. Filled without a lock, so a forked child finds none half-way.
    others: Box<[OnceBox<Padded<AtomicU64>>]>,
    /// A power of two less one.
    mask: usize,
}

impl Counter {
    pub(super) fn new() -> Self {
        let stripes = stripes();
        Self {
            first: Padded::default(),
            raised: AtomicU64::new(0),
            others: (1..stripes).map(|_| OnceBox::new()).collect(),
            mask: stripes - 1,
        }
    }

    /// Counts. A sum that reaches `u64::MAX` stays there.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        stripes::add(self.stripe(), n);
    }

    #[inline(always)]
    fn stripe(&self) -> &AtomicU64 {
        match (lane() & self.mask).checked_sub(1) {
            None => &self.first,
            Some(at) => match self.others.get(at).and_then(OnceBox::get) {
                Some(stripe) => stripe,
                None => self.new_stripe(at),
            },
        }
    }

    #[cold]
    #[inline(never)]
    fn new_stripe(&self, at: usize) -> &AtomicU64 {
        let place = self.others.get(at);
        place.and_then(|place| unless_inside(|| &**place.get_or_init(Box::default))).unwrap_or(&self.first)
    }

    /// Raises the sum to `least` if it is smaller.
    ///
    /// What threads add meanwhile counts as part of it or on top of it; nothing is counted twice and the sum is never
    /// smaller than `least` afterwards. Of several at one time the largest holds.
    pub(crate) fn at_least(&self, least: u64) {
        let mut raised = self.raised.load(Ordering::Acquire);
        loop {
            let added = self.added();
            if raised.saturating_add(added) >= least {
                return;
            }
            // It only grows: that it is the same says that nobody else has raised it since the sum was taken.
            match self.raised.compare_exchange(raised, least - added, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) => raised = now,
            }
        }
    }

    pub(crate) fn read(&self) -> u64 {
        self.raised.load(Ordering::Acquire).saturating_add(self.added())
    }

    fn added(&self) -> u64 {
        let others = self.others.iter().filter_map(OnceBox::get).map(|stripe| stripe.load(Ordering::Acquire));
        others.fold(self.first.load(Ordering::Acquire), u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_all_threads_add_up() {
        let counter = Counter::new();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.add(2)));
            }
        });
        assert_eq!(counter.read(), 400_000);
    }

    #[test]
    fn it_stays_at_the_largest_number() {
        let counter = Counter::new();
        for n in [u64::MAX, 7, u64::MAX] {
            counter.add(n);
            std::thread::scope(|scope| _ = scope.spawn(|| counter.add(n)));
        }
        counter.at_least(5);
        assert_eq!(counter.read(), u64::MAX);
    }

    #[test]
    fn whoever_looks_at_one_that_is_full_sees_it_full() {
        let (counter, done) = (Counter::new(), std::sync::atomic::AtomicBool::new(false));
        counter.add(u64::MAX);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(counter.read(), u64::MAX);
                }
            });
            (0..2_000_000).for_each(|_| counter.add(1));
            done.store(true, Ordering::Relaxed);
        });
    }

    #[test]
    fn it_is_raised_and_never_lowered() {
        let counter = Counter::new();
        for (least, sum) in [(0, 0), (10, 10), (7, 10), (10, 10), (25, 25)] {
            counter.at_least(least);
            assert_eq!(counter.read(), sum, "at least {least}");
        }
        counter.add(1);
        counter.at_least(26);
        assert_eq!(counter.read(), 26);
        counter.at_least(u64::MAX);
        counter.add(1);
        assert_eq!(counter.read(), u64::MAX);
    }

    /// All follow the same number outside, which only grows: in the end it is that number, however often it was told.
    #[test]
    fn threads_that_raise_it_at_the_same_time_do_not_add_up() {
        let counter = Counter::new();
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let counter = &counter;
                scope.spawn(move || (0..5_000_u64).for_each(|n| counter.at_least(n * 3 + thread % 3)));
            }
        });
        assert_eq!(counter.read(), 4_999 * 3 + 2);
    }

    #[test]
    fn what_is_added_while_it_is_raised_counts_once_at_the_most() {
        const RAISED: u64 = 1_000_000;
        let counter = Counter::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|_| counter.add(1)));
            }
            scope.spawn(|| (0..=1_000).for_each(|n| counter.at_least(n * (RAISED / 1_000))));
        });
        let sum = counter.read();
        assert!((RAISED..=RAISED + 40_000).contains(&sum), "{sum}");
    }
}
