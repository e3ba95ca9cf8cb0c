//! Calls that begin on one thread and end on another, out of order, too deep, at the end of their thread; and figures
//! that are read while eight threads write.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use monitor_core::{Monitor, Operation, Snapshot, monitor, track_operation};
use tests::{counts, edge, local, stats, with_clock};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_guard_that_ends_on_another_thread_counts_once() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let moved = local.operation("moved").items(3).start();
        clock.advance(7 * MS);
        thread::scope(|threads| {
            threads.spawn(|| {
                local.scope(|| {
                    let own = local.operation("own").start();
                    moved.succeed();
                    // The stack of the thread that ended it is as it was.
                    local.track("child", |_| ());
                    drop(own);
                });
            });
        });
        // So is that of the thread where it began: what starts now has no parent.
        local.track("after", |_| ());
    });
    let moved = stats(&local, "moved");
    assert_eq!(counts(&local, "moved"), [1, 1, 0, 0, 0, 0]);
    assert_eq!((moved.total_time, moved.items, moved.durations.count()), (7 * MS, 3, 1));
    let snapshot = local.snapshot();
    assert_eq!(edge(&snapshot, "own", "child").0, 1);
    assert_eq!(snapshot.edges().len(), 1, "{:?}", snapshot.edges());
    assert!(snapshot.active().is_empty());
}

