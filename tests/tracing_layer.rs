//! Spans of `tracing` as operations, in the shapes that programs give them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod tracing_support;

use std::sync::Barrier;
use std::{mem, panic, thread};

use monitor_core::{Context, Monitor, TrackFuture, monitor};
use tracing::instrument::Instrument;
use tracing::{Dispatch, Span, dispatcher, info_span};
use tracing_subscriber::prelude::*;
use tracing_support::{MS, Stage, counts};

#[test]
fn nested_spans_are_nested_operations() {
    let stage = Stage::plain();
    stage.run(|| {
        let _outer = info_span!("outer").entered();
        stage.pass(1);
        {
            let _inner = info_span!("inner").entered();
            stage.pass(2);
            let active = stage.local.active();
            assert_eq!(active.len(), 2);
            assert_eq!((active[0].name.as_str(), active[1].name.as_str()), ("outer", "inner"));
            assert_eq!(active[1].parent, Some(active[0].id));
        }
        stage.pass(4);
    });
    assert_eq!(stage.times("outer"), (7, 7, 5));
    assert_eq!(stage.times("inner"), (2, 2, 2));
    let snapshot = stage.local.snapshot();
    assert_eq!(snapshot.edges().len(), 1);
    assert_eq!(stage.local.recent(1).len(), 1);
    let outer = snapshot.operation("outer").unwrap();
    assert_eq!((outer.kind.as_str(), outer.component.as_str()), ("span", module_path!()));
    assert!(stage.local.active().is_empty());
}

#[test]
fn tracked_calls_and_spans_are_parents_of_each_other() {
    let stage = Stage::plain();
    stage.run(|| {
        info_span!("request").in_scope(|| {
            monitor().track("parse", |_| {
                info_span!("read").in_scope(|| stage.pass(3));
                stage.pass(1);
            });
        });
    });
    let parent = |name: &str| {
        let records = stage.local.recent(10);
        records.iter().find(|record| record.name == name).unwrap().parent_name.clone()
    };
    assert_eq!((parent("read").as_deref(), parent("parse").as_deref()), (Some("parse"), Some("request")));
    assert_eq!(stage.times("parse").2, 1);
    assert_eq!(stage.times("request"), (4, 4, 0));
}

#[test]
fn busy_and_idle_are_exact_over_many_enters() {
    let stage = Stage::plain();
    stage.run(|| {
        let span = info_span!("work");
        stage.pass(100); // not entered yet: no part of it
        for _ in 0..3 {
            span.in_scope(|| stage.pass(2));
            stage.pass(10);
        }
        let active = stage.local.active();
        assert_eq!((active.len(), active[0].polls, active[0].busy_time), (1, 3, 6 * MS));
        assert_eq!(active[0].state, monitor_core::ActiveState::Suspended);
        assert_eq!(active[0].age, 36 * MS);
    });
    assert_eq!(stage.times("work"), (26, 6, 6));
    assert_eq!(stage.local.snapshot().operation("work").unwrap().polls, 3);
    assert!(stage.local.active().is_empty());
}

#[test]
fn a_stray_handle_changes_neither_duration_nor_busy_time() {
    let stage = Stage::plain();
    let stray = stage.run(|| {
        let span = info_span!("short");
        span.in_scope(|| stage.pass(5));
        span.clone()
    });
    stage.pass(3_600_000);
    assert_eq!(stage.local.active().len(), 1, "it is not closed");
    thread::spawn(move || drop(stray)).join().unwrap();
    assert_eq!(stage.times("short"), (5, 5, 5));
    assert_eq!(counts(&stage.local, "short"), (1, 1, 0, 0));
    assert!(stage.local.active().is_empty());
}

