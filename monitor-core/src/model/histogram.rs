//! Durations counted on the log-linear scale of [`crate::base::buckets`].
//!
//! This is the reading side: a plain value that is merged, subtracted, asked for percentiles and sent elsewhere. The
//! recorder counts in cells of its own and hands whole octaves over.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::units::to_f64;
use crate::base::buckets::{self, STEPS};

/// Version of the serde form, raised when its meaning changes.
const WIRE_VERSION: u32 = 1;

/// How many values fell into each bucket of a fixed log-linear scale, in nanoseconds.
///
/// The scale covers every `u64`, 1 ns to 584 years, with 32 buckets an octave (one for each value below 64). A bucket
/// is at most 1/32 of its lower bound wide and its midpoint stands for it, so every percentile is within 1.6 % of the
/// exact one. All histograms share the scale: [`merge`](Histogram::merge) and [`since`](Histogram::since) are exact.
///
/// Memory: 264 bytes for each power of two in which there is a value. Counts saturate at `u64::MAX`.
///
/// ```
/// use std::time::Duration;
/// use monitor_core::Histogram;
///
/// let mut durations = Histogram::new();
/// for ms in 1..=100 {
///     durations.record(ms * 1_000_000);
/// }
/// let median = durations.percentile(0.5).unwrap();
/// assert!(median.abs_diff(Duration::from_millis(50)) < Duration::from_millis(1));
/// ```
///
/// # Serde form
///
/// `{"version":1,"buckets":[[index,count],…]}`, the buckets in use in ascending order. `index` is octave × 32 + step;
/// octave 0 holds the values 0 to 31, octave `k` the values from 2^(k+4) to 2^(k+5) − 1. Reading back gives an equal
/// histogram. An unknown version or an index off the scale is an error that says so.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Ascending by number; none without a count, so that equal contents are equal values.
    octaves: Vec<Octave>,
}

#[derive(Clone, PartialEq, Eq)]
struct Octave {
    number: usize,
    counts: [u64; STEPS],
}

impl Octave {
    fn is_empty(&self) -> bool {
        self.counts.iter().all(|&count| count == 0)
    }
}

impl Histogram {
    /// A histogram without values. Allocates nothing.
    #[must_use]
    pub const fn new() -> Histogram {
        Histogram { octaves: Vec::new() }
    }

    /// Counts one value, in nanoseconds.
    pub fn record(&mut self, value_ns: u64) {
        self.record_n(value_ns, 1);
    }

    /// Counts the same value `n` times.
    pub fn record_n(&mut self, value_ns: u64, n: u64) {
        if n > 0 {
            let (octave, step) = buckets::locate(value_ns);
            let cell = &mut self.octave_mut(octave)[step];
            *cell = cell.saturating_add(n);
        }
    }

    /// Adds the counts of one octave of the scale, as a recorder keeps them.
    pub(crate) fn add_octave(&mut self, octave: usize, counts: &[u64; STEPS]) {
        let bits = |counts: &[u64; STEPS]| counts.iter().fold(0, |bits, count| bits | count);
        let added = bits(counts);
        if added == 0 {
            return;
        }
        let mine = match self.position(octave) {
            Ok(at) => &mut self.octaves[at].counts,
            Err(at) => return self.octaves.insert(at, Octave { number: octave, counts: *counts }),
        };
        // A snapshot comes here for every octave of every operation and thread. With the top bit free everywhere no
        // sum overflows, and plain additions become vector instructions, which saturating ones do not.
        let no_overflow = (added | bits(mine)) >> (u64::BITS - 1) == 0;
        let pairs = mine.iter_mut().zip(counts);
        if no_overflow {
            pairs.for_each(|(cell, count)| *cell += count);
        } else {
            pairs.for_each(|(cell, count)| *cell = cell.saturating_add(*count));
        }
    }

    /// Makes room for so many octaves at once, if there is none yet: one at a time, most of them would be moved.
    pub(crate) fn reserve_octaves(&mut self, octaves: usize) {
        if self.octaves.is_empty() {
            self.octaves.reserve_exact(octaves);
        }
    }

    /// Adds all values of `other`. The result is the histogram that had counted both from the start.
    pub fn merge(&mut self, other: &Histogram) {
        if self.octaves.is_empty() {
            self.octaves.clone_from(&other.octaves);
            return;
        }
        for octave in &other.octaves {
            self.add_octave(octave.number, &octave.counts);
        }
    }

