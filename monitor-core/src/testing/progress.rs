//! Assertions on the progress of jobs.

use std::fmt;

use crate::model::text::{format_count, one_line, plural};
use crate::model::{ProgressState, ProgressStats, Snapshot};

/// Names listed when the one asked for is not there.
const NAMES_LISTED: usize = 12;

/// Begins assertions on the job of that name; of several, the one that began last.
///
/// ```
/// use monitor_core::{Monitor, ProgressState, testing};
///
/// let local = Monitor::builder().build()?;
/// let import = local.progress("import").total(3).start();
/// import.inc(2);
/// import.inc_failed(1);
/// import.finish();
/// testing::assert_progress(&local.snapshot(), "import").state(ProgressState::Finished).done(3).failed(1);
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
///
/// When there is no such job, with the names there are.
#[track_caller]
pub fn assert_progress<'a>(snapshot: &'a Snapshot, name: &str) -> ProgressAssert<'a> {
    match snapshot.progress_of(name) {
        Some(stats) => ProgressAssert { stats },
        None => panic!("no job `{}` is known; {}", one_line(name), Names(snapshot.progress())),
    }
}

/// Assertions on one job, from [`assert_progress`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with the figures of the job, when they do not hold.
#[derive(Debug, Clone, Copy)]
pub struct ProgressAssert<'a> {
    stats: &'a ProgressStats,
}

impl<'a> ProgressAssert<'a> {
    /// It is in that state.
    #[track_caller]
    pub fn state(self, state: ProgressState) -> Self {
        let found = self.stats.state;
        self.check(found == state, format_args!("expected the state {state}, found {found}"))
    }

    /// Exactly `n` items are done, those of earlier runs included.
    #[track_caller]
    pub fn done(self, n: u64) -> Self {
        self.equal("done", self.stats.done, n)
    }

    /// Exactly `n` items were done with success in this run.
    #[track_caller]
    pub fn succeeded(self, n: u64) -> Self {
        self.equal("done with success", self.stats.succeeded, n)
    }

    /// Exactly `n` items failed in this run.
    #[track_caller]
    pub fn failed(self, n: u64) -> Self {
        self.equal("failed", self.stats.failed, n)
    }

    /// Exactly `n` items were skipped in this run.
    #[track_caller]
    pub fn skipped(self, n: u64) -> Self {
        self.equal("skipped", self.stats.skipped, n)
    }

    /// Exactly `n` items were done by earlier runs.
    #[track_caller]
    pub fn already_done(self, n: u64) -> Self {
        self.equal("done by earlier runs", self.stats.already_done, n)
    }

    /// Exactly `n` bytes are done, those of earlier runs included.
    #[track_caller]
    pub fn bytes(self, n: u64) -> Self {
        let found = self.stats.bytes;
        let expected = plural(n, "byte");
        self.check(found == n, format_args!("expected {expected}, found {}", format_count(found)))
    }

    /// The figures themselves, for what is not covered here.
    pub fn stats(self) -> &'a ProgressStats {
        self.stats
    }

    #[track_caller]
    fn equal(self, what: &str, found: u64, n: u64) -> Self {
        let expected = plural(n, "item");
        self.check(found == n, format_args!("expected {expected} {what}, found {}", format_count(found)))
    }

    #[track_caller]
    fn check(self, holds: bool, message: fmt::Arguments<'_>) -> Self {
        assert!(holds, "job `{}`: {message}\n{}", one_line(&self.stats.name), Report(self.stats));
        self
    }
}

/// All the figures of a job, a line a subject.
struct Report<'a>(&'a ProgressStats);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let job = self.0;
        let total = job.total.map_or_else(|| "an unknown total".to_owned(), format_count);
        writeln!(
            f,
            "  items      {} of {total}: {} succeeded, {} failed, {} skipped, {} by earlier runs",
            job.done, job.succeeded, job.failed, job.skipped, job.already_done
        )?;
        writeln!(f, "  bytes      {}", job.bytes)?;
        write!(f, "  state      {}", job.state)?;
        match job.error.as_deref().unwrap_or(&job.message) {
            "" => Ok(()),
            said => write!(f, ": {}", one_line(said)),
        }
    }
}

struct Names<'a>(&'a [ProgressStats]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing is: did the code run inside this monitor's scope?");
        }
        f.write_str("there are:")?;
        self.0.iter().take(NAMES_LISTED).try_for_each(|job| write!(f, "\n  {}", one_line(&job.name)))?;
        match self.0.len().saturating_sub(NAMES_LISTED) {
            0 => Ok(()),
            more => write!(f, "\n  and {}", plural(more as u64, "other")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;
    use crate::model::SnapshotParts;

    fn snapshot(jobs: usize) -> Snapshot {
        let progress = (0..jobs).map(|n| ProgressStats {
            total: Some(10),
            done: 9,
            already_done: 2,
            succeeded: 4,
            failed: 2,
            skipped: 1,
            bytes: 77,
            message: "reading".into(),
            state: ProgressState::Stalled,
            ..ProgressStats::unknown(n as u64, &format!("job {n}"))
        });
        Snapshot::new(SnapshotParts { progress: progress.collect(), ..SnapshotParts::empty() })
    }

    /// The message of the assertion that fails in `f`; empty when none does.
    fn message(f: impl FnOnce()) -> String {
        let failed = catch_unwind(AssertUnwindSafe(f)).err();
        failed.map_or_else(String::new, |payload| payload.downcast_ref::<String>().cloned().unwrap_or_default())
    }

    #[test]
    fn what_holds_passes_and_what_does_not_fails_with_all_figures() {
        let snapshot = snapshot(1);
        let job = assert_progress(&snapshot, "job 0");
        job.state(ProgressState::Stalled).done(9).succeeded(4).failed(2).skipped(1).already_done(2).bytes(77);
        assert_eq!(job.stats().total, Some(10));
        let messages = [
            message(|| _ = job.state(ProgressState::Running)),
            message(|| _ = job.done(8)),
            message(|| _ = job.succeeded(5)),
            message(|| _ = job.failed(1)),
            message(|| _ = job.skipped(0)),
            message(|| _ = job.already_done(3)),
            message(|| _ = job.bytes(76)),
        ];
        for message in &messages {
            assert!(message.starts_with("job `job 0`: expected "), "{message}");
            assert!(message.contains("\n  items      9 of 10: 4 succeeded, 2 failed, 1 skipped, 2 by"), "{message}");
            assert!(message.ends_with("\n  state      stalled: reading"), "{message}");
        }
        assert!(messages[3].contains("expected 1 item failed, found 2\n"), "{}", messages[3]);
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_there_are() {
        let failed = message(|| _ = assert_progress(&snapshot(14), "jib"));
        assert!(failed.starts_with("no job `jib` is known; there are:\n  job 0\n"), "{failed}");
        assert!(failed.ends_with("\n  and 2 others"), "{failed}");
        let failed = message(|| _ = assert_progress(&snapshot(0), "jib"));
        assert!(failed.contains("nothing is"), "{failed}");
    }
}
