//! On whose behalf work is done: one trace through threads, tasks and programs, and none that is another's.

#![forbid(unsafe_code)]

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::thread;

use monitor_core::{
    Context, FieldValue, InContext, Monitor, OperationRecord, RecordPolicy, SpanId, TraceId, TraceParent, TrackFuture,
    monitor, track_operation,
};
use tests::{block_on, local, poll_once, yield_once};

const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn header_trace() -> Option<TraceId> {
    "4bf92f3577b34da6a3ce929d0e0e4736".parse().ok()
}

fn records(monitor: &Monitor) -> HashMap<String, OperationRecord> {
    monitor.recent(1_000).into_iter().map(|record| (record.name.clone(), record)).collect()
}

#[test]
fn calls_inside_a_call_are_of_its_trace_and_others_are_not() {
    let local = local();
    local.scope(|| {
        local.track("a", |_| local.track("b", |_| local.track("c", |_| ())));
        local.track("other", |_| ());
    });
    let of = records(&local);
    let trace = |name: &str| of[name].trace_id;
    assert_eq!((trace("b"), trace("c")), (trace("a"), trace("a")));
    assert_ne!(trace("other"), trace("a"));
    assert_eq!(of["c"].parent_span_id, of["b"].span_id);
    assert_eq!((of["b"].parent_span_id, of["a"].parent_span_id), (of["a"].span_id, None));
    let spans: HashSet<_> = of.values().map(|record| record.span_id).collect();
    assert_eq!(spans.len(), 4, "each call has a span of its own");
}

#[test]
fn outside_of_everything_there_is_no_context() {
    let context = Context::current();
    assert_eq!((context.trace_id(), context.span_id(), context.operation_id()), (None, None, None));
    assert!(context.traceparent().is_none() && context.fields().is_empty());
}

#[test]
fn a_header_goes_in_and_comes_out() {
    let local = local();
    let request = Context::from_traceparent(HEADER).with_tracestate("vendor=1");
    assert_eq!(request.traceparent().unwrap().to_string(), HEADER, "nothing of ours lies between");
    let sent = local.scope(|| {
        request.in_context(|| {
            local.track("handle", |op| {
                let here = Context::current();
                assert_eq!((here.operation_id(), here.operation().as_deref()), (Some(op.id()), Some("handle")));
                assert_eq!(here.tracestate(), Some("vendor=1"));
                here.traceparent().unwrap()
            })
        })
    });
    let record = &local.recent(1)[0];
    assert_eq!((record.trace_id, record.parent_span_id), (header_trace(), SpanId::new(0x00f0_67aa_0ba9_02b7)));
    assert_eq!((Some(sent.trace_id), Some(sent.span_id), sent.is_sampled()), (header_trace(), record.span_id, true));
    assert_eq!((record.parent, record.parent_name.as_deref()), (None, None), "it is another program's");
    let unsampled = HEADER.replace("-01", "-00");
    assert_eq!(Context::from_traceparent(&unsampled).traceparent().unwrap().to_string(), unsampled);
}

#[test]
fn a_bad_header_is_ignored_and_counted() {
    let local = local();
    local.scope(|| {
        for bad in ["", "00", "hello", &HEADER.to_uppercase(), &HEADER.replacen("00-", "ff-", 1)] {
            let context = Context::from_traceparent(bad);
            assert!(context.trace_id().is_some() && context.trace_id() != header_trace(), "{bad:?}");
            assert_eq!(context.span_id(), None);
            // What is sent on is valid all the same.
            assert!(context.traceparent().unwrap().to_string().parse::<TraceParent>().is_ok());
        }
    });
    assert_eq!(local.snapshot().monitor().traceparents_ignored, 5);
    let long = Context::from_traceparent(HEADER).with_tracestate(&"x".repeat(513));
    assert_eq!(long.tracestate(), None);
}

