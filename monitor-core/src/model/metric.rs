//! A metric of the host, which came through the `metrics` facade, as it is read.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::float_text;
use super::{Distribution, Labels};
use crate::base::names::{bounded_name, bounded_value, label_key};

/// A metric of the host with one set of labels, which came through the `metrics` facade.
///
/// An information metric (which version runs, which settings are in force) is a gauge of value 1 with labels that say it.
///
/// Serde's form has `kind` and `value`: an integer for a counter, a text for a gauge (see [`MetricValue::Gauge`]), an object
/// for a histogram.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricStats {
    /// Its name, as the host gave it; over 200 bytes it is cut.
    pub name: String,
    /// What it is, in the host's words, for people; empty if nobody said it. Over 1,024 bytes it is cut.
    #[serde(default)]
    pub description: String,
    /// What it is measured in, such as `seconds` or `bytes`; empty if nobody said it.
    #[serde(default)]
    pub unit: String,
    /// What tells it from others of its name.
    #[serde(default)]
    pub labels: Labels,
    /// Its value.
    #[serde(flatten)]
    pub value: MetricValue,
}

/// What a metric says at one moment, or between two of them.
#[non_exhaustive]
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum MetricValue {
    /// How often something happened: it goes up alone. At `u64::MAX` it stays.
    Counter(u64),
    /// How much there is of something: the last value that was set, also NaN or an infinity if that was set. Serde's form is
    /// a text, `"0.25"`, `"NaN"`, `"+Inf"`, since JSON numbers do not keep every float whole. NaN equals NaN here, so that
    /// what is written and read back is equal.
    Gauge(#[serde(with = "float_text")] f64),
    /// Values with their count, sum and percentiles.
    Histogram(Distribution),
}

impl PartialEq for MetricValue {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Counter(a), Self::Counter(b)) => a == b,
            (Self::Gauge(a), Self::Gauge(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Histogram(a), Self::Histogram(b)) => a == b,
            _ => false,
        }
    }
}

/// What a metric is.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MetricKind {
    /// It goes up alone.
    Counter,
    /// It goes up and down.
    Gauge,
    /// It has many values.
    Histogram,
}

impl MetricKind {
    /// `counter`, `gauge` or `histogram`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

impl fmt::Display for MetricKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl MetricStats {
    /// What it is.
    #[must_use]
    pub fn kind(&self) -> MetricKind {
        match self.value {
            MetricValue::Counter(_) => MetricKind::Counter,
            MetricValue::Gauge(_) => MetricKind::Gauge,
            MetricValue::Histogram(_) => MetricKind::Histogram,
        }
    }

    /// The count of a counter; `None` if it is something else.
    #[must_use]
    pub fn counter(&self) -> Option<u64> {
        match self.value {
            MetricValue::Counter(count) => Some(count),
            _ => None,
        }
    }

    /// The value of a gauge; `None` if it is something else.
    #[must_use]
    pub fn gauge(&self) -> Option<f64> {
        match self.value {
            MetricValue::Gauge(value) => Some(value),
            _ => None,
        }
    }

    /// The values of a histogram; `None` if it is something else.
    #[must_use]
    pub fn histogram(&self) -> Option<&Distribution> {
        match &self.value {
            MetricValue::Histogram(values) => Some(values),
            _ => None,
        }
    }

    fn key(&self) -> (&str, MetricKind, &Labels) {
        (&self.name, self.kind(), &self.labels)
    }
}

/// By name, kind and labels.
#[cfg(feature = "metrics")]
pub(crate) fn sort(metrics: &mut [MetricStats]) {
    metrics.sort_by(|a, b| a.key().cmp(&b.key()));
}

/// The first of that name with exactly these labels, in any order.
pub(super) fn find<'a>(metrics: &'a [MetricStats], name: &str, labels: &[(&str, &str)]) -> Option<&'a MetricStats> {
    let name = bounded_name(name);
    // In the order in which a recorder takes them: of several with one key the same one stays.
    let mut given = labels.to_vec();
    given.sort_by_key(|(key, _)| *key);
    let mut labels: Vec<(Cow<'_, str>, Cow<'_, str>)> =
        given.iter().map(|(key, value)| (label_key(key), bounded_value(value))).collect();
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    labels.dedup_by(|later, first| later.0 == first.0);
    metrics.iter().filter(|metric| metric.name == *name && metric.labels.len() == labels.len()).find(|metric| {
        labels.iter().all(|(key, value)| metric.labels.get(&**key).is_some_and(|found| *found == **value))
    })
}

