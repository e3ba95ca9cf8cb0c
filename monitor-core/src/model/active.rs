//! Operations that run now.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, system_time_ns};
use super::{ByIdDetail, Labels, SpanId, TraceId};

/// An operation that was running when the snapshot was taken.
///
/// ```
/// use monitor_core::Monitor;
///
/// let monitor = Monitor::builder().build()?;
/// let import = monitor.operation("import").kind("batch").start();
/// let snapshot = monitor.snapshot();
/// assert_eq!((snapshot.active()[0].name.as_str(), snapshot.active()[0].kind.as_str()), ("import", "batch"));
///
/// drop(import);
/// assert!(monitor.snapshot().active().is_empty());
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveOperation {
    /// Tells this call from all others of the process.
    pub id: u64,
    /// Name of the operation.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Its labels.
    pub labels: Labels,
    /// `id` of the call it was started in.
    pub parent: Option<u64>,
    /// The trace that it belongs to.
    #[serde(default)]
    pub trace_id: Option<TraceId>,
    /// Its span: `id` in the form in which other programs know it.
    #[serde(default)]
    pub span_id: Option<SpanId>,
    /// When it was started, by the wall clock.
    #[serde(rename = "started_at_ns", with = "system_time_ns")]
    pub started_at: SystemTime,
    /// How long it had been running, by the monotonic clock: a jump of the wall clock does not change it.
    #[serde(rename = "age_ns", with = "duration_ns")]
    pub age: Duration,
    /// The thread it runs on; `None` for a future that is not being polled, and for an operation by id.
    pub thread: Option<String>,
    /// Whether it is on a thread.
    pub state: ActiveState,
    /// Polls of its future so far; 0 for a synchronous call.
    pub polls: u64,
    /// Time spent on a thread so far, up to the last poll that ended for a future.
    #[serde(rename = "busy_time_ns", with = "duration_ns")]
    pub busy_time: Duration,
    /// Id, worker and steps of an operation that was begun by id; it is on no thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_id: Option<ByIdDetail>,
}

/// Whether an active operation is on a thread.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActiveState {
    /// A thread is inside it.
    Running,
    /// Its future waits to be polled again.
    Suspended,
}

impl ActiveState {
    /// The word for it in serde's form and on screens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ActiveState::Running => "running",
            ActiveState::Suspended => "suspended",
        }
    }
}

impl fmt::Display for ActiveState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Oldest first: what has been running longest is what one looks for.
pub(crate) fn sort_by_age(active: &mut [ActiveOperation]) {
    active.sort_by(|a, b| b.age.cmp(&a.age).then(a.id.cmp(&b.id)));
}

#[cfg(test)]
pub(crate) fn example(id: u64, name: &str, age: Duration) -> ActiveOperation {
    ActiveOperation {
        id,
        name: name.into(),
        kind: "function".into(),
        labels: Labels::new(),
        parent: None,
        trace_id: None,
        span_id: None,
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
        age,
        thread: Some("main".into()),
        state: ActiveState::Running,
        polls: 0,
        busy_time: age,
        by_id: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_round_trips_with_its_units_in_the_names() {
        let suspended = ActiveOperation {
            parent: Some(3),
            thread: None,
            state: ActiveState::Suspended,
            ..example(7, "download", Duration::from_micros(1_500))
        };
        let json = serde_json::to_value(&suspended).unwrap();
        assert_eq!(json["started_at_ns"], 1_700_000_000_000_000_000_i64);
        assert_eq!((&json["age_ns"], &json["state"]), (&1_500_000.into(), &"suspended".into()));
        assert_eq!(serde_json::from_value::<ActiveOperation>(json).unwrap(), suspended);
    }

    #[test]
    fn the_oldest_comes_first() {
        let seconds = Duration::from_secs;
        let mut active = [example(2, "b", seconds(1)), example(1, "a", seconds(1)), example(3, "c", seconds(9))];
        sort_by_age(&mut active);
        assert_eq!(active.map(|operation| operation.id), [3, 1, 2]);
    }
}
