//! What it costs to take a context, to enter it, to read and to write the header that carries it; and a tracked call with
//! and without one around it. With the feature `peers` beside the context of `opentelemetry`, which carries no more than
//! a value here.
//!
//! `cargo bench -p benches --features peers --bench context`

#![forbid(unsafe_code)]

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::contender::{Contender, Family, body, repeat};
use benches::floor::UNIT;
use benches::options::Options;
use benches::rounds::Row;
use benches::{BenchResult, floor};
use monitor_core::{Context, monitor, track_operation};
use std::hint::black_box;

const ALONE: &str = "ours_call";
const INSIDE: &str = "ours_call_inside";
const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn main() -> BenchResult {
    let mut contenders: Vec<_> = floor::contenders().into_iter().filter(|row| row.name == UNIT).collect();
    contenders.extend(ours());
    #[cfg(feature = "peers")]
    contenders.extend(peer());
    let heading = "A context (`context`)";
    Comparison { name: "context", heading, contenders, verdicts, others: None }.run(&Options::from_env()?)
}

#[track_operation]
fn tracked(x: u64) -> Result<u64, benches::contender::BodyError> {
    body(x)
}

fn ours() -> Vec<Contender> {
    let context = Context::new_trace().with_field("tenant", "acme");
    let (around, entered, wrapped) = (context.clone(), context.clone(), context.clone());
    vec![
        Contender::new(Family::Ours, ALONE, "ours: a tracked call", |calls| repeat(calls, tracked)),
        Contender::new(Family::Ours, INSIDE, "ours: a tracked call, in a context all the time", move |calls| {
            around.in_context(|| repeat(calls, tracked));
        }),
        Contender::new(Family::Ours, "ours_enter", "ours: enter a context and leave it", move |calls| {
            repeat(calls, |x| entered.in_context(|| body(x)));
        }),
        Contender::new(Family::Ours, "ours_wrap", "ours: wrap a closure and call it", move |calls| {
            repeat(calls, |x| wrapped.clone().wrap(|| body(x))());
        }),
        Contender::new(Family::Ours, "ours_current", "ours: take the context of a call", |calls| {
            let _op = monitor().operation("around").start();
            repeat(calls, |x| {
                black_box(Context::current());
                body(x)
            });
        }),
        Contender::new(Family::Ours, "ours_read_header", "ours: read `traceparent`", |calls| {
            repeat(calls, |x| {
                black_box(Context::from_traceparent(black_box(HEADER)));
                body(x)
            });
        }),
        Contender::new(Family::Ours, "ours_write_header", "ours: write `traceparent`", move |calls| {
            repeat(calls, |x| {
                black_box(context.traceparent().map(|parent| parent.to_string()));
                body(x)
            });
        }),
    ]
}

/// What `opentelemetry` does when a request's context is entered: a clone of it is put in a thread-local stack.
#[cfg(feature = "peers")]
fn peer() -> Vec<Contender> {
    use opentelemetry::Context;

    let context = Context::new().with_value(1_u64);
    vec![
        Contender::new(Family::Peer, "opentelemetry_enter", "opentelemetry: attach a context", move |calls| {
            repeat(calls, |x| {
                let _attached = context.clone().attach();
                body(x)
            });
        }),
        Contender::new(Family::Peer, "opentelemetry_current", "opentelemetry: take the context", |calls| {
            let _attached = Context::new().with_value(1_u64).attach();
            repeat(calls, |x| {
                black_box(Context::current());
                body(x)
            });
        }),
    ]
}

fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let cost = |name: &str| Some(rows.iter().find(|row| row.name == name)?.cost(1)?.wall_ns);
    let more = cost(INSIDE).zip(cost(ALONE)).map(|(inside, alone)| inside - alone);
    let what = "a tracked call in a context, more than one outside";
    let verdict = |measured| Verdict { name: "call_in_context", what, limit: 1.0, measured, unit: "ns" };
    more.map(verdict).into_iter().collect()
}
