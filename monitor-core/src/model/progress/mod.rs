//! How far a long job is.

mod section;

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, optional_duration_ns, system_time_ns, to_f64};

#[cfg(feature = "terminal")]
pub(crate) use section::in_tree_order;
pub(super) use section::progress;

/// How far one job is, or was when it ended.
///
/// Counts are of this run, except for [`done`](Self::done) and [`bytes`](Self::bytes), which include what earlier runs
/// had done. Rates and the time left come from this run alone: exponentially weighted over time, with a time constant
/// of a quarter of the run (a sixteenth for skipped items, which come in bursts), at least 10 s and at most 10 minutes.
///
/// ```
/// use monitor_core::{ManualClock, Monitor};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let local = Monitor::builder().clock(&clock).build()?;
/// let import = local.progress("import").total(1_000).start();
/// for _ in 0..100 {
///     clock.advance(Duration::from_millis(20));
///     import.inc(1);
/// }
/// let snapshot = local.snapshot();
/// let stats = &snapshot.progress()[0];
/// assert_eq!((stats.done, stats.fraction()), (100, Some(0.1)));
/// assert_eq!(stats.eta.map(|eta| eta.as_secs()), Some(18));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressStats {
    /// Tells this job from all others of its monitor.
    pub id: u64,
    /// `id` of the job that it is a step of.
    pub parent: Option<u64>,
    /// Name of the job.
    pub name: String,
    /// Whether it runs, and if not, how it ended.
    pub state: ProgressState,
    /// Items in all, if known. May change.
    pub total: Option<u64>,
    /// Items done: those of earlier runs and what succeeded, failed and was skipped in this one. May be more than
    /// `total`.
    pub done: u64,
    /// Items that earlier runs had done.
    pub already_done: u64,
    /// Items done with success in this run.
    pub succeeded: u64,
    /// Items that failed in this run.
    pub failed: u64,
    /// Items skipped in this run.
    pub skipped: u64,
    /// Items worked on together, if it was said.
    pub batch_size: Option<u64>,
    /// Bytes done, those of earlier runs included.
    pub bytes: u64,
    /// Bytes in all, if known. May change.
    pub total_bytes: Option<u64>,
    /// What it says of itself; empty without a word.
    pub message: String,
    /// Why it failed; also what went wrong while it ended.
    pub error: Option<String>,
    /// When it began, by the wall clock.
    #[serde(rename = "started_at_ns", with = "system_time_ns")]
    pub started_at: SystemTime,
    /// How long it has been running, or ran, by the monotonic clock.
    #[serde(rename = "elapsed_ns", with = "duration_ns")]
    pub elapsed: Duration,
    /// How long nothing has moved: no item and no byte of it, and none of its steps.
    ///
    /// Exact for work of which items are more than 8 ms apart. For faster work the first look after it stopped reads 0.
    #[serde(rename = "idle_ns", with = "duration_ns")]
    pub idle: Duration,
    /// Items a second at present; of a job that has ended, over all of this run. `None` before there is evidence.
    pub rate: Option<f64>,
    /// Bytes a second, likewise.
    pub bytes_rate: Option<f64>,
    /// The time left, for items, or for bytes when only their total is known. Zero when all is done and the job has not
    /// ended yet.
    ///
    /// `None` is unknown: before there is evidence, without a total, when the job has stalled or ended, and when it
    /// would be over a year.
    #[serde(rename = "eta_ns", with = "optional_duration_ns")]
    pub eta: Option<Duration>,
}

/// Whether a job runs, and if not, how it ended.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProgressState {
    /// It runs.
    Running,
    /// It runs, and nothing has moved for the time that was stated: 60 s unless said otherwise.
    Stalled,
    /// It was told to finish, or let go when all of its total was done.
    Finished,
    /// It was told to fail.
    Failed,
    /// It was told to cancel.
    Cancelled,
    /// It was let go without a word before all of a known total was done.
    Abandoned,
    /// A panic let it go.
    Panicked,
}

impl ProgressState {
    /// The word for it everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ProgressState::Running => "running",
            ProgressState::Stalled => "stalled",
            ProgressState::Finished => "finished",
            ProgressState::Failed => "failed",
            ProgressState::Cancelled => "cancelled",
            ProgressState::Abandoned => "abandoned",
            ProgressState::Panicked => "panicked",
        }
    }

    /// Whether the job has ended, one way or another.
    #[must_use]
    pub const fn is_ended(self) -> bool {
        !matches!(self, ProgressState::Running | ProgressState::Stalled)
    }
}

