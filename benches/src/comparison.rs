//! A bench of contenders: measured in interleaved rounds, shown as a table, held against its budgets.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use crate::budgets::Verdict;
use crate::contender::{Contender, Family};
use crate::options::Options;
use crate::rounds::{Plan, Row, measure};
use crate::{BenchResult, machine, markdown, table};

/// What is compared, and how it is shown.
#[derive(Debug)]
pub struct Comparison {
    /// The name of the bench, as in the lines for programs.
    pub name: &'static str,
    /// What the section of the README is called.
    pub heading: &'static str,
    /// The rows, in the order in which they are measured.
    pub contenders: Vec<Contender>,
    /// What is held against the rows.
    pub verdicts: fn(&[Row]) -> Vec<Verdict>,
    /// Figures that are no rows: what the table of them is called, and their names and values.
    pub others: Option<(&'static str, Vec<(&'static str, String)>)>,
}

impl Comparison {
    /// Measures, and prints what came of it.
    ///
    /// # Errors
    ///
    /// When a thread cannot be measured, and when one of our rows has counted other than it was called: the times are
    /// worth nothing then.
    pub fn run(self, options: &Options) -> BenchResult {
        let Self { name, heading, contenders, verdicts, others } = self;
        let plan = if options.short { Plan::short() } else { Plan::full() };
        eprintln!("{} rows, {} rounds, {} ms each", contenders.len(), plan.rounds, plan.target.as_millis());
        let rows = measure(&contenders, &plan, |round| eprintln!("round {round} of {}", plan.rounds))?;
        let verdicts = verdicts(&rows);
        if options.markdown {
            let mut tables = markdown::record_table(&rows);
            if let Some((what, others)) = &others {
                tables = format!("{tables}\n{}", markdown::pairs(what, "time", others));
            }
            print!("{}", markdown::section(heading, &tables, &verdicts));
            for line in table::miscounts(&rows) {
                println!("- {line}");
            }
        } else {
            println!("{}\n\n{}", machine::describe(), table::text(&rows));
            for (what, time) in others.iter().flat_map(|(_, others)| others) {
                println!("{what:44} {time:>12}");
            }
            for verdict in &verdicts {
                println!("{verdict}");
            }
            for line in table::miscounts(&rows) {
                println!("{line}");
            }
            print!("\n{}", table::machine_lines(name, &rows));
            for verdict in &verdicts {
                println!("{}", verdict.machine_line());
            }
        }
        match rows.iter().find(|row| row.family == Family::Ours && row.miscounted()) {
            Some(row) => Err(format!("{}: {} made, {:?} counted", row.name, row.made, row.recorded).into()),
            None => Ok(()),
        }
    }
}
