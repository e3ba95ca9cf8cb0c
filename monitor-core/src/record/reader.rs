//! Reading: all shards added up into plain values, while their threads go on.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::cell::Cell;
use super::context::lineage_in;
use super::copies;
use super::edges::OTHER_CALLERS;
use super::errors;
use super::journal::RawRecord;
use super::lineage::{Lineage, span_of};
use super::local::is_reentrant;
use super::quiet::quietly;
use super::recorder::{Recorder, Shard};
use super::registry::{Cap, OVERFLOW, Series};
use super::stack::{GROUND, is_stand_in};
use super::sync::{AtomicU64, Ordering, fence};
use crate::base::clock::Anchor;
use crate::model::{
    ActiveOperation, ActiveState, CallEdge, Identity, Labels, MonitorStats, OperationRecord, OperationStats, Snapshot,
    SnapshotParts, Totals,
};

/// Reads, unless this thread is in the midst of a slow path: then the program's allocator asks, which was called from
/// there, and the lock that would be waited for may be this thread's own.
fn outside<R>(read: impl FnOnce() -> R) -> Option<R> {
    if is_reentrant() { None } else { quietly(read) }
}

/// Everything a recorder knows at this moment.
pub(crate) fn snapshot(recorder: &Recorder) -> Snapshot {
    outside(|| take_snapshot(recorder)).unwrap_or_else(|| Snapshot::new(SnapshotParts::empty()))
}

fn take_snapshot(recorder: &Recorder) -> Snapshot {
    let (series, operations) = recorder.registered();
    let anchor = recorder.clock.anchor();
    let window = anchor.age(recorder.since);
    let read = Figures::read(recorder, series.len());
    let edges = read.edges(&series);
    let errors = errors::read(recorder, &anchor, |_, _, _| true);
    let own = own_stats(recorder, &read, &series, operations);
    let monitor = MonitorStats {
        error_groups_replaced: errors.replaced.groups,
        errors_ungrouped: errors.replaced.errors,
        bytes_held: own.bytes_held + errors.bytes_held as u64,
        ..own
    };
    let active = active(recorder, &anchor, &series, Duration::ZERO);
    let service = recorder.service.lock().clone();
    let operations = by_operation(&series, read.totals, window);
    Snapshot::new(SnapshotParts {
        service,
        taken_at: anchor.wall,
        window,
        operations,
        edges,
        active,
        errors: errors.groups,
        error_counts: errors.counts,
        progress: recorder.stores.progress.read(&anchor),
        state_machines: recorder.stores.states.read(&anchor),
        queues: recorder.stores.queues.read(&anchor),
        caches: recorder.stores.caches.read(&anchor),
        metrics: recorder.stores.read_metrics(),
        sinks: recorder.attached.sinks(),
        monitor,
    })
}

/// Sums by series.
pub(super) struct Figures {
    pub(super) totals: Vec<Totals>,
    /// Calls and nanoseconds from one series to another.
    edges: HashMap<(u32, u32), (u64, u64)>,
    recorded: u64,
    finished: u64,
}

impl Figures {
    pub(super) fn read(recorder: &Recorder, series: usize) -> Self {
        let mut totals = vec![Totals::default(); series];
        let (mut recorded, mut finished) = (0_u64, 0_u64);
        // The ends first and the beginnings afterwards: whatever ended had begun, on this thread or another, so no
        // more ends are seen than beginnings, and nothing is ever "less than none" in flight.
        for_each_cell(recorder, &mut totals, |cell, totals| {
            recorded = recorded.saturating_add(cell.recorded.get());
            totals.succeeded = totals.succeeded.saturating_add(cell.succeeded.acquire());
            totals.failed = totals.failed.saturating_add(cell.failed.acquire());
            totals.panicked = totals.panicked.saturating_add(cell.panicked.acquire());
            totals.cancelled = totals.cancelled.saturating_add(cell.cancelled.acquire());
            totals.ended_elsewhere = totals.ended_elsewhere.saturating_add(cell.ended_elsewhere.acquire());
        });
        fence(Ordering::SeqCst);
        for sums in &totals {
            finished = [sums.succeeded, sums.failed, sums.panicked, sums.cancelled]
                .into_iter()
                .fold(finished, u64::saturating_add);
        }
        let mut edges = HashMap::new();
        for_each_cell(recorder, &mut totals, |cell, totals| {
            totals.started = totals.started.saturating_add(cell.started.get());
            totals.begun_elsewhere = totals.begun_elsewhere.saturating_add(cell.begun_elsewhere.get());
            totals.items = totals.items.saturating_add(cell.items.get());
            totals.bytes = totals.bytes.saturating_add(cell.bytes.get());
            totals.allocations = totals.allocations.saturating_add(cell.allocations.get());
            totals.allocated_bytes = totals.allocated_bytes.saturating_add(cell.allocated_bytes.get());
            totals.polls = totals.polls.saturating_add(cell.polls.get());
            // A call that does not wait is on its thread all the time.
            let on_thread_ns = cell.total_ns.get();
            totals.busy_ns = totals.busy_ns.wrapping_add(on_thread_ns).wrapping_add(cell.busy_ns.get());
            totals.total_ns = totals.total_ns.wrapping_add(on_thread_ns).wrapping_add(cell.task_ns.get());
            totals.self_ns = totals.self_ns.wrapping_add(cell.self_ns.get().cast_signed());
            totals.min_ns = totals.min_ns.min(cell.min_ns.get());
            totals.max_ns = totals.max_ns.max(cell.max_ns.get());
            cell.durations.add_to(&mut totals.histogram);
            for (caller, calls, ns) in cell.edges.read() {
                let edge: &mut (u64, u64) = edges.entry((caller, cell.series)).or_default();
                *edge = (edge.0.wrapping_add(calls), edge.1.wrapping_add(ns));
            }
        });
        Self { totals, edges, recorded, finished }
    }

