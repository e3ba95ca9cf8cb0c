//! Texts, series and runs that no row has any more.
//!
//! Rows have ids of them without an index that leads back, which would make each record dearer. Instead each says when it
//! was used last, and that is not before the time of any row that has it (but for a day at most, see `intern`). So
//! what was used before the oldest row that there is, is used by none.

use rusqlite::Connection;

use super::part::Part;
use super::task::Task;
use crate::sinks::sqlite::error::StoreError;

/// For the day by which the time of use may be behind, and for clocks that are not quite right.
const MARGIN_NS: i64 = 2 * 24 * 3_600 * 1_000_000_000;

const RECORDS: &str = "SELECT min(first_started_at_ns) FROM record_blocks";
const FIGURES: [&str; 4] = [
    "SELECT min(start_ns) FROM rollups WHERE step_s = 10",
    "SELECT min(start_ns) FROM rollups WHERE step_s = 60",
    "SELECT min(start_ns) FROM rollups WHERE step_s = 3600",
    "SELECT min(start_ns) FROM rollups WHERE step_s = 86400",
];
const RUNNING: &str = "SELECT min(started_at_ns) FROM active_operations";
const TRANSITIONS: &str = "SELECT min(at_ns) FROM transitions";
const QUEUES: &str = "SELECT min(start_ns) FROM queue_samples";
const OTHERS: [&str; 8] = [
    "SELECT min(start_ns) FROM durations_of_all WHERE step_s = 60",
    "SELECT min(start_ns) FROM durations_of_all WHERE step_s = 3600",
    "SELECT min(start_ns) FROM durations_of_all WHERE step_s = 86400",
    "SELECT min(start_ns) FROM error_hours",
    "SELECT min(seen_at_ns) FROM error_samples",
    "SELECT min(started_at_ns) FROM progress",
    "SELECT min(started_at_ns) FROM operations_by_id",
    "SELECT min(started_at_ns) FROM alerts",
];

/// Removing what nothing has.
pub(super) fn tasks(connection: &Connection, now_ns: i64) -> Result<Vec<Task>, StoreError> {
    let oldest = |tables: &[&str]| oldest(connection, tables, now_ns);
    let of_texts = oldest(&[RECORDS, TRANSITIONS, QUEUES])?;
    let of_series = oldest(&FIGURES)?.min(oldest(&[RECORDS, RUNNING])?);
    let of_runs = of_texts.min(of_series).min(oldest(&OTHERS)?);
    let task = |part, oldest_ns: i64| Task::new(part, oldest_ns.saturating_sub(MARGIN_NS));
    Ok(vec![task(Part::Instances, of_runs), task(Part::Series, of_series), task(Part::Strings, of_texts)])
}

/// The time of the oldest row. It is now where there is none: another process may just be writing one.
fn oldest(connection: &Connection, tables: &[&str], now_ns: i64) -> Result<i64, StoreError> {
    let mut oldest = now_ns;
    for sql in tables {
        let first: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        oldest = oldest.min(first.unwrap_or(i64::MAX));
    }
    Ok(oldest)
}
