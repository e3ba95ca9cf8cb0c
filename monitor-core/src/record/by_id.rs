//! Operations by id on their way to the store that keeps them, and to the figures of their series.
//!
//! Such a call lies on no stack: it has no parent and is nobody's, and whoever ends it may be on another thread. It is
//! counted as begun on the shard of the thread that begins it and as ended on that of the thread that ends it. What is
//! known of it in between is in the [store](crate::store::by_id): nothing there keeps the recorder alive.
//!
//! Whoever ends it may also be another process. Each counts what happened in it: the one the beginning, the other one the
//! end, so that the figures of both together have each once. For what is in flight each counts besides that its part has
//! gone elsewhere, or has come from there.

use std::sync::Arc;

use super::call::{add_extras, count_outcome, meet};
use super::call_site::RecordPolicy;
use super::context::here;
use super::failure::Failure;
use super::lineage::{ContextData, Lineage, span_of};
use super::local::{cell_of, is_reentrant, on_a_shard, watch_forks};
use super::note::{Ended, Extras, Parent, note};
use super::quiet::quietly;
use super::recorder::{ById, Holder, RecorderRef};
use super::registry::Identity;
use crate::model::{ByIdDetail, FieldValue, OperationStatus, SpanId, TraceId};
use crate::store::by_id::{self, End, Plan};

pub(crate) type Entry = by_id::Entry<ById>;
pub(crate) type Refused = by_id::Refused<ById>;

/// What an operation by id brings along when it ends, beyond what the store keeps.
pub(crate) struct EndExtras<'a> {
    pub(crate) fields: Vec<(&'static str, FieldValue)>,
    pub(crate) error: Option<&'a dyn Failure>,
    /// Its steps, where others know more of them than the store does.
    pub(crate) by_id: Option<ByIdDetail>,
}

/// Which call an operation will be, and since when.
///
/// Of one that begins while the monitor is switched off there is none. It is known by its id all the same, and counted
/// nowhere: a program may go by what it is answered, and must not get other answers because nobody looks.
pub(crate) struct Drawn {
    call: Option<(u64, Lineage)>,
    pub(crate) since: u64,
}

impl Drawn {
    pub(crate) fn trace(&self) -> Option<TraceId> {
        self.call.as_ref().map(|(_, lineage)| lineage.trace())
    }

    pub(crate) fn span(&self) -> Option<SpanId> {
        self.call.as_ref().map(|(id, _)| span_of(*id))
    }

    /// The span on whose behalf it is done.
    pub(crate) fn parent(&self) -> Option<SpanId> {
        self.call.as_ref().and_then(|(_, lineage)| lineage.span())
    }

    /// The fields of the context in which it begins.
    pub(crate) fn context(&self) -> &[(String, FieldValue)] {
        self.call.as_ref().map_or(&[], |(_, lineage)| lineage.fields())
    }
}

/// Whether an operation of that id could begin at this moment. Asked before its name is registered: a beginning that is
/// refused leaves nothing behind.
pub(crate) fn may_begin(recorder: &RecorderRef, id: &str) -> Result<(), Refused> {
    in_store(|| recorder.by_id.may_begin(id))
}

/// Draws the number of a call that begins now.
pub(crate) fn draw(recorder: &RecorderRef) -> Result<Drawn, Refused> {
    if !cfg!(feature = "enabled") || !recorder.is_enabled() {
        return Ok(Drawn { call: None, since: recorder.clock.ticks() });
    }
    let drawn = on_a_shard(recorder, |holder| {
        let id = holder.next_number();
        // It belongs to the trace in which it is begun, wherever it ends.
        let here = here();
        let lineage = quietly(|| here.into_data()).flatten().map_or(Lineage::Root(id), Lineage::Context);
        Drawn { call: Some((id, lineage)), since: holder.now() }
    });
    drawn.ok_or(Refused::Reentrant)
}

