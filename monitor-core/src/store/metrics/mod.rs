//! The host's own metrics: counters, gauges and histograms by name and labels.
//!
//! | file | owns |
//! |---|---|
//! | `counter`, `gauge`, `histogram` | one metric with one set of labels, as threads write it |
//! | `reentry` | that what asks for memory does not run inside itself |
//!
//! Here: which there are. Names and label sets are capped as those of operations are, and what is over a cap shares one
//! metric `(overflow)` of each kind, or the label set `overflow="true"`, and is counted. A metric lives as long as anybody
//! holds it, and is written without a lock: neither the end of the monitor nor a fork touches those that the host keeps.

mod counter;
mod gauge;
mod histogram;
mod reentry;

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use foldhash::fast::FixedState;
use parking_lot::RwLock;
use smallvec::SmallVec;

pub(crate) use self::counter::Counter;
pub(crate) use self::gauge::Gauge;
pub(crate) use self::histogram::Histogram;
use self::reentry::unless_inside;
use super::MetricTotals;
use crate::base::names::{bounded_name, bounded_value, label_key, truncated};
use crate::model::{MetricKind, MetricStats, MetricValue, sort_metrics};

/// What names over the cap are counted under.
const OVERFLOW: &str = "(overflow)";

/// Longest description in bytes; what is longer is cut.
const MAX_DESCRIPTION_BYTES: usize = 1_024;

/// Labels as somebody asks for them.
pub(crate) type LabelRefs<'a> = SmallVec<[(&'a str, &'a str); 8]>;

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
    max_metrics: AtomicUsize,
    max_label_sets: AtomicUsize,
    overflow_metrics: AtomicU64,
    overflow_series: AtomicU64,
    descriptions_dropped: AtomicU64,
    names_changed: AtomicU64,
    reentrant: AtomicU64,
}

#[derive(Default)]
struct Registry {
    series: Vec<Arc<Series>>,
    /// Series by the hash of their identity; more than one where hashes collide.
    by_hash: HashMap<u64, SmallVec<[usize; 1]>>,
    /// Label sets of each metric.
    label_sets: HashMap<(MetricKind, Box<str>), usize>,
    /// Said before a metric is there, or after.
    descriptions: HashMap<(MetricKind, Box<str>), Arc<Description>>,
}

struct Series {
    kind: MetricKind,
    name: Box<str>,
    labels: Box<[(Box<str>, Box<str>)]>,
    handle: Handle,
}

struct Description {
    text: Box<str>,
    unit: &'static str,
}

/// What tells series apart. Labels are sorted by key, each key once.
#[derive(Clone, Copy)]
struct Identity<'a> {
    kind: MetricKind,
    name: &'a str,
    labels: &'a [(&'a str, &'a str)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cap {
    Metrics,
    LabelSets,
}

struct Found {
    handle: Handle,
    /// The cap that kept it from having a series of its own.
    cap: Option<Cap>,
    changed: bool,
}

impl Metrics {
    pub(crate) fn set_limits(&self, metrics: usize, label_sets: usize) {
        self.max_metrics.store(metrics, Ordering::Relaxed);
        self.max_label_sets.store(label_sets, Ordering::Relaxed);
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
        let limits = (self.max_metrics.load(Ordering::Relaxed), self.max_label_sets.load(Ordering::Relaxed));
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
            Some(Cap::Metrics) => count(&self.overflow_metrics),
            Some(Cap::LabelSets) => count(&self.overflow_series),
        }
        Some(found.handle)
    }

    /// Says what a metric is, whether it is there already or comes later. The last one holds.
    pub(crate) fn describe(&self, kind: MetricKind, name: &str, unit: &'static str, text: &str) {
        let most = self.max_metrics.load(Ordering::Relaxed);
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
            overflow_metrics: load(&self.overflow_metrics),
            overflow_series: load(&self.overflow_series),
            descriptions_dropped: load(&self.descriptions_dropped),
            names_changed: load(&self.names_changed),
            reentrant: load(&self.reentrant).saturating_add(lost),
        }
    }
}

