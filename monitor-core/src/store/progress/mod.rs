//! How far the long jobs are.
//!
//! | file | owns |
//! |---|---|
//! | `counters` | what a job has done, counted by any number of threads |
//! | `estimator` | how fast it is, from what was done when |
//! | `job` | one job: counts, total, message, when it last moved, how it ended |
//!
//! Here: the board that lists them. At most [`RUNNING`] running jobs are listed and the last [`ENDED`] of those that
//! ended. A job over the cap works like any other, is not listed, and is counted.

mod counters;
mod estimator;
mod job;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

pub(crate) use counters::Count;
pub(crate) use job::{Job, Plan};

use crate::base::clock::{Anchor, Clock};
use crate::model::{ProgressState, ProgressStats};
use job::Ended;

/// Running jobs that are listed.
pub(crate) const RUNNING: usize = 1_024;
/// Ended jobs that are listed.
pub(crate) const ENDED: usize = 64;

/// The progress of everything that runs, and of what ended last.
#[derive(Default)]
pub(crate) struct ProgressBoard {
    last_id: AtomicU64,
    unlisted: AtomicU64,
    jobs: Mutex<Jobs>,
}

#[derive(Default)]
struct Jobs {
    /// By id, so in the order in which they began, and steps after what they are steps of.
    running: BTreeMap<u64, Arc<Job>>,
    ended: VecDeque<Arc<Ended>>,
    displaced: u64,
}

impl ProgressBoard {
    /// Begins a job. Unless it is `listed` nobody sees it but through its handles.
    pub(crate) fn begin(&self, plan: Plan, clock: &Clock, listed: bool) -> Arc<Job> {
        let id = self.last_id.fetch_add(1, Ordering::Relaxed) + 1;
        let job = Arc::new(Job::new(id, plan, clock));
        if listed {
            let mut jobs = self.jobs.lock();
            if jobs.running.len() < RUNNING {
                jobs.running.insert(id, Arc::clone(&job));
            } else {
                self.unlisted.fetch_add(1, Ordering::Relaxed);
            }
        }
        job
    }

    /// Ends a job; whatever is said of its end later changes nothing.
    pub(crate) fn end(&self, job: &Job, how: ProgressState, error: Option<String>, anchor: &Anchor<'_>) {
        let Some(ended) = job.end(how, error, anchor) else { return };
        let mut jobs = self.jobs.lock();
        let listed = jobs.running.remove(&job.id);
        let mut displaced = None;
        if listed.is_some() {
            jobs.ended.push_back(ended);
            if jobs.ended.len() > ENDED {
                displaced = jobs.ended.pop_front();
                jobs.displaced += 1;
            }
        }
        // What is no longer listed is freed when the lock is gone.
        drop(jobs);
        drop((listed, displaced));
    }

    /// Running jobs in the order in which they began, then ended ones, the last one first.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> Vec<ProgressStats> {
        let (running, ended) = {
            let jobs = self.jobs.lock();
            (jobs.running.values().cloned().collect::<Vec<_>>(), jobs.ended.iter().rev().cloned().collect::<Vec<_>>())
        };
        // A step that moves moves what it is a step of, also where a step between them has ended.
        let mut steps_moved: HashMap<u64, u64> = HashMap::new();
        for job in running.iter().filter(|job| !job.ancestors().is_empty()) {
            let own = job.moved(anchor.ticks);
            for ancestor in job.ancestors() {
                let moved = steps_moved.entry(*ancestor).or_default();
                *moved = own.max(*moved);
            }
        }
        let moved = |job: &Job| steps_moved.get(&job.id).copied().unwrap_or(0);
        let running = running.iter().map(|job| job.stats(anchor, moved(job)));
        running.chain(ended.iter().map(|ended| ended.stats(anchor))).collect()
    }

    /// One job by itself, whether it is listed or not.
    pub(crate) fn read_one(&self, job: &Job, anchor: &Anchor<'_>) -> ProgressStats {
        let running: Vec<_> = self.jobs.lock().running.range(job.id..).map(|(_, job)| Arc::clone(job)).collect();
        let steps = running.iter().filter(|other| other.ancestors().contains(&job.id));
        let steps_moved = steps.map(|step| step.moved(anchor.ticks)).max().unwrap_or(0);
        job.stats(anchor, steps_moved)
    }

    /// Jobs that were not listed for want of room, and ended ones that made room for newer ones.
    pub(crate) fn losses(&self) -> (u64, u64) {
        (self.unlisted.load(Ordering::Relaxed), self.jobs.lock().displaced)
    }
}
