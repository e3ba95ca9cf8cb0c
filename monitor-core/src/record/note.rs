//! What is noted of a call when it ends: extremes, and an individual record if the budgets allow.

use std::sync::atomic::Ordering;

use super::cell::Cell;
use super::counter::Counter;
use super::journal::{Detail, RawRecord};
use super::local::current_recorder;
use super::quiet::quietly;
use super::recorder::Holder;
use super::stack::GROUND;
use crate::base::names::truncated;
use crate::model::{ErrorText, FieldValue, Outcome};

/// Something that can say why a call failed. The text is asked for only when a record of the call is kept.
pub trait Failure {
    /// Kind, message and sources of the error. It must not panic.
    fn describe(&self) -> ErrorText;
}

/// What a call brings along when it ends.
#[derive(Clone, Copy, Default)]
pub(crate) struct Extras<'a> {
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) fields: &'a [(&'static str, FieldValue)],
    pub(crate) error: Option<&'a dyn Failure>,
    /// Of a future.
    pub(crate) polls: u64,
    pub(crate) busy_ns: u64,
}

/// The call that another one was made from.
#[derive(Clone, Copy)]
pub(super) struct Parent {
    pub(super) id: u64,
    pub(super) series: Option<u32>,
}

impl Parent {
    pub(super) const NONE: Self = Self { id: GROUND, series: None };
}

/// A call that has ended.
pub(super) struct Ended {
    pub(super) id: u64,
    pub(super) timed: bool,
    pub(super) ns: u64,
    pub(super) now: u64,
    pub(super) parent: Parent,
    pub(super) outcome: Outcome,
}

/// Keeps the extremes, and decides whether the call is recorded individually.
#[cold]
#[inline(never)]
pub(super) fn note(holder: Holder<'_>, cell: &Cell, ended: &Ended, extras: Extras<'_>) {
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
        (ns >= cell.slow_ns.get() || (slowest && cell.record_slowest)) && allowed(&cell.record_slow_from, now, interval)
    };
    if keep {
        record(holder, cell, ended, extras);
    }
}

/// Records that a budget gives out at once before it gives one each interval.
const BURST: u64 = 10;

/// Asks a budget for one record (the generic cell rate algorithm, ITU-T I.371): `from` is the first moment at which
/// there will be room again.
fn allowed(from: &Counter, now: u64, interval: u64) -> bool {
    let open = from.get();
    if now < open || interval >= u64::MAX / 4 / BURST {
        return false;
    }
    let tolerance = interval * (BURST - 1);
    from.set(open.saturating_add(tolerance).max(now).saturating_add(interval) - tolerance);
    true
}

fn record(holder: Holder<'_>, cell: &Cell, ended: &Ended, extras: Extras<'_>) {
    let error = extras.error.and_then(describe);
    let kept = quietly(|| {
        let fields: Vec<_> = extras.fields.iter().map(|(key, value)| ((*key).to_owned(), bounded(value))).collect();
        // SAFETY: inside `quietly`.
        let (series, thread) = unsafe { holder.names(cell.series) }?;
        let detail = (error.is_some() || !fields.is_empty()).then(|| Box::new(Detail { fields, error }));
        let record = RawRecord {
            id: ended.id,
            parent: ended.parent.id,
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
            holder.write_record(record, |ring| {
                if let Some(mut recent) = holder.recorder().recent.try_lock() {
                    recent.take_in(ring);
                }
            })
        })
    });
    if kept == Some(Some(true)) {
        cell.recorded.add(1);
    }
}

/// Longest text of a field in bytes; what is longer is cut.
const MAX_FIELD_BYTES: usize = 256;

fn bounded(value: &FieldValue) -> FieldValue {
    match value {
        FieldValue::Text(text) => FieldValue::Text(truncated(text, MAX_FIELD_BYTES).into_owned()),
        other => other.clone(),
    }
}

/// Counts that code of the host panicked where it was called by this crate.
#[cold]
pub(crate) fn count_panicked_callback() {
    current_recorder().counts.callbacks_panicked.fetch_add(1, Ordering::Relaxed);
}

thread_local! {
    static DESCRIBING: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The text of an error, from code of the host: it may call tracked functions that fail, whose own errors are then not
/// asked for their text. Panics of it are contained where the text is made.
fn describe(failure: &dyn Failure) -> Option<ErrorText> {
    if DESCRIBING.replace(true) {
        return None;
    }
    let text = failure.describe();
    DESCRIBING.set(false);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_a_burst_and_then_one_each_interval() {
        let from = Counter::new(0);
        let now = 1_000_000;
        assert_eq!((0..100).filter(|_| allowed(&from, now, 1_000)).count(), 10);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 999, 1_000)).count(), 0);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 1_000, 1_000)).count(), 1);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 6_000, 1_000)).count(), 5);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 1_000_000, 1_000)).count(), 10);
    }

    #[test]
    fn a_closed_budget_gives_nothing() {
        assert!(!allowed(&Counter::new(u64::MAX), u64::MAX - 1, 1_000));
        assert!(!allowed(&Counter::new(0), 5, u64::MAX / 4));
    }
}