#[test]
fn entered_again_on_the_same_thread_it_is_timed_once() {
    let stage = Stage::plain();
    stage.run(|| {
        let span = info_span!("again");
        let outer = span.enter();
        stage.pass(1);
        let inner = span.enter();
        stage.pass(2);
        drop(outer); // out of order
        stage.pass(4);
        drop(inner);
        stage.pass(8);
    });
    assert_eq!(stage.times("again"), (7, 7, 7));
    assert_eq!(stage.local.snapshot().operation("again").unwrap().polls, 1);
}

#[test]
fn entered_on_several_threads_at_once_it_adds_up_their_time() {
    let stage = Stage::plain();
    let span = stage.run(|| info_span!("shared"));
    let (entered, passed) = (Barrier::new(5), Barrier::new(5));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                stage.run(|| {
                    span.in_scope(|| {
                        entered.wait();
                        passed.wait();
                        monitor().track("inside", |_| ());
                    });
                });
            });
        }
        entered.wait();
        let active = stage.local.active();
        assert_eq!(active.iter().filter(|operation| operation.name == "shared").count(), 1, "one call");
        stage.pass(3);
        passed.wait();
    });
    drop(span);
    assert_eq!(stage.times("shared"), (3, 12, 12));
    assert_eq!(counts(&stage.local, "shared"), (1, 1, 0, 0));
    assert_eq!(counts(&stage.local, "inside"), (4, 4, 0, 0));
    let inside = stage.local.recent(10).into_iter().filter(|record| record.name == "inside");
    assert!(inside.into_iter().all(|record| record.parent_name.as_deref() == Some("shared")));
}

#[test]
fn made_here_entered_there_closed_elsewhere() {
    let stage = Stage::plain();
    let span = stage.run(|| {
        let _request = info_span!("request").entered();
        info_span!("job")
    });
    let span = thread::scope(|scope| {
        scope
            .spawn(|| {
                stage.run(|| {
                    span.in_scope(|| stage.pass(2));
                    span
                })
            })
            .join()
            .unwrap()
    });
    thread::spawn(move || drop(span)).join().unwrap();
    assert_eq!(stage.times("job"), (2, 2, 2));
    let job = stage.local.recent(10).into_iter().find(|record| record.name == "job").unwrap();
    assert_eq!(job.parent_name.as_deref(), Some("request"), "as tracing has it");
}

#[test]
fn explicit_parents_and_roots_are_kept() {
    let stage = Stage::plain();
    stage.run(|| {
        let elsewhere = info_span!("elsewhere");
        elsewhere.in_scope(|| ());
        let _around = info_span!("around").entered();
        let child = info_span!(parent: &elsewhere, "child");
        child.in_scope(|| {
            let parent = |name| stage.local.active().into_iter().find(|o| o.name == name).unwrap();
            assert_eq!(parent("child").parent, Some(parent("elsewhere").id));
            stage.pass(1);
        });
        info_span!(parent: None, "root").in_scope(|| stage.pass(2));
        drop(child);
        stage.pass(4);
    });
    let records = stage.local.recent(10);
    let parent = |name: &str| records.iter().find(|record| record.name == name).unwrap().parent_name.clone();
    assert_eq!(parent("child").as_deref(), Some("elsewhere"));
    assert_eq!(parent("root"), None);
    assert_eq!(stage.times("around"), (7, 7, 4), "what ran on its thread is not its own time");
}

#[test]
fn follows_from_is_no_parent() {
    let stage = Stage::plain();
    stage.run(|| {
        let cause = info_span!("cause");
        cause.in_scope(|| ());
        let effect = info_span!("effect");
        effect.follows_from(&cause);
        effect.follows_from(cause.id());
        effect.in_scope(|| stage.pass(1));
    });
    let effect = stage.local.recent(10).into_iter().find(|record| record.name == "effect").unwrap();
    assert_eq!((effect.parent, counts(&stage.local, "effect")), (None, (1, 1, 0, 0)));
}

