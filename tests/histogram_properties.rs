//! The histogram against an exact model: the sorted list of every value.
//!
//! Values are drawn from the whole of `u64`, with the places where a log-linear scale can go wrong (0, the ends, powers
//! of two and their neighbours) drawn far more often than chance would.

use std::time::Duration;

use monitor_core::Histogram;
use proptest::collection::vec;
use proptest::prelude::*;

/// A value: an edge of the scale, or any value of any magnitude, each magnitude as likely as another.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        2 => prop::sample::select(vec![0, 1, 2, 31, 32, 33, 63, 64, 65, u64::MAX - 1, u64::MAX]),
        3 => (0..64_u32, -1..=1_i64).prop_map(|(bit, offset)| (1_u64 << bit).wrapping_add_signed(offset)),
        5 => (0..64_u32, any::<u64>()).prop_map(|(shift, bits)| bits >> shift),
    ]
}

fn values() -> impl Strategy<Value = Vec<u64>> {
    prop_oneof![
        3 => vec(value(), 1..200),
        // Durations of one operation lie close together.
        1 => (value(), vec(0..1_000_u64, 1..200))
            .prop_map(|(base, offsets)| offsets.iter().map(|offset| base.saturating_add(*offset)).collect()),
    ]
}

fn histogram(values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    for &value in values {
        histogram.record(value);
    }
    histogram
}

/// The nearest-rank percentile of sorted values at `p` hundredths of a percent, in integers.
fn exact(sorted: &[u64], p: usize) -> u64 {
    sorted[(p * sorted.len()).div_ceil(10_000).max(1) - 1]
}

#[expect(clippy::cast_precision_loss, reason = "p is at most 10,000")]
fn quantile(p: usize) -> f64 {
    p as f64 / 10_000.0
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Every rank of up to 200 values, and the tail in finer steps.
    #[test]
    fn every_percentile_is_within_its_bound(mut values in values()) {
        let histogram = histogram(&values);
        values.sort_unstable();
        for p in (0..=10_000).step_by(50).chain(9_900..=10_000) {
            let (found, exact) = (histogram.percentile_ns(quantile(p)).unwrap(), exact(&values, p));
            // Half a bucket is 1/64 = 1.5625 % of its lower bound.
            prop_assert!(found.abs_diff(exact) <= exact / 64, "{p}: {found} for {exact}");
        }
        let median = histogram.percentile_ns(0.5).map(Duration::from_nanos);
        prop_assert_eq!(histogram.percentile(0.5), median);
    }

    #[test]
    fn percentiles_never_fall(values in values(), mut quantiles in vec(-0.5..1.5_f64, 2..20)) {
        let histogram = histogram(&values);
        quantiles.sort_by(f64::total_cmp);
        let read: Vec<_> = quantiles.iter().map(|&q| histogram.percentile_ns(q)).collect();
        prop_assert!(read.is_sorted(), "{read:?}");
    }

    #[test]
    fn any_float_is_a_quantile(values in vec(value(), 0..5), q in any::<f64>()) {
        prop_assert_eq!(histogram(&values).percentile_ns(q).is_some(), !values.is_empty());
    }

    #[test]
    fn merging_is_recording_in_one(parts in vec(vec(value(), 0..60), 0..6)) {
        let mut merged = Histogram::new();
        for part in &parts {
            merged.merge(&histogram(part));
        }
        prop_assert_eq!(merged, histogram(&parts.concat()));
    }

    #[test]
    fn the_order_of_recording_and_merging_does_not_matter(a in vec(value(), 0..60), b in vec(value(), 0..60)) {
        let (mut ab, mut ba) = (histogram(&a), histogram(&b));
        ab.merge(&histogram(&b));
        ba.merge(&histogram(&a));
        prop_assert_eq!(ab, ba);
    }

    #[test]
    fn since_takes_back_what_merge_added(earlier in vec(value(), 0..60), added in vec(value(), 0..60)) {
        let mut later = histogram(&earlier);
        later.merge(&histogram(&added));
        prop_assert_eq!(later.since(&histogram(&earlier)), histogram(&added));
        // The wrong way round there is nothing, not an overflow.
        prop_assert!(histogram(&earlier).since(&later).is_empty());
    }

    #[test]
    fn a_round_trip_keeps_every_percentile(values in values()) {
        let before = histogram(&values);
        let json = serde_json::to_string(&before).unwrap();
        let after: Histogram = serde_json::from_str(&json).unwrap();
        for p in (0..=10_000).step_by(100) {
            prop_assert_eq!(after.percentile_ns(quantile(p)), before.percentile_ns(quantile(p)));
        }
        prop_assert_eq!(after, before);
    }

    /// Exact at the upper edge of every bucket in use and at every 2^k − 1; elsewhere short of the bucket that the
    /// bound lies in, and of no other.
    #[test]
    fn count_at_most_is_exact_at_the_edges(values in values(), bound in value()) {
        let histogram = histogram(&values);
        let exact = |bound: u64| values.iter().filter(|&&value| value <= bound).count() as u64;
        for (lower, upper, _) in histogram.buckets() {
            prop_assert_eq!(histogram.count_at_most(upper), exact(upper));
            if lower > 0 {
                prop_assert_eq!(histogram.count_at_most(lower - 1), exact(lower - 1));
            }
        }
        for bit in 0..64 {
            prop_assert_eq!(histogram.count_at_most((1 << bit) - 1), exact((1 << bit) - 1));
        }
        let inside = histogram.buckets().find(|(lower, upper, _)| (*lower..*upper).contains(&bound));
        let left_out = inside.map_or(0, |(lower, _, _)| values.iter().filter(|v| (lower..=bound).contains(v)).count());
        prop_assert_eq!(histogram.count_at_most(bound) + left_out as u64, exact(bound));
    }

    #[test]
    fn the_buckets_hold_every_value_once(values in values()) {
        let histogram = histogram(&values);
        let mut last = None;
        for (lower, upper, count) in histogram.buckets() {
            prop_assert!(last < Some(lower) && lower <= upper, "{lower} to {upper} after {last:?}");
            let inside = values.iter().filter(|&&value| (lower..=upper).contains(&value)).count() as u64;
            prop_assert_eq!(count, inside);
            last = Some(upper);
        }
        prop_assert_eq!(histogram.count(), values.len() as u64);
        prop_assert_eq!(histogram.buckets().map(|(_, _, count)| count).sum::<u64>(), histogram.count());
    }

    #[test]
    fn recording_n_times_is_recording_n(value in value(), n in 0..50_u64) {
        let mut at_once = Histogram::new();
        at_once.record_n(value, n);
        prop_assert_eq!(at_once, histogram(&vec![value; usize::try_from(n).unwrap()]));
    }
}
