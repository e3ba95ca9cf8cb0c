//! What is too many, too long, out of range or otherwise not as it should be: bounded, counted, and never a panic.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::thread;
use std::time::{Duration, SystemTime};

use monitor_core::{ManualClock, Monitor, TrackFuture, monitor, track_operation};
use tests::{block_on, counts, local, stats, with_clock, yield_once};

const MS: Duration = Duration::from_millis(1);

#[track_operation(name = "attributed")]
fn attributed() {}

#[test]
fn operations_over_the_cap_go_to_one_series_and_are_counted() {
    let local = Monitor::builder().max_operations(10).build().unwrap();
    local.scope(|| {
        for n in 0..1_000 {
            local.track(&format!("operation {n}"), |op| op.add_items(1));
        }
        // The ones that were first go on, and what is over stays over.
        local.track("operation 3", |_| ());
        local.operation("operation 500").label("a", "b").start().fail_with("over");
        attributed();
    });
    assert_eq!(counts(&local, "(overflow)"), [992, 991, 1, 0, 0, 0]);
    assert_eq!(counts(&local, "operation 3"), [2, 2, 0, 0, 0, 0]);
    let snapshot = local.snapshot();
    assert_eq!(snapshot.operations().len(), 11);
    let own = snapshot.monitor();
    assert_eq!((own.operations, own.overflow_calls, own.overflow_series_calls), (10, 992, 0));
    assert_eq!(stats(&local, "(overflow)").items, 990);
}

#[test]
fn label_sets_over_the_cap_go_to_one_series_of_their_operation() {
    let local = Monitor::builder().max_label_sets(3).build().unwrap();
    local.scope(|| {
        for n in 0..100 {
            local.operation("a").label("n", &n.to_string()).start().succeed();
            local.operation("b").label("n", &(n % 3).to_string()).start().succeed();
        }
    });
    let a = stats(&local, "a");
    assert_eq!((a.started, a.series.len()), (100, 4));
    let over = a.series.iter().find(|series| series.labels.contains_key("overflow")).unwrap();
    assert_eq!((over.started, &*over.labels["overflow"]), (97, "true"));
    assert_eq!((stats(&local, "b").started, stats(&local, "b").series.len()), (100, 3));
    let snapshot = local.snapshot();
    assert_eq!((snapshot.monitor().overflow_series_calls, snapshot.monitor().overflow_calls), (97, 0));
}

#[test]
fn a_flood_of_distinct_labels_takes_no_more_memory_than_the_cap() {
    // Unoptimised, a million takes ten seconds; the memory bench goes through all of them.
    const DISTINCT: u32 = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    let local = local();
    local.scope(|| {
        let call = |n: u32| local.operation("call").label("user", &n.to_string()).start().succeed();
        (0..10_000).for_each(call);
        let before = local.snapshot().monitor().clone();
        (10_000..DISTINCT).for_each(call);
        let after = local.snapshot().monitor().clone();
        // An octave of durations, perhaps.
        assert!(after.bytes_held <= before.bytes_held + 65_536, "{} to {}", before.bytes_held, after.bytes_held);
        assert_eq!((before.series, after.series), (2_001, 2_001));
        assert_eq!(after.overflow_series_calls, u64::from(DISTINCT) - 2_000);
    });
    assert_eq!(stats(&local, "call").succeeded, u64::from(DISTINCT));
}

#[test]
fn labels_are_the_same_in_any_order_and_the_later_of_two_counts() {
    let local = local();
    local.scope(|| {
        local.operation("call").label("a", "1").label("b", "2").start().succeed();
        local.operation("call").label("b", "2").label("a", "1").start().succeed();
        local.operation("call").label("a", "x").label("b", "2").label("a", "1").start().succeed();
        block_on(yield_once().tracked("call").label("a", "x").label("b", "2").label("a", "1"));
    });
    let call = stats(&local, "call");
    assert_eq!((call.started, call.series.len()), (4, 1));
    let labels: Vec<_> = call.series[0].labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(labels, [("a", "1"), ("b", "2")]);
}

