//! Operations that are begun in one place and ended in another, by an id of the program's.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::Outcome;
use super::units::{duration_ns, system_time_ns};

/// What an operation by id has beyond others: its id, who works on it, what goes in and comes out, and how long each
/// step took.
///
/// It stands in [`ActiveOperation::by_id`](crate::ActiveOperation::by_id) while the operation runs, in
/// [`OperationRecord::by_id`](crate::OperationRecord::by_id) and in [`OperationStatus`].
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ByIdDetail {
    /// The id that the program gave it.
    pub id: String,
    /// Who works on it, if that was said.
    pub worker: Option<String>,
    /// Size of what goes in, in bytes, if that was said.
    pub input_bytes: Option<u64>,
    /// Size of what came out, in bytes, if that was said.
    pub output_bytes: Option<u64>,
    /// The steps in their order. While the operation runs the last one is the one it is in. At most 64, and after them
    /// one that is named `(overflow)` and has the time of all further ones.
    pub steps: Vec<StepTiming>,
    /// How many steps are in that last one; 0 when there is none.
    #[serde(default)]
    pub steps_over: u64,
}

impl ByIdDetail {
    /// The last step: of an operation that runs, the one it is in.
    #[must_use]
    pub fn last_step(&self) -> Option<&StepTiming> {
        self.steps.last()
    }
}

/// How long one step of an operation by id took.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepTiming {
    /// Name of the step.
    pub name: String,
    /// From its beginning to that of the next one or the end of the operation; so far, if it still runs. By the
    /// monotonic clock.
    #[serde(rename = "duration_ns", with = "duration_ns")]
    pub duration: Duration,
}

impl StepTiming {
    pub(crate) fn new(name: &str, duration_ns: u64) -> StepTiming {
        StepTiming { name: name.to_owned(), duration: Duration::from_nanos(duration_ns) }
    }
}

/// How an operation by id is doing, or how it ended: [`Monitor::operation_by_id`](crate::Monitor::operation_by_id) and
/// [`EndById::finish`](crate::EndById::finish).
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationStatus {
    /// Name of the operation.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Component of the program it belongs to; empty when none was given.
    pub component: String,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// When it was begun, by the wall clock.
    #[serde(rename = "started_at_ns", with = "system_time_ns")]
    pub started_at: SystemTime,
    /// How long it took, or has been running so far, by the monotonic clock.
    #[serde(rename = "duration_ns", with = "duration_ns")]
    pub duration: Duration,
    /// Pieces of work it did; 0 while it runs.
    pub items: u64,
    /// Bytes of work it did; 0 while it runs.
    pub bytes: u64,
    /// Id, worker, sizes and steps.
    pub by_id: ByIdDetail,
}

impl OperationStatus {
    /// Whether it has been begun and not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.outcome.is_none()
    }

    /// Name of the step that it is in; `None` when it has ended or was in none.
    #[must_use]
    pub fn step(&self) -> Option<&str> {
        self.by_id.last_step().filter(|_| self.is_running()).map(|step| step.name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(outcome: Option<Outcome>) -> OperationStatus {
        OperationStatus {
            name: "backup".into(),
            kind: "batch".into(),
            component: String::new(),
            outcome,
            started_at: SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001),
            duration: Duration::from_micros(7),
            items: 3,
            bytes: 4,
            by_id: ByIdDetail {
                id: "nightly-42".into(),
                worker: Some("w1".into()),
                input_bytes: Some(u64::MAX),
                steps: vec![StepTiming::new("dump", 5_000), StepTiming::new("copy", 2_000)],
                ..ByIdDetail::default()
            },
        }
    }

    #[test]
    fn a_status_round_trips_with_its_units_in_the_names() {
        for status in [status(None), status(Some(Outcome::Cancelled))] {
            let json = serde_json::to_value(&status).unwrap();
            assert_eq!(
                (&json["duration_ns"], &json["by_id"]["steps"][0]["duration_ns"]),
                (&7_000.into(), &5_000.into())
            );
            assert_eq!(json["started_at_ns"], 1_700_000_000_000_000_001_i64);
            assert_eq!(serde_json::from_value::<OperationStatus>(json).unwrap(), status);
        }
    }

    #[test]
    fn only_what_runs_is_in_a_step() {
        assert_eq!((status(None).step(), status(None).is_running()), (Some("copy"), true));
        assert_eq!(status(Some(Outcome::Success)).step(), None);
    }
}