/// Begins an operation, of which others know or not.
pub(crate) fn begin(
    recorder: &RecorderRef,
    plan: Plan,
    identity: &Identity<'_>,
    drawn: Drawn,
    shared: bool,
) -> Result<(), Refused> {
    let Drawn { call, since } = drawn;
    let store = &recorder.by_id;
    let Some((id, lineage)) = call else {
        let entry = Entry::new(plan, None, since, shared);
        return in_store(|| store.begin(entry, || ()));
    };
    let begun = on_a_shard(recorder, |holder| {
        let cell = meet(holder, identity, RecordPolicy::Auto.recording(), None).ok_or(Refused::Reentrant)?;
        let entry = Entry::new(plan, Some(ById { id, series: cell.series, lineage }), since, shared);
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
    let by_id = extras.by_id.clone();
    if let Some(call) = &entry.call {
        on_a_shard(recorder, |holder| count_end(holder, &entry, call, end, now, extras));
    }
    let status = status_of(recorder, &entry).ok_or(Refused::Reentrant)?;
    Ok(OperationStatus { by_id: by_id.unwrap_or(status.by_id), ..status })
}

/// An operation that another process began and that ends here.
pub(crate) struct Foreign<'a> {
    pub(crate) identity: Identity<'a>,
    /// Its own fields and those of its context, as it began.
    pub(crate) fields: &'a [(String, FieldValue)],
    pub(crate) context: Vec<(String, FieldValue)>,
    pub(crate) trace: Option<TraceId>,
    pub(crate) parent: Option<SpanId>,
    pub(crate) by_id: ByIdDetail,
    pub(crate) ns: u64,
}

/// Counts the end of an operation that another process began.
pub(crate) fn count_foreign(recorder: &RecorderRef, foreign: Foreign<'_>, end: End, extras: &EndExtras<'_>) {
    if !cfg!(feature = "enabled") {
        return;
    }
    on_a_shard(recorder, |holder| {
        let Some(cell) = meet(holder, &foreign.identity, RecordPolicy::Auto.recording(), None) else { return };
        let (id, now, ns) = (holder.next_number(), holder.now(), foreign.ns);
        let Foreign { fields, context, trace, parent, by_id, .. } = foreign;
        let lineage = quietly(|| match trace {
            Some(trace) => {
                let data = ContextData { remote: parent, fields: context, ..ContextData::of_trace(trace, None) };
                Lineage::Context(Arc::new(data))
            }
            None => Lineage::Root(id),
        });
        let begun = fields.iter().map(|(key, value)| (key.as_str(), value.clone()));
        let fields = quietly(|| begun.chain(extras.fields.iter().cloned()).collect::<Vec<_>>()).unwrap_or_default();
        let (items, bytes, error) = (end.items, end.bytes, extras.error);
        let extras = Extras { items, bytes, fields: &fields, error, by_id: Some(&by_id), ..Extras::default() };
        // Before its end, so that nobody sees less than none in flight.
        cell.begun_elsewhere.add(1);
        cell.add_time(ns, ns, 1);
        holder.last_tick.set(now);
        add_extras(cell, &extras);
        count_outcome(cell, end.outcome);
        let (parent, outcome, lineage) = (Parent::NONE, end.outcome, lineage.as_ref());
        note(holder, cell, &Ended { id, timed: true, ns, now, parent, outcome, lineage }, extras);
        quietly(|| drop(by_id));
    });
}

/// An operation that was begun here, with that span, is over elsewhere. False if it does not run.
pub(crate) fn ended_elsewhere(recorder: &RecorderRef, id: &str, span: Option<SpanId>) -> bool {
    let is_meant = |entry: &Entry| entry.call.as_ref().map(|call| span_of(call.id)) == span;
    let left = in_store(|| recorder.by_id.leave(id, is_meant).ok_or(Refused::NeverBegun));
    let Ok(entry) = left else { return false };
    if let Some(call) = &entry.call {
        on_a_shard(recorder, |holder| {
            if let Some(cell) = cell_of(holder, call.series) {
                cell.ended_elsewhere.add(1);
            }
        });
    }
    true
}

/// The operation of that id, if it runs here.
pub(crate) fn running(recorder: &RecorderRef, id: &str) -> Result<Option<Arc<Entry>>, Refused> {
    in_store(|| Ok(recorder.by_id.find_running(id)))
}

/// The last end of an operation of that id here, if it does not run.
pub(crate) fn last_end(recorder: &RecorderRef, id: &str) -> Result<Option<Arc<Entry>>, Refused> {
    in_store(|| Ok(recorder.by_id.find(id).filter(|entry| entry.outcome().is_some())))
}

/// The span of an operation that was begun here.
pub(crate) fn span(entry: &Entry) -> Option<SpanId> {
    entry.call.as_ref().map(|call| span_of(call.id))
}

/// What a ledger knows an operation by that was begun here.
pub(crate) fn drawn_of(entry: &Entry) -> Drawn {
    let call = entry.call.as_ref().map(|call| (call.id, call.lineage.clone()));
    Drawn { call, since: entry.since }
}

/// Quietly, because it takes memory under the operation's own lock: the program's allocator may ask for the same one.
fn status_of(recorder: &RecorderRef, entry: &Entry) -> Option<OperationStatus> {
    quietly(|| entry.status(&recorder.clock.anchor()))
}

fn count_end(holder: Holder<'_>, entry: &Entry, call: &ById, end: End, now: u64, extras: EndExtras<'_>) {
    let Some(cell) = cell_of(holder, call.series) else { return };
    let ns = entry.duration_ns().unwrap_or(0);
    let EndExtras { fields, error, by_id: known } = extras;
    let said = quietly(|| {
        let fields: Vec<_> = entry.plan.fields.iter().cloned().chain(fields).collect();
        let by_id = known.unwrap_or_else(|| entry.detail(&holder.recorder().clock.anchor()));
        (fields, by_id)
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