#[test]
fn bad_keys_are_made_good_and_counted() {
    let local = local();
    let bad = ["", "user-id", "9lives", "__name__", "ключ", "a b\n\"c\"", "\u{0}", &"k".repeat(5_000)];
    local.scope(|| {
        for key in bad {
            local.operation("call").label(key, "value").start().succeed();
        }
        // Two keys that become the same one.
        local.operation("same").label("a-b", "1").label("a_b", "2").start().succeed();
    });
    let good = |key: &str| {
        let mut chars = key.chars();
        chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
            && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !key.starts_with("__")
            && key.len() <= 129
    };
    let call = stats(&local, "call");
    assert_eq!(call.started, bad.len() as u64);
    for series in &call.series {
        assert!(series.labels.keys().all(|key| good(key)), "{:?}", series.labels);
    }
    assert_eq!(stats(&local, "same").series[0].labels.len(), 1);
    assert_eq!(local.snapshot().monitor().names_changed, bad.len() as u64 + 1);
}

#[test]
fn empty_and_over_long_names_are_bounded_and_counted() {
    let local = local();
    let (long, longer) = ("ä".repeat(5_000), "ä".repeat(6_000));
    local.scope(|| {
        local.track("", |_| ());
        local.track(&long, |_| ());
        // The same once it is cut.
        local.track(&longer, |_| ());
        local.operation("call").kind(&long).component(&long).label("key", &long).start().succeed();
        local.operation("odd\0\n\u{202e}").kind("").label("key", "").start().succeed();
        block_on(yield_once().tracked(long.clone()));
    });
    let snapshot = local.snapshot();
    assert_eq!(counts(&local, "(unnamed)"), [1, 1, 0, 0, 0, 0]);
    let cut = snapshot.operations().iter().find(|stats| stats.name.starts_with('ä')).unwrap();
    assert_eq!(cut.started, 3);
    for stats in snapshot.operations() {
        let texts = [&stats.name, &stats.kind, &stats.component];
        assert!(texts.iter().all(|text| text.len() <= 200), "{stats:?}");
        for series in &stats.series {
            assert!(series.labels.values().all(|value| value.len() <= 128), "{series:?}");
        }
    }
    assert!(snapshot.monitor().names_changed >= 6, "{:?}", snapshot.monitor());
    // And it can be shown.
    assert!(format!("{snapshot:#}").lines().all(|line| line.chars().count() <= 120));
}

#[test]
fn absurd_amounts_of_work_are_no_panic() {
    let local = local();
    for _ in 0..2 {
        thread::scope(|threads| {
            for label in ["a", "b"] {
                let local = &local;
                threads.spawn(move || {
                    local.scope(|| {
                        let mut op = local.operation("call").label("l", label).items(u64::MAX).start();
                        op.add_items(u64::MAX);
                        op.add_bytes(u64::MAX);
                        // Another shard is taken while this one is held.
                        local.scope(|| {
                            local.operation("call").label("l", label).items(u64::MAX).bytes(7).start().succeed();
                        });
                        op.succeed();
                    });
                });
            }
        });
    }
    let snapshot = local.snapshot();
    assert_eq!(snapshot.operation("call").map(|stats| stats.started), Some(8));
    assert!(!snapshot.to_string().is_empty());
    assert_eq!(snapshot.since(&snapshot).operations().len(), 1);
}

#[test]
fn the_end_of_time_is_no_panic() {
    let (local, clock) = with_clock();
    local.scope(|| {
        for name in ["long", "long", "longer"] {
            local.track(name, |_| {
                local.track("inner", |_| clock.advance(Duration::MAX));
                clock.advance(Duration::MAX);
            });
        }
        let future = async {
            clock.advance(Duration::MAX);
            yield_once().await;
        };
        block_on(future.tracked("future"));
    });
    let snapshot = local.snapshot();
    assert_eq!(counts(&local, "long"), [2, 2, 0, 0, 0, 0]);
    assert!(stats(&local, "long").max() >= Duration::from_hours(290 * 365 * 24));
    assert!(!snapshot.to_string().is_empty() && local.recent(10).len() == 7);
    assert!(serde_json::to_string(&snapshot).is_ok());
}

