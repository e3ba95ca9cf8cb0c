//! The one value for a first screen.

use std::collections::BTreeMap;
use std::time::Duration;

use super::error::StoreError;
use super::read_errors::{Counts, severity};
use super::read_others::{as_of_ns, progress};
use super::read_records::{count, ns};
use super::read_rollups;
use super::reading::Reading;
use crate::model::units::{from_unix_ns, to_f64};
use crate::model::{
    DashboardErrors, DashboardJob, DashboardOperation, DashboardQueue, DashboardSummary, PageRequest, ProgressFilter,
    Selection, TimeRange,
};

/// Queues on the first screen.
const MOST_QUEUES: usize = 50;

/// A queue that was not seen for so long is not shown.
const QUEUES_SEEN_NS: i64 = 60 * 1_000_000_000;

pub(super) fn summary(reading: &Reading<'_>) -> Result<DashboardSummary, StoreError> {
    let as_of = as_of_ns(reading)?;
    let day = TimeRange::since(from_unix_ns(as_of) - Duration::from_hours(24));
    let summary = read_rollups::summary(reading, &Selection::new(day), 10)?;
    let operations = summary.operations.iter().map(|operation| DashboardOperation {
        name: operation.name.clone(),
        kind: operation.kind.clone(),
        calls: operation.finished(),
        failures: operation.finished() - operation.succeeded,
        total_time: operation.total_time,
        mean: operation.mean(),
        p99: operation.percentile(0.99),
    });
    let operations = operations.collect();
    let (calls, failures) = (summary.total.finished(), summary.total.finished() - summary.total.succeeded);
    let jobs = progress(reading, &ProgressFilter::new().running(), &PageRequest::new().limit(10))?;
    let jobs = jobs.entries.into_iter().map(|job| DashboardJob {
        fraction: job.progress.fraction(),
        eta: job.progress.eta,
        updated_at: job.updated_at,
        name: job.progress.name,
    });
    Ok(DashboardSummary {
        covered: summary.covered,
        instances_running: one(reading, "SELECT count(*) FROM instances WHERE ended_at_ns IS NULL")?,
        active_operations: one(
            reading,
            "SELECT count(*) FROM active_operations JOIN instances ON instances.id = instance_id WHERE ended_at_ns IS NULL",
        )?,
        calls,
        failures,
        failure_rate: if calls == 0 { 0.0 } else { to_f64(failures) / to_f64(calls) },
        p50: summary.total.percentile(0.5),
        p99: summary.total.percentile(0.99),
        operations,
        errors: errors(reading, &day)?,
        jobs: jobs.collect(),
        queues: queues(reading, as_of)?,
        lost: one(reading, "SELECT coalesce(sum(count), 0) FROM losses")?,
    })
}

fn one(reading: &Reading<'_>, sql: &str) -> Result<u64, StoreError> {
    Ok(count(reading.prepare(sql)?.query_row([], |row| row.get(0))?))
}

fn errors(reading: &Reading<'_>, range: &TimeRange) -> Result<Vec<DashboardErrors>, StoreError> {
    let counts = Counts::find(reading, range)?;
    let mut by_severity: BTreeMap<i64, DashboardErrors> = BTreeMap::new();
    let mut statement = reading.prepare("SELECT severity FROM error_groups WHERE id = ?1")?;
    for (group, count) in counts.groups() {
        let number: i64 = statement.query_row([group], |row| row.get(0))?;
        let of =
            by_severity.entry(number).or_insert(DashboardErrors { severity: severity(number), groups: 0, count: 0 });
        of.groups += 1;
        of.count = of.count.saturating_add(count);
    }
    Ok(by_severity.into_values().rev().collect())
}

/// Each queue with what was seen of it last, in each run.
fn queues(reading: &Reading<'_>, as_of: i64) -> Result<Vec<DashboardQueue>, StoreError> {
    let sql = "SELECT text, depth, oldest_age_ns, queue_id, instance_id FROM queue_samples JOIN strings ON strings.id = queue_id
        WHERE start_ns >= ?1 ORDER BY start_ns DESC";
    let mut statement = reading.prepare(sql)?;
    let mut rows = statement.query([as_of.saturating_sub(QUEUES_SEEN_NS)])?;
    let mut seen = std::collections::HashSet::new();
    let mut queues: BTreeMap<String, DashboardQueue> = BTreeMap::new();
    while let Some(row) = rows.next()? {
        if !seen.insert((row.get::<_, i64>(3)?, row.get::<_, i64>(4)?)) {
            continue;
        }
        let name: String = row.get(0)?;
        if queues.len() >= MOST_QUEUES && !queues.contains_key(&name) {
            continue;
        }
        let oldest = row.get::<_, Option<i64>>(2)?.map(ns);
        let queue = queues.entry(name.clone()).or_insert(DashboardQueue { name, depth: 0, oldest: None });
        queue.depth = queue.depth.saturating_add(count(row.get(1)?));
        queue.oldest = queue.oldest.max(oldest);
    }
    Ok(queues.into_values().collect())
}