#[test]
fn a_guard_that_ends_elsewhere_without_a_scope_there_counts_once() {
    let local = local();
    local.scope(|| {
        for _ in 0..10 {
            let moved = local.operation("moved").start();
            thread::scope(|threads| threads.spawn(|| moved.fail_with("elsewhere")).join()).unwrap();
        }
    });
    assert_eq!(counts(&local, "moved"), [10, 0, 10, 0, 0, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn a_guard_outlives_the_thread_that_began_it() {
    let local = local();
    let guard = thread::scope(|threads| {
        let begin = || local.scope(|| local.operation("orphan").start());
        threads.spawn(begin).join().unwrap()
    });
    assert_eq!(counts(&local, "orphan"), [1, 0, 0, 0, 0, 1]);
    guard.succeed();
    assert_eq!(counts(&local, "orphan"), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn a_guard_of_the_process_outlives_the_thread_that_began_it() {
    let guard = thread::spawn(|| monitor().operation("threads::orphan_of_process").start()).join().unwrap();
    // Another thread takes over what the first one recorded into.
    thread::spawn(|| monitor().track("threads::successor", |_| ())).join().unwrap();
    guard.succeed();
    assert_eq!(counts(&monitor(), "threads::orphan_of_process"), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn guards_that_end_while_their_threads_end_count_once() {
    const THREADS: u64 = 600;
    let local = local();
    thread::scope(|threads| {
        let (sender, receiver) = mpsc::channel::<Operation>();
        let ends = threads.spawn(move || receiver.into_iter().for_each(Operation::succeed));
        for _ in 0..THREADS / 2 {
            let begins = || {
                local.scope(|| {
                    let outer = local.operation("outer").start();
                    for _ in 0..3 {
                        sender.send(local.operation("inner").start()).unwrap();
                    }
                    sender.send(outer).unwrap();
                });
            };
            thread::scope(|pair| {
                pair.spawn(begins);
                pair.spawn(begins);
            });
        }
        drop(sender);
        ends.join().unwrap();
    });
    assert_eq!(counts(&local, "outer"), [THREADS, THREADS, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "inner"), [3 * THREADS, 3 * THREADS, 0, 0, 0, 0]);
    assert!(local.active().is_empty(), "{:?}", local.active());
}

#[test]
fn guards_dropped_out_of_order_keep_parents_and_self_time() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let first = local.operation("first").start();
        clock.advance(MS);
        let second = local.operation("second").start();
        clock.advance(MS);
        let third = local.operation("third").start();
        clock.advance(MS);
        drop(second);
        // `third` lives on, now a child of `first`; and what starts now is a child of `third`.
        clock.advance(MS);
        local.track("fourth", |_| clock.advance(MS));
        drop(first);
        local.track("fifth", |_| clock.advance(MS));
        drop(third);
        local.track("alone", |_| ());
    });
    let snapshot = local.snapshot();
    let time = |name: &str| snapshot.operation(name).map(|stats| (stats.total_time, stats.self_time));
    // Its child was still running when it ended, so nothing is taken off.
    assert_eq!(time("second"), Some((2 * MS, 2 * MS)));
    assert_eq!(time("first"), Some((5 * MS, 3 * MS)));
    assert_eq!(time("third"), Some((4 * MS, 2 * MS)));
    for (caller, callee, calls) in [("first", "second", 1), ("third", "fourth", 1), ("third", "fifth", 1)] {
        assert_eq!(edge(&snapshot, caller, callee).0, calls, "{caller} -> {callee}: {:?}", snapshot.edges());
    }
    assert_eq!(snapshot.edges().iter().filter(|edge| edge.callee == "alone").count(), 0);
    assert!(snapshot.active().is_empty());
}

#[test]
fn guards_that_follow_each_other_hand_over_hand_do_not_fill_the_stack() {
    let local = local();
    local.scope(|| {
        let mut held = local.operation("hand").start();
        for _ in 0..1_000 {
            let next = local.operation("hand").start();
            drop(std::mem::replace(&mut held, next));
            local.track("child", |_| ());
        }
    });
    let snapshot = local.snapshot();
    assert_eq!(counts(&local, "hand"), [1_001, 1_001, 0, 0, 0, 0]);
    // Never more than three at a time.
    assert_eq!(snapshot.monitor().stack_overflows, 0);
    assert_eq!(edge(&snapshot, "hand", "child").0, 1_000);
}

#[track_operation(name = "deep")]
fn deep(left: u32, clock: &monitor_core::ManualClock) {
    clock.advance(Duration::from_nanos(10));
    if left > 0 {
        deep(left - 1, clock);
    }
}

#[test]
fn recursion_deeper_than_the_stack_is_counted_exactly() {
    let (local, clock) = with_clock();
    local.scope(|| {
        deep(199, &clock);
        // The stack is whole again.
        local.track("outer", |_| local.track("inner", |_| ()));
    });
    let snapshot = local.snapshot();
    let stats = stats(&local, "deep");
    assert_eq!(counts(&local, "deep"), [200, 200, 0, 0, 0, 0]);
    // The deepest took 10 ns, the outermost 200 times as much.
    assert_eq!(stats.total_time, Duration::from_nanos((1..=200).map(|n| n * 10).sum()));
    assert_eq!(stats.self_time, Duration::from_micros(2));
    assert!(snapshot.monitor().stack_overflows > 0);
    assert_eq!(edge(&snapshot, "outer", "inner").0, 1);
    assert!(snapshot.active().is_empty());
}

#[test]
fn guards_deeper_than_the_stack_end_in_any_order_and_anywhere() {
    let local = local();
    local.scope(|| {
        let mut guards: Vec<_> = (0..200).map(|_| local.operation("deep").start()).collect();
        assert_eq!(stats(&local, "deep").in_flight(), 200);
        let others = guards.split_off(100);
        thread::scope(|threads| threads.spawn(|| drop(others)).join()).unwrap();
        drop(guards);
        local.track("after", |_| ());
    });
    assert_eq!(counts(&local, "deep"), [200, 200, 0, 0, 0, 0]);
    assert!(local.active().is_empty());
    assert!(!local.snapshot().edges().iter().any(|edge| edge.callee == "after"));
}

#[test]
fn threads_that_end_leave_their_counts_and_their_memory_to_later_ones() {
    let local = local();
    for _ in 0..250 {
        thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| local.scope(|| local.track("short", |_| ())));
            }
        });
    }
    let snapshot = local.snapshot();
    assert_eq!(counts(&local, "short"), [1_000, 1_000, 0, 0, 0, 0]);
    let own = snapshot.monitor();
    assert!(own.shards <= 4, "{own:?}");
    assert_eq!(own.threads, 0);
    // A ring of records and some octaves of durations for each of four; a thousand would take megabytes.
    assert!(own.bytes_held < 4 * 65_536, "{own:?}");
}

struct CallsWhenDropped {
    guard: Option<Operation>,
    monitor: Monitor,
}

impl Drop for CallsWhenDropped {
    fn drop(&mut self) {
        attributed();
        monitor().track("tls", |_| ());
        self.monitor.track("tls", |_| ());
        self.monitor.scope(|| {
            attributed();
            monitor().track("tls", |_| monitor().track("tls.child", |_| ()));
        });
        drop(self.guard.take());
    }
}

#[track_operation(name = "threads::attributed")]
fn attributed() {}

thread_local! {
    static LATE: RefCell<Option<CallsWhenDropped>> = const { RefCell::new(None) };
}

