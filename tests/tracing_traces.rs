//! Which trace a span of `tracing` is in, and what is its parent, beside contexts and scopes of the monitor.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod tracing_support;

use std::thread;

use monitor_core::{Context, Monitor, monitor};
use tracing::instrument::Instrument;
use tracing::{Dispatch, dispatcher, info_span};
use tracing_subscriber::prelude::*;
use tracing_support::Stage;

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
fn a_span_made_in_a_scope_belongs_to_the_one_that_was_entered_before_it() {
    let stage = Stage::plain();
    dispatcher::with_default(&stage.dispatch, || {
        info_span!("outer").in_scope(|| {
            stage.local.scope(|| {
                info_span!("inner").in_scope(|| stage.pass(1));
                monitor().track("call", |_| info_span!("in_call").in_scope(|| ()));
                Context::new_trace().in_context(|| info_span!("in_context").in_scope(|| ()));
            });
        });
    });
    let records = stage.local.recent(9);
    let of = |name: &str| records.iter().find(|record| record.name == name).unwrap();
    assert_eq!(of("inner").parent, Some(of("outer").id));
    assert_eq!(of("inner").trace_id, of("outer").trace_id);
    assert_eq!(of("in_call").parent, Some(of("call").id));
    assert_eq!(of("in_context").parent, None);
    assert_ne!(of("in_context").trace_id, of("outer").trace_id);
}

#[test]
fn a_span_whose_context_was_left_is_still_the_parent_of_what_is_made_in_it() {
    let stage = Stage::plain();
    let (own, other) = (Context::new_trace(), Context::new_trace());
    stage.run(|| {
        for (name, inside, made_in, entered_in) in
            [("same", "in_same", &own, &own), ("foreign", "in_foreign", &own, &other)]
        {
            let span = made_in.in_context(|| if name == "same" { info_span!("same") } else { info_span!("foreign") });
            let entered = entered_in.in_context(|| span.entered());
            let child = if inside == "in_same" { info_span!("in_same") } else { info_span!("in_foreign") };
            child.in_scope(|| tracing::error!("inside of {inside}"));
            tracing::error!("at {name}");
            drop((child, entered));
        }
    });
    let (records, snapshot) = (stage.local.recent(9), stage.local.snapshot());
    let of = |name: &str| records.iter().find(|record| record.name == name).unwrap();
    for (name, inside) in [("same", "in_same"), ("foreign", "in_foreign")] {
        assert_eq!(of(inside).parent, Some(of(name).id), "{name}");
        assert_eq!(of(inside).trace_id, own.trace_id(), "{name}");
        for (pattern, id) in [(format!("at {name}"), of(name).id), (format!("inside of {inside}"), of(inside).id)] {
            let group = snapshot.errors().iter().find(|group| group.pattern == pattern).unwrap();
            assert_eq!(group.newest().unwrap().operation_id, Some(id), "{pattern}");
        }
    }
    assert!(snapshot.active().is_empty());
}
