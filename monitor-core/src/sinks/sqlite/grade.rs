//! Grades of records: outcome and class of duration in one small number, as the column `grade` has it.

use crate::model::Outcome;

/// Upper ends of the classes but the last, in nanoseconds; the column's definition has the same.
const CLASS_ENDS: [i64; 23] = [
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
    30_000_000_000,
    60_000_000_000,
    300_000_000_000,
    3_600_000_000_000,
];

const CLASSES: i64 = 24;

/// The number of an outcome in all tables.
pub(super) fn number(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Failure => 1,
        Outcome::Panicked => 2,
        Outcome::Cancelled => 3,
        Outcome::Interrupted => 4,
    }
}

/// The outcome of that number.
pub(super) fn outcome(number: i64) -> Option<Outcome> {
    Outcome::ALL.into_iter().find(|&outcome| self::number(outcome) == number)
}

fn class(duration_ns: i64) -> i64 {
    i64::try_from(CLASS_ENDS.partition_point(|&end| end <= duration_ns)).unwrap_or(CLASSES - 1)
}

/// The grades that records with some outcomes and durations have.
pub(super) struct Grades {
    /// Bits 1 << outcome.
    outcomes: i64,
    lowest: i64,
    highest: i64,
    min_ns: i64,
    max_ns: i64,
}

impl Grades {
    pub(super) fn new(outcomes: i64, min_ns: i64, max_ns: i64) -> Grades {
        Grades { outcomes, lowest: class(min_ns), highest: class(max_ns), min_ns, max_ns }
    }

    pub(super) fn has(&self, grade: i64) -> bool {
        let (outcome, class) = (grade / CLASSES, grade % CLASSES);
        (0..5).contains(&outcome) && self.outcomes >> outcome & 1 == 1 && (self.lowest..=self.highest).contains(&class)
    }

    /// The first of them from there on.
    pub(super) fn next(&self, from: i64) -> Option<i64> {
        (from..5 * CLASSES).find(|&grade| self.has(grade))
    }

    /// Whether records of that grade may have other durations as well.
    pub(super) fn is_edge(&self, grade: i64) -> bool {
        let class = grade % CLASSES;
        let at = usize::try_from(class).unwrap_or(0);
        let begin = at.checked_sub(1).and_then(|before| CLASS_ENDS.get(before)).copied().unwrap_or(0);
        let end = CLASS_ENDS.get(at).copied().unwrap_or(i64::MAX);
        begin < self.min_ns || end.saturating_sub(1) > self.max_ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_column_says_the_same() {
        let mut connection = rusqlite::Connection::open_in_memory().unwrap();
        super::super::migrations::migrate(&mut connection).unwrap();
        let mut id = 0;
        for outcome in Outcome::ALL {
            for duration in CLASS_ENDS.into_iter().flat_map(|end| [end - 1, end]).chain([0, i64::MAX]) {
                id += 1;
                let sql =
                    "INSERT INTO records (id, instance_id, series_id, outcome, started_at_ns, duration_ns, span_id,
                    trace_id_high, polls, items, bytes) VALUES (?1, 1, 1, ?2, 0, ?3, 1, 1, 0, 0, 0)";
                connection.execute(sql, (id, number(outcome), duration)).unwrap();
                let grade: i64 =
                    connection.query_row("SELECT grade FROM records WHERE id = ?1", [id], |row| row.get(0)).unwrap();
                assert_eq!(grade, number(outcome) * CLASSES + class(duration), "{outcome} {duration}");
            }
        }
    }

    #[test]
    fn a_range_at_ends_of_classes_has_no_edge() {
        let grades = Grades::new(0b11, 1_000_000, i64::MAX);
        assert!((0..120).filter(|&grade| grades.has(grade)).all(|grade| !grades.is_edge(grade)));
        let grades = Grades::new(0b11, 1_500_000, 1_600_000);
        assert_eq!(grades.next(0).map(|grade| grades.is_edge(grade)), Some(true));
    }
}
