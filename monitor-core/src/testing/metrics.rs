//! Assertions on the host's own metrics.

use std::fmt;

use super::report::nearest;
use crate::model::text::{format_count, one_line, plural};
use crate::model::{Distribution, MetricKind, MetricStats, MetricValue, Snapshot};

/// Begins assertions on the metric of that name with exactly these labels, in any order.
///
/// ```
/// use monitor_core::{Monitor, testing};
///
/// let local = Monitor::builder().build()?;
/// metrics::with_local_recorder(&local.metrics_recorder(), || {
///     metrics::counter!("requests", "route" => "/users").increment(3);
///     metrics::histogram!("request_seconds").record(0.25);
/// });
/// let snapshot = local.snapshot();
/// testing::assert_metric(&snapshot, "requests", &[("route", "/users")]).counter(3);
/// testing::assert_metric(&snapshot, "request_seconds", &[]).count(1).max_below(0.5);
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
///
/// When there is no such metric, with the label sets of that name or else the names there are.
#[track_caller]
pub fn assert_metric<'a>(snapshot: &'a Snapshot, name: &str, labels: &[(&str, &str)]) -> MetricAssert<'a> {
    match snapshot.metric(name, labels) {
        Some(stats) => MetricAssert { stats },
        None => panic!(
            "no metric `{}` with the labels {labels:?} is known; {}",
            one_line(name),
            Nearest { all: snapshot.metrics(), name }
        ),
    }
}

/// Assertions on one metric, from [`assert_metric`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with what the metric says, when they do not hold; also when it is of another kind.
#[derive(Debug, Clone, Copy)]
pub struct MetricAssert<'a> {
    stats: &'a MetricStats,
}

/// # Counters and gauges
impl MetricAssert<'_> {
    /// It is a counter of exactly `n`.
    #[track_caller]
    pub fn counter(self, n: u64) -> Self {
        self.check(self.stats.counter() == Some(n), format_args!("expected a counter of {}", format_count(n)))
    }

    /// It is a counter of at least `n`.
    #[track_caller]
    pub fn counter_at_least(self, n: u64) -> Self {
        let holds = self.stats.counter().is_some_and(|found| found >= n);
        self.check(holds, format_args!("expected a counter of at least {}", format_count(n)))
    }

    /// It is a gauge at `value`, but for the rounding of additions: one part in a billion. NaN is NaN.
    #[track_caller]
    pub fn gauge(self, value: f64) -> Self {
        #[expect(clippy::float_cmp, reason = "infinities have no difference")]
        let near = |found: f64| {
            let allowed = found.abs().max(value.abs()) * 1e-9;
            found == value || (found.is_nan() && value.is_nan()) || (found - value).abs() <= allowed
        };
        let holds = self.stats.gauge().is_some_and(near);
        self.check(holds, format_args!("expected a gauge at {value}"))
    }
}

/// # Histograms
///
/// A limit is exclusive. Percentiles are read within 1.6 %, the maximum exactly. A histogram without a value keeps no limit.
impl MetricAssert<'_> {
    /// It is a histogram of exactly `n` values.
    #[track_caller]
    pub fn count(self, n: u64) -> Self {
        let found = self.stats.histogram().map(Distribution::count);
        self.check(found == Some(n), format_args!("expected a histogram of {}", plural(n, "value")))
    }

    /// The value at quantile `q`, a fraction, is below `limit`.
    #[track_caller]
    pub fn percentile_below(self, q: f64, limit: f64) -> Self {
        let found = self.stats.histogram().and_then(|values| values.percentile(q));
        self.check(found.is_some_and(|found| found < limit), format_args!("expected quantile {q} below {limit}"))
    }

    /// The largest value is below `limit`.
    #[track_caller]
    pub fn max_below(self, limit: f64) -> Self {
        let found = self.stats.histogram().and_then(Distribution::max);
        self.check(found.is_some_and(|found| found < limit), format_args!("expected a maximum below {limit}"))
    }
}

/// # What it is
impl<'a> MetricAssert<'a> {
    /// It is of that kind.
    #[track_caller]
    pub fn kind(self, kind: MetricKind) -> Self {
        self.check(self.stats.kind() == kind, format_args!("expected a {kind}"))
    }

    /// It is measured in that unit.
    #[track_caller]
    pub fn unit(self, unit: &str) -> Self {
        self.check(self.stats.unit == unit, format_args!("expected the unit {unit:?}"))
    }

    /// It is described by that text.
    #[track_caller]
    pub fn description(self, text: &str) -> Self {
        self.check(self.stats.description == text, format_args!("expected the description {text:?}"))
    }

    /// The figures themselves, for what is not covered here.
    pub fn stats(self) -> &'a MetricStats {
        self.stats
    }

    #[track_caller]
    fn check(self, holds: bool, expected: fmt::Arguments<'_>) -> Self {
        assert!(holds, "metric `{}`: {expected}, found {}", one_line(&self.stats.name), Report(self.stats));
        self
    }
}

