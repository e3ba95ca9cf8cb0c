//! What a snapshot says about work that was really recorded: figures, differences, kinds, edges, what is active, the
//! serde form, the table, and the assertions of `monitor_core::testing`.
//!
//! Time is a clock that the tests move, so every duration is known.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use monitor_core::{ActiveState, ManualClock, Monitor, OperationStats, Outcome, Snapshot, TrackFuture, testing};

const MS: Duration = Duration::from_millis(1);

fn with_clock() -> (Monitor, ManualClock) {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let monitor = Monitor::builder().service("reading").clock(&clock).build().unwrap();
    (monitor, clock)
}

/// Runs one call of that duration.
fn call(monitor: &Monitor, clock: &ManualClock, name: &str, duration: Duration) {
    monitor.track(name, |_| clock.advance(duration));
}

fn stats<'a>(snapshot: &'a Snapshot, name: &str) -> &'a OperationStats {
    snapshot.operation(name).unwrap_or_else(|| panic!("{name} is missing in {snapshot}"))
}

/// Whether a percentile is within the histogram's bound of the exact value.
fn near(found: Duration, exact: Duration) -> bool {
    found.abs_diff(exact) <= exact / 64
}

#[test]
fn figures_are_those_of_the_calls_made() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        for n in 1..=100 {
            call(&monitor, &clock, "work", n * MS);
        }
        let failed: Result<(), &str> = monitor.track("work", |op| {
            op.add_items(7);
            op.add_bytes(1_000);
            clock.advance(200 * MS);
            Err("no")
        });
        assert!(failed.is_err());
        monitor.operation("work").start().cancel();
    });
    let snapshot = monitor.snapshot();
    let work = stats(&snapshot, "work");
    assert_eq!((work.started, work.succeeded, work.failed, work.panicked, work.cancelled), (102, 100, 1, 0, 1));
    assert_eq!((work.finished(), work.in_flight(), work.items, work.bytes), (102, 0, 7, 1_000));
    assert_eq!((work.min(), work.max()), (Duration::ZERO, 200 * MS));
    assert_eq!(work.total_time, 5_250 * MS);
    assert_eq!(work.mean(), work.total_time / 102);
    // Sorted: 0, 1 … 100, 200. By nearest rank the median is the 51st, the 99th percentile the 101st.
    assert!(near(work.percentile(0.5), 50 * MS), "{:?}", work.percentile(0.5));
    assert!(near(work.percentile(0.99), 100 * MS), "{:?}", work.percentile(0.99));
    assert_eq!((work.percentile(0.0), work.percentile(1.0)), (work.min(), work.max()));
    assert!((work.success_rate() - 100.0 / 102.0).abs() < 1e-12);
    // The window is the 5.25 s that the clock was moved.
    assert_eq!((snapshot.window(), work.window), (5_250 * MS, 5_250 * MS));
    assert!((work.calls_per_second() - 102.0 / 5.25).abs() < 1e-9);
    assert!((work.bytes_per_second() - 1_000.0 / 5.25).abs() < 1e-9);
    assert_eq!(snapshot.taken_at(), SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + 5_250 * MS);
}

#[test]
fn the_difference_of_two_snapshots_is_the_time_between() {
    let (monitor, clock) = with_clock();
    let (earlier, later) = monitor.scope(|| {
        for _ in 0..50 {
            call(&monitor, &clock, "busy", 10 * MS);
        }
        call(&monitor, &clock, "quiet", MS);
        let earlier = monitor.snapshot();
        for _ in 0..10 {
            call(&monitor, &clock, "busy", 40 * MS);
        }
        call(&monitor, &clock, "new", 3 * MS);
        (earlier, monitor.snapshot())
    });
    let between = later.since(&earlier);
    assert_eq!(between.window(), 403 * MS);
    let busy = stats(&between, "busy");
    assert_eq!((busy.started, busy.succeeded, busy.total_time), (10, 10, 400 * MS));
    // Over everything the median is 10 ms; of the calls in between it is 40 ms.
    assert!(near(stats(&later, "busy").percentile(0.5), 10 * MS));
    assert!(near(busy.percentile(0.5), 40 * MS) && near(busy.min(), 40 * MS) && busy.max() == 40 * MS);
    assert_eq!((stats(&between, "quiet").started, stats(&between, "quiet").max()), (0, Duration::ZERO));
    assert_eq!((stats(&between, "new").started, stats(&between, "new").max()), (1, 3 * MS));
    assert_eq!(later.since(&later).operations().iter().map(|stats| stats.started).sum::<u64>(), 0);
}

#[test]
fn what_began_before_the_difference_and_runs_on_is_in_flight_in_it() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        let long = monitor.operation("long").start();
        clock.advance(5 * MS);
        let earlier = monitor.snapshot();
        clock.advance(5 * MS);
        let between = monitor.snapshot().since(&earlier);
        testing::assert_operation(&between, "long").calls(0).in_flight(1);
        assert_eq!((between.active().len(), between.active()[0].age), (1, 10 * MS));
        long.succeed();
    });
}

