//! The statistics of one operation.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Figures, Totals};

/// Labels of a series: few distinct values each, part of its identity.
pub type Labels = BTreeMap<String, String>;

/// What tells one operation from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) component: String,
    pub(crate) labels: Labels,
}

/// The statistics of one operation, or of one of its label sets.
///
/// Its counts are the fields of [`Figures`], its times and rates the methods: `stats.failed`, `stats.mean()`.
///
/// ```
/// use monitor_core::Monitor;
///
/// let monitor = Monitor::builder().build()?;
/// monitor.scope(|| monitor.track("resize", |_| ()));
///
/// let snapshot = monitor.snapshot();
/// let stats = snapshot.operation("resize").expect("it has just been called");
/// assert_eq!((stats.started, stats.succeeded, stats.in_flight()), (1, 1, 0));
/// assert!(stats.percentile(0.99) <= stats.max());
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct OperationStats {
    /// Name, by default the path of the function.
    pub name: String,
    /// Kind, such as `function`, `database`, `api`.
    pub kind: String,
    /// Component of the program it belongs to; empty when none was given.
    pub component: String,
    /// Labels of this series; those common to all of its label sets for the operation as a whole.
    pub labels: Labels,
    #[serde(flatten)]
    figures: Figures,
    /// One entry for each label set, largest total time first; empty for an operation without labels.
    ///
    /// The operation's own figures are those of all its label sets together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub series: Vec<OperationStats>,
}

impl OperationStats {
    pub(crate) fn new(identity: Identity, totals: Totals, window: Duration) -> OperationStats {
        let Identity { name, kind, component, labels } = identity;
        OperationStats { name, kind, component, labels, figures: Figures::new(totals, window), series: Vec::new() }
    }

    /// The same with its label sets, put in order.
    #[must_use]
    pub(crate) fn with_series(mut self, series: Vec<OperationStats>) -> OperationStats {
        self.series = series;
        sort_by_total_time(&mut self.series);
        self
    }

    /// All the figures, as one value.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// What happened after `earlier`, of the same operation; `None` when it did not exist then.
    pub(crate) fn since(&self, earlier: Option<&OperationStats>, window: Duration) -> OperationStats {
        let nothing = OperationStats::default();
        let earlier = earlier.unwrap_or(&nothing);
        OperationStats {
            name: self.name.clone(),
            kind: self.kind.clone(),
            component: self.component.clone(),
            labels: self.labels.clone(),
            figures: self.figures.since(&earlier.figures, window),
            series: all_since(&self.series, &earlier.series, window),
        }
    }

    /// Name, kind, component and labels: two snapshots' figures belong together when these are equal.
    fn key(&self) -> (&str, &str, &str, &Labels) {
        (&self.name, &self.kind, &self.component, &self.labels)
    }
}

impl Deref for OperationStats {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures
    }
}

/// What happened to each of `later` after `earlier`, largest total time first.
pub(crate) fn all_since(later: &[OperationStats], earlier: &[OperationStats], window: Duration) -> Vec<OperationStats> {
    let before: BTreeMap<_, _> = earlier.iter().map(|stats| (stats.key(), stats)).collect();
    let mut stats: Vec<_> = later.iter().map(|stats| stats.since(before.get(&stats.key()).copied(), window)).collect();
    sort_by_total_time(&mut stats);
    stats
}

/// Largest total time first, then most calls, then by name: the same figures always come in the same order.
pub(crate) fn sort_by_total_time(stats: &mut Vec<OperationStats>) {
    let compare = |a: &OperationStats, b: &OperationStats| {
        let by_size = (b.total_time, b.started).cmp(&(a.total_time, a.started));
        by_size.then_with(|| a.key().cmp(&b.key()))
    };
    // Their places are put in order, and each is moved once: they are some hundreds of bytes.
    let mut places: Vec<usize> = (0..stats.len()).collect();
    places.sort_by(|&a, &b| compare(&stats[a], &stats[b]));
    let mut unordered: Vec<_> = std::mem::take(stats).into_iter().map(Some).collect();
    stats.extend(places.into_iter().filter_map(|place| unordered[place].take()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn operation(name: &str, durations_ns: &[u64]) -> OperationStats {
        let identity = Identity { name: name.into(), kind: "function".into(), ..Identity::default() };
        OperationStats::new(identity, Totals::of_durations(durations_ns), SECOND)
    }

    fn series(table: &str, durations_ns: &[u64]) -> OperationStats {
        let mut stats = operation("db.fetch", durations_ns);
        stats.labels.insert("table".into(), table.into());
        stats
    }

    #[test]
    fn figures_are_read_as_fields_and_methods_of_the_operation() {
        let stats = operation("parse", &[10, 20]);
        assert_eq!((stats.started, stats.finished(), stats.mean()), (2, 2, Duration::from_nanos(15)));
    }

    #[test]
    fn series_are_matched_by_their_labels() {
        let earlier = operation("db.fetch", &[10, 30]).with_series(vec![series("users", &[10]), series("rows", &[30])]);
        let later = operation("db.fetch", &[10, 30, 30, 50, 7]).with_series(vec![
            series("users", &[10, 50]),
            series("rows", &[30, 30]),
            series("new", &[7]),
        ]);
        let window = later.since(Some(&earlier), SECOND);
        assert_eq!(window.started, 3);
        let calls: Vec<_> =
            window.series.iter().map(|s| (s.labels["table"].as_str(), s.started, s.total_time)).collect();
        let ns = Duration::from_nanos;
        assert_eq!(calls, [("users", 1, ns(50)), ("rows", 1, ns(30)), ("new", 1, ns(7))]);
    }

    #[test]
    fn an_operation_that_was_not_there_before_is_whole() {
        let window = operation("parse", &[10, 20]).since(None, 3 * SECOND);
        assert_eq!((window.started, window.max(), window.window), (2, Duration::from_nanos(20), 3 * SECOND));
    }

    #[test]
    fn equal_totals_are_ordered_by_calls_and_name() {
        let mut stats =
            vec![operation("b", &[10]), operation("a", &[10]), operation("c", &[5, 5]), operation("d", &[11])];
        sort_by_total_time(&mut stats);
        let names: Vec<_> = stats.iter().map(|s| s.name.as_str()).collect();
        assert_eq!(names, ["d", "c", "a", "b"]);
    }

    #[test]
    fn the_serde_form_is_flat_and_comes_back_the_same() {
        let stats = operation("db.fetch", &[10, 30]).with_series(vec![series("users", &[10]), series("rows", &[30])]);
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["name"], "db.fetch");
        assert_eq!(json["total_time_ns"], 40);
        assert_eq!(json["series"][0]["labels"]["table"], "rows");
        assert_eq!(serde_json::from_value::<OperationStats>(json).unwrap(), stats);
    }
}
