//! Calls, futures, scopes and handles.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::thread;

use monitor_core::{TrackFuture, monitor, track_operation};
use tests::{counts, local, poll_once, stats, yield_once};

use super::process::{Child, attributed, forked, under_load};

pub(super) fn parent_and_child_go_on_and_the_child_begins_clean() {
    for _ in 0..3 {
        attributed();
        let _ = monitor().try_track("parent", |_| Err::<(), _>("of the parent"));
    }
    let child = forked(|| {
        let snapshot = monitor().snapshot();
        assert!(snapshot.operations().is_empty(), "the child has figures of its parent: {snapshot}");
        assert!(monitor().recent(10).is_empty() && snapshot.errors().is_empty());
        attributed();
        let _ = monitor().try_track("child", |_| Err::<(), _>("of the child"));
        assert_eq!(counts(&monitor(), "attributed"), [1, 1, 0, 0, 0, 0]);
        assert_eq!(counts(&monitor(), "child"), [1, 0, 1, 0, 0, 0]);
        assert_eq!(monitor().recent(1)[0].error.as_ref().map(|error| &*error.message), Some("of the child"));
        assert_eq!(monitor().snapshot().errors()[0].newest().unwrap().error.message, "of the child");
        assert!(monitor().active().is_empty());
        // Its children begin clean in turn, and its threads record.
        thread::spawn(|| monitor().track("child", |_| ())).join().unwrap();
        assert_eq!(stats(&monitor(), "child").started, 2);
        forked(|| assert!(monitor().snapshot().operations().is_empty())).succeeds();
    });
    attributed();
    child.succeeds();
    assert_eq!(counts(&monitor(), "attributed"), [4, 4, 0, 0, 0, 0]);
    assert_eq!(counts(&monitor(), "parent"), [3, 0, 3, 0, 0, 0]);
    assert_eq!(counts(&monitor(), "child"), [0; 6]);
}

#[track_operation(name = "around")]
fn fork_inside() -> Option<Child> {
    // SAFETY: as in `forked`.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0, "fork: {}", std::io::Error::last_os_error());
    (pid > 0).then_some(Child(pid))
}

pub(super) fn a_call_that_runs_while_forking_is_the_parents_alone() {
    let guard = monitor().operation("guard").start();
    let failing = monitor().operation("guard").start();
    let Some(child) = fork_inside() else {
        // In the child: its guard of the attribute has just ended.
        let status = catch_unwind(AssertUnwindSafe(|| {
            guard.succeed();
            failing.fail_with("in the child");
            let operations = monitor().snapshot().operations().len();
            assert_eq!(operations, 0, "an inherited call was counted");
            attributed();
            assert!(monitor().snapshot().edges().is_empty());
            assert_eq!(counts(&monitor(), "attributed"), [1, 1, 0, 0, 0, 0]);
        }));
        // SAFETY: as in `forked`.
        unsafe { libc::_exit(i32::from(status.is_err())) }
    };
    child.succeeds();
    guard.succeed();
    failing.fail_with("in the parent");
    assert_eq!(counts(&monitor(), "guard"), [2, 1, 1, 0, 0, 0]);
    assert_eq!(counts(&monitor(), "around"), [1, 1, 0, 0, 0, 0]);
}

pub(super) fn a_fork_inside_a_scope_leaves_it_to_the_parent() {
    monitor().track("before_scope", |_| ());
    let local = local();
    let child = local.scope(|| {
        let guard = local.operation("scoped").start();
        let child = forked(|| {
            // Every handle leads to the child's own monitor.
            local.scope(|| monitor().track("in_child", |_| ()));
            monitor().track("in_child", |_| ());
            local.track("in_child", |_| ());
            guard.succeed();
            thread::spawn(|| monitor().track("in_child", |_| ())).join().unwrap();
            assert_eq!(counts(&monitor(), "in_child"), [4, 4, 0, 0, 0, 0]);
            assert_eq!(counts(&local, "in_child"), [4, 4, 0, 0, 0, 0]);
            assert_eq!(local.snapshot().operations().len(), 1, "the child has figures of its parent");
            local.error_with("in the child").record();
            assert_eq!(monitor().snapshot().errors()[0].pattern, "in the child");
            assert!(monitor().resolve_errors(local.snapshot().errors()[0].fingerprint));
            assert!(local.snapshot().edges().is_empty() && local.active().is_empty());
        });
        local.track("in_parent", |_| ());
        child
    });
    child.succeeds();
    assert_eq!(counts(&local, "in_parent"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "in_child"), [0; 6]);
    assert!(local.snapshot().errors().is_empty());
}

