//! What the table of a snapshot says of long jobs.

use std::collections::HashMap;
use std::time::Duration;

use super::{ProgressState, ProgressStats};
use crate::model::grid::{Column, Grid, WIDTH};
use crate::model::sections::note;
use crate::model::text::{
    cut_middle, format_bytes, format_compact, format_count, format_duration, format_percent, format_rate, one_line,
    plural,
};
use crate::model::units::to_f64;

/// Rows shown unless all are wanted.
const SHOWN: usize = 20;
/// Characters of a state and what is said of it.
const STATE: usize = 40;
/// Steps are not indented further.
const DEEPEST: usize = 8;

const COLUMNS: [Column; 9] = [
    Column::new("done"),
    Column::new("of"),
    Column::new("%"),
    Column::new("failed"),
    Column::new("rate/s").given_up(2),
    Column::new("bytes/s").given_up(1),
    Column::new("since"),
    Column::new("left"),
    Column::left("state"),
];

/// The jobs, each with its steps below it.
pub(in crate::model) fn progress(text: &mut String, jobs: &[ProgressStats], all: bool) {
    let shown = if all { jobs.len() } else { jobs.len().min(SHOWN) };
    if shown == 0 {
        return;
    }
    let mut grid = Grid::new(&COLUMNS);
    grid.group("progress");
    for (job, depth) in in_tree_order(jobs).into_iter().take(shown) {
        grid.row(format!("{}{}", "  ".repeat(depth.min(DEEPEST)), one_line(&job.name)), cells(job));
    }
    grid.write(text, WIDTH);
    if jobs.len() > shown {
        note(text, &format!("{} not shown", plural((jobs.len() - shown) as u64, "more job")));
    }
}

/// Each job with its depth, steps after what they are steps of. A job whose parent is not there stands by itself.
pub(crate) fn in_tree_order(jobs: &[ProgressStats]) -> Vec<(&ProgressStats, usize)> {
    let ids: std::collections::HashSet<u64> = jobs.iter().map(|job| job.id).collect();
    let mut steps: HashMap<u64, Vec<&ProgressStats>> = HashMap::new();
    let mut waiting = Vec::new();
    for job in jobs.iter().rev() {
        // Ids rise, so a parent that does not come before its step (in data from elsewhere) is none.
        match job.parent.filter(|parent| *parent < job.id && ids.contains(parent)) {
            Some(parent) => steps.entry(parent).or_default().push(job),
            None => waiting.push((job, 0)),
        }
    }
    let mut ordered = Vec::with_capacity(jobs.len());
    while let Some((job, depth)) = waiting.pop() {
        ordered.push((job, depth));
        waiting.extend(steps.remove(&job.id).unwrap_or_default().into_iter().map(|step| (step, depth + 1)));
    }
    ordered
}

/// The cells of [`COLUMNS`]; blank where there is nothing to say.
fn cells(job: &ProgressStats) -> Vec<String> {
    let in_bytes = job.total.is_none() && (job.total_bytes.is_some() || (job.done == 0 && job.bytes > 0));
    let amount = |items: u64, bytes: u64| if in_bytes { format_bytes(to_f64(bytes)) } else { format_count(items) };
    let total = if in_bytes { job.total_bytes } else { job.total };
    let rate = |rate: Option<f64>, format: fn(f64) -> String| rate.map_or_else(String::new, format);
    vec![
        amount(job.done, job.bytes),
        total.map_or_else(String::new, |total| amount(total, total)),
        job.fraction().map_or_else(String::new, |fraction| format_percent(fraction).replace(" %", "")),
        if job.failed > 0 { format_compact(job.failed) } else { String::new() },
        rate(job.rate, format_rate),
        rate(job.bytes_rate, format_bytes),
        format_duration(job.elapsed),
        left(job),
        state(job),
    ]
}

