//! What a monitor hands to a sink at once.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, system_time_ns};
use super::{
    ActiveOperation, ErrorGroup, Figures, Labels, OperationRecord, ProgressStats, QueueStats, Totals, TransitionRecord,
};

/// What came since the batch before: [`Sink::write`](crate::Sink::write).
///
/// A batch is never changed once it is made; all sinks get the same one. Its [entries](Batch::entries) are what is counted
/// as produced, stored and dropped. What runs, and the depth of queues, are as of the moment of the batch, and are no
/// entries: the next batch brings them anew.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// When it was made, by the wall clock.
    #[serde(rename = "at_ns", with = "system_time_ns")]
    pub at: SystemTime,
    /// Calls that ended, as far as they are recorded individually, by the time of their end.
    pub records: Vec<OperationRecord>,
    /// What each series did since the batch before; none for a series that did nothing.
    pub rollups: Vec<Rollup>,
    /// Groups of errors of which one came since the batch before: `count` and `count_unread` are those of this time,
    /// `samples` the new ones, everything else as it stands now.
    pub errors: Vec<ErrorGroup>,
    /// Transitions of state machines, in their order.
    pub transitions: Vec<MachineTransition>,
    /// Jobs that did something, began or ended since the batch before, as they stand now.
    pub progress: Vec<ProgressStats>,
    /// All queues, once in ten seconds: counts of those ten seconds, depth and the oldest item as they stand now.
    pub queues: Vec<QueueStats>,
    /// What runs now, the oldest first: at most 1,000, and none that is younger than a second.
    pub active: Vec<ActiveOperation>,
    /// What was lost since the batch before on the way to all sinks, by reason.
    pub lost: BTreeMap<String, u64>,
}

/// What one series did in some part of a step of ten seconds.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollup {
    /// Name of the operation.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Component of the program it belongs to; empty when none was given.
    pub component: String,
    /// Labels of the series.
    pub labels: Labels,
    /// Beginning of the step, a multiple of [`Rollup::STEP`] by the wall clock. It never goes back, also if that clock does.
    #[serde(rename = "step_start_ns", with = "system_time_ns")]
    pub step_start: SystemTime,
    /// What came since the batch before, all of it in this step.
    #[serde(rename = "figures", with = "as_figures")]
    pub(crate) totals: Totals,
}

/// Sums in the form of figures.
mod as_figures {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::super::{Figures, Totals};
    use super::Rollup;

    pub(super) fn serialize<S: Serializer>(totals: &Totals, serializer: S) -> Result<S::Ok, S::Error> {
        Figures::new(totals.clone(), Rollup::STEP).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Totals, D::Error> {
        Ok(Figures::deserialize(deserializer)?.totals())
    }
}

impl Rollup {
    /// Length of a step: ten seconds.
    pub const STEP: Duration = Duration::from_secs(10);

    /// What came since the batch before, all of it in this step.
    #[must_use]
    pub fn figures(&self) -> Figures {
        Figures::new(self.totals.clone(), Rollup::STEP)
    }
}

/// A transition, and the machine that made it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineTransition {
    /// Name of the state machine.
    pub machine: String,
    /// What changed.
    #[serde(flatten)]
    pub transition: TransitionRecord,
}

impl Batch {
    /// A batch with nothing in it.
    #[must_use]
    pub fn new(at: SystemTime) -> Batch {
        Batch {
            at,
            records: Vec::new(),
            rollups: Vec::new(),
            errors: Vec::new(),
            transitions: Vec::new(),
            progress: Vec::new(),
            queues: Vec::new(),
            active: Vec::new(),
            lost: BTreeMap::new(),
        }
    }

    /// A copy of everything but the records.
    pub(crate) fn without_records(&self) -> Batch {
        Batch {
            at: self.at,
            records: Vec::new(),
            rollups: self.rollups.clone(),
            errors: self.errors.clone(),
            transitions: self.transitions.clone(),
            progress: self.progress.clone(),
            queues: self.queues.clone(),
            active: self.active.clone(),
            lost: self.lost.clone(),
        }
    }

    /// How many entries it has: records, rollups, groups of errors, transitions, jobs, queues.
    #[must_use]
    pub fn entries(&self) -> u64 {
        let entries = self.records.len()
            + self.rollups.len()
            + self.errors.len()
            + self.transitions.len()
            + self.progress.len()
            + self.queues.len();
        entries as u64
    }
}

/// How a sink is doing: [`Snapshot::sinks`](crate::Snapshot::sinks).
///
/// At any moment `produced == stored + dropped() + waiting`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkStats {
    /// Its name.
    pub name: String,
    /// How it is doing.
    pub state: SinkState,
    /// Since when it has been in that state, by the wall clock.
    #[serde(rename = "since_ns", with = "system_time_ns")]
    pub since: SystemTime,
    /// The last error, also if it is over; `None` if there never was one.
    pub error: Option<String>,
    /// Entries that were made for it.
    pub produced: u64,
    /// Entries that it has stored.
    pub stored: u64,
    /// Entries that were lost, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Entries that wait for it.
    pub waiting: u64,
    /// Writes that failed, those that were tried again included.
    pub failed_writes: u64,
    /// How long the longest write took.
    #[serde(rename = "longest_write_ns", with = "duration_ns")]
    pub longest_write: Duration,
}

impl SinkStats {
    /// Of a sink that works and has not been given anything.
    pub(crate) fn new(name: impl Into<String>, since: SystemTime) -> SinkStats {
        SinkStats {
            name: name.into(),
            state: SinkState::Working,
            since,
            error: None,
            produced: 0,
            stored: 0,
            dropped: BTreeMap::new(),
            waiting: 0,
            failed_writes: 0,
            longest_write: Duration::ZERO,
        }
    }

    /// Entries that were lost, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.values().fold(0, |sum, &count| sum.saturating_add(count))
    }
}

/// How a sink is doing.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkState {
    /// It stores what it gets.
    Working,
    /// The last write failed or takes long; what comes waits as far as there is room, and it is tried again.
    Degraded,
    /// It was shut down and gets nothing any more.
    Stopped,
}

impl SinkState {
    /// The word used everywhere: `working`, `degraded`, `stopped`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            SinkState::Working => "working",
            SinkState::Degraded => "degraded",
            SinkState::Stopped => "stopped",
        }
    }
}

impl std::fmt::Display for SinkState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
