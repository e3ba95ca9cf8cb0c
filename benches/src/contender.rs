//! What is compared: the body that every contender tracks, and one named way of tracking it.
//!
//! It knows nothing of threads, rounds and tables.

use crate::BenchResult;
use std::fmt;
use std::hint::black_box;
use std::time::Duration;

/// The error of [`body`]. It never comes in a measured call, but the compiler can't know.
#[derive(Clone, Copy, Debug)]
pub struct BodyError;

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body was given its one wrong argument")
    }
}

impl std::error::Error for BodyError {}

/// The work that is tracked: next to nothing, so that the tracking shows, and a `Result`, so that it has an outcome.
///
/// # Errors
///
/// For `u64::MAX`.
#[inline(never)]
pub fn body(x: u64) -> Result<u64, BodyError> {
    if black_box(x) == u64::MAX { Err(BodyError) } else { Ok(x.wrapping_mul(3)) }
}

/// Makes `calls` calls. Arguments and results are hidden from the optimiser.
///
/// It is inlined into each contender, so that none pays for a call through a pointer that others don't.
#[inline(always)]
#[expect(clippy::inline_always, reason = "a loop that isn't inlined would call each contender through a pointer")]
pub fn repeat(calls: u64, mut tracked: impl FnMut(u64) -> Result<u64, BodyError>) {
    for x in 0..calls {
        let _ = black_box(tracked(x));
    }
}

/// Gives `calls` values of four octaves to `record`, as those of one quantity are spread. Making one costs a nanosecond.
#[inline(always)]
pub fn for_each_value(calls: u64, mut record: impl FnMut(f64)) {
    const VALUES: [f64; 8] = [0.011, 0.023, 0.051, 0.013, 0.088, 0.019, 0.034, 0.012];
    for x in 0..calls {
        record(black_box(VALUES[(x % 8) as usize]));
    }
}

/// Where a contender stands in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// This library.
    Ours,
    /// What no monitor can go below, and what a few lines by hand cost.
    Floor,
    /// Another library.
    Peer,
}

/// One way of tracking the body.
pub struct Contender {
    /// The key of the machine-readable line: lower case, no spaces.
    pub name: &'static str,
    /// What the table calls it.
    pub title: &'static str,
    /// Where it stands in the table.
    pub family: Family,
    pub(crate) before: fn(),
    pub(crate) after: Box<dyn Fn() + Send + Sync>,
    pub(crate) backlog_within: Duration,
    pub(crate) recorded: Option<Box<dyn Fn() -> BenchResult<u64> + Send + Sync>>,
    run: Box<dyn Fn(u64) + Send + Sync>,
}

impl Contender {
    /// A contender that needs no care before or after. `run` is given a number of calls, a multiple of
    /// [`CALLS_STEP`], and makes that many.
    pub fn new(
        family: Family,
        name: &'static str,
        title: &'static str,
        run: impl Fn(u64) + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            title,
            family,
            before: || {},
            after: Box::new(|| {}),
            backlog_within: Duration::ZERO,
            recorded: None,
            run: Box::new(run),
        }
    }

    /// What runs before a measurement, outside of it.
    #[must_use]
    pub fn before(self, before: fn()) -> Self {
        Self { before, ..self }
    }

    /// What runs after a measurement, inside the CPU time and outside the wall time: work that the library puts off
    /// and that its users pay for, such as the upkeep of a recorder.
    #[must_use]
    pub fn after(self, after: impl Fn() + Send + Sync + 'static) -> Self {
        Self { after: Box::new(after), ..self }
    }

    /// How long a background thread of the library sleeps at most while there is work left for it. The CPU time is
    /// read when nothing has happened for that long.
    #[must_use]
    pub fn backlog_within(self, backlog_within: Duration) -> Self {
        Self { backlog_within, ..self }
    }

    /// How many calls the library says it has recorded, read once when all is measured. A contender that is set up
    /// wrongly or loses calls is quick for the wrong reason, and this shows it.
    #[must_use]
    pub fn recorded(self, recorded: impl Fn() -> BenchResult<u64> + Send + Sync + 'static) -> Self {
        Self { recorded: Some(Box::new(recorded)), ..self }
    }

    /// Makes `calls` tracked calls on this thread.
    pub fn run(&self, calls: u64) {
        (self.run)(calls);
    }
}

impl fmt::Debug for Contender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contender").field("name", &self.name).field("family", &self.family).finish_non_exhaustive()
    }
}

/// Numbers of calls are multiples of this, so that a contender may group them: a parent with its child, or a hundred
/// spans under one root.
pub const CALLS_STEP: u64 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_call_is_made_with_its_own_argument() {
        let mut seen = Vec::new();
        repeat(3, |x| {
            seen.push(x);
            body(x)
        });
        assert_eq!(seen, [0, 1, 2]);
    }

    #[test]
    fn the_body_fails_for_its_one_wrong_argument_only() {
        assert_eq!(body(14).ok(), Some(42));
        assert!(body(u64::MAX).is_err());
    }
}
