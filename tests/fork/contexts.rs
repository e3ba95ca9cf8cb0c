//! Traces and contexts.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use monitor_core::{Context, InContext, TrackFuture, monitor};
use tests::{counts, local, poll_once, yield_once};

use super::process::{forked, under_load};

pub(super) fn traces_that_begin_in_a_child_are_none_of_its_parent() {
    // In a child, so that this process goes on as if it had used nothing of the monitor.
    forked(|| {
        let before = Context::new_trace().trace_id().unwrap();
        let (mut here, mut there) = UnixStream::pair().unwrap();
        let child = forked(|| {
            let trace = Context::new_trace().trace_id().unwrap();
            there.write_all(&trace.get().to_be_bytes()).unwrap();
        });
        let mut of_child = [0; 16];
        here.read_exact(&mut of_child).unwrap();
        let after = Context::new_trace().trace_id().unwrap();
        assert!(after != before && after.get() != u128::from_be_bytes(of_child));
        child.succeeds();
    })
    .succeeds();
}

pub(super) fn a_child_goes_on_in_the_trace_that_it_was_forked_in() {
    let operation = monitor().operation("of the parent").start();
    let context = Context::current();
    let (trace, span) = (context.trace_id(), context.span_id());
    let held = async {
        let _held = monitor().operation("held").start();
        yield_once().await;
        monitor().track("in future", |_| ());
    };
    let mut future = Box::pin(held.in_context(context.clone()));
    let dropped = Box::pin(async { yield_once().await }.tracked("dropped").in_context(context.clone()));
    assert!(poll_once(future.as_mut()).is_pending());
    context.in_context(|| {
        forked(|| {
            monitor().track("inside", |_| ());
            context.in_context(|| monitor().track("entered", |_| ()));
            assert!(poll_once(future.as_mut()).is_ready());
            drop(dropped);
            let records = monitor().recent(10);
            assert_eq!(records.len(), 3);
            for record in records {
                assert_eq!((record.trace_id, record.parent_span_id), (trace, span), "{}", record.name);
                assert_eq!(record.parent, None, "it is one of another process");
            }
            assert_eq!(context.traceparent().map(|header| header.span_id), span);
        })
        .succeeds();
        monitor().track("inside", |_| ());
    });
    let record = &monitor().recent(1)[0];
    assert_eq!((record.parent_span_id, record.parent), (span, Some(operation.id())));
}

pub(super) fn a_fork_while_others_enter_contexts_and_read_hangs_nobody() {
    let local = local();
    let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context = Context::from_traceparent(header).with_field("tenant", "acme");
    under_load(
        |name| {
            local.scope(|| {
                let body = async {
                    let _held = monitor().operation("held").start();
                    yield_once().await;
                };
                let mut future = Box::pin(body.tracked("future").in_context(context.clone()));
                assert!(poll_once(future.as_mut()).is_pending());
                let moved = context.in_context(|| monitor().operation(name).start());
                drop((moved, local.active()));
            });
        },
        || {
            local.scope(|| {
                context.in_context(|| monitor().track("of the child", |_| ()));
                let mut future = Box::pin(async { yield_once().await }.tracked("of the child"));
                assert!(poll_once(future.as_mut()).is_pending());
            });
            assert!(local.recent(10).iter().any(|record| record.trace_id == context.trace_id()));
        },
    );
}

pub(super) fn spans_of_the_layer_are_the_parents_and_the_child_makes_its_own() {
    use tracing_subscriber::prelude::*;

    let of_parent = local();
    let _events = of_parent.tracing_events().failures(true).stuck_after(std::time::Duration::from_hours(1)).start();
    let subscriber = tracing_subscriber::registry().with(of_parent.tracing_layer());
    tracing::subscriber::with_default(subscriber, || {
        of_parent.scope(|| {
            let foreign = Context::new_trace().in_context(|| tracing::info_span!("foreign"));
            let (entered, kept) = (tracing::info_span!("entered").entered(), tracing::info_span!("kept"));
            let foreign = foreign.entered();
            kept.in_scope(|| ());
            let child = forked(|| {
                drop((foreign, entered));
                kept.in_scope(|| tracing::error!("of the child"));
                drop(kept);
                tracing::info_span!("new").in_scope(|| tracing::info_span!("inner").in_scope(|| ()));
                tracing::error!("of the child");
                assert_eq!(counts(&monitor(), "new"), [1, 1, 0, 0, 0, 0]);
                assert_eq!(monitor().recent(9).len(), 2);
                assert_eq!(monitor().snapshot().errors()[0].count, 1 + 1);
                assert!(monitor().active().is_empty() && Context::current().trace_id().is_none());
            });
            child.succeeds();
            // With the closure of the child the parent has dropped its own.
            assert!(of_parent.active().is_empty());
        });
    });
    for name in ["foreign", "entered", "kept"] {
        assert_eq!(counts(&of_parent, name), [1, 1, 0, 0, 0, 0], "{name}");
    }
    assert!(of_parent.snapshot().operation("new").is_none());
}
