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
const OTHERS: [&str; 11] = [
    "SELECT min(start_ns) FROM rollups_of_all WHERE step_s = 60",
    "SELECT min(start_ns) FROM rollups_of_all WHERE step_s = 3600",
    "SELECT min(start_ns) FROM rollups_of_all WHERE step_s = 86400",
    "SELECT min(start_ns) FROM error_hours",
    "SELECT min(seen_at_ns) FROM error_samples WHERE severity = 0",
    "SELECT min(seen_at_ns) FROM error_samples WHERE severity = 1",
    "SELECT min(seen_at_ns) FROM error_samples WHERE severity = 2",
    "SELECT min(seen_at_ns) FROM error_samples WHERE severity = 3",
    "SELECT min(started_at_ns) FROM progress",
    "SELECT min(started_at_ns) FROM operations_by_id",
    "SELECT min(started_at_ns) FROM alerts",
];

/// Removing what nothing has.
pub(super) fn tasks(now_ns: i64) -> [Task; 3] {
    // Texts last: the others have some.
    [Part::Instances, Part::Series, Part::Strings].map(|part| Task::new(part, now_ns.saturating_sub(MARGIN_NS)))
}

/// Before which time something must have been used last for no row to have it. Asked in the transaction that removes: rows
/// with old times may have come a moment ago, from a batch that was delayed or a run that was found dead.
pub(super) fn unused_before_ns(connection: &Connection, part: Part) -> Result<i64, StoreError> {
    const OF_TEXTS: [&str; 3] = [RECORDS, TRANSITIONS, QUEUES];
    const OF_SERIES: [&str; 2] = [RECORDS, RUNNING];
    let tables: &[&[&str]] = match part {
        Part::Strings => &[&OF_TEXTS],
        Part::Series => &[&OF_SERIES, &FIGURES],
        _ => &[&OF_TEXTS, &OF_SERIES, &FIGURES, &OTHERS],
    };
    let mut oldest_ns = i64::MAX;
    for sql in tables.iter().copied().flatten() {
        let first: Option<i64> = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        oldest_ns = oldest_ns.min(first.unwrap_or(i64::MAX));
    }
    Ok(oldest_ns.saturating_sub(MARGIN_NS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sinks::sqlite::connection::{Durability, open_to_write};

    #[test]
    fn what_an_old_row_was_given_in_the_meantime_stays() {
        let path = std::env::temp_dir().join(format!("monitor-unused-{}.db", std::process::id()));
        let mut connection = open_to_write(&path, Durability::Process).unwrap();
        let sql = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 5000)
            INSERT INTO strings (id, text, used_at_ns) SELECT n, n, 0 FROM n";
        connection.execute_batch(sql).unwrap();
        let [.., mut texts] = tasks(10 * MARGIN_NS);
        assert!(texts.go_on(&mut connection).unwrap());
        let left = |connection: &Connection| -> (i64, i64) {
            let sql = "SELECT count(*), min(id) FROM strings";
            connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
        };
        let (count, next) = left(&connection);
        assert!(count < 5_000);
        // A run that was found dead, or a batch that was delayed: looked up is what it uses already.
        let sql = "INSERT INTO transitions (instance_id, machine_id, entity, from_id, to_id, at_ns, time_in_state_ns)
            VALUES (1, ?1, 'e', ?1, ?1, 5, 0)";
        connection.execute(sql, [next]).unwrap();
        while texts.go_on(&mut connection).unwrap() {}
        assert_eq!(left(&connection), (count, next));
        drop(connection);
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(crate::sinks::sqlite::recovery::beside(&path, end));
        }
    }
}
