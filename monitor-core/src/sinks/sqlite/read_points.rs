//! Figures from rollups, step by step.

use std::time::Duration;

use super::blob;
use super::error::StoreError;
use super::read_records::{count, ns};
use super::read_rollups::{COLUMNS, Chosen, Of, add_extremes, add_sums, rows_with};
use super::reading::Reading;
use super::retention::figures_kept_since;
use super::spans::{FINEST, SECOND, Span, TIERS};
use super::values::size;
use crate::model::units::from_unix_ns;
use crate::model::{Figure, Figures, Selection, Series, SeriesPoint, Totals};

/// What percentiles and means need of them.
const HISTOGRAM_COLUMNS: &str = "instance_id, start_ns, total_ns, min_ns, max_ns, durations";

/// Points whose histograms are added up at a time: some 15 KiB each.
const POINTS_TOGETHER: usize = 64;

/// Columns that add up what a figure of many operations needs, all rows of a beginning as one; `None` if it needs more.
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
        "instance_id" => "0".to_owned(),
        "start_ns" => name.to_owned(),
        "max_ns" if needed.contains(&name) => "max(max_ns)".to_owned(),
        "min_ns" | "max_ns" | "durations" => "NULL".to_owned(),
        _ if needed.contains(&name) || outcomes.contains(&name) => format!("CAST(total({name}) AS INTEGER)"),
        _ => "0".to_owned(),
    };
    Some(COLUMNS.split(',').map(|name| column(name.trim())).collect::<Vec<_>>().join(", "))
}

/// Adds a row of [`HISTOGRAM_COLUMNS`].
fn add_durations(totals: &mut Totals, sum: &mut blob::Sum, row: &rusqlite::Row<'_>) -> Result<(), StoreError> {
    totals.total_ns = totals.total_ns.saturating_add(count(row.get(3)?));
    add_extremes(totals, row.get(4)?, row.get(5)?);
    sum.add(row.get_ref(6)?.as_blob().unwrap_or_default())
}

/// Sums of histograms of several points at a time. One is moved on when the turn comes of another point that has its
/// place, which is once for each if no more come by turns than there are places.
struct Sums(Vec<(usize, blob::Sum)>);

impl Sums {
    fn new(together: usize) -> Sums {
        Sums((0..together.max(1)).map(|_| (0, blob::Sum::new())).collect())
    }

    fn of(&mut self, at: usize, totals: &mut [Option<Totals>]) -> &mut blob::Sum {
        let place = at % self.0.len();
        let (summed, sum) = &mut self.0[place];
        if *summed != at {
            if let Some(Some(before)) = totals.get_mut(*summed) {
                sum.move_to(&mut before.histogram);
            }
            *summed = at;
        }
        sum
    }

    fn finish(mut self, totals: &mut [Option<Totals>]) {
        for (summed, sum) in &mut self.0 {
            if let Some(Some(last)) = totals.get_mut(*summed) {
                sum.move_to(&mut last.histogram);
            }
        }
    }
}

/// A span in parts of some length.
fn parts(span: Span, length_ns: i64) -> impl Iterator<Item = Span> {
    std::iter::successors(Some(span.since_ns), move |&since_ns| Some(since_ns.saturating_add(length_ns)))
        .take_while(move |&since_ns| since_ns < span.until_ns)
        .map(move |since_ns| Span { since_ns, until_ns: since_ns.saturating_add(length_ns).min(span.until_ns), ..span })
}

pub(super) fn series(
    reading: &Reading<'_>,
    selection: &Selection,
    figure: Figure,
    step_s: i64,
    since_ns: i64,
    until_ns: i64,
) -> Result<Series, StoreError> {
    let chosen = Chosen::find(reading, selection)?;
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
    let mut totals: Vec<Option<Totals>> = vec![None; points];
    let with_histogram = figure.needs_histogram();
    // Few series are read one after the other, so that all points come again for each.
    let together = if with_histogram && chosen.are_few() { points.clamp(1, POINTS_TOGETHER) } else { 1 };
    let mut sums = Sums::new(together);
    let mut take = |_, start_ns: i64, row: &rusqlite::Row<'_>| {
        let at = usize::try_from(start_ns.div_euclid(step_ns) - first).unwrap_or(usize::MAX);
        if with_histogram {
            let sum = sums.of(at, &mut totals);
            let Some(totals) = totals.get_mut(at) else { return Ok(()) };
            return add_durations(totals.get_or_insert_with(Totals::default), sum, row);
        }
        let Some(totals) = totals.get_mut(at) else { return Ok(()) };
        add_sums(totals.get_or_insert_with(Totals::default), row)
    };
    let added_up = added_up(figure).filter(|_| !chosen.are_few() && chosen.conditions().is_some());
    let columns = match &added_up {
        _ if with_histogram => (HISTOGRAM_COLUMNS, ""),
        Some(columns) => (columns.as_str(), " GROUP BY start_ns"),
        None => (COLUMNS, ""),
    };
    for span in parts(span, if together > 1 { step_ns.saturating_mul(size(together as u64)) } else { i64::MAX }) {
        rows_with(reading, &chosen, span, Of::Any, columns, &mut take)?;
    }
    sums.finish(&mut totals);
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
