//! How a program's own tests can assert on what it did: how often, with what outcome, how long.
//!
//! ```sh
//! cargo run --release --example testing
//! ```
//!
//! In a real program these are `#[test]` functions. Each has a monitor of its own, so they run in parallel, and a clock
//! that it moves by hand, so nothing sleeps and no machine is too slow.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

use std::time::Duration;

use monitor_core::{Error, ManualClock, Monitor, testing, track_operation};

/// The code under test: tries three times.
#[track_operation(name = "fetch_with_retry")]
fn fetch_with_retry(fetch: impl Fn() -> Result<u32, String>) -> Result<u32, String> {
    let fetch = || monitor_core::monitor().try_track("fetch", |_| fetch());
    fetch().or_else(|_| fetch()).or_else(|_| fetch())
}

fn a_service_that_is_down_is_asked_three_times() -> Result<(), Error> {
    let local = Monitor::builder().build()?;
    let result = local.scope(|| fetch_with_retry(|| Err("refused".to_owned())));
    assert_eq!(result, Err("refused".to_owned()));

    let snapshot = local.snapshot();
    testing::assert_operation(&snapshot, "fetch").calls(3).failures(3).in_flight(0);
    testing::assert_operation(&snapshot, "fetch_with_retry").calls(1).failures(1);
    Ok(())
}

fn a_slow_answer_is_not_asked_for_twice() -> Result<(), Error> {
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build()?;
    let result = local.scope(|| {
        fetch_with_retry(|| {
            clock.advance(Duration::from_secs(2));
            Ok(7)
        })
    });
    assert_eq!(result, Ok(7));

    let snapshot = local.snapshot();
    testing::assert_operation(&snapshot, "fetch").calls(1).successes(1).max_below(Duration::from_secs(3));
    testing::assert_no_operation(&snapshot, "give_up");
    Ok(())
}

fn main() -> Result<(), Error> {
    a_service_that_is_down_is_asked_three_times()?;
    a_slow_answer_is_not_asked_for_twice()?;
    println!("2 tests hold");
    Ok(())
}
