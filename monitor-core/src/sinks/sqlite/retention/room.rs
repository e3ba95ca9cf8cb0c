//! How large the file is, what goes first when it is too large, and giving pages back to the system.

use rusqlite::Connection;

use super::pace::Pace;
use super::part::Part;
use super::task::Task;
use crate::sinks::sqlite::error::StoreError;
use crate::sinks::sqlite::spans::SECOND;

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;

/// What goes first when the file is too large: parts with the age in seconds from which they may go, and how many seconds
/// go at once. The newest of each is spared until nothing else is left. Sums of all series go with those of each.
const ORDER: [(Part, i64, i64); 31] = [
    (Part::Records, HOUR_S, 0),
    (Part::QueueSamples, HOUR_S, HOUR_S),
    (Part::Figures(10), HOUR_S, 600),
    (Part::Transitions, HOUR_S, HOUR_S),
    (Part::ErrorSamples(0), DAY_S, HOUR_S),
    (Part::ErrorSamples(1), DAY_S, HOUR_S),
    (Part::ErrorSamples(2), DAY_S, HOUR_S),
    (Part::ErrorSamples(3), DAY_S, HOUR_S),
    (Part::Progress, DAY_S, HOUR_S),
    (Part::OperationsById, DAY_S, HOUR_S),
    (Part::Figures(60), DAY_S, HOUR_S),
    (Part::Together(60), 0, HOUR_S),
    (Part::Records, 0, 0),
    (Part::Figures(3_600), 7 * DAY_S, DAY_S),
    (Part::Together(3_600), 0, DAY_S),
    (Part::ErrorHours, 30 * DAY_S, DAY_S),
    (Part::Figures(86_400), 30 * DAY_S, DAY_S),
    (Part::Together(86_400), 0, DAY_S),
    (Part::Figures(10), 60, 60),
    (Part::Figures(60), HOUR_S, 600),
    (Part::Transitions, 60, 600),
    (Part::QueueSamples, 60, 600),
    (Part::Progress, 60, 600),
    (Part::OperationsById, 60, 600),
    (Part::ErrorSamples(0), 60, 600),
    (Part::ErrorSamples(1), 60, 600),
    (Part::ErrorSamples(2), 60, 600),
    (Part::ErrorSamples(3), 60, 600),
    (Part::ErrorHours, HOUR_S, HOUR_S),
    (Part::Figures(3_600), HOUR_S, HOUR_S),
    (Part::Figures(86_400), DAY_S, DAY_S),
];

/// Pages that stay free, for what comes next: of so many one.
const SPARE: i64 = 50;

/// From how many free pages on the file gives some back: of so many one, and so many at least.
const MANY: i64 = 10;
const FEW_PAGES: i64 = 256;

fn pragma(connection: &Connection, sql: &str) -> Result<i64, StoreError> {
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

fn free_pages(connection: &Connection) -> Result<i64, StoreError> {
    pragma(connection, "PRAGMA freelist_count")
}

fn pages(connection: &Connection) -> Result<i64, StoreError> {
    pragma(connection, "PRAGMA page_count")
}

fn bytes(connection: &Connection, pages: i64) -> Result<u64, StoreError> {
    Ok(u64::try_from(pages.saturating_mul(pragma(connection, "PRAGMA page_size")?)).unwrap_or(0))
}

/// Bytes of the file without free pages.
pub(super) fn used_bytes(connection: &Connection) -> Result<u64, StoreError> {
    bytes(connection, pages(connection)? - free_pages(connection)?)
}

/// What goes next from a file that is too large; nothing if what is left must stay.
pub(super) fn most_dispensable(connection: &Connection, now_ns: i64) -> Result<Option<Task>, StoreError> {
    for (part, from_s, at_once_s) in ORDER {
        let Some(oldest_ns) = part.oldest_ns(connection)? else { continue };
        let until_ns = now_ns.saturating_sub(from_s * SECOND);
        // A whole step at least, up to the end of one.
        let after = oldest_ns.saturating_add(at_once_s.max(part.step_s()) * SECOND + 1);
        let task = Task::new(part, after.min(until_ns));
        if task.is_after(oldest_ns) {
            return Ok(Some(task));
        }
    }
    Ok(None)
}

/// Whether free pages are to be given back: when they are many, until they are few.
pub(super) fn is_to_be_given_back(connection: &Connection, begun: bool, max_bytes: u64) -> Result<bool, StoreError> {
    let (free, pages) = (free_pages(connection)?, pages(connection)?);
    let too_large = bytes(connection, pages)? > max_bytes && free > 0;
    let from = if begun { pages / SPARE } else { (pages / MANY).max(FEW_PAGES) };
    Ok(too_large || free > from.max(FEW_PAGES / 8))
}

/// Gives some pages back. Returns whether there were any to give: a file that was made by another program may not be able to.
pub(super) fn give_back(connection: &mut Connection, pace: &mut Pace) -> Result<bool, StoreError> {
    let mut given = 0;
    pace.transaction(
        connection,
        |transaction, most| {
            let before = free_pages(transaction)?;
            // One row for each page, which is given back when it is asked for.
            let mut statement = transaction.prepare(&format!("PRAGMA incremental_vacuum({most})"))?;
            let mut rows = statement.raw_query();
            while rows.next()?.is_some() {}
            let pages = usize::try_from(before - free_pages(transaction)?).unwrap_or(0);
            given += pages;
            Ok(pages)
        },
        |_| Ok(()),
    )?;
    Ok(given > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with many free pages.
    fn with_free_pages(auto_vacuum: &str) -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        let sql = format!(
            "PRAGMA auto_vacuum = {auto_vacuum}; CREATE TABLE large (a);
            WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000)
            INSERT INTO large SELECT zeroblob(4000) FROM n; DELETE FROM large;"
        );
        connection.execute_batch(&sql).unwrap();
        assert!(free_pages(&connection).unwrap() > 1_000);
        connection
    }

    #[test]
    fn as_many_pages_are_given_back_as_are_asked_for() {
        let mut connection = with_free_pages("INCREMENTAL");
        let mut pace = Pace::default();
        let mut transactions = 0;
        while give_back(&mut connection, &mut pace).unwrap() {
            transactions += 1;
        }
        assert_eq!(free_pages(&connection).unwrap(), 0);
        assert!(transactions < 500, "{transactions} for 2,000 pages");
    }

    #[test]
    fn a_file_that_cannot_give_pages_back_is_left_alone() {
        let mut connection = with_free_pages("NONE");
        let before = pages(&connection).unwrap();
        assert!(!give_back(&mut connection, &mut Pace::default()).unwrap(), "there is nothing more to do");
        assert_eq!(pages(&connection).unwrap(), before);
    }
}
