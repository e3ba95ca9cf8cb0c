//! What an error costs that is known already: of a call that fails, and by hand, on 1, 2 and 8 threads.
//!
//! `cargo bench -p benches --bench errors`; the README beside this file says how to read it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use benches::budgets::Verdict;
use benches::contender::Family;
use benches::failing::{contenders, keys};
use benches::options::Options;
use benches::rounds::{Plan, Row, measure};
use benches::{BenchResult, floor, machine, markdown, table};

/// Nanoseconds that an error may cost.
const LIMIT_NS: f64 = 1_000.0;

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let plan = if options.short { Plan::short() } else { Plan::full() };
    let unit = floor::contenders().into_iter().filter(|row| row.name == floor::UNIT);
    let contenders: Vec<_> = contenders().into_iter().chain(unit).collect();
    let rows = measure(&contenders, &plan, |round| eprintln!("round {round} of {}", plan.rounds))?;
    let verdicts: Vec<_> = [keys::CALL, keys::BY_HAND].into_iter().filter_map(|key| verdict(&rows, key)).collect();
    if options.markdown {
        print!("{}", markdown::section("An error that is known (`errors`)", &markdown::record_table(&rows), &verdicts));
    } else {
        println!("{}\n\n{}", machine::describe(), table::text(&rows));
        for verdict in &verdicts {
            println!("{verdict}");
        }
        println!();
        print!("{}", table::machine_lines("errors", &rows));
        for verdict in &verdicts {
            println!("{}", verdict.machine_line());
        }
    }
    if let Some(row) = rows.iter().find(|row| row.family == Family::Ours && row.miscounted()) {
        return Err(format!("{}: {} errors made, {:?} counted", row.name, row.made, row.recorded).into());
    }
    Ok(())
}

/// The dearest of the numbers of threads.
fn verdict(rows: &[Row], key: &'static str) -> Option<Verdict> {
    let row = rows.iter().find(|row| row.name == key)?;
    // Eight threads share the processors: the time of a call is that of the processor.
    let measured = row.costs.iter().map(|(_, cost)| cost.cpu_ns).fold(0.0, f64::max);
    Some(Verdict { name: key, what: row.title, limit: LIMIT_NS, measured, unit: "ns" })
}
