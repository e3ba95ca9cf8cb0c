//! What the suites of the attribute share.

use std::future::Future;
use std::pin::Pin;

use monitor_core::{OperationRecord, OperationStats, Snapshot};
use tests::local;

/// An error that is neither `Debug` nor `Display`.
pub(crate) struct Silent;

/// A boxed future that only its type shows.
pub(crate) type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Everything that the work records, in a monitor of its own.
pub(crate) fn recorded(work: impl FnOnce()) -> (Snapshot, Vec<OperationRecord>) {
    let monitor = local();
    monitor.scope(work);
    (monitor.snapshot(), monitor.recent(1_000))
}

/// The only operation that the work records.
#[track_caller]
pub(crate) fn single(work: impl FnOnce()) -> OperationStats {
    let (snapshot, _) = recorded(work);
    let names: Vec<_> = snapshot.operations().iter().map(|stats| stats.name.as_str()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    snapshot.operations()[0].clone()
}

/// started, succeeded, failed, panicked, cancelled
pub(crate) fn counts(stats: &OperationStats) -> [u64; 5] {
    [stats.started, stats.succeeded, stats.failed, stats.panicked, stats.cancelled]
}
