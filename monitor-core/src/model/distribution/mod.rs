//! Numbers of any unit counted on the log-linear scale of [`crate::base::float_buckets`].
//!
//! The reading side of a histogram of the host: a plain value that is merged, subtracted, asked for percentiles and sent
//! elsewhere; `wire` has its serde form. [`Histogram`](super::Histogram) is the same for durations in whole nanoseconds.

mod wire;

use std::fmt;

use super::histogram::nearest_rank;
use super::units::to_f64;
use crate::base::float_buckets::{self, OctaveNumber, STEPS};

/// How many values fell into each bucket of a fixed log-linear scale, with their exact count, sum, minimum and maximum.
/// Values are numbers of any unit.
///
/// The scale covers every float, with 32 buckets an octave above zero and as many below. A bucket is at most 1/32 of its
/// values wide and its midpoint stands for it, so every percentile is within 1.6 % of the exact one. All distributions share
/// the scale: [`merge`](Distribution::merge) is exact, and so is [`since`](Distribution::since) but for what it says.
///
/// Values nearer to zero than 2.2e-308 count as zero, which has a bucket of its own. What is not a finite number (NaN and
/// the infinities) is counted in [`not_finite`](Distribution::not_finite) and is in no other figure. The sum is that of the
/// floats, each addition rounded: for `n` values it is off by at most n × 1.1e-16 of the sum of their magnitudes. A sum
/// stops at the largest float, counts at `u64::MAX`.
///
/// Memory: 264 bytes for each power of two in which there is a value.
///
/// ```
/// use monitor_core::Distribution;
///
/// let sizes: Distribution = (1..=100).map(|kilobytes| f64::from(kilobytes) * 1e3).collect();
/// assert_eq!((sizes.count(), sizes.max(), sizes.mean()), (100, Some(100e3), Some(50.5e3)));
/// assert!((sizes.percentile(0.5).unwrap() - 50e3).abs() < 50e3 * 0.016);
/// ```
///
/// # Serde form
///
/// `{"version":1,"sum":"…","min":"…","max":"…","not_finite":0,"buckets":[[index,count],…]}`, the buckets in use in the order
/// of their values, the floats as text, since JSON numbers do not keep them whole; without values `min` and `max` are
/// missing; where there are values and they are missing or no numbers, they are read off the buckets. `index` is 0 for zero, else 32 × the float's biased exponent + the top 5 bits of its mantissa, negative for
/// negative values. Reading back gives an equal value. An unknown version or an index off the scale is an error that says
/// so.
#[derive(Clone, PartialEq)]
pub struct Distribution {
    /// Ascending by number; none without a count, so that equal contents are equal values.
    octaves: Vec<Octave>,
    sum: f64,
    /// Infinity without values.
    min: f64,
    /// Negative infinity without values.
    max: f64,
    not_finite: u64,
}

#[derive(Clone, PartialEq, Eq)]
struct Octave {
    number: OctaveNumber,
    /// By magnitude.
    counts: [u64; STEPS],
}

impl Distribution {
    /// Without values. Allocates nothing.
    #[must_use]
    pub const fn new() -> Distribution {
        Distribution { octaves: Vec::new(), sum: 0.0, min: f64::INFINITY, max: f64::NEG_INFINITY, not_finite: 0 }
    }

    /// Counts one value.
    pub fn record(&mut self, value: f64) {
        self.record_n(value, 1);
    }

    /// Counts the same value `n` times.
    pub fn record_n(&mut self, value: f64, n: u64) {
        let Some((octave, step)) = float_buckets::locate(value) else {
            self.not_finite = self.not_finite.saturating_add(n);
            return;
        };
        if n > 0 {
            self.add(octave, step, n);
            self.add_summary(value * to_f64(n), value, value, 0);
        }
    }

    fn add(&mut self, octave: OctaveNumber, step: usize, n: u64) {
        let mut counts = [0; STEPS];
        if let Some(count) = counts.get_mut(step) {
            *count = n;
        }
        self.add_octave(octave, &counts);
    }

