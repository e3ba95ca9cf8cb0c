//! The host's own metrics: counters, gauges and histograms by name and labels.
//!
//! | file | owns |
//! |---|---|
//! | `counter`, `gauge`, `histogram` | one metric with one set of labels, as threads write it |
//! | `registry` | which there are, and the caps on them |
//!
//! Here: the metrics of a monitor, found, described and read. Names and label sets are capped as those of operations are, and what is over a cap shares one
//! metric `(overflow)` of each kind, or the label set `overflow="true"`, and is counted. A metric lives as long as anybody
//! holds it, and is written without a lock: neither the end of the monitor nor a fork touches those that the host keeps.

mod counter;
mod gauge;
mod histogram;
mod registry;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::FixedState;
use parking_lot::RwLock;

pub(crate) use self::counter::Counter;
pub(crate) use self::gauge::Gauge;
pub(crate) use self::histogram::Histogram;
pub(crate) use self::registry::LabelRefs;
use self::registry::{Cap, Identity, Registry, Series, sort_labels};
use super::MetricTotals;
use super::reentry::unless_inside;
use crate::base::names::{bounded_name, truncated};
use crate::model::{MetricKind, MetricStats, MetricValue, sort_metrics};

/// Longest description in bytes; what is longer is cut.
const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// A metric with its values, as the host holds it.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    Counter(Arc<Counter>),
    Gauge(Arc<Gauge>),
    Histogram(Arc<Histogram>),
}

impl Handle {
    fn new(kind: MetricKind) -> Self {
        match kind {
            MetricKind::Counter => Self::Counter(Arc::new(Counter::new())),
            MetricKind::Gauge => Self::Gauge(Arc::default()),
            MetricKind::Histogram => Self::Histogram(Arc::new(Histogram::new())),
        }
    }

    fn read(&self) -> MetricValue {
        match self {
            Self::Counter(counter) => MetricValue::Counter(counter.read()),
            Self::Gauge(gauge) => MetricValue::Gauge(gauge.read()),
            Self::Histogram(histogram) => MetricValue::Histogram(histogram.read()),
        }
    }
}

/// The metrics of a monitor.
#[derive(Default)]
pub(crate) struct Metrics {
    registry: RwLock<Registry>,
    most: AtomicUsize,
    most_label_sets: AtomicUsize,
    over_cap: AtomicU64,
    over_label_sets: AtomicU64,
    descriptions_dropped: AtomicU64,
    names_changed: AtomicU64,
    reentrant: AtomicU64,
}

struct Description {
    text: Box<str>,
    unit: &'static str,
}

impl Metrics {
    pub(crate) fn set_limits(&self, metrics: usize, label_sets: usize) {
        self.most.store(metrics, Ordering::Relaxed);
        self.most_label_sets.store(label_sets, Ordering::Relaxed);
    }

    /// The metric of that kind, name and labels, made now if there is none yet and the caps allow it. The order of the
    /// labels does not matter; of several with one key the first stays. `None` from within itself: see `reentry`.
    pub(crate) fn find(
        &self,
        state: &FixedState,
        kind: MetricKind,
        name: &str,
        mut labels: LabelRefs<'_>,
    ) -> Option<Handle> {
        sort_labels(&mut labels);
        let identity = Identity { kind, name, labels: &labels };
        let limits = (self.most.load(Ordering::Relaxed), self.most_label_sets.load(Ordering::Relaxed));
        let found = unless_inside(|| {
            // In a statement of its own: the read lock must be gone before the write lock is asked for.
            let found = self.registry.read().find(state, identity, limits);
            found.unwrap_or_else(|| self.registry.write().find_or_insert(state, identity, limits))
        });
        let count = |count: &AtomicU64| _ = count.fetch_add(1, Ordering::Relaxed);
        let Some(found) = found else {
            count(&self.reentrant);
            return None;
        };
        if found.changed {
            count(&self.names_changed);
        }
        match found.cap {
            None => {}
            Some(Cap::Metrics) => count(&self.over_cap),
            Some(Cap::LabelSets) => count(&self.over_label_sets),
        }
        Some(found.handle)
    }