/// What came between two moments: of counters and histograms the difference, of gauges the later one.
pub(super) fn all_since(later: &[MetricStats], earlier: &[MetricStats], _window: Duration) -> Vec<MetricStats> {
    let before: std::collections::HashMap<_, _> = earlier.iter().map(|metric| (metric.key(), metric)).collect();
    later
        .iter()
        .map(|metric| {
            let before = before.get(&metric.key()).map(|before| &before.value);
            let value = match (&metric.value, before) {
                (MetricValue::Counter(now), Some(MetricValue::Counter(before))) => {
                    MetricValue::Counter(now.saturating_sub(*before))
                }
                (MetricValue::Histogram(now), Some(MetricValue::Histogram(before))) => {
                    MetricValue::Histogram(now.since(before))
                }
                (value, _) => value.clone(),
            };
            MetricStats { value, ..metric.clone() }
        })
        .collect()
}

/// A metric as tests need it.
#[cfg(test)]
pub(crate) fn example(name: &str, labels: &[(&str, &str)], unit: &str, value: MetricValue) -> MetricStats {
    MetricStats {
        name: name.into(),
        description: String::new(),
        unit: unit.into(),
        labels: labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect(),
        value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f64]) -> MetricValue {
        MetricValue::Histogram(values.iter().copied().collect())
    }

    #[test]
    fn every_value_comes_back_the_same() {
        let floats = [0.1 + 0.2, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 5e-324, f64::MAX, 1e21];
        let gauges = floats.map(MetricValue::Gauge);
        let others = [MetricValue::Counter(u64::MAX), of(&[]), of(&[0.1, 0.7, 1e-9, -4.0, f64::NAN])];
        for value in gauges.into_iter().chain(others) {
            let metric = example("a", &[("k", "v")], "seconds", value);
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(serde_json::from_str::<MetricStats>(&json).unwrap(), metric, "{json}");
        }
        let json = serde_json::to_value(example("a", &[], "", MetricValue::Gauge(f64::INFINITY))).unwrap();
        assert_eq!((json["kind"].as_str(), json["value"].as_str()), (Some("gauge"), Some("+Inf")));
        let written = r#"{"name":"a","kind":"gauge","value":2}"#;
        assert_eq!(serde_json::from_str::<MetricStats>(written).unwrap().gauge(), Some(2.0));
    }

    #[test]
    fn a_difference_is_taken_by_name_kind_and_labels() {
        let counter = |count| MetricValue::Counter(count);
        let earlier = [
            example("a", &[], "", counter(5)),
            example("a", &[("k", "v")], "", counter(9)),
            example("b", &[], "", MetricValue::Gauge(3.0)),
            example("c", &[], "", of(&[1.0])),
        ];
        let later = [
            example("a", &[], "", counter(7)),
            example("a", &[("k", "v")], "", counter(8)),
            example("a", &[("k", "new")], "", counter(4)),
            example("b", &[], "", MetricValue::Gauge(2.0)),
            example("c", &[], "", of(&[1.0, 1.0])),
        ];
        let between = all_since(&later, &earlier, Duration::ZERO);
        let counts: Vec<_> = between.iter().filter_map(MetricStats::counter).collect();
        assert_eq!((counts, between[3].gauge()), (vec![2, 0, 4], Some(2.0)));
        assert_eq!(between[4].histogram().map(Distribution::count), Some(1));
    }

    #[test]
    fn a_metric_is_found_by_all_of_its_labels_in_any_order() {
        let metrics = [
            example("a", &[], "", MetricValue::Counter(1)),
            example("a", &[("x", "1"), ("y_z", "2")], "", MetricValue::Counter(2)),
        ];
        let count = |labels: &[(&str, &str)]| find(&metrics, "a", labels).and_then(MetricStats::counter);
        assert_eq!(count(&[]), Some(1));
        assert_eq!((count(&[("y.z", "2"), ("x", "1")]), count(&[("x", "1"), ("y_z", "2")])), (Some(2), Some(2)));
        assert_eq!((count(&[("x", "1")]), count(&[("x", "1"), ("y_z", "3")])), (None, None));
        // Of several with one key the first stays, as where it is counted.
        assert_eq!((count(&[("x", "1"), ("x", "1")]), count(&[("x", "1"), ("y_z", "2"), ("x", "3")])), (None, Some(2)));
    }
}
