//! What the file tells of all processes, held against what was counted by hand.

use std::path::Path;
use std::time::Duration;

use monitor_core::{
    ErrorFilter, History, Monitor, OperationStatus, Outcome, PageRequest, QueueSample, Selection, Severity,
    SqliteHistory, TimeRange,
};

use crate::Failure;
use crate::dispatcher::{CUT_OFF, Done, VICTIM};

const DEADLINE: Duration = Duration::from_secs(5);

/// What a file has of tasks, of this run and of those before.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(crate) struct Sums {
    begun: u64,
    succeeded: u64,
    failed: u64,
    words: u64,
    /// Of the queue.
    processed: u64,
    requeued: u64,
}

impl Sums {
    /// Nothing, where there is no file.
    pub(crate) fn of(file: &Path) -> Result<Sums, Failure> {
        if !file.exists() {
            return Ok(Sums::default());
        }
        let Ok(history) = SqliteHistory::open(file) else { return Ok(Sums::default()) };
        let all = Selection::new(TimeRange::all()).name("count_words");
        let figures = history.figures(&all, DEADLINE)?.figures;
        let samples = history.queues(Some("tasks"), &TimeRange::all(), &PageRequest::new().limit(1_000))?.entries;
        let sum = |count: fn(&QueueSample) -> u64| samples.iter().map(count).sum();
        Ok(Sums {
            begun: figures.started,
            succeeded: figures.succeeded,
            failed: figures.failed,
            words: figures.items,
            processed: sum(|sample| sample.processed + sample.failed),
            requeued: sum(|sample| sample.requeued),
        })
    }

    fn since(self, before: Sums) -> Sums {
        Sums {
            begun: self.begun - before.begun,
            succeeded: self.succeeded - before.succeeded,
            failed: self.failed - before.failed,
            words: self.words - before.words,
            processed: self.processed - before.processed,
            requeued: self.requeued - before.requeued,
        }
    }
}

pub(crate) fn print(file: &Path, before: Sums, done: &Done) -> Result<(), Failure> {
    // The next program that opens the file finds out who is dead, and says what that one left.
    Monitor::builder().service("report").sqlite(file).build()?.shutdown(DEADLINE)?;
    let history = SqliteHistory::open(file)?;
    let shift = format!("shift-{VICTIM}");

    println!("\nby id");
    for id in ["report-0001", CUT_OFF, "report-0013", shift.as_str()] {
        let status = history.operation_by_id(id, DEADLINE)?.ok_or("an id is not in the file")?;
        println!("  {}", line(&status));
    }
    let cut_off = history.operation_by_id(&shift, DEADLINE)?;
    assert_eq!(cut_off.and_then(|status| status.outcome), Some(Outcome::Interrupted));

    let all = Selection::new(TimeRange::all()).name("count_words");
    let figures = history.figures(&all, DEADLINE)?.figures;
    println!(
        "\nin all processes: {} begun, {} succeeded, {} failed, {} words, {} bytes; p50 {:.1?}, p99 {:.1?}",
        figures.started,
        figures.succeeded,
        figures.failed,
        figures.items,
        figures.bytes,
        figures.percentile(0.5),
        figures.percentile(0.99)
    );

    println!("\nerrors by severity");
    for severity in [Severity::High, Severity::Medium, Severity::Low] {
        let errors =
            history.errors(&ErrorFilter::new().min_severity(severity).component("inbox"), &PageRequest::new())?;
        for found in errors.entries.iter().filter(|found| found.group.severity == severity) {
            println!("  {:8} {} × {}", severity.to_string(), found.group.count, found.group.pattern);
        }
    }

    // Each was begun once and ended once, whoever did it.
    let now = Sums::of(file)?.since(before);
    let all = done.counted + done.failed;
    let by_hand = Sums {
        begun: all,
        succeeded: done.counted,
        failed: done.failed,
        words: done.words,
        processed: all,
        requeued: done.requeued,
    };
    assert_eq!(now, by_hand);
    println!("\nqueue: {} processed, {} put back", now.processed, now.requeued);
    Ok(())
}

fn line(status: &OperationStatus) -> String {
    let by_id = &status.by_id;
    let steps: Vec<_> = by_id.steps.iter().map(|step| format!("{} {:.1?}", step.name, step.duration)).collect();
    let outcome = status.outcome.map_or_else(|| "running".to_owned(), |outcome| outcome.to_string());
    let worker = by_id.worker.as_deref().unwrap_or("nobody");
    let sizes = match (by_id.input_bytes, by_id.output_bytes) {
        (Some(input), Some(output)) => format!(", {input} bytes in, {output} out"),
        (Some(input), None) => format!(", {input} bytes in"),
        _ => String::new(),
    };
    let steps = if steps.is_empty() { String::new() } else { format!("\n    {}", steps.join(", ")) };
    format!("{} ({} by {worker}) {outcome} after {:.1?}{sizes}{steps}", by_id.id, status.name, status.duration)
}
