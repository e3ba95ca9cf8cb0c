//! Operations by id on their way to the store that keeps them, and to the figures of their series.
//!
//! Such a call lies on no stack: it has no parent and is nobody's, and whoever ends it may be on another thread. It is
//! counted as begun on the shard of the thread that begins it and as ended on that of the thread that ends it. What is
//! known of it in between is in the [store](crate::store::by_id): nothing there keeps the recorder alive.

use super::call::{add_extras, count_outcome, meet};
use super::call_site::RecordPolicy;
use super::context::here;
use super::failure::Failure;
use super::lineage::Lineage;
use super::local::{cell_of, is_reentrant, on_a_shard, watch_forks};
use super::note::{Ended, Extras, Parent, note};
use super::quiet::quietly;
use super::recorder::{ById, Holder, RecorderRef};
use super::registry::Identity;
use crate::model::{FieldValue, OperationStatus};
use crate::store::by_id::{self, End, Plan};

pub(crate) type Entry = by_id::Entry<ById>;
pub(crate) type Refused = by_id::Refused<ById>;

/// What an operation by id brings along when it ends, beyond what the store keeps.
pub(crate) struct EndExtras<'a> {
    pub(crate) fields: Vec<(&'static str, FieldValue)>,
    pub(crate) error: Option<&'a dyn Failure>,
}

/// Begins an operation.
///
/// One that begins while the monitor is switched off is known by its id all the same, and counted nowhere: a program may
/// go by what it is answered, and must not get other answers because nobody looks.
pub(crate) fn begin(recorder: &RecorderRef, plan: Plan, identity: &Identity<'_>) -> Result<(), Refused> {
    let store = &recorder.by_id;
    if !cfg!(feature = "enabled") || !recorder.is_enabled() {
        let entry = Entry::new(plan, None, recorder.clock.ticks());
        return in_store(|| store.begin(entry, || ()));
    }
    // Before the name is registered: a beginning that is refused leaves nothing behind.
    in_store(|| store.may_begin(&plan.id))?;
    let begun = on_a_shard(recorder, |holder| {
        let cell = meet(holder, identity, RecordPolicy::Auto.recording(), None).ok_or(Refused::Reentrant)?;
        let id = holder.next_number();
        // It belongs to the trace in which it is begun, wherever it ends.
        let here = here();
        let lineage = quietly(|| here.into_data()).flatten().map_or(Lineage::Root(id), Lineage::Context);
        let call = ById { id, series: cell.series, lineage };
        let entry = Entry::new(plan, Some(call), holder.now());
        in_store(|| store.begin(entry, || cell.started.add(1)))
    });
    begun.unwrap_or(Err(Refused::Reentrant))
}

/// Ends an operation, counts it where it was begun by the recorder, and says how it ended.
pub(crate) fn end(
    recorder: &RecorderRef,
    id: &str,
    end: End,
    extras: EndExtras<'_>,
) -> Result<OperationStatus, Refused> {
    let now = recorder.clock.ticks();
    let entry = in_store(|| recorder.by_id.end(id, end, now, &recorder.clock))?;
    if let Some(call) = &entry.call {
        on_a_shard(recorder, |holder| count_end(holder, &entry, call, end, now, extras));
    }
    status_of(recorder, &entry).ok_or(Refused::Reentrant)
}

/// Quietly, because it takes memory under the operation's own lock: the program's allocator may ask for the same one.
fn status_of(recorder: &RecorderRef, entry: &Entry) -> Option<OperationStatus> {
    quietly(|| entry.status(&recorder.clock.anchor()))
}

fn count_end(holder: Holder<'_>, entry: &Entry, call: &ById, end: End, now: u64, extras: EndExtras<'_>) {
    let Some(cell) = cell_of(holder, call.series) else { return };
    let ns = entry.duration_ns().unwrap_or(0);
    let EndExtras { fields, error } = extras;
    let said = quietly(|| {
        let fields: Vec<_> = entry.plan.fields.iter().cloned().chain(fields).collect();
        (fields, entry.detail(&holder.recorder().clock.anchor()))
    });
    let (fields, by_id) = said.map_or_else(Default::default, |(fields, by_id)| (fields, Some(by_id)));
    let extras = Extras {
        items: end.items,
        bytes: end.bytes,
        fields: &fields,
        error,
        by_id: by_id.as_ref(),
        ..Extras::default()
    };
    cell.add_time(ns, ns, 1);
    holder.last_tick.set(now);
    add_extras(cell, &extras);
    count_outcome(cell, end.outcome);
    let (parent, outcome, lineage) = (Parent::NONE, end.outcome, Some(&call.lineage));
    let ended = Ended { id: call.id, timed: true, ns, now, parent, outcome, lineage };
    note(holder, cell, &ended, extras);
}

/// Has an operation go on to its next step.
pub(crate) fn step(recorder: &RecorderRef, id: &str, name: Box<str>) -> Result<(), Refused> {
    let now = recorder.clock.ticks();
    in_store(|| recorder.by_id.step(id, name, now, &recorder.clock))
}

/// How an operation is doing, or how it ended.
pub(crate) fn status(recorder: &RecorderRef, id: &str) -> Option<OperationStatus> {
    quietly(|| recorder.by_id.find(id)).flatten().and_then(|entry| status_of(recorder, &entry))
}

/// Runs `f`, which takes the lock of the store. A program's allocator that is called with it held, and asks for an
/// operation by id, is refused rather than left to wait for itself.
fn in_store<R>(f: impl FnOnce() -> Result<R, Refused>) -> Result<R, Refused> {
    // A child that was forked must know it before it meets the lock.
    watch_forks();
    if is_reentrant() {
        return Err(Refused::Reentrant);
    }
    quietly(f).unwrap_or(Err(Refused::Reentrant))
}
