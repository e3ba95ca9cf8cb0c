//! Figures from rollups: of a range as a whole, of each operation, step by step.
//!
//! At every commit the rows of the coarser steps and the open rows of ten seconds are together everything. So a range is
//! made of the coarsest steps that fit into it, finer ones at its edges, and the open rows.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use rusqlite::{OptionalExtension, ToSql};

use super::blob;
use super::error::StoreError;
use super::read_records::{count, ns};
use super::read_series::{Runs, SeriesChoice, SeriesName, series_name};
use super::reader::Reading;
use super::retention::figures_kept_since;
use super::spans::{FINEST, SECOND, Span, TIERS, down, edge_of, spans};
use crate::model::units::from_unix_ns;
use crate::model::{
    Figure, Figures, HistoryFigures, HistorySummary, Identity, Labels, OperationStats, Selection, Series, SeriesPoint,
    TimeRange, Totals, by_kind, sort_by_total_time,
};

/// From so many series on, all rows of a time are read and the others passed over.
const FEW_SERIES: usize = 16;

/// From so many series on, they are not written down in a statement.
const MANY_SERIES: usize = 2_000;

const COLUMNS: &str = "series_id, instance_id, start_ns, started, succeeded, failed, panicked, cancelled, items, bytes,
    allocations, allocated_bytes, polls, total_ns, self_ns, busy_ns, min_ns, max_ns, durations";

/// What is selected, in the terms of the table.
struct Chosen {
    series: Option<Vec<i64>>,
    set: HashSet<i64>,
    runs: Option<Runs>,
}

impl Chosen {
    fn find(reading: &Reading<'_>, selection: &Selection) -> Result<Chosen, StoreError> {
        let series = SeriesChoice::from(selection).find(reading)?;
        let set = series.iter().flatten().copied().collect();
        let runs = Runs::find(reading, selection.run.as_deref(), selection.service.as_deref())?;
        Ok(Chosen { series, set, runs })
    }