#[test]
fn a_thread_goes_on_with_the_work_of_another_one() {
    let local = local();
    let outer = local.scope(|| {
        let outer = local.operation("outer").start();
        let context = Context::current();
        let (one, two) = (context.clone(), context);
        thread::spawn(one.wrap(|| {
            assert_eq!(Context::current().operation().as_deref(), Some("outer"));
            monitor()
                .track("one", |_| thread::spawn(Context::current().wrap(|| monitor().track("deep", |_| ()))).join())
        }))
        .join()
        .unwrap()
        .unwrap();
        // Twice passed on with no operation in between.
        thread::spawn(two.wrap(|| {
            thread::spawn(Context::current().wrap(|| monitor().track("two", |_| ()))).join().unwrap();
        }))
        .join()
        .unwrap();
        outer.id()
    });
    let of = records(&local);
    for (name, parent) in [("one", "outer"), ("two", "outer"), ("deep", "one")] {
        assert_eq!(of[name].trace_id, of["outer"].trace_id, "{name}");
        assert_eq!(of[name].parent_span_id, of[parent].span_id, "{name}");
        assert_eq!((of[name].parent, of[name].parent_name.as_deref()), (Some(of[parent].id), Some(parent)), "{name}");
    }
    assert_eq!(of["one"].parent, Some(outer));
    let snapshot = local.snapshot();
    let edges: HashSet<_> = snapshot.edges().iter().map(|edge| (edge.caller.as_str(), edge.callee.as_str())).collect();
    assert_eq!(edges, [("outer", "one"), ("outer", "two"), ("one", "deep")].into());
}

#[test]
fn fields_are_on_every_record_and_error_inside() {
    let local = local();
    local.scope(|| {
        let context = Context::new_trace().with_field("tenant", "acme").with_field("attempt", 1_u32);
        let context = context.with_field("attempt", 2_u32);
        context.in_context(|| {
            local.track("a", |_| local.operation("b").start().fail_with("no"));
            Context::current().with_field("more", true).in_context(|| local.error_with("by hand").record());
        });
        local.track("outside", |_| ());
    });
    let fields = vec![("tenant".to_owned(), FieldValue::from("acme")), ("attempt".to_owned(), FieldValue::U64(2))];
    let of = records(&local);
    assert_eq!((&of["a"].context, &of["b"].context), (&fields, &fields));
    assert!(of["outside"].context.is_empty());
    let snapshot = local.snapshot();
    let sample = |text: &str| snapshot.errors().iter().find(|g| g.pattern == text).unwrap().newest().unwrap().clone();
    assert_eq!(sample("no").context, fields);
    assert_eq!((sample("no").trace_id, sample("no").span_id), (of["b"].trace_id, of["b"].span_id));
    assert_eq!(sample("by hand").context.len(), 3);
    assert_eq!(sample("by hand").trace_id, of["a"].trace_id);
}

#[test]
fn fields_are_bounded() {
    let mut context = Context::default();
    for n in 0..100 {
        context = context.with_field(&format!("key {n}"), "ä".repeat(1_000));
    }
    assert_eq!(context.fields().len(), 32);
    assert!(context.fields().iter().all(|(_, value)| value.to_string().len() <= 256));
    assert!(context.trace_id().is_some(), "a context that says something is a trace");
    assert_eq!(context.field("key 100"), None);
}

#[test]
fn a_future_keeps_its_context_on_whichever_thread_it_is_polled() {
    let local = local();
    let (mut first, mut second) = local.scope(|| {
        let work = |name: &'static str| {
            async move {
                yield_once().await;
                monitor().track("inside", |_| ());
                yield_once().await;
                Context::current().trace_id()
            }
            .tracked(name)
        };
        (Box::pin(work("first").in_context(Context::from_traceparent(HEADER))), Box::pin(work("second")))
    });
    local.scope(|| {
        assert!(poll_once(first.as_mut()).is_pending());
        local.track("around", |_| assert!(poll_once(second.as_mut()).is_pending()));
    });
    let (first, second) = thread::scope(|scope| {
        let there = scope.spawn(|| {
            local.scope(|| {
                // In another call of another trace.
                local.track("elsewhere", |_| {
                    let second = block_on(second);
                    (block_on(first), second)
                })
            })
        });
        there.join().unwrap()
    });
    let of = records(&local);
    assert_eq!((first, of["first"].trace_id), (header_trace(), header_trace()));
    assert_eq!((second, of["second"].trace_id), (of["around"].trace_id, of["around"].trace_id));
    assert_ne!(of["elsewhere"].trace_id, second);
    let inside: HashSet<_> = local.recent(100).into_iter().filter(|r| r.name == "inside").map(|r| r.trace_id).collect();
    assert_eq!(inside, [first, second].into());
    assert_eq!(of["second"].parent, Some(of["around"].id));
}

