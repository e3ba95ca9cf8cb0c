//! Figures from rollups: of a range as a whole, and of each operation.
//!
//! At every commit the rows of the coarser steps and the open rows of ten seconds are together everything. So a range is
//! made of the coarsest steps that fit into it, finer ones at its edges, and the open rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write;
use std::time::Duration;

use rusqlite::{OptionalExtension, ToSql};

use super::blob;
use super::error::StoreError;
use super::read_records::count;
use super::read_series::{Runs, SeriesChoice, SeriesName, series_name};
use super::reading::Reading;
use super::retention::figures_kept_since;
use super::spans::{FINEST, SECOND, Span, TIERS, down, edge_of, spans};
use crate::model::units::from_unix_ns;
use crate::model::{
    Figures, HistoryFigures, HistorySummary, Identity, Labels, OperationStats, Selection, TimeRange, Totals, by_kind,
    sort_by_total_time,
};

/// From so many series on, all rows of a time are read and the others passed over.
const FEW_SERIES: usize = 16;

/// From so many series or runs on, they are not written down in a statement.
const MANY: usize = 2_000;

/// What `rollups` and `rollups_of_all` both have; a row that is read begins with the series.
pub(super) const COLUMNS: &str = "instance_id, start_ns, started, succeeded, failed, panicked, cancelled, items, bytes,
    allocations, allocated_bytes, polls, total_ns, self_ns, busy_ns, min_ns, max_ns, durations";

/// What is selected, in the terms of the table.
pub(super) struct Chosen {
    series: Option<Vec<i64>>,
    set: HashSet<i64>,
    runs: Option<Runs>,
}

impl Chosen {
    pub(super) fn find(reading: &Reading<'_>, selection: &Selection) -> Result<Chosen, StoreError> {
        let series = SeriesChoice::from(selection).find(reading)?;
        let set = series.iter().flatten().copied().collect();
        let runs = Runs::find(reading, selection.run.as_deref(), selection.service.as_deref())?;
        Ok(Chosen { series, set, runs })
    }

    fn is_nothing(&self) -> bool {
        self.series.as_ref().is_some_and(Vec::is_empty) || self.runs.as_ref().is_some_and(|runs| runs.ids.is_empty())
    }

    pub(super) fn are_few(&self) -> bool {
        self.series.as_ref().is_some_and(|series| series.len() < FEW_SERIES)
    }

    /// Conditions after that of the time that leave the rows which are meant; `None` when they would be too long.
    pub(super) fn conditions(&self) -> Option<String> {
        let mut conditions = String::new();
        let series = self.series.as_ref();
        let runs = self.runs.as_ref().map(|runs| &runs.ids);
        for (column, ids) in [("series_id", series), ("instance_id", runs)] {
            let Some(ids) = ids else { continue };
            if ids.len() >= MANY {
                return None;
            }
            let ids: Vec<_> = ids.iter().map(i64::to_string).collect();
            // With a sign it is no reason to choose an index.
            let _ = write!(conditions, " AND +{column} IN ({})", ids.join(","));
        }
        Some(conditions)
    }

    fn has(&self, series: i64, run: i64) -> bool {
        (self.series.is_none() || self.set.contains(&series)) && self.runs.as_ref().is_none_or(|runs| runs.has(run))
    }
}

/// The range that is read, in nanoseconds, and its edges' step.
struct Covered {
    since_ns: i64,
    until_ns: i64,
    edge_s: i64,
    told: TimeRange,
}

impl Covered {
    /// `None` when the history has nothing at all.
    fn find(reading: &Reading<'_>, range: &TimeRange) -> Result<Option<Covered>, StoreError> {
        let mut first = i64::MAX;
        let (mut newest, mut newest_end) = (i64::MIN, i64::MIN);
        // The finest steps tell best when the newest ended; but of them there may be none any more of that time.
        for step_s in TIERS.into_iter().rev() {
            let end = |direction: &str| -> Result<Option<i64>, StoreError> {
                let sql =
                    format!("SELECT start_ns FROM rollups WHERE step_s = ?1 ORDER BY start_ns {direction} LIMIT 1");
                Ok(reading.prepare(&sql)?.query_row([step_s], |row| row.get(0)).optional()?)
            };
            if let (Some(oldest), Some(last)) = (end("ASC")?, end("DESC")?) {
                first = first.min(oldest);
                // One that begins before what is known ends later only because its step does.
                if last > newest {
                    (newest, newest_end) = (last, last.saturating_add(step_s * SECOND));
                }
            }
        }
        if first == i64::MAX {
            return Ok(None);
        }
        let kept_since = figures_kept_since(|sql| reading.prepare(sql))?;
        let (asked_since, asked_until) = range.bounds_ns();
        // Of the longest steps, too, some may have gone, and of the last one that went a part.
        let since_ns = asked_since.max(first).max(kept_since[0]);
        let edge_s = edge_of(since_ns, asked_until.min(newest_end), &kept_since);
        let up = |ns: i64, step_s: i64| down(ns.saturating_add(step_s * SECOND - 1), step_s);
        let since_ns = down(since_ns, edge_s);
        // Nothing is kept of what is after the newest, so a range that goes beyond it may take the coarsest steps there.
        let whole = asked_until >= newest_end;
        let until_ns = up(asked_until.min(newest_end), if whole { TIERS[0] } else { edge_s }).max(since_ns);
        let told_until = match range.until {
            Some(until) if whole => until,
            _ => from_unix_ns(if whole { newest_end } else { until_ns }),
        };
        let told = TimeRange::since(from_unix_ns(since_ns)).until(told_until.max(from_unix_ns(since_ns)));
        Ok(Some(Covered { since_ns, until_ns, edge_s, told }))
    }