#[test]
fn label_sets_add_up_to_their_operation() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        for (table, ms) in [("users", 1), ("orders", 2), ("users", 3)] {
            let op = monitor.operation("db.fetch").kind("database").label("table", table).items(10).start();
            clock.advance(ms * MS);
            op.succeed();
        }
    });
    let snapshot = monitor.snapshot();
    assert_eq!(snapshot.operations().len(), 1);
    let fetch = testing::assert_operation_of(&snapshot, "db.fetch", "database").calls(3).items(30);
    fetch.series(&[("table", "users")]).calls(2).items(20).max_below(4 * MS);
    fetch.series(&[("table", "orders")]).calls(1);
    assert_eq!(fetch.stats().series.iter().map(|series| series.total_time).sum::<Duration>(), 6 * MS);
}

#[test]
fn kinds_have_their_own_totals() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        for (name, kind, ms) in [("fetch", "database", 5), ("store", "database", 7), ("get", "cache", 1)] {
            let op = monitor.operation(name).kind(kind).start();
            clock.advance(ms * MS);
            op.succeed();
        }
    });
    let kinds = monitor.snapshot().kinds();
    let read: Vec<_> = kinds.iter().map(|k| (k.kind.as_str(), k.operations, k.succeeded, k.total_time)).collect();
    assert_eq!(read, [("database", 2, 2, 12 * MS), ("cache", 1, 1, MS)]);
    assert_eq!((kinds[0].min(), kinds[0].max()), (5 * MS, 7 * MS));
}

#[test]
fn children_are_taken_off_the_self_time_and_give_an_edge() {
    let (monitor, clock) = with_clock();
    let earlier = monitor.scope(|| {
        monitor.track("outer", |_| {
            clock.advance(2 * MS);
            for _ in 0..3 {
                call(&monitor, &clock, "inner", 10 * MS);
            }
        });
        let earlier = monitor.snapshot();
        monitor.track("outer", |_| call(&monitor, &clock, "inner", MS));
        earlier
    });
    let (outer, inner) = (stats(&earlier, "outer"), stats(&earlier, "inner"));
    assert_eq!((outer.total_time, outer.self_time), (32 * MS, 2 * MS));
    assert_eq!((inner.total_time, inner.self_time), (30 * MS, 30 * MS));
    let edges = |snapshot: &Snapshot| {
        let edges = snapshot.edges().iter();
        edges.map(|e| (e.caller.clone(), e.callee.clone(), e.calls, e.total_time)).collect::<Vec<_>>()
    };
    let edge = |calls, time| ("outer".to_owned(), "inner".to_owned(), calls, time);
    assert!(edges(&earlier).contains(&edge(3, 30 * MS)), "{:?}", edges(&earlier));
    assert!(edges(&monitor.snapshot().since(&earlier)).contains(&edge(1, MS)));
}

#[test]
fn active_operations_have_age_parent_and_thread() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        let outer = monitor.operation("outer").kind("batch").start();
        clock.advance(30 * MS);
        let inner = monitor.operation("inner").start();
        clock.advance(5 * MS);
        let snapshot = monitor.snapshot();
        let [first, second] = snapshot.active() else { panic!("two are active: {:?}", snapshot.active()) };
        assert_eq!(
            (first.name.as_str(), first.kind.as_str(), first.age, first.parent),
            ("outer", "batch", 35 * MS, None)
        );
        assert_eq!((second.name.as_str(), second.age, second.parent), ("inner", 5 * MS, Some(first.id)));
        assert_eq!((first.id, second.id), (outer.id(), inner.id()));
        assert_eq!(first.state, ActiveState::Running);
        assert!(first.thread.is_some() && first.thread == second.thread);
        assert_eq!(second.started_at, snapshot.taken_at() - 5 * MS);
        assert_eq!(snapshot.operation("outer").map(|stats| stats.in_flight()), Some(1));
        drop((inner, outer));
    });
    assert!(monitor.snapshot().active().is_empty());
}

/// Takes a millisecond in each poll and is ready at the `left`th from the last.
struct Steps<'a> {
    left: u32,
    clock: &'a ManualClock,
}

