//! What the table of a snapshot says below its operations: who calls whom, what runs now, what is missing.

use std::fmt::Write as _;

use super::grid::{Column, Grid, WIDTH};
use super::text::{cut_middle, format_count, format_duration, one_line, plural};
use super::{ActiveOperation, ActiveState, CallEdge, Labels, MonitorStats};

/// Rows shown unless all are wanted.
const EDGES_SHOWN: usize = 10;
const ACTIVE_SHOWN: usize = 20;

pub(super) fn edges(text: &mut String, edges: &[CallEdge], all: bool) {
    let shown = if all { edges.len() } else { edges.len().min(EDGES_SHOWN) };
    if shown == 0 {
        return;
    }
    let columns = [Column::new("calls"), Column::new("total"), Column::new("each")];
    let mut grid = Grid::new(&columns);
    grid.group("caller → callee");
    for edge in &edges[..shown] {
        // Each half is cut on its own, so that neither end of the arrow is lost.
        let half = |name: &str| cut_middle(&one_line(name), 44);
        let each = u32::try_from(edge.calls).ok().and_then(|calls| edge.total_time.checked_div(calls));
        grid.row(
            format!("{} → {}", half(&edge.caller), half(&edge.callee)),
            vec![
                format_count(edge.calls),
                format_duration(edge.total_time),
                each.map_or_else(String::new, format_duration),
            ],
        );
    }
    grid.write(text, WIDTH);
    if edges.len() > shown {
        note(text, &format!("{} not shown", plural((edges.len() - shown) as u64, "more pair")));
    }
}

pub(super) fn active(text: &mut String, active: &[ActiveOperation], all: bool) {
    let shown = if all { active.len() } else { active.len().min(ACTIVE_SHOWN) };
    if shown == 0 {
        return;
    }
    let columns =
        [Column::new("age"), Column::new("busy"), Column::new("polls"), Column::left("where"), Column::left("inside")];
    let mut grid = Grid::new(&columns);
    grid.group("running now");
    for operation in &active[..shown] {
        let parent = active.iter().find(|other| Some(other.id) == operation.parent);
        // On no thread: who works on it, and its step where others have their parent.
        let by_id = operation.by_id.as_ref();
        let worker = by_id.map(|by_id| by_id.worker.as_deref().unwrap_or("by id"));
        let place = worker.or(operation.thread.as_deref()).unwrap_or_else(|| operation.state.as_str());
        // A call without polls is busy all along.
        let is_future = operation.polls > 0 || operation.state == ActiveState::Suspended;
        let mut name = one_line(&operation.name);
        if let Some(by_id) = by_id {
            let _ = write!(name, " {}", one_line(&by_id.id));
        }
        if !operation.labels.is_empty() {
            let _ = write!(name, " {}", label_text(&operation.labels));
        }
        let inside = match by_id {
            Some(by_id) => by_id.last_step().map(|step| format!("step {}", one_line(&step.name))),
            None => parent.map(|parent| one_line(&parent.name)),
        };
        grid.row(
            name,
            vec![
                format_duration(operation.age),
                if is_future { format_duration(operation.busy_time) } else { String::new() },
                if is_future { format_count(operation.polls) } else { String::new() },
                cut_middle(&one_line(place), 24),
                inside.map_or_else(String::new, |inside| cut_middle(&inside, 32)),
            ],
        );
    }
    grid.write(text, WIDTH);
    if active.len() > shown {
        note(text, &format!("{} shown: the oldest", format_count(shown as u64)));
    }
}

/// What is missing from the figures above, and why. Nothing is lost in silence.
pub(super) fn losses(text: &mut String, own: &MonitorStats) {
    let mut notes = Vec::new();
    let dropped = own.dropped();
    if dropped > 0 {
        let reasons = own.records_dropped.iter().filter(|&(_, &count)| count > 0);
        let reasons: Vec<_> =
            reasons.map(|(reason, &count)| format!("{} {}", one_line(reason), format_count(count))).collect();
        notes.push(format!(
            "{} not held any more ({}); all of them are in the figures above",
            plural(dropped, "individual record"),
            reasons.join(", "),
        ));
    }
    if own.overflow_calls > 0 {
        notes.push(format!(
            "{} over the cap of operations, counted under (overflow)",
            plural(own.overflow_calls, "call")
        ));
    }
    if own.overflow_series_calls > 0 {
        let calls = plural(own.overflow_series_calls, "call");
        notes.push(format!("{calls} over the cap of label sets, counted under overflow=true"));
    }
    for (asked, what) in
        [(own.overflow_queues, "queue"), (own.overflow_caches, "cache"), (own.overflow_cache_kinds, "kind of lookup")]
    {
        if asked > 0 {
            notes.push(format!("{} for a {what} over the cap, counted under (overflow)", plural(asked, "request")));
        }
    }
    if own.overflow_metrics > 0 {
        let times = plural(own.overflow_metrics, "time");
        notes.push(format!("a metric over the cap of metrics was asked for {times}, counted under (overflow)"));
    }
    if own.overflow_metric_series > 0 {
        let times = plural(own.overflow_metric_series, "time");
        notes.push(format!("a metric over its cap of label sets was asked for {times}, counted under overflow=true"));
    }
    if own.stack_overflows > 0 {
        notes.push(format!("{} nested too deep for a parent or `running now`", plural(own.stack_overflows, "call")));
    }
    if own.task_overflows > 0 {
        notes.push(format!("{} too many for `running now`", plural(own.task_overflows, "future")));
    }
    if own.jobs_unlisted > 0 {
        notes.push(format!("{} over the cap of running ones, not listed", plural(own.jobs_unlisted, "job")));
    }
    if own.by_id_errors > 0 {
        let errors = plural(own.by_id_errors, "error");
        notes.push(format!("{errors} of operations by id went unheard: `start` and `finish` would have told"));
    }
    if let Some(why) = &own.by_id_trouble {
        let why = cut_middle(&one_line(why), 54);
        notes.push(format!("operations by id are known to this process alone for now: {why}"));
    }
    if own.callbacks_panicked > 0 {
        notes.push(format!("{} of a callback or a Display contained", plural(own.callbacks_panicked, "panic")));
    }
    for copy in &own.copies {
        notes.push(format!("another copy of this crate is in the program, its calls are not here: {}", one_line(copy)));
    }
    if !notes.is_empty() {
        text.push('\n');
        for line in notes {
            let _ = writeln!(text, "{}", cut_middle(&format!("! {line}"), WIDTH));
        }
    }
}

/// `key=value key=value`.
pub(super) fn label_text(labels: &Labels) -> String {
    let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    one_line(&pairs.join(" "))
}

/// An indented line under a section.
pub(super) fn note(text: &mut String, line: &str) {
    let _ = writeln!(text, "{}", cut_middle(&format!("  {line}"), WIDTH));
}