    fn window(&self) -> Duration {
        match (self.told.since, self.told.until) {
            (Some(since), Some(until)) => until.duration_since(since).unwrap_or_default(),
            _ => Duration::ZERO,
        }
    }
}

/// What each row is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// One series.
    Each,
    /// One or all of them together: then the series is 0.
    Any,
}

/// Rows of a span: with the index that suits, each that is chosen given to `take` with its series and its beginning.
fn rows(
    reading: &Reading<'_>,
    chosen: &Chosen,
    span: Span,
    of: Of,
    take: impl FnMut(i64, i64, &rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    rows_with(reading, chosen, span, of, (COLUMNS, ""), take)
}

/// The same with columns that stand for [`COLUMNS`], and with what comes after the conditions in the statement.
pub(super) fn rows_with(
    reading: &Reading<'_>,
    chosen: &Chosen,
    span: Span,
    of: Of,
    (columns, grouped): (&str, &str),
    mut take: impl FnMut(i64, i64, &rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if chosen.is_nothing() {
        return Ok(());
    }
    let conditions = chosen.conditions().unwrap_or_default();
    let mut read = |sql: &str, parameters: &[&dyn ToSql]| read(reading, chosen, sql, parameters, &mut take);
    // Of several series together there is no one series.
    let series = if grouped.is_empty() { "series_id" } else { "0" };
    match &chosen.series {
        None if of == Of::Any && span.step_s > FINEST => {
            let sql = format!(
                "SELECT 0, {columns} FROM rollups_of_all
                 WHERE step_s = ?1 AND start_ns >= ?2 AND start_ns < ?3{conditions}{grouped}"
            );
            read(&sql, &[&span.step_s, &span.since_ns, &span.until_ns])?;
        }
        Some(few) if chosen.are_few() => {
            let sql = format!(
                "SELECT {series}, {columns} FROM rollups INDEXED BY rollups_by_series
                 WHERE series_id = ?1 AND step_s = ?2 AND start_ns >= ?3 AND start_ns < ?4{conditions}{grouped}"
            );
            for series in few {
                read(&sql, &[series, &span.step_s, &span.since_ns, &span.until_ns])?;
            }
        }
        _ => {
            let sql = format!(
                "SELECT {series}, {columns} FROM rollups
                 WHERE step_s = ?1 AND start_ns >= ?2 AND start_ns < ?3{conditions}{grouped}"
            );
            read(&sql, &[&span.step_s, &span.since_ns, &span.until_ns])?;
        }
    }
    // What is in no longer step yet is with each series alone.
    if span.step_s > FINEST {
        let sql = format!(
            "SELECT {series}, {columns} FROM rollups INDEXED BY rollups_open
             WHERE open = 1 AND start_ns >= ?1 AND start_ns < ?2 AND step_s = ?3{conditions}{grouped}"
        );
        read(&sql, &[&span.since_ns, &span.until_ns, &FINEST])?;
    }
    Ok(())
}

/// Has each row taken that is meant, with its series and its beginning.
fn read(
    reading: &Reading<'_>,
    chosen: &Chosen,
    sql: &str,
    parameters: &[&dyn ToSql],
    take: &mut impl FnMut(i64, i64, &rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let told = chosen.conditions().is_some();
    reading.check_deadline()?;
    let mut statement = reading.prepare(sql)?;
    let mut rows = statement.query(parameters)?;
    while let Some(row) = rows.next()? {
        let series = row.get(0)?;
        if told || chosen.has(series, row.get(1)?) {
            take(series, row.get(2)?, row)?;
        }
    }
    Ok(())
}

/// Adds a row of [`COLUMNS`].
fn add(totals: &mut Totals, sum: &mut blob::Sum, row: &rusqlite::Row<'_>) -> Result<(), StoreError> {
    add_sums(totals, row)?;
    sum.add(row.get_ref(18)?.as_blob().unwrap_or_default())
}

pub(super) fn add_extremes(totals: &mut Totals, min_ns: Option<i64>, max_ns: Option<i64>) {
    if let Some(min) = min_ns {
        totals.min_ns = totals.min_ns.min(count(min));
    }
    if let Some(max) = max_ns {
        totals.max_ns = totals.max_ns.max(count(max));
    }
}

/// Everything but the histogram.
pub(super) fn add_sums(totals: &mut Totals, row: &rusqlite::Row<'_>) -> Result<(), StoreError> {
    let sum = |into: &mut u64, column: usize| -> Result<(), StoreError> {
        *into = into.saturating_add(count(row.get(column)?));
        Ok(())
    };
    sum(&mut totals.started, 3)?;
    sum(&mut totals.succeeded, 4)?;
    sum(&mut totals.failed, 5)?;
    sum(&mut totals.panicked, 6)?;
    sum(&mut totals.cancelled, 7)?;
    sum(&mut totals.items, 8)?;
    sum(&mut totals.bytes, 9)?;
    sum(&mut totals.allocations, 10)?;
    sum(&mut totals.allocated_bytes, 11)?;
    sum(&mut totals.polls, 12)?;
    sum(&mut totals.total_ns, 13)?;
    totals.self_ns = totals.self_ns.saturating_add(row.get(14)?);
    sum(&mut totals.busy_ns, 15)?;
    add_extremes(totals, row.get(16)?, row.get(17)?);
    Ok(())
}

/// The totals of each series in a range.
fn by_series(reading: &Reading<'_>, chosen: &Chosen, covered: &Covered) -> Result<HashMap<i64, Totals>, StoreError> {
    let mut totals: HashMap<i64, Totals> = HashMap::new();
    let mut sum = blob::Sum::new();
    for span in spans(covered.since_ns, covered.until_ns, covered.edge_s) {
        rows(reading, chosen, span, Of::Each, |series, _, row| {
            let totals = totals.entry(series).or_default();
            add(totals, &mut sum, row)?;
            sum.move_to(&mut totals.histogram);
            Ok(())
        })?;
    }
    Ok(totals)
}

pub(super) fn figures(reading: &Reading<'_>, selection: &Selection) -> Result<HistoryFigures, StoreError> {
    let Some(covered) = Covered::find(reading, &selection.range)? else {
        return Ok(HistoryFigures { covered: selection.range, figures: Figures::default() });
    };
    let chosen = Chosen::find(reading, selection)?;
    let mut totals = Totals::default();
    let mut sum = blob::Sum::new();
    for span in spans(covered.since_ns, covered.until_ns, covered.edge_s) {
        rows(reading, &chosen, span, Of::Any, |_, _, row| add(&mut totals, &mut sum, row))?;
    }
    sum.move_to(&mut totals.histogram);
    Ok(HistoryFigures { covered: covered.told, figures: Figures::new(totals, covered.window()) })
}

pub(super) fn summary(reading: &Reading<'_>, selection: &Selection, limit: u32) -> Result<HistorySummary, StoreError> {
    let Some(covered) = Covered::find(reading, &selection.range)? else {
        return Ok(HistorySummary {
            covered: selection.range,
            operations: Vec::new(),
            operations_left_out: 0,
            kinds: Vec::new(),
            total: Figures::default(),
        });
    };
    let chosen = Chosen::find(reading, selection)?;
    let totals = by_series(reading, &chosen, &covered)?;
    let window = covered.window();
    let mut total = Totals::default();
    let mut named: BTreeMap<(String, String, String), Vec<(Labels, Totals)>> = BTreeMap::new();
    for (series, totals) in totals {
        total.merge(&totals);
        let SeriesName { name, kind, component, labels } = series_name(reading, series)?;
        named.entry((name, kind, component)).or_default().push((labels, totals));
    }
    let mut operations: Vec<_> = named
        .into_iter()
        .map(|((name, kind, component), parts)| operation(&name, &kind, &component, parts, window))
        .collect();
    sort_by_total_time(&mut operations);
    let kinds = by_kind(&operations);
    let operations_left_out = operations.len().saturating_sub(limit as usize);
    operations.truncate(limit as usize);
    let total = Figures::new(total, window);
    Ok(HistorySummary { covered: covered.told, operations, operations_left_out, kinds, total })
}

/// An operation with its label sets, as a snapshot has it.
fn operation(
    name: &str,
    kind: &str,
    component: &str,
    mut parts: Vec<(Labels, Totals)>,
    window: Duration,
) -> OperationStats {
    let identity =
        |labels| Identity { name: name.to_owned(), kind: kind.to_owned(), component: component.to_owned(), labels };
    if let [(labels, totals)] = &mut parts[..]
        && labels.is_empty()
    {
        return OperationStats::new(identity(Labels::new()), std::mem::take(totals), window);
    }
    let mut sum = Totals::default();
    for (_, totals) in &parts {
        sum.merge(totals);
    }
    let series = parts.into_iter().map(|(labels, totals)| OperationStats::new(identity(labels), totals, window));
    OperationStats::new(identity(Labels::new()), sum, window).with_series(series.collect())
}
