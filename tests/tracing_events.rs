//! What the monitor sees, as events of `tracing`, and log lines with ids.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{panic, thread};

use monitor_core::tracing::WithIds;
use monitor_core::{Context, ManualClock, Monitor, monitor, track_operation};
use serde_json::Value;
use tracing::{Dispatch, Level, dispatcher, info_span};
use tracing_subscriber::fmt::format::{self, JsonFields};
use tracing_subscriber::prelude::*;

const MS: Duration = Duration::from_millis(1);

/// Where lines go.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    fn text(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }

    /// The events so far: message and fields of each.
    fn take(&self) -> Vec<Value> {
        self.text()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
            .collect()
    }
}

/// A monitor with a manual clock, and a JSON log with its layer.
struct Stage {
    local: Monitor,
    clock: ManualClock,
    lines: Lines,
    dispatch: Dispatch,
}

impl Stage {
    fn new() -> Stage {
        let (clock, lines) = (ManualClock::new(), Lines::default());
        let local = Monitor::builder().clock(&clock).build().unwrap();
        let out = lines.clone();
        let log = tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(move || out.clone());
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer()).with(log));
        Stage { local, clock, lines, dispatch }
    }

    fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || self.local.scope(f))
    }
}

#[test]
fn a_failure_is_an_event_with_its_ids() {
    let stage = Stage::new();
    let events = stage.local.tracing_events().failures(true).start().unwrap();
    stage.run(|| {
        let op = monitor().operation("db.fetch").kind("database").component("storage").start();
        stage.clock.advance(5 * MS);
        op.fail_with("connection refused");
        monitor().operation("fine").start().succeed();
        monitor().operation("given up").start().cancel();
    });
    let told = stage.lines.take();
    assert_eq!(told.len(), 1, "{told:?}");
    let (event, record) = (&told[0], stage.local.recent(9).into_iter().find(|r| r.name == "db.fetch").unwrap());
    assert_eq!((&event["target"], &event["level"]), (&"monitor".into(), &"ERROR".into()));
    assert_eq!((&event["message"], &event["operation"]), (&"operation failed".into(), &"db.fetch".into()));
    assert_eq!((&event["kind"], &event["component"]), (&"database".into(), &"storage".into()));
    assert_eq!((&event["duration_ms"], &event["error"]), (&5.0.into(), &"connection refused".into()));
    assert_eq!((&event["operation_id"], &event["error_kind"]), (&record.id.into(), &"str".into()));
    assert_eq!(event["trace_id"], record.trace_id.unwrap().to_string());
    assert_eq!(event["span_id"], record.span_id.unwrap().to_string());
    assert!(event.get("suppressed").is_none());
    drop(events);
    stage.run(|| monitor().operation("db.fetch").start().fail_with("again"));
    assert!(stage.lines.take().is_empty(), "nothing after it was dropped");
}

#[test]
fn failures_of_every_kind_of_call_are_told() {
    #[track_operation(name = "by_attribute")]
    fn fails() -> Result<(), String> {
        Err("by attribute".into())
    }

    let stage = Stage::new();
    let _events = stage.local.tracing_events().failures(true).start().unwrap();
    stage.run(|| {
        let _ = fails();
        let _ = monitor().try_track("closure", |_| Err::<(), _>("in a closure"));
        let _ = panic::catch_unwind(|| monitor().track("panics", |_| panic!("on purpose")));
        info_span!("span").in_scope(|| tracing::error!("in a span"));
        let mut future =
            Box::pin(monitor_core::TrackFuture::try_tracked(async { Err::<(), _>("in a future") }, "future"));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(future.as_mut().poll(&mut cx).is_ready());
    });
    let outside = stage.local.operation("outside").start();
    dispatcher::with_default(&stage.dispatch, || outside.fail_with("out of scope"));
    let told = stage.lines.take();
    let of_ours: Vec<_> = told.iter().filter(|event| event["target"] == "monitor").collect();
    let names: Vec<_> = of_ours.iter().map(|event| event["operation"].as_str().unwrap()).collect();
    assert_eq!(names, ["by_attribute", "closure", "panics", "span", "future", "outside"]);
    assert_eq!(of_ours[2]["message"], "operation panicked");
    assert_eq!(of_ours[3]["error"], "in a span");
    let errors: u64 = stage.local.snapshot().errors().iter().map(|group| group.count).sum();
    assert_eq!(errors, 5, "the events are no errors themselves: {:?}", stage.local.snapshot().errors());
}