impl Registry {
    /// The series of an identity that needs no change, or the overflow series that it belongs to for good.
    fn find(&self, state: &FixedState, identity: Identity<'_>, limits: (usize, usize)) -> Option<Found> {
        if let Some(handle) = self.lookup(state, identity) {
            return Some(Found { handle, cap: None, changed: false });
        }
        identity.with_bounded(|bounded, changed| {
            if let Some(handle) = self.lookup(state, bounded) {
                return Some(Found { handle, cap: None, changed });
            }
            let cap = self.cap_of(bounded, limits)?;
            let handle = self.lookup(state, bounded.overflow(cap))?;
            Some(Found { handle, cap: Some(cap), changed })
        })
    }

    fn find_or_insert(&mut self, state: &FixedState, identity: Identity<'_>, limits: (usize, usize)) -> Found {
        if let Some(found) = self.find(state, identity, limits) {
            return found;
        }
        identity.with_bounded(|bounded, changed| {
            let cap = self.cap_of(bounded, limits);
            let handle = match cap {
                None => self.insert(state, bounded, true),
                Some(cap) => self.insert(state, bounded.overflow(cap), false),
            };
            Found { handle, cap, changed }
        })
    }

    fn lookup(&self, state: &FixedState, identity: Identity<'_>) -> Option<Handle> {
        let candidates = self.by_hash.get(&identity.hash(state))?;
        let mut found = candidates.iter().filter_map(|number| self.series.get(*number));
        found.find(|series| identity.is_of(series)).map(|series| series.handle.clone())
    }

    fn cap_of(&self, identity: Identity<'_>, (metrics, label_sets): (usize, usize)) -> Option<Cap> {
        match self.label_sets.get(&(identity.kind, identity.name.into())) {
            Some(sets) if *sets >= label_sets => Some(Cap::LabelSets),
            None if self.label_sets.len() >= metrics => Some(Cap::Metrics),
            _ => None,
        }
    }

    fn insert(&mut self, state: &FixedState, identity: Identity<'_>, counts_for_caps: bool) -> Handle {
        let handle = Handle::new(identity.kind);
        let number = self.series.len();
        self.series.push(Arc::new(Series {
            kind: identity.kind,
            name: identity.name.into(),
            labels: identity.labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            handle: handle.clone(),
        }));
        self.by_hash.entry(identity.hash(state)).or_default().push(number);
        if counts_for_caps {
            *self.label_sets.entry((identity.kind, identity.name.into())).or_default() += 1;
        }
        handle
    }
}

impl<'a> Identity<'a> {
    fn hash(&self, state: &FixedState) -> u64 {
        let mut hasher = state.build_hasher();
        hasher.write_u8(self.kind as u8);
        hasher.write(self.name.as_bytes());
        hasher.write_usize(self.name.len());
        for (key, value) in self.labels {
            hasher.write(key.as_bytes());
            hasher.write(value.as_bytes());
            hasher.write_usize(key.len());
            hasher.write_usize(value.len());
        }
        hasher.finish()
    }

    fn is_of(&self, series: &Series) -> bool {
        let labels =
            || series.labels.iter().zip(self.labels).all(|((k, v), (key, value))| **k == **key && **v == **value);
        self.kind == series.kind && *self.name == *series.name && self.labels.len() == series.labels.len() && labels()
    }

    /// With names and labels that can be kept, and whether that changed any.
    fn with_bounded<R>(self, f: impl FnOnce(Identity<'_>, bool) -> R) -> R {
        let name = bounded_name(self.name);
        let labels: SmallVec<[_; 8]> = self.labels.iter().map(|(k, v)| (label_key(k), bounded_value(v))).collect();
        let mut labels: LabelRefs<'_> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        // Keys that differed may be the same now.
        sort_labels(&mut labels);
        let changed = *name != *self.name || *labels != *self.labels;
        f(Identity { kind: self.kind, name: &name, labels: &labels }, changed)
    }

    /// What stands for all those over a cap.
    fn overflow(self, cap: Cap) -> Identity<'a> {
        match cap {
            Cap::LabelSets => Identity { labels: &[("overflow", "true")], ..self },
            Cap::Metrics => Identity { name: OVERFLOW, labels: &[], ..self },
        }
    }
}

/// Sorts by key; of several with one key the first stays.
fn sort_labels(labels: &mut LabelRefs<'_>) {
    labels.sort_by(|a, b| a.0.cmp(b.0));
    labels.dedup_by(|later, first| later.0 == first.0);
}

#[cfg(test)]
mod tests {
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
