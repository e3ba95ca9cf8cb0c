//! Histograms of the `metrics` facade against an exact model: the sorted list of every value.
//!
//! Values are of every magnitude that a float has, each as likely as another, above zero and below.
#![allow(clippy::unwrap_used, reason = "a test fails by it")]

use metrics::{histogram, with_local_recorder};
use monitor_core::{Distribution, MetricStats};
use proptest::collection::vec;
use proptest::prelude::*;

/// What is read of the histogram that a recorder is told these values for; `None` if there are none.
fn recorded(values: &[f64]) -> Option<Distribution> {
    let local = tests::local();
    with_local_recorder(&local.metrics_recorder(), || {
        for value in values {
            histogram!("values").record(*value);
        }
    });
    let snapshot = local.snapshot();
    snapshot.metric("values", &[]).and_then(MetricStats::histogram).cloned()
}

/// A value of any magnitude, each as likely as another, above zero or below.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        1 => prop::sample::select(vec![0.0, 1.0, -1.0, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1e-300, -1e300, 64.0, 63.999]),
        3 => (-300..300_i32, 1.0..10.0_f64).prop_map(|(exponent, digits)| digits * 10_f64.powi(exponent)),
        1 => (-300..300_i32, 1.0..10.0_f64).prop_map(|(exponent, digits)| -digits * 10_f64.powi(exponent)),
        3 => 0.001..10.0_f64,
    ]
}

/// The nearest-rank percentile of sorted values at `p` thousandths.
fn exact(sorted: &[f64], p: usize) -> f64 {
    sorted[(p * sorted.len()).div_ceil(1_000).max(1) - 1]
}

#[expect(clippy::cast_precision_loss, reason = "p is at most 1,000")]
fn quantile(p: usize) -> f64 {
    p as f64 / 1_000.0
}

fn of(values: &[f64]) -> Distribution {
    values.iter().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_percentile_is_within_its_bound_and_the_rest_exact(mut values in vec(value(), 1..200)) {
        let found = recorded(&values).unwrap();
        prop_assert_eq!(&found, &of(&values));
        values.sort_by(f64::total_cmp);
        prop_assert_eq!(found.count(), values.len() as u64);
        prop_assert_eq!((found.min(), found.max()), (values.first().copied(), values.last().copied()));
        for p in (0..=1_000).step_by(9).chain(990..=1_000) {
            let (read, exact) = (found.percentile(quantile(p)).unwrap(), exact(&values, p));
            // Half a bucket is 1/64 = 1.5625 % of its lower end.
            prop_assert!((read - exact).abs() <= exact.abs() / 64.0, "{p}: {read:e} for {exact:e}");
        }
        for (low, high, count) in found.buckets() {
            let inside = values.iter().filter(|value| (low..=high).contains(*value)).count() as u64;
            prop_assert_eq!(count, inside);
            let at_most = values.iter().filter(|value| **value <= high).count() as u64;
            prop_assert_eq!(found.count_at_most(high), at_most);
        }
    }

    #[test]
    fn merging_is_recording_in_one_and_since_takes_it_back(a in vec(value(), 0..60), b in vec(value(), 0..60)) {
        let mut merged = of(&a);
        merged.merge(&of(&b));
        let whole = of(&[&a[..], &b[..]].concat());
        let cells = |all: &Distribution| all.buckets().collect::<Vec<_>>();
        prop_assert_eq!(cells(&merged), cells(&whole));
        prop_assert_eq!((merged.min(), merged.max()), (whole.min(), whole.max()));
        prop_assert_eq!(cells(&merged.since(&of(&a))), cells(&of(&b)));
        prop_assert!(of(&a).since(&merged).is_empty());
    }

    #[test]
    fn a_distribution_comes_back_the_same(values in vec(value(), 0..60)) {
        let before = of(&values);
        let after: Distribution = serde_json::from_str(&serde_json::to_string(&before).unwrap()).unwrap();
        prop_assert_eq!(after, before);
    }

    #[test]
    fn any_float_can_be_recorded_and_asked_for(values in vec(any::<f64>(), 0..20), q in any::<f64>()) {
        if let Some(found) = recorded(&values) {
            prop_assert_eq!(found.count() + found.not_finite(), values.len() as u64);
            prop_assert_eq!(found.percentile(q).is_some(), found.count() > 0);
            prop_assert!(found.sum().is_finite());
        }
    }
}
