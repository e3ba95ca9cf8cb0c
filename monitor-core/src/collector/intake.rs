//! What came since the last time: the memory of a collector, and the making of batches.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::moves::Moves;
use crate::model::{
    Batch, ErrorGroup, Fingerprint, Labels, OperationRecord, ProgressStats, QueueStats, Rollup, Totals, queues_since,
};
use crate::record::fetch;
use crate::record::quiet::quietly_or_not;
use crate::record::recorder::Recorder;
use crate::record::registry::Series;

/// Records of one batch; a batch with as many is handed over at once.
pub(super) const MAX_RECORDS: usize = 4_096;

/// What runs is told from this age on, and no more than so many.
const MIN_ACTIVE: Duration = Duration::from_secs(1);
const MAX_ACTIVE: usize = 1_000;

/// What has been told already.
pub(super) struct Intake {
    moves: Arc<Moves>,
    records: Vec<OperationRecord>,
    totals: Vec<Totals>,
    steps: Steps,
    errors: HashMap<Fingerprint, Counted>,
    jobs: HashMap<u64, JobMark>,
    queues: Vec<QueueStats>,
    queues_step: SystemTime,
    lost: BTreeMap<&'static str, u64>,
}

/// Errors of one group that have been told.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Counted {
    count: u64,
    unread: u64,
}

/// What changes in a job when it does something. Not its age, rate and time left, which change by themselves.
#[derive(PartialEq)]
struct JobMark {
    counts: [u64; 5],
    total: Option<u64>,
    state: crate::ProgressState,
    message: String,
}

impl JobMark {
    fn of(job: &ProgressStats) -> Self {
        Self {
            counts: [job.done, job.succeeded, job.failed, job.skipped, job.bytes],
            total: job.total,
            state: job.state,
            message: job.message.clone(),
        }
    }
}

/// A clock that goes back by no more than this was set right a little; one that goes back further was wrong.
const SET_RIGHT: Duration = Duration::from_mins(1);

/// To which step belongs what is read.
struct Steps {
    /// When the sums were read last.
    read_at: SystemTime,
    step: SystemTime,
}

impl Steps {
    fn new(now: SystemTime) -> Self {
        Self { read_at: now, step: step_of(now) }
    }

    /// The step that belongs to the time since the last reading: that of its middle, since a reading comes a little after
    /// the end of a step. Never one a little earlier than before; but after a clock that was ahead what comes must not go on
    /// to be counted in a time that is not yet.
    fn advance(&mut self, now: SystemTime) -> SystemTime {
        let between = now.duration_since(self.read_at).unwrap_or_default();
        let step = step_of(now.checked_sub(between / 2).unwrap_or(now));
        self.read_at = now;
        if step > self.step || self.step.duration_since(step).is_ok_and(|back| back > SET_RIGHT) {
            self.step = step;
        }
        self.step
    }
}

/// Beginning of the step that a moment is in.
fn step_of(at: SystemTime) -> SystemTime {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let steps = since.as_secs() / Rollup::STEP.as_secs();
    SystemTime::UNIX_EPOCH + Duration::from_secs(steps * Rollup::STEP.as_secs())
}

impl Intake {
    pub(super) fn new(recorder: &Recorder, moves: Arc<Moves>) -> Self {
        let now = recorder.clock.anchor().wall;
        Self {
            moves,
            records: Vec::new(),
            totals: Vec::new(),
            steps: Steps::new(now),
            errors: HashMap::new(),
            jobs: HashMap::new(),
            queues: Vec::new(),
            queues_step: step_of(now),
            lost: BTreeMap::new(),
        }
    }

    /// Fetches records. A batch if there are enough of them for one by themselves.
    pub(super) fn fetch_records(&mut self, recorder: &Recorder) -> Option<Batch> {
        quietly_or_not(|| {
            let full = fetch::records(recorder, &mut self.records, MAX_RECORDS);
            full.then(|| Batch { records: self.take_records(), ..Batch::new(recorder.clock.anchor().wall) })
        })
    }

    /// Everything else that came, with the records that are left. The `last` batch has what belongs to a step that is not
    /// over, too.
    pub(super) fn fetch_all(&mut self, recorder: &Recorder, last: bool) -> Batch {
        quietly_or_not(|| {
            let anchor = recorder.clock.anchor();
            let step = self.steps.advance(anchor.wall);
            Batch {
                records: self.take_records(),
                rollups: self.rollups(recorder, step),
                errors: self.errors(recorder),
                transitions: self.moves.take(&anchor),
                progress: self.progress(recorder.stores.progress.read(&anchor)),
                queues: self.queues(recorder, step, last),
                active: fetch::active_for(recorder, MIN_ACTIVE, MAX_ACTIVE),
                lost: self.lost(recorder),
                ..Batch::new(anchor.wall)
            }
        })
    }

