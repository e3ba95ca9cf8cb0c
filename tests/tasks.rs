//! Tracked tasks on runtimes, and the guards that they hold: whichever thread polls, ends or drops, everything counts
//! once, finds its parent and leaves the threads clean.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::future::pending;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use monitor_core::{Operation, TrackFuture, monitor};
use tests::{begun, begun_here, counts, edge, hop, local, poll_once, stats, yield_once};
use tokio::runtime::{Builder, Runtime};

fn two_workers() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_time().build().unwrap()
}

#[test]
fn abort_and_the_end_of_the_runtime_cancel() {
    let local = local();
    let runtime = two_workers();
    let aborted = runtime.spawn(begun(&local, pending::<()>().tracked("aborted")));
    runtime.spawn(begun(&local, pending::<()>().tracked("shut_down")));
    let nested = async {
        monitor().track("sync", |_| ());
        pending::<()>().tracked("inner").await;
    };
    runtime.spawn(begun(&local, nested.tracked("outer")));
    aborted.abort();
    assert!(runtime.block_on(aborted).unwrap_err().is_cancelled());
    assert_eq!(counts(&local, "aborted"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counts(&local, "shut_down"), [1, 0, 0, 0, 0, 1]);
    drop(runtime);
    for name in ["shut_down", "outer", "inner"] {
        assert_eq!(counts(&local, name), [1, 0, 0, 0, 1, 0], "{name}");
    }
    assert_eq!(edge(&local.snapshot(), "outer", "inner").0, 1);
    assert!(local.active().is_empty());
}

#[test]
fn a_panic_in_a_task_is_the_futures() {
    let local = local();
    let runtime = two_workers();
    let future = async {
        let _guard = monitor().operation("guard").start();
        yield_once().await;
        let waits = pending::<()>().tracked("waits");
        let mut waits = pin!(waits);
        assert!(poll_once(waits.as_mut()).is_pending());
        panic!("in the task");
    };
    let joined = runtime.block_on(runtime.spawn(begun(&local, future.tracked("task"))));
    assert!(joined.unwrap_err().is_panic());
    assert_eq!(counts(&local, "task"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "guard"), [1, 0, 0, 1, 0, 0]);
    // It did not panic; it was dropped by the panic of another.
    assert_eq!(counts(&local, "waits"), [1, 0, 0, 0, 1, 0]);
    assert!(local.active().is_empty(), "{:?}", local.active());
}

/// A task that hops between threads with a future, a guard and synchronous calls inside.
async fn wandering(number: usize) {
    let name = ["a", "b", "c", "d"][number % 4];
    let guard = monitor().operation(["guard.a", "guard.b", "guard.c", "guard.d"][number % 4]).start();
    hop().await;
    for _ in 0..3 {
        monitor().track(["sync.a", "sync.b", "sync.c", "sync.d"][number % 4], |_| ());
        hop().await;
        async {
            hop().await;
            monitor().track("leaf", |_| ());
        }
        .tracked(name)
        .await;
    }
    guard.succeed();
}

#[test]
fn a_thousand_tasks_on_two_threads_find_their_parents() {
    const TASKS: usize = 1_000;
    let local = local();
    let runtime = two_workers();
    let finished = AtomicBool::new(false);
    thread::scope(|threads| {
        let (reader, finished) = (&local, &finished);
        let reading = threads.spawn(move || {
            while !finished.load(Ordering::Relaxed) {
                let active = reader.active();
                let mut ids: Vec<_> = active.iter().map(|operation| operation.id).collect();
                ids.sort_unstable();
                let all = ids.len();
                ids.dedup();
                assert_eq!(ids.len(), all, "an operation is listed twice");
            }
        });
        let tasks: Vec<_> = (0..TASKS)
            .map(|n| {
                let task = wandering(n).tracked(["task.a", "task.b", "task.c", "task.d"][n % 4]);
                runtime.spawn(begun(&local, task))
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        finished.store(true, Ordering::Relaxed);
        reading.join().unwrap();
    });
    let (snapshot, quarter) = (local.snapshot(), TASKS as u64 / 4);
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
    for letter in ["a", "b", "c", "d"] {
        let [task, guard, sync] = ["task", "guard", "sync"].map(|name| format!("{name}.{letter}"));
        for (name, calls) in [(&*task, 1), (&guard, 1), (&sync, 3), (letter, 3)] {
            assert_eq!(counts(&local, name), [calls * quarter, calls * quarter, 0, 0, 0, 0], "{name}");
        }
        for (caller, callee, calls) in
            [(&*task, &*guard, 1), (&guard, &sync, 3), (&guard, letter, 3), (letter, "leaf", 3)]
        {
            assert_eq!(edge(&snapshot, caller, callee).0, calls * quarter, "{caller} -> {callee}");
        }
    }
    // 4 times: task to guard, guard to sync, guard to future, future to leaf. Nobody is anybody else's child.
    assert_eq!(snapshot.edges().len(), 16, "{:?}", snapshot.edges());
    assert_eq!(snapshot.monitor().stack_overflows, 0);
}

#[test]
fn other_tasks_of_the_thread_are_no_children_of_a_guard_that_waits() {
    let local = local();
    let runtime = Builder::new_current_thread().build().unwrap();
    local.scope(|| {
        runtime.block_on(async {
            let holds = async {
                let _guard = monitor().operation("held").start();
                hop().await;
                hop().await;
            };
            let other = async {
                monitor().track("other", |_| ());
                hop().await;
                monitor().track("other", |_| ());
            };
            tokio::join!(holds.tracked("holds"), other);
        });
    });
    assert_eq!(counts(&local, "other"), [2, 2, 0, 0, 0, 0]);
    let edges = local.snapshot().edges().to_vec();
    assert!(edges.iter().all(|edge| edge.callee != "other"), "{edges:?}");
    assert!(local.active().is_empty());
}

#[test]
fn a_guard_sent_out_of_a_waiting_future_counts_once_and_leaves_no_trace() {
    let local = local();
    let (sender, receiver) = std::sync::mpsc::channel::<Operation>();
    local.scope(|| {
        let gives = async move {
            sender.send(monitor().operation("given").start()).unwrap();
            yield_once().await;
            monitor().track("child", |_| ());
        };
        let mut gives = begun(&local, gives.tracked("gives"));
        receiver.recv().unwrap().succeed();
        assert_eq!(counts(&local, "given"), [1, 1, 0, 0, 0, 0]);
        assert!(poll_once(gives.as_mut()).is_ready());
        local.track("after", |_| ());
    });
    let snapshot = local.snapshot();
    assert_eq!(edge(&snapshot, "gives", "child").0, 1, "{:?}", snapshot.edges());
    assert!(!snapshot.edges().iter().any(|edge| edge.callee == "after"), "{:?}", snapshot.edges());
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
}

#[test]
fn a_guard_that_outlives_its_future_is_no_parent_on_a_thread_where_it_did_not_start() {
    let local = local();
    let kept = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&kept);
    let gives = async move {
        *slot.lock().unwrap() = Some(monitor().operation("given").start());
        yield_once().await;
    };
    let mut future = begun(&local, gives.tracked("gives"));
    thread::scope(|threads| {
        threads.spawn(|| {
            local.scope(|| {
                assert!(poll_once(future.as_mut()).is_ready());
                local.track("after", |_| ());
            });
        });
    });
    assert_eq!(counts(&local, "given"), [1, 0, 0, 0, 0, 1]);
    drop(kept.lock().unwrap().take());
    assert_eq!(counts(&local, "given"), [1, 1, 0, 0, 0, 0]);
    let snapshot = local.snapshot();
    assert!(!snapshot.edges().iter().any(|edge| edge.callee == "after"), "{:?}", snapshot.edges());
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
}

#[test]
fn guards_that_others_end_while_their_futures_hop_count_once() {
    const TASKS: usize = 2_000;
    let local = local();
    let runtime = two_workers();
    let (sender, receiver) = std::sync::mpsc::channel::<Arc<Mutex<Option<Operation>>>>();
    let ends = thread::spawn(move || {
        for slot in receiver {
            let guard = slot.lock().unwrap().take();
            drop(guard);
        }
    });
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let sender = sender.clone();
            let task = async move {
                let slot = Arc::new(Mutex::new(Some(monitor().operation("shared").start())));
                hop().await;
                sender.send(Arc::clone(&slot)).unwrap();
                for _ in 0..4 {
                    hop().await;
                }
                let left = slot.lock().unwrap().take();
                drop(left);
                hop().await;
            };
            runtime.spawn(begun(&local, task.tracked("task")))
        })
        .collect();
    drop(sender);
    runtime.block_on(async {
        for task in tasks {
            task.await.unwrap();
        }
    });
    ends.join().unwrap();
    drop(runtime);
    let all = TASKS as u64;
    assert_eq!(counts(&local, "shared"), [all, all, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "task"), [all, all, 0, 0, 0, 0]);
    let snapshot = local.snapshot();
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
    assert_eq!(stats(&local, "shared").durations.count(), all);
    assert!(snapshot.edges().iter().all(|edge| (&*edge.caller, &*edge.callee) == ("task", "shared")));
}

#[test]
fn guards_in_more_waiting_futures_than_are_listed_count_all_the_same() {
    const MANY: usize = 80_000;
    let local = local();
    let holds = || async {
        let _guard = monitor().operation("held").start();
        pending::<()>().await;
    };
    let waiting: Vec<_> = local.scope(|| (0..MANY).map(|_| begun_here(holds().tracked("holds"))).collect());
    assert_eq!(counts(&local, "held"), [MANY as u64, 0, 0, 0, 0, MANY as u64]);
    local.scope(|| drop(waiting));
    assert_eq!(counts(&local, "holds"), [MANY as u64, 0, 0, 0, MANY as u64, 0]);
    assert_eq!(counts(&local, "held"), [MANY as u64, MANY as u64, 0, 0, 0, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn a_guard_that_a_waiting_future_holds_is_active() {
    let local = local();
    let future = begun(
        &local,
        async {
            let _guard = monitor().operation("held").start();
            pending::<()>().await;
        }
        .tracked("holds"),
    );
    let names: Vec<_> = local.active().into_iter().map(|operation| operation.name).collect();
    assert_eq!(names, ["holds", "held"]);
    drop(future);
    assert!(local.active().is_empty());
}
