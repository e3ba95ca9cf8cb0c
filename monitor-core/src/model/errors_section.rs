//! What the table of a snapshot says of errors.

use std::time::SystemTime;

use super::grid::{Column, Grid, WIDTH};
use super::sections::note;
use super::text::{cut_middle, format_compact, format_count, format_duration, one_line, plural};
use super::{ErrorGroup, ErrorState, Severity};

/// Groups shown unless all are wanted.
const SHOWN: usize = 10;

pub(super) fn errors(text: &mut String, groups: &[ErrorGroup], taken_at: SystemTime, all: bool) {
    let shown: Vec<_> = groups.iter().filter(|group| all || group.state != ErrorState::Resolved).collect();
    let rows = if all { shown.len() } else { shown.len().min(SHOWN) };
    if rows > 0 {
        let columns = [
            Column::new("count"),
            Column::new("last hour").given_up(1),
            Column::new("seen ago"),
            Column::left("state"),
            Column::left("severity").given_up(2),
            Column::left("message"),
        ];
        let mut grid = Grid::new(&columns);
        grid.group("errors");
        for group in &shown[..rows] {
            let ago = taken_at.duration_since(group.last_seen).unwrap_or_default();
            grid.row(
                title(group),
                vec![
                    format_count(group.count),
                    // What is usual is left blank, and with it the column where nothing else stands in it.
                    if group.last_hour == group.count { String::new() } else { format_compact(group.last_hour) },
                    format_duration(ago),
                    group.state.to_string(),
                    if group.severity == Severity::default() { String::new() } else { group.severity.to_string() },
                    cut_middle(&one_line(&message(group)), 44),
                ],
            );
        }
        grid.write(text, WIDTH);
    }
    if shown.len() > rows {
        let rest = shown[rows..].iter().fold(0, |sum: u64, group| sum.saturating_add(group.count));
        let groups = plural((shown.len() - rows) as u64, "more group");
        note(text, &format!("{groups} with {} not shown", plural(rest, "error")));
    }
    if groups.len() > shown.len() {
        note(text, &format!("{} resolved", plural((groups.len() - shown.len()) as u64, "group")));
    }
}

/// Kind without its path, and where.
fn title(group: &ErrorGroup) -> String {
    // `core::result::Foo<a::B>`: the path before the first bracket goes.
    let (path, generics) = group.kind.split_at(group.kind.find('<').unwrap_or(group.kind.len()));
    let kind = path.rsplit("::").next().unwrap_or(path);
    // Each half is cut on its own, so that neither is lost.
    let half = |name: &str, width| cut_middle(&one_line(name), width);
    format!("{} in {}", half(&format!("{kind}{generics}"), 18), half(&group.place, 36))
}

/// The newest error with its sources where there is one: it says more than the pattern.
fn message(group: &ErrorGroup) -> String {
    let Some(sample) = group.newest() else { return group.pattern.clone() };
    let texts = std::iter::once(&sample.error.message).chain(&sample.error.sources);
    texts.map(String::as_str).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::error_group::example;
    use super::*;

    fn text(groups: &[ErrorGroup], all: bool) -> String {
        let mut text = String::new();
        errors(&mut text, groups, SystemTime::UNIX_EPOCH + Duration::from_secs(100), all);
        text
    }

    #[test]
    fn a_group_is_a_line() {
        let group = example("core::num::error::ParseIntError", 40);
        let expected = "
errors                     count  seen ago  state  message
───────────────────────────────────────────────────────────────
ParseIntError in db.fetch     40    1m 00s  new    refused by 7
";
        assert_eq!(text(&[group], false), expected);
    }

    #[test]
    fn what_is_resolved_or_too_much_is_a_number() {
        let resolved = ErrorGroup { state: ErrorState::Resolved, ..example("R", 9) };
        let mut groups: Vec<_> = (1..=12).map(|count| example("A", count)).collect();
        groups.push(resolved);
        let short = text(&groups, false);
        assert_eq!(short.matches("A in db.fetch").count(), 10);
        assert!(
            short.contains("2 more groups with 23 errors not shown") && short.contains("1 group resolved"),
            "{short}"
        );
        let long = text(&groups, true);
        assert!(long.contains("R in db.fetch") && !long.contains("not shown"), "{long}");
        assert!(text(&[], true).is_empty());
    }

    #[test]
    fn lines_stay_within_the_width() {
        let mut group = example(&"very::long::Kind".repeat(20), 1);
        (group.count, group.last_hour, group.severity) = (u64::MAX, u64::MAX - 1, Severity::Critical);
        group.place = "x".repeat(300);
        group.samples[0].error.message = "line\nanother ".repeat(100);
        let text = text(&[group], true);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH) && text.lines().count() == 4, "{text}");
    }
}
