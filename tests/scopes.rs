//! Monitors beside each other: scopes, nested and in parallel, monitors used without one, and the one of the process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use monitor_core::{ManualClock, Monitor, TrackFuture, monitor, track_operation};
use tests::{block_on, counts, edge, local, panics, stats, yield_once};

#[track_operation(name = "attributed")]
fn attributed() {}

fn names(monitor: &Monitor) -> Vec<String> {
    let mut names: Vec<_> = monitor.snapshot().operations().iter().map(|stats| stats.name.clone()).collect();
    names.sort();
    names
}

#[test]
fn thirty_two_tests_at_once_see_only_their_own_calls() {
    let together = Barrier::new(32);
    thread::scope(|threads| {
        for number in 1..=32_u64 {
            let together = &together;
            threads.spawn(move || {
                let local = local();
                together.wait();
                local.scope(|| {
                    for _ in 0..100 * number {
                        attributed();
                        monitor().track("outer", |_| monitor().operation("inner").start().cancel());
                    }
                    block_on(yield_once().tracked("future"));
                    let mine = 100 * number;
                    assert_eq!(counts(&monitor(), "attributed"), [mine, mine, 0, 0, 0, 0]);
                });
                let mine = 100 * number;
                assert_eq!(counts(&local, "outer"), [mine, mine, 0, 0, 0, 0]);
                assert_eq!(counts(&local, "inner"), [mine, 0, 0, 0, mine, 0]);
                assert_eq!(edge(&local.snapshot(), "outer", "inner").0, mine);
                assert_eq!(names(&local), ["attributed", "future", "inner", "outer"]);
            });
        }
    });
    assert_eq!(counts(&monitor(), "inner"), [0; 6]);
}

