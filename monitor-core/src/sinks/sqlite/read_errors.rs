//! Groups of errors and their samples.

use std::collections::HashMap;
use std::time::Duration;

use rusqlite::{OptionalExtension, ToSql};

use super::error::StoreError;
use super::paging::Listing;
use super::read_others::as_of_ns;
use super::read_records::{count, trace_number};
use super::reading::Reading;
use super::spans::down;
use crate::model::units::{from_unix_ns, to_f64};
use crate::model::{
    ErrorFilter, ErrorGroup, ErrorSample, ErrorState, ErrorText, FRESH, FieldValue, Fingerprint, Page, PageRequest,
    Severity, SpanId, StoredErrorGroup, TimeRange, TraceId,
};

const HOUR_S: i64 = 3_600;

/// A group of which none came for so long is resolved; what a monitor takes by itself.
const QUIET: Duration = Duration::from_hours(24);

pub(super) fn severity(number: i64) -> Severity {
    match number {
        ..=0 => Severity::Low,
        1 => Severity::Medium,
        2 => Severity::High,
        _ => Severity::Critical,
    }
}

pub(super) fn severity_number(severity: Severity) -> i64 {
    match severity {
        Severity::Low => 0,
        Severity::Medium => 1,
        Severity::High => 2,
        Severity::Critical => 3,
    }
}

/// Errors by group in a range of whole hours, and the hours of it in which there is a history.
pub(super) struct Counts {
    by_group: HashMap<i64, u64>,
    hours: f64,
    pub(super) since_ns: i64,
}

impl Counts {
    pub(super) fn find(reading: &Reading<'_>, range: &TimeRange) -> Result<Counts, StoreError> {
        let (since, until) = range.bounds_ns();
        let first: Option<i64> =
            reading.prepare("SELECT min(start_ns) FROM error_hours")?.query_row([], |row| row.get(0))?;
        let as_of = as_of_ns(reading)?;
        let since_ns = down(since.max(first.unwrap_or(as_of)), HOUR_S);
        let sql =
            "SELECT group_id, sum(count) FROM error_hours WHERE start_ns >= ?1 AND start_ns < ?2 GROUP BY group_id";
        let mut statement = reading.prepare(sql)?;
        let mut rows = statement.query((since_ns, until))?;
        let mut by_group = HashMap::new();
        while let Some(row) = rows.next()? {
            by_group.insert(row.get(0)?, count(row.get(1)?));
        }
        let end = until.min(as_of).max(since_ns.saturating_add(1));
        let hours = Duration::from_nanos(end.abs_diff(since_ns)).as_secs_f64() / 3_600.0;
        Ok(Counts { by_group, hours, since_ns })
    }

    pub(super) fn of(&self, group: i64) -> u64 {
        self.by_group.get(&group).copied().unwrap_or(0)
    }

    pub(super) fn groups(&self) -> impl Iterator<Item = (i64, u64)> {
        self.by_group.iter().map(|(&group, &count)| (group, count))
    }
}