#[test]
fn a_future_that_is_dropped_half_way_is_recorded_in_its_context() {
    let local = local();
    local.scope(|| {
        let mut future = Box::pin(
            async {
                let _guard = monitor().operation("held").start();
                std::future::pending::<()>().await;
            }
            .tracked("dropped")
            .in_context(Context::from_traceparent(HEADER)),
        );
        assert!(poll_once(future.as_mut()).is_pending());
        assert!(local.active().iter().all(|operation| operation.trace_id == header_trace()));
        local.track("other", |_| drop(future));
    });
    let of = records(&local);
    assert_eq!((of["dropped"].trace_id, of["held"].trace_id), (header_trace(), header_trace()));
    assert_ne!(of["other"].trace_id, header_trace());
}

#[test]
fn a_guard_that_ends_elsewhere_is_of_the_trace_that_it_began_in() {
    let local = local();
    let guard = local.scope(|| {
        Context::from_traceparent(HEADER).with_field("tenant", "acme").in_context(|| {
            let _around = local.operation("around").start();
            let moved = local.operation("moved").start();
            thread::scope(|scope| {
                scope.spawn(|| local.scope(|| local.track("there", |_| drop(moved))));
            });
            local.operation("left").start()
        })
    });
    // Its scope is gone, and the context with it.
    drop(guard);
    let of = records(&local);
    for name in ["moved", "left"] {
        assert_eq!((of[name].trace_id, of[name].context.len()), (header_trace(), 1), "{name}");
    }
    assert_ne!(of["there"].trace_id, header_trace());
}

#[test]
fn a_trace_stays_one_when_its_first_call_ends_early() {
    let local = local();
    local.scope(|| {
        let first = local.operation("first").start();
        let second = local.operation("second").start();
        let third = local.operation("third").start();
        let trace = Context::current().trace_id();
        first.succeed();
        assert_eq!(Context::current().trace_id(), trace);
        assert_eq!(local.active()[0].trace_id, trace);
        second.succeed();
        assert_eq!(Context::current().trace_id(), trace);
        third.succeed();
        local.track("next", |_| ());
    });
    let of = records(&local);
    assert_eq!((of["second"].trace_id, of["third"].trace_id), (of["first"].trace_id, of["first"].trace_id));
    assert_ne!(of["next"].trace_id, of["first"].trace_id);
}

#[test]
fn contexts_nest_and_end_also_by_a_panic() {
    let local = local();
    local.scope(|| {
        let (outer, inner) = (Context::new_trace(), Context::new_trace());
        outer.in_context(|| {
            let caught = std::panic::catch_unwind(|| inner.in_context(|| panic!("on purpose")));
            assert!(caught.is_err());
            assert_eq!(Context::current().trace_id(), outer.trace_id());
            inner.in_context(|| local.track("inner", |_| assert_eq!(Context::current().trace_id(), inner.trace_id())));
            Context::default().in_context(|| assert_eq!(Context::current().trace_id(), None));
        });
        assert_eq!(Context::current().trace_id(), None);
        assert_eq!(records(&local)["inner"].trace_id, inner.trace_id());
    });
}

