//! The one value for a first screen.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::Severity;
use super::super::units::{duration_ns, optional_duration_ns, system_time_ns};
use super::TimeRange;

/// How things stand: [`History::dashboard_summary`](crate::History::dashboard_summary). Written with serde it is the JSON of
/// a first screen.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashboardSummary {
    /// The time that calls and errors are of: the last 24 hours, rounded outwards.
    pub covered: TimeRange,
    /// Runs that have not ended.
    pub instances_running: u64,
    /// Calls that ran when their run was last seen; those of runs that have ended are not in it.
    pub active_operations: u64,
    /// Calls that ended.
    pub calls: u64,
    /// Calls among them that did not succeed.
    pub failures: u64,
    /// The share of those, 0.0 to 1.0; 0.0 without calls.
    pub failure_rate: f64,
    /// The median duration.
    #[serde(rename = "p50_ns", with = "duration_ns")]
    pub p50: Duration,
    /// The duration that 99 % of the calls do not exceed.
    #[serde(rename = "p99_ns", with = "duration_ns")]
    pub p99: Duration,
    /// The ten operations with the largest total time.
    pub operations: Vec<DashboardOperation>,
    /// Groups of errors of which one came, by severity.
    pub errors: Vec<DashboardErrors>,
    /// Up to ten jobs that run, the newest first.
    pub jobs: Vec<DashboardJob>,
    /// Up to fifty queues, as they were last seen.
    pub queues: Vec<DashboardQueue>,
    /// Entries that were lost on the way to the history, of all runs.
    pub lost: u64,
}

/// An operation on the first screen.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashboardOperation {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Calls that ended.
    pub calls: u64,
    /// Calls among them that did not succeed.
    pub failures: u64,
    /// Their time in all.
    #[serde(rename = "total_time_ns", with = "duration_ns")]
    pub total_time: Duration,
    /// Their mean duration.
    #[serde(rename = "mean_ns", with = "duration_ns")]
    pub mean: Duration,
    /// The duration that 99 % of them do not exceed.
    #[serde(rename = "p99_ns", with = "duration_ns")]
    pub p99: Duration,
}

/// Errors of one severity on the first screen.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashboardErrors {
    /// The severity.
    pub severity: Severity,
    /// Groups of which one came.
    pub groups: u64,
    /// Errors that came.
    pub count: u64,
}

/// A job on the first screen.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DashboardJob {
    /// Its name.
    pub name: String,
    /// The part that is done, 0.0 to 1.0; `None` without a total.
    pub fraction: Option<f64>,
    /// The time left, as it was last known.
    #[serde(rename = "eta_ns", with = "optional_duration_ns")]
    pub eta: Option<Duration>,
    /// When it was last seen.
    #[serde(rename = "updated_at_ns", with = "system_time_ns")]
    pub updated_at: SystemTime,
}

/// A queue on the first screen: of all runs together.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DashboardQueue {
    /// Its name.
    pub name: String,
    /// Items that waited when it was last seen.
    pub depth: u64,
    /// How long the oldest had been waiting then.
    #[serde(rename = "oldest_ns", with = "optional_duration_ns")]
    pub oldest: Option<Duration>,
}
