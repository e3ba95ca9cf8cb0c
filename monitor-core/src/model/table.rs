//! The snapshot as a table that people read in a terminal or a log file.
//!
//! At most [`WIDTH`] columns. A column that would be blank in every row is left out, and where long names need room
//! the columns that are least missed go first. `{}` shows the largest operations, `{:#}` all of them and each label
//! set.

use std::fmt::{self, Write as _};

use super::cache_section::caches;
use super::errors_section::errors;
use super::grid::{Column, Grid, WIDTH};
use super::metric_section::metrics;
use super::progress::progress;
use super::queue_section::queues;
use super::sections::{active, edges, label_text, losses, note};
use super::sink_section::sinks;
use super::state_machine_section::state_machines;
use super::text::{
    cut_middle, format_bytes, format_compact, format_count, format_duration, format_rate, one_line, plural,
};
use super::units::to_f64;
use super::{Figures, Snapshot};

/// Operations that `{}` shows.
const OPERATIONS_SHOWN: usize = 40;

const COLUMNS: [Column; 13] = [
    Column::new("calls"),
    Column::new("failed"),
    // What runs now is listed below the table as well.
    Column::new("active").given_up(1),
    Column::new("p50"),
    Column::new("p90").given_up(2),
    Column::new("p99"),
    Column::new("max"),
    Column::new("total"),
    Column::new("self"),
    Column::new("calls/s"),
    Column::new("work/s"),
    Column::new("allocs").given_up(3),
    Column::new("memory").given_up(4),
];

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = f.alternate();
        let mut text = heading(self);
        operations(&mut text, self, all);
        edges(&mut text, self.edges(), all);
        active(&mut text, self.active(), all);
        errors(&mut text, self.errors(), self.taken_at(), all);
        state_machines(&mut text, self.state_machines(), all);
        queues(&mut text, self.queues(), all);
        caches(&mut text, self.caches(), all);
        metrics(&mut text, self.metrics(), all);
        progress(&mut text, self.progress(), all);
        sinks(&mut text, self.sinks(), self.taken_at());
        losses(&mut text, self.monitor());
        // The caller ends the line, as for any value that is printed.
        f.write_str(text.trim_end())
    }
}

fn heading(snapshot: &Snapshot) -> String {
    let mut line = String::new();
    if !snapshot.service().is_empty() {
        line = cut_middle(&one_line(snapshot.service()), 24) + " · ";
    }
    let _ = write!(line, "{} · {}", format_duration(snapshot.window()), snapshot.summary());
    cut_middle(&line, WIDTH) + "\n"
}

fn operations(text: &mut String, snapshot: &Snapshot, all: bool) {
    let (called, idle): (Vec<_>, Vec<_>) = snapshot
        .operations()
        .iter()
        .partition(|stats| stats.started > 0 || stats.finished() > 0 || stats.in_flight() > 0);
    if called.is_empty() {
        text.push_str("\nno operation has been called\n");
        return;
    }
    let shown = if all { called.len() } else { called.len().min(OPERATIONS_SHOWN) };
    let kinds = snapshot.kinds();
    let kinds: Vec<_> = kinds.iter().filter(|kind| kind.started > 0 || kind.finished() > 0).collect();

    // A self time equal to the total everywhere says nothing.
    let nested = called.iter().any(|stats| stats.self_time != stats.total_time);
    let mut grid = Grid::new(&COLUMNS);
    grid.group("operation");
    for stats in &called[..shown] {
        grid.row(one_line(&stats.name), cells(stats, nested));
        for series in stats.series.iter().filter(|_| all) {
            grid.row(format!("  {}", label_text(&series.labels)), cells(series, nested));
        }
    }
    if kinds.len() > 1 {
        grid.group("kind");
        for kind in &kinds {
            let operations = plural(kind.operations as u64, "operation");
            grid.row(format!("{} ({operations})", one_line(&kind.kind)), cells(kind, nested));
        }
    }
    grid.write(text, WIDTH);

    let rest = called.len() - shown;
    if rest > 0 {
        let time = called[shown..].iter().fold(std::time::Duration::ZERO, |sum, s| sum.saturating_add(s.total_time));
        let rest = plural(rest as u64, "more operation");
        note(text, &format!("{rest}, {} in total, are not shown", format_duration(time)));
    }
    if !idle.is_empty() && all {
        note(text, &format!("{} without a call", plural(idle.len() as u64, "operation")));
    }
    if called.iter().any(|stats| stats.panicked > 0 || stats.cancelled > 0) {
        note(text, "failed: p = panicked, c = cancelled");
    }
}

