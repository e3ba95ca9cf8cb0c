//! Which operation calls which.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::duration_ns;

/// The calls of one operation from inside another.
///
/// Edges are between operations, not between single calls; a recursive operation has an edge to itself.
///
/// ```
/// use monitor_core::Monitor;
///
/// let monitor = Monitor::builder().build()?;
/// monitor.scope(|| monitor.track("import", |_| monitor.track("parse", |_| ())));
///
/// let snapshot = monitor.snapshot();
/// let edge = &snapshot.edges()[0];
/// assert_eq!((edge.caller.as_str(), edge.callee.as_str(), edge.calls), ("import", "parse", 1));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEdge {
    /// Name of the operation that was running.
    pub caller: String,
    /// Name of the operation that was started inside it.
    pub callee: String,
    /// Calls finished.
    pub calls: u64,
    /// Wall time of those calls, added up.
    #[serde(rename = "total_time_ns", with = "duration_ns")]
    pub total_time: Duration,
}

impl CallEdge {
    fn key(&self) -> (&str, &str) {
        (&self.caller, &self.callee)
    }
}

/// The calls after `earlier`; edges without any are left out.
pub(crate) fn all_since(later: &[CallEdge], earlier: &[CallEdge]) -> Vec<CallEdge> {
    let before: BTreeMap<_, _> = earlier.iter().map(|edge| (edge.key(), edge)).collect();
    let difference = later.iter().map(|edge| {
        let (calls, time) = before.get(&edge.key()).map_or((0, Duration::ZERO), |old| (old.calls, old.total_time));
        CallEdge {
            calls: edge.calls.saturating_sub(calls),
            total_time: edge.total_time.saturating_sub(time),
            ..edge.clone()
        }
    });
    let mut edges: Vec<_> = difference.filter(|edge| edge.calls > 0).collect();
    sort_by_total_time(&mut edges);
    edges
}

/// Largest total time first, then most calls, then by name.
pub(crate) fn sort_by_total_time(edges: &mut [CallEdge]) {
    edges.sort_by(|a, b| {
        let by_size = (b.total_time, b.calls).cmp(&(a.total_time, a.calls));
        by_size.then_with(|| a.key().cmp(&b.key()))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(caller: &str, callee: &str, calls: u64, ns: u64) -> CallEdge {
        CallEdge { caller: caller.into(), callee: callee.into(), calls, total_time: Duration::from_nanos(ns) }
    }

    #[test]
    fn a_window_holds_the_new_calls_only() {
        let earlier = [edge("a", "b", 3, 30), edge("a", "c", 1, 5)];
        let later = [edge("a", "b", 4, 37), edge("a", "c", 1, 5), edge("b", "c", 2, 90)];
        assert_eq!(all_since(&later, &earlier), [edge("b", "c", 2, 90), edge("a", "b", 1, 7)]);
    }

    #[test]
    fn an_edge_round_trips() {
        let json = serde_json::to_string(&edge("a", "b", 3, 30)).unwrap();
        assert_eq!(json, r#"{"caller":"a","callee":"b","calls":3,"total_time_ns":30}"#);
        assert_eq!(serde_json::from_str::<CallEdge>(&json).unwrap(), edge("a", "b", 3, 30));
    }
}
