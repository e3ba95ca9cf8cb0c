//! Families of errors, jobs, states, queues and caches.

use super::operations::histogram;
use super::{Family, Source, labels};
use crate::model::{CacheStats, ProgressState, ProgressStats, QueueStats, StateMachineStats};
use crate::sinks::prometheus::lines::{Kind, Lines};

const JOB_STATES: [ProgressState; 7] = [
    ProgressState::Running,
    ProgressState::Stalled,
    ProgressState::Finished,
    ProgressState::Failed,
    ProgressState::Cancelled,
    ProgressState::Abandoned,
    ProgressState::Panicked,
];

/// A family with some lines for each of a part of the snapshot.
macro_rules! family {
    ($name:literal, $kind:ident, $unit:literal, $help:literal, $items:expr, $write:expr) => {
        Family { name: $name, kind: Kind::$kind, unit: $unit, help: $help, items: $items, write: $write }
    };
}

fn jobs(source: &Source<'_>) -> usize {
    source.jobs.len()
}

fn machines(source: &Source<'_>) -> usize {
    source.snapshot.state_machines().len()
}

fn queues(source: &Source<'_>) -> usize {
    source.snapshot.queues().len()
}

fn caches(source: &Source<'_>) -> usize {
    source.snapshot.caches().len()
}

fn job<'a>(source: &'a Source<'_>, item: usize) -> (String, &'a ProgressStats) {
    let job = source.jobs[item];
    (labels(&[("job_name", &job.name)]), job)
}

fn machine<'a>(source: &'a Source<'_>, item: usize) -> &'a StateMachineStats {
    &source.snapshot.state_machines()[item]
}

fn queue<'a>(source: &'a Source<'_>, item: usize) -> (String, &'a QueueStats) {
    let queue = &source.snapshot.queues()[item];
    (labels(&[("queue", &queue.name)]), queue)
}

fn cache<'a>(source: &'a Source<'_>, item: usize) -> (String, &'a CacheStats) {
    let cache = &source.snapshot.caches()[item];
    (labels(&[("cache", &cache.name)]), cache)
}