    /// Whether SQL alone can tell which rows are meant, and there are many.
    fn may_be_added_up(&self) -> bool {
        self.runs.is_none()
            && self.series.as_ref().is_none_or(|series| (FEW_SERIES..MANY_SERIES).contains(&series.len()))
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
        let mut newest_end = i64::MIN;
        for step_s in TIERS {
            let end = |direction: &str| -> Result<Option<i64>, StoreError> {
                let sql =
                    format!("SELECT start_ns FROM rollups WHERE step_s = ?1 ORDER BY start_ns {direction} LIMIT 1");
                Ok(reading.prepare(&sql)?.query_row([step_s], |row| row.get(0)).optional()?)
            };
            if let (Some(oldest), Some(newest)) = (end("ASC")?, end("DESC")?) {
                first = first.min(oldest);
                // The finest that there is tells: coarser ones end later only because their steps do.
                newest_end = newest.saturating_add(step_s * SECOND);
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

/// Columns that add up what a figure of all operations needs, those of each beginning together; `None` if it needs more.
///
/// SQLite adds up several times as fast as rows can be handed over. It does so as floats, which hold any sum without an
/// error; what comes of it is a float anyway.
fn added_up(figure: Figure) -> Option<String> {
    let needed: &[&str] = match figure {
        Figure::Calls | Figure::Failures | Figure::FailureRate => &[],
        Figure::Items => &["items"],
        Figure::Bytes => &["bytes"],
        Figure::BusyTime => &["busy_ns"],
        Figure::SelfTime => &["self_ns"],
        Figure::Max => &["max_ns"],
        Figure::Mean | Figure::Percentile(_) => return None,
    };
    let outcomes = ["succeeded", "failed", "panicked", "cancelled"];
    let column = |name: &str| match name {
        "series_id" | "instance_id" => "0".to_owned(),
        "start_ns" => name.to_owned(),
        "max_ns" if needed.contains(&name) => "max(max_ns)".to_owned(),
        "min_ns" | "max_ns" | "durations" => "NULL".to_owned(),
        _ if needed.contains(&name) || outcomes.contains(&name) => format!("CAST(total({name}) AS INTEGER)"),
        _ => "0".to_owned(),
    };
    Some(COLUMNS.split(',').map(|name| column(name.trim())).collect::<Vec<_>>().join(", "))
}

/// Rows of a span: with the index that suits, each that is chosen given to `take` with its beginning.
fn rows(
    reading: &Reading<'_>,
    chosen: &Chosen,
    span: Span,
    take: impl FnMut(i64, i64, &rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    rows_of(reading, chosen, span, COLUMNS, "", take)
}

/// The same with columns that stand for those, and with what comes after the time in the statement.
fn rows_of(
    reading: &Reading<'_>,
    chosen: &Chosen,
    span: Span,
    columns: &str,
    grouped: &str,
    mut take: impl FnMut(i64, i64, &rusqlite::Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut read = |sql: &str, parameters: &[&dyn ToSql]| -> Result<(), StoreError> {
        reading.check_deadline()?;
        let mut statement = reading.prepare(sql)?;
        let mut rows = statement.query(parameters)?;
        while let Some(row) = rows.next()? {
            let (series, run) = (row.get(0)?, row.get(1)?);
            if chosen.has(series, run) {
                take(series, row.get(2)?, row)?;
            }
        }
        Ok(())
    };
    match &chosen.series {
        Some(few) if few.len() < FEW_SERIES => {
            let sql = format!(
                "SELECT {columns} FROM rollups INDEXED BY rollups_by_series
                 WHERE series_id = ?1 AND step_s = ?2 AND start_ns >= ?3 AND start_ns < ?4{grouped}"
            );
            for series in few {
                read(&sql, &[series, &span.step_s, &span.since_ns, &span.until_ns])?;
            }
        }
        _ => {
            let sql = format!(
                "SELECT {columns} FROM rollups WHERE step_s = ?1 AND start_ns >= ?2 AND start_ns < ?3{grouped}"
            );
            read(&sql, &[&span.step_s, &span.since_ns, &span.until_ns])?;
        }
    }
    if span.step_s > FINEST {
        let sql = format!(
            "SELECT {columns} FROM rollups INDEXED BY rollups_open
             WHERE open = 1 AND start_ns >= ?1 AND start_ns < ?2 AND step_s = ?3{grouped}"
        );
        read(&sql, &[&span.since_ns, &span.until_ns, &FINEST])?;
    }
    Ok(())
}

fn add(totals: &mut Totals, row: &rusqlite::Row<'_>) -> Result<(), StoreError> {
    add_sums(totals, row)?;
    let durations = blob::decode(row.get_ref(18)?.as_blob().unwrap_or_default())?;
    totals.histogram.merge(&durations);
    Ok(())
}

/// Everything but the histogram.
fn add_sums(totals: &mut Totals, row: &rusqlite::Row<'_>) -> Result<(), StoreError> {
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
    if let Some(min) = row.get::<_, Option<i64>>(16)? {
        totals.min_ns = totals.min_ns.min(count(min));
    }
    if let Some(max) = row.get::<_, Option<i64>>(17)? {
        totals.max_ns = totals.max_ns.max(count(max));
    }
    Ok(())
}

/// The totals of each series in a range.
fn by_series(reading: &Reading<'_>, chosen: &Chosen, covered: &Covered) -> Result<HashMap<i64, Totals>, StoreError> {
    let mut totals: HashMap<i64, Totals> = HashMap::new();
    for span in spans(covered.since_ns, covered.until_ns, covered.edge_s) {
        rows(reading, chosen, span, |series, _, row| add(totals.entry(series).or_default(), row))?;
    }
    Ok(totals)
}

pub(super) fn figures(reading: &Reading<'_>, selection: &Selection) -> Result<HistoryFigures, StoreError> {
    let Some(covered) = Covered::find(reading, &selection.range)? else {
        return Ok(HistoryFigures { covered: selection.range, figures: Figures::default() });
    };
    let chosen = Chosen::find(reading, selection)?;
    let mut sum = Totals::default();
    for span in spans(covered.since_ns, covered.until_ns, covered.edge_s) {
        rows(reading, &chosen, span, |_, _, row| add(&mut sum, row))?;
    }
    Ok(HistoryFigures { covered: covered.told, figures: Figures::new(sum, covered.window()) })
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

pub(super) fn series(
    reading: &Reading<'_>,
    selection: &Selection,
    figure: Figure,
    step_s: i64,
    since_ns: i64,
    until_ns: i64,
) -> Result<Series, StoreError> {
    let mut chosen = Chosen::find(reading, selection)?;
    let step_ns = step_s * SECOND;
    let first = since_ns.div_euclid(step_ns);
    let last = until_ns.saturating_sub(1).div_euclid(step_ns);
    // The coarsest steps of which whole ones make a point: they are kept longest, too.
    let tier = TIERS.into_iter().find(|tier| step_s % tier == 0).unwrap_or(FINEST);
    let span = Span {
        step_s: tier,
        since_ns: first.saturating_mul(step_ns),
        until_ns: last.saturating_add(1).saturating_mul(step_ns),
    };
    let points = usize::try_from(last - first + 1).unwrap_or(0);
    let mut totals = vec![None; points];
    let with_histogram = figure.needs_histogram();
    let mut take = |_, start_ns: i64, row: &rusqlite::Row<'_>| {
        let at = usize::try_from(start_ns.div_euclid(step_ns) - first).unwrap_or(usize::MAX);
        let Some(totals) = totals.get_mut(at) else { return Ok(()) };
        let totals = totals.get_or_insert_with(Totals::default);
        if with_histogram { add(totals, row) } else { add_sums(totals, row) }
    };
    match added_up(figure).filter(|_| chosen.may_be_added_up()) {
        Some(columns) => {
            let these = chosen.series.take().map(|series| {
                let ids: Vec<_> = series.iter().map(i64::to_string).collect();
                format!(" AND series_id IN ({})", ids.join(","))
            });
            let grouped = format!("{} GROUP BY start_ns", these.unwrap_or_default());
            rows_of(reading, &chosen, span, &columns, &grouped, &mut take)?;
        }
        None => rows(reading, &chosen, span, &mut take)?,
    }
    let window = Duration::from_nanos(step_ns.unsigned_abs());
    // What is not known is not 0.
    let kept_since = figures_kept_since(|sql| reading.prepare(sql))?;
    let kept_since_ns =
        TIERS.iter().zip(kept_since).find(|&(&step_s, _)| step_s == tier).map_or(i64::MIN, |(_, ns)| ns);
    let value = |totals: Totals| {
        let max = ns(i64::try_from(totals.max_ns).unwrap_or(i64::MAX));
        let figures = Figures::new(totals, window);
        if with_histogram {
            return figure.of(&figures);
        }
        let finished = figures.finished();
        let counts = [finished, finished - figures.succeeded, figures.items, figures.bytes];
        figure.of_sums(counts, [figures.busy_time, figures.self_time, max])
    };
    let starts = (first..).map(|at| at.saturating_mul(step_ns));
    let points = starts.zip(totals).map(|(start_ns, totals)| {
        let value = if start_ns < kept_since_ns { None } else { value(totals.unwrap_or_default()) };
        SeriesPoint { start: from_unix_ns(start_ns), value }
    });
    Ok(Series { figure, step: window, points: points.collect() })
}
