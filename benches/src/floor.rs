//! What no monitor can go below, and what a few lines by hand cost.
//!
//! Two raw clock reads around the body are the unit of the table: a call can't be timed with less.

use crate::contender::{BodyError, Contender, Family, body, repeat};
use quanta::Clock;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The key of the row that all ratios are taken to.
pub const UNIT: &str = "two_raw_clock_reads";
/// The key of the row without any tracking.
pub const UNTRACKED: &str = "untracked";

/// The key of the row of a function as it is before the attribute is put on it.
pub const UNTRACKED_FUNCTION: &str = "untracked_function";

/// The floor's contenders.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let new = |name, title, run: fn(u64)| Contender::new(Family::Floor, name, title, run);
    vec![
        new(UNIT, "two raw clock reads", |calls| {
            let clock = Clock::new();
            repeat(calls, |x| raw_reads(&clock, x));
        }),
        new("two_instants", "two Instant::now", |calls| repeat(calls, instants)),
        new("three_shared_atomics", "two raw clock reads, three shared atomics", |calls| {
            let clock = Clock::new();
            repeat(calls, |x| shared_atomics(&clock, x));
        })
        .recorded(|| Ok(CALLS.load(Ordering::Relaxed))),
        new(UNTRACKED_FUNCTION, "the body in an untracked function", |calls| repeat(calls, plain)),
        new(UNTRACKED, "the body alone", |calls| repeat(calls, body)),
    ]
}

/// The clock comes in as an argument: reaching for a global one would make the unit dearer and flatter every ratio.
#[inline(never)]
fn raw_reads(clock: &Clock, x: u64) -> Result<u64, BodyError> {
    let start = clock.raw();
    let result = body(x);
    black_box(clock.raw().wrapping_sub(start));
    result
}

/// The shape that all contenders have, without the tracking.
#[inline(never)]
fn plain(x: u64) -> Result<u64, BodyError> {
    let result = body(x);
    // A tracked function comes back from its body, so this one must not jump there for good.
    black_box(());
    result
}

#[inline(never)]
fn instants(x: u64) -> Result<u64, BodyError> {
    let start = Instant::now();
    let result = body(x);
    black_box(start.elapsed());
    result
}

static CALLS: AtomicU64 = AtomicU64::new(0);
static TICKS: AtomicU64 = AtomicU64::new(0);
static FAILURES: AtomicU64 = AtomicU64::new(0);

#[inline(never)]
fn shared_atomics(clock: &Clock, x: u64) -> Result<u64, BodyError> {
    let start = clock.raw();
    let result = body(x);
    CALLS.fetch_add(1, Ordering::Relaxed);
    TICKS.fetch_add(clock.raw().wrapping_sub(start), Ordering::Relaxed);
    FAILURES.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    result
}