/// The time left; `unknown` when nothing can be said of it yet.
fn left(job: &ProgressStats) -> String {
    match job.eta {
        _ if job.is_ended() => String::new(),
        Some(Duration::ZERO) => "0 s".to_owned(),
        Some(eta) => format_duration(eta),
        None => "unknown".to_owned(),
    }
}

fn state(job: &ProgressStats) -> String {
    let word = match job.state {
        ProgressState::Stalled => format!("stalled for {}", format_duration(job.idle)),
        state => state.to_string(),
    };
    match job.error.as_deref().unwrap_or(&job.message) {
        "" => word,
        // The word stays whole.
        said => format!("{word}: {}", cut_middle(&one_line(said), STATE.saturating_sub(word.chars().count()))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::example;
    use super::*;

    fn shown(jobs: &[ProgressStats], all: bool) -> String {
        let mut text = String::new();
        progress(&mut text, jobs, all);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        text
    }

    #[test]
    fn without_jobs_there_is_no_section() {
        assert_eq!(shown(&[], true), "");
    }

    #[test]
    fn a_row_says_how_far_how_fast_and_what_is_left() {
        let text = shown(&[example(1, "import")], false);
        let row = text.lines().last().unwrap();
        for part in ["import", "500", "1,000", "50.0", "7", "10.0", "30.9 kB", "40.0 s", "50.0 s", "running: reading"] {
            assert!(row.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn unknown_and_stalled_are_said() {
        let unknown = ProgressStats { eta: None, rate: None, ..example(1, "fresh") };
        let idle = Duration::from_secs(75);
        let stalled = ProgressStats { state: ProgressState::Stalled, eta: None, idle, ..example(2, "stuck") };
        let text = shown(&[unknown, stalled], false);
        assert_eq!(text.matches("unknown").count(), 2, "{text}");
        assert!(text.contains("stalled for 1m 15s: reading part 3"), "{text}");
    }

    #[test]
    fn steps_stand_below_their_job_and_bytes_are_shown_as_such() {
        let step = |id, parent, name: &str| ProgressStats { parent: Some(parent), ..example(id, name) };
        let download = ProgressStats { total: None, total_bytes: Some(2_000_000), done: 0, ..example(5, "download") };
        let jobs = [
            example(1, "one"),
            example(2, "two"),
            step(3, 1, "copy"),
            step(4, 3, "file"),
            download,
            step(9, 77, "orphan"),
        ];
        let text = shown(&jobs, false);
        let names: Vec<_> = text.lines().skip(3).map(|line| line.split("  500").next().unwrap().trim_end()).collect();
        assert_eq!(names[..4], ["one", "  copy", "    file", "two"]);
        assert!(names[4].starts_with("download  1.23 MB  2.00 MB  61.7") && names[5] == "orphan", "{text}");
    }

    #[test]
    fn parents_in_a_circle_end() {
        let jobs = [
            ProgressStats { parent: Some(2), ..example(1, "a") },
            ProgressStats { parent: Some(1), ..example(2, "b") },
        ];
        let own = ProgressStats { parent: Some(3), ..example(3, "c") };
        assert_eq!(shown(&[jobs[0].clone(), jobs[1].clone(), own], false).lines().count(), 6);
    }

    #[test]
    fn many_and_wide_ones_fit() {
        let wide = ProgressStats {
            name: "very::long::".repeat(30),
            done: u64::MAX,
            total: Some(u64::MAX),
            failed: u64::MAX,
            rate: Some(f64::MAX),
            bytes_rate: Some(1e300),
            eta: Some(Duration::MAX),
            elapsed: Duration::MAX,
            message: "message \u{1b}[31m".repeat(30),
            ..example(1, "")
        };
        let jobs: Vec<_> = (1..60).map(|id| ProgressStats { id, ..wide.clone() }).collect();
        assert!(shown(&jobs, false).ends_with("  39 more jobs not shown\n"));
        assert!(!shown(&jobs, true).contains("not shown"));
    }
}