#[test]
fn a_scope_inside_another_takes_over_and_gives_back() {
    let (outer, inner) = (local(), local());
    outer.scope(|| {
        let around = outer.operation("around").start();
        attributed();
        inner.scope(|| {
            attributed();
            monitor().track("inside", |_| ());
            outer.scope(|| monitor().track("back_inside", |_| ()));
            attributed();
        });
        attributed();
        monitor().track("afterwards", |_| ());
        around.succeed();
    });
    assert_eq!(counts(&outer, "attributed"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(counts(&inner, "attributed"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(names(&outer), ["afterwards", "around", "attributed", "back_inside"]);
    assert_eq!(names(&inner), ["attributed", "inside"]);
    assert_eq!(edge(&outer.snapshot(), "around", "afterwards").0, 1);
    // Nothing of another monitor is anybody's parent.
    assert!(inner.snapshot().edges().is_empty());
}

#[test]
fn a_scope_inside_the_same_monitors_scope_keeps_parents_and_own_time() {
    let (local, clock) = tests::with_clock();
    local.scope(|| {
        local.track("outer", |_| {
            clock.advance(Duration::from_millis(1));
            local.scope(|| local.track("inner", |_| clock.advance(Duration::from_millis(5))));
        });
    });
    assert_eq!(edge(&local.snapshot(), "outer", "inner").0, 1);
    assert_eq!(stats(&local, "outer").self_time, Duration::from_millis(1));
}

#[test]
fn a_scope_ends_with_a_panic_as_it_does_without() {
    let (outer, inner) = (local(), local());
    outer.scope(|| {
        assert!(panics(|| inner.scope(|| monitor().track("inside", |_| -> () { panic!("as told") }))));
        attributed();
    });
    assert_eq!(counts(&inner, "inside"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(names(&outer), ["attributed"]);
    assert_eq!(inner.snapshot().monitor().threads, 0);
}

#[test]
fn the_monitor_of_the_process_does_not_see_what_scopes_record() {
    let local = local();
    local.scope(|| {
        monitor().track("scopes::of_local", |_| ());
        // A thread that is started inside is not in the scope.
        thread::spawn(|| monitor().track("scopes::of_process", |_| ())).join().unwrap();
    });
    assert_eq!(counts(&monitor(), "scopes::of_local"), [0; 6]);
    assert_eq!(counts(&monitor(), "scopes::of_process"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(names(&local), ["scopes::of_local"]);
}

#[test]
fn a_monitor_lives_as_long_as_a_guard_of_it() {
    let local = local();
    let guard = local.scope(|| local.operation("held").start());
    let outside = local.operation("outside").start();
    drop(local);
    attributed();
    guard.fail_with("too late for anybody to see");
    drop(outside);
}

#[test]
fn a_guard_that_outlives_its_scope_counts_once() {
    let local = local();
    let guard = local.scope(|| local.operation("held").start());
    // Another scope takes over what the first one recorded into.
    local.scope(|| local.track("later", |_| ()));
    guard.succeed();
    assert_eq!(counts(&local, "held"), [1, 1, 0, 0, 0, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn a_guard_that_ends_in_another_monitors_scope_is_its_own_monitors() {
    let (mine, other) = (local(), local());
    mine.scope(|| {
        let guard = mine.operation("held").start();
        other.scope(|| {
            guard.succeed();
            other.track("after", |_| ());
        });
        mine.track("after", |_| ());
    });
    assert_eq!(counts(&mine, "held"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(names(&other), ["after"]);
    assert!(mine.snapshot().edges().is_empty() && other.snapshot().edges().is_empty());
    assert!(mine.active().is_empty());
}

#[test]
fn a_monitor_used_without_a_scope_counts_and_shows_what_is_active() {
    let local = local();
    let first = local.operation("first").label("n", "1").start();
    let second = local.operation("second").start();
    let _ = local.try_track("third", |_| Err::<(), _>("no"));
    let mut active: Vec<_> = local.active().into_iter().map(|operation| (operation.name, operation.id)).collect();
    active.sort();
    assert_eq!(active, [("first".to_owned(), first.id()), ("second".to_owned(), second.id())]);
    // What is current on the thread is not touched.
    attributed();
    drop(first);
    thread::spawn(move || second.cancel()).join().unwrap();
    assert_eq!(counts(&local, "first"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "second"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counts(&local, "third"), [1, 0, 1, 0, 0, 0]);
    assert!(local.active().is_empty());
    assert_eq!(local.recent(1).len(), 1);
    assert_eq!(names(&local), ["first", "second", "third"]);
}

#[test]
fn two_monitors_used_in_turn_do_not_mix() {
    let (left, right) = (local(), local());
    left.scope(|| {
        let outer = left.operation("left.outer").start();
        let other = right.operation("right.outer").start();
        left.track("left.inner", |_| right.track("right.inner", |_| attributed()));
        drop(outer);
        right.track("right.last", |_| ());
        drop(other);
    });
    assert_eq!(names(&left), ["attributed", "left.inner", "left.outer"]);
    assert_eq!(names(&right), ["right.inner", "right.last", "right.outer"]);
    assert_eq!(edge(&left.snapshot(), "left.outer", "left.inner").0, 1);
    assert_eq!(edge(&left.snapshot(), "left.inner", "attributed").0, 1);
    assert!(left.active().is_empty() && right.active().is_empty());
}

#[test]
fn a_thousand_scopes_inside_each_other_are_all_left() {
    fn nested(monitors: &[Monitor], depth: usize) {
        if depth > 0 {
            monitors[depth % monitors.len()].scope(|| {
                attributed();
                nested(monitors, depth - 1);
                attributed();
            });
        }
    }
    let monitors = [local(), local()];
    nested(&monitors, 1_000);
    for monitor in &monitors {
        assert_eq!(counts(monitor, "attributed"), [1_000, 1_000, 0, 0, 0, 0]);
        assert_eq!(monitor.snapshot().monitor().threads, 0);
    }
}

#[test]
fn a_monitor_is_installed_once_and_the_first_one_stays() {
    monitor().track("scopes::before_install", |_| ());
    let refused = Monitor::builder().clock(&ManualClock::new()).install().unwrap_err();
    assert!(refused.is_invalid_setting(), "{refused}");
    let refused = Monitor::builder().max_operations(0).install().unwrap_err();
    assert!(refused.is_invalid_setting(), "{refused}");
    let installed = Monitor::builder().service("first").install().expect("the first one with good settings");
    let second = Monitor::builder().service("second").install().unwrap_err();
    assert!(second.is_already_installed() && !second.is_invalid_setting(), "{second}");
    assert_eq!(monitor().snapshot().service(), "first");
    assert_eq!(counts(&monitor(), "scopes::before_install"), [1, 1, 0, 0, 0, 0]);
    // Any number of times, from any thread, and recording goes on.
    installed.shutdown(Duration::ZERO).unwrap();
    thread::scope(|threads| threads.spawn(|| installed.shutdown(Duration::MAX)).join()).unwrap().unwrap();
    drop(installed);
    monitor().track("scopes::after_shutdown", |_| ());
    assert_eq!(counts(&monitor(), "scopes::after_shutdown"), [1, 1, 0, 0, 0, 0]);
    assert!(Monitor::builder().install().unwrap_err().is_already_installed());
}
