//! Families of errors, jobs, states, queues and caches.

use super::operations::histogram;
use super::{Family, Labelled, Source, family, labels};
use crate::model::{CacheStats, ErrorCount, ProgressState, ProgressStats, QueueStats, StateMachineStats};
use crate::sinks::prometheus::lines::{Lines, label};

const JOB_STATES: [ProgressState; 7] = [
    ProgressState::Running,
    ProgressState::Stalled,
    ProgressState::Finished,
    ProgressState::Failed,
    ProgressState::Cancelled,
    ProgressState::Abandoned,
    ProgressState::Panicked,
];

fn errors<'a>(source: &Source<'a>) -> &'a [ErrorCount] {
    source.snapshot.error_counts()
}

impl Labelled for ErrorCount {
    fn labels(&self) -> String {
        labels(&[("kind", &self.kind), ("severity", self.severity.as_str()), ("component", &self.component)])
    }
}

fn jobs<'s, 'a>(source: &'s Source<'a>) -> &'s [&'a ProgressStats] {
    &source.jobs
}

impl Labelled for ProgressStats {
    fn labels(&self) -> String {
        labels(&[("job_name", &self.name)])
    }
}

fn machines<'a>(source: &Source<'a>) -> &'a [StateMachineStats] {
    source.snapshot.state_machines()
}

impl Labelled for StateMachineStats {
    fn labels(&self) -> String {
        labels(&[("machine", &self.name)])
    }
}

fn queues<'a>(source: &Source<'a>) -> &'a [QueueStats] {
    source.snapshot.queues()
}

impl Labelled for QueueStats {
    fn labels(&self) -> String {
        labels(&[("queue", &self.name)])
    }
}

fn caches<'a>(source: &Source<'a>) -> &'a [CacheStats] {
    source.snapshot.caches()
}

impl Labelled for CacheStats {
    fn labels(&self) -> String {
        labels(&[("cache", &self.name)])
    }
}

pub(super) const FAMILIES: &[Family] = &[
    family!("errors", Counter, "", "Errors, by kind, severity and component.", errors: integer count),
    family!("job_done", Gauge, "", "Items of a job that are done.", jobs: integer done),
    family!("job_expected", Gauge, "", "Items of a job in all, if that is known.", jobs: optional total),
    family!("job_failed_items", Gauge, "", "Items of a job that failed.", jobs: integer failed),
    family!("job_bytes", Gauge, "bytes", "Bytes of a job that are done.", jobs: integer bytes),
    family!("job_elapsed_seconds", Gauge, "seconds", "How long a job has run, or ran.", jobs: seconds elapsed),
    family!(
        "job_eta_seconds", Gauge, "seconds", "How long a job will still run at its rate; NaN if that is not known.",
        jobs: |lines, _, labels, job| match job.eta {
            Some(eta) => lines.seconds(labels, eta),
            None => lines.float(labels, f64::NAN),
        }
    ),
    family!("job_idle_seconds", Gauge, "seconds", "How long nothing of a job was done.", jobs: seconds idle),
    family!(
        "job_state", Gauge, "", "1 for the state that a job is in, 0 for the others.",
        jobs: |lines, _, labels, job| for state in JOB_STATES {
            lines.integer_with(labels, ("state", state.as_str()), u64::from(job.state == state));
        }
    ),
    family!(
        "state_entities", Gauge, "", "Entities that are in a state.",
        machines: |lines, _, labels, machine| for state in &machine.states {
            with(lines, labels, &[("state", &state.name)], state.entities);
        }
    ),
    family!(
        "state_transitions", Counter, "", "Transitions between states.",
        machines: |lines, _, labels, machine| for transition in &machine.transitions {
            let trigger = transition.trigger.as_deref().unwrap_or_default();
            let of = [("from", &*transition.from), ("to", &transition.to), ("trigger", trigger)];
            with(lines, labels, &of, transition.count);
        }
    ),
    family!(
        "state_transitions_refused", Counter, "", "Transitions that were refused.",
        machines: |lines, _, labels, machine| for (reason, &count) in &machine.refused {
            with(lines, labels, &[("reason", reason)], count);
        }
    ),
    family!(
        "state_stuck_entities", Gauge, "", "Entities in their state for longer than allowed.",
        machines: integer stuck_entities
    ),
    family!("queue_depth", Gauge, "", "Items that wait.", queues: integer depth),
    family!("queue_in_process", Gauge, "", "Items that are being processed.", queues: integer in_process),
    family!("queue_enqueued", Counter, "", "Items that came.", queues: integer enqueued),
    family!(
        "queue_processed", Counter, "", "Items that were processed, by outcome.",
        queues: |lines, _, labels, queue| {
            lines.integer_with(labels, ("outcome", "success"), queue.processed);
            lines.integer_with(labels, ("outcome", "failure"), queue.failed);
        }
    ),
    family!("queue_discarded", Counter, "", "Items that were thrown away.", queues: integer discarded),
    family!("queue_requeued", Counter, "", "Items that went back to waiting.", queues: integer requeued),
    family!(
        "queue_waiting_seconds", Histogram, "seconds", "How long items waited.",
        queues: |lines, settings, labels, queue| {
            let bounds = settings.seconds_of(&queue.name);
            histogram(lines, labels, bounds, |_| "", &queue.waiting, queue.waiting_time);
        }
    ),
    family!(
        "queue_oldest_seconds", Gauge, "seconds", "How long the item has waited that waits longest; 0 if none does.",
        queues: |lines, _, labels, queue| lines.seconds(labels, queue.oldest.unwrap_or_default())
    ),
    family!(
        "cache_lookups", Counter, "", "Lookups, by kind and by whether there was an answer.",
        caches: |lines, _, labels, cache| lookups(lines, labels, cache)
    ),
    family!(
        "cache_changes", Counter, "", "Entries put in or thrown out.",
        caches: |lines, _, labels, cache| {
            let changes =
                [("inserted", cache.inserted), ("evicted", cache.evicted), ("invalidated", cache.invalidated)];
            for (change, count) in changes {
                lines.integer_with(labels, ("change", change), count);
            }
        }
    ),
    family!("cache_entries", Gauge, "", "Entries held, as the program says.", caches: optional entries),
    family!("cache_capacity", Gauge, "", "Entries that can be held, as the program says.", caches: optional capacity),
    family!("cache_memory_bytes", Gauge, "bytes", "Memory taken, as the program says.", caches: optional memory_bytes),
];

/// An integer with further labels.
fn with(lines: &mut Lines, labels: &str, further: &[(&str, &str)], value: u64) {
    let mut labels = labels.to_owned();
    for (key, text) in further {
        label(key, text, &mut labels);
    }
    lines.integer(&labels, value);
}

fn lookups(lines: &mut Lines, labels: &str, cache: &CacheStats) {
    let (mut hits, mut misses) = (cache.hits, cache.misses);
    let mut write = |kind: &str, hits, misses| {
        with(lines, labels, &[("kind", kind), ("result", "hit")], hits);
        with(lines, labels, &[("kind", kind), ("result", "miss")], misses);
    };
    for kind in &cache.kinds {
        write(&kind.kind, kind.hits, kind.misses);
        hits = hits.saturating_sub(kind.hits);
        misses = misses.saturating_sub(kind.misses);
    }
    // Those without a kind; there from the first moment on.
    if !cache.kinds.iter().any(|kind| kind.kind.is_empty()) {
        write("", hits, misses);
    }
}