    /// Says what a metric is, whether it is there already or comes later. The last one holds.
    pub(crate) fn describe(&self, kind: MetricKind, name: &str, unit: &'static str, text: &str) {
        let most = self.most.load(Ordering::Relaxed);
        let kept = unless_inside(|| {
            let description = Arc::new(Description { text: truncated(text, MAX_DESCRIPTION_BYTES).into(), unit });
            let key = (kind, Box::from(&*bounded_name(name)));
            let mut registry = self.registry.write();
            let room = registry.descriptions.len() < most || registry.descriptions.contains_key(&key);
            // What was there before is dropped when the lock is free again.
            let before = room.then(|| registry.descriptions.insert(key, description));
            drop(registry);
            before.is_some()
        });
        if kept != Some(true) {
            self.descriptions_dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// All that are registered, by name, kind and labels. One that was described and is not registered is not among them.
    pub(crate) fn read(&self) -> Vec<MetricStats> {
        let series = self.series();
        let stats = series.iter().map(|(series, description)| MetricStats {
            name: series.name.to_string(),
            description: description.as_ref().map_or_else(String::new, |found| found.text.to_string()),
            unit: description.as_ref().map_or_else(String::new, |found| found.unit.to_owned()),
            labels: series.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            value: series.handle.read(),
        });
        let mut all: Vec<_> = stats.collect();
        sort_metrics(&mut all);
        all
    }

    /// The series with their descriptions: what is copied under the lock is two pointers for each.
    fn series(&self) -> Vec<(Arc<Series>, Option<Arc<Description>>)> {
        let copied = unless_inside(|| {
            let registry = self.registry.read();
            // The key of the map is owned; without descriptions none has to be made.
            let described = |series: &Series| {
                let any = !registry.descriptions.is_empty();
                any.then(|| registry.descriptions.get(&(series.kind, series.name.clone())).cloned()).flatten()
            };
            registry.series.iter().map(|series| (Arc::clone(series), described(series))).collect()
        });
        copied.unwrap_or_default()
    }

    pub(crate) fn totals(&self) -> MetricTotals {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (metrics, series, lost) = {
            let registry = self.registry.read();
            let histograms = registry.series.iter().filter_map(|series| match &series.handle {
                Handle::Histogram(histogram) => Some(histogram.lost()),
                _ => None,
            });
            (registry.label_sets.len(), registry.series.len(), histograms.fold(0, u64::saturating_add))
        };
        MetricTotals {
            metrics: metrics as u64,
            series: series as u64,
            overflow_metrics: load(&self.over_cap),
            overflow_series: load(&self.over_label_sets),
            descriptions_dropped: load(&self.descriptions_dropped),
            names_changed: load(&self.names_changed),
            reentrant: load(&self.reentrant).saturating_add(lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::registry::OVERFLOW;
    use super::*;

    fn metrics() -> (Metrics, FixedState) {
        let metrics = Metrics::default();
        metrics.set_limits(3, 4);
        (metrics, FixedState::with_seed(7))
    }

    fn count(metrics: &Metrics, state: &FixedState, name: &str, labels: &[(&str, &str)]) {
        match metrics.find(state, MetricKind::Counter, name, labels.iter().copied().collect()) {
            Some(Handle::Counter(counter)) => counter.add(1),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_over_a_cap_is_counted_together() {
        let (metrics, state) = metrics();
        (0..50).for_each(|n| count(&metrics, &state, &format!("m{n}"), &[]));
        (0..50).for_each(|n| count(&metrics, &state, "m0", &[("user", &n.to_string())]));
        let read = metrics.read();
        let of = |name: &str, labels: &[(&str, &str)]| {
            let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let found = read.iter().find(|metric| metric.name == name && metric.labels == labels);
            found.and_then(MetricStats::counter)
        };
        assert_eq!(
            (of(OVERFLOW, &[]), of("m0", &[("overflow", "true")]), of("m0", &[])),
            (Some(47), Some(47), Some(1))
        );
        let totals = metrics.totals();
        assert_eq!((totals.metrics, totals.series, totals.overflow_metrics, totals.overflow_series), (3, 8, 47, 47));
    }

    #[test]
    fn kinds_of_one_name_are_apart() {
        let (metrics, state) = metrics();
        for kind in [MetricKind::Histogram, MetricKind::Gauge, MetricKind::Counter] {
            assert!(metrics.find(&state, kind, "x", LabelRefs::new()).is_some());
            metrics.describe(kind, "x", kind.as_str(), "");
        }
        let read = metrics.read();
        let units: Vec<_> = read.iter().map(|metric| (metric.kind(), metric.unit.as_str())).collect();
        let expected =
            [MetricKind::Counter, MetricKind::Gauge, MetricKind::Histogram].map(|kind| (kind, kind.as_str()));
        assert_eq!(units, expected);
    }

    #[test]
    fn descriptions_are_capped_and_the_last_one_holds() {
        let (metrics, state) = metrics();
        count(&metrics, &state, "m0", &[]);
        for n in (0..5).chain([0]) {
            metrics.describe(MetricKind::Counter, &format!("m{n}"), "bytes", &format!("{}{n}", "ä".repeat(1_000)));
        }
        metrics.describe(MetricKind::Counter, "m0", "", "last");
        assert_eq!((metrics.read()[0].description.as_str(), metrics.read()[0].unit.as_str()), ("last", ""));
        assert_eq!(metrics.totals().descriptions_dropped, 2);
    }

    #[test]
    fn names_that_had_to_be_changed_are_found_again_and_counted() {
        let (metrics, state) = metrics();
        let long = "x".repeat(1_000);
        count(&metrics, &state, &long, &[("b d", "v"), ("b_d", "other"), ("a", "1")]);
        count(&metrics, &state, &long, &[("a", "1"), ("b d", "v")]);
        count(&metrics, &state, "", &[]);
        let read = metrics.read();
        let counts: Vec<_> = read.iter().filter_map(MetricStats::counter).collect();
        assert_eq!((counts, read[0].name.as_str(), metrics.totals().names_changed), (vec![1, 2], "(unnamed)", 3));
    }

    #[test]
    fn asked_from_within_itself_it_has_nothing_and_says_so() {
        let (metrics, state) = metrics();
        let inside = unless_inside(|| metrics.find(&state, MetricKind::Gauge, "x", LabelRefs::new()).is_none());
        assert_eq!((inside, metrics.totals().reentrant), (Some(true), 1));
    }
}
