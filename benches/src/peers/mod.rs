//! Other libraries, each set up as its own documentation sets it up, each in a module of its own.
//!
//! What a peer is asked for is what it is there for: the duration of the call and, where it counts outcomes, that it
//! succeeded. Handles are kept where the API lets them be kept, and that is a row of its own. A peer that collects in
//! the background keeps its own thread, and what that thread uses is in the CPU time.

mod autometrics;
mod fastrace;
mod hdrhistogram;
mod hotpath;
pub mod indicatif;
pub mod metrics;
mod opentelemetry;
mod prometheus;
mod tracing;

use crate::BenchResult;
use crate::contender::{Contender, Family};

/// Bounds of the buckets in seconds, the same for every peer that is told bounds.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Sets up all peers and returns their contenders. Some install something global: call it once.
///
/// # Errors
///
/// When a library refuses its set-up, also for the second call.
pub fn contenders() -> BenchResult<Vec<Contender>> {
    let mut all = prometheus::contenders()?;
    all.extend(metrics::contenders()?);
    all.extend(tracing::contenders()?);
    all.extend(fastrace::contenders());
    all.extend(hotpath::contenders());
    all.extend(autometrics::contenders()?);
    all.extend(opentelemetry::contenders());
    all.extend(hdrhistogram::contenders()?);
    Ok(all)
}

fn peer(name: &'static str, title: &'static str, run: impl Fn(u64) + Send + Sync + 'static) -> Contender {
    Contender::new(Family::Peer, name, title, run)
}

/// Sum of the samples of a family in Prometheus text whose line contains `part`.
fn samples(text: &str, family: &str, part: &str) -> BenchResult<u64> {
    let mut sum = 0;
    for line in text.lines().filter(|line| line.starts_with(family) && line.contains(part)) {
        let value = line.split_whitespace().next_back().ok_or("a line without a value")?;
        sum += value.parse::<u64>()?;
    }
    Ok(sum)
}

/// The label value that tells an outcome.
fn outcome<T, E>(result: &Result<T, E>) -> &'static str {
    if result.is_ok() { "success" } else { "failure" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_summed_over_the_lines_asked_for() -> BenchResult {
        let text = "# TYPE calls counter\ncalls{op=\"a\",x=\"1\"} 3\ncalls{op=\"a\",x=\"2\"} 4\ncalls{op=\"b\"} 9\n";
        assert_eq!(samples(text, "calls{", "op=\"a\"")?, 7);
        assert_eq!(samples(text, "other{", "op=\"a\"")?, 0);
        Ok(())
    }
}
