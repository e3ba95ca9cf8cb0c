//! Assertions on operations, those by id too, errors, jobs, queues, caches, state machines, metrics, traces and audit entries, for
//! the host's own tests.
//!
//! Code that records can be tested for what it did: how often the database was asked, that nothing failed, that the
//! 99th percentile stays below a limit. A test uses a monitor of its own, so tests run in parallel.
//!
//! ```
//! use std::time::Duration;
//! use monitor_core::{Monitor, testing};
//!
//! let local = Monitor::builder().build()?;
//! local.scope(|| {
//!     for _ in 0..3 {
//!         local.track("db.fetch", |_| ());
//!     }
//! });
//!
//! let snapshot = local.snapshot();
//! testing::assert_operation(&snapshot, "db.fetch")
//!     .calls(3)
//!     .failures(0)
//!     .in_flight(0)
//!     .p99_below(Duration::from_secs(5));
//! testing::assert_no_operation(&snapshot, "db.store");
//! # Ok::<(), monitor_core::Error>(())
//! ```
//!
//! What fails panics at the caller's line, as `assert!` does. The message has what was expected and all the figures
//! of the operation; for a name that is not there, the names that are, the most similar first:
//!
//! ```text
//! operation `db.fetch`: expected 4 calls, found 3
//!   calls      3: 2 succeeded, 1 failed, 0 panicked, 0 cancelled, 0 in flight
//!   durations  min 1.02 ms, mean 2.11 ms, p50 1.98 ms, p90 3.40 ms, p99 3.40 ms, max 3.41 ms
//!   work       10 items, 0 bytes
//!   identity   kind function
//! ```
#![allow(clippy::panic, reason = "a failed assertion panics; that is what this module is for")]
#![allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "the last link of a chain is not used")]

mod audit;
mod by_id;
mod caches;
mod errors;
mod memory;
#[cfg(feature = "metrics")]
mod metrics;
mod progress;
mod queues;
mod report;
mod states;
mod trace;

use std::fmt;
use std::time::Duration;

pub use self::audit::{AuditEntryAssert, MemoryAuditTrail};
pub use self::by_id::{OperationByIdAssert, assert_operation_by_id};
pub use self::caches::{CacheAssert, assert_cache};
pub use self::errors::{ErrorAssert, assert_error, assert_no_errors};
#[cfg(feature = "metrics")]
pub use self::metrics::{MetricAssert, assert_metric};
pub use self::progress::{ProgressAssert, assert_progress};
pub use self::queues::{QueueAssert, assert_queue};
use self::report::{NAMES_LISTED, Names, Report};
pub use self::states::{StateMachineAssert, assert_state_machine};
pub use self::trace::{TraceAssert, assert_trace};
use crate::model::text::{format_count, format_duration, format_percent, one_line, plural};
use crate::model::{OperationStats, Snapshot};

/// Begins assertions on the operation of that name; of several kinds with that name, the one with the largest total
/// time.
///
/// # Panics
///
/// When there is no such operation, with the names there are.
#[track_caller]
pub fn assert_operation<'a>(snapshot: &'a Snapshot, name: &str) -> OperationAssert<'a> {
    match snapshot.operation(name) {
        Some(stats) => OperationAssert { stats },
        None => panic!("no operation `{}` was recorded; {}", one_line(name), Names { snapshot, wanted: name }),
    }
}

/// Begins assertions on the operation of that name and kind.
///
/// # Panics
///
/// When there is no such operation, with the names there are.
#[track_caller]
pub fn assert_operation_of<'a>(snapshot: &'a Snapshot, name: &str, kind: &str) -> OperationAssert<'a> {
    match snapshot.operation_of(name, kind) {
        Some(stats) => OperationAssert { stats },
        None => panic!(
            "no operation `{}` of kind `{}` was recorded; {}",
            one_line(name),
            one_line(kind),
            Names { snapshot, wanted: name }
        ),
    }
}

