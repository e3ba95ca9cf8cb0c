//! Which spans of `tracing` become operations, and what is read of them: fields, errors, how they ended.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod tracing_support;

use std::mem;
use std::sync::Arc;

use monitor_core::{FieldValue, Monitor, monitor};
use tracing::{Level, info_span};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::prelude::*;
use tracing_support::{Stage, counts};

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
    assert!(sample.location.as_deref().is_some_and(|at| at.contains("tracing_fields.rs:")));
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

#[test]
fn an_error_event_finds_its_operation_on_a_thread_of_another_monitor() {
    let stage = Stage::plain();
    let other = Monitor::builder().build().unwrap();
    tracing::dispatcher::with_default(&stage.dispatch, || {
        info_span!("bare").in_scope(|| tracing::error!("on no monitor's thread"));
        other.scope(|| {
            other.track("theirs", |_| info_span!("foreign").in_scope(|| tracing::error!("on another one's thread")));
        });
    });
    let snapshot = stage.local.snapshot();
    for (pattern, name) in [("on no monitor's thread", "bare"), ("on another one's thread", "foreign")] {
        let group = snapshot.errors().iter().find(|group| group.pattern == pattern).unwrap();
        let sample = group.newest().unwrap();
        let record = stage.local.recent(9).into_iter().find(|record| record.name == name).unwrap();
        assert_eq!((sample.operation.as_deref(), sample.operation_id), (Some(name), Some(record.id)));
        assert_eq!((sample.span_id, sample.trace_id), (record.span_id, record.trace_id));
    }
    assert!(other.snapshot().errors().is_empty());
}

#[test]
fn status_and_description_may_be_said_one_by_one() {
    let stage = Stage::plain();
    stage.run(|| {
        for description_first in [true, false] {
            let span = info_span!(
                "status",
                otel.status_code = tracing::field::Empty,
                otel.status_description = tracing::field::Empty
            );
            span.in_scope(|| ());
            let describe = || span.record("otel.status_description", "timed out");
            if description_first {
                describe();
            }
            span.record("otel.status_code", "ERROR");
            if !description_first {
                describe();
            }
        }
    });
    assert_eq!(counts(&stage.local, "status"), (2, 0, 2, 0));
    let snapshot = stage.local.snapshot();
    let said: Vec<_> = snapshot.errors().iter().map(|group| (group.pattern.as_str(), group.count)).collect();
    assert_eq!(said, [("timed out", 2)]);
}

#[test]
fn an_event_and_a_status_are_one_error() {
    let stage = Stage::plain();
    stage.run(|| {
        for event_first in [true, false] {
            let span = info_span!("both", otel.status_code = tracing::field::Empty);
            span.in_scope(|| {
                if event_first {
                    tracing::error!("refused");
                }
                span.record("otel.status_code", "ERROR");
                if !event_first {
                    tracing::error!("refused");
                }
            });
        }
    });
    assert_eq!(counts(&stage.local, "both"), (2, 0, 2, 0));
    let snapshot = stage.local.snapshot();
    let said: Vec<_> = snapshot.errors().iter().map(|group| (group.pattern.as_str(), group.count)).collect();
    assert_eq!(said, [("refused", 2)]);
}

#[test]
fn a_field_that_tells_of_an_error_is_kept_where_it_is_listed() {
    let error = std::io::Error::other("gone");
    let stage = Stage::new(|layer| layer.fields(["error"]));
    stage.run(|| info_span!("op", error = &error as &dyn std::error::Error).in_scope(|| ()));
    assert_eq!(counts(&stage.local, "op"), (1, 0, 1, 0));
    assert_eq!(stage.local.recent(1)[0].fields, [("error".to_owned(), FieldValue::Text("gone".into()))]);
}
