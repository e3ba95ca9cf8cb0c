//! What ours may cost, as text beside the figures. Never an assertion: a busy machine must not turn a build red.
//!
//! The limits are the project's, stated in the README of the benches.

use crate::floor::{UNIT, UNTRACKED, UNTRACKED_FUNCTION};
use crate::ours::keys;
use crate::rounds::Row;
use std::fmt;

/// One limit of the `record` table and how it is read off.
struct Budget {
    /// The key of the machine-readable line.
    name: &'static str,
    /// The row that it limits.
    row: &'static str,
    /// In words.
    what: &'static str,
    /// The most it may be, in the unit that the measure implies.
    limit: f64,
    measure: Measure,
}

/// How a figure is read off the table. Wall time, one thread unless it says otherwise.
enum Measure {
    /// Times the unit of the table.
    Ratio,
    /// Nanoseconds, the body included.
    Nanos,
    /// Nanoseconds more than another row.
    NanosOver(&'static str),
    /// The same row with two threads as a multiple of one.
    TwoThreads,
}

#[rustfmt::skip] // One line each, as in a table.
const BUDGETS: [Budget; 10] = {
    use Measure::{Nanos, NanosOver, Ratio, TwoThreads};
    [
        Budget { name: "macro", row: keys::MACRO, what: "attribute, everything on", limit: 1.3, measure: Ratio },
        Budget { name: "guard", row: keys::GUARD, what: "guard, everything on", limit: 1.3, measure: Ratio },
        Budget { name: "macro_two_threads", row: keys::MACRO, what: "attribute, two threads to one", limit: 1.1, measure: TwoThreads },
        Budget { name: "guard_two_threads", row: keys::GUARD, what: "guard, two threads to one", limit: 1.1, measure: TwoThreads },
        Budget { name: "sampled", row: keys::SAMPLED, what: "sampled 1 in 32", limit: 5.0, measure: Nanos },
        Budget { name: "switched_off", row: keys::OFF, what: "switched off, more than the body alone", limit: 1.0, measure: NanosOver(UNTRACKED) },
        Budget { name: "switched_off_function", row: keys::OFF, what: "switched off, more than an untracked function", limit: 1.0, measure: NanosOver(UNTRACKED_FUNCTION) },
        Budget { name: "async_ready", row: keys::ASYNC, what: "async, ready at first poll", limit: 3.0, measure: Ratio },
        Budget { name: "runtime_name", row: keys::RUNTIME_NAME, what: "name at run time, more than the attribute", limit: 15.0, measure: NanosOver(keys::MACRO) },
        Budget { name: "runtime_label", row: keys::RUNTIME_LABEL, what: "label at run time, more than the attribute", limit: 40.0, measure: NanosOver(keys::MACRO) },
    ]
};

/// A budget and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The key of the machine-readable line.
    pub name: &'static str,
    /// In words.
    pub what: &'static str,
    /// The most it may be.
    pub limit: f64,
    /// What it is.
    pub measured: f64,
    /// Empty for a ratio.
    pub unit: &'static str,
}

impl Verdict {
    /// Whether the figure is within the budget.
    #[must_use]
    pub fn met(&self) -> bool {
        self.measured <= self.limit
    }

    /// The line that programs read: `bench budget name=.. limit=.. measured=.. unit=.. met=..`.
    #[must_use]
    pub fn machine_line(&self) -> String {
        let unit = if self.unit.is_empty() { "ratio" } else { self.unit };
        let (limit, measured) = (self.limit, self.measured);
        format!(
            "bench budget name={} limit={limit:.2} measured={measured:.2} unit={unit} met={}",
            self.name,
            self.met()
        )
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.unit.is_empty() { "" } else { " " };
        let word = if self.met() { "met" } else { "MISSED" };
        write!(f, "{}: ", self.what)?;
        write!(
            f,
            "budget {:.2}{space}{}, measured {:.2}{space}{}: {word}",
            self.limit, self.unit, self.measured, self.unit
        )
    }
}

/// Every budget whose rows were measured.
#[must_use]
pub fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    BUDGETS.iter().filter_map(|budget| verdict(budget, rows)).collect()
}

fn verdict(budget: &Budget, rows: &[Row]) -> Option<Verdict> {
    let wall = |name: &str, threads| Some(rows.iter().find(|row| row.name == name)?.cost(threads)?.wall_ns);
    let own = wall(budget.row, 1)?;
    let (measured, unit) = match budget.measure {
        Measure::Ratio => (own / wall(UNIT, 1)?, ""),
        Measure::Nanos => (own, "ns"),
        Measure::NanosOver(other) => (own - wall(other, 1)?, "ns"),
        Measure::TwoThreads => (wall(budget.row, 2)? / own, ""),
    };
    Some(Verdict { name: budget.name, what: budget.what, limit: budget.limit, measured, unit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Family;
    use crate::rounds::Cost;

    fn row(name: &'static str, one: f64, two: f64) -> Row {
        let cost = |wall_ns| Cost { wall_ns, cpu_ns: wall_ns };
        Row::new(name, name, Family::Ours, vec![(1, cost(one)), (2, cost(two))])
    }

    #[test]
    fn verdicts_are_read_off_the_rows_they_name() {
        let rows = [row(keys::MACRO, 30.0, 36.0), row(UNIT, 25.0, 25.0), row(keys::RUNTIME_NAME, 44.0, 44.0)];
        let found: Vec<String> = verdicts(&rows).iter().map(ToString::to_string).collect();
        assert_eq!(
            found,
            [
                "attribute, everything on: budget 1.30, measured 1.20: met",
                "attribute, two threads to one: budget 1.10, measured 1.20: MISSED",
                "name at run time, more than the attribute: budget 15.00 ns, measured 14.00 ns: met",
            ]
        );
    }

    #[test]
    fn the_machine_line_says_the_same() {
        let verdict = Verdict { name: "ours_macro", what: "", limit: 1.3, measured: 1.25, unit: "" };
        assert_eq!(verdict.machine_line(), "bench budget name=ours_macro limit=1.30 measured=1.25 unit=ratio met=true");
    }
}