/// Asserts that no operation of that name was called: there is none, or its count of calls is 0, as it is in the
/// difference of two snapshots between which nothing called it.
///
/// # Panics
///
/// When there is one, with its figures.
#[track_caller]
pub fn assert_no_operation(snapshot: &Snapshot, name: &str) {
    let called = snapshot.operations().iter().filter(|stats| stats.name == name);
    if let Some(stats) = called.into_iter().find(|stats| stats.started > 0 || stats.finished() > 0) {
        OperationAssert { stats }.check(false, format_args!("expected no call"), format_args!("{}", stats.started));
    }
}

/// Assertions on one operation, from [`assert_operation`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with the figures of the operation, when they do not hold.
#[derive(Debug, Clone, Copy)]
pub struct OperationAssert<'a> {
    stats: &'a OperationStats,
}

/// # Counts
impl OperationAssert<'_> {
    /// Exactly `n` calls were begun.
    #[track_caller]
    pub fn calls(self, n: u64) -> Self {
        self.equal("call", self.stats.started, n)
    }

    /// At least `n` calls were begun.
    #[track_caller]
    pub fn calls_at_least(self, n: u64) -> Self {
        let found = self.stats.started;
        self.check(found >= n, format_args!("expected at least {}", plural(n, "call")), format_args!("{found}"))
    }

    /// Exactly `n` calls succeeded.
    #[track_caller]
    pub fn successes(self, n: u64) -> Self {
        self.equal("successful call", self.stats.succeeded, n)
    }

    /// Exactly `n` calls ended in an error. Panicked and cancelled ones count apart.
    #[track_caller]
    pub fn failures(self, n: u64) -> Self {
        self.equal("failed call", self.stats.failed, n)
    }

    /// Exactly `n` calls panicked.
    #[track_caller]
    pub fn panics(self, n: u64) -> Self {
        self.equal("panicked call", self.stats.panicked, n)
    }

    /// Exactly `n` calls were cancelled.
    #[track_caller]
    pub fn cancelled(self, n: u64) -> Self {
        self.equal("cancelled call", self.stats.cancelled, n)
    }

    /// Exactly `n` calls were running when the snapshot was taken.
    #[track_caller]
    pub fn in_flight(self, n: u64) -> Self {
        self.equal("call in flight", self.stats.in_flight(), n)
    }

    /// Exactly `n` items were counted.
    #[track_caller]
    pub fn items(self, n: u64) -> Self {
        self.equal("item", self.stats.items, n)
    }

    /// Exactly `n` bytes were counted.
    #[track_caller]
    pub fn bytes(self, n: u64) -> Self {
        self.equal("byte", self.stats.bytes, n)
    }

    /// At least this share of the finished calls succeeded, 0.0 to 1.0. Holds when none has finished.
    #[track_caller]
    pub fn success_rate_at_least(self, rate: f64) -> Self {
        let found = self.stats.success_rate();
        self.check(
            found >= rate,
            format_args!("expected a success rate of at least {}", format_percent(rate)),
            format_args!("{}", format_percent(found)),
        )
    }
}

/// # Durations
///
/// A limit is exclusive. Percentiles are read within 1.6 %, mean and max exactly. An operation of which no call was
/// timed fails every one of these: a limit that nothing was held against has not been kept.
impl OperationAssert<'_> {
    /// The median duration is below `limit`.
    #[track_caller]
    pub fn p50_below(self, limit: Duration) -> Self {
        self.below(format_args!("p50"), self.stats.percentile(0.5), limit)
    }

    /// The 99th percentile of the durations is below `limit`.
    #[track_caller]
    pub fn p99_below(self, limit: Duration) -> Self {
        self.below(format_args!("p99"), self.stats.percentile(0.99), limit)
    }

    /// The duration at quantile `q`, a fraction, is below `limit`.
    #[track_caller]
    pub fn percentile_below(self, q: f64, limit: Duration) -> Self {
        self.below(format_args!("quantile {q}"), self.stats.percentile(q), limit)
    }

    /// The mean duration is below `limit`.
    #[track_caller]
    pub fn mean_below(self, limit: Duration) -> Self {
        self.below(format_args!("mean"), self.stats.mean(), limit)
    }

    /// The longest duration is below `limit`.
    #[track_caller]
    pub fn max_below(self, limit: Duration) -> Self {
        self.below(format_args!("max"), self.stats.max(), limit)
    }

    #[track_caller]
    fn below(self, what: fmt::Arguments<'_>, found: Duration, limit: Duration) -> Self {
        let expected = format_args!("expected {what} below {}", format_duration(limit)).to_string();
        if self.stats.durations.is_empty() {
            return self.check(false, format_args!("{expected}"), format_args!("no call that was timed"));
        }
        // Both are rounded for reading; where they read the same, the exact value tells them apart.
        self.check(
            found < limit,
            format_args!("{expected}"),
            format_args!("{} ({} ns)", format_duration(found), found.as_nanos()),
        )
    }
}

