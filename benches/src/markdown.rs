//! The sections that `--markdown` prints for the README of the benches.

use crate::budgets::Verdict;
use crate::machine;
use crate::rounds::Row;
use crate::table::{figure, ratio};
use std::fmt::Write;

/// A section: heading, the machine, a table, and the budgets as a list.
#[must_use]
pub fn section(heading: &str, table: &str, verdicts: &[Verdict]) -> String {
    let mut text = format!("### {heading}\n\n{}.\n\n{table}", machine::describe());
    if !verdicts.is_empty() {
        text.push('\n');
    }
    for verdict in verdicts {
        let _ = writeln!(text, "- {verdict}");
    }
    text
}

/// The `record` table: each cell is wall time, CPU time and ratio of a call.
#[must_use]
pub fn record_table(rows: &[Row]) -> String {
    let mut text = String::from("| ns a call: wall / CPU of the process / ratio |");
    let threads: Vec<usize> = rows.first().map(|row| row.costs.iter().map(|cost| cost.0).collect()).unwrap_or_default();
    for threads in &threads {
        let _ = write!(text, " {threads} thread{} |", if *threads == 1 { "" } else { "s" });
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(threads.len()));
    text.push('\n');
    for row in rows {
        let _ = write!(text, "| {} |", row.title);
        for (threads, cost) in &row.costs {
            let ratio = figure(ratio(rows, *threads, *cost).wall_ns);
            let _ = write!(text, " {} / {} / **{ratio}** |", figure(cost.wall_ns), figure(cost.cpu_ns));
        }
        text.push('\n');
    }
    text
}

/// A table of two columns.
#[must_use]
pub fn pairs(left: &str, right: &str, rows: &[(&str, String)]) -> String {
    let mut text = format!("| {left} | {right} |\n|---|---:|\n");
    for (name, value) in rows {
        let _ = writeln!(text, "| {name} | {value} |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Family;
    use crate::floor::UNIT;
    use crate::rounds::Cost;

    #[test]
    fn a_row_is_one_line_with_a_cell_for_each_number_of_threads() {
        let cost = |wall_ns| Cost { wall_ns, cpu_ns: wall_ns };
        let row = Row::new(UNIT, "clock", Family::Floor, vec![(1, cost(25.0)), (2, cost(26.0))]);
        let expected = "\
| ns a call: wall / CPU of the process / ratio | 1 thread | 2 threads |
|---|---:|---:|
| clock | 25.0 / 25.0 / **1.00** | 26.0 / 26.0 / **1.00** |
";
        assert_eq!(record_table(&[row]), expected);
    }

    #[test]
    fn budgets_follow_the_table_as_a_list() {
        let verdict = Verdict { name: "x", what: "snapshot", limit: 5.0, measured: 1.5, unit: "ms" };
        let text = section("Reading", &pairs("what", "time", &[("snapshot", "1.5 ms".to_owned())]), &[verdict]);
        assert!(text.starts_with("### Reading\n\n"));
        assert!(text.ends_with("| snapshot | 1.5 ms |\n\n- snapshot: budget 5.00 ms, measured 1.50 ms: met\n"));
    }
}
