//! Families of operations: each label set of each operation.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use super::{Family, Source};
use crate::base::names::label_key;
use crate::model::{Histogram, Labels, OperationRecord, OperationStats, Outcome, Snapshot};
use crate::sinks::prometheus::bounds::Bounds;
use crate::sinks::prometheus::exemplars::Exemplars;
use crate::sinks::prometheus::lines::{Kind, Lines, Sum, label};
use crate::sinks::prometheus::settings::Exposition;

/// Labels that operations have by themselves, or that samples get.
const OWN_LABELS: [&str; 6] = ["operation", "kind", "component", "outcome", "le", "quantile"];

/// An operation, or one of its label sets.
pub(super) struct OperationSeries<'a> {
    stats: &'a OperationStats,
    labels: String,
    bounds: &'a Bounds,
    oldest_active: Duration,
    exemplars: Exemplars,
}

/// What tells series from each other.
type Key<'a> = (&'a str, &'a str, &'a Labels);

pub(super) fn series<'a>(settings: &'a Exposition, snapshot: &'a Snapshot) -> Vec<OperationSeries<'a>> {
    // What runs does not say its component: of two that differ in nothing else both get the age.
    let mut oldest: HashMap<Key<'_>, Duration, RandomState> = HashMap::default();
    for active in snapshot.active() {
        let age = oldest.entry((&active.name, &active.kind, &active.labels)).or_default();
        *age = active.age.max(*age);
    }
    let mut all = Vec::with_capacity(snapshot.operations().len());
    for operation in snapshot.operations() {
        let bounds = settings.seconds_of(&operation.name);
        let sets = if operation.series.is_empty() { std::slice::from_ref(operation) } else { &operation.series };
        all.extend(sets.iter().map(|stats| OperationSeries {
            stats,
            labels: labels(stats),
            bounds,
            oldest_active: oldest.get(&(&*stats.name, &*stats.kind, &stats.labels)).copied().unwrap_or_default(),
            exemplars: Exemplars::default(),
        }));
    }
    all
}

/// Gives each series the traces of these calls, of which the newest is the first.
pub(super) fn add_exemplars(all: &mut [OperationSeries<'_>], records: &[OperationRecord]) {
    if records.is_empty() {
        return;
    }
    let places = all.iter().enumerate().map(|(place, OperationSeries { stats, .. })| {
        ((&*stats.name, &*stats.kind, &*stats.component, &stats.labels), place)
    });
    let places: HashMap<_, _, RandomState> = places.collect();
    for record in records {
        let key = (&*record.name, &*record.kind, &*record.component, &record.labels);
        if let Some(&place) = places.get(&key) {
            let OperationSeries { exemplars, bounds, .. } = &mut all[place];
            exemplars.add(record, bounds);
        }
    }
}

fn labels(stats: &OperationStats) -> String {
    let OperationStats { name, kind, component, labels, .. } = stats;
    let mut text = String::with_capacity(32 + name.len() + kind.len() + component.len());
    label("operation", name, &mut text);
    label("kind", kind, &mut text);
    if !component.is_empty() {
        label("component", component, &mut text);
    }
    host_labels(labels, &OWN_LABELS, &mut text);
    text
}

/// Labels that the host gave. A key that is taken gets `label_` in front, and of two that become one by that the first one
/// stands.
pub(in super::super) fn host_labels(labels: &Labels, taken: &[&str], text: &mut String) {
    for (key, value) in labels {
        let key = label_key(key);
        if !taken.contains(&&*key) {
            label(&key, value, text);
        } else if !labels.contains_key(&format!("label_{key}")) {
            label(&format!("label_{key}"), value, text);
        }
    }
}

fn count(source: &Source<'_>) -> usize {
    source.operations.len()
}

/// A sum over all calls.
macro_rules! sum {
    ($name:literal, $unit:literal, $help:literal, $write:ident, $field:ident) => {
        Family {
            name: $name,
            kind: Kind::Counter,
            unit: $unit,
            help: $help,
            items: count,
            write: |lines, source, item| {
                let OperationSeries { labels, stats, .. } = &source.operations[item];
                lines.$write(labels, stats.$field);
            },
        }
    };
}

pub(super) const FAMILIES: &[Family] = &[
    sum!("operations_started", "", "Calls that began.", integer, started),
    Family {
        name: "operations",
        kind: Kind::Counter,
        unit: "",
        help: "Calls that ended, by outcome.",
        items: count,
        write: outcomes,
    },
    Family {
        name: "operation_duration_seconds",
        kind: Kind::Histogram,
        unit: "seconds",
        help: "How long the calls took that were timed.",
        items: count,
        write: durations,
    },
    sum!(
        "operation_busy_seconds",
        "seconds",
        "Time in calls, without that in which futures waited.",
        seconds,
        busy_time
    ),
    sum!("operation_items", "", "Pieces of work that calls did.", integer, items),
    sum!("operation_bytes", "bytes", "Bytes of work that calls did.", integer, bytes),
    sum!("operation_polls", "", "Polls of futures.", integer, polls),
    sum!("operation_allocations", "", "Allocations by calls; needs the monitor's allocator.", integer, allocations),
    sum!(
        "operation_allocated_bytes",
        "bytes",
        "Memory that calls allocated; needs the monitor's allocator.",
        integer,
        allocated_bytes
    ),
    Family {
        name: "operations_in_flight",
        kind: Kind::Gauge,
        unit: "",
        help: "Calls that run now.",
        items: count,
        write: |lines, source, item| {
            let OperationSeries { labels, stats, .. } = &source.operations[item];
            lines.integer(labels, stats.in_flight());
        },
    },
    Family {
        name: "operation_oldest_active_seconds",
        kind: Kind::Gauge,
        unit: "seconds",
        help: "How long the call has run that runs longest; 0 if none does.",
        items: count,
        write: |lines, source, item| {
            let OperationSeries { labels, oldest_active, .. } = &source.operations[item];
            lines.seconds(labels, *oldest_active);
        },
    },
];

fn outcomes(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let OperationSeries { labels, stats, exemplars, .. } = &source.operations[item];
    let outcomes = [
        (Outcome::Success, stats.succeeded),
        (Outcome::Failure, stats.failed),
        (Outcome::Panicked, stats.panicked),
        (Outcome::Cancelled, stats.cancelled),
    ];
    for (outcome, count) in outcomes {
        lines.integer_like(labels, ("outcome", outcome.as_str()), count, exemplars.of_outcome(outcome));
    }
}

fn durations(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let OperationSeries { labels, stats, bounds, exemplars, .. } = &source.operations[item];
    let exemplar = |bucket| exemplars.of_bucket(bucket);
    histogram(lines, labels, bounds, exemplar, &stats.durations, stats.total_time);
}

/// The lines of a histogram of durations.
pub(super) fn histogram<'e>(
    lines: &mut Lines,
    labels: &str,
    bounds: &Bounds,
    exemplar: impl Fn(usize) -> &'e str,
    durations: &Histogram,
    sum: Duration,
) {
    let count = lines.buckets_of(labels, bounds, exemplar, |counts| bounds.durations(durations, counts));
    lines.sum_and_count(labels, Sum::Time(sum), count);
}
