//! A job as a line of text.

use std::fmt::Write as _;
use std::time::Duration;

use crate::model::text::{
    cut_middle, format_bytes, format_count, format_duration, format_percent, format_rate, one_line,
};
use crate::model::units::to_f64;
use crate::model::{ProgressState, ProgressStats};

/// Characters of a name, indentation and all.
const NAME: usize = 32;
/// Steps are not indented further.
const DEEPEST: usize = 6;

/// The name as it stands before a bar.
pub(super) fn indented(job: &ProgressStats, depth: usize) -> String {
    let indentation = 2 * depth.min(DEEPEST);
    format!("{:indentation$}{}", "", cut_middle(&one_line(&job.name), NAME - indentation))
}

/// A bar of so many steps: `[=====>    ]`. It is full only when all is done.
pub(super) fn bar(fraction: f64, steps: usize) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a few")]
    let full = (fraction.clamp(0.0, 1.0) * steps as f64) as usize;
    let full = full.min(steps);
    let head = if full > 0 && full < steps { ">" } else { "" };
    let tail = full - head.len();
    let blank = steps - full;
    format!("[{}{head}{:blank$}]", "=".repeat(tail), "")
}

/// What stands beside a bar: `500/1,000  50.0 %  10.0/s  50.0 s left  reading part 3`.
pub(super) fn beside_bar(job: &ProgressStats) -> String {
    let mut parts = vec![amount(job, "/")];
    parts.extend(job.fraction().map(format_percent));
    parts.extend(rate(job));
    parts.push(left(job));
    if job.failed > 0 {
        parts.push(format!("{} failed", format_count(job.failed)));
    }
    if !job.message.is_empty() {
        parts.push(one_line(&job.message));
    }
    parts.join("  ")
}

/// A line of a job that runs, where there is no terminal.
pub(super) fn plain(job: &ProgressStats) -> String {
    let mut line = format!("progress {}: {}", one_line(&job.name), amount(job, " of "));
    if let Some(fraction) = job.fraction() {
        let _ = write!(line, " ({})", format_percent(fraction));
    }
    if let Some(rate) = rate(job) {
        let _ = write!(line, ", {rate}");
    }
    let _ = write!(line, ", {}", left(job));
    if job.failed > 0 {
        let _ = write!(line, ", {} failed", format_count(job.failed));
    }
    if !job.message.is_empty() {
        let _ = write!(line, ": {}", one_line(&job.message));
    }
    line
}

/// The line that a job leaves; `None` for a step that finished.
pub(super) fn end(job: &ProgressStats) -> Option<String> {
    if job.parent.is_some() && job.state == ProgressState::Finished {
        return None;
    }
    let elapsed = format_duration(job.elapsed);
    let mut line = format!("progress {}: {} after {elapsed}, {}", one_line(&job.name), job.state, amount(job, " of "));
    if let Some(rate) = rate(job) {
        let _ = write!(line, ", {rate}");
    }
    if job.failed > 0 {
        let _ = write!(line, ", {} failed", format_count(job.failed));
    }
    if let Some(error) = &job.error {
        let _ = write!(line, ": {}", one_line(error));
    }
    Some(line)
}

fn in_bytes(job: &ProgressStats) -> bool {
    job.total.is_none() && (job.total_bytes.is_some() || (job.done == 0 && job.bytes > 0))
}

fn amount(job: &ProgressStats, of: &str) -> String {
    let bytes = |bytes: u64| format_bytes(to_f64(bytes));
    match (in_bytes(job), job.total, job.total_bytes) {
        (true, _, Some(total)) => format!("{}{of}{}", bytes(job.bytes), bytes(total)),
        (true, _, None) => bytes(job.bytes),
        (false, Some(total), _) => format!("{}{of}{}", format_count(job.done), format_count(total)),
        (false, None, _) => format!("{} done", format_count(job.done)),
    }
}

fn rate(job: &ProgressStats) -> Option<String> {
    let bytes = job.bytes_rate.filter(|_| in_bytes(job)).map(|rate| format!("{}/s", format_bytes(rate)));
    bytes.or_else(|| job.rate.map(|rate| format!("{}/s", format_rate(rate))))
}

fn left(job: &ProgressStats) -> String {
    match (job.state, job.eta) {
        (ProgressState::Stalled, _) => format!("stalled for {}", format_duration(job.idle)),
        (_, Some(Duration::ZERO)) => "0 s left".to_owned(),
        (_, Some(eta)) => format!("{} left", format_duration(eta)),
        (_, None) => "time left unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> ProgressStats {
        ProgressStats {
            state: ProgressState::Running,
            total: Some(1_000),
            done: 500,
            rate: Some(10.0),
            eta: Some(Duration::from_secs(50)),
            message: "part 3".into(),
            elapsed: Duration::from_secs(50),
            ..ProgressStats::unknown(7, "import\u{1b}[2J")
        }
    }

    #[test]
    fn a_line_says_how_far_and_how_long() {
        assert_eq!(beside_bar(&job()), "500/1,000  50.0 %  10.0/s  50.0 s left  part 3");
        let name = "import\u{fffd}[2J";
        assert_eq!(plain(&job()), format!("progress {name}: 500 of 1,000 (50.0 %), 10.0/s, 50.0 s left: part 3"));
        let unknown = ProgressStats { total: None, rate: None, eta: None, failed: 2, ..job() };
        assert_eq!(beside_bar(&unknown), "500 done  time left unknown  2 failed  part 3");
        let stalled =
            ProgressStats { state: ProgressState::Stalled, eta: None, idle: Duration::from_secs(75), ..job() };
        assert_eq!(beside_bar(&stalled), "500/1,000  50.0 %  10.0/s  stalled for 1m 15s  part 3");
        let download =
            ProgressStats { total: None, done: 0, bytes: 2_500_000, bytes_rate: Some(1e6), eta: None, ..job() };
        assert_eq!(beside_bar(&download), "2.50 MB  1.00 MB/s  time left unknown  part 3");
    }

    #[test]
    fn an_end_is_told_unless_it_is_that_of_a_step_that_finished() {
        let failed = ProgressStats { state: ProgressState::Failed, error: Some("disk\nfull".into()), ..job() };
        let line = end(&failed).unwrap();
        assert!(line.ends_with(": failed after 50.0 s, 500 of 1,000, 10.0/s: disk\u{fffd}full"), "{line}");
        let step = ProgressStats { parent: Some(1), state: ProgressState::Finished, ..job() };
        assert_eq!(end(&step), None);
        assert!(end(&ProgressStats { state: ProgressState::Abandoned, ..step }).is_some());
    }

    #[test]
    fn a_bar_is_full_only_when_all_is_done() {
        let bars = [0.0, 0.19, 0.2, 0.55, 0.999, 1.0, 7.0, f64::NAN].map(|fraction| bar(fraction, 5));
        assert_eq!(bars, ["[     ]", "[     ]", "[>    ]", "[=>   ]", "[===> ]", "[=====]", "[=====]", "[     ]"]);
    }

    #[test]
    fn names_are_indented_and_of_bounded_width() {
        for depth in [0, 1, 40] {
            let long = ProgressStats { name: "a::very::long::path::".repeat(9), ..job() };
            assert_eq!(indented(&long, depth).chars().count(), NAME);
        }
    }
}
