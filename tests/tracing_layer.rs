//! Spans of `tracing` as operations, in the shapes that programs give them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{mem, panic, thread};

use monitor_core::{Context, FieldValue, ManualClock, Monitor, TrackFuture, monitor};
use tracing::instrument::Instrument;
use tracing::{Dispatch, Level, Span, dispatcher, info_span};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// A monitor whose clock stands still, and a subscriber with its layer.
struct Stage {
    local: Monitor,
    clock: ManualClock,
    dispatch: Dispatch,
}

impl Stage {
    fn new(set: impl FnOnce(monitor_core::tracing::MonitorLayer) -> monitor_core::tracing::MonitorLayer) -> Stage {
        let clock = ManualClock::new();
        let local = Monitor::builder().clock(&clock).build().unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(set(local.tracing_layer())));
        Stage { local, clock, dispatch }
    }

    fn plain() -> Stage {
        Stage::new(|layer| layer)
    }

    /// On a thread that records into the monitor.
    fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || self.local.scope(f))
    }

    /// Where the time goes by in whole milliseconds.
    fn pass(&self, ms: u32) {
        self.clock.advance(ms * MS);
    }

    /// Total, busy and self time of an operation in milliseconds.
    fn times(&self, name: &str) -> (u128, u128, i128) {
        let snapshot = self.local.snapshot();
        let stats = snapshot.operation(name).unwrap();
        let own = i128::try_from(stats.self_time.as_millis()).unwrap();
        (stats.total_time.as_millis(), stats.busy_time.as_millis(), own)
    }
}