impl fmt::Display for ProgressState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl ProgressStats {
    /// Of a job of which nothing can be known but that it was.
    pub(crate) fn unknown(id: u64, name: &str) -> ProgressStats {
        ProgressStats {
            id,
            parent: None,
            name: name.to_owned(),
            state: ProgressState::Abandoned,
            total: None,
            done: 0,
            already_done: 0,
            succeeded: 0,
            failed: 0,
            skipped: 0,
            batch_size: None,
            bytes: 0,
            total_bytes: None,
            message: String::new(),
            error: None,
            started_at: SystemTime::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            idle: Duration::ZERO,
            rate: None,
            bytes_rate: None,
            eta: None,
        }
    }

    /// The part that is done, 0.0 to 1.0: of the items, or of the bytes when only their total is known. `None` without
    /// a total; 1.0 when the total is 0, and when more is done than it.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        let (done, total) = match (self.total, self.total_bytes) {
            (Some(total), _) => (self.done, total),
            (None, total) => (self.bytes, total?),
        };
        Some(if done >= total { 1.0 } else { to_f64(done) / to_f64(total) })
    }

    /// Items that are left, 0 when more is done than the total. `None` without a total.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        self.total.map(|total| total.saturating_sub(self.done))
    }

    /// Whether it has ended, one way or another.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.state.is_ended()
    }
}

/// What there is now, without the jobs that had ended before.
pub(super) fn since(now: &[ProgressStats], earlier: &[ProgressStats]) -> Vec<ProgressStats> {
    let had_ended = |job: &ProgressStats| earlier.iter().any(|before| before.id == job.id && before.is_ended());
    now.iter().filter(|job| !had_ended(job)).cloned().collect()
}

/// A job half done, for tests.
#[cfg(test)]
pub(super) fn example(id: u64, name: &str) -> ProgressStats {
    ProgressStats {
        id,
        parent: None,
        name: name.into(),
        state: ProgressState::Running,
        total: Some(1_000),
        done: 500,
        already_done: 100,
        succeeded: 390,
        failed: 7,
        skipped: 3,
        batch_size: Some(50),
        bytes: 1_234_567,
        total_bytes: None,
        message: "reading part 3".into(),
        error: None,
        started_at: SystemTime::UNIX_EPOCH + Duration::from_secs(9),
        elapsed: Duration::from_secs(40),
        idle: Duration::from_millis(3),
        rate: Some(10.0),
        bytes_rate: Some(30_864.2),
        eta: Some(Duration::from_secs(50)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_round_trips() {
        let running = example(1, "import");
        let failed = ProgressStats {
            state: ProgressState::Failed,
            error: Some("disk full".into()),
            total: None,
            rate: None,
            eta: None,
            parent: Some(1),
            ..example(2, "copy")
        };
        for job in [running, failed] {
            let json = serde_json::to_string(&job).unwrap();
            assert_eq!(serde_json::from_str::<ProgressStats>(&json).unwrap(), job);
        }
        let json = serde_json::to_value(example(1, "import")).unwrap();
        assert_eq!((&json["state"], &json["eta_ns"]), (&"running".into(), &50_000_000_000_u64.into()));
    }

    #[test]
    fn the_fraction_never_leaves_its_range() {
        let with =
            |total, done, total_bytes, bytes| ProgressStats { total, done, bytes, total_bytes, ..example(1, "x") };
        for (job, fraction) in [
            (with(None, 5, None, 5), None),
            (with(Some(0), 0, None, 0), Some(1.0)),
            (with(Some(10), 11, None, 0), Some(1.0)),
            (with(Some(10), 0, None, 0), Some(0.0)),
            (with(Some(u64::MAX), u64::MAX, None, 0), Some(1.0)),
            (with(None, 0, Some(200), 50), Some(0.25)),
            (with(Some(10), 1, Some(200), 50), Some(0.1)),
        ] {
            assert_eq!(job.fraction(), fraction, "{job:?}");
        }
        assert_eq!(with(Some(10), 11, None, 0).remaining(), Some(0));
    }

    #[test]
    fn a_difference_leaves_out_what_had_ended_before() {
        let ended = |id| ProgressStats { state: ProgressState::Finished, ..example(id, "x") };
        let (earlier, now) = ([ended(1), example(2, "x")], [ended(1), ended(2), example(3, "x")]);
        let ids: Vec<_> = since(&now, &earlier).iter().map(|job| job.id).collect();
        assert_eq!(ids, [2, 3]);
    }
}