#[test]
fn slow_calls_are_told_and_recorded_as_before() {
    let stage = Stage::new();
    let run = |name: &str, ms: u32| {
        stage.run(|| {
            let op = monitor().operation(name).record(monitor_core::RecordPolicy::Errors).start();
            stage.clock.advance(ms * MS);
            op.succeed();
        });
    };
    run("import", 500); // before anybody listens, so that it has its cell
    let events = stage.local.tracing_events().slower_than(250 * MS).start().unwrap();
    run("import", 249);
    run("import", 250);
    run("new", 300);
    thread::scope(|scope| scope.spawn(|| run("import", 400)).join().unwrap());
    let told = stage.lines.take();
    let said: Vec<_> = told.iter().map(|event| (event["operation"].as_str(), event["duration_ms"].as_f64())).collect();
    assert_eq!(said, [(Some("import"), Some(250.0)), (Some("new"), Some(300.0)), (Some("import"), Some(400.0))]);
    assert!(told.iter().all(|event| event["message"] == "operation slow" && event["level"] == "WARN"));
    assert!(stage.local.recent(9).is_empty(), "the policy says errors");
    drop(events);
    run("import", 500);
    run("other", 500);
    assert!(stage.lines.take().is_empty());
}

#[test]
fn two_listeners_have_their_own_limits() {
    let stage = Stage::new();
    let run = |ms: u32| {
        stage.run(|| {
            let op = monitor().operation("op").start();
            stage.clock.advance(ms * MS);
            op.succeed();
        });
        stage.lines.take().len()
    };
    let long = stage.local.tracing_events().slower_than(100 * MS).start().unwrap();
    let short = stage.local.tracing_events().slower_than(10 * MS).start().unwrap();
    assert_eq!((run(5), run(50), run(500)), (0, 1, 2));
    drop(short);
    assert_eq!((run(5), run(50), run(500)), (0, 0, 1));
    drop(long);
    assert_eq!(run(500), 0);
}

#[test]
fn storms_are_bounded_and_what_is_left_out_is_said() {
    let stage = Stage::new();
    let _events = stage.local.tracing_events().failures(true).slower_than(MS).start().unwrap();
    let storm = |n: u32| {
        stage.run(|| (0..n).for_each(|_| monitor().operation("storm").start().fail_with("again")));
        stage.lines.take()
    };
    assert_eq!(storm(1_000).len(), 10);
    stage.clock.advance(100 * MS);
    let told = storm(5);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["suppressed"], 990);
    assert_eq!(told[0]["error"], "again", "in words, though errors have a budget of their own");
    // Each operation has its own budget.
    stage.run(|| monitor().operation("other").start().fail_with("once"));
    assert_eq!(stage.lines.take().len(), 1);
}

#[test]
fn a_stuck_operation_is_told_once() {
    let stage = Stage::new();
    stage.run(|| {
        let events = stage.local.tracing_events().stuck_after(60_000 * MS).start().unwrap();
        let op = monitor().operation("stuck").kind("batch").start();
        let span = info_span!("stuck_span");
        span.in_scope(|| ());
        events.check();
        assert!(stage.lines.take().is_empty());
        stage.clock.advance(61_000 * MS);
        events.check();
        events.check();
        let told: Vec<_> = stage.lines.take();
        assert_eq!(told.len(), 2, "{told:?}");
        let event = told.iter().find(|event| event["operation"] == "stuck").unwrap();
        assert_eq!((&event["message"], &event["age_ms"]), (&"operation stuck".into(), &61_000.0.into()));
        let active = stage.local.active();
        assert!(active.iter().any(|one| event["operation_id"] == one.id && event["kind"] == one.kind.as_str()));
        op.succeed();
        drop(span);
        events.check();
        assert!(stage.lines.take().is_empty());
    });
}

#[test]
fn stalled_progress_is_told_each_time() {
    let stage = Stage::new();
    stage.run(|| {
        let events = stage.local.tracing_events().stalled(true).start().unwrap();
        let job = monitor().progress("copy").total(10).start();
        job.inc(3);
        events.check();
        for round in 1..=2 {
            stage.clock.advance(3_600_000 * MS);
            events.check();
            events.check();
            let told = stage.lines.take();
            assert_eq!(told.len(), 1, "round {round}: {told:?}");
            assert_eq!((&told[0]["message"], &told[0]["job"]), (&"progress stalled".into(), &"copy".into()));
            assert_eq!((&told[0]["done"], &told[0]["total"]), (&(2 + round).into(), &10.into()));
            job.inc(1);
            events.check();
            assert!(stage.lines.take().is_empty(), "it moves again");
        }
        job.finish();
    });
}