/// What a metric says, a line a subject.
struct Report<'a>(&'a MetricStats);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let metric = self.0;
        match &metric.value {
            MetricValue::Counter(count) => write!(f, "a counter of {}", format_count(*count))?,
            MetricValue::Gauge(value) => write!(f, "a gauge at {value}")?,
            MetricValue::Histogram(values) => {
                write!(f, "a histogram of {}", plural(values.count(), "value"))?;
                let read = |q| values.percentile(q).unwrap_or(f64::NAN);
                if let (Some(min), Some(max)) = (values.min(), values.max()) {
                    write!(f, "\n  values       min {min}, p50 {}, p99 {}, max {max}", read(0.5), read(0.99))?;
                }
            }
        }
        write!(f, "\n  unit         {:?}\n  description  {:?}", metric.unit, metric.description)?;
        write!(f, "\n  labels       {:?}", metric.labels)
    }
}

/// The label sets of a name that is there, else the names that are most like it.
struct Nearest<'a> {
    all: &'a [MetricStats],
    name: &'a str,
}

impl fmt::Display for Nearest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let same = self.all.iter().filter(|metric| metric.name == self.name);
        let labels: Vec<_> = same.map(|metric| format!("{:?}", metric.labels)).collect();
        if !labels.is_empty() {
            return write!(f, "by its labels {}", nearest(labels.iter().map(String::as_str), ""));
        }
        let mut names: Vec<_> = self.all.iter().map(|metric| metric.name.as_str()).collect();
        names.dedup();
        if names.is_empty() {
            return f
                .write_str("nothing is: was the recorder of this monitor installed, or used in the scope of a test?");
        }
        f.write_str(&nearest(names.into_iter(), self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::model::{SnapshotParts, example_metric};

    fn snapshot() -> Snapshot {
        let values = [1.0, 2.0, 3.0].into_iter().collect();
        let metrics = vec![
            example_metric("hits", &[("route", "/a")], "count", MetricValue::Counter(1_234)),
            example_metric("room", &[], "bytes", MetricValue::Gauge(0.1 + 0.2)),
            example_metric("size", &[], "", MetricValue::Histogram(values)),
            example_metric("waits", &[], "", MetricValue::Histogram(Distribution::new())),
        ];
        Snapshot::new(SnapshotParts { metrics, ..SnapshotParts::empty() })
    }

    #[test]
    fn what_holds_passes_and_what_does_not_fails_with_what_it_says() {
        let snapshot = snapshot();
        let hits = assert_metric(&snapshot, "hits", &[("route", "/a")]);
        hits.counter(1_234).counter_at_least(1_234).kind(MetricKind::Counter).unit("count").description("");
        let room = assert_metric(&snapshot, "room", &[]).gauge(0.3);
        let size = assert_metric(&snapshot, "size", &[]).count(3).percentile_below(0.5, 2.1).max_below(3.1);
        let waits = assert_metric(&snapshot, "waits", &[]).count(0);
        let messages = [
            message(|| _ = hits.counter(1_233)),
            message(|| _ = hits.counter_at_least(1_235)),
            message(|| _ = hits.gauge(1_234.0)),
            message(|| _ = hits.count(1)),
            message(|| _ = hits.unit("bytes")),
            message(|| _ = hits.description("x")),
            message(|| _ = room.gauge(0.31)),
            message(|| _ = room.counter(0)),
            message(|| _ = room.kind(MetricKind::Histogram)),
            message(|| _ = size.count(2)),
            message(|| _ = size.percentile_below(0.5, 1.9)),
            message(|| _ = size.max_below(3.0)),
            message(|| _ = waits.max_below(1.0)),
            message(|| _ = waits.percentile_below(0.5, 1.0)),
        ];
        for message in &messages {
            assert!(message.starts_with("metric `") && message.contains("expected "), "{message}");
            assert!(message.contains(", found a ") && message.contains("\n  labels       {"), "{message}");
        }
        assert!(messages[0].contains("a counter of 1,233, found a counter of 1,234\n"), "{}", messages[0]);
        assert!(messages[9].contains("\n  values       min 1, p50 2.0"), "{}", messages[9]);
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_and_wrong_labels_with_those_there_are() {
        let snapshot = snapshot();
        let failed = message(|| _ = assert_metric(&snapshot, "hist", &[]));
        assert!(failed.starts_with("no metric `hist` with the labels [] is known; there are:\n  hits\n"), "{failed}");
        let failed = message(|| _ = assert_metric(&snapshot, "hits", &[("route", "/b")]));
        assert!(failed.ends_with("is known; by its labels there are:\n  {\"route\": \"/a\"}"), "{failed}");
        let none = Snapshot::new(SnapshotParts::empty());
        assert!(message(|| _ = assert_metric(&none, "hits", &[])).contains("nothing is"));
    }
}
