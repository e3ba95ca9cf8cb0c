//! Assertions on queues.

use std::fmt;
use std::time::Duration;

use super::report::nearest;
use crate::model::text::{format_count, format_duration, one_line, plural};
use crate::model::{QueueStats, Snapshot};

/// Begins assertions on the queue of that name.
///
/// ```
/// use monitor_core::{Monitor, testing};
/// use std::time::Duration;
///
/// let local = Monitor::builder().build()?;
/// let mail = local.queue("mail");
/// mail.enqueued().start().succeed();
/// let _waits = mail.enqueued();
/// testing::assert_queue(&local.snapshot(), "mail")
///     .enqueued(2)
///     .processed(1)
///     .failed(0)
///     .depth(1)
///     .backlog_at_most(1)
///     .waiting_p99_below(Duration::from_secs(5));
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
///
/// When there is no such queue, with the names there are.
#[track_caller]
pub fn assert_queue<'a>(snapshot: &'a Snapshot, name: &str) -> QueueAssert<'a> {
    let names = || snapshot.queues().iter().map(|queue| queue.name.as_str());
    match snapshot.queue(name) {
        Some(stats) => QueueAssert { stats },
        None => panic!("no queue `{}` is known; {}", one_line(name), nearest(names(), name)),
    }
}

/// Assertions on one queue, from [`assert_queue`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with the figures of the queue, when they do not hold. Limits of times are exclusive. One on the time
/// that items waited fails when none was processed: a limit that nothing was held against has not been kept.
#[derive(Debug, Clone, Copy)]
pub struct QueueAssert<'a> {
    stats: &'a QueueStats,
}

impl<'a> QueueAssert<'a> {
    /// Exactly `n` items wait.
    #[track_caller]
    pub fn depth(self, n: u64) -> Self {
        self.equal("waiting", self.stats.depth, n)
    }

    /// Exactly `n` items are being processed.
    #[track_caller]
    pub fn in_process(self, n: u64) -> Self {
        self.equal("in process", self.stats.in_process, n)
    }

    /// Exactly `n` items came.
    #[track_caller]
    pub fn enqueued(self, n: u64) -> Self {
        self.equal("enqueued", self.stats.enqueued, n)
    }

    /// Exactly `n` items were processed with success.
    #[track_caller]
    pub fn processed(self, n: u64) -> Self {
        self.equal("processed", self.stats.processed, n)
    }

    /// The processing of exactly `n` items failed.
    #[track_caller]
    pub fn failed(self, n: u64) -> Self {
        self.equal("failed", self.stats.failed, n)
    }

    /// Exactly `n` items were thrown away.
    #[track_caller]
    pub fn discarded(self, n: u64) -> Self {
        self.equal("discarded", self.stats.discarded, n)
    }

    /// Exactly `n` times an item went back to wait.
    #[track_caller]
    pub fn requeued(self, n: u64) -> Self {
        self.equal("requeued", self.stats.requeued, n)
    }

    /// At most `n` items wait or are being processed.
    #[track_caller]
    pub fn backlog_at_most(self, n: u64) -> Self {
        let found = self.stats.backlog();
        let expected = plural(n, "item");
        self.check(found <= n, format_args!("expected a backlog of at most {expected}, found {}", format_count(found)))
    }

    /// Nothing has been waiting for so long.
    #[track_caller]
    pub fn oldest_below(self, limit: Duration) -> Self {
        let found = self.stats.oldest.unwrap_or_default();
        self.below("the oldest item", found, limit)
    }

    /// The 99th percentile of the times that items waited is below `limit`.
    #[track_caller]
    pub fn waiting_p99_below(self, limit: Duration) -> Self {
        self.waited("p99 of the waiting time", self.stats.waiting_percentile(0.99), limit)
    }

    /// The longest time that an item waited is below `limit`.
    #[track_caller]
    pub fn max_waiting_below(self, limit: Duration) -> Self {
        self.waited("the longest waiting time", self.stats.max_waiting(), limit)
    }

