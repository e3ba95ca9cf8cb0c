//! Runs, transitions, jobs, queues.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::units::{duration_ns, optional_duration_ns, optional_system_time_ns, system_time_ns};
use super::super::{Instance, MachineTransition, ProgressStats};
use super::TimeRange;

/// A run as it is found in a history.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredInstance {
    /// The run.
    #[serde(flatten)]
    pub instance: Instance,
    /// When it wrote last, by the wall clock.
    #[serde(rename = "last_seen_at_ns", with = "system_time_ns")]
    pub last_seen_at: SystemTime,
    /// When it ended; `None` while it runs, or while nobody has noticed that it does not.
    #[serde(rename = "ended_at_ns", with = "optional_system_time_ns")]
    pub ended_at: Option<SystemTime>,
    /// Whether it ended without shutting its monitor down.
    pub interrupted: bool,
    /// What it lost on the way to the history, by reason.
    pub lost: BTreeMap<String, u64>,
}

/// Which transitions are wanted: those that fit everything that is said.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransitionFilter {
    /// When it was made.
    pub range: TimeRange,
    /// Name of the state machine.
    pub machine: Option<String>,
    /// Id of the entity.
    pub entity: Option<String>,
}

impl TransitionFilter {
    /// All transitions.
    #[must_use]
    pub fn new() -> TransitionFilter {
        TransitionFilter::default()
    }

    /// Those that were made in that time.
    #[must_use]
    pub fn range(self, range: TimeRange) -> Self {
        Self { range, ..self }
    }

    /// Those of that state machine.
    #[must_use]
    pub fn machine(self, machine: impl Into<String>) -> Self {
        Self { machine: Some(machine.into()), ..self }
    }

    /// Those of that entity.
    #[must_use]
    pub fn entity(self, entity: impl Into<String>) -> Self {
        Self { entity: Some(entity.into()), ..self }
    }
}

/// A transition as it is found in a history.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredTransition {
    /// The run: [`Instance::run`].
    pub run: String,
    /// The machine, and what changed.
    #[serde(flatten)]
    pub transition: MachineTransition,
}

/// Which jobs are wanted: those that fit everything that is said.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProgressFilter {
    /// When it began.
    pub range: TimeRange,
    /// Name of the job.
    pub name: Option<String>,
    /// Only those that run.
    pub running: bool,
}

impl ProgressFilter {
    /// All jobs.
    #[must_use]
    pub fn new() -> ProgressFilter {
        ProgressFilter::default()
    }

    /// Those that began in that time.
    #[must_use]
    pub fn range(self, range: TimeRange) -> Self {
        Self { range, ..self }
    }

    /// Those of that name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Those that run.
    #[must_use]
    pub fn running(self) -> Self {
        Self { running: true, ..self }
    }
}

/// A job as it is found in a history.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredProgress {
    /// The run: [`Instance::run`].
    pub run: String,
    /// The job, as it was last seen.
    #[serde(flatten)]
    pub progress: ProgressStats,
    /// When it was last seen.
    #[serde(rename = "updated_at_ns", with = "system_time_ns")]
    pub updated_at: SystemTime,
    /// Whether its run ended without a word of it. Its state is `abandoned`, then.
    pub interrupted: bool,
}

/// A queue in ten seconds, in one run.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueSample {
    /// The run: [`Instance::run`].
    pub run: String,
    /// Name of the queue.
    pub queue: String,
    /// Beginning of the ten seconds.
    #[serde(rename = "start_ns", with = "system_time_ns")]
    pub start: SystemTime,
    /// Items that waited at their end.
    pub depth: u64,
    /// Items that were being processed at their end.
    pub in_process: u64,
    /// How long the oldest had been waiting then.
    #[serde(rename = "oldest_ns", with = "optional_duration_ns")]
    pub oldest: Option<Duration>,
    /// Items that came.
    pub enqueued: u64,
    /// Items that were processed with success.
    pub processed: u64,
    /// Items whose processing failed.
    pub failed: u64,
    /// Items that were thrown away while they waited.
    pub discarded: u64,
    /// How often an item went back to waiting.
    pub requeued: u64,
    /// How long the items had waited whose processing began, added up.
    #[serde(rename = "waiting_time_ns", with = "duration_ns")]
    pub waiting_time: Duration,
}
