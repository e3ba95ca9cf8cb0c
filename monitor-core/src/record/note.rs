//! What is noted of a call when it ends: extremes, an individual record if the budgets allow, and whoever listens is told.

use std::sync::Arc;
use std::time::Duration;

use super::budget::allowed;
use super::cell::Cell;
use super::errors::file_failure;
use super::failure::{Failure, bounded_fields, describe};
use super::journal::{Detail, RawRecord};
use super::lineage::{Lineage, span_of};
use super::listener::{EndedCall, Told, Topic};
use super::quiet::quietly;
use super::recorder::Holder;
use super::registry::Series;
use super::scope::lineage_of;
use super::stack::{GROUND, is_stand_in};
use super::tallies::Source;
use crate::model::{ByIdDetail, ErrorText, FieldValue, Outcome, TraceId};

/// What a call brings along when it ends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras<'a> {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) fields: &'a [(&'a str, FieldValue)],
    pub(crate) error: Option<&'a dyn Failure>,
    /// Whether its error has been recorded by itself already: it is not counted once more.
    pub(crate) filed: bool,
    /// Of a future.
    pub(crate) polls: u64,
    pub(crate) busy_ns: u64,
    /// Of an operation by id.
    pub(crate) by_id: Option<&'a ByIdDetail>,
    /// Where whoever ends the call wants to have what listeners are to be told, to tell it later.
    pub(super) later: Option<&'a std::cell::Cell<Option<Telling>>>,
}

/// The call that another one was made from.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub(super) id: u64,
    pub(super) series: Option<u32>,
}

impl Parent {
    pub(super) const NONE: Self = Self { id: GROUND, series: None };

    /// The id of the call, also where a frame stands in for it.
    pub(super) fn id_in(self, lineage: &Lineage, home: usize) -> u64 {
        if is_stand_in(self.id) { lineage.caller_in(home).map_or(GROUND, |caller| caller.id) } else { self.id }
    }
}

/// A call that has ended.
pub(super) struct Ended<'a> {
    pub(super) id: u64,
    pub(super) timed: bool,
    pub(super) ns: u64,
    pub(super) now: u64,
    pub(super) parent: Parent,
    pub(super) outcome: Outcome,
    /// Where the call comes from, if this thread's stack and contexts do not say it.
    pub(super) lineage: Option<&'a Lineage>,
}

impl Ended<'_> {
    pub(super) fn lineage(&self, holder: Holder<'_>) -> Lineage {
        self.lineage.cloned().unwrap_or_else(|| lineage_of(&holder.stack, self.parent.id, self.id))
    }
}

/// Keeps the extremes, and decides whether the call is recorded individually.
#[cold]
#[inline(never)]
pub(super) fn note(holder: Holder<'_>, cell: &Cell, ended: &Ended<'_>, extras: Extras<'_>) {
    let Ended { ns, now, timed, .. } = *ended;
    let slowest = timed && ns > cell.max_ns.get();
    if slowest {
        cell.max_ns.set(ns);
    }
    if timed && ns < cell.min_ns.get() {
        cell.min_ns.set(ns);
    }
    let interval = holder.recorder().record_interval();
    let keep = if ended.outcome != Outcome::Success {
        cell.record_all || allowed(&cell.record_failure_from, now, interval)
    } else if !timed {
        false
    } else if now >= cell.record_from.get() {
        cell.record_all || allowed(&cell.record_from, now, interval)
    } else {
        (ns >= cell.record_slow_ns || (slowest && cell.record_slowest))
            && allowed(&cell.record_slow_from, now, interval)
    };
    let told = if holder.recorder().listeners.hear_calls() { who_wants(holder, cell, ended) } else { Vec::new() };
    if ended.outcome == Outcome::Failure {
        meet_failure(holder, cell, ended, extras, (keep, told));
    } else if keep || !told.is_empty() {
        keep_and_tell(holder, cell, ended, extras, (keep, told), (ended.lineage(holder), None));
    }
}

/// Who wants to be told of the call.
#[cold]
fn who_wants(holder: Holder<'_>, cell: &Cell, ended: &Ended<'_>) -> Vec<Told> {
    let topic = match ended.outcome {
        Outcome::Failure | Outcome::Panicked => Topic::Failure,
        Outcome::Success if ended.timed => Topic::Slow(ended.ns),
        _ => return Vec::new(),
    };
    let now = if ended.timed { ended.now } else { holder.now() };
    holder.recorder().listeners.who_wants(topic, u64::from(cell.series), now)
}