impl Future for Steps<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.clock.advance(MS);
        self.left -= 1;
        if self.left == 0 { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn futures_have_wall_time_busy_time_and_polls() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        let mut context = Context::from_waker(Waker::noop());
        let mut future = pin!(Steps { left: 3, clock: &clock }.tracked("steps"));
        for _ in 0..2 {
            assert!(future.as_mut().poll(&mut context).is_pending());
            clock.advance(10 * MS);
        }
        let waiting = monitor.snapshot();
        let [waits] = waiting.active() else { panic!("one is active: {:?}", waiting.active()) };
        assert_eq!((waits.state, waits.thread.as_deref(), waits.polls), (ActiveState::Suspended, None, 2));
        assert_eq!((waits.age, waits.busy_time), (22 * MS, 2 * MS));
        assert!(future.as_mut().poll(&mut context).is_ready());
    });
    let snapshot = monitor.snapshot();
    let steps = stats(&snapshot, "steps");
    assert_eq!((steps.polls, steps.total_time, steps.busy_time), (3, 23 * MS, 3 * MS));
    testing::assert_operation(&snapshot, "steps").calls(1).successes(1).in_flight(0);
}

#[test]
fn a_snapshot_comes_back_from_json_as_it_was() {
    let (monitor, clock) = with_clock();
    let snapshot = monitor.scope(|| {
        let outer = monitor.operation("outer").component("reader").start();
        for n in 1..60 {
            let op = monitor.operation("inner").label("parity", ["even", "odd"][n % 2]).bytes(5).start();
            clock.advance(Duration::from_nanos(1 << n));
            op.succeed();
        }
        let snapshot = monitor.snapshot();
        drop(outer);
        snapshot
    });
    let json = serde_json::to_string(&snapshot).unwrap();
    let back: Snapshot = serde_json::from_str(&json).unwrap();
    assert_eq!(back, snapshot);
    assert_eq!(back.to_string(), snapshot.to_string());
    let (there, here) = (stats(&back, "inner"), stats(&snapshot, "inner"));
    for permille in 0..=1_000 {
        let q = f64::from(permille) / 1_000.0;
        assert_eq!(there.percentile(q), here.percentile(q), "{q}");
    }
}

#[test]
fn records_come_back_from_json_as_they_were() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        let op = monitor.operation("parse").field("ratio", f64::INFINITY).field("file", "a\nb").start();
        clock.advance(MS);
        op.fail(&"x".parse::<u8>().unwrap_err());
    });
    let records = monitor.recent(10);
    assert_eq!((records.len(), records[0].outcome, records[0].duration), (1, Outcome::Failure, MS));
    assert_eq!(records[0].fields.len(), 2);
    let json = serde_json::to_string(&records).unwrap();
    assert_eq!(serde_json::from_str::<Vec<monitor_core::OperationRecord>>(&json).unwrap(), records);
}

#[test]
fn the_table_and_the_log_line_are_plain_text_within_120_columns() {
    let (monitor, clock) = with_clock();
    monitor.scope(|| {
        call(&monitor, &clock, "short", 12_345 * MS / 1_000);
        call(&monitor, &clock, &"very::long::path::".repeat(20), MS);
        monitor.operation("with\u{1b}[31m control\ncharacters").start().cancel();
    });
    let snapshot = monitor.snapshot();
    assert_eq!(snapshot.service(), "reading");
    let summary = snapshot.summary();
    assert_eq!(summary, "3 operations, 3 calls, 33.3 % failed, slowest short p99 12.3 ms, 0 active");
    for table in [snapshot.to_string(), format!("{snapshot:#}")] {
        assert!(table.contains("short") && table.contains("12.3 ms"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 120), "{table}");
        assert!(table.chars().all(|c| c == '\n' || !c.is_control()), "{table:?}");
    }
}

#[test]
fn quantiles_outside_their_range_and_unused_monitors_are_harmless() {
    let (monitor, clock) = with_clock();
    assert!(monitor.snapshot().operations().is_empty());
    assert_eq!(monitor.snapshot().summary(), "0 operations, 0 calls, 0 active");
    assert!(monitor.snapshot().to_string().contains("no operation has been called"));
    monitor.scope(|| call(&monitor, &clock, "once", MS));
    let snapshot = monitor.snapshot();
    let once = stats(&snapshot, "once");
    for q in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0, 1.0, 2.0] {
        assert_eq!(once.percentile(q), MS, "{q}");
    }
}

#[test]
fn what_the_caps_refused_is_counted_and_shown() {
    let monitor = Monitor::builder().max_operations(2).max_label_sets(2).build().unwrap();
    monitor.scope(|| {
        for name in ["a", "b", "c", "d"] {
            monitor.track(name, |_| ());
        }
        for label in ["1", "2", "3", "4", "5"] {
            monitor.operation("a").label("n", label).start().succeed();
        }
    });
    let snapshot = monitor.snapshot();
    assert_eq!(snapshot.operations().iter().map(|stats| stats.succeeded).sum::<u64>(), 9);
    let own = snapshot.monitor();
    assert_eq!((own.operations, own.overflow_calls), (2, 2));
    assert!(own.overflow_series_calls >= 3, "{own:?}");
    testing::assert_operation(&snapshot, "(overflow)").calls(2);
    assert!(snapshot.to_string().contains("! 2 calls over the cap of operations"), "{snapshot}");
}