#[test]
fn time_in_a_context_is_time_of_the_call_around() {
    let (local, clock) = tests::with_clock();
    let second = std::time::Duration::from_secs(1);
    local.scope(|| {
        local.track("around", |_| {
            clock.advance(second);
            Context::current().in_context(|| local.track("inside", |_| clock.advance(second)));
            Context::new_trace().in_context(|| local.track("apart", |_| clock.advance(second)));
        });
    });
    let of = |name: &str| tests::stats(&local, name);
    assert_eq!((of("around").total_time, of("around").self_time), (3 * second, second));
    let of = records(&local);
    assert_eq!(of["inside"].parent, Some(of["around"].id));
    assert_eq!((of["apart"].parent, of["inside"].trace_id), (None, of["around"].trace_id));
    assert_ne!(of["apart"].trace_id, of["around"].trace_id);
}

#[test]
fn a_context_is_entered_also_where_the_stack_is_full_and_where_nothing_is_recorded() {
    fn nest(local: &Monitor, depth: usize, innermost: &mut dyn FnMut()) {
        match depth {
            0 => innermost(),
            _ => local.track("nested", |_| nest(local, depth - 1, innermost)),
        }
    }
    let local = local();
    let context = Context::from_traceparent(HEADER);
    local.scope(|| {
        nest(&local, 70, &mut || {
            context.in_context(|| {
                assert_eq!(Context::current().trace_id(), header_trace());
                assert_eq!(Context::current().span_id(), context.span_id());
                local.track("deep", |_| ());
            });
            assert_ne!(Context::current().trace_id(), header_trace());
        });
    });
    let of = records(&local);
    assert_eq!(of["deep"].trace_id, header_trace());
    assert_ne!(of["nested"].trace_id, header_trace());

    local.set_enabled(false);
    local.scope(|| {
        let sent = context.in_context(|| Context::current().traceparent().unwrap());
        assert_eq!(sent.to_string(), HEADER, "recording is off, the trace goes on");
    });
}

#[test]
fn a_context_goes_along_into_another_monitors_scope() {
    let (outer, inner) = (local(), local());
    outer.scope(|| {
        Context::from_traceparent(HEADER).in_context(|| {
            let _around = outer.operation("around").start();
            inner.scope(|| {
                let _op = inner.operation("inside").start();
                assert_eq!(inner.active()[0].trace_id, header_trace());
            });
            // By a handle on a monitor that this thread does not record into.
            inner.track("by handle", |_| ());
        });
    });
    let of = records(&inner);
    assert_eq!((of["inside"].trace_id, of["by handle"].trace_id), (header_trace(), header_trace()));
    assert_eq!((of["inside"].parent, records(&outer)["around"].trace_id), (None, header_trace()));
}

#[track_operation(record = "all")]
async fn handle(number: usize) -> Option<TraceId> {
    inner(number).await;
    tokio::task::yield_now().await;
    let here = Context::current();
    let spawned = tokio::spawn(inner(number).in_context(here.clone()));
    let blocking = here.clone();
    let blocking = tokio::task::spawn_blocking(blocking.wrap(move || Context::current().trace_id()));
    assert_eq!(spawned.await.ok().flatten(), here.trace_id());
    assert_eq!(blocking.await.ok().flatten(), here.trace_id());
    assert_eq!(Context::current().field("number"), Some(&FieldValue::from(number as u64)));
    here.trace_id()
}

