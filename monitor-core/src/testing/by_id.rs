//! Assertions on operations that are begun and ended by id.

use std::fmt;

use super::OperationAssert;
use crate::model::text::{format_count, format_duration, one_line};
use crate::model::{OperationStatus, Outcome};
use crate::monitor::Monitor;

/// Begins assertions on the operation of that id: the one that runs, or else the last that ended.
///
/// ```
/// use monitor_core::{Monitor, Outcome, testing};
///
/// let local = Monitor::builder().build()?;
/// local.begin("nightly-42", "backup").start()?;
/// local.step("nightly-42", "dump")?;
/// testing::assert_operation_by_id(&local, "nightly-42").running().step("dump");
/// local.end("nightly-42").items(150).finish()?;
/// testing::assert_operation_by_id(&local, "nightly-42").outcome(Outcome::Success).items(150).steps(&["dump"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Panics
///
/// When none of that id was begun with the monitor, or it is not among the last that ended.
#[track_caller]
pub fn assert_operation_by_id(monitor: &Monitor, id: &str) -> OperationByIdAssert {
    match monitor.operation_by_id(id) {
        Some(status) => OperationByIdAssert { status },
        None => panic!("no operation was begun by the id `{}`, or it ended long ago", one_line(id)),
    }
}

/// Assertions on one operation by id, from [`assert_operation_by_id`]. Each gives itself back, to be followed by
/// another.
///
/// All of them panic, with what is known of the operation, when they do not hold.
#[derive(Debug, Clone)]
pub struct OperationByIdAssert {
    status: OperationStatus,
}

impl OperationByIdAssert {
    /// It has been begun and not ended.
    #[track_caller]
    pub fn running(self) -> Self {
        let holds = self.status.is_running();
        self.check(holds, format_args!("expected it to run"))
    }

    /// It ended in that way.
    #[track_caller]
    pub fn outcome(self, outcome: Outcome) -> Self {
        let holds = self.status.outcome == Some(outcome);
        self.check(holds, format_args!("expected the outcome {outcome}"))
    }

    /// It runs and is in that step.
    #[track_caller]
    pub fn step(self, name: &str) -> Self {
        let holds = self.status.step() == Some(name);
        self.check(holds, format_args!("expected the step `{}`", one_line(name)))
    }

    /// It went through exactly these steps, or has so far.
    #[track_caller]
    pub fn steps(self, names: &[&str]) -> Self {
        let holds = self.status.by_id.steps.iter().map(|step| step.name.as_str()).eq(names.iter().copied());
        self.check(holds, format_args!("expected the steps {names:?}"))
    }

    /// It did exactly `n` items.
    #[track_caller]
    pub fn items(self, n: u64) -> Self {
        let found = self.status.items;
        self.check(found == n, format_args!("expected {} items, found {}", format_count(n), format_count(found)))
    }

    /// It did exactly `n` bytes of work.
    #[track_caller]
    pub fn bytes(self, n: u64) -> Self {
        let found = self.status.bytes;
        self.check(found == n, format_args!("expected {} bytes, found {}", format_count(n), format_count(found)))
    }

    /// What is known of it, for what is not covered here.
    pub fn status(self) -> OperationStatus {
        self.status
    }

    #[track_caller]
    fn check(self, holds: bool, message: fmt::Arguments<'_>) -> Self {
        let status = &self.status;
        assert!(holds, "operation `{}`: {message}\n{}", one_line(&status.by_id.id), Report(status));
        self
    }
}

/// All that is known of an operation, a line a subject.
struct Report<'a>(&'a OperationStatus);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let state = status.outcome.map_or("running", Outcome::as_str);
        writeln!(f, "  state      {state}, {}", format_duration(status.duration))?;
        writeln!(f, "  work       {} items, {} bytes", format_count(status.items), format_count(status.bytes))?;
        f.write_str("  steps      ")?;
        if status.by_id.steps.is_empty() {
            f.write_str("none")?;
        }
        for (at, step) in status.by_id.steps.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{} {}", one_line(&step.name), format_duration(step.duration))?;
        }
        write!(f, "\n  identity   {}, kind {}", one_line(&status.name), one_line(&status.kind))?;
        status.by_id.worker.iter().try_for_each(|worker| write!(f, ", worker {}", one_line(worker)))
    }
}

/// # Operations by id of several processes
impl OperationAssert<'_> {
    /// Exactly `n` calls were begun by id here and ended by another process.
    #[track_caller]
    pub fn ended_elsewhere(self, n: u64) -> Self {
        self.equal("call ended elsewhere", self.stats.ended_elsewhere, n)
    }

    /// Exactly `n` calls were begun by id by another process and ended here.
    #[track_caller]
    pub fn begun_elsewhere(self, n: u64) -> Self {
        self.equal("call begun elsewhere", self.stats.begun_elsewhere, n)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tests::message;
    use super::*;
    use crate::base::ManualClock;

    #[test]
    fn what_holds_passes_and_what_does_not_fails_with_all_that_is_known() {
        let clock = ManualClock::new();
        let local = Monitor::builder().clock(&clock).build().unwrap();
        local.begin("a", "job").worker("w1").start().unwrap();
        local.step("a", "dump").unwrap();
        clock.advance(Duration::from_millis(4));
        let running = || assert_operation_by_id(&local, "a");
        running().running().step("dump").steps(&["dump"]);
        let failed = message(|| _ = running().outcome(Outcome::Success));
        assert_eq!(
            failed,
            "operation `a`: expected the outcome success\n  state      running, 4.00 ms\n  work       0 items, 0 \
             bytes\n  steps      dump 4.00 ms\n  identity   job, kind function, worker w1"
        );
        local.step("a", "copy").unwrap();
        assert!(message(|| _ = running().step("dump")).contains("expected the step `dump`\n"));
        local.end("a").cancelled().items(2).bytes(7).finish().unwrap();
        let ended = || assert_operation_by_id(&local, "a").outcome(Outcome::Cancelled).items(2).bytes(7);
        assert_eq!(ended().steps(&["dump", "copy"]).status().items, 2);
        for failed in [
            message(|| _ = ended().running()),
            message(|| _ = ended().step("copy")),
            message(|| _ = ended().steps(&["dump"])),
            message(|| _ = ended().items(3)),
            message(|| _ = ended().bytes(8)),
        ] {
            assert!(
                failed.starts_with("operation `a`: expected ") && failed.contains("cancelled, 4.00 ms"),
                "{failed}"
            );
        }
        // Without recording nothing is counted.
        if cfg!(feature = "enabled") {
            let snapshot = local.snapshot();
            let job = super::super::assert_operation(&snapshot, "job").ended_elsewhere(0).begun_elsewhere(0);
            assert!(message(|| _ = job.ended_elsewhere(1)).contains("expected 1 call ended elsewhere, found 0"));
            assert!(message(|| _ = job.begun_elsewhere(2)).contains("expected 2 calls begun elsewhere, found 0"));
        }
        assert!(message(|| _ = assert_operation_by_id(&local, "b")).contains("no operation was begun by the id `b`"));
    }
}