    /// Calls that a cap sent to an overflow series.
    fn overflow_calls(&self, series: &[Arc<Series>], cap: Cap) -> u64 {
        let over = series.iter().zip(&self.totals).filter(|(series, _)| series.cap == cap);
        over.map(|(_, totals)| totals.started).sum()
    }

    /// Edges from operation to operation, label sets added up.
    fn edges(&self, series: &[Arc<Series>]) -> Vec<CallEdge> {
        let mut by_name: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
        for ((caller, callee), (calls, ns)) in &self.edges {
            let caller = match series.get(*caller as usize) {
                Some(series) => &*series.name,
                None if *caller == OTHER_CALLERS => OVERFLOW,
                None => continue,
            };
            let Some(callee) = series.get(*callee as usize) else { continue };
            let edge = by_name.entry((caller, &callee.name)).or_default();
            *edge = (edge.0.wrapping_add(*calls), edge.1.wrapping_add(*ns));
        }
        by_name
            .into_iter()
            .map(|((caller, callee), (calls, ns))| CallEdge {
                caller: caller.to_owned(),
                callee: callee.to_owned(),
                calls,
                total_time: Duration::from_nanos(ns),
            })
            .collect()
    }
}

fn for_each_cell(recorder: &Recorder, totals: &mut [Totals], mut read: impl FnMut(&Cell, &mut Totals)) {
    for shard in recorder.shards.iter() {
        for cell in shard.cells.iter() {
            // A series that came after the list was read is left for the next snapshot.
            if let Some(totals) = totals.get_mut(cell.series as usize) {
                read(cell, totals);
            }
        }
    }
}

/// Statistics by operation, with those of its label sets inside where it has labels.
fn by_operation(series: &[Arc<Series>], mut totals: Vec<Totals>, window: Duration) -> Vec<OperationStats> {
    let mut places = HashMap::with_capacity_and_hasher(series.len(), RandomState::default());
    // Mostly one each: an operation without labels.
    let mut operations: Vec<SmallVec<[usize; 1]>> = Vec::with_capacity(series.len());
    for (number, Series { name, kind, component, .. }) in series.iter().map(|series| &**series).enumerate() {
        let place = *places.entry((&**name, &**kind, &**component)).or_insert_with(|| {
            operations.push(SmallVec::new());
            operations.len() - 1
        });
        operations[place].push(number);
    }
    let operation = |parts: SmallVec<[usize; 1]>| {
        let first = &series[parts[0]];
        let is_whole = parts.len() == 1 && first.labels.is_empty();
        let mut sum = Totals::default();
        if !is_whole {
            parts.iter().for_each(|&number| sum.merge(&totals[number]));
        }
        let mut sets = parts.into_iter().map(|number| {
            let totals = std::mem::take(&mut totals[number]);
            OperationStats::new(identity(&series[number], labels(&series[number])), totals, window)
        });
        if is_whole {
            return sets.next();
        }
        Some(OperationStats::new(identity(first, Labels::new()), sum, window).with_series(sets.collect()))
    };
    operations.into_iter().filter_map(operation).collect()
}

fn identity(series: &Series, labels: Labels) -> Identity {
    Identity {
        name: series.name.to_string(),
        kind: series.kind.to_string(),
        component: series.component.to_string(),
        labels,
    }
}