    /// The figures themselves, for what is not covered here.
    pub fn stats(self) -> &'a QueueStats {
        self.stats
    }

    #[track_caller]
    fn waited(self, what: &str, found: Duration, limit: Duration) -> Self {
        if self.stats.waiting.is_empty() {
            let limit = format_duration(limit);
            return self.check(false, format_args!("expected {what} below {limit}, found no item that was processed"));
        }
        self.below(what, found, limit)
    }

    #[track_caller]
    fn below(self, what: &str, found: Duration, limit: Duration) -> Self {
        let (expected, ns) = (format_duration(limit), found.as_nanos());
        let found_text = format_duration(found);
        self.check(found < limit, format_args!("expected {what} below {expected}, found {found_text} ({ns} ns)"))
    }

    #[track_caller]
    fn equal(self, what: &str, found: u64, n: u64) -> Self {
        let expected = plural(n, "item");
        self.check(found == n, format_args!("expected {expected} {what}, found {}", format_count(found)))
    }

    #[track_caller]
    fn check(self, holds: bool, message: fmt::Arguments<'_>) -> Self {
        assert!(holds, "queue `{}`: {message}\n{}", one_line(&self.stats.name), Report(self.stats));
        self
    }
}

/// All the figures of a queue, a line a subject.
struct Report<'a>(&'a QueueStats);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueStats { depth, in_process, enqueued, processed, failed, discarded, requeued, .. } = self.0;
        writeln!(f, "  now      {depth} waiting, {in_process} in process")?;
        writeln!(
            f,
            "  items    {enqueued} enqueued: {processed} processed, {failed} failed, {discarded} discarded; {requeued} requeued"
        )?;
        match self.0.oldest {
            Some(age) => writeln!(f, "  oldest   {}", format_duration(age))?,
            None => writeln!(f, "  oldest   none")?,
        }
        if self.0.waiting.is_empty() {
            return f.write_str("  waiting  none");
        }
        let time = |q| format_duration(self.0.waiting_percentile(q));
        let mean = format_duration(self.0.mean_waiting());
        write!(f, "  waiting  mean {mean}, p50 {}, p99 {}, max {}", time(0.5), time(0.99), time(1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::model::SnapshotParts;
    use crate::model::queue_example;

    fn snapshot(names: &[&str]) -> Snapshot {
        let queues = names.iter().map(|name| queue_example(name)).collect();
        Snapshot::new(SnapshotParts { queues, ..SnapshotParts::empty() })
    }

    #[test]
    fn what_holds_passes_and_what_does_not_fails_with_all_figures() {
        let snapshot = snapshot(&["mail"]);
        let queue = assert_queue(&snapshot, "mail");
        let seconds = Duration::from_secs;
        queue.depth(850).in_process(6).enqueued(1_000).processed(120).failed(4).discarded(20).requeued(2);
        queue
            .backlog_at_most(856)
            .oldest_below(seconds(76))
            .waiting_p99_below(seconds(4))
            .max_waiting_below(seconds(4));
        assert_eq!(queue.stats().name, "mail");
        let messages = [
            message(|| _ = queue.depth(1)),
            message(|| _ = queue.in_process(1)),
            message(|| _ = queue.enqueued(1)),
            message(|| _ = queue.processed(1)),
            message(|| _ = queue.failed(1)),
            message(|| _ = queue.discarded(1)),
            message(|| _ = queue.requeued(1)),
            message(|| _ = queue.backlog_at_most(855)),
            message(|| _ = queue.oldest_below(seconds(75))),
            message(|| _ = queue.waiting_p99_below(seconds(2))),
            message(|| _ = queue.max_waiting_below(seconds(3))),
        ];
        for message in &messages {
            assert!(message.starts_with("queue `mail`: expected "), "{message}");
            assert!(
                message.contains("\n  items    1000 enqueued: 120 processed, 4 failed, 20 discarded; 2 req"),
                "{message}"
            );
            assert!(message.contains("\n  waiting  mean 1.01 s, p50 "), "{message}");
        }
        assert!(messages[4].contains("expected 1 item failed, found 4\n"), "{}", messages[4]);
    }

    #[test]
    fn a_limit_is_not_kept_by_a_queue_of_which_nothing_was_processed() {
        let snapshot = snapshot(&["mail"]);
        let never = snapshot.since(&snapshot);
        let failed = message(|| _ = assert_queue(&never, "mail").max_waiting_below(Duration::MAX));
        assert!(failed.contains("found no item that was processed"), "{failed}");
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_there_are() {
        let failed = message(|| _ = assert_queue(&snapshot(&["print", "mail"]), "mial"));
        assert!(failed.starts_with("no queue `mial` is known; there are:\n  mail\n"), "{failed}");
    }
}
