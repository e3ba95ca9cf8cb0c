//! What the table of a snapshot says of queues: how many wait and for how long, what became of them, how fast they move.

use std::time::Duration;

use super::QueueStats;
use super::grid::{Column, Grid, WIDTH};
use super::sections::note;
use super::text::{format_compact, format_count, format_duration, format_rate, one_line, plural};

/// Rows shown unless all are wanted.
const SHOWN: usize = 20;

const COLUMNS: [Column; 12] = [
    Column::new("depth"),
    Column::new("in process"),
    Column::new("enqueued").given_up(5),
    Column::new("processed"),
    Column::new("failed"),
    Column::new("discarded").given_up(4),
    // Of the time that items waited.
    Column::new("p50").given_up(1),
    Column::new("p99"),
    Column::new("oldest"),
    Column::new("in/s").given_up(3),
    Column::new("out/s").given_up(2),
    Column::new("drained in"),
];

/// The largest backlogs first.
pub(super) fn queues(text: &mut String, queues: &[QueueStats], all: bool) {
    if queues.is_empty() {
        return;
    }
    let mut sorted: Vec<&QueueStats> = queues.iter().collect();
    sorted.sort_by_key(|queue| std::cmp::Reverse(queue.backlog()));
    let shown = if all { sorted.len() } else { sorted.len().min(SHOWN) };
    let mut grid = Grid::new(&COLUMNS);
    grid.group("queue");
    for queue in &sorted[..shown] {
        grid.row(one_line(&queue.name), cells(queue));
    }
    grid.write(text, WIDTH);
    if sorted.len() > shown {
        note(text, &format!("{} not shown", plural((sorted.len() - shown) as u64, "more queue")));
    }
    if sorted[..shown].iter().any(|queue| queue.depth_reported) {
        note(text, "* as the program said, not counted");
    }
}

/// The cells of [`COLUMNS`]; blank where there is nothing to say.
fn cells(queue: &QueueStats) -> Vec<String> {
    let count = |n: u64| if n == 0 { String::new() } else { format_compact(n) };
    let waited = |time| if queue.waiting.is_empty() { String::new() } else { format_duration(time) };
    let rate = |rate: f64| if rate > 0.0 { format_rate(rate) } else { String::new() };
    let at_most = if queue.untimed > 0 { "≤ " } else { "" };
    vec![
        format!("{}{}", format_count(queue.depth), if queue.depth_reported { "*" } else { "" }),
        count(queue.in_process),
        count(queue.enqueued),
        count(queue.processed),
        count(queue.failed),
        count(queue.discarded),
        waited(queue.waiting_percentile(0.5)),
        waited(queue.waiting_percentile(0.99)),
        queue.oldest.map_or_else(String::new, |age| format!("{at_most}{}", format_duration(age))),
        rate(queue.last_minute.enqueue_rate()),
        rate(queue.last_minute.processing_rate()),
        match queue.drain_time() {
            Some(Duration::ZERO) => String::new(),
            Some(time) => format_duration(time),
            None => "unknown".to_owned(),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::queue::{QueueRecent, example};
    use super::*;

    fn shown(all_of: &[QueueStats], all: bool) -> String {
        let mut text = String::new();
        queues(&mut text, all_of, all);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        text
    }

    #[test]
    fn without_queues_there_is_no_section() {
        assert_eq!(shown(&[], true), "");
    }

    #[test]
    fn a_row_says_what_waits_and_how_it_moves() {
        let text = shown(&[example("mail")], false);
        let row = text.lines().last().unwrap();
        for part in
            ["mail", "850", "6", "1,000", "120", "4", "20", "40.4 ms", "2.99 s", "1m 15s", "16.1", "2", "7m 08s"]
        {
            assert!(row.split("  ").any(|cell| cell.trim().contains(part)), "{part}: {text}");
        }
    }

    #[test]
    fn the_largest_backlog_comes_first_and_what_is_not_counted_is_marked() {
        let small = QueueStats { depth: 1, depth_reported: true, ..example("small") };
        let stuck = QueueRecent::new(Duration::from_mins(1), [9, 0, 0]);
        let stuck = QueueStats { last_minute: stuck, last_five_minutes: stuck, untimed: 3, ..example("large") };
        let text = shown(&[small, stuck], false);
        assert!(text.find("large") < text.find("small"), "{text}");
        assert!(text.contains("1*") && text.ends_with("  * as the program said, not counted\n"), "{text}");
        assert!(text.contains("≤ 1m 15s") && text.contains("unknown"), "{text}");
    }

    #[test]
    fn many_and_wide_ones_fit() {
        let wide = QueueStats {
            depth: u64::MAX,
            enqueued: u64::MAX,
            failed: u64::MAX,
            oldest: Some(Duration::MAX),
            ..example(&"very::long\u{1b}[31m".repeat(30))
        };
        let all: Vec<_> = std::iter::repeat_n(wide, 30).collect();
        assert!(shown(&all, false).ends_with("  10 more queues not shown\n"));
        assert!(!shown(&all, true).contains("not shown"));
    }
}
