//! Our own contenders: every way of tracking a call whose cost has a budget.
//!
//! All of them record to the program's global monitor, as a host without any set-up does.

use crate::contender::{BodyError, Contender, Family, body, repeat};
use monitor_core::{monitor, track_operation};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// The keys of the rows that budgets speak of.
pub mod keys {
    /// The attribute on a function.
    pub const MACRO: &str = "ours_macro";
    /// The guard with a literal name.
    pub const GUARD: &str = "ours_guard";
    /// One call in 32 timed.
    pub const SAMPLED: &str = "ours_sampled_32";
    /// Switched off at run time.
    pub const OFF: &str = "ours_switched_off";
    /// A tracked function inside a tracked function.
    pub const NESTED: &str = "ours_nested";
    /// An async function that is ready at its first poll.
    pub const ASYNC: &str = "ours_async_ready";
    /// A name that is known only at run time.
    pub const RUNTIME_NAME: &str = "ours_runtime_name";
    /// One label whose value is known only at run time.
    pub const RUNTIME_LABEL: &str = "ours_runtime_label";
}

/// How many names and label values take turns where they are given at run time: more than one, so that no look-up is
/// answered by "the same as last time".
const TURNS: u64 = 8;

/// Our contenders, the plain attribute first.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let new = |name, title, run: fn(u64)| Contender::new(Family::Ours, name, title, run);
    let names: Vec<String> = (0..TURNS).map(|n| format!("bench.runtime.{n}")).collect();
    let values: Vec<String> = (0..TURNS).map(|n| format!("tenant-{n}")).collect();
    vec![
        new(keys::MACRO, "ours: #[track_operation]", |calls| repeat(calls, tracked))
            .recorded(|| Ok(seen(&["bench.macro"]))),
        new(keys::GUARD, "ours: guard", |calls| repeat(calls, guarded)).recorded(|| Ok(seen(&["bench.guard"]))),
        new(keys::SAMPLED, "ours: sampled 1 in 32", |calls| repeat(calls, sampled))
            .recorded(|| Ok(seen(&["bench.sampled"]))),
        new(keys::OFF, "ours: switched off at run time", |calls| repeat(calls, switched_off))
            .before(|| monitor().set_enabled(false))
            .after(|| monitor().set_enabled(true)),
        // A parent and its child are two calls.
        new(keys::NESTED, "ours: nested, a call", |calls| repeat(calls / 2, parent))
            .recorded(|| Ok(seen(&["bench.parent", "bench.child"]))),
        new(keys::ASYNC, "ours: async, ready at first poll", |calls| repeat(calls, poll_once))
            .recorded(|| Ok(seen(&["bench.async"]))),
        Contender::new(Family::Ours, keys::RUNTIME_NAME, "ours: name given at run time", {
            let names = names.clone();
            move |calls| repeat(calls, |x| named(turn(&names, x), x))
        })
        .recorded(move || Ok(seen(&names))),
        Contender::new(Family::Ours, keys::RUNTIME_LABEL, "ours: label given at run time", move |calls| {
            repeat(calls, |x| labelled(turn(&values, x), x));
        })
        .recorded(|| Ok(seen(&["bench.labelled"]))),
    ]
}

/// Calls of these operations that the monitor has seen start and succeed. All have by the time this is asked.
fn seen(names: &[impl AsRef<str>]) -> u64 {
    let snapshot = monitor().snapshot();
    let stats = names.iter().filter_map(|name| snapshot.operation(name.as_ref()));
    stats.map(|stats| stats.started.min(stats.succeeded)).sum()
}

fn turn(texts: &[String], x: u64) -> &str {
    texts.get((x % TURNS) as usize).map_or("", String::as_str)
}

#[inline(never)]
#[track_operation(name = "bench.macro")]
fn tracked(x: u64) -> Result<u64, BodyError> {
    body(x)
}

#[inline(never)]
fn guarded(x: u64) -> Result<u64, BodyError> {
    let op = monitor().operation("bench.guard").start();
    finish(op, body(x))
}

#[inline(never)]
#[track_operation(name = "bench.sampled", sample = 32)]
fn sampled(x: u64) -> Result<u64, BodyError> {
    body(x)
}

#[inline(never)]
#[track_operation(name = "bench.switched_off")]
fn switched_off(x: u64) -> Result<u64, BodyError> {
    body(x)
}

#[inline(never)]
#[track_operation(name = "bench.parent")]
fn parent(x: u64) -> Result<u64, BodyError> {
    child(x)
}

#[inline(never)]
#[track_operation(name = "bench.child")]
fn child(x: u64) -> Result<u64, BodyError> {
    body(x)
}

#[track_operation(name = "bench.async")]
async fn ready(x: u64) -> Result<u64, BodyError> {
    std::future::ready(body(x)).await
}

#[inline(never)]
fn poll_once(x: u64) -> Result<u64, BodyError> {
    match pin!(ready(x)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(BodyError),
    }
}

#[inline(never)]
fn named(name: &str, x: u64) -> Result<u64, BodyError> {
    let op = monitor().operation(name).start();
    finish(op, body(x))
}

#[inline(never)]
fn labelled(value: &str, x: u64) -> Result<u64, BodyError> {
    let op = monitor().operation("bench.labelled").label("tenant", value).start();
    finish(op, body(x))
}

#[inline]
fn finish(op: monitor_core::Operation, result: Result<u64, BodyError>) -> Result<u64, BodyError> {
    match &result {
        Ok(_) => op.succeed(),
        Err(error) => op.fail(error),
    }
    result
}