#[track_operation(record = "all")]
async fn inner(number: usize) -> Option<TraceId> {
    for _ in 0..number % 4 {
        tokio::task::yield_now().await;
    }
    Context::current().trace_id()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_tasks_none_gets_the_trace_of_another_one() {
    let before = monitor().recent(usize::MAX).len();
    let tasks: Vec<_> = (0..1_000_usize)
        .map(|number| {
            let context = Context::new_trace().with_field("number", number as u64);
            let trace = context.trace_id();
            (trace, tokio::spawn(handle(number).in_context(context)))
        })
        .collect();
    let mut traces = HashSet::new();
    for (trace, task) in tasks {
        assert_eq!(task.await.unwrap(), trace);
        assert!(traces.insert(trace));
    }
    let records = monitor().recent(usize::MAX);
    assert!(records.len() > before);
    let mut by_span = HashMap::new();
    let mut seen = 0;
    for record in records.iter().filter(|record| record.name.ends_with("handle")) {
        by_span.insert(record.span_id, record.trace_id);
    }
    for record in records.iter().filter(|record| record.name.ends_with("inner")) {
        assert!(traces.contains(&record.trace_id));
        // Records make room for newer ones: not every caller is still there.
        if let Some(trace) = by_span.get(&record.parent_span_id) {
            assert_eq!(*trace, record.trace_id);
            seen += 1;
        }
        assert_eq!(record.context.len(), 1);
    }
    assert!(seen > 100, "{seen}");
}

#[test]
fn a_closure_that_is_wrapped_runs_in_the_monitor_of_its_operation() {
    let local = local();
    let later = local.scope(|| {
        let _op = local.operation("outer").record(RecordPolicy::All).start();
        Context::current().wrap(|| monitor().track("later", |_| ()))
    });
    thread::spawn(later).join().unwrap();
    let of = records(&local);
    assert_eq!(of["later"].parent_name.as_deref(), Some("outer"));
}

#[test]
fn ids_of_active_calls_are_those_of_their_records() {
    let local = local();
    let mut future = pin!(async { yield_once().await }.tracked("waiting"));
    let active = local.scope(|| {
        Context::from_traceparent(HEADER).in_context(|| {
            local.track("around", |_| {
                assert!(poll_once(future.as_mut()).is_pending());
                local.snapshot().active().to_vec()
            })
        })
    });
    local.scope(|| block_on(future));
    let of = records(&local);
    assert_eq!(active.len(), 2);
    for operation in active {
        let record = &of[&operation.name];
        assert_eq!((operation.trace_id, operation.span_id), (record.trace_id, record.span_id), "{}", operation.name);
        assert_eq!(operation.parent, record.parent);
    }
}

#[test]
fn a_guard_held_across_an_await_waits_with_the_future_in_context() {
    let local = local();
    local.scope(|| {
        let mut future = Box::pin(
            async {
                let held = monitor().operation("held").start();
                yield_once().await;
                monitor().track("inside", |_| ());
                held.succeed();
            }
            .in_context(Context::from_traceparent(HEADER)),
        );
        assert!(poll_once(future.as_mut()).is_pending());
        local.track("between", |_| ());
        assert!(poll_once(future.as_mut()).is_ready());
    });
    let of = records(&local);
    assert_eq!((of["inside"].parent, of["between"].parent), (Some(of["held"].id), None));
    assert_eq!((of["inside"].trace_id, of["held"].trace_id), (header_trace(), header_trace()));
}

#[test]
fn a_trace_in_an_empty_context_stays_one_when_its_first_call_ends_early() {
    let local = local();
    local.scope(|| {
        local.track("around", |_| {
            Context::default().in_context(|| {
                let first = local.operation("first").start();
                let second = local.operation("second").start();
                let trace = Context::current().trace_id();
                first.succeed();
                assert_eq!(Context::current().trace_id(), trace);
                assert_eq!(local.active()[1].trace_id, trace);
                second.succeed();
            });
        });
    });
    let of = records(&local);
    assert_eq!(of["second"].trace_id, of["first"].trace_id);
    assert_ne!(of["second"].trace_id, of["around"].trace_id);
}

#[test]
fn guards_that_outlive_an_empty_context_are_of_the_trace_that_began_in_it() {
    let local = local();
    local.scope(|| {
        local.track("around", |_| {
            let (first, second) =
                Context::default().in_context(|| (local.operation("first").start(), local.operation("second").start()));
            first.succeed();
            second.succeed();
        });
    });
    let of = records(&local);
    assert_ne!(of["first"].trace_id, of["around"].trace_id);
    assert_eq!(of["second"].trace_id, of["first"].trace_id);
}

#[test]
fn a_guard_that_waits_in_an_empty_context_stays_of_its_trace() {
    let local = local();
    local.scope(|| {
        let first = local.operation("outermost").start();
        let mut future = Box::pin(
            async {
                let early = monitor().operation("early").start();
                let held = monitor().operation("held").start();
                early.succeed();
                yield_once().await;
                monitor().track("inside", |_| ());
                held.succeed();
            }
            .in_context(Context::default()),
        );
        assert!(poll_once(future.as_mut()).is_pending());
        // At another place of the stack.
        local.track("between", |_| local.track("deeper", |_| assert!(poll_once(future.as_mut()).is_ready())));
        first.succeed();
    });
    let of = records(&local);
    assert_ne!(of["early"].trace_id, of["outermost"].trace_id);
    assert_eq!((of["held"].trace_id, of["inside"].trace_id), (of["early"].trace_id, of["early"].trace_id));
}

/// Runs `f` inside of so many calls, the innermost of which ends when `f` drops its guard.
fn inside_of(local: &Monitor, depth: usize, f: impl FnOnce(Vec<monitor_core::Operation>)) {
    f((0..depth).map(|_| local.operation("nested").start()).collect());
}

#[test]
fn on_a_full_stack_a_context_holds_also_when_room_comes_inside() {
    let local = local();
    local.scope(|| {
        inside_of(&local, 63, |mut guards| {
            Context::from_traceparent(HEADER).in_context(|| {
                drop(guards.pop());
                local.track("in context", |_| {
                    assert_eq!(Context::current().trace_id(), header_trace());
                    drop(guards.pop());
                    Context::new_trace().in_context(|| {
                        assert_ne!(Context::current().trace_id(), header_trace());
                        local.track("deeper", |_| ());
                    });
                    assert_eq!(Context::current().trace_id(), header_trace());
                });
            });
            local.track("afterwards", |_| {
                assert_eq!(local.active().len(), 62, "there is room again");
            });
            drop(guards);
        });
    });
    let of = records(&local);
    assert_eq!(of["in context"].trace_id, header_trace());
    assert_ne!(of["deeper"].trace_id, header_trace());
    assert_eq!(of["afterwards"].trace_id, of["nested"].trace_id);
    assert!(of["afterwards"].parent.is_some());
}

#[test]
fn on_a_full_stack_a_future_is_of_the_trace_that_it_began_in() {
    let local = local();
    local.scope(|| {
        let mut waiting = Box::pin(
            async {
                yield_once().await;
                monitor().track("inside", |_| ());
            }
            .tracked("waiting"),
        );
        Context::from_traceparent(HEADER).in_context(|| {
            inside_of(&local, 63, |_guards| {
                block_on(async { monitor().track("in ready", |_| ()) }.tracked("ready"));
                assert!(poll_once(waiting.as_mut()).is_pending());
            });
        });
        inside_of(&local, 63, |mut guards| {
            let future = async {
                drop(guards.pop());
                waiting.await;
            };
            block_on(future);
            drop(guards);
        });
    });
    let of = records(&local);
    for name in ["ready", "in ready", "waiting", "inside"] {
        assert_eq!(of[name].trace_id, header_trace(), "{name}");
    }
}

/// An error whose text ends a call.
struct Ending(std::cell::RefCell<Vec<monitor_core::Operation>>);

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        drop(self.0.borrow_mut().pop());
        f.write_str("it ended the calls around")
    }
}

