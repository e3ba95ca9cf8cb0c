//! Tracked futures: every way in which one ends, on every kind of runtime; its times; and who is whose parent, whichever
//! thread polls.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::future::{Future, pending, poll_fn, ready};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use monitor_core::{ActiveState, ManualClock, TrackFuture, monitor, track_operation};
use tests::{begun, begun_here, block_on, counts, edge, local, panics, poll_once, stats, with_clock, yield_once};
use tokio::runtime::{Builder, Runtime};

const MS: Duration = Duration::from_millis(1);

/// Its clock stands still and jumps to the next timer when nothing else is left to do.
fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

#[test]
fn a_future_that_is_never_polled_records_nothing() {
    let local = local();
    local.scope(|| {
        drop(ready(1).tracked("never"));
        drop(attributed(1));
    });
    let snapshot = local.snapshot();
    assert!(snapshot.operations().is_empty(), "{snapshot}");
}

#[track_operation(name = "attributed")]
async fn attributed(yields: u32) -> u32 {
    for _ in 0..yields {
        yield_once().await;
    }
    yields
}

#[test]
fn a_future_ends_as_its_output_says() {
    let local = local();
    local.scope(|| {
        assert_eq!(block_on(ready(5).tracked("future")), 5);
        let _ = block_on(ready(Err::<u8, u8>(1)).tracked("future"));
        let _ = block_on(ready(Err::<u8, &str>("no")).try_tracked("future"));
        assert_eq!(local.recent(1)[0].error.as_ref().map(|error| &*error.message), Some("no"));
        assert!(block_on(ready(None::<u8>).tracked("future")).is_none());
        assert_eq!(block_on(attributed(3)), 3);
    });
    assert_eq!(counts(&local, "future"), [4, 2, 2, 0, 0, 0]);
    assert_eq!(stats(&local, "future").polls, 4);
    assert_eq!((counts(&local, "attributed"), stats(&local, "attributed").polls), ([1, 1, 0, 0, 0, 0], 4));
    assert!(local.active().is_empty());
}

