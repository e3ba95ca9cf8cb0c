//! What an error costs that is known already: of a call that fails, and by hand, on 1, 2 and 8 threads.
//!
//! `cargo bench -p benches --bench errors`; the README beside this file says how to read it.

#![forbid(unsafe_code)]

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::failing::{contenders, keys};
use benches::options::Options;
use benches::rounds::Row;
use benches::{BenchResult, floor};

/// Nanoseconds that an error may cost.
const LIMIT_NS: f64 = 1_000.0;

fn main() -> BenchResult {
    let unit = floor::contenders().into_iter().filter(|row| row.name == floor::UNIT);
    let bench = Comparison {
        name: "errors",
        heading: "An error that is known (`errors`)",
        contenders: contenders().into_iter().chain(unit).collect(),
        verdicts: |rows| [keys::CALL, keys::BY_HAND].into_iter().filter_map(|key| verdict(rows, key)).collect(),
        others: None,
    };
    bench.run(&Options::from_env()?)
}

/// The dearest of the numbers of threads.
fn verdict(rows: &[Row], key: &'static str) -> Option<Verdict> {
    let row = rows.iter().find(|row| row.name == key)?;
    // Eight threads share the processors: the time of a call is that of the processor.
    let measured = row.costs.iter().map(|(_, cost)| cost.cpu_ns).fold(0.0, f64::max);
    Some(Verdict { name: key, what: row.title, limit: LIMIT_NS, measured, unit: "ns" })
}
