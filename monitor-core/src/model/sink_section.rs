//! What the table of a snapshot says of sinks: how they are doing, what they stored, what was lost and why.

use std::time::SystemTime;

use super::grid::{Column, Grid, WIDTH};
use super::sections::note;
use super::text::{cut_middle, format_compact, format_count, format_duration, one_line};
use super::{SinkState, SinkStats};

const COLUMNS: [Column; 5] =
    [Column::left("state"), Column::new("for"), Column::new("stored"), Column::new("waiting"), Column::new("lost")];

pub(super) fn sinks(text: &mut String, sinks: &[SinkStats], now: SystemTime) {
    if sinks.is_empty() {
        return;
    }
    let mut grid = Grid::new(&COLUMNS);
    grid.group("sink");
    for sink in sinks {
        let count = |n: u64| if n == 0 { String::new() } else { format_compact(n) };
        let lasts = now.duration_since(sink.since).map(format_duration).unwrap_or_default();
        let cells =
            vec![sink.state.to_string(), lasts, format_count(sink.stored), count(sink.waiting), count(sink.dropped())];
        grid.row(one_line(&sink.name), cells);
    }
    grid.write(text, WIDTH);
    for sink in sinks {
        let name = one_line(&sink.name);
        if let (SinkState::Degraded, Some(error)) = (sink.state, &sink.error) {
            note(text, &cut_middle(&format!("{name}: {}", one_line(error)), WIDTH - 2));
        }
        for (reason, lost) in &sink.dropped {
            note(text, &format!("{name}: {} lost, {}", format_count(*lost), one_line(reason)));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn one_that_works_takes_a_line_and_one_that_does_not_says_why() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let working = SinkStats { stored: 12_345, ..SinkStats::new("sqlite", now - Duration::from_secs(90)) };
        let mut text = String::new();
        sinks(&mut text, std::slice::from_ref(&working), now);
        assert_eq!(text.lines().filter(|line| !line.is_empty()).count(), 3, "{text}");
        assert!(text.contains("working") && text.contains("12,345"), "{text}");
        let degraded = SinkStats {
            state: SinkState::Degraded,
            error: Some("disk full".into()),
            waiting: 7,
            dropped: [("queue_full".to_owned(), 3)].into(),
            ..working
        };
        text.clear();
        sinks(&mut text, &[degraded], now);
        assert!(text.contains("degraded") && text.contains("sqlite: disk full"), "{text}");
        assert!(text.contains("sqlite: 3 lost, queue_full"), "{text}");
    }

    #[test]
    fn without_sinks_there_is_nothing() {
        let mut text = String::new();
        sinks(&mut text, &[], SystemTime::UNIX_EPOCH);
        assert_eq!(text, "");
    }
}