/// Records the call and tells of it, as far as each is wanted. Told with no lock held, and not inside `quietly`, since what
/// listeners do is code of the host.
fn keep_and_tell(
    holder: Holder<'_>,
    cell: &Cell,
    ended: &Ended<'_>,
    extras: Extras<'_>,
    (keep, told): (bool, Vec<Told>),
    (lineage, error): (Lineage, Option<ErrorText>),
) {
    if told.is_empty() {
        return record(holder, cell, ended, extras, (lineage, error));
    }
    if keep {
        record(holder, cell, ended, extras, (lineage.clone(), error.clone()));
    }
    let Some(series) = holder.recorder().series(cell.series) else { return };
    let duration = ended.timed.then(|| Duration::from_nanos(ended.ns));
    let (id, trace, outcome) = (ended.id, lineage.trace(), ended.outcome);
    let telling = Telling { told, series, id, trace, outcome, duration, error };
    match extras.later {
        Some(later) => later.set(Some(telling)),
        None => telling.tell(),
    }
}

/// What is to be told of a call, and whom.
pub(crate) struct Telling {
    told: Vec<Told>,
    series: Arc<Series>,
    id: u64,
    trace: TraceId,
    outcome: Outcome,
    duration: Option<Duration>,
    error: Option<ErrorText>,
}

impl Telling {
    /// Tells it: code of the host runs. It does not panic.
    pub(crate) fn tell(self) {
        for (listener, suppressed) in self.told {
            listener.call_ended(&EndedCall {
                operation: &self.series.name,
                kind: &self.series.kind,
                component: &self.series.component,
                id: self.id,
                trace: self.trace,
                span: span_of(self.id),
                outcome: self.outcome,
                duration: self.duration,
                error: self.error.as_ref(),
                suppressed,
            });
        }
    }
}

/// Counts an error, files it with its group if it is one to look at, and keeps a record of the call if that is wanted.
fn meet_failure(
    holder: Holder<'_>,
    cell: &Cell,
    ended: &Ended<'_>,
    extras: Extras<'_>,
    (keep, told): (bool, Vec<Told>),
) {
    let wanted = keep || !told.is_empty();
    if extras.filed {
        if wanted {
            let lineage = ended.lineage(holder);
            let text = extras.error.and_then(describe);
            keep_and_tell(holder, cell, ended, extras, (keep, told), (lineage, text));
        }
        return;
    }
    let tally = cell.tallies.of(Source { key: extras.error.map_or("", Failure::key), place: 0 });
    let look = tally.may_look(ended.now, holder.recorder().look_interval);
    // Before the text is asked for, which is made by code of the host: that may end the calls around.
    let lineage = (look || wanted).then(|| ended.lineage(holder));
    let text = if look || wanted { extras.error.and_then(describe) } else { None };
    let found = match (&text, extras.error) {
        _ if !look => None,
        // Judged a failure, with a text and no type.
        (Some(text), _) if text.kind.is_empty() => Some(ErrorText { kind: "failure".into(), ..text.clone() }),
        (Some(text), _) => Some(text.clone()),
        // Judged a failure, with nothing to say why.
        (None, None) => Some(ErrorText::new("failure", "")),
        (None, Some(_)) => None,
    };
    let filed = found.zip(lineage.as_ref()).is_some_and(|(error, lineage)| {
        file_failure(holder, cell, tally, (ended.id, ended.now, lineage), error, extras.fields)
    });
    if !filed {
        tally.count(ended.now);
    }
    if let Some(lineage) = lineage.filter(|_| wanted) {
        keep_and_tell(holder, cell, ended, extras, (keep, told), (lineage, text));
    }
}

fn record(
    holder: Holder<'_>,
    cell: &Cell,
    ended: &Ended<'_>,
    extras: Extras<'_>,
    (lineage, error): (Lineage, Option<ErrorText>),
) {
    let kept = quietly(|| {
        let fields = bounded_fields(extras.fields);
        // SAFETY: inside `quietly`.
        let (series, thread) = unsafe { holder.names(cell.series) }?;
        let by_id = extras.by_id.cloned();
        let has_detail = error.is_some() || by_id.is_some() || !fields.is_empty();
        let detail = has_detail.then(|| Box::new(Detail { fields, error, by_id }));
        let record = RawRecord {
            id: ended.id,
            parent: ended.parent.id_in(&lineage, holder.recorder().address()),
            lineage,
            parent_series: ended.parent.series,
            series,
            outcome: ended.outcome,
            ended: ended.now,
            duration_ns: ended.ns,
            polls: extras.polls,
            busy_ns: extras.busy_ns,
            items: extras.items,
            bytes: extras.bytes,
            thread,
            detail,
        };
        // SAFETY: inside `quietly`.
        Some(unsafe {
            holder.write_record(
                record,
                |ring| {
                    if let Some(mut recent) = holder.recorder().recent.try_lock() {
                        recent.take_in(ring);
                    }
                },
                || holder.recorder().attached.call(),
            )
        })
    });
    if kept == Some(Some(true)) {
        cell.recorded.add(1);
    }
}
