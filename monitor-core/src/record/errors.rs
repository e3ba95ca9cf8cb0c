//! Errors on their way to their groups: of calls that fail, and those that the program records by hand.

use std::backtrace::Backtrace;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::Cell;
use super::context::{Here, here};
use super::failure::{Failure, bounded_fields, describe};
use super::fork;
use super::lineage::{Lineage, span_of};
use super::local::{on_a_shard, thread_name};
use super::quiet::quietly;
use super::recorder::{Holder, Recorder, RecorderRef};
use super::tallies::{Source, Tally};
use crate::base::clock::Anchor;
use crate::base::names::{MAX_NAME_BYTES, bounded_name, truncated};
use crate::model::{ErrorText, FieldValue, Fingerprint, Severity};
use crate::store::errors::{Account, Found, Read, Sample, Unread};

/// Pieces of context that an error keeps; further ones are left out.
pub(crate) const MAX_CONTEXT: usize = 32;

/// An error that the program records by hand.
pub(crate) struct Report<'a> {
    pub(crate) error: &'a dyn Failure,
    pub(crate) kind: Option<&'a str>,
    pub(crate) severity: Severity,
    pub(crate) component: &'a str,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) context: &'a [(&'a str, FieldValue)],
    /// Where in the source.
    pub(crate) place: Place<'a>,
    /// Where it occurred; `None`: where this thread is.
    pub(crate) here: Option<Here>,
}

/// A place in the source.
#[derive(Clone, Copy, Hash)]
pub(crate) struct Place<'a> {
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

/// Files the error of a call that failed, if it is one to look at: if not, it is only counted. True if it was filed.
pub(super) fn file_failure(
    holder: Holder<'_>,
    cell: &Cell,
    tally: &Tally,
    (id, now, lineage): (u64, u64, &Lineage),
    error: ErrorText,
    fields: &[(&str, FieldValue)],
) -> bool {
    let filed = quietly(|| {
        // SAFETY: inside `quietly`.
        let (series, _) = unsafe { holder.names(cell.series) }?;
        let sample = Sample {
            error,
            severity: Severity::Medium,
            seen_ns: holder.recorder().since_start_ns(now),
            operation_id: Some(id),
            trace_id: Some(lineage.trace()),
            span_id: Some(span_of(id)),
            operation: Some(Arc::from(&*series.name)),
            location: None,
            context: with_fields_of(Some(lineage), bounded_fields(&fields[..fields.len().min(MAX_CONTEXT)])),
            // Not the name that the shard has: one that is borrowed for a moment has that of an earlier holder.
            thread: Some(thread_name()),
            // While the thread panics, its hook may just print a backtrace, see `backtrace`.
            backtrace: if std::thread::panicking() { None } else { backtrace(holder.recorder()) },
        };
        let (place, component) = (Arc::from(&*series.name), Arc::from(&*series.component));
        file(holder, tally, now, Found { sample, place, component, fingerprint: None });
        Some(())
    });
    filed.flatten().is_some()
}

fn file(holder: Holder<'_>, tally: &Tally, now: u64, found: Found) {
    let recorder = holder.recorder();
    recorder.stores.errors.file(found, |account| {
        let before = tally.settle(account.number(), now);
        Unread {
            account: Account::from_number(before.account),
            count: before.count,
            last_ns: recorder.since_start_ns(before.last),
        }
    });
}

/// The stack of this moment, if that was asked for. The standard library takes a lock of its own for it. In a forked child
/// it may be one that another thread of the parent held, and then it would never be free.
fn backtrace(recorder: &Recorder) -> Option<Arc<Backtrace>> {
    let wanted = recorder.backtraces.load(Ordering::Relaxed) && fork::generation() == 0;
    wanted.then(|| Arc::new(Backtrace::force_capture()))
}

/// Records an error by hand.
pub(crate) fn report(recorder: &RecorderRef, report: &Report<'_>) {
    if !cfg!(feature = "enabled") {
        return;
    }
    if recorder.is_inherited() {
        return self::report(&RecorderRef::of_process(), report);
    }
    on_a_shard(recorder, |holder| report_on(holder, report));
}

fn report_on(holder: Holder<'_>, report: &Report<'_>) {
    if holder.is_off() {
        return;
    }
    let now = holder.now();
    // With what the program says itself: of errors that it tells apart the counts are not an estimate.
    let said = (report.place, report.kind, report.fingerprint, report.severity);
    let place = holder.recorder().hash_state.hash_one(said);
    let tally = holder.reports.of(Source { key: report.error.key(), place });
    let text = tally.may_look(now, holder.recorder().look_interval).then(|| describe(report.error)).flatten();
    let Some(mut text) = text else {
        return tally.count(now);
    };
    if let Some(kind) = report.kind {
        text.kind = bounded_name(kind).into_owned().into();
    }
    // Not inside `quietly`, where this thread reaches no shard.
    let here = report.here.clone().unwrap_or_else(here);
    let filed = quietly(|| file(holder, tally, now, found(holder, report, &here, now, text)));
    if filed.is_none() {
        tally.count(now);
    }
}

/// What is known of an error that is recorded by hand. Inside `quietly`.
fn found(holder: Holder<'_>, report: &Report<'_>, here: &Here, now: u64, error: ErrorText) -> Found {
    let Place { file, line, column } = report.place;
    let call = here.caller_in(holder.recorder().address());
    let series = call.and_then(|call| holder.recorder().series(call.series));
    let operation: Option<Arc<str>> = series.as_ref().map(|series| Arc::from(&*series.name));
    let component = match &series {
        Some(series) if report.component.is_empty() => &series.component,
        _ => report.component,
    };
    Found {
        sample: Sample {
            error,
            severity: report.severity,
            seen_ns: holder.recorder().since_start_ns(now),
            operation_id: call.map(|call| call.id),
            trace_id: here.lineage.as_ref().map(Lineage::trace),
            span_id: here.span(),
            operation: operation.clone(),
            location: Some(format!("{file}:{line}:{column}")),
            context: with_fields_of(here.lineage.as_ref(), bounded_fields(report.context)),
            thread: Some(thread_name()),
            backtrace: backtrace(holder.recorder()),
        },
        place: operation.unwrap_or_else(|| Arc::from(file.replace('\\', "/"))),
        component: Arc::from(&*truncated(component, MAX_NAME_BYTES)),
        fingerprint: report.fingerprint,
    }
}

/// Fields of an error, and those of the context that it occurred in, as far as there is room.
fn with_fields_of(lineage: Option<&Lineage>, mut fields: Vec<(String, FieldValue)>) -> Vec<(String, FieldValue)> {
    let of_context = lineage.map_or(&[][..], Lineage::fields);
    let room = MAX_CONTEXT.saturating_sub(fields.len());
    let new = of_context.iter().filter(|(key, _)| !fields.iter().any(|(known, _)| known == key)).take(room);
    let new: Vec<_> = new.cloned().collect();
    fields.extend(new);
    fields
}

/// All groups of errors, and what is in none.
pub(super) fn read(recorder: &Recorder, anchor: &Anchor<'_>, wanted: impl Fn(Fingerprint, u64, u64) -> bool) -> Read {
    let now_ns = recorder.since_start_ns(anchor.ticks);
    recorder.stores.errors.read(now_ns, anchor, wanted, |take| {
        for shard in recorder.shards.iter() {
            let tallies = shard.cells.iter().flat_map(|cell| cell.tallies.iter()).chain(shard.reports.iter());
            for unfiled in tallies.map(Tally::unfiled).filter(|unfiled| unfiled.count > 0) {
                let last_ns = recorder.since_start_ns(unfiled.last);
                take(Unread { account: Account::from_number(unfiled.account), count: unfiled.count, last_ns });
            }
        }
    })
}