fn labels(series: &Series) -> Labels {
    series.labels.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// What runs now.
pub(crate) fn active_now(recorder: &Recorder) -> Vec<ActiveOperation> {
    let read = outside(|| {
        let (series, _) = recorder.registered();
        active(recorder, &recorder.clock.anchor(), &series, Duration::ZERO)
    });
    read.unwrap_or_default()
}

/// What runs and is at least so old.
pub(super) fn active(
    recorder: &Recorder,
    anchor: &Anchor<'_>,
    series: &[Arc<Series>],
    at_least: Duration,
) -> Vec<ActiveOperation> {
    let describe = |number: u32, id, since, parent: u64, lineage: Option<&Lineage>| {
        let series = series.get(number as usize)?;
        if anchor.age(since) < at_least {
            return None;
        }
        Some(ActiveOperation {
            id,
            name: series.name.to_string(),
            kind: series.kind.to_string(),
            labels: labels(series),
            parent: (parent != GROUND).then_some(parent),
            trace_id: lineage.map(Lineage::trace),
            span_id: Some(span_of(id)),
            started_at: anchor.wall_time(since),
            age: anchor.age(since),
            thread: None,
            state: ActiveState::Running,
            polls: 0,
            busy_time: Duration::ZERO,
            by_id: None,
        })
    };
    let mut seen = HashMap::new();
    let mut found = Vec::new();
    let waiting: HashMap<u64, Lineage> =
        recorder.shards.iter().flat_map(|shard| shard.tasks.read()).map(|task| (task.id, task.lineage)).collect();
    for shard in recorder.shards.iter().filter(|shard| shard.is_held()) {
        let frames = shard.stack.read();
        let thread = if frames.is_empty() { None } else { Some(shard.thread().to_string()) };
        for (at, frame) in frames.iter().enumerate().filter(|(_, frame)| !is_stand_in(frame.id)) {
            let lineage = lineage_in(&frames[..=at], shard, |id| waiting.get(&id).cloned());
            // SAFETY: a frame with an id has a cell of a shard of this recorder, which lives as long as it.
            let Some(cell) = (unsafe { frame.cell.as_ref() }) else { continue };
            if let Some(mut operation) = describe(cell.series, frame.id, frame.since, frame.parent, Some(&lineage)) {
                // Seen already if it went from one stack to another while they were read.
                if let Entry::Vacant(place) = seen.entry(frame.id) {
                    operation.thread.clone_from(&thread);
                    place.insert(found.len());
                    found.push(operation);
                }
            }
        }
    }
    for shard in recorder.shards.iter() {
        for task in shard.tasks.read() {
            let busy_time = Duration::from_nanos(task.busy_ns);
            if let Some(operation) = seen.get(&task.id).and_then(|at| found.get_mut(*at)) {
                (operation.polls, operation.busy_time) = (task.polls, busy_time);
                // What is below on the stack may be what polls it, and not what it belongs to.
                operation.parent = (task.parent != GROUND).then_some(task.parent);
            } else if seen.insert(task.id, usize::MAX).is_none()
                && let Some(mut operation) =
                    describe(task.series, task.id, task.since, task.parent, Some(&task.lineage))
            {
                // A guard outside of its monitor's scope has a slot too, and was never polled.
                let suspended = task.polls > 0;
                operation.state = if suspended { ActiveState::Suspended } else { ActiveState::Running };
                (operation.polls, operation.busy_time) = (task.polls, busy_time);
                found.push(operation);
            }
        }
    }
    for entry in recorder.by_id.running() {
        if let Some(call) = &entry.call
            && let Some(operation) = describe(call.series, call.id, entry.since, GROUND, Some(&call.lineage))
        {
            found.push(ActiveOperation { by_id: Some(entry.detail(anchor)), ..operation });
        }
    }
    for parked in recorder.parked.read() {
        let frame = parked.frame;
        let parent = frame.parent.map_or(GROUND, |parent| parent.id);
        if seen.insert(frame.id, usize::MAX).is_none()
            && let Some(mut operation) = describe(frame.series, frame.id, frame.since, parent, Some(&parked.lineage))
        {
            operation.state = if parked.suspended { ActiveState::Suspended } else { ActiveState::Running };
            found.push(operation);
        }
    }
    found
}

/// The last individual records, newest first.
pub(crate) fn recent(recorder: &Recorder, n: usize) -> Vec<OperationRecord> {
    let read = outside(|| {
        let anchor = recorder.clock.anchor();
        let mut recent = recorder.recent.lock();
        for shard in recorder.shards.iter() {
            shard.drain(|ring| recent.take_in(ring));
        }
        recent.newest(n).into_iter().map(|raw| record(recorder, raw, &anchor)).collect()
    });
    read.unwrap_or_default()
}

pub(super) fn record(recorder: &Recorder, raw: &RawRecord, anchor: &Anchor<'_>) -> OperationRecord {
    let detail = raw.detail.as_deref();
    OperationRecord {
        id: raw.id,
        parent: (raw.parent != GROUND).then_some(raw.parent),
        parent_name: raw.parent_series.and_then(|number| recorder.series(number)).map(|parent| parent.name.to_string()),
        trace_id: Some(raw.lineage.trace()),
        span_id: Some(span_of(raw.id)),
        parent_span_id: if raw.parent == GROUND { raw.lineage.span() } else { Some(span_of(raw.parent)) },
        name: raw.series.name.to_string(),
        kind: raw.series.kind.to_string(),
        component: raw.series.component.to_string(),
        labels: labels(&raw.series),
        outcome: raw.outcome,
        started_at: anchor
            .wall_time(raw.ended)
            .checked_sub(Duration::from_nanos(raw.duration_ns))
            .unwrap_or(anchor.wall),
        duration: Duration::from_nanos(raw.duration_ns),
        busy_time: (raw.polls > 0).then(|| Duration::from_nanos(raw.busy_ns)),
        polls: raw.polls,
        items: raw.items,
        bytes: raw.bytes,
        fields: detail.map(|detail| detail.fields.clone()).unwrap_or_default(),
        context: raw.lineage.fields().to_vec(),
        error: detail.and_then(|detail| detail.error.clone()),
        thread: (!raw.thread.is_empty()).then(|| raw.thread.to_string()),
        by_id: detail.and_then(|detail| detail.by_id.clone()),
    }
}

fn own_stats(recorder: &Recorder, read: &Figures, series: &[Arc<Series>], operations: usize) -> MonitorStats {
    let sum = |count: fn(&Shard) -> u64| recorder.shards.iter().map(|shard| count(shard)).sum::<u64>();
    let counts = &recorder.counts;
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let ring_full = sum(|shard| shard.losses.ring_full.get());
    let (displaced, uncollected) = {
        let recent = recorder.recent.lock();
        (recent.displaced, recent.uncollected)
    };
    let (jobs_unlisted, jobs_displaced) = recorder.stores.progress.losses();
    let dropped = [("ring_full", ring_full), ("overwritten", displaced), ("collector_full", uncollected)];
    let metrics = recorder.stores.metric_totals();
    MonitorStats {
        operations: operations as u64,
        series: series.len() as u64,
        overflow_calls: read.overflow_calls(series, Cap::Operations),
        overflow_series_calls: read.overflow_calls(series, Cap::LabelSets),
        overflow_queues: recorder.stores.queues.over(),
        overflow_caches: recorder.stores.caches.over(),
        overflow_cache_kinds: recorder.stores.caches.kinds_over(),
        records_kept: read.recorded,
        records_skipped: read.finished.saturating_sub(read.recorded).saturating_sub(ring_full),
        records_dropped: dropped
            .into_iter()
            .filter(|(_, n)| *n > 0)
            .map(|(reason, n)| (reason.to_owned(), n))
            .collect(),
        stack_overflows: sum(|shard| shard.losses.stack_overflows.get()),
        task_overflows: sum(|shard| shard.losses.task_overflows.get()),
        reentrant_calls: load(&counts.reentrant_calls)
            .saturating_add(metrics.reentrant)
            .saturating_add(recorder.stores.queues.reentrant()),
        callbacks_panicked: load(&counts.callbacks_panicked),
        jobs_unlisted,
        jobs_displaced,
        traceparents_ignored: load(&counts.traceparents_ignored),
        metrics: metrics.metrics,
        metric_series: metrics.series,
        overflow_metrics: metrics.overflow_metrics,
        overflow_metric_series: metrics.overflow_series,
        metric_descriptions_dropped: metrics.descriptions_dropped,
        names_changed: load(&counts.names_changed).saturating_add(metrics.names_changed),
        by_id_errors: load(&counts.by_id_errors),
        by_id_unshared: load(&counts.by_id_unshared),
        by_id_trouble: recorder.by_id_trouble.lock().clone(),
        by_id_displaced: recorder.by_id.displaced(),
        shards: recorder.shards.len() as u64,
        threads: recorder.shards.iter().filter(|shard| shard.is_held()).count() as u64,
        bytes_held: recorder.shards.iter().map(|shard| shard.bytes_held() as u64).sum(),
        copies: copies::others(),
        ..MonitorStats::default()
    }
}
