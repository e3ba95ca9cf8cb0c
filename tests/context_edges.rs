//! Contexts where it is hard: those that are empty or that the stack has no room for, calls that end in any order,
//! scopes of other monitors.

#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::thread;

use monitor_core::{Context, InContext, Monitor, RecordPolicy, TraceId, TrackFuture, monitor};
use tests::traces::{HEADER, header_trace, records};
use tests::{block_on, local, poll_once, yield_once};

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