    /// Adds to `counts` how many values are in the first buckets of the scale, once for each number of buckets in `cells`, which
    /// ascend. Returns how many values there are.
    #[cfg(feature = "prometheus")]
    pub(crate) fn counts_below(&self, cells: &[usize], counts: &mut Vec<u64>) -> u64 {
        let sum = |seen: u64, cells: &[u64]| cells.iter().fold(seen, |sum, count| sum.saturating_add(*count));
        let (mut seen, mut cells) = (0_u64, cells.iter().copied().peekable());
        for octave in &self.octaves {
            let begin = octave.number * STEPS;
            let mut from = 0;
            while let Some(end) = cells.next_if(|end| *end < begin + STEPS) {
                let to = end.saturating_sub(begin);
                seen = sum(seen, &octave.counts[from..to]);
                from = to;
                counts.push(seen);
            }
            seen = sum(seen, &octave.counts[from..]);
        }
        counts.extend(cells.map(|_| seen));
        seen
    }

    /// The values that came after `earlier`, an earlier reading of the same histogram.
    ///
    /// Exact, percentiles included. A bucket in which `earlier` counts more, which only another histogram's can,
    /// reads as empty.
    #[must_use]
    pub fn since(&self, earlier: &Histogram) -> Histogram {
        let mut octaves = self.octaves.clone();
        for octave in &mut octaves {
            if let Ok(at) = earlier.position(octave.number) {
                for (cell, before) in octave.counts.iter_mut().zip(&earlier.octaves[at].counts) {
                    *cell = cell.saturating_sub(*before);
                }
            }
        }
        octaves.retain(|octave| !octave.is_empty());
        Histogram { octaves }
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.octaves.iter().flat_map(|octave| &octave.counts).fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Whether no value was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octaves.is_empty()
    }

    /// The value at quantile `q`, a fraction: 0.5 is the median, 0.99 the 99th percentile. `None` without values.
    ///
    /// By the nearest-rank method (Hyndman and Fan, *Sample Quantiles in Statistical Packages*, 1996, definition 1):
    /// the smallest value that at least `q × count` values do not exceed, the smallest of all for `q` = 0. It is read
    /// as its bucket's midpoint, at most 1.6 % off. `q` below 0 or not a number reads as 0, above 1 as 1.
    ///
    /// Cost: one pass over the buckets in use, less than a microsecond.
    #[must_use]
    pub fn percentile(&self, q: f64) -> Option<Duration> {
        self.percentile_ns(q).map(Duration::from_nanos)
    }

    /// [`percentile`](Histogram::percentile) in nanoseconds.
    #[must_use]
    pub fn percentile_ns(&self, q: f64) -> Option<u64> {
        let rank = nearest_rank(q, self.count());
        let mut seen = 0_u64;
        for (index, count) in self.cells() {
            seen = seen.saturating_add(count);
            if seen >= rank {
                return Some(buckets::midpoint(index));
            }
        }
        None
    }

    /// The buckets that hold values, ascending: smallest value, largest value (both in nanoseconds, inclusive), count.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64, u64)> {
        self.cells().map(|(index, count)| (buckets::lower_bound(index), buckets::upper_bound(index), count))
    }

    /// How many values are at most `value_ns`.
    ///
    /// Exact where `value_ns` is the upper edge of a bucket: every value below 64, and every 2^k − 1. Anywhere else
    /// the bucket that `value_ns` falls into is left out, so the answer is never too large.
    #[must_use]
    pub fn count_at_most(&self, value_ns: u64) -> u64 {
        self.buckets()
            .take_while(|&(_, upper, _)| upper <= value_ns)
            .fold(0, |sum, (_, _, count)| sum.saturating_add(count))
    }

    /// The numbers and counts of the buckets that hold values, ascending.
    pub(crate) fn cells(&self) -> impl Iterator<Item = (usize, u64)> {
        self.octaves.iter().flat_map(|octave| {
            let counts = octave.counts.iter().enumerate().filter(|&(_, &count)| count > 0);
            counts.map(|(step, &count)| (octave.number * STEPS + step, count))
        })
    }

    fn position(&self, number: usize) -> Result<usize, usize> {
        self.octaves.binary_search_by_key(&number, |octave| octave.number)
    }

    /// The counts of an octave, made if it is not there. The caller puts a count into it.
    fn octave_mut(&mut self, number: usize) -> &mut [u64; STEPS] {
        let at = self.position(number).unwrap_or_else(|at| {
            self.octaves.insert(at, Octave { number, counts: [0; STEPS] });
            at
        });
        &mut self.octaves[at].counts
    }
}