#[test]
fn spans_that_are_never_closed_stay_active_and_harm_nothing() {
    let stage = Stage::plain();
    stage.run(|| {
        mem::forget(info_span!("kept").entered());
        let left = info_span!("left");
        left.in_scope(|| stage.pass(1));
        mem::forget(left);
        info_span!("after").in_scope(|| stage.pass(1));
    });
    let mut active: Vec<_> = stage.local.active().into_iter().map(|operation| operation.name).collect();
    active.sort();
    assert_eq!(active, ["kept", "left"]);
    assert_eq!(counts(&stage.local, "kept"), (1, 0, 0, 0));
    assert_eq!(counts(&stage.local, "after"), (1, 1, 0, 0));
    // The subscriber goes away with them in it.
    let local = stage.local.clone();
    drop(stage);
    assert_eq!(local.snapshot().operation("left").unwrap().in_flight(), 1);
}

#[test]
fn a_guard_that_is_forgotten_ends_with_its_span() {
    let stage = Stage::plain();
    stage.run(|| {
        let span = info_span!("odd");
        mem::forget(span.enter());
        stage.pass(2);
        drop(span);
        assert!(stage.local.active().is_empty());
        stage.pass(2);
        info_span!("next").in_scope(|| stage.pass(1));
    });
    assert_eq!(stage.times("odd"), (2, 2, 2));
    assert_eq!(stage.local.recent(9).iter().find(|r| r.name == "next").unwrap().parent, None);
}

#[test]
fn a_span_that_is_never_entered_is_no_call() {
    let stage = Stage::plain();
    stage.run(|| {
        let parent = info_span!("parent");
        info_span!(parent: &parent, "child").in_scope(|| ());
    });
    assert!(stage.local.snapshot().operation("parent").is_none());
    assert_eq!(counts(&stage.local, "child"), (1, 1, 0, 0));
}

fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> std::task::Poll<F::Output> {
    future.poll(&mut std::task::Context::from_waker(std::task::Waker::noop()))
}

/// Ready at the third poll.
async fn three_polls(stage: &Stage) {
    for _ in 0..2 {
        stage.pass(1);
        let mut first = true;
        std::future::poll_fn(
            |_| if mem::take(&mut first) { std::task::Poll::Pending } else { std::task::Poll::Ready(()) },
        )
        .await;
    }
    stage.pass(1);
}

#[test]
fn an_instrumented_future_is_busy_in_its_polls() {
    let stage = Stage::plain();
    let mut future = Box::pin(three_polls(&stage).instrument(stage.run(|| info_span!("download"))));
    while stage.run(|| poll_once(future.as_mut())).is_pending() {
        stage.pass(10);
    }
    drop(future);
    assert_eq!(stage.times("download"), (23, 3, 3));
    assert_eq!(counts(&stage.local, "download"), (1, 1, 0, 0));
}

#[test]
fn an_instrumented_future_that_is_dropped_half_way_ends() {
    let stage = Stage::plain();
    let inner = three_polls(&stage).tracked("inner");
    let mut future = Box::pin(inner.instrument(stage.run(|| info_span!("outer"))));
    assert!(stage.run(|| poll_once(future.as_mut())).is_pending());
    stage.pass(10);
    stage.run(|| drop(future));
    assert_eq!(stage.times("outer"), (11, 1, 0));
    assert_eq!(counts(&stage.local, "outer").1, 1, "a layer cannot tell");
    assert_eq!(stage.local.snapshot().operation("inner").unwrap().cancelled, 1, "a tracked future can");
    assert!(stage.local.active().is_empty());

    // Never polled: entered once, when it is dropped.
    stage.run(|| drop(three_polls(&stage).instrument(info_span!("unpolled"))));
    assert_eq!(stage.times("unpolled"), (0, 0, 0));
}