#[test]
fn transitions_are_told_and_refusals_are_not() {
    let stage = Stage::new();
    let machine = stage
        .local
        .state_machine("order")
        .state("new")
        .state("paid")
        .terminal("shipped")
        .transition("new", "paid")
        .on("payment")
        .transition("paid", "shipped")
        .build()
        .unwrap();
    let order = machine.entity("A-17").unwrap();
    stage.run(|| order.trigger("payment").unwrap());
    assert!(stage.lines.take().is_empty(), "nobody asked");
    let other = machine.entity("B-1").unwrap();
    let _events = stage.local.tracing_events().transitions(true).start().unwrap();
    stage.clock.advance(7 * MS);
    stage.run(|| {
        order.to("shipped").unwrap();
        assert!(order.to("new").is_err());
        other.trigger("payment").unwrap();
    });
    let told = stage.lines.take();
    assert_eq!(told.len(), 2);
    let (event, of_other) = (&told[0], &told[1]);
    assert_eq!((&event["message"], &event["level"]), (&"state changed".into(), &"INFO".into()));
    assert_eq!((&event["state_machine"], &event["entity"]), (&"order".into(), &"A-17".into()));
    assert_eq!((&event["from"], &event["to"]), (&"paid".into(), &"shipped".into()));
    assert_eq!((&event["time_in_state_ms"], event.get("trigger")), (&7.0.into(), None));
    assert_eq!(of_other["trigger"], "payment");
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// A log that is tracked itself, and fails.
#[derive(Clone)]
struct FailingLog {
    local: Monitor,
    written: Arc<AtomicU64>,
}

impl Write for FailingLog {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        assert_eq!(DEPTH.replace(1), 0, "an event was written from within the writing of another one");
        self.written.fetch_add(1, Ordering::Relaxed);
        let _ = self.local.try_track("write_log", |_| Err::<(), _>("disk full"));
        info_span!("in_writer").in_scope(|| tracing::error!("from the writer"));
        DEPTH.set(0);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_log_that_fails_does_not_feed_on_itself() {
    let local = Monitor::builder().build().unwrap();
    let log = FailingLog { local: local.clone(), written: Arc::default() };
    let written = Arc::clone(&log.written);
    let fmt = tracing_subscriber::fmt::layer().with_writer(move || log.clone());
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer()).with(fmt));
    let _events = local.tracing_events().failures(true).slower_than(Duration::from_nanos(1)).start().unwrap();
    dispatcher::with_default(&dispatch, || {
        local.scope(|| {
            let _ = local.try_track("work", |_| Err::<(), _>("refused"));
        });
    });
    assert_eq!(written.load(Ordering::Relaxed), 1);
    let snapshot = local.snapshot();
    assert_eq!(snapshot.operation("write_log").unwrap().failed, 1, "it is counted all the same");
    assert!(snapshot.errors().iter().all(|group| group.kind != "event" || group.pattern == "from the writer"));
}

#[test]
fn a_subscriber_that_panics_harms_nobody() {
    struct Panics(AtomicBool);
    impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Panics {
        fn on_event(&self, _: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
            self.0.store(true, Ordering::Relaxed);
            panic!("on purpose");
        }
    }
    let local = Monitor::builder().build().unwrap();
    let _events = local.tracing_events().failures(true).start().unwrap();
    tracing::subscriber::with_default(tracing_subscriber::registry().with(Panics(AtomicBool::new(false))), || {
        local.scope(|| {
            for _ in 0..2 {
                let _ = local.try_track("work", |_| Err::<(), _>("refused"));
            }
        });
    });
    let snapshot = local.snapshot();
    assert_eq!((snapshot.operation("work").unwrap().failed, snapshot.monitor().callbacks_panicked), (2, 2));
}

#[test]
fn what_makes_no_sense_is_an_error_value() {
    let local = Monitor::builder().build().unwrap();
    let nothing = local.tracing_events().start().unwrap_err();
    assert!(nothing.is_invalid_setting());
    assert_eq!(
        nothing.to_string(),
        "tracing_events is nothing; allowed is one at least of failures, slower_than, stuck_after, transitions and stalled"
    );
    assert!(local.tracing_events().slower_than(Duration::ZERO).start().unwrap_err().is_invalid_setting());
    assert!(local.tracing_events().stuck_after(Duration::ZERO).start().unwrap_err().is_invalid_setting());
    let never = local.tracing_events().slower_than(Duration::MAX).stuck_after(Duration::MAX).start().unwrap();
    never.check();
    let more: Vec<_> = (0..15).map(|_| local.tracing_events().failures(true).start().unwrap()).collect();
    assert!(local.tracing_events().failures(true).start().unwrap_err().is_too_many());
    drop((never, more));
    drop(local.tracing_events().failures(true).start().unwrap());
}

