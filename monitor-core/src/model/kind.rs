//! The statistics of all operations of one kind.

use std::collections::BTreeMap;
use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::{Figures, OperationStats};

/// The statistics of all operations of one kind together, from [`Snapshot::kinds`](crate::Snapshot::kinds).
///
/// Its counts are the fields of [`Figures`], its times and rates the methods, as for an operation. An operation that
/// calls another of its kind has the inner time in both: `total_time` counts it twice, `self_time` once.
///
/// ```
/// use monitor_core::Monitor;
///
/// let monitor = Monitor::builder().build()?;
/// drop(monitor.operation("fetch").kind("database").start());
/// drop(monitor.operation("store").kind("database").start());
///
/// let kinds = monitor.snapshot().kinds();
/// assert_eq!((kinds[0].kind.as_str(), kinds[0].operations, kinds[0].succeeded), ("database", 2, 2));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct KindStats {
    /// The kind, such as `function`, `database`, `api`.
    pub kind: String,
    /// How many operations are of it.
    pub operations: usize,
    #[serde(flatten)]
    figures: Figures,
}

impl KindStats {
    /// All the figures, as one value.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}

impl Deref for KindStats {
    type Target = Figures;

    fn deref(&self) -> &Figures {
        &self.figures
    }
}

/// Adds operations up by kind, largest total time first.
pub(crate) fn by_kind(operations: &[OperationStats]) -> Vec<KindStats> {
    let mut kinds: BTreeMap<&str, KindStats> = BTreeMap::new();
    for operation in operations {
        let kind = kinds
            .entry(&operation.kind)
            .or_insert_with(|| KindStats { kind: operation.kind.clone(), ..KindStats::default() });
        kind.operations += 1;
        kind.figures.merge(operation.figures());
    }
    let mut kinds: Vec<_> = kinds.into_values().collect();
    // Stable, so equal ones stay in the map's order, by name.
    kinds.sort_by_key(|kind| std::cmp::Reverse((kind.total_time, kind.started)));
    kinds
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Totals;
    use super::super::operation::Identity;
    use super::*;

    fn operation(kind: &str, durations_ns: &[u64]) -> OperationStats {
        let identity = Identity { name: "x".into(), kind: kind.into(), ..Identity::default() };
        OperationStats::new(identity, Totals::of_durations(durations_ns), Duration::from_secs(1))
    }

    #[test]
    fn operations_add_up_by_kind_and_are_sorted_by_time() {
        let kinds = by_kind(&[operation("cache", &[7]), operation("database", &[10]), operation("cache", &[1, 1])]);
        let shown: Vec<_> = kinds.iter().map(|k| (k.kind.as_str(), k.operations, k.started)).collect();
        assert_eq!(shown, [("database", 1, 1), ("cache", 2, 3)]);
        let ns = Duration::from_nanos;
        assert_eq!((kinds[1].min(), kinds[1].max(), kinds[1].total_time), (ns(1), ns(7), ns(9)));
    }

    #[test]
    fn a_kind_round_trips() {
        let kind = by_kind(&[operation("cache", &[7, 9_999])]).remove(0);
        let json = serde_json::to_string(&kind).unwrap();
        assert_eq!(serde_json::from_str::<KindStats>(&json).unwrap(), kind);
    }
}