#[test]
fn instrumented_futures_on_a_runtime_keep_their_figures_apart() {
    let local = Monitor::builder().build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer().labels(["n"])));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..200_u64)
            .map(|n| {
                let span = dispatcher::with_default(&dispatch, || info_span!("task", n = n % 4));
                tokio::spawn(
                    async move {
                        for _ in 0..5 {
                            tokio::task::yield_now().await;
                        }
                    }
                    .instrument(span),
                )
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let snapshot = local.snapshot();
    let stats = snapshot.operation("task").unwrap();
    assert_eq!((stats.started, stats.succeeded, stats.series.len()), (200, 200, 4));
    assert_eq!(stats.polls, 200 * 7, "six polls and the drop");
    assert!(stats.busy_time <= stats.total_time);
    assert!(snapshot.active().is_empty());
}

#[test]
fn outside_of_the_monitors_scope_calls_are_recorded_all_the_same() {
    let stage = Stage::plain();
    let other = Monitor::builder().build().unwrap();
    for scoped in [false, true] {
        dispatcher::with_default(&stage.dispatch, || {
            let work = || {
                let outer = info_span!("outer");
                outer.in_scope(|| {
                    stage.pass(1);
                    info_span!("inner").in_scope(|| stage.pass(2));
                });
                assert_eq!(stage.local.active().len(), 1);
            };
            if scoped { other.scope(work) } else { work() }
        });
    }
    assert_eq!((stage.times("outer").0, stage.times("inner").0), (6, 4));
    assert_eq!(counts(&stage.local, "outer"), (2, 2, 0, 0));
    let inner = stage.local.recent(10).into_iter().find(|record| record.name == "inner").unwrap();
    assert_eq!(inner.parent_name.as_deref(), Some("outer"));
    assert_eq!(other.snapshot().operations().len(), 0);
    assert!(stage.local.active().is_empty());
}

#[test]
fn a_scope_that_is_left_while_a_span_is_entered_loses_nothing() {
    let stage = Stage::plain();
    dispatcher::with_default(&stage.dispatch, || {
        let entered = stage.local.scope(|| info_span!("long").entered());
        stage.pass(3);
        drop(entered);
        // The other way: entered before the scope, left within.
        let entered = info_span!("long").entered();
        stage.pass(4);
        stage.local.scope(|| drop(entered));
    });
    assert_eq!(stage.times("long"), (7, 7, 7));
    assert!(stage.local.active().is_empty());
}

#[test]
fn a_panic_that_leaves_a_span_is_its_outcome() {
    let stage = Stage::plain();
    stage.run(|| {
        let caught = panic::catch_unwind(|| {
            info_span!("outer").in_scope(|| {
                let caught = panic::catch_unwind(|| info_span!("inner").in_scope(|| panic!("on purpose")));
                assert!(caught.is_err());
                info_span!("fine").in_scope(|| ());
            });
        });
        assert!(caught.is_ok());
    });
    assert_eq!(counts(&stage.local, "inner"), (1, 0, 0, 1));
    assert_eq!(counts(&stage.local, "outer"), (1, 1, 0, 0));
    assert_eq!(counts(&stage.local, "fine"), (1, 1, 0, 0));
}

#[test]
fn a_monitor_that_is_switched_off_records_no_spans() {
    let stage = Stage::plain();
    stage.run(|| {
        stage.local.set_enabled(false);
        let off = info_span!("off");
        off.in_scope(|| stage.local.set_enabled(true));
        info_span!("on").in_scope(|| ());
    });
    let snapshot = stage.local.snapshot();
    assert!(snapshot.operation("off").is_none() && snapshot.operation("on").is_some());
}

#[test]
fn nested_deeper_than_the_stack_everything_is_counted() {
    fn nest(depth: u32) {
        if depth > 0 {
            info_span!("deep").in_scope(|| nest(depth - 1));
        }
    }

    let stage = Stage::plain();
    stage.run(|| nest(200));
    assert_eq!(counts(&stage.local, "deep"), (200, 200, 0, 0));
    assert!(stage.local.snapshot().monitor().stack_overflows > 0);
    assert!(Span::current().is_none() && stage.local.active().is_empty());
}

#[test]
fn spans_that_overlap_leave_their_parent_no_time_below_zero() {
    let stage = Stage::plain();
    stage.run(|| {
        for _ in 0..3 {
            let _around = info_span!("around").entered();
            let (first, second) = (info_span!("first"), info_span!("second"));
            let entered = first.enter();
            stage.pass(2);
            let entered_second = second.enter();
            stage.pass(3);
            drop(entered);
            stage.pass(2);
            drop(entered_second);
            stage.pass(1);
        }
    });
    assert_eq!((stage.times("first"), stage.times("second").0), ((15, 15, 15), 15));
    let (total, _, own) = stage.times("around");
    assert!(total == 24 && (0..=24).contains(&own), "{total} {own}");
}

#[test]
fn threads_that_end_while_a_span_is_entered_lose_nothing() {
    let stage = Stage::plain();
    let span = stage.run(|| info_span!("shared"));
    for round in 0..50 {
        // The memory by which a thread is told from others is likely the same each time.
        thread::scope(|scope| {
            scope.spawn(|| {
                stage.run(|| {
                    if round % 2 == 0 {
                        mem::forget(span.enter());
                    } else {
                        span.in_scope(|| stage.pass(1));
                    }
                });
            });
        });
    }
    drop(span);
    assert_eq!(counts(&stage.local, "shared"), (1, 1, 0, 0));
    assert!(stage.local.active().is_empty(), "{:?}", stage.local.active());
    stage.run(|| {
        info_span!("after").in_scope(|| assert_eq!(stage.local.active()[0].parent, None));
        assert!(Context::current().trace_id().is_none());
    });
}

#[test]
fn a_guard_in_a_thread_local_is_dropped_when_its_thread_ends() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<tracing::span::EnteredSpan>> = const { std::cell::RefCell::new(None) };
    }
    let stage = Stage::plain();
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            KEPT.set(None);
            stage.run(|| {
                let span = Context::new_trace().in_context(|| info_span!("kept"));
                KEPT.set(Some(span.entered()));
            });
            dispatcher::with_default(&stage.dispatch, || info_span!("more").in_scope(|| ()));
        });
        // Unlike the end of the scope it waits for the destructors, too.
        thread.join().unwrap();
    });
    assert_eq!(counts(&stage.local, "kept"), (1, 1, 0, 0));
    assert_eq!(counts(&stage.local, "more"), (1, 1, 0, 0));
    assert!(stage.local.active().is_empty());
}