fn counts(local: &Monitor, name: &str) -> (u64, u64, u64, u64) {
    let snapshot = local.snapshot();
    let stats = snapshot.operation(name).unwrap_or_else(|| panic!("no operation {name}"));
    (stats.started, stats.succeeded, stats.failed, stats.panicked)
}

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
fn spans_are_chosen_by_level_and_filter_and_never_our_own() {
    let stage = Stage::new(|layer| {
        layer.max_level(Level::DEBUG).spans(|metadata| {
            assert!(!metadata.name().starts_with("broken"), "on purpose");
            metadata.target() != "noise"
        })
    });
    stage.run(|| {
        tracing::debug_span!("debug").in_scope(|| ());
        tracing::trace_span!("trace").in_scope(|| ());
        info_span!(target: "noise", "noisy").in_scope(|| info_span!("inside").in_scope(|| ()));
        info_span!(target: "monitor", "own").in_scope(|| ());
        info_span!("broken").in_scope(|| ());
    });
    let snapshot = stage.local.snapshot();
    let names: Vec<_> = snapshot.operations().iter().map(|stats| stats.name.clone()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(snapshot.operation("debug").is_some() && snapshot.operation("inside").is_some());
    assert!(Stage::plain().local.snapshot().operations().is_empty());
}

#[test]
fn only_listed_fields_are_read() {
    #[derive(Clone)]
    struct Secret;
    impl std::fmt::Debug for Secret {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("nobody may look at this")
        }
    }
    let stage = Stage::new(|layer| layer.labels(["table", "late"]).fields(["user", "rows", "big", "ratio"]));
    stage.run(|| {
        let span = info_span!(
            "query",
            table = "users",
            late = tracing::field::Empty,
            user = 7,
            rows = tracing::field::Empty,
            big = u128::MAX,
            ratio = f64::NAN,
            password = ?Secret,
        );
        span.record("late", true);
        span.in_scope(|| stage.pass(1));
        span.record("rows", 3);
        span.record("rows", 4);
        span.record("late", false); // too late: its series is chosen
    });
    let snapshot = stage.local.snapshot();
    let series = &snapshot.operation("query").unwrap().series[0];
    assert_eq!(format!("{:?}", series.labels), r#"{"late": "true", "table": "users"}"#);
    let record = &stage.local.recent(1)[0];
    let value = |key: &str| record.fields.iter().find(|(known, _)| known == key).map(|(_, value)| value.clone());
    assert_eq!((value("user"), value("rows")), (Some(FieldValue::I64(7)), Some(FieldValue::I64(4))));
    assert_eq!(value("big"), Some(FieldValue::Text(u128::MAX.to_string())));
    assert!(matches!(value("ratio"), Some(FieldValue::F64(ratio)) if ratio.is_nan()));
    assert_eq!((value("password"), record.fields.len()), (None, 4));

    // Listed, it is read; its panic stays inside and is counted.
    let stage = Stage::new(|layer| layer.fields(["password"]));
    stage.run(|| info_span!("query", password = ?Secret).in_scope(|| ()));
    assert_eq!(stage.local.recent(1)[0].fields[0].1, FieldValue::Text("(panicked)".into()));
    assert_eq!(stage.local.snapshot().monitor().callbacks_panicked, 1);
}

#[test]
fn fields_are_bounded() {
    let stage = Stage::new(|layer| layer.labels(["label"]).fields(["text"]));
    let long = "ä".repeat(100_000);
    stage.run(|| info_span!("op", label = long.as_str(), text = %long).in_scope(|| ()));
    let record = &stage.local.recent(1)[0];
    assert!(record.labels["label"].len() <= 128 && record.fields[0].1.to_string().len() <= 256);
}

#[test]
fn an_error_event_belongs_to_the_operation_that_it_occurs_in() {
    let stage = Stage::new(|layer| layer.fields(["port"]));
    stage.run(|| {
        info_span!("connect").in_scope(|| {
            tracing::warn!("slow network");
            tracing::error!(port = 5432, secret = "x", "port 5432 refused");
        });
        info_span!("idle").in_scope(|| ());
    });
    assert_eq!(counts(&stage.local, "connect"), (1, 0, 1, 0));
    assert_eq!(counts(&stage.local, "idle"), (1, 1, 0, 0));
    let snapshot = stage.local.snapshot();
    assert_eq!(snapshot.errors().len(), 1, "the failure is not one more error: {:?}", snapshot.errors());
    let group = &snapshot.errors()[0];
    assert_eq!((group.kind.as_str(), group.pattern.as_str(), group.count), ("event", "port <n> refused", 1));
    let sample = group.newest().unwrap();
    let record = stage.local.recent(9).into_iter().find(|record| record.name == "connect").unwrap();
    assert_eq!((sample.operation_id, sample.operation.as_deref()), (Some(record.id), Some("connect")));
    assert_eq!(sample.context, [("port".to_owned(), FieldValue::I64(5432))]);
    assert!(sample.location.as_deref().is_some_and(|at| at.contains("tracing_layer.rs:")));
    assert_eq!(record.error.unwrap().message, "port 5432 refused");
}

#[test]
fn error_events_in_a_tracked_call_and_with_a_parent_of_their_own_find_their_operation() {
    let stage = Stage::plain();
    stage.run(|| {
        let other = info_span!("other");
        other.in_scope(|| ());
        info_span!("outer").in_scope(|| {
            monitor().track("tracked", |_| tracing::error!("inside"));
            tracing::error!(parent: &other, "for another one");
            tracing::error!(parent: None, "for nobody");
        });
    });
    let snapshot = stage.local.snapshot();
    let of = |pattern: &str| {
        let group = snapshot.errors().iter().find(|group| group.pattern == pattern).unwrap();
        group.newest().unwrap().operation.clone()
    };
    assert_eq!(of("inside").as_deref(), Some("tracked"));
    assert_eq!(of("for another one").as_deref(), Some("other"));
    assert_eq!(of("for nobody"), None);
    assert_eq!(counts(&stage.local, "other"), (1, 0, 1, 0));
    assert_eq!(counts(&stage.local, "outer"), (1, 0, 1, 0), "by the one in the tracked call, which is inside of it");
}

#[test]
fn a_storm_of_error_events_is_counted_exactly() {
    let stage = Stage::plain();
    stage.run(|| {
        for _ in 0..1_000 {
            info_span!("flood").in_scope(|| tracing::error!(error = %"refused", "no answer"));
        }
    });
    let snapshot = stage.local.snapshot();
    assert_eq!(counts(&stage.local, "flood"), (1_000, 0, 1_000, 0));
    let group = &snapshot.errors()[0];
    assert_eq!((snapshot.errors().len(), group.count), (1, 1_000));
    assert_eq!(group.newest().unwrap().error.to_string(), "event: no answer: refused");
}

#[test]
fn errors_of_events_can_be_left_alone() {
    let stage = Stage::new(|layer| layer.errors(None));
    stage.run(|| info_span!("op").in_scope(|| tracing::error!("nobody looks")));
    assert_eq!(counts(&stage.local, "op"), (1, 1, 0, 0));
    assert!(stage.local.snapshot().errors().is_empty());
    let stage = Stage::new(|layer| layer.errors(Level::WARN));
    stage.run(|| info_span!("op").in_scope(|| tracing::warn!("now it does")));
    assert_eq!(counts(&stage.local, "op"), (1, 0, 1, 0));
}

#[test]
fn fields_of_a_span_say_how_it_ended() {
    #[tracing::instrument(err)]
    fn parse(text: &str) -> Result<u8, std::num::ParseIntError> {
        text.parse()
    }

    let stage = Stage::plain();
    stage.run(|| {
        let _ = (parse("x"), parse("7"));
        info_span!("status", otel.status_code = "ERROR", otel.status_description = "timed out").in_scope(|| ());
        info_span!("fine", otel.status_code = "OK").in_scope(|| tracing::error!("does not matter"));
        info_span!("flag", error = true).in_scope(|| ());
        info_span!("no_flag", error = false).in_scope(|| ());
        let late = info_span!("late", error = tracing::field::Empty);
        late.in_scope(|| ());
        late.record("error", tracing::field::display("gone"));
    });
    for (name, failed) in [("parse", 1), ("status", 1), ("fine", 0), ("flag", 1), ("no_flag", 0), ("late", 1)] {
        assert_eq!(counts(&stage.local, name).2, failed, "{name}");
    }
    let snapshot = stage.local.snapshot();
    for pattern in ["timed out", "gone", "invalid digit found in string"] {
        assert!(snapshot.errors().iter().any(|group| group.pattern == pattern), "{pattern}: {:?}", snapshot.errors());
    }
}

#[test]
fn per_layer_filters_beside_ours_and_on_ours_change_nothing_for_others() {
    use std::sync::Mutex;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Lines;
        fn make_writer(&'a self) -> Lines {
            self.clone()
        }
    }

    let (errors, all) = (Lines::default(), Lines::default());
    let local = Monitor::builder().build().unwrap();
    let subscriber = tracing_subscriber::registry()
        .with(
            tracing_subscriber::fmt::layer()
                .with_ansi(false)
                .with_writer(errors.clone())
                .with_filter(LevelFilter::ERROR),
        )
        .with(local.tracing_layer().with_filter(filter_fn(|metadata| metadata.name() != "hidden")))
        .with(
            tracing_subscriber::fmt::layer().with_ansi(false).with_writer(all.clone()).with_filter(LevelFilter::TRACE),
        );
    tracing::subscriber::with_default(subscriber, || {
        local.scope(|| {
            info_span!("seen").in_scope(|| {
                info_span!("hidden").in_scope(|| {
                    info_span!("below").in_scope(|| tracing::trace!("fine detail"));
                    tracing::error!("bad");
                });
            });
        });
    });
    let text = |lines: &Lines| String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!((text(&errors).lines().count(), text(&all).lines().count()), (1, 2));
    let snapshot = local.snapshot();
    assert!(snapshot.operation("hidden").is_none());
    let below = local.recent(9).into_iter().find(|record| record.name == "below").unwrap();
    assert_eq!(below.parent_name.as_deref(), Some("seen"));
    assert_eq!(counts(&local, "seen"), (1, 0, 1, 0), "the nearest operation around the event");
}