#[test]
fn a_future_dropped_before_it_is_ready_is_cancelled() {
    let local = local();
    local.scope(|| {
        let mut future = Box::pin(pending::<()>().tracked("dropped").items(3));
        assert!(poll_once(future.as_mut()).is_pending());
        assert_eq!(local.active().len(), 1);
        drop(future);
        // One that is ready and dropped later was not.
        let mut done = Box::pin(ready(()).tracked("done"));
        assert!(poll_once(done.as_mut()).is_ready());
        drop(done);
    });
    assert_eq!(counts(&local, "dropped"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(stats(&local, "dropped").items, 3);
    assert_eq!(counts(&local, "done"), [1, 1, 0, 0, 0, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn timeout_and_select_cancel() {
    let local = local();
    local.scope(|| {
        one_thread().block_on(async {
            let late = tokio::time::sleep(Duration::from_mins(1)).tracked("late");
            assert!(tokio::time::timeout(Duration::from_secs(1), late).await.is_err());
            let early = tokio::time::sleep(Duration::from_secs(1)).tracked("early");
            assert!(tokio::time::timeout(Duration::from_mins(1), early).await.is_ok());
            // The slow one is polled first, so it has begun when the other one wins.
            tokio::select! {
                biased;
                () = pending::<()>().tracked("loser") => {}
                () = ready(()).tracked("winner") => {}
            }
        });
    });
    assert_eq!(counts(&local, "late"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counts(&local, "early"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "loser"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counts(&local, "winner"), [1, 1, 0, 0, 0, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn a_panic_caught_around_a_poll_leaves_the_thread_clean() {
    let local = local();
    local.scope(|| {
        let mut future = Box::pin(async { panic!("in the poll") }.tracked("future"));
        let outer = local.operation("outer").start();
        assert!(panics(|| {
            let _: Poll<()> = poll_once(future.as_mut());
        }));
        local.track("child", |_| ());
        drop(future);
        outer.succeed();
    });
    assert_eq!(counts(&local, "future"), [1, 0, 0, 1, 0, 0]);
    assert_eq!(counts(&local, "outer"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(edge(&local.snapshot(), "outer", "child").0, 1);
    assert!(local.active().is_empty());
}

/// Panics when dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in the destructor");
    }
}

#[test]
fn a_future_whose_destructor_panics_counts_once() {
    let local = local();
    local.scope(|| {
        let future = begun(
            &local,
            async {
                let _bomb = Bomb;
                pending::<()>().await;
            }
            .tracked("bomb"),
        );
        assert!(panics(|| drop(future)));
        local.track("after", |_| ());
    });
    assert_eq!(counts(&local, "bomb"), [1, 0, 0, 1, 0, 0]);
    assert!(local.snapshot().edges().is_empty());
    assert!(local.active().is_empty());
}

/// Takes time in each poll and waits in between.
fn steps(clock: &ManualClock, polls: u32) -> impl Future<Output = ()> + use<> {
    let (clock, mut left) = (clock.clone(), polls);
    poll_fn(move |_| {
        clock.advance(MS);
        left -= 1;
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
}

#[test]
fn wall_time_busy_time_and_polls_are_those_of_the_clock() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let parent = async {
            clock.advance(2 * MS);
            steps(&clock, 3).tracked("child").await;
            monitor().track("sync", |_| clock.advance(5 * MS));
            yield_once().await;
        };
        let mut parent = pin!(parent.tracked("parent"));
        while poll_once(parent.as_mut()).is_pending() {
            clock.advance(100 * MS);
        }
    });
    let [parent, child, sync] = ["parent", "child", "sync"].map(|name| stats(&local, name));
    assert_eq!((child.polls, child.busy_time, child.total_time), (3, 3 * MS, 203 * MS));
    assert_eq!((sync.total_time, sync.busy_time, sync.polls), (5 * MS, 5 * MS, 0));
    // Four polls: three of the child's, one more after the pause.
    assert_eq!((parent.polls, parent.busy_time, parent.total_time), (4, 10 * MS, 310 * MS));
    assert_eq!((parent.self_time, child.self_time), (2 * MS, 3 * MS));
    let snapshot = local.snapshot();
    assert_eq!(edge(&snapshot, "parent", "child"), (1, 203 * MS));
    assert_eq!(edge(&snapshot, "parent", "sync"), (1, 5 * MS));
}

#[test]
fn two_children_at_once_have_one_parent_and_leave_it_its_own_time() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let parent = async {
            clock.advance(MS);
            tokio::join!(steps(&clock, 3).tracked("left"), steps(&clock, 5).tracked("right"));
        };
        let mut parent = pin!(parent.tracked("parent"));
        while poll_once(parent.as_mut()).is_pending() {
            clock.advance(10 * MS);
        }
    });
    let [parent, left, right] = ["parent", "left", "right"].map(|name| stats(&local, name));
    assert_eq!((left.busy_time, right.busy_time), (3 * MS, 5 * MS));
    assert_eq!((parent.busy_time, parent.self_time), (9 * MS, MS));
    let snapshot = local.snapshot();
    assert_eq!((edge(&snapshot, "parent", "left").0, edge(&snapshot, "parent", "right").0), (1, 1));
    assert_eq!(snapshot.edges().len(), 2, "{:?}", snapshot.edges());
}

#[test]
fn a_future_dropped_by_another_thread_is_cancelled_once() {
    let local = local();
    let inner = async {
        let _guard = monitor().operation("guard").start();
        pending::<()>().tracked("inner").await;
    };
    let future = begun(&local, inner.tracked("outer"));
    thread::spawn(move || drop(future)).join().unwrap();
    assert_eq!(counts(&local, "outer"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counts(&local, "inner"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(counts(&local, "guard"), [1, 1, 0, 0, 0, 0]);
    let snapshot = local.snapshot();
    assert_eq!((edge(&snapshot, "outer", "guard").0, edge(&snapshot, "guard", "inner").0), (1, 1));
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
}

#[test]
fn what_is_suspended_and_what_runs_is_active_once_each() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let waits = begun(&local, pending::<()>().tracked("waits"));
        clock.advance(MS);
        let reader = local.clone();
        let looks = async move {
            yield_once().await;
            reader.active()
        };
        let active = block_on(looks.tracked("looks"));
        let shown: Vec<_> = active.iter().map(|a| (a.name.as_str(), a.state, a.polls, a.thread.is_some())).collect();
        assert_eq!(shown, [("waits", ActiveState::Suspended, 1, false), ("looks", ActiveState::Running, 1, true)]);
        assert_eq!(active[0].age, MS);
        drop(waits);
    });
    assert!(local.active().is_empty());
}

#[test]
fn a_future_goes_on_recording_where_it_began() {
    let (local, other) = (local(), local());
    let body = async {
        monitor().track("inside", |_| ());
        yield_once().await;
        monitor().track("inside", |_| ());
    };
    let future = begun(&local, body.tracked("future"));
    other.scope(|| {
        let around = other.operation("around").start();
        block_on(future);
        other.track("beside", |_| ());
        around.succeed();
    });
    assert_eq!(counts(&local, "future"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "inside"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(edge(&local.snapshot(), "future", "inside").0, 2);
    let names: Vec<_> = other.snapshot().operations().iter().map(|stats| stats.name.clone()).collect();
    assert!(names.iter().all(|name| name == "around" || name == "beside"), "{names:?}");
    assert_eq!(edge(&other.snapshot(), "around", "beside").0, 1);
}

#[test]
fn futures_nested_deeper_than_the_stack_are_counted_exactly() {
    fn nested(depth: u32) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(
            async move {
                if depth > 0 {
                    nested(depth - 1).await;
                } else {
                    yield_once().await;
                }
            }
            .tracked("nested"),
        )
    }
    let local = local();
    local.scope(|| {
        block_on(nested(199));
        drop(begun(&local, nested(199)));
        local.track("after", |_| ());
    });
    assert_eq!(counts(&local, "nested"), [400, 200, 0, 0, 200, 0]);
    assert!(local.active().is_empty());
    assert!(!local.snapshot().edges().iter().any(|edge| edge.callee == "after"));
}

#[test]
fn more_waiting_futures_than_are_listed_are_counted_all_the_same() {
    const MANY: usize = (1 << 16) + 100;
    let local = local();
    let waiting: Vec<_> = local.scope(|| (0..MANY).map(|_| begun_here(pending::<()>().tracked("many"))).collect());
    assert_eq!(counts(&local, "many"), [MANY as u64, 0, 0, 0, 0, MANY as u64]);
    let snapshot = local.snapshot();
    assert_eq!(snapshot.active().len() as u64 + snapshot.monitor().task_overflows, MANY as u64);
    local.scope(|| drop(waiting));
    assert_eq!(counts(&local, "many"), [MANY as u64, 0, 0, 0, MANY as u64, 0]);
    assert!(local.active().is_empty());
}

#[test]
fn a_task_that_outlives_every_other_handle_keeps_its_monitor() {
    let local = Arc::new(local());
    let future = begun(&local, pending::<()>().tracked("last"));
    drop(local);
    thread::spawn(move || drop(future)).join().unwrap();
}

#[test]
fn the_switch_turned_while_a_future_waits_changes_nothing_for_it() {
    let local = local();
    local.scope(|| {
        let mut running = begun_here(attributed(1));
        local.set_enabled(false);
        let mut unseen = Box::pin(attributed(1));
        assert!(poll_once(unseen.as_mut()).is_pending());
        assert!(poll_once(running.as_mut()).is_ready());
        local.set_enabled(true);
        assert!(poll_once(unseen.as_mut()).is_ready());
    });
    assert_eq!(counts(&local, "attributed"), [1, 1, 0, 0, 0, 0]);
}