/// The 1-based rank that the nearest-rank method reads for quantile `q` of `count` values.
pub(super) fn nearest_rank(q: f64, count: u64) -> u64 {
    if q >= 1.0 {
        return count;
    }
    // 0.07 is stored as a little more than 0.07, and 0.07 × 100 would come out above 7, at rank 8. The next float
    // below is never above the number that was written, and the product stays at or under the whole one.
    let rank = (q.next_down() * to_f64(count)).ceil();
    // The cast reads NaN and everything negative as 0 and saturates above.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates at both ends, as wanted")]
    let rank = rank as u64;
    rank.clamp(1, count.max(1))
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let buckets: Vec<_> = self.buckets().collect();
        f.debug_struct("Histogram").field("count", &self.count()).field("buckets_ns", &buckets).finish()
    }
}

#[derive(Serialize, Deserialize)]
struct Wire {
    version: u32,
    buckets: Vec<(u64, u64)>,
}

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let buckets = self.cells().map(|(index, count)| (index as u64, count)).collect();
        Wire { version: WIRE_VERSION, buckets }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Histogram, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        if wire.version != WIRE_VERSION {
            let found = wire.version;
            return Err(de::Error::custom(format_args!(
                "histogram version {found} is not known here, only version {WIRE_VERSION}"
            )));
        }
        let mut histogram = Histogram::new();
        for (index, count) in wire.buckets {
            let bucket = usize::try_from(index).ok().filter(|&bucket| bucket < buckets::BUCKETS);
            let Some(bucket) = bucket else {
                let last = buckets::BUCKETS - 1;
                return Err(de::Error::custom(format_args!(
                    "histogram bucket {index} is off the scale, whose last bucket is {last}"
                )));
            };
            histogram.record_n(buckets::lower_bound(bucket), count);
        }
        Ok(histogram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        for &value in values {
            histogram.record(value);
        }
        histogram
    }

    #[test]
    fn nearest_rank_is_exact_for_fractions_that_floats_cannot_hold() {
        for count in [1, 2, 3, 7, 10, 100, 999, 1_000, 123_457] {
            for thousandth in 0..=1_000_u64 {
                let exact = (thousandth * count).div_ceil(1_000).max(1);
                assert_eq!(nearest_rank(to_f64(thousandth) / 1_000.0, count), exact, "{thousandth} of {count}");
            }
        }
    }

    #[test]
    fn odd_quantiles_read_as_the_nearest_end() {
        let histogram = of(&[1, 2, 3]);
        for low in [0.0, -0.0, -1.0, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(histogram.percentile_ns(low), Some(1), "{low}");
        }
        for high in [1.0, 1.5, f64::INFINITY] {
            assert_eq!(histogram.percentile_ns(high), Some(3), "{high}");
        }
        assert_eq!(Histogram::new().percentile(0.5), None);
    }

    #[test]
    fn counts_saturate() {
        let mut histogram = Histogram::new();
        histogram.record_n(5, u64::MAX);
        histogram.record(5);
        histogram.record(1_000);
        histogram.merge(&of(&[4, 5, 5]));
        assert_eq!(histogram.buckets().next(), Some((4, 4, 1)));
        assert_eq!(histogram.count(), u64::MAX);
        assert_eq!(histogram.percentile_ns(0.5), Some(5));
        assert_eq!(histogram.count_at_most(u64::MAX), u64::MAX);
    }

    #[test]
    fn nothing_recorded_is_nothing_held() {
        let mut histogram = Histogram::new();
        histogram.record_n(7, 0);
        histogram.add_octave(3, &[0; STEPS]);
        assert_eq!(histogram, Histogram::new());
        assert_eq!(of(&[9, 900]).since(&of(&[9, 900])), Histogram::new());
    }

    #[test]
    fn an_octave_of_a_recorder_is_counted_where_its_values_belong() {
        let mut counts = [0; STEPS];
        let (octave, step) = buckets::locate(1_000);
        counts[step] = 2;
        let mut histogram = of(&[1_000]);
        histogram.add_octave(octave, &counts);
        assert_eq!(histogram, of(&[1_000; 3]));
    }

    #[test]
    fn the_serde_form_is_the_documented_one() {
        let json = serde_json::to_string(&of(&[3, 64, 65, u64::MAX])).unwrap();
        assert_eq!(json, r#"{"version":1,"buckets":[[3,1],[64,2],[1919,1]]}"#);
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_says_why() {
        let read = |json| serde_json::from_str::<Histogram>(json).unwrap_err().to_string();
        assert!(read(r#"{"version":2,"buckets":[]}"#).contains("version 2 is not known"));
        assert!(read(r#"{"version":1,"buckets":[[1920,1]]}"#).contains("bucket 1920 is off the scale"));
        assert!(read(r#"{"version":1,"buckets":[[18446744073709551615,1]]}"#).contains("off the scale"));
    }

    #[test]
    fn debug_shows_the_buckets_in_use_only() {
        assert_eq!(format!("{:?}", of(&[3, 3])), "Histogram { count: 2, buckets_ns: [(3, 3, 2)] }");
    }
}