#[test]
fn the_thread_ends_with_its_guard_from_wherever_that_is_dropped() {
    let local = Monitor::builder().build().unwrap();
    let events = local.tracing_events().stuck_after(Duration::from_hours(1)).start().unwrap();
    thread::spawn(move || drop(events)).join().unwrap();
}

/// A log with ids.
fn log_with_ids(json: bool, coloured: bool) -> (Monitor, Lines, Dispatch) {
    let (local, lines) = (Monitor::builder().build().unwrap(), Lines::default());
    let out = lines.clone();
    let layer = tracing_subscriber::fmt::layer().with_ansi(coloured).with_writer(move || out.clone());
    let dispatch = if json {
        let log = layer.fmt_fields(JsonFields::new()).event_format(WithIds::new(format::json().flatten_event(true)));
        Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer()).with(log))
    } else {
        let log = layer.event_format(WithIds::new(format::format().without_time()));
        Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer()).with(log))
    };
    (local, lines, dispatch)
}

#[test]
fn json_lines_carry_the_ids_of_where_they_are_written() {
    let (local, lines, dispatch) = log_with_ids(true, true);
    let run = |f: &dyn Fn()| dispatcher::with_default(&dispatch, || local.scope(f));
    run(&|| tracing::info!("outside"));
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    run(&|| {
        Context::from_traceparent(header).with_field("tenant", "a\"c\nme").in_context(|| {
            info_span!("handle", path = "/x").in_scope(|| {
                tracing::info!(n = 3, "inside \"{}\"", "quotes");
            });
            tracing::event!(Level::INFO, "in the context alone");
        });
    });
    let text = lines.text();
    let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(told[0].get("trace_id").is_none());
    let record = &local.recent(1)[0];
    let inside = &told[1];
    assert_eq!(inside["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(inside["span_id"], record.span_id.unwrap().to_string());
    assert_eq!((&inside["operation"], &inside["operation_id"]), (&"handle".into(), &record.id.into()));
    assert_eq!((&inside["tenant"], &inside["n"]), (&"a\"c\nme".into(), &3.into()));
    assert_eq!((&inside["message"], &inside["span"]["path"]), (&"inside \"quotes\"".into(), &"/x".into()));
    assert!(text.lines().nth(1).unwrap().starts_with("{\"trace_id\":"), "{text}");
    assert_eq!(told[2]["span_id"], "00f067aa0ba902b7");
    assert!(told[2].get("operation").is_none());
}

#[test]
fn text_lines_carry_the_ids_at_their_end_and_coloured_ones_at_their_beginning() {
    for coloured in [false, true] {
        let (local, lines, dispatch) = log_with_ids(false, coloured);
        dispatcher::with_default(&dispatch, || {
            local.scope(|| {
                tracing::info!("outside");
                local.track("op", |_| {
                    tracing::info!("one");
                    tracing::info!("two");
                });
            });
        });
        let record = &local.recent(1)[0];
        let ids = format!("trace_id={} span_id={}", record.trace_id.unwrap(), record.span_id.unwrap());
        let text = lines.text();
        let told: Vec<_> = text.lines().collect();
        assert!(told[0].ends_with("outside") && !told[0].contains("trace_id"), "{text}");
        for (line, message) in [(told[1], "one"), (told[2], "two")] {
            if coloured {
                assert!(line.starts_with(&ids) && line.ends_with(message) && line.contains('\u{1b}'), "{line:?}");
            } else {
                assert!(line.ends_with(&format!("{message} {ids}")), "{line:?}");
            }
        }
        assert_eq!(told.len(), 3);
    }
}

/// The members of an object, as often as they stand there.
struct Members(Vec<(String, Value)>);

impl<'de> serde::Deserialize<'de> for Members {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Members, D::Error> {
        struct Visit;
        impl<'de> serde::de::Visitor<'de> for Visit {
            type Value = Members;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = map.next_entry()? {
                    all.push(member);
                }
                Ok(Members(all))
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

#[test]
fn no_member_of_a_json_line_stands_there_twice() {
    let mut context = Context::new_trace();
    let taken = ["timestamp", "level", "message", "target", "span", "spans", "fields", "trace_id", "operation", "n"];
    for (number, key) in taken.into_iter().chain(["quote\"d", "\u{8}\u{c}", "context.level", "ä€\u{1F600}"]).enumerate()
    {
        context = context.with_field(key, format!("{number}\u{0}\u{7f}\\\"\u{1F600}"));
    }
    for flat in [true, false] {
        for pretty in [true, false] {
            let (local, lines) = (Monitor::builder().build().unwrap(), Lines::default());
            let out = lines.clone();
            let format = format::json().flatten_event(flat);
            let layer = tracing_subscriber::fmt::layer().with_writer(move || out.clone());
            let pretty_format = |inner| Pretty { inner, pretty };
            let log = layer.fmt_fields(JsonFields::new()).event_format(WithIds::new(pretty_format(format)));
            let dispatch = Dispatch::new(tracing_subscriber::registry().with(local.tracing_layer()).with(log));
            dispatcher::with_default(&dispatch, || {
                local.scope(|| {
                    context.in_context(|| {
                        info_span!("op", level = "of the span").in_scope(|| {
                            tracing::info!(n = 3, trace_id = "of the event", "quote\"d\\" = "{", "message }} {{ \" \\");
                        });
                    });
                });
            });
            let text = lines.text();
            let Members(members) = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let value = |key: &str| {
                let all: Vec<_> = members.iter().filter(|(known, _)| known == key).map(|(_, value)| value).collect();
                assert!(all.len() < 2, "{key} twice: {text}");
                all.first().copied()
            };
            assert_eq!(members.iter().filter(|(key, _)| value(key).is_none()).count(), 0);
            assert_eq!(value("level"), Some(&"INFO".into()));
            assert_eq!(value("context.level").and_then(Value::as_str).map(|text| &text[..1]), Some("1"), "{text}");
            assert_eq!(value("operation"), Some(&"op".into()));
            assert_eq!(value("context.operation").and_then(Value::as_str).map(|text| &text[..1]), Some("8"));
            assert_eq!(value("ä€\u{1F600}").and_then(Value::as_str), Some("13\u{0}\u{7f}\\\"\u{1F600}"));
            let of_context = context.trace_id().unwrap().to_string();
            assert_eq!(value("trace_id"), Some(&if flat { "of the event".into() } else { of_context.into() }));
            assert_eq!(value("n").is_some_and(Value::is_number), flat);
        }
    }
}

/// Puts the lines of another format on several lines.
struct Pretty<F> {
    inner: F,
    pretty: bool,
}

impl<S, N, F> tracing_subscriber::fmt::FormatEvent<S, N> for Pretty<F>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    N: for<'a> tracing_subscriber::fmt::FormatFields<'a> + 'static,
    F: tracing_subscriber::fmt::FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &tracing_subscriber::fmt::FmtContext<'_, S, N>,
        mut writer: format::Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> std::fmt::Result {
        let mut line = String::new();
        self.inner.format_event(context, format::Writer::new(&mut line), event)?;
        if self.pretty {
            let value: Value = serde_json::from_str(&line).map_err(|_| std::fmt::Error)?;
            line = serde_json::to_string_pretty(&value).map_err(|_| std::fmt::Error)?;
        }
        writer.write_str(&line)
    }
}

#[test]
fn a_line_of_text_that_looks_like_json_stays_text() {
    let (local, lines) = (Monitor::builder().build().unwrap(), Lines::default());
    let out = lines.clone();
    let plain = format::format().without_time().with_level(false).with_target(false);
    let log = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(move || out.clone())
        .event_format(WithIds::new(plain));
    tracing::subscriber::with_default(tracing_subscriber::registry().with(log), || {
        local.scope(|| local.track("op", |_| tracing::info!("{{a}} and {{b}}")));
    });
    let text = lines.text();
    assert!(text.starts_with("{a} and {b} trace_id="), "{text}");
}

#[test]
fn an_event_of_a_call_that_ends_elsewhere_has_the_ids_of_where_it_began() {
    let stage = Stage::new();
    let _events = stage.local.tracing_events().failures(true).start().unwrap();
    let (request, other) = (Context::new_trace(), Context::new_trace());
    let (op, span) = stage.run(|| request.in_context(|| (monitor().operation("op").start(), info_span!("span"))));
    thread::scope(|scope| {
        scope.spawn(|| {
            stage.run(|| {
                other.in_context(|| {
                    op.fail_with("refused");
                    span.in_scope(|| ());
                    tracing::error!(parent: &span, "refused");
                    drop(span);
                });
            });
        });
    });
    let told = stage.lines.take();
    let told: Vec<_> = told.iter().filter(|event| event["target"] == "monitor").collect();
    assert_eq!(told.len(), 2, "{told:?}");
    for event in told {
        assert_eq!(event["trace_id"], request.trace_id().unwrap().to_string());
        let records = stage.local.recent(9);
        let record = records.iter().find(|record| event["operation_id"] == record.id).unwrap();
        assert_eq!(event["span_id"], record.span_id.unwrap().to_string());
    }
}
