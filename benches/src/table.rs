//! How the `record` figures are shown to a person at a terminal and to a program.

use crate::floor::UNIT;
use crate::rounds::{Cost, Row};
use std::fmt::Write;

/// One figure in its table cell: three significant digits from a tenth upwards, `-` where there is none.
#[must_use]
pub fn figure(value: f64) -> String {
    match value {
        value if !value.is_finite() => "-".to_owned(),
        value if value < 9.995 => format!("{value:.2}"),
        value if value < 99.95 => format!("{value:.1}"),
        value => format!("{value:.0}"),
    }
}

/// Wall and CPU time as multiples of the unit's with the same number of threads. Not a number if it was not measured.
#[must_use]
pub fn ratio(rows: &[Row], threads: usize, cost: Cost) -> Cost {
    let unit = rows.iter().find(|row| row.name == UNIT).and_then(|row| row.cost(threads));
    unit.map_or(Cost { wall_ns: f64::NAN, cpu_ns: f64::NAN }, |unit| Cost {
        wall_ns: cost.wall_ns / unit.wall_ns,
        cpu_ns: cost.cpu_ns / unit.cpu_ns,
    })
}

/// The table with aligned columns: for each number of threads the wall time, the CPU time and the ratio of a call.
#[must_use]
pub fn text(rows: &[Row]) -> String {
    const FIGURE: usize = 8;
    const HEADING: &str = "ns a call";
    let title_width = rows.iter().map(|row| row.title.chars().count()).fold(HEADING.len(), usize::max);
    let threads: Vec<usize> = rows.first().map(|row| row.costs.iter().map(|cost| cost.0).collect()).unwrap_or_default();
    let mut text = format!("{:title_width$}", "");
    for threads in &threads {
        let heading = format!("{threads} thread{}", if *threads == 1 { "" } else { "s" });
        let _ = write!(text, " |{heading:^width$}", width = 3 * FIGURE);
    }
    let _ = write!(text, "\n{HEADING:title_width$}");
    for _ in &threads {
        let _ = write!(text, " |{:>FIGURE$}{:>FIGURE$}{:>FIGURE$}", "wall", "cpu", "ratio");
    }
    text.push('\n');
    let mut family = rows.first().map(|row| row.family);
    for row in rows {
        if family.replace(row.family) != Some(row.family) {
            text.push('\n');
        }
        let _ = write!(text, "{:title_width$}", row.title);
        for (threads, cost) in &row.costs {
            let ratio = figure(ratio(rows, *threads, *cost).wall_ns);
            let (wall, cpu) = (figure(cost.wall_ns), figure(cost.cpu_ns));
            let _ = write!(text, " |{wall:>FIGURE$}{cpu:>FIGURE$}{ratio:>FIGURE$}");
        }
        text.push('\n');
    }
    text
}

/// A line for each row that has recorded another number of calls than were made.
#[must_use]
pub fn miscounts(rows: &[Row]) -> Vec<String> {
    let line = |row: &Row| Some(format!("{} recorded {} of its {} calls", row.title, row.recorded?, row.made));
    rows.iter().filter(|row| row.miscounted()).filter_map(line).collect()
}

/// One line for each row and number of threads:
/// `bench record name=.. threads=.. wall_ns=.. cpu_ns=.. ratio=.. cpu_ratio=..`,
/// and one for each row that can be asked: `bench calls name=.. made=.. recorded=..`.
#[must_use]
pub fn machine_lines(bench: &str, rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        for (threads, cost) in &row.costs {
            let ratio = ratio(rows, *threads, *cost);
            let _ = writeln!(
                text,
                "bench {bench} name={} threads={threads} wall_ns={:.2} cpu_ns={:.2} ratio={:.3} cpu_ratio={:.3}",
                row.name, cost.wall_ns, cost.cpu_ns, ratio.wall_ns, ratio.cpu_ns
            );
        }
    }
    for row in rows {
        if let Some(recorded) = row.recorded {
            let _ = writeln!(text, "bench calls name={} made={} recorded={recorded}", row.name, row.made);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contender::Family;

    fn rows() -> Vec<Row> {
        let row =
            |name, title, family, wall_ns, cpu_ns| Row::new(name, title, family, vec![(1, Cost { wall_ns, cpu_ns })]);
        vec![row("ours_macro", "ours", Family::Ours, 30.0, 33.0), row(UNIT, "clock", Family::Floor, 25.0, 22.0)]
    }

    #[test]
    fn figures_keep_three_digits() {
        let figures: Vec<String> = [0.5, 9.99, 9.999, 33.21, 99.96, 1234.5].into_iter().map(figure).collect();
        assert_eq!(figures, ["0.50", "9.99", "10.0", "33.2", "100", "1234"]);
        assert_eq!(figure(f64::INFINITY), "-");
    }

    #[test]
    fn columns_are_aligned_and_families_apart() {
        let expected = [
            "          |        1 thread        ",
            "ns a call |    wall     cpu   ratio",
            "ours      |    30.0    33.0    1.20",
            "",
            "clock     |    25.0    22.0    1.00",
        ];
        assert_eq!(text(&rows()).lines().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn the_machine_line_carries_both_ratios() {
        assert_eq!(
            machine_lines("record", &rows()).lines().next(),
            Some("bench record name=ours_macro threads=1 wall_ns=30.00 cpu_ns=33.00 ratio=1.200 cpu_ratio=1.500")
        );
    }

    #[test]
    fn a_row_that_lost_calls_is_named() {
        let mut rows = rows();
        for row in &mut rows {
            row.made = 500;
            row.recorded = Some(500);
        }
        assert!(miscounts(&rows).is_empty());
        for row in &mut rows {
            row.recorded = Some(499);
        }
        assert_eq!(miscounts(&rows), ["ours recorded 499 of its 500 calls", "clock recorded 499 of its 500 calls"]);
        assert!(machine_lines("record", &rows).contains("bench calls name=ours_macro made=500 recorded=499\n"));
    }

    #[test]
    fn without_the_unit_there_is_no_ratio() {
        let rows = &rows()[..1];
        assert!(machine_lines("record", rows).contains("ratio=NaN"));
        assert!(text(rows).ends_with("-\n"));
    }
}
