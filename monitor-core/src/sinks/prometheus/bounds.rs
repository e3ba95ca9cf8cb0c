//! Bounds of buckets, and how many values of a histogram are at most each.

use std::time::Duration;

use crate::base::buckets;
use crate::base::error::Error;
use crate::model::{Distribution, Histogram};

/// More would be a mistake: each is a series for each operation.
const MOST: usize = 200;

const ALLOWED: &str = "1 to 200 numbers above 0, each larger than the one before";

/// Upper ends of buckets, each included in its own; the one without an end is not among them.
#[derive(Debug, Clone)]
pub(super) struct Bounds {
    /// As the label `le` has them.
    texts: Vec<Box<str>>,
    values: Vec<f64>,
    /// Taken as seconds: buckets of a [`Histogram`] that are below the bound with all that they hold.
    cells: Vec<usize>,
}

impl Bounds {
    pub(super) fn new(setting: &'static str, values: &[f64]) -> Result<Bounds, Error> {
        let ascend = values.windows(2).all(|pair| pair[0] < pair[1]);
        let fit = values.iter().all(|value| value.is_finite() && *value > 0.0);
        if values.is_empty() || values.len() > MOST || !ascend || !fit {
            let given = values.iter().take(8).map(f64::to_string).collect::<Vec<_>>().join(", ");
            let given = if values.len() > 8 { format!("{given}, … ({} in all)", values.len()) } else { given };
            return Err(Error::invalid_setting(setting, format_args!("[{given}]"), ALLOWED));
        }
        Ok(Bounds::of(values))
    }

    /// Of numbers that are known to be good.
    pub(super) fn of(values: &[f64]) -> Bounds {
        let cells = values.iter().map(|&seconds| {
            // From f64 it stops at the ends.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it stops at the ends")]
            let nanos = (seconds * 1e9).round() as u64;
            let cell = buckets::index(nanos);
            if buckets::upper_bound(cell) == nanos { cell + 1 } else { cell }
        });
        // `{:?}` has a point in each number, as OpenMetrics wants it. The same in both formats: `le` is part of the series.
        let texts = values.iter().map(|value| format!("{value:?}").into_boxed_str()).collect();
        Bounds { texts, cells: cells.collect(), values: values.to_vec() }
    }

    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    /// Puts into `counts` how many durations are at most each bound, and returns how many there are.
    pub(super) fn durations(&self, histogram: &Histogram, counts: &mut Vec<u64>) -> u64 {
        counts.clear();
        histogram.counts_below(&self.cells, counts)
    }

    /// Which bucket counts a duration; their number stands for the one without an end.
    pub(super) fn bucket(&self, duration: Duration) -> usize {
        let cell = buckets::index(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX));
        self.cells.partition_point(|&end| end <= cell)
    }

    /// The same for values without a unit of time.
    pub(super) fn values(&self, values: &Distribution, counts: &mut Vec<u64>) -> u64 {
        counts.clear();
        let mut seen = 0_u64;
        for (_, upper, count) in values.buckets() {
            while self.values.get(counts.len()).is_some_and(|&bound| bound < upper) {
                counts.push(seen);
            }
            seen = seen.saturating_add(count);
        }
        counts.resize(self.values.len(), seen);
        seen
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bad_bounds_are_refused_with_what_is_allowed() {
        for bad in [&[][..], &[0.0], &[-1.0], &[1.0, 1.0], &[2.0, 1.0], &[f64::NAN], &[f64::INFINITY], &[1.0; 500]] {
            let error = Bounds::new("buckets", bad).unwrap_err();
            assert!(error.to_string().contains("1 to 200 numbers above 0"), "{error}");
        }
        assert_eq!(
            Bounds::new("buckets", &[0.005, 1.0, 2.5]).unwrap().texts().collect::<Vec<_>>(),
            ["0.005", "1.0", "2.5"]
        );
    }

    proptest! {
        #[test]
        fn durations_are_counted_as_the_histogram_counts_them(
            values in prop::collection::vec(prop_oneof![0..200_u64, any::<u64>(), 0..10_000_000_000_u64], 0..50),
            bounds in prop::collection::btree_set(prop_oneof![1..3_000_u64, 1..100_000_000_000_u64], 1..20),
        ) {
            let mut histogram = Histogram::new();
            for &value in &values {
                histogram.record(value);
            }
            let seconds: Vec<_> = bounds.iter().map(|&ns| Duration::from_nanos(ns).as_secs_f64()).collect();
            let mut counts = vec![7];
            let count = Bounds::new("buckets", &seconds).unwrap().durations(&histogram, &mut counts);
            prop_assert_eq!(count, histogram.count());
            prop_assert_eq!(counts, bounds.iter().map(|&ns| histogram.count_at_most(ns)).collect::<Vec<_>>());
        }

        #[test]
        fn a_duration_is_in_the_bucket_that_counts_it(
            ns in prop_oneof![0..200_u64, any::<u64>(), 0..10_000_000_000_u64],
            bounds in prop::collection::btree_set(prop_oneof![1..3_000_u64, 1..100_000_000_000_u64], 1..20),
        ) {
            let mut histogram = Histogram::new();
            histogram.record(ns);
            let seconds: Vec<_> = bounds.iter().map(|&ns| Duration::from_nanos(ns).as_secs_f64()).collect();
            let bounds = Bounds::new("buckets", &seconds).unwrap();
            let mut counts = Vec::new();
            bounds.durations(&histogram, &mut counts);
            let below = counts.iter().filter(|&&count| count == 0).count();
            prop_assert_eq!(bounds.bucket(Duration::from_nanos(ns)), below);
        }

        #[test]
        fn values_are_counted_as_the_distribution_counts_them(
            values in prop::collection::vec(prop_oneof![-10.0..10.0_f64, any::<f64>()], 0..50),
            bounds in prop::collection::btree_set(1..3_000_u32, 1..20),
        ) {
            let values: Distribution = values.into_iter().collect();
            let bounds: Vec<_> = bounds.into_iter().map(|bound| f64::from(bound) / 64.0).collect();
            let mut counts = Vec::new();
            let count = Bounds::new("buckets", &bounds).unwrap().values(&values, &mut counts);
            prop_assert_eq!(count, values.count());
            prop_assert_eq!(counts, bounds.iter().map(|&bound| values.count_at_most(bound)).collect::<Vec<_>>());
        }
    }
}