pub(super) fn groups(
    reading: &Reading<'_>,
    filter: &ErrorFilter,
    page: &PageRequest,
) -> Result<Page<StoredErrorGroup>, StoreError> {
    let counts = Counts::find(reading, &filter.range)?;
    let as_of = as_of_ns(reading)?;
    let hour = TimeRange::since(from_unix_ns(down(as_of, HOUR_S)));
    let last_hour = Counts::find(reading, &hour)?;
    let min_severity = filter.min_severity.map_or(0, severity_number);
    let mut listing = Listing {
        sql: "SELECT last_seen_at_ns, id, fingerprint, kind, place, pattern, component, severity, first_seen_at_ns,
            regressed_at_ns, count FROM error_groups WHERE last_seen_at_ns >= ? AND severity >= ?"
            .to_owned(),
        parameters: vec![&counts.since_ns, &min_severity],
        sort: "last_seen_at_ns",
        id: "id",
    };
    for (column, word) in [("kind", &filter.kind), ("component", &filter.component)] {
        if word.is_some() {
            listing.sql.extend([" AND ", column, " = ?"]);
            listing.parameters.push(word);
        }
    }
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    listing.page(reading, page, |row| {
        let id: i64 = row.get(1)?;
        let count_in_range = counts.of(id);
        if count_in_range == 0 {
            return Ok(None);
        }
        let (kind, place, pattern): (String, String, String) = (row.get(3)?, row.get(4)?, row.get(5)?);
        let has =
            |text: &String| [&kind, &place, &pattern].into_iter().any(|in_it| in_it.to_lowercase().contains(text));
        if text.as_ref().is_some_and(|text| !has(text)) {
            return Ok(None);
        }
        let (first_ns, last_ns): (i64, i64) = (row.get(8)?, row.get(0)?);
        let group = ErrorGroup {
            fingerprint: fingerprint(row.get_ref(2)?.as_str().unwrap_or_default())?,
            kind,
            place,
            pattern,
            component: row.get(6)?,
            severity: severity(row.get(7)?),
            state: state(first_ns, last_ns, row.get(9)?, as_of),
            count: count(row.get(10)?),
            count_unread: 0,
            first_seen: from_unix_ns(first_ns),
            last_seen: from_unix_ns(last_ns),
            last_hour: last_hour.of(id),
            samples: Vec::new(),
        };
        Ok(Some(StoredErrorGroup { group, count_in_range, rate_per_hour: to_f64(count_in_range) / counts.hours }))
    })
}

fn state(first_ns: i64, last_ns: i64, regressed_ns: Option<i64>, as_of: i64) -> ErrorState {
    let before =
        |ns: i64, time: Duration| i128::from(as_of) - i128::from(ns) >= i128::try_from(time.as_nanos()).unwrap_or(0);
    if before(last_ns, QUIET) {
        ErrorState::Resolved
    } else if regressed_ns.is_some_and(|ns| !before(ns, FRESH)) {
        ErrorState::Regressed
    } else if before(first_ns, FRESH) {
        ErrorState::Ongoing
    } else {
        ErrorState::New
    }
}

fn fingerprint(text: &str) -> Result<Fingerprint, StoreError> {
    text.parse().map_err(|_| StoreError::damaged("the fingerprint of a group of errors is none"))
}

pub(super) fn samples(
    reading: &Reading<'_>,
    group: Fingerprint,
    page: &PageRequest,
) -> Result<Page<ErrorSample>, StoreError> {
    let sql = "SELECT id FROM error_groups WHERE fingerprint = ?1";
    let id: Option<i64> = reading.prepare(sql)?.query_row([group.to_string()], |row| row.get(0)).optional()?;
    let Some(id) = id else { return Ok(Page::empty()) };
    let listing = Listing {
        sql: "SELECT seen_at_ns, id, severity, kind, message, sources, operation, span_id, trace_id_high, trace_id_low, location,
            thread, context, backtrace FROM error_samples WHERE group_id = ?"
            .to_owned(),
        parameters: vec![&id as &dyn ToSql],
        sort: "seen_at_ns",
        id: "id",
    };
    let damaged =
        |_| StoreError::damaged("sources or context of an error are no JSON arrays of the form that they have");
    listing.page(reading, page, |row| {
        let sources: Vec<String> = serde_json::from_str(&row.get::<_, String>(5)?).map_err(damaged)?;
        let context: Vec<(String, FieldValue)> = serde_json::from_str(&row.get::<_, String>(12)?).map_err(damaged)?;
        let span: Option<i64> = row.get(7)?;
        let (high, low): (Option<i64>, Option<i64>) = (row.get(8)?, row.get(9)?);
        let operation: Option<String> = row.get(6)?;
        let trace_id = high.zip(low.or(span)).and_then(|(high, low)| TraceId::new(trace_number(high, low)));
        let mut error = ErrorText::new(row.get::<_, String>(3)?, row.get::<_, String>(4)?);
        error.sources = sources;
        Ok(Some(ErrorSample {
            error,
            severity: severity(row.get(2)?),
            seen_at: from_unix_ns(row.get(0)?),
            operation_id: span.filter(|_| operation.is_some()).map(i64::cast_unsigned),
            operation,
            trace_id,
            span_id: span.and_then(|span| SpanId::new(span.cast_unsigned())),
            location: row.get(10)?,
            context,
            thread: row.get(11)?,
            backtrace: row.get(13)?,
        }))
    })
}
