//! What several suites need.

pub mod folder;
pub mod machines;
pub mod mount;
pub mod traces;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use monitor_core::{ManualClock, Monitor, OperationStats, Snapshot};

/// A monitor of its own for one test.
///
/// # Panics
/// Never: the settings are the default ones.
#[must_use]
#[expect(clippy::expect_used, reason = "the default settings are in their range")]
pub fn local() -> Monitor {
    Monitor::builder().build().expect("the default settings are in their range")
}

/// The statistics of an operation; empty ones if there is none.
#[must_use]
pub fn stats(monitor: &Monitor, name: &str) -> OperationStats {
    monitor.snapshot().operation(name).cloned().unwrap_or_default()
}

/// Polls a future to its end on this thread, without a runtime. It must not wait for anything but its own wake-ups.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Is ready at the second poll.
pub async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// A monitor of its own with the clock that moves its time.
///
/// # Panics
/// Never: the settings are the default ones.
#[must_use]
#[expect(clippy::expect_used, reason = "the default settings are in their range")]
pub fn with_clock() -> (Monitor, ManualClock) {
    let clock = ManualClock::new();
    let monitor = Monitor::builder().clock(&clock).build().expect("the default settings are in their range");
    (monitor, clock)
}

/// Polls a future once. Its wakers do nothing.
pub fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs code that is to panic, and says whether it did.
pub fn panics<R>(f: impl FnOnce() -> R) -> bool {
    std::panic::catch_unwind(AssertUnwindSafe(f)).is_err()
}

/// Started, succeeded, failed, panicked, cancelled and in flight.
#[must_use]
pub fn counts(monitor: &Monitor, name: &str) -> [u64; 6] {
    let stats = stats(monitor, name);
    [stats.started, stats.succeeded, stats.failed, stats.panicked, stats.cancelled, stats.in_flight()]
}

/// Calls from one operation to another, and their time.
#[must_use]
pub fn edge(snapshot: &Snapshot, caller: &str, callee: &str) -> (u64, Duration) {
    let found = snapshot.edges().iter().find(|edge| edge.caller == caller && edge.callee == callee);
    found.map_or((0, Duration::ZERO), |edge| (edge.calls, edge.total_time))
}

/// A future in its box that has been polled once and was not ready.
///
/// # Panics
/// When it was ready.
pub fn begun_here<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    assert!(poll_once(future.as_mut()).is_pending(), "it must give way at its first poll");
    future
}

/// The same in the monitor's scope: it then records into that monitor wherever it is polled.
///
/// # Panics
/// When it was ready.
pub fn begun<F: Future>(monitor: &Monitor, future: F) -> Pin<Box<F>> {
    monitor.scope(|| begun_here(future))
}

/// Gives way to others of the runtime, so that another thread may go on with the task.
pub async fn hop() {
    let mut yielded = false;
    std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
