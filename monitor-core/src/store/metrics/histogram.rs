//! Values of any unit counted on the scale of [`float_buckets`], by any number of threads at once.
//!
//! A value is two locked instructions on cache lines that hardly any other thread writes: its bucket and the sum. The count
//! is that of the buckets. A thread has a stripe, made when it first records: 640 bytes, and 320 for each power of two in
//! which it had a value. A stripe has places for 64 of those; an octave whose place is taken by another (then values differ
//! by a factor of 2^63 and more, which those of one quantity hardly do) is kept for all threads together, of which there
//! are up to 4,092, some 1.3 MB. So a histogram takes at most that and 21 KB a stripe.

use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::race::OnceBox;

use crate::base::float_buckets::{OctaveNumber, STEPS, locate};
use crate::base::lane::lane;
use crate::base::padded::Padded;
use crate::base::stripes::{add, stripes};
use crate::model::Distribution;
use crate::store::reentry::unless_inside;

/// Places for octaves in a stripe.
const NEAR: usize = 64;
/// Octaves below and above zero and that of zero.
const FAR: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Histogram {
    /// Filled without a lock, as everything here, so a forked child finds none half-way.
    stripes: Box<[OnceBox<Padded<Stripe>>]>,
    /// A power of two less one.
    mask: usize,
    far: OnceBox<Box<[OnceBox<Octave>]>>,
    /// Values that came from the host's allocator, called from within the first use of a stripe.
    reentrant: AtomicU64,
}

#[derive(Debug)]
struct Stripe {
    sum: AtomicU64,
    min: AtomicU64,
    max: AtomicU64,
    zeros: AtomicU64,
    not_finite: AtomicU64,
    near: [OnceBox<Octave>; NEAR],
}

/// On cache lines of its own: the allocator may have put it beside what another thread writes.
#[derive(Debug)]
#[repr(align(64))]
struct Octave {
    number: OctaveNumber,
    counts: [AtomicU64; STEPS],
}

impl Octave {
    fn new(number: OctaveNumber) -> Box<Self> {
        Box::new(Self { number, counts: [const { AtomicU64::new(0) }; STEPS] })
    }
}

impl Default for Stripe {
    fn default() -> Self {
        Self {
            sum: AtomicU64::new(0.0_f64.to_bits()),
            min: AtomicU64::new(f64::INFINITY.to_bits()),
            max: AtomicU64::new(f64::NEG_INFINITY.to_bits()),
            zeros: AtomicU64::new(0),
            not_finite: AtomicU64::new(0),
            near: [const { OnceBox::new() }; NEAR],
        }
    }
}

impl Histogram {
    pub(super) fn new() -> Self {
        let stripes = stripes();
        Self {
            stripes: (0..stripes).map(|_| OnceBox::new()).collect(),
            mask: stripes - 1,
            far: OnceBox::new(),
            reentrant: AtomicU64::new(0),
        }
    }

    /// Counts the same value `n` times.
    #[inline(always)]
    pub(crate) fn record_n(&self, value: f64, n: u64) {
        let at = lane() & self.mask;
        let stripe = match self.stripes.get(at).and_then(OnceBox::get) {
            Some(stripe) => stripe,
            None => match self.new_stripe(at) {
                Some(stripe) => stripe,
                None => return self.lose(n),
            },
        };
        let Some((number, step)) = locate(value) else { return add(&stripe.not_finite, n) };
        if n == 0 {
            return;
        }
        let count = if number == 0 {
            &stripe.zeros
        } else {
            let octave = match stripe.near.get(near(number)).and_then(OnceBox::get) {
                Some(octave) if octave.number == number => Some(octave),
                _ => self.other_octave(stripe, number),
            };
            match octave.and_then(|octave| octave.counts.get(step)) {
                Some(count) => count,
                None => return self.lose(n),
            }
        };
        // The extremes come before the count: who sees the count sees them as well.
        stripe.widen(value);
        stripe.add_to_sum(value, n);
        add(count, n);
    }

    #[cold]
    #[inline(never)]
    fn new_stripe(&self, at: usize) -> Option<&Padded<Stripe>> {
        let place = self.stripes.get(at)?;
        unless_inside(|| place.get_or_init(Box::default))
    }

    /// An octave that has no place in the stripe yet, or whose place is another's.
    #[cold]
    #[inline(never)]
    fn other_octave<'a>(&'a self, stripe: &'a Stripe, number: OctaveNumber) -> Option<&'a Octave> {
        let place = stripe.near.get(near(number))?;
        let octave = unless_inside(|| place.get_or_init(|| Octave::new(number)))?;
        if octave.number == number {
            return Some(octave);
        }
        let far = match self.far.get() {
            Some(far) => far,
            None => unless_inside(|| self.far.get_or_init(|| Box::new((0..FAR).map(|_| OnceBox::new()).collect())))?,
        };
        let place = far.get(usize::from(number.cast_unsigned()) % FAR)?;
        match place.get() {
            Some(octave) => Some(octave),
            None => unless_inside(|| place.get_or_init(|| Octave::new(number))),
        }
    }

    #[cold]
    fn lose(&self, n: u64) {
        add(&self.reentrant, n);
    }

    /// Values that were lost: see [`Histogram::reentrant`].
    pub(super) fn lost(&self) -> u64 {
        self.reentrant.load(Ordering::Relaxed)
    }