/// # Parts
impl<'a> OperationAssert<'a> {
    /// Goes on with one label set of the operation: the first that has all of these labels.
    ///
    /// ```
    /// use monitor_core::{Monitor, testing};
    ///
    /// let local = Monitor::builder().build()?;
    /// drop(local.operation("db.fetch").label("table", "users").start());
    /// testing::assert_operation(&local.snapshot(), "db.fetch").series(&[("table", "users")]).calls(1);
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    #[track_caller]
    pub fn series(self, labels: &[(&str, &str)]) -> OperationAssert<'a> {
        let has = |stats: &OperationStats| {
            labels.iter().all(|(key, value)| stats.labels.get(*key).is_some_and(|found| found == value))
        };
        if let Some(stats) = self.stats.series.iter().find(|stats| has(stats)) {
            return OperationAssert { stats };
        }
        let found: Vec<_> = self.stats.series.iter().take(NAMES_LISTED).map(|stats| &stats.labels).collect();
        self.check(false, format_args!("expected the label set {labels:?}"), format_args!("{found:?}"))
    }

    /// The figures themselves, for what is not covered here.
    pub fn stats(self) -> &'a OperationStats {
        self.stats
    }

    #[track_caller]
    fn equal(self, noun: &str, found: u64, expected: u64) -> Self {
        // "2 calls in flight", not "2 call in flights".
        let expected_text = match noun.split_once(' ') {
            Some((first, rest)) if first == "call" => format!("{} {rest}", plural(expected, first)),
            _ => plural(expected, noun),
        };
        self.check(found == expected, format_args!("expected {expected_text}"), format_args!("{}", format_count(found)))
    }

    #[track_caller]
    fn check(self, holds: bool, expected: fmt::Arguments<'_>, found: fmt::Arguments<'_>) -> Self {
        assert!(holds, "operation `{}`: {expected}, found {found}\n{}", one_line(&self.stats.name), Report(self.stats));
        self
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::model::{Identity, SnapshotParts, Totals};

    const MS: u64 = 1_000_000;

    fn operation(name: &str, totals: Totals) -> OperationStats {
        let identity = Identity { name: name.into(), kind: "function".into(), ..Identity::default() };
        OperationStats::new(identity, totals, Duration::from_secs(1))
    }

    fn snapshot(names: &[&str]) -> Snapshot {
        let totals = Totals { started: 4, failed: 1, items: 10, ..Totals::of_durations(&[MS, 2 * MS, 3 * MS]) };
        let mut users = operation("db.fetch", Totals::of_durations(&[MS]));
        users.labels.insert("table".into(), "users".into());
        let first = operation("db.fetch", totals).with_series(vec![users]);
        let others = names.iter().map(|name| operation(name, Totals::of_durations(&[1])));
        Snapshot::new(SnapshotParts {
            operations: [first].into_iter().chain(others).collect(),
            ..SnapshotParts::empty()
        })
    }

    /// The message of the assertion that fails in `f`; empty when none does.
    pub(super) fn message(f: impl FnOnce()) -> String {
        let failed = catch_unwind(AssertUnwindSafe(f)).err();
        failed.map_or_else(String::new, |payload| payload.downcast_ref::<String>().cloned().unwrap_or_default())
    }

    #[test]
    fn what_holds_passes() {
        let snapshot = snapshot(&[]);
        let ms = Duration::from_millis;
        assert_operation(&snapshot, "db.fetch")
            .calls(4)
            .calls_at_least(4)
            .successes(3)
            .failures(1)
            .panics(0)
            .cancelled(0)
            .in_flight(0)
            .items(10)
            .bytes(0)
            .success_rate_at_least(0.75)
            .p50_below(ms(3))
            .p99_below(ms(4))
            .percentile_below(0.0, ms(2))
            .mean_below(ms(3))
            .max_below(Duration::from_nanos(3 * MS + 1))
            .series(&[("table", "users")])
            .calls(1);
        assert_operation_of(&snapshot, "db.fetch", "function").calls(4);
        assert_no_operation(&snapshot, "db.store");
        assert_no_operation(&snapshot.since(&snapshot), "db.fetch");
    }

    #[test]
    fn each_assertion_fails_when_it_does_not_hold() {
        let snapshot = snapshot(&[]);
        let op = assert_operation(&snapshot, "db.fetch");
        let ms = Duration::from_millis;
        let messages = [
            message(|| _ = op.calls(3)),
            message(|| _ = op.calls_at_least(5)),
            message(|| _ = op.successes(4)),
            message(|| _ = op.failures(0)),
            message(|| _ = op.panics(1)),
            message(|| _ = op.cancelled(1)),
            message(|| _ = op.in_flight(2)),
            message(|| _ = op.items(11)),
            message(|| _ = op.bytes(1)),
            message(|| _ = op.success_rate_at_least(0.76)),
            message(|| _ = op.p50_below(ms(1))),
            message(|| _ = op.p99_below(ms(2))),
            message(|| _ = op.percentile_below(0.0, ms(1))),
            message(|| _ = op.mean_below(ms(2))),
            message(|| _ = op.max_below(ms(3))),
            message(|| _ = op.series(&[("table", "orders")])),
            message(|| assert_no_operation(&snapshot, "db.fetch")),
        ];
        for message in &messages {
            assert!(message.starts_with("operation `db.fetch`: expected "), "{message}");
            assert!(message.contains("\n  calls      4: 3 succeeded, 1 failed"), "{message}");
            assert!(message.contains("min 1.00 ms, mean 2.00 ms, p50 2.0"), "{message}");
        }
        assert!(messages[0].contains("expected 3 calls, found 4\n"), "{}", messages[0]);
        assert!(messages[6].contains("expected 2 calls in flight, found 0\n"), "{}", messages[6]);
        assert!(messages[14].contains("expected max below 3.00 ms, found 3.00 ms (3000000 ns)"), "{}", messages[14]);
    }

    #[test]
    fn a_limit_is_not_kept_by_an_operation_that_was_never_timed() {
        let snapshot = snapshot(&[]);
        let never = snapshot.since(&snapshot);
        let failed = message(|| _ = assert_operation(&never, "db.fetch").p99_below(Duration::MAX));
        assert!(failed.contains("found no call that was timed"), "{failed}");
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_nearest_ones() {
        let snapshot = snapshot(&["cache.get", "app::load", "db.fetched"]);
        let names = |wanted| {
            let text = message(|| _ = assert_operation(&snapshot, wanted));
            text.lines().skip(1).map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names("db.fetsh")[..2], ["db.fetch", "db.fetched"]);
        assert_eq!(names("load")[0], "app::load");
        let failed = message(|| _ = assert_operation_of(&snapshot, "db.fetch", "cache"));
        assert!(failed.contains("of kind `cache`"), "{failed}");
    }

    #[test]
    fn many_names_are_cut_short_and_none_is_explained() {
        let names: Vec<_> = (0..20).map(|i| format!("operation {i}")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let failed = message(|| _ = assert_operation(&snapshot(&names), "x"));
        assert!(failed.ends_with("\n  and 9 others"), "{failed}");
    }
}
