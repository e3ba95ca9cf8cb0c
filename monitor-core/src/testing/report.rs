//! What a failed assertion says: the figures of the operation, or the names that are nearest to a wrong one.

use std::cmp::Reverse;
use std::fmt;

use crate::model::text::{format_duration, one_line, plural};
use crate::model::{OperationStats, Snapshot};

/// Names listed when the one asked for is not there.
pub(super) const NAMES_LISTED: usize = 12;

/// All the figures of an operation, a line a subject.
pub(super) struct Report<'a>(pub(super) &'a OperationStats);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.0;
        writeln!(
            f,
            "  calls      {}: {} succeeded, {} failed, {} panicked, {} cancelled, {} in flight",
            stats.started,
            stats.succeeded,
            stats.failed,
            stats.panicked,
            stats.cancelled,
            stats.in_flight()
        )?;
        f.write_str("  durations  ")?;
        if stats.durations.is_empty() {
            writeln!(f, "none")?;
        } else {
            let time = |q| format_duration(stats.percentile(q));
            write!(f, "min {}, mean {}, ", format_duration(stats.min()), format_duration(stats.mean()))?;
            writeln!(
                f,
                "p50 {}, p90 {}, p99 {}, max {}",
                time(0.5),
                time(0.9),
                time(0.99),
                format_duration(stats.max())
            )?;
        }
        writeln!(f, "  work       {}, {}", plural(stats.items, "item"), plural(stats.bytes, "byte"))?;
        if stats.allocations > 0 {
            let blocks = plural(stats.allocations, "allocation");
            writeln!(f, "  memory     {blocks}, {}", plural(stats.allocated_bytes, "byte"))?;
        }
        write!(f, "  identity   kind {}", one_line(&stats.kind))?;
        if !stats.component.is_empty() {
            write!(f, ", component {}", one_line(&stats.component))?;
        }
        stats.labels.iter().try_for_each(|(key, value)| write!(f, ", {}={}", one_line(key), one_line(value)))
    }
}

/// The names there are, those most like the wanted one first.
pub(super) struct Names<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) wanted: &'a str,
}

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.snapshot.operations().iter().map(|stats| stats.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return f.write_str("nothing was: did the code run inside this monitor's scope?");
        }
        f.write_str(&nearest(names.into_iter(), self.wanted))
    }
}

/// A list of names, those most like the wanted one first.
pub(super) fn nearest<'a>(names: impl Iterator<Item = &'a str>, wanted: &str) -> String {
    let mut names: Vec<_> = names.collect();
    if names.is_empty() {
        return "there is none".to_owned();
    }
    // A name given without its path, or the other way round, is nearer than any misspelling.
    names.sort_by_cached_key(|name| {
        let contained = name.contains(wanted) || wanted.contains(name);
        (Reverse(contained), edit_distance(name, wanted))
    });
    let mut text = "there are:".to_owned();
    names.iter().take(NAMES_LISTED).for_each(|name| text = format!("{text}\n  {}", one_line(name)));
    match names.len().saturating_sub(NAMES_LISTED) {
        0 => text,
        more => format!("{text}\n  and {}", plural(more as u64, "other")),
    }
}

/// Insertions, removals and replacements of characters that make one text of the other (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edit_distance_counts_single_changes() {
        for (a, b, distance) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("fetch", "fetsh", 1)] {
            assert_eq!((edit_distance(a, b), edit_distance(b, a)), (distance, distance));
        }
    }
}
