//! Traces and contexts.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use monitor_core::{Context, InContext, TrackFuture, monitor};
use tests::{local, poll_once, yield_once};

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