#[test]
fn a_call_whose_caller_ends_meanwhile_is_of_its_trace() {
    let local = local();
    local.scope(|| {
        for (caller, callee) in [("a", "b"), ("in context", "c")] {
            let begin = || {
                let caller = local.operation(caller).start();
                let callee = local.operation(callee).start();
                callee.fail_with(&Ending(vec![caller].into()));
            };
            if caller == "a" { begin() } else { Context::from_traceparent(HEADER).in_context(begin) }
        }
        Context::from_traceparent(HEADER).in_context(|| {
            local.track("around", |_| {
                Context::default().in_context(|| {
                    let caller = local.operation("d").start();
                    local.operation("e").start().fail_with(&Ending(vec![caller].into()));
                });
            });
        });
    });
    let of = records(&local);
    assert_eq!(of["b"].trace_id, of["a"].trace_id);
    assert_eq!((of["c"].trace_id, of["in context"].trace_id), (header_trace(), header_trace()));
    assert_eq!(of["e"].trace_id, of["d"].trace_id);
    assert_eq!(of["b"].parent, Some(of["a"].id));
}

#[test]
fn a_scope_of_the_same_monitor_changes_no_parent_in_a_context() {
    let local = local();
    local.scope(|| {
        Context::from_traceparent(HEADER).in_context(|| {
            local.track("a", |_| local.scope(|| local.track("b", |_| ())));
        });
    });
    let of = records(&local);
    assert_eq!((of["b"].parent, of["b"].trace_id), (Some(of["a"].id), header_trace()));
}