pub(super) fn a_child_that_leaves_an_inherited_scope_records_into_its_own_monitor() {
    monitor().track("before_scope", |_| ());
    let local = local();
    // SAFETY: as in `forked`.
    let pid = local.scope(|| unsafe { libc::fork() });
    if pid == 0 {
        let status = catch_unwind(|| {
            attributed();
            monitor().track("after_scope", |_| ());
            assert_eq!(counts(&monitor(), "before_scope"), [0; 6]);
            assert_eq!(counts(&monitor(), "attributed"), [1, 1, 0, 0, 0, 0]);
            assert_eq!(counts(&monitor(), "after_scope"), [1, 1, 0, 0, 0, 0]);
        });
        // SAFETY: as in `forked`.
        unsafe { libc::_exit(i32::from(status.is_err())) }
    }
    Child(pid).succeeds();
    assert_eq!(counts(&monitor(), "after_scope"), [0; 6]);
}

fn begun_future() -> Pin<Box<impl Future<Output = ()>>> {
    let body = async {
        yield_once().await;
        monitor().track("inside_future", |_| ());
    };
    let mut future = Box::pin(body.tracked("future"));
    assert!(poll_once(future.as_mut()).is_pending());
    future
}

pub(super) fn an_inherited_future_ends_in_the_child_without_being_counted() {
    let mut future = begun_future();
    let dropped = begun_future();
    forked(|| {
        assert!(poll_once(future.as_mut()).is_ready());
        drop(dropped);
        assert_eq!(counts(&monitor(), "future"), [0; 6]);
        assert!(monitor().active().is_empty());
    })
    .succeeds();
    assert!(poll_once(future.as_mut()).is_ready());
    assert_eq!(stats(&monitor(), "future").succeeded, 1);
}

pub(super) fn calls_inside_an_inherited_future_are_the_childs() {
    let mut future = begun_future();
    forked(|| {
        assert!(poll_once(future.as_mut()).is_ready());
        let inside = counts(&monitor(), "inside_future");
        assert_eq!(inside, [1, 1, 0, 0, 0, 0], "a call of the child went to the parent's monitor");
    })
    .succeeds();
}

pub(super) fn an_inherited_handle_of_the_process_is_harmless() {
    let inherited = monitor();
    forked(|| {
        inherited.track("by_handle", |_| ());
        let _ = inherited.try_track("by_handle", |_| Err::<(), _>("x"));
        inherited.scope(|| monitor().track("by_handle", |_| ()));
        let _ = (inherited.snapshot(), inherited.recent(5), inherited.active());
        assert_eq!(counts(&monitor(), "by_handle"), [3, 2, 1, 0, 0, 0]);
        assert_eq!(counts(&inherited, "by_handle"), [3, 2, 1, 0, 0, 0]);
    })
    .succeeds();
    assert_eq!(counts(&monitor(), "by_handle"), [0; 6]);
}

pub(super) fn a_fork_while_others_record_at_full_speed_is_safe() {
    let record = |name: &str| {
        attributed();
        let _ = monitor().try_track(name, |_| Err::<(), _>("x"));
    };
    under_load(record, || {
        assert!(monitor().snapshot().operations().is_empty());
        for n in 0..50 {
            record(&format!("child {n}"));
        }
        assert_eq!(stats(&monitor(), "attributed").succeeded, 50);
        assert_eq!(monitor().snapshot().operations().len(), 51);
        assert_eq!(monitor().recent(5).len(), 5);
    });
}

pub(super) fn a_fork_while_others_record_into_a_local_monitor_hangs_nobody() {
    let local = local();
    let record = |name: &str| local.scope(|| _ = local.try_track(name, |_| Err::<(), _>("x")));
    under_load(record, || {
        record("known");
        record("new in the child");
        let _ = local.snapshot();
        let _ = local.recent(5);
        local.scope(attributed);
    });
}

pub(super) fn an_inherited_handle_of_a_busy_process_hangs_nobody() {
    let inherited = monitor();
    under_load(
        |name| _ = monitor().try_track(name, |_| Err::<(), _>("x")),
        || {
            inherited.track("new in the child", |_| ());
            let _ = inherited.snapshot();
            let _ = inherited.recent(5);
        },
    );
}
