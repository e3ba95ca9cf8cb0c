//! What one tracked call costs: ours, the floor and, with the feature `peers`, other libraries, on 1, 2 and 8 threads.
//!
//! `cargo bench -p benches --features peers --bench record`; the README beside this file says how to read it.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use benches::budgets::Verdict;
use benches::contender::{Contender, Family};
use benches::floor::{UNIT, UNTRACKED};
use benches::options::Options;
use benches::rounds::{Plan, Row, measure};
use benches::{BenchResult, budgets, contenders, machine, markdown, table};

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let plan = if options.short { Plan::short() } else { Plan::full() };
    // The two rows that the others are read against are always there.
    let wanted = |row: &Contender| options.wants(row.name) || [UNIT, UNTRACKED].contains(&row.name);
    let contenders: Vec<_> = contenders()?.into_iter().filter(wanted).collect();
    eprintln!("{} rows, {} rounds, {} ms each", contenders.len(), plan.rounds, plan.target.as_millis());
    let rows = measure(&contenders, &plan, |round| eprintln!("round {round} of {}", plan.rounds))?;
    let verdicts = budgets::verdicts(&rows);
    if options.markdown {
        let heading = "One tracked call (`record`)";
        print!("{}", markdown::section(heading, &markdown::record_table(&rows), &verdicts));
        for line in table::miscounts(&rows) {
            println!("- {line}");
        }
    } else {
        print_text(&rows, &verdicts);
    }
    // A time of ours that misses its budget is a finding; a count that is wrong makes the times worthless.
    if let Some(row) = rows.iter().find(|row| row.family == Family::Ours && row.miscounted()) {
        return Err(format!("{}: {} calls made, {:?} recorded", row.name, row.made, row.recorded).into());
    }
    Ok(())
}

fn print_text(rows: &[Row], verdicts: &[Verdict]) {
    println!("{}\n\n{}", machine::describe(), table::text(rows));
    for verdict in verdicts {
        println!("{verdict}");
    }
    for line in table::miscounts(rows) {
        println!("{line}");
    }
    println!();
    print!("{}", table::machine_lines("record", rows));
    for verdict in verdicts {
        println!("{}", verdict.machine_line());
    }
}