#[test]
fn a_call_in_another_monitors_scope_has_one_trace_wherever_it_is_shown() {
    let (outer, inner) = (local(), local());
    let other = inner.clone();
    outer.scope(|| {
        block_on(
            async {
                yield_once().await;
                other.scope(|| {
                    let op = other.operation("inside").start();
                    let (shown, here) = (other.active()[0].trace_id, Context::current().trace_id());
                    op.succeed();
                    let recorded = records(&other)["inside"].trace_id;
                    assert_eq!((shown, here), (recorded, recorded));
                });
            }
            .tracked("future"),
        );
    });
}

#[test]
fn a_guard_that_a_future_gives_out_goes_on_running() {
    let local = local();
    local.scope(|| {
        let mut future = Box::pin(
            async {
                yield_once().await;
                monitor().operation("given").start()
            }
            .in_context(Context::from_traceparent(HEADER)),
        );
        assert!(poll_once(future.as_mut()).is_pending());
        let std::task::Poll::Ready(guard) = poll_once(future.as_mut()) else { panic!("it is ready") };
        drop(future);
        let active = local.active();
        assert_eq!(active.len(), 1);
        assert_eq!((active[0].state, active[0].trace_id), (monitor_core::ActiveState::Running, header_trace()));
        drop(guard);
    });
}

#[test]
fn what_goes_out_keeps_to_the_specification() {
    let request = |header: &str| Context::from_traceparent(header);
    // Flags that version 00 does not know are zero in what is sent.
    for (flags, sent) in [("00", "00"), ("01", "01"), ("02", "00"), ("ff", "01")] {
        let header = HEADER.replace("-01", &format!("-{flags}"));
        assert_eq!(request(&header).traceparent().unwrap().to_string(), HEADER.replace("-01", &format!("-{sent}")));
    }
    assert_eq!(request(&(HEADER.replacen("00", "cc", 1) + "-x")).traceparent().unwrap().to_string(), HEADER);
    // Without the trace that it was sent for, a state is none.
    assert_eq!(request("garbage").with_tracestate("vendor=1").tracestate(), None);
    for none in ["", " ", "a=1\r\nCookie: b", "a=\u{e9}"] {
        assert_eq!(request(HEADER).with_tracestate(none).tracestate(), None, "{none:?}");
    }
    // Whole entries are left out of one that is too long: the long ones, and then those at the end.
    let (long, short) = (format!("long={}", "x".repeat(124)), |n: usize| format!("k{n}={}", "x".repeat(90)));
    let header = [short(0), long, short(1), short(2), short(3), short(4), short(5)].join(",");
    let kept = [short(0), short(1), short(2), short(3), short(4)].join(",");
    assert_eq!(request(HEADER).with_tracestate(&header).tracestate(), Some(&*kept));
    let fits = "x".repeat(512);
    assert_eq!(request(HEADER).with_tracestate(&fits).tracestate(), Some(&*fits));
}

#[test]
fn contexts_and_their_futures_go_where_programs_need_them() {
    fn everywhere<T: Send + Sync + Unpin + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static>(_: &T) {}
    everywhere(&Context::current());
    everywhere(&std::future::ready(()).in_context(Context::current()));
    let wrapped = Context::current().wrap(|| 1);
    everywhere(&wrapped);
}