#[test]
fn a_clock_that_starts_at_the_end_of_time_is_no_panic() {
    let Some(last) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX.unsigned_abs())) else {
        return;
    };
    let clock = ManualClock::starting_at(last);
    let local = Monitor::builder().clock(&clock).build().unwrap();
    local.scope(|| local.track("call", |_| clock.advance(Duration::from_secs(10))));
    assert_eq!(counts(&local, "call"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(local.recent(1)[0].duration, Duration::from_secs(10));
    let _ = serde_json::to_string(&local.snapshot());
}

#[test]
fn percentiles_outside_their_range_read_as_its_ends() {
    let (local, clock) = with_clock();
    local.scope(|| {
        local.track("call", |_| clock.advance(MS));
        local.track("call", |_| clock.advance(9 * MS));
    });
    let stats = stats(&local, "call");
    for low in [f64::NAN, f64::NEG_INFINITY, -1.0, -0.0] {
        assert_eq!(stats.percentile(low), MS, "{low}");
    }
    for high in [1.0, 1.0 + f64::EPSILON, f64::INFINITY, f64::MAX] {
        assert_eq!(stats.percentile(high), 9 * MS, "{high}");
    }
}

#[test]
fn the_switch_may_be_turned_at_any_time() {
    let local = local();
    local.scope(|| {
        let running = local.operation("call").start();
        local.set_enabled(false);
        assert!(!local.is_enabled());
        let unseen = local.operation("call").start();
        assert_eq!(unseen.id(), 0);
        attributed();
        let _ = local.try_track("call", |_| Err::<(), _>("unseen"));
        // What began before is counted to its end.
        running.fail_with("seen");
        local.set_enabled(true);
        // What began while it was off is not, wherever it ends.
        unseen.succeed();
        attributed();
    });
    assert_eq!(counts(&local, "call"), [1, 0, 1, 0, 0, 0]);
    assert_eq!(counts(&local, "attributed"), [1, 1, 0, 0, 0, 0]);
    assert!(local.active().is_empty() && local.snapshot().edges().is_empty());
}

#[test]
fn the_switch_reaches_other_threads_and_later_ones() {
    let local = Monitor::builder().enabled(false).build().unwrap();
    assert!(!local.is_enabled());
    let worker = || local.scope(|| monitor().track("call", |_| ()));
    worker();
    local.track("call", |_| ());
    thread::scope(|threads| threads.spawn(worker).join()).unwrap();
    assert!(local.snapshot().operations().is_empty());
    local.set_enabled(true);
    thread::scope(|threads| threads.spawn(worker).join()).unwrap();
    local.track("call", |_| ());
    assert_eq!(counts(&local, "call"), [2, 2, 0, 0, 0, 0]);
    thread::scope(|threads| {
        // Turned by another thread in the middle of a scope.
        let (to_worker, told) = std::sync::mpsc::channel::<()>();
        let (to_main, done) = std::sync::mpsc::channel::<()>();
        let local = &local;
        threads.spawn(move || {
            local.scope(|| {
                attributed();
                to_main.send(()).unwrap();
                told.recv().unwrap();
                attributed();
                to_main.send(()).unwrap();
                told.recv().unwrap();
                attributed();
            });
        });
        done.recv().unwrap();
        local.set_enabled(false);
        to_worker.send(()).unwrap();
        done.recv().unwrap();
        local.set_enabled(true);
        to_worker.send(()).unwrap();
    });
    assert_eq!(counts(&local, "attributed"), [2, 2, 0, 0, 0, 0]);
}

#[test]
fn settings_out_of_their_range_are_errors_that_say_it() {
    let million = 1_000_001;
    for (builder, name, given, range) in [
        (Monitor::builder().max_operations(0), "max_operations", "0", "1 to 1000000"),
        (Monitor::builder().max_operations(usize::MAX), "max_operations", "18446744073709551615", "1 to 1000000"),
        (Monitor::builder().max_label_sets(0), "max_label_sets", "0", "1 to 1000000"),
        (Monitor::builder().max_label_sets(million), "max_label_sets", "1000001", "1 to 1000000"),
        (Monitor::builder().recent_capacity(million), "recent_capacity", "1000001", "0 to 1000000"),
        (Monitor::builder().records_per_second(u32::MAX), "records_per_second", "4294967295", "0 to 1000000"),
    ] {
        let error = builder.build().expect_err(name);
        assert!(error.is_invalid_setting() && !error.is_already_installed());
        let text = error.to_string();
        assert!(text.contains(name) && text.contains(given) && text.contains(range), "{text}");
    }
    let extremes = Monitor::builder().max_operations(1).max_label_sets(1).recent_capacity(0).records_per_second(0);
    let local = extremes.service("").build().unwrap();
    local.scope(|| ["a", "b", "c"].iter().for_each(|name| local.operation(name).label("l", name).start().succeed()));
    assert_eq!(local.snapshot().operations().iter().map(|stats| stats.started).sum::<u64>(), 3);
    let most = Monitor::builder().max_operations(1_000_000).recent_capacity(1_000_000).records_per_second(1_000_000);
    assert!(most.max_label_sets(1_000_000).build().is_ok());
}
