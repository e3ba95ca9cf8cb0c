//! What may be asked of a history: the same for every implementation.

use std::time::Duration;

use crate::base::names::MAX_NAME_BYTES;
use crate::model::{
    AuditFilter, ErrorFilter, Figure, OperationFilter, PageRequest, ProgressFilter, Selection, TimeRange,
    TransitionFilter,
};

use super::history_error::HistoryError;

/// The most steps of a series.
const MAX_POINTS: u64 = 10_000;

/// The most fields, labels and outcomes of a filter.
const MAX_PARTS: usize = 8;

/// The finest step.
const STEP: Duration = Duration::from_secs(10);

/// The longest value of a field.
const MAX_VALUE_BYTES: usize = 1_024;

const DEADLINES: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_mins(10);

fn text(what: &'static str, text: Option<&str>, most: usize) -> Result<(), HistoryError> {
    match text {
        Some("") => Err(HistoryError::invalid(what, "an empty text", "a text, or to leave it out")),
        Some(text) if text.len() > most => {
            let given = format_args!("{} bytes long", text.len()).to_string();
            Err(HistoryError::invalid(
                what,
                given,
                if most == MAX_NAME_BYTES { "1 to 200 bytes" } else { "1 to 1024 bytes" },
            ))
        }
        _ => Ok(()),
    }
}

fn name(what: &'static str, name: Option<&str>) -> Result<(), HistoryError> {
    text(what, name, MAX_NAME_BYTES)
}

fn at_most(what: &'static str, count: usize) -> Result<(), HistoryError> {
    if count > MAX_PARTS {
        Err(HistoryError::invalid(what, format_args!("{count} of them"), "at most 8"))
    } else {
        Ok(())
    }
}

pub(crate) fn range(range: &TimeRange) -> Result<(), HistoryError> {
    let (since, until) = range.bounds_ns();
    if until <= since {
        let given = format_args!("{since} to {until} (ns since 1970)").to_string();
        return Err(HistoryError::invalid("the range", given, "an end after the beginning"));
    }
    Ok(())
}

pub(crate) fn deadline(deadline: Duration) -> Result<(), HistoryError> {
    if DEADLINES.contains(&deadline) {
        return Ok(());
    }
    Err(HistoryError::invalid("deadline", format_args!("{deadline:?}"), "1 ms to 10 minutes"))
}

pub(crate) fn page(page: &PageRequest) -> Result<(), HistoryError> {
    if !(1..=PageRequest::MAX_LIMIT).contains(&page.limit) {
        return Err(HistoryError::invalid("limit", page.limit, "1 to 1000"));
    }
    if page.after.is_some_and(|key| key.order() != page.order) {
        return Err(HistoryError::invalid(
            "the key of the page",
            "of the other order",
            "one of a page in the same order",
        ));
    }
    deadline(page.deadline)
}

/// A page of something that has only one.
pub(crate) fn only_page(only: &PageRequest) -> Result<(), HistoryError> {
    page(only)?;
    match only.after {
        Some(key) => Err(HistoryError::invalid("the key of the page", key, "none: there is one page")),
        None => Ok(()),
    }
}

pub(crate) fn operations(filter: &OperationFilter) -> Result<(), HistoryError> {
    range(&filter.range)?;
    name("name", filter.name.as_deref())?;
    name("name_prefix", filter.name_prefix.as_deref())?;
    name("kind", filter.kind.as_deref())?;
    name("component", filter.component.as_deref())?;
    name("run", filter.run.as_deref())?;
    name("service", filter.service.as_deref())?;
    at_most("outcomes", filter.outcomes.len())?;
    at_most("fields", filter.fields.len())?;
    for (key, value) in &filter.fields {
        name("key of a field", Some(key))?;
        if value.len() > MAX_VALUE_BYTES {
            text("value of a field", Some(value), MAX_VALUE_BYTES)?;
        }
    }
    match (filter.min_duration, filter.max_duration) {
        (Some(min), Some(max)) if max < min => {
            Err(HistoryError::invalid("max_duration", format_args!("{max:?}"), "at least min_duration"))
        }
        _ => Ok(()),
    }
}

pub(crate) fn selection(selection: &Selection) -> Result<(), HistoryError> {
    range(&selection.range)?;
    name("name", selection.name.as_deref())?;
    name("name_prefix", selection.name_prefix.as_deref())?;
    name("kind", selection.kind.as_deref())?;
    name("component", selection.component.as_deref())?;
    name("run", selection.run.as_deref())?;
    name("service", selection.service.as_deref())?;
    at_most("labels", selection.labels.len())?;
    selection.labels.keys().try_for_each(|key| name("key of a label", Some(key)))
}

pub(crate) fn figure(figure: Figure) -> Result<(), HistoryError> {
    match figure {
        Figure::Percentile(q) if !(0.0..=1.0).contains(&q) => {
            Err(HistoryError::invalid("the quantile", q, "0.0 to 1.0 (0.99 is the 99th percentile)"))
        }
        _ => Ok(()),
    }
}

/// The step of a series in whole seconds, for a range whose ends are known.
pub(crate) fn step(step: Duration, since_ns: i64, until_ns: i64) -> Result<i64, HistoryError> {
    let whole = step.subsec_nanos() == 0 && !step.is_zero() && step.as_secs().is_multiple_of(STEP.as_secs());
    let seconds = i64::try_from(step.as_secs()).ok().filter(|_| whole && step <= Duration::from_hours(24 * 366));
    let Some(seconds) = seconds else {
        return Err(HistoryError::invalid("step", format_args!("{step:?}"), "a multiple of 10 s, up to a year"));
    };
    let points = until_ns.abs_diff(since_ns) / (step.as_secs() * 1_000_000_000);
    if points > MAX_POINTS {
        let given = format_args!("{step:?}, which makes {points} steps of the range").to_string();
        return Err(HistoryError::invalid("step", given, "one that makes at most 10000 of it"));
    }
    Ok(seconds)
}

pub(crate) fn errors(filter: &ErrorFilter) -> Result<(), HistoryError> {
    range(&filter.range)?;
    name("kind", filter.kind.as_deref())?;
    name("component", filter.component.as_deref())?;
    text("text", filter.text.as_deref(), MAX_VALUE_BYTES)
}

pub(crate) fn transitions(filter: &TransitionFilter) -> Result<(), HistoryError> {
    range(&filter.range)?;
    name("machine", filter.machine.as_deref())?;
    name("entity", filter.entity.as_deref())
}

pub(crate) fn progress(filter: &ProgressFilter) -> Result<(), HistoryError> {
    range(&filter.range)?;
    name("name", filter.name.as_deref())
}

pub(crate) fn id(id: &str) -> Result<(), HistoryError> {
    name("id", Some(id))
}

pub(crate) fn queue(queue: Option<&str>) -> Result<(), HistoryError> {
    name("queue", queue)
}

pub(crate) fn audit(filter: &AuditFilter) -> Result<(), HistoryError> {
    range(&filter.range)?;
    name("actor", filter.actor.as_deref())?;
    name("action", filter.action.as_deref())?;
    text("target", filter.target.as_deref(), MAX_VALUE_BYTES)
}