/// A thread that begins and ends calls, enters contexts and sends guards away in any order, beside what it expects: each
/// call has for ever the trace that it began in.
struct Walk {
    local: Monitor,
    random: u64,
    /// Calls that run: the guard, its trace, the context that it began in.
    running: Vec<(monitor_core::Operation, Option<TraceId>, usize)>,
    /// Contexts that the thread is in: a number, and its trace.
    within: Vec<(usize, Option<TraceId>)>,
    contexts: usize,
    ended: HashMap<u64, Option<TraceId>>,
    steps_left: usize,
}

impl Walk {
    fn below(&mut self, n: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from(self.random % n as u64).unwrap_or(0)
    }

    /// The trace that a call has which begins now, if it is told yet.
    fn expected(&self) -> Option<TraceId> {
        let (here, trace) = self.within[self.within.len() - 1];
        trace.or_else(|| self.running.iter().find(|(.., began)| *began == here)?.1)
    }

    fn step(&mut self) {
        match self.below(8) {
            0..3 if self.running.len() < 40 => {
                let expected = self.expected();
                let guard = self.local.operation("step").record(RecordPolicy::All).start();
                let trace = Context::current().trace_id();
                assert!(trace.is_some() && expected.is_none_or(|expected| Some(expected) == trace));
                assert!(expected.is_some() || self.ended.values().all(|other| *other != trace));
                let here = self.within[self.within.len() - 1].0;
                self.running.push((guard, trace, here));
            }
            3..6 if !self.running.is_empty() => {
                let at = self.below(self.running.len());
                let (guard, trace, _) = self.running.remove(at);
                self.ended.insert(guard.id(), trace);
                match self.below(4) {
                    0 => _ = thread::scope(|scope| scope.spawn(|| drop(guard)).join()),
                    1 => guard.fail_with("on purpose"),
                    _ => guard.succeed(),
                }
            }
            6 if self.within.len() < 8 => {
                let context = match self.below(4) {
                    0 => Context::default(),
                    1 => Context::current(),
                    2 => Context::current().with_field("more", true),
                    _ => Context::new_trace(),
                };
                self.contexts += 1;
                self.within.push((self.contexts, context.trace_id()));
                let steps = self.below(30);
                context.in_context(|| self.steps(steps));
                self.within.pop();
            }
            _ => {}
        }
    }

    fn steps(&mut self, steps: usize) {
        for _ in 0..steps {
            let Some(left) = self.steps_left.checked_sub(1) else { return };
            self.steps_left = left;
            self.step();
            assert_eq!(Context::current().trace_id(), self.expected());
            let active: HashMap<_, _> = self.local.active().into_iter().map(|call| (call.id, call.trace_id)).collect();
            let running: HashMap<_, _> = self.running.iter().map(|(guard, trace, _)| (guard.id(), *trace)).collect();
            assert_eq!(active, running);
        }
    }
}

#[test]
fn whatever_the_order_each_call_keeps_the_trace_that_it_began_in() {
    for seed in 1..=100_u64 {
        let local = Monitor::builder().recent_capacity(1_000).build().unwrap();
        let mut walk = Walk {
            local: local.clone(),
            random: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15),
            running: Vec::new(),
            within: vec![(0, None)],
            contexts: 0,
            ended: HashMap::new(),
            steps_left: 300,
        };
        local.scope(|| walk.steps(usize::MAX));
        let left = std::mem::take(&mut walk.running);
        walk.ended.extend(left.iter().map(|(guard, trace, _)| (guard.id(), *trace)));
        drop(left);
        let records = local.recent(usize::MAX);
        assert_eq!(records.len(), walk.ended.len(), "seed {seed}");
        for record in records {
            assert_eq!(Some(record.trace_id), walk.ended.get(&record.id).copied(), "seed {seed}");
        }
    }
}
