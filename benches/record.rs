//! What one tracked call costs: ours, the floor and, with the feature `peers`, other libraries, on 1, 2 and 8 threads.
//!
//! `cargo bench -p benches --features peers --bench record`; the README beside this file says how to read it.

#![forbid(unsafe_code)]

use benches::comparison::Comparison;
use benches::contender::Contender;
use benches::floor::{UNIT, UNTRACKED};
use benches::options::Options;
use benches::{BenchResult, budgets, contenders};

fn main() -> BenchResult {
    let options = Options::from_env()?;
    // The two rows that the others are read against are always there.
    let wanted = |row: &Contender| options.wants(row.name) || [UNIT, UNTRACKED].contains(&row.name);
    let contenders: Vec<_> = contenders()?.into_iter().filter(wanted).collect();
    let heading = "One tracked call (`record`)";
    Comparison { name: "record", heading, contenders, verdicts: budgets::verdicts, others: None }.run(&options)
}
