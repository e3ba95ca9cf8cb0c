//! Contenders that meet an error each time: ours, and what a program keeps by hand.

use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::sync::{LazyLock, Mutex, PoisonError};

use monitor_core::{monitor, track_operation};

use crate::contender::{Contender, Family};

/// The keys of the rows that budgets speak of.
pub mod keys {
    /// A failing function with the attribute.
    pub const CALL: &str = "ours_failing_call";
    /// An error recorded by hand.
    pub const BY_HAND: &str = "ours_error_by_hand";
}

/// An error with a message that differs each time, as most have.
#[derive(Clone, Copy, Debug)]
struct Refused(u64);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "connection {} refused by 10.0.0.1:5432", self.0)
    }
}

impl std::error::Error for Refused {}

/// Ours first, then a map of messages behind a mutex.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let new = |family, name, title, run: fn(u64)| Contender::new(family, name, title, run);
    vec![
        new(Family::Ours, keys::CALL, "ours: a call that fails, #[track_operation]", |calls| each(calls, tracked))
            .recorded(|| Ok(errors_of("bench.failing"))),
        new(Family::Ours, "ours_failing_guard", "ours: a guard that fails", |calls| each(calls, guarded))
            .recorded(|| Ok(errors_of("bench.failing_guard"))),
        new(Family::Ours, keys::BY_HAND, "ours: an error by hand", |calls| each(calls, by_hand))
            .recorded(|| Ok(errors_of("benches/src/failing.rs"))),
        new(Family::Floor, "mutex_map_text", "its text, a mutex and a map", |calls| each(calls, in_map)),
        new(Family::Floor, "mutex_map_kind", "its kind alone, a mutex and a map", |calls| each(calls, kind_in_map)),
        new(Family::Floor, "text", "its text alone", |calls| {
            each(calls, |x| {
                let error = fail(x);
                black_box(error.err().map(|error| error.to_string()));
                error
            });
        }),
        new(Family::Floor, "untracked_failing", "the function alone", |calls| each(calls, fail)),
    ]
}

fn each(calls: u64, mut failing: impl FnMut(u64) -> Result<u64, Refused>) {
    for x in 0..calls {
        let _ = black_box(failing(x));
    }
}

/// Errors that the monitor has counted for a place.
fn errors_of(place: &str) -> u64 {
    let snapshot = monitor().snapshot();
    snapshot.errors().iter().filter(|group| group.place.ends_with(place)).map(|group| group.count).sum()
}

#[inline(never)]
fn fail(x: u64) -> Result<u64, Refused> {
    Err(Refused(black_box(x)))
}

#[inline(never)]
#[track_operation(name = "bench.failing")]
fn tracked(x: u64) -> Result<u64, Refused> {
    fail(x)
}

#[inline(never)]
fn guarded(x: u64) -> Result<u64, Refused> {
    let op = monitor().operation("bench.failing_guard").start();
    let result = fail(x);
    if let Err(error) = &result {
        op.fail(error);
    }
    result
}

#[inline(never)]
fn by_hand(x: u64) -> Result<u64, Refused> {
    fail(x).inspect_err(|error| monitor().error(error).record())
}

#[inline(never)]
fn in_map(x: u64) -> Result<u64, Refused> {
    static COUNTS: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);
    fail(x).inspect_err(|error| {
        // Without its number, or the map would grow for ever.
        let text: String = error.to_string().chars().filter(|c| !c.is_ascii_digit()).collect();
        *COUNTS.lock().unwrap_or_else(PoisonError::into_inner).entry(text).or_default() += 1;
    })
}

#[inline(never)]
fn kind_in_map(x: u64) -> Result<u64, Refused> {
    static COUNTS: LazyLock<Mutex<HashMap<&str, u64>>> = LazyLock::new(Mutex::default);
    fail(x).inspect_err(|_| {
        *COUNTS.lock().unwrap_or_else(PoisonError::into_inner).entry("Refused").or_default() += 1;
    })
}