    /// Adds the stripes up.
    pub(crate) fn read(&self) -> Distribution {
        let mut all = Distribution::new();
        for stripe in self.stripes.iter().filter_map(OnceBox::get) {
            let octaves = stripe.near.iter().filter_map(OnceBox::get);
            octaves.for_each(|octave| all.add_octave(octave.number, &octave.read()));
            let zeros = stripe.zeros.load(Ordering::Acquire);
            if zeros > 0 {
                let mut counts = [0; STEPS];
                counts[0] = zeros;
                all.add_octave(0, &counts);
            }
        }
        for octave in self.far.get().iter().flat_map(|far| far.iter()).filter_map(OnceBox::get) {
            all.add_octave(octave.number, &octave.read());
        }
        // Of a first value that is on its way to its bucket the rest may be here already.
        let none = all.is_empty();
        // After the buckets: the extremes of every value that was seen in one are here by then.
        for stripe in self.stripes.iter().filter_map(OnceBox::get) {
            let [sum, min, max] = if none {
                [0.0, f64::INFINITY, f64::NEG_INFINITY]
            } else {
                [&stripe.sum, &stripe.min, &stripe.max].map(read)
            };
            all.add_summary(sum, min, max, stripe.not_finite.load(Ordering::Relaxed));
        }
        all
    }
}

impl Stripe {
    /// Takes the value into the extremes.
    #[inline(always)]
    fn widen(&self, value: f64) {
        if value < read(&self.min) {
            replace_while(&self.min, value, |min| value < min);
        }
        if value > read(&self.max) {
            replace_while(&self.max, value, |max| value > max);
        }
    }

    #[inline(always)]
    fn add_to_sum(&self, value: f64, n: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a sum of floats is no more exact than that")]
        let added = (value * n as f64).clamp(f64::MIN, f64::MAX);
        let mut bits = self.sum.load(Ordering::Relaxed);
        loop {
            let sum = (f64::from_bits(bits) + added).clamp(f64::MIN, f64::MAX).to_bits();
            match self.sum.compare_exchange_weak(bits, sum, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => bits = now,
            }
        }
    }
}

impl Octave {
    fn read(&self) -> [u64; STEPS] {
        self.counts.each_ref().map(|count| count.load(Ordering::Acquire))
    }
}

/// The place of an octave in a stripe. Values of one quantity lie in octaves that follow each other; those below zero go
/// to the other half.
#[inline(always)]
const fn near(number: OctaveNumber) -> usize {
    let below = if number < 0 { NEAR / 2 } else { 0 };
    (number.unsigned_abs() as usize ^ below) % NEAR
}

#[inline(always)]
fn read(bits: &AtomicU64) -> f64 {
    f64::from_bits(bits.load(Ordering::Relaxed))
}

#[cold]
#[inline(never)]
fn replace_while(place: &AtomicU64, value: f64, replaces: impl Fn(f64) -> bool) {
    let replaced = |bits| replaces(f64::from_bits(bits)).then(|| value.to_bits());
    // Not replaced: another thread has put a more extreme one there.
    let _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, replaced);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Histogram {
        let histogram = Histogram::new();
        for value in values {
            histogram.record_n(*value, 1);
        }
        histogram
    }

    #[test]
    fn octaves_whose_place_is_taken_and_values_without_one_are_counted() {
        let values = [
            1.0,
            18_446_744_073_709_551_616.0,
            1e-300,
            1e300,
            -1.0,
            -1e300,
            0.0,
            -0.0,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            3e-20,
            1.0,
        ];
        let histogram = of(&values);
        assert_eq!(histogram.read(), values.into_iter().collect());
        assert!(histogram.far.get().is_some(), "none of them was far");
        assert_eq!((histogram.read().count(), histogram.read().not_finite(), histogram.lost()), (11, 2, 0));
    }

    #[test]
    fn every_octave_has_a_count_of_its_own() {
        let values: Vec<_> = (1..2_047_u64).map(|exponent| f64::from_bits(exponent << 52)).collect();
        let values: Vec<_> = values.iter().flat_map(|value| [*value, -*value]).collect();
        assert_eq!(of(&values).read().buckets().map(|(_, _, count)| count).collect::<Vec<_>>(), vec![1; 4_092]);
    }

    #[test]
    fn values_of_all_threads_add_up() {
        let histogram = Histogram::new();
        std::thread::scope(|scope| {
            for thread in 0..20_u32 {
                let histogram = &histogram;
                scope.spawn(move || (1..=1_000_u32).for_each(|n| histogram.record_n(f64::from(n + thread), 1)));
            }
        });
        let read = histogram.read();
        assert_eq!((read.count(), read.min(), read.max()), (20_000, Some(1.0), Some(1_019.0)));
        assert!((read.sum() - f64::from(20 * 500_500 + 190 * 1_000)).abs() < 1e-6, "{}", read.sum());
    }

    #[test]
    fn a_first_value_that_is_not_counted_yet_is_in_no_figure() {
        let histogram = Histogram::new();
        let stripe = histogram.new_stripe(0).unwrap();
        stripe.widen(3.0);
        stripe.add_to_sum(3.0, 1);
        add(&stripe.not_finite, 2);
        assert_eq!(histogram.read(), [f64::NAN; 2].into_iter().collect());
    }

    #[test]
    fn sums_and_counts_stay_at_their_ends() {
        let histogram = Histogram::new();
        for value in [f64::MAX, f64::MAX, -1.0] {
            histogram.record_n(value, u64::MAX);
            histogram.record_n(value, 0);
        }
        let read = histogram.read();
        assert_eq!((read.count(), read.sum().to_bits()), (u64::MAX, f64::MAX.to_bits()));
    }
}