    /// Adds the counts of one octave of the scale, as a recorder keeps them.
    pub(crate) fn add_octave(&mut self, number: OctaveNumber, counts: &[u64; STEPS]) {
        if counts.iter().all(|&count| count == 0) {
            return;
        }
        let at = self.octaves.binary_search_by_key(&number, |octave| octave.number).unwrap_or_else(|at| {
            self.octaves.insert(at, Octave { number, counts: [0; STEPS] });
            at
        });
        self.octaves[at].counts.iter_mut().zip(counts).for_each(|(cell, count)| *cell = cell.saturating_add(*count));
    }

    /// Adds what is known beside the counts; infinite extremes are those of no values.
    pub(crate) fn add_summary(&mut self, sum: f64, min: f64, max: f64, not_finite: u64) {
        self.sum = finite(self.sum + finite(sum));
        self.min = self.min.min(min);
        self.max = self.max.max(max);
        self.not_finite = self.not_finite.saturating_add(not_finite);
    }

    /// Adds all values of `other`. The result is the distribution that had counted both from the start; the sum is that of
    /// the two sums.
    pub fn merge(&mut self, other: &Distribution) {
        other.octaves.iter().for_each(|octave| self.add_octave(octave.number, &octave.counts));
        self.add_summary(other.sum, other.min, other.max, other.not_finite);
    }

    /// The values that came after `earlier`, an earlier reading of the same distribution.
    ///
    /// Counts and percentiles are exact in the sense of the scale. The sum is the difference of the two sums, so its rounding
    /// is that of the larger. A minimum or maximum that was there before says nothing of the time in between: then it is
    /// read off the buckets, at most 3.2 % further out than the exact one. A bucket in which `earlier` counts more, which
    /// only another distribution's can, reads as empty.
    #[must_use]
    pub fn since(&self, earlier: &Distribution) -> Distribution {
        let mut octaves = self.octaves.clone();
        for octave in &mut octaves {
            if let Ok(at) = earlier.octaves.binary_search_by_key(&octave.number, |octave| octave.number) {
                let before = &earlier.octaves[at].counts;
                octave.counts.iter_mut().zip(before).for_each(|(count, before)| *count = count.saturating_sub(*before));
            }
        }
        octaves.retain(|octave| octave.counts.iter().any(|&count| count > 0));
        let not_finite = self.not_finite.saturating_sub(earlier.not_finite);
        let mut since = Distribution { octaves, not_finite, ..Distribution::new() };
        let ends = (since.cells().next(), since.cells().last());
        if let (Some((first, _)), Some((last, _))) = ends {
            let read_off = |edge: f64| edge.max(self.min).min(self.max);
            since.sum = finite(self.sum - earlier.sum);
            since.min = if self.min < earlier.min { self.min } else { read_off(float_buckets::bounds(first).0) };
            since.max = if self.max > earlier.max { self.max } else { read_off(float_buckets::bounds(last).1) };
        }
        since
    }

    /// How many values were counted, without those that are not finite.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.octaves.iter().flat_map(|octave| &octave.counts).fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Whether no value was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octaves.is_empty()
    }

    /// The sum of all values; 0.0 without any.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The smallest value. `None` without values.
    #[must_use]
    pub fn min(&self) -> Option<f64> {
        (!self.is_empty()).then_some(self.min).filter(|min| min.is_finite())
    }

    /// The largest value. `None` without values.
    #[must_use]
    pub fn max(&self) -> Option<f64> {
        (!self.is_empty()).then_some(self.max).filter(|max| max.is_finite())
    }

    /// The mean. `None` without values.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum / to_f64(count))
    }

    /// How many values were NaN or infinite. They are in no other figure.
    #[must_use]
    pub fn not_finite(&self) -> u64 {
        self.not_finite
    }

    /// The value at quantile `q`, a fraction: 0.5 is the median, 0.99 the 99th percentile. `None` without values.
    ///
    /// By the nearest-rank method, as [`Histogram::percentile`](crate::Histogram::percentile). It is read as its bucket's
    /// midpoint, at most 1.6 % off, and never below the minimum or above the maximum. `q` below 0 or not a number reads as
    /// 0, above 1 as 1.
    ///
    /// Cost: one pass over the buckets in use, less than a microsecond.
    #[must_use]
    pub fn percentile(&self, q: f64) -> Option<f64> {
        let rank = nearest_rank(q, self.count());
        let mut seen = 0_u64;
        let found = self.cells().find(|(_, count)| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        found.map(|(index, _)| float_buckets::midpoint(index).max(self.min).min(self.max))
    }

    /// The buckets that hold values, ascending: smallest value, largest value (inclusive), count.
    pub fn buckets(&self) -> impl Iterator<Item = (f64, f64, u64)> {
        self.cells().map(|(index, count)| {
            let (low, high) = float_buckets::bounds(index);
            (low, high, count)
        })
    }

    /// How many values are at most `value`.
    ///
    /// A bucket that `value` falls into is left out unless it is the bucket's upper end, so the answer is never too large.
    #[must_use]
    pub fn count_at_most(&self, value: f64) -> u64 {
        self.buckets()
            .take_while(|&(_, upper, _)| upper <= value)
            .fold(0, |sum, (_, _, count)| sum.saturating_add(count))
    }

    /// The numbers and counts of the buckets that hold values, ascending.
    fn cells(&self) -> impl Iterator<Item = (i32, u64)> {
        self.octaves.iter().flat_map(|octave| {
            // Below zero the largest magnitude is the smallest value.
            let in_order = move |at| if octave.number < 0 { STEPS - 1 - at } else { at };
            let cells = (0..STEPS).map(in_order).map(|step| (step, octave.counts[step]));
            let counted = cells.filter(|&(_, count)| count > 0);
            counted.map(|(step, count)| (float_buckets::index(octave.number, step), count))
        })
    }
}

