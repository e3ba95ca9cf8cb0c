//! Sampled operations: counts are exact, and what is estimated has no bias, whatever rhythm the load has.
//!
//! The gaps come from a generator that starts the same for each new monitor, so a test that passes always does. The
//! bounds are some four standard deviations of the estimate.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

use std::time::Duration;

use monitor_core::{ManualClock, Monitor, TrackFuture, monitor, track_operation};
use tests::{block_on, edge, local, stats, with_clock, yield_once};

const US: Duration = Duration::from_micros(1);

/// Whether an estimate is that near to the exact value, as a fraction of it.
#[track_caller]
fn assert_near(what: &str, estimate: Duration, exact: Duration, within: f64) {
    let error = estimate.as_secs_f64() / exact.as_secs_f64() - 1.0;
    assert!(error.abs() <= within, "{what}: {estimate:?} instead of {exact:?}, {:.1} % off", error * 100.0);
}

fn call(monitor: &Monitor, clock: &ManualClock, sample: u32, duration: Duration) {
    let op = monitor.operation("sampled").sample(sample).items(1).start();
    clock.advance(duration);
    op.succeed();
}

#[test]
fn counts_and_outcomes_are_exact() {
    let local = local();
    local.scope(|| {
        for n in 0..10_000 {
            let op = local.operation("sampled").sample(32).items(2).bytes(3).start();
            match n % 10 {
                0 => op.fail_with("tenth"),
                1 => op.cancel(),
                _ => op.succeed(),
            }
        }
    });
    let stats = stats(&local, "sampled");
    assert_eq!((stats.started, stats.succeeded, stats.failed, stats.cancelled), (10_000, 8_000, 1_000, 1_000));
    assert_eq!((stats.items, stats.bytes, stats.in_flight()), (20_000, 30_000, 0));
    assert_near(
        "calls in the histogram",
        Duration::from_secs(stats.durations.count()),
        Duration::from_secs(10_000),
        0.15,
    );
}

#[test]
fn a_rate_of_one_or_none_times_every_call() {
    for sample in [0, 1] {
        let (local, clock) = with_clock();
        local.scope(|| (0..1_000).for_each(|_| call(&local, &clock, sample, US)));
        let stats = stats(&local, "sampled");
        assert_eq!((stats.total_time, stats.durations.count()), (1_000 * US, 1_000));
    }
}

#[test]
fn a_load_that_alternates_is_not_met_in_the_same_phase() {
    const CALLS: u32 = 100_000;
    for sample in [2, 10, 32] {
        let (local, clock) = with_clock();
        local.scope(|| {
            for n in 0..CALLS {
                call(&local, &clock, sample, if n % 2 == 0 { US } else { 100 * US });
            }
        });
        let stats = stats(&local, "sampled");
        assert_eq!(stats.started, u64::from(CALLS));
        assert_near("total", stats.total_time, CALLS / 2 * 101 * US, 0.1);
        assert_near("mean", stats.mean(), 101 * US / 2, 0.1);
        assert_near("self", stats.self_time, stats.total_time, 0.0);
        // Half of the calls are short and half are long, so 45 % of them are surely short and 55 % surely not.
        assert_near("p45", stats.percentile(0.45), US, 0.02);
        assert_near("p55", stats.percentile(0.55), 100 * US, 0.02);
        assert_eq!((stats.min(), stats.max()), (US, 100 * US));
    }
}

#[test]
fn a_load_with_the_period_of_the_rate_is_not_aliased() {
    const CALLS: u32 = 160_000;
    // Fixed gaps of 32 would meet the long calls always or never, by the phase.
    for phase in [0, 1, 17] {
        let (local, clock) = with_clock();
        local.scope(|| {
            for n in 0..CALLS {
                call(&local, &clock, 32, if n % 32 == phase { 100 * US } else { US });
            }
        });
        assert_near("total", stats(&local, "sampled").total_time, CALLS / 32 * 131 * US, 0.2);
    }
}

#[test]
fn own_time_has_no_bias_whoever_is_sampled() {
    const CALLS: u32 = 40_000;
    for (parent, child) in [(8, 1), (1, 8), (8, 8)] {
        let (local, clock) = with_clock();
        local.scope(|| {
            for _ in 0..CALLS {
                let outer = local.operation("outer").sample(parent).start();
                clock.advance(5 * US);
                local.operation("inner").sample(child).run(|_| clock.advance(10 * US));
                outer.succeed();
            }
        });
        let (outer, inner) = (stats(&local, "outer"), stats(&local, "inner"));
        let name = |what| format!("{what} at {parent} and {child}");
        assert_near(&name("total of the parent"), outer.total_time, CALLS * 15 * US, 0.05);
        assert_near(&name("total of the child"), inner.total_time, CALLS * 10 * US, 0.05);
        assert_near(&name("own time of the parent"), outer.self_time, CALLS * 5 * US, 0.25);
        assert_near(&name("own time of the child"), inner.self_time, CALLS * 10 * US, 0.05);
        let (calls, time) = edge(&local.snapshot(), "outer", "inner");
        assert_near(&name("calls of the edge"), Duration::from_secs(calls), Duration::from_secs(CALLS.into()), 0.05);
        assert_near(&name("time of the edge"), time, CALLS * 10 * US, 0.05);
    }
}

#[track_operation(name = "by_attribute", sample = 16)]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn by_attribute(clock: &ManualClock) -> Result<(), &'static str> {
    clock.advance(7 * US);
    Ok(())
}

#[track_operation(name = "by_async_attribute", sample = 16)]
async fn by_async_attribute(clock: &ManualClock) {
    clock.advance(3 * US);
    yield_once().await;
    clock.advance(4 * US);
}

#[test]
fn the_attribute_and_futures_sample_alike() {
    const CALLS: u32 = 25_000;
    let (local, clock) = with_clock();
    local.scope(|| {
        for _ in 0..CALLS {
            let _ = by_attribute(&clock);
            block_on(by_async_attribute(&clock));
            let named = async {
                monitor().track("inside", |_| clock.advance(2 * US));
                clock.advance(5 * US);
            };
            block_on(named.tracked("by_name").sample(16));
        }
    });
    for (name, polls, own) in [("by_attribute", 0, 7), ("by_async_attribute", 2, 7), ("by_name", 1, 5)] {
        let stats = stats(&local, name);
        let calls = u64::from(CALLS);
        assert_eq!((stats.started, stats.succeeded, stats.polls), (calls, calls, polls * calls), "{name}");
        assert_near(name, stats.total_time, CALLS * 7 * US, 0.05);
        assert_near(name, stats.self_time, CALLS * own * US, 0.05);
        if polls > 0 {
            assert_near(name, stats.busy_time, CALLS * 7 * US, 0.05);
        }
    }
}

#[test]
fn the_rarest_rate_there_is_keeps_counting() {
    let (local, clock) = with_clock();
    local.scope(|| (0..1_000).for_each(|_| call(&local, &clock, u32::MAX, US)));
    let stats = stats(&local, "sampled");
    assert_eq!((stats.started, stats.succeeded), (1_000, 1_000));
    // The first call is timed; after it the next gap is some billions.
    assert_eq!(stats.durations.count(), 1);
    assert!(local.active().is_empty());
}