#[test]
fn thread_local_destructors_may_make_tracked_calls() {
    let local = local();
    let before = counts(&monitor(), "threads::attributed")[1];
    let worker = local.clone();
    thread::spawn(move || {
        let guard = worker.operation("held").start();
        // Registered before this thread's first call of the process's monitor, so it is destroyed after it.
        LATE.set(Some(CallsWhenDropped { guard: Some(guard), monitor: worker }));
        monitor().track("threads::first", |_| ());
    })
    .join()
    .unwrap();
    assert_eq!(counts(&local, "held"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "tls"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(edge(&local.snapshot(), "tls", "tls.child").0, 1);
    assert_eq!(counts(&local, "threads::attributed"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&monitor(), "threads::attributed")[1] - before, 1);
    assert!(local.active().is_empty());
    assert_eq!(local.snapshot().monitor().threads, 0);
}

/// Every count of a snapshot, for comparing with a later one's.
fn sums(snapshot: &Snapshot) -> Vec<(String, [u64; 4])> {
    let sums = snapshot.operations().iter().map(|stats| {
        assert!(stats.finished() <= stats.started, "more ended than began: {stats:?}");
        (stats.name.clone(), [stats.started, stats.finished(), stats.items, stats.durations.count()])
    });
    sums.collect()
}

#[test]
fn figures_read_while_eight_threads_write_are_sane_and_exact_at_the_end() {
    const CALLS: u64 = 4_000;
    let local = local();
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let (sender, receiver) = mpsc::sync_channel::<Operation>(4);
        threads.spawn(move || receiver.into_iter().for_each(Operation::succeed));
        let writers: Vec<_> = (0..8_u64)
            .map(|writer| {
                let (local, sender) = (&local, sender.clone());
                threads.spawn(move || {
                    local.scope(|| {
                        for n in 0..CALLS {
                            let _ = local.track("outer", |op| {
                                op.add_items(1);
                                local
                                    .operation("inner")
                                    .label("writer", if writer % 2 == 0 { "a" } else { "b" })
                                    .start()
                                    .cancel();
                                if n % 5 == 0 { Err("fifth") } else { Ok(()) }
                            });
                            if n % 16 == 0 {
                                sender.send(local.operation("sent").start()).unwrap();
                            }
                        }
                    });
                })
            })
            .collect();
        drop(sender);
        let (reader, done) = (&local, &done);
        let reading = threads.spawn(move || {
            let (mut last, mut rounds) = (sums(&reader.snapshot()), 0_u32);
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                let snapshot = reader.snapshot();
                let now = sums(&snapshot);
                for (name, before) in &last {
                    let after = now.iter().find(|(other, _)| other == name).expect("it was there before").1;
                    let grew = before.iter().zip(after).all(|(before, after)| *before <= after);
                    assert!(grew, "{name} went from {before:?} to {after:?}");
                }
                last = now;
                rounds += 1;
            }
        });
        let joined: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        done.store(true, Ordering::Relaxed);
        reading.join().unwrap();
        assert!(joined.iter().all(Result::is_ok));
    });
    let calls = 8 * CALLS;
    assert_eq!(counts(&local, "outer"), [calls, calls / 5 * 4, calls / 5, 0, 0, 0]);
    assert_eq!(counts(&local, "inner"), [calls, 0, 0, 0, calls, 0]);
    assert_eq!(counts(&local, "sent"), [calls / 16, calls / 16, 0, 0, 0, 0]);
    let snapshot = local.snapshot();
    assert_eq!(stats(&local, "outer").items, calls);
    for stats in snapshot.operations() {
        assert_eq!(stats.durations.count(), stats.finished(), "{}", stats.name);
    }
    // Guards that wait for the other thread may fill a stack, which is counted.
    let known = edge(&snapshot, "outer", "inner").0;
    assert!(known <= calls && known + snapshot.monitor().stack_overflows >= calls, "{:?}", snapshot.edges());
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
}

#[test]
fn what_a_panicking_thread_left_open_is_closed() {
    let local = local();
    let joined = thread::scope(|threads| {
        let run = AssertUnwindSafe(|| {
            local.scope(|| {
                let _guard = local.operation("guard").start();
                local.track("closure", |_| -> () { panic!("as told") });
            });
        });
        threads.spawn(move || { run }.0()).join()
    });
    assert!(joined.is_err());
    assert_eq!(counts(&local, "guard"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "closure"), [1, 0, 0, 1, 0, 0]);
    assert!(local.active().is_empty());
    assert_eq!(local.snapshot().monitor().threads, 0);
}