#[test]
fn two_of_our_layers_do_not_disturb_each_other() {
    let (a, b) = (Monitor::builder().build().unwrap(), Monitor::builder().build().unwrap());
    let subscriber = tracing_subscriber::registry().with(a.tracing_layer()).with(b.tracing_layer().kind("job"));
    tracing::subscriber::with_default(subscriber, || {
        a.scope(|| info_span!("both").in_scope(|| info_span!("inner").in_scope(|| ())));
    });
    for (local, kind) in [(&a, "span"), (&b, "job")] {
        assert_eq!(local.snapshot().operation("both").unwrap().kind, kind);
        assert_eq!(counts(local, "inner"), (1, 1, 0, 0));
        let inner = local.recent(9).into_iter().find(|record| record.name == "inner").unwrap();
        assert_eq!(inner.parent_name.as_deref(), Some("both"));
    }
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
fn a_span_carries_its_trace_to_every_thread_that_enters_it() {
    let stage = Stage::plain();
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let (of_context, of_call) = stage.run(|| {
        let of_context = Context::from_traceparent(header).with_field("tenant", "acme").in_context(|| {
            let span = info_span!("in_context");
            span.in_scope(|| monitor().track("here", |_| ()));
            span
        });
        let of_call = monitor().track("call", |_| info_span!("in_call"));
        (of_context, of_call)
    });
    thread::scope(|scope| {
        scope.spawn(|| {
            stage.run(|| {
                monitor().track("unrelated", |_| {
                    of_context.in_scope(|| {
                        monitor().track("there", |_| {
                            let context = Context::current();
                            assert_eq!(context.trace_id().unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
                            assert_eq!(context.field("tenant"), Some(&"acme".into()));
                        });
                        info_span!("child").in_scope(|| ());
                        let active = stage.local.active();
                        let traces: Vec<_> = active.iter().map(|o| (o.name.as_str(), o.trace_id)).collect();
                        assert_ne!(traces[0].1, traces[1].1, "{traces:?}");
                    });
                    of_call.in_scope(|| monitor().track("of_call", |_| ()));
                });
            });
        });
    });
    drop((of_context, of_call));
    let records = stage.local.recent(20);
    let trace = |name: &str| records.iter().find(|record| record.name == name).unwrap().trace_id.unwrap();
    for name in ["in_context", "here", "there", "child"] {
        assert_eq!(trace(name).to_string(), "4bf92f3577b34da6a3ce929d0e0e4736", "{name}");
    }
    assert_eq!((trace("in_call"), trace("of_call")), (trace("call"), trace("call")));
    assert_ne!(trace("unrelated"), trace("call"));
    assert_ne!(trace("unrelated"), trace("there"));
}

#[test]
fn spans_and_contexts_may_be_left_in_any_order() {
    let stage = Stage::plain();
    let trace = || Context::current().trace_id();
    stage.run(|| {
        let (a, b) = (Context::new_trace(), Context::new_trace());
        let (span_a, span_b) = (a.in_context(|| info_span!("a")), b.in_context(|| info_span!("b")));
        // A span that is entered inside of a context and left outside.
        let entered = b.in_context(|| span_a.clone().entered());
        assert_eq!(trace(), a.trace_id());
        drop(entered);
        assert_eq!(trace(), None);
        // One that is entered outside of a context and left inside.
        let entered = span_a.clone().entered();
        b.in_context(|| {
            assert_eq!(trace(), b.trace_id());
            drop(entered);
            assert_eq!(trace(), b.trace_id());
        });
        assert_eq!(trace(), None);
        // Two in the wrong order.
        let (first, second) = (span_a.entered(), span_b.entered());
        assert_eq!(trace(), b.trace_id());
        drop(first);
        assert_eq!(trace(), b.trace_id());
        drop(second);
        assert_eq!(trace(), None);
    });
    assert!(stage.local.active().is_empty());
}

#[test]
fn a_thousand_tasks_keep_their_own_traces() {
    let local = Monitor::builder().build().unwrap();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer()));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..1_000_u64)
            .map(|n| {
                let (context, dispatch, local) = (Context::new_trace(), dispatch.clone(), local.clone());
                let span = dispatcher::with_default(&dispatch, || context.in_context(|| info_span!("task", n)));
                let expected = context.trace_id();
                let work = async move {
                    for _ in 0..5 {
                        local.scope(|| {
                            info_span!("inside").in_scope(|| ());
                            // The span was entered outside of the scope: its own trace is not to be seen in here, but
                            // nobody else's is either.
                            let seen = Context::current().trace_id();
                            assert!(seen.is_none() || seen == expected);
                        });
                        tokio::task::yield_now().await;
                    }
                };
                tokio::spawn(work.instrument(span))
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
    let snapshot = local.snapshot();
    assert_eq!(snapshot.operation("task").unwrap().succeeded, 1_000);
    assert!(snapshot.active().is_empty());
}

#[test]
fn an_error_event_under_a_forgotten_guard_harms_nobody() {
    let stage = Stage::plain();
    stage.run(|| {
        let span = info_span!("odd");
        mem::forget(span.enter());
        drop(span);
        tracing::error!("after its span");
    });
    let snapshot = stage.local.snapshot();
    assert_eq!((snapshot.errors()[0].count, snapshot.errors()[0].newest().unwrap().operation.as_deref()), (1, None));
}