    fn take_records(&mut self) -> Vec<OperationRecord> {
        let mut records = std::mem::take(&mut self.records);
        records.sort_by_key(|record| record.started_at + record.duration);
        records
    }

    fn rollups(&mut self, recorder: &Recorder, step_start: SystemTime) -> Vec<Rollup> {
        let (series, totals) = fetch::totals(recorder);
        self.totals.resize_with(totals.len(), Totals::default);
        let mut rollups = Vec::new();
        for ((series, now), before) in series.iter().zip(totals).zip(&mut self.totals) {
            if now == *before {
                continue;
            }
            let since = now.since(before);
            *before = now;
            rollups.push(rollup(series, since, step_start));
        }
        rollups
    }

    fn errors(&mut self, recorder: &Recorder) -> Vec<ErrorGroup> {
        let told = &self.errors;
        let mut groups = fetch::error_groups(recorder, |fingerprint, count, unread| {
            told.get(&fingerprint).copied().unwrap_or_default() != Counted { count, unread }
        });
        for group in &mut groups {
            let now = Counted { count: group.count, unread: group.count_unread };
            // One that made room in between and came again has begun anew.
            let before = self.errors.insert(group.fingerprint, now);
            let before = before.filter(|before| before.count <= now.count).unwrap_or_default();
            group.count = now.count - before.count;
            group.count_unread = now.unread.saturating_sub(before.unread).min(group.count);
            // The newest come first; more than are kept may have come.
            let looked_at = usize::try_from(group.count - group.count_unread).unwrap_or(usize::MAX);
            group.samples.truncate(looked_at);
        }
        groups.retain(|group| group.count > 0);
        self.forget_errors(recorder);
        groups
    }

    /// Forgets groups that have made room for others, once there are twice as many as can be.
    fn forget_errors(&mut self, recorder: &Recorder) {
        let most = recorder.stores.errors.max_groups().saturating_mul(2).max(64);
        if self.errors.len() > most {
            let known = fetch::error_groups(recorder, |_, _, _| true);
            let known: HashSet<_> = known.iter().map(|group| group.fingerprint).collect();
            self.errors.retain(|fingerprint, _| known.contains(fingerprint));
        }
    }

    fn progress(&mut self, jobs: Vec<ProgressStats>) -> Vec<ProgressStats> {
        let before = std::mem::take(&mut self.jobs);
        let mut changed = Vec::new();
        for job in jobs {
            let mark = JobMark::of(&job);
            let same = before.get(&job.id) == Some(&mark);
            self.jobs.insert(job.id, mark);
            if !same {
                changed.push(job);
            }
        }
        changed
    }

    /// The queues, when a step is over.
    fn queues(&mut self, recorder: &Recorder, step: SystemTime, last: bool) -> Vec<QueueStats> {
        if step == self.queues_step && !last {
            return Vec::new();
        }
        self.queues_step = step;
        let now = recorder.stores.queues.read(&recorder.clock.anchor());
        let since = queues_since(&now, &self.queues, Rollup::STEP);
        self.queues = now;
        since
    }

    fn lost(&mut self, recorder: &Recorder) -> BTreeMap<String, u64> {
        let mut lost = BTreeMap::new();
        for (reason, now) in fetch::lost(recorder).into_iter().chain([("transitions_full", self.moves.lost())]) {
            let before = self.lost.insert(reason, now).unwrap_or(0);
            if now > before {
                lost.insert(reason.to_owned(), now - before);
            }
        }
        lost
    }
}

fn rollup(series: &Series, totals: Totals, step_start: SystemTime) -> Rollup {
    let labels: Labels = series.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
    Rollup {
        name: series.name.to_string(),
        kind: series.kind.to_string(),
        component: series.component.to_string(),
        labels,
        step_start,
        totals,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_step_follows_the_middle_of_what_was_read_and_goes_back_a_little_never() {
        let mut steps = Steps::new(at(1_000));
        let read = [1_009, 1_011, 1_016, 1_005, 1_021].map(|now| steps.advance(at(now)));
        assert_eq!(read, [1_000, 1_010, 1_010, 1_010, 1_010].map(at));
    }

    #[test]
    fn after_a_clock_that_was_ahead_the_steps_are_those_of_the_time_again() {
        let mut steps = Steps::new(at(1_000));
        let read = [1_010, 500_000, 500_001, 1_020, 1_021, 1_040].map(|now| steps.advance(at(now)));
        // The middle of what is between: nobody knows when the clock was changed.
        assert_eq!(read, [1_000, 250_500, 500_000, 1_020, 1_020, 1_030].map(at));
    }
}