pub(super) const FAMILIES: &[Family] = &[
    family!(
        "errors",
        Counter,
        "",
        "Errors of the groups that are kept, by kind, severity and component.",
        |source| { source.errors.len() },
        |lines, source, item| {
            let ((kind, severity, component), count) = source.errors[item];
            let labels = labels(&[("kind", kind), ("severity", severity.as_str()), ("component", component)]);
            lines.integer(&labels, count);
        }
    ),
    family!("job_done", Gauge, "", "Items of a job that are done.", jobs, |lines, source, item| {
        let (labels, job) = job(source, item);
        lines.integer(&labels, job.done);
    }),
    family!("job_expected", Gauge, "", "Items of a job in all, if that is known.", jobs, |lines, source, item| {
        let (labels, job) = job(source, item);
        if let Some(total) = job.total {
            lines.integer(&labels, total);
        }
    }),
    family!("job_failed_items", Gauge, "", "Items of a job that failed.", jobs, |lines, source, item| {
        let (labels, job) = job(source, item);
        lines.integer(&labels, job.failed);
    }),
    family!("job_bytes", Gauge, "bytes", "Bytes of a job that are done.", jobs, |lines, source, item| {
        let (labels, job) = job(source, item);
        lines.integer(&labels, job.bytes);
    }),
    family!("job_elapsed_seconds", Gauge, "seconds", "How long a job has run, or ran.", jobs, |lines, source, item| {
        let (labels, job) = job(source, item);
        lines.seconds(&labels, job.elapsed);
    }),
    family!(
        "job_eta_seconds",
        Gauge,
        "seconds",
        "How long a job will still run at its rate; NaN if that is not known.",
        jobs,
        |lines, source, item| {
            let (labels, job) = job(source, item);
            match job.eta {
                Some(eta) => lines.seconds(&labels, eta),
                None => lines.float(&labels, f64::NAN),
            }
        }
    ),
    family!(
        "job_idle_seconds",
        Gauge,
        "seconds",
        "How long nothing of a job was done.",
        jobs,
        |lines, source, item| {
            let (labels, job) = job(source, item);
            lines.seconds(&labels, job.idle);
        }
    ),
    family!(
        "job_state",
        Gauge,
        "",
        "1 for the state that a job is in, 0 for the others.",
        jobs,
        |lines, source, item| {
            let (labels, job) = job(source, item);
            for state in JOB_STATES {
                lines.integer_with(&labels, ("state", state.as_str()), u64::from(job.state == state));
            }
        }
    ),
    family!("state_entities", Gauge, "", "Entities that are in a state.", machines, states),
    family!("state_transitions", Counter, "", "Transitions between states.", machines, transitions),
    family!("state_transitions_refused", Counter, "", "Transitions that were refused.", machines, refused),
    family!(
        "state_stuck_entities",
        Gauge,
        "",
        "Entities in their state for longer than allowed.",
        machines,
        |lines, source, item| {
            let machine = machine(source, item);
            lines.integer(&labels(&[("machine", &machine.name)]), machine.stuck_entities);
        }
    ),
    family!("queue_depth", Gauge, "", "Items that wait.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        lines.integer(&labels, queue.depth);
    }),
    family!("queue_in_process", Gauge, "", "Items that are being processed.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        lines.integer(&labels, queue.in_process);
    }),
    family!("queue_enqueued", Counter, "", "Items that came.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        lines.integer(&labels, queue.enqueued);
    }),
    family!("queue_processed", Counter, "", "Items that were processed, by outcome.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        for (outcome, count) in [("success", queue.processed), ("failure", queue.failed)] {
            lines.integer_with(&labels, ("outcome", outcome), count);
        }
    }),
    family!("queue_discarded", Counter, "", "Items that were thrown away.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        lines.integer(&labels, queue.discarded);
    }),
    family!("queue_requeued", Counter, "", "Items that went back to waiting.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        lines.integer(&labels, queue.requeued);
    }),
    family!("queue_waiting_seconds", Histogram, "seconds", "How long items waited.", queues, |lines, source, item| {
        let (labels, queue) = queue(source, item);
        let bounds = source.settings.seconds_of(&queue.name);
        histogram(lines, &labels, bounds, &queue.waiting, queue.waiting_time);
    }),
    family!(
        "queue_oldest_seconds",
        Gauge,
        "seconds",
        "How long the item has waited that waits longest; 0 if none does.",
        queues,
        |lines, source, item| {
            let (labels, queue) = queue(source, item);
            lines.seconds(&labels, queue.oldest.unwrap_or_default());
        }
    ),
    family!("cache_lookups", Counter, "", "Lookups, by kind and by whether there was an answer.", caches, lookups),
    family!("cache_changes", Counter, "", "Entries put in or thrown out.", caches, |lines, source, item| {
        let (labels, cache) = cache(source, item);
        let changes = [("inserted", cache.inserted), ("evicted", cache.evicted), ("invalidated", cache.invalidated)];
        for (change, count) in changes {
            lines.integer_with(&labels, ("change", change), count);
        }
    }),
    family!("cache_entries", Gauge, "", "Entries held, as the program says.", caches, |lines, source, item| {
        let (labels, cache) = cache(source, item);
        if let Some(entries) = cache.entries {
            lines.integer(&labels, entries);
        }
    }),
    family!(
        "cache_capacity",
        Gauge,
        "",
        "Entries that can be held, as the program says.",
        caches,
        |lines, source, item| {
            let (labels, cache) = cache(source, item);
            if let Some(capacity) = cache.capacity {
                lines.integer(&labels, capacity);
            }
        }
    ),
    family!(
        "cache_memory_bytes",
        Gauge,
        "bytes",
        "Memory taken, as the program says.",
        caches,
        |lines, source, item| {
            let (labels, cache) = cache(source, item);
            if let Some(bytes) = cache.memory_bytes {
                lines.integer(&labels, bytes);
            }
        }
    ),
];

fn states(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let machine = machine(source, item);
    for state in &machine.states {
        lines.integer(&labels(&[("machine", &machine.name), ("state", &state.name)]), state.entities);
    }
}

fn transitions(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let machine = machine(source, item);
    for transition in &machine.transitions {
        let trigger = transition.trigger.as_deref().unwrap_or_default();
        let of =
            [("machine", &*machine.name), ("from", &transition.from), ("to", &transition.to), ("trigger", trigger)];
        lines.integer(&labels(&of), transition.count);
    }
}

fn refused(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let machine = machine(source, item);
    for (reason, &count) in &machine.refused {
        lines.integer(&labels(&[("machine", &machine.name), ("reason", reason)]), count);
    }
}

fn lookups(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let cache = &source.snapshot.caches()[item];
    let (mut hits, mut misses) = (cache.hits, cache.misses);
    let mut write = |kind: &str, hits, misses| {
        let labels = labels(&[("cache", &cache.name), ("kind", kind)]);
        lines.integer_with(&labels, ("result", "hit"), hits);
        lines.integer_with(&labels, ("result", "miss"), misses);
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