/// The cells of [`COLUMNS`]; blank where there is nothing to say.
fn cells(figures: &Figures, nested: bool) -> Vec<String> {
    let count = |n: u64| if n == 0 { String::new() } else { format_count(n) };
    let timed = |shown: bool, time| if shown { format_duration(time) } else { String::new() };
    let any = !figures.durations.is_empty();
    let work = if figures.bytes > 0 {
        format_bytes(figures.bytes_per_second())
    } else if figures.items > 0 {
        format_rate(figures.items_per_second())
    } else {
        String::new()
    };
    let rate = if figures.finished() > 0 { format_rate(figures.calls_per_second()) } else { String::new() };
    vec![
        format_count(figures.started),
        endings(figures),
        count(figures.in_flight()),
        timed(any, figures.percentile(0.5)),
        timed(any, figures.percentile(0.9)),
        timed(any, figures.percentile(0.99)),
        timed(any, figures.max()),
        timed(any, figures.total_time),
        timed(any && nested, figures.self_time),
        rate,
        work,
        if figures.allocations > 0 { format_compact(figures.allocations) } else { String::new() },
        if figures.allocated_bytes > 0 { format_bytes(to_f64(figures.allocated_bytes)) } else { String::new() },
    ]
}

/// Calls that did not succeed: `5`, `5 1p 2c`, blank without any.
fn endings(figures: &Figures) -> String {
    let parts = [(figures.failed, ""), (figures.panicked, "p"), (figures.cancelled, "c")];
    let shown = parts.iter().filter(|(count, _)| *count > 0);
    shown.map(|(count, mark)| format_compact(*count) + mark).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::super::active::example;
    use super::super::{
        ActiveOperation, ActiveState, CallEdge, Identity, MonitorStats, OperationStats, SnapshotParts, Totals,
    };
    use super::*;

    const MS: u64 = 1_000_000;

    fn totals(calls: u64, typical_ns: u64) -> Totals {
        // Spread over four octaves around the typical duration, as real durations are.
        let durations: Vec<_> = (0..calls).map(|i| typical_ns / 2 + typical_ns * (i * i % 97) / 30).collect();
        Totals::of_durations(&durations)
    }

    fn operation(name: &str, kind: &str, totals: Totals) -> OperationStats {
        let identity = Identity { name: name.into(), kind: kind.into(), ..Identity::default() };
        OperationStats::new(identity, totals, Duration::from_millis(12_345))
    }

    fn edge(caller: &str, callee: &str, calls: u64, ms: u64) -> CallEdge {
        CallEdge { caller: caller.into(), callee: callee.into(), calls, total_time: Duration::from_millis(ms) }
    }

    fn parts() -> SnapshotParts {
        let mut index = totals(1, 9_000 * MS);
        (index.started, index.self_ns) = (2, 3_456_789);
        let read = Totals { started: 3_402, items: 3_402, bytes: 812_345_678, failed: 12, ..totals(3_390, 2 * MS) };
        let fetch = Totals { panicked: 1, cancelled: 2, failed: 5, started: 408, polls: 1_900, ..totals(400, 11 * MS) };
        let series = ["users", "orders"].map(|table| {
            let mut stats = operation("db.fetch_user", "database", totals(200, 11 * MS));
            stats.labels.insert("table".into(), table.into());
            stats
        });
        SnapshotParts {
            service: "indexer".into(),
            taken_at: SystemTime::UNIX_EPOCH,
            window: Duration::from_millis(12_345),
            operations: vec![
                operation("indexer::index", "function", index),
                operation("indexer::walk::Walker::read_file", "function", read),
                operation("indexer::text::count_words", "function", Totals { items: 91_234, ..totals(3_390, MS / 3) }),
                operation("indexer::text::hash", "function", totals(3_390, 2_300)),
                operation("db.fetch_user", "database", fetch).with_series(series.into()),
            ],
            edges: vec![
                edge("indexer::index", "indexer::walk::Walker::read_file", 3_402, 9_100),
                edge("indexer::walk::Walker::read_file", "indexer::text::hash", 3_390, 13),
            ],
            active: vec![
                example(1, "indexer::index", Duration::from_secs(12)),
                ActiveOperation {
                    parent: Some(1),
                    thread: None,
                    state: ActiveState::Suspended,
                    polls: 7,
                    busy_time: Duration::from_micros(45),
                    ..example(2, "db.fetch_user", Duration::from_millis(31))
                },
            ],
            monitor: MonitorStats::default(),
            ..SnapshotParts::empty()
        }
    }

    fn assert_fits(table: &str) {
        for line in table.lines() {
            assert!(line.chars().count() <= WIDTH, "{} characters: {line}", line.chars().count());
            assert_eq!(line, line.trim_end());
        }
    }

    #[test]
    fn the_table_says_what_ran_how_often_how_it_ended_and_how_long_it_took() {
        let table = Snapshot::new(parts()).to_string();
        assert_fits(&table);
        let heading = table.lines().next().unwrap();
        assert!(heading.starts_with("indexer · 12.3 s · 5 operations, 10,592 calls, 0.2 % failed, "), "{heading}");
        for part in ["p50", "p90", "p99", "max", "self", "3,402", "12", "5 1p 2c", "65.8 MB", "database (1 operation)"]
        {
            assert!(table.contains(part), "{part} is missing:\n{table}");
        }
        assert!(table.contains("indexer::index → indexer::walk::Walker::read_file"), "{table}");
        assert!(
            table.lines().any(|line| line.starts_with("db.fetch_user") && line.ends_with("suspended  indexer::index"))
        );
        assert!(!table.contains("table=users") && !table.contains("! "), "{table}");
    }

    #[test]
    fn the_alternate_form_shows_label_sets_and_every_operation() {
        let mut parts = parts();
        parts.operations.extend((0..50).map(|i| operation(&format!("extra {i}"), "function", totals(1, 10))));
        let snapshot = Snapshot::new(parts);
        assert!(snapshot.to_string().contains("  15 more operations, "), "{snapshot}");
        let all = format!("{snapshot:#}");
        assert_fits(&all);
        assert!(
            all.contains("\n  table=users ") && all.contains("extra 49") && !all.contains("more operations"),
            "{all}"
        );
    }

    #[test]
    fn memory_has_columns_only_where_it_was_counted() {
        let mut parts = parts();
        let totals = Totals { allocations: 12_345, allocated_bytes: 67_800_000, ..totals(10, 10) };
        assert!(!Snapshot::new(parts.clone()).to_string().contains("allocs"));
        parts.operations = vec![operation("greedy", "function", totals)];
        let table = Snapshot::new(parts).to_string();
        assert_fits(&table);
        let row = table.lines().find(|line| line.starts_with("greedy")).unwrap();
        assert!(table.contains("allocs   memory") && row.ends_with("12.3k  67.8 MB"), "{table}");
    }

    #[test]
    fn what_was_lost_is_said() {
        let mut parts = parts();
        parts.monitor = MonitorStats {
            records_dropped: [("overwritten".to_owned(), 1_024), ("ring_full".to_owned(), 42)].into(),
            overflow_calls: 1,
            overflow_series_calls: 7,
            stack_overflows: 3,
            task_overflows: 2,
            callbacks_panicked: 1,
            copies: vec!["monitor-core 0.0.9 \u{1b}[31m".into()],
            ..MonitorStats::default()
        };
        let table = Snapshot::new(parts).to_string();
        assert_fits(&table);
        assert_eq!(table.lines().filter(|line| line.starts_with("! ")).count(), 7, "{table}");
        assert!(table.contains("1,066 individual records") && table.contains("ring_full 42"), "{table}");
        assert!(!table.contains('\u{1b}'));
    }

    #[test]
    fn nothing_recorded_is_a_sentence() {
        let none = SnapshotParts {
            operations: vec![operation("idle", "function", Totals::default())],
            edges: Vec::new(),
            active: Vec::new(),
            ..parts()
        };
        let table = Snapshot::new(none).to_string();
        assert!(table.ends_with("no operation has been called"), "{table}");
    }

    #[test]
    fn the_widest_figures_and_names_stay_within_the_lines() {
        let mut parts = parts();
        let most = Totals {
            started: u64::MAX,
            failed: u64::MAX,
            panicked: 999_999,
            cancelled: 999_999,
            bytes: u64::MAX,
            total_ns: u64::MAX,
            self_ns: i64::MAX,
            max_ns: u64::MAX,
            allocations: u64::MAX,
            allocated_bytes: u64::MAX,
            ..Totals::of_durations(&[u64::MAX])
        };
        let name = "a::very::long::path::".repeat(20);
        parts.operations.push(operation(&name, &name, most));
        parts.edges.push(edge(&name, &name, u64::MAX, u64::MAX));
        parts.active.push(ActiveOperation {
            thread: Some(name.clone()),
            parent: Some(9),
            ..example(9, &name, Duration::MAX)
        });
        parts.service = name;
        let snapshot = Snapshot::new(parts);
        assert_fits(&snapshot.to_string());
        assert_fits(&format!("{snapshot:#}"));
    }
}