#[test]
fn a_full_stack_and_a_change_of_threads_lose_no_span() {
    fn nest(depth: u32, f: &dyn Fn()) {
        if depth == 0 { f() } else { info_span!("deep").in_scope(|| nest(depth - 1, f)) }
    }

    let stage = Stage::plain();
    let shared = stage.run(|| Context::new_trace().in_context(|| info_span!("shared")));
    stage.run(|| {
        nest(80, &|| {
            shared.in_scope(|| {
                stage.pass(1);
                thread::scope(|scope| {
                    scope.spawn(|| stage.run(|| shared.in_scope(|| monitor().track("there", |_| stage.pass(2)))));
                });
            });
            // Left in another order than entered.
            let (first, second) = (shared.enter(), info_span!("second").entered());
            stage.pass(4);
            drop(first);
            stage.pass(1);
            drop(second);
        });
    });
    drop(shared);
    assert_eq!(stage.times("shared"), (7, 9, 7));
    assert_eq!(stage.times("second"), (5, 5, 5));
    let there = stage.local.recent(99).into_iter().find(|record| record.name == "there").unwrap();
    assert_eq!(there.parent_name.as_deref(), Some("shared"));
    assert!(stage.local.active().is_empty());
    assert_eq!(counts(&stage.local, "deep"), (80, 80, 0, 0));
}