impl Default for Distribution {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<f64> for Distribution {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut all = Self::new();
        for value in values {
            all.record(value);
        }
        all
    }
}

/// A sum stops at the largest float.
fn finite(sum: f64) -> f64 {
    sum.clamp(f64::MIN, f64::MAX)
}

impl fmt::Debug for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buckets: Vec<_> = self.buckets().collect();
        f.debug_struct("Distribution")
            .field("count", &self.count())
            .field("sum", &self.sum)
            .field("min", &self.min())
            .field("max", &self.max())
            .field("not_finite", &self.not_finite)
            .field("buckets", &buckets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> Distribution {
        values.iter().copied().collect()
    }

    #[test]
    fn values_below_zero_come_before_those_above() {
        let all = of(&[3.0, -100.0, 0.0, -1.0, -1.5, 7.0]);
        let read: Vec<_> = (0..6).map(|rank| all.percentile((f64::from(rank) + 0.5) / 6.0).unwrap()).collect();
        for (read, exact) in read.iter().zip([-100.0_f64, -1.5, -1.0, 0.0, 3.0, 7.0]) {
            assert!((read - exact).abs() <= exact.abs() / 64.0, "{read} for {exact}");
        }
        assert_eq!((all.count_at_most(-1.0 / 3.0), all.count_at_most(0.0), all.count_at_most(1e9)), (3, 4, 6));
    }

    #[test]
    fn nothing_recorded_has_no_figures() {
        let none = Distribution::default();
        assert_eq!((none.min(), none.max(), none.mean(), none.percentile(0.5)), (None, None, None, None));
        assert!(none.is_empty() && none.sum().abs() < f64::MIN_POSITIVE && none.count() == 0);
        assert_eq!(of(&[1.0]).since(&of(&[1.0])), none);
    }

    #[test]
    fn what_is_not_finite_is_counted_apart() {
        let all = of(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 2.0]);
        assert_eq!(
            (all.count(), all.not_finite(), all.sum().to_bits(), all.max()),
            (1, 3, 2.0_f64.to_bits(), Some(2.0))
        );
        let none = of(&[f64::NAN]);
        assert_eq!((none.is_empty(), none.not_finite(), none.percentile(1.0)), (true, 1, None));
    }

    #[test]
    fn the_extremes_of_a_difference_are_its_own() {
        let earlier = of(&[1.0, 100.0]);
        let mut later = earlier.clone();
        later.record(5.0);
        let between = later.since(&earlier);
        let (min, max) = (between.min().unwrap(), between.max().unwrap());
        assert!((5.0 - min).abs() <= 5.0 / 31.0 && (max - 5.0).abs() <= 5.0 / 31.0, "{min} {max}");
        later.record(1_000.0);
        assert_eq!(later.since(&earlier).max(), Some(1_000.0));
        assert!((later.since(&earlier).sum() - 1_005.0).abs() < 1e-9);
        assert_eq!(earlier.since(&later), Distribution::new());
    }
}
