//! A history in a SQLite file: what writing it costs, how large it is, and how quickly it answers.
//!
//! `cargo bench -p benches --bench sqlite`

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use std::path::Path;

use benches::BenchResult;
use benches::history::{file, queries};
use benches::options::Options;

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let records = file::wanted(options.short)?;
    let file = file::ready(folder, records, |what| eprintln!("making the file: {what}"))?;
    if options.wants("queries") {
        let times = std::env::var("TIMES").map_or(if options.short { 1 } else { 7 }, |t| t.parse().unwrap_or(1));
        for group in queries::ask_all(&file, times)? {
            for taken in &group.taken {
                println!(
                    "{:70} {:9.2} {:9.2} {:9.2} {:9.2}",
                    taken.question,
                    taken.first.as_secs_f64() * 1e3,
                    taken.least.as_secs_f64() * 1e3,
                    taken.median.as_secs_f64() * 1e3,
                    taken.worst.as_secs_f64() * 1e3
                );
            }
            println!("--- {}: {:?}", group.what, group.slowest());
        }
    }
    Ok(())
}
