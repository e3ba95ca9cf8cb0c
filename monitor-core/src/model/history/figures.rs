//! Which operations' figures, which figure; summaries, series.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::super::units::{duration_ns, system_time_ns};
use super::super::{Figures, KindStats, Labels, OperationStats};
use super::TimeRange;

/// Which operations' figures are wanted, and of which time.
///
/// ```
/// use monitor_core::{Selection, TimeRange};
/// use std::time::{Duration, SystemTime};
///
/// let day = TimeRange::since(SystemTime::now() - Duration::from_secs(86_400));
/// let selection = Selection::new(day).kind("database").label("table", "users");
/// assert_eq!(selection.labels["table"], "users");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// When calls ended. Steps of time are kept, not moments: what is covered is said with the answer.
    pub range: TimeRange,
    /// Name of the operation.
    pub name: Option<String>,
    /// How the name begins.
    pub name_prefix: Option<String>,
    /// The kind.
    pub kind: Option<String>,
    /// The component.
    pub component: Option<String>,
    /// Labels that a series has, among others. At most 8.
    pub labels: Labels,
    /// The run: [`Instance::run`](crate::Instance::run).
    pub run: Option<String>,
    /// The service: [`Instance::service`](crate::Instance::service).
    pub service: Option<String>,
}

impl Selection {
    /// All operations in that time.
    #[must_use]
    pub fn new(range: TimeRange) -> Selection {
        Selection { range, ..Selection::default() }
    }

    /// The operation of that name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Operations whose names begin like that.
    #[must_use]
    pub fn name_prefix(self, prefix: impl Into<String>) -> Self {
        Self { name_prefix: Some(prefix.into()), ..self }
    }

    /// Operations of that kind.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// Operations of that component.
    #[must_use]
    pub fn component(self, component: impl Into<String>) -> Self {
        Self { component: Some(component.into()), ..self }
    }

    /// Series with that label.
    #[must_use]
    pub fn label(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.labels.insert(key.into(), value.into());
        self
    }

    /// What was in that run.
    #[must_use]
    pub fn run(self, run: impl Into<String>) -> Self {
        Self { run: Some(run.into()), ..self }
    }

    /// What was in that service.
    #[must_use]
    pub fn service(self, service: impl Into<String>) -> Self {
        Self { service: Some(service.into()), ..self }
    }
}

/// One number of a step of time.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// Calls that ended.
    Calls,
    /// Calls that ended in an error, a panic or were cancelled.
    Failures,
    /// The share of the calls that did, 0.0 to 1.0.
    FailureRate,
    /// The mean duration, in seconds.
    Mean,
    /// The longest duration, in seconds.
    Max,
    /// The duration at a quantile, 0.0 to 1.0, in seconds.
    Percentile(f64),
    /// Pieces of work.
    Items,
    /// Bytes of work.
    Bytes,
    /// Time on a thread, in seconds.
    BusyTime,
    /// Time on a thread without that of the operations called from inside, in seconds.
    SelfTime,
}

impl Figure {
    /// The number, of what happened in a step; `None` where it has no meaning without calls.
    #[must_use]
    pub fn of(self, figures: &Figures) -> Option<f64> {
        let finished = figures.finished();
        let timed = !figures.durations.is_empty();
        match self {
            Figure::Mean => timed.then(|| figures.mean().as_secs_f64()),
            Figure::Percentile(q) => timed.then(|| figures.percentile(q).as_secs_f64()),
            _ => self.of_sums(
                [finished, finished - figures.succeeded, figures.items, figures.bytes],
                [figures.busy_time, figures.self_time, figures.max()],
            ),
        }
    }

    /// Whether it is read from the histogram of durations.
    pub(crate) fn needs_histogram(self) -> bool {
        matches!(self, Figure::Percentile(_) | Figure::Mean)
    }

    /// The number, where no histogram is needed for it.
    pub(crate) fn of_sums(
        self,
        [finished, failures, items, bytes]: [u64; 4],
        [busy, own, max]: [Duration; 3],
    ) -> Option<f64> {
        use super::super::units::to_f64;
        match self {
            Figure::Calls => Some(to_f64(finished)),
            Figure::Failures => Some(to_f64(failures)),
            Figure::FailureRate => (finished > 0).then(|| to_f64(failures) / to_f64(finished)),
            Figure::Items => Some(to_f64(items)),
            Figure::Bytes => Some(to_f64(bytes)),
            Figure::BusyTime => Some(busy.as_secs_f64()),
            Figure::SelfTime => Some(own.as_secs_f64()),
            Figure::Max => (finished > 0).then_some(max.as_secs_f64()),
            Figure::Mean | Figure::Percentile(_) => None,
        }
    }
}

/// The figures of all that was selected together, and the time that they are really of.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistoryFigures {
    /// The time that is covered: what was asked for, rounded outwards to the steps that are kept.
    pub covered: TimeRange,
    /// All of it, as one.
    pub figures: Figures,
}

/// The figures of each operation, and the time that they are really of.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HistorySummary {
    /// The time that is covered: what was asked for, rounded outwards to the steps that are kept.
    pub covered: TimeRange,
    /// Each operation with its label sets, the largest total time first; as many as were asked for.
    pub operations: Vec<OperationStats>,
    /// Operations beyond those.
    pub operations_left_out: usize,
    /// All of them by kind, those left out as well; the largest total time first.
    pub kinds: Vec<KindStats>,
    /// All of them together, those left out as well.
    pub total: Figures,
}

/// A figure step by step, without gaps.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What it is.
    pub figure: Figure,
    /// Length of a step.
    #[serde(rename = "step_ns", with = "duration_ns")]
    pub step: Duration,
    /// All steps of the time that was asked for, the oldest first.
    pub points: Vec<SeriesPoint>,
}

/// A figure in one step of time.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeriesPoint {
    /// Beginning of the step: a multiple of it since the Unix epoch.
    #[serde(rename = "start_ns", with = "system_time_ns")]
    pub start: SystemTime,
    /// The figure; `None` where nothing happened that it could be of, or steps so short are not kept so long.
    pub value: Option<f64>,
}
