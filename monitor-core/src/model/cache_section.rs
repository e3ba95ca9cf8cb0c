//! What the table of a snapshot says of caches: how often they had an answer, lately and in all, and how large they are.

use super::CacheStats;
use super::grid::{Column, Grid, WIDTH};
use super::sections::note;
use super::text::{format_bytes, format_compact, format_count, format_percent, format_rate, one_line, plural};
use super::units::to_f64;

/// Rows shown unless all are wanted.
const SHOWN: usize = 20;

const COLUMNS: [Column; 12] = [
    Column::new("hits"),
    Column::new("misses"),
    Column::new("hit rate"),
    // Hit rates of the last minute and the last five.
    Column::new("1 min"),
    Column::new("5 min").given_up(3),
    Column::new("lookups/s").given_up(4),
    Column::new("entries"),
    Column::new("full").given_up(5),
    Column::new("memory"),
    Column::new("inserted").given_up(1),
    Column::new("evicted"),
    Column::new("invalidated").given_up(2),
];

/// The caches, each with its kinds of lookups below it.
pub(super) fn caches(text: &mut String, caches: &[CacheStats], all: bool) {
    if caches.is_empty() {
        return;
    }
    let shown = if all { caches.len() } else { caches.len().min(SHOWN) };
    let mut grid = Grid::new(&COLUMNS);
    grid.group("cache");
    for cache in &caches[..shown] {
        grid.row(one_line(&cache.name), of_cache(cache));
        // A kind without a lookup says nothing yet.
        for kind in cache.kinds.iter().filter(|kind| all || kind.lookups() > 0) {
            let rates = [kind.hit_rate(), kind.last_minute.hit_rate(), kind.last_five_minutes.hit_rate()];
            let lookups = lookups(kind.hits, kind.misses, rates, kind.last_minute.lookups_per_second());
            grid.row(format!("  {}", one_line(&kind.kind)), lookups);
        }
    }
    grid.write(text, WIDTH);
    if caches.len() > shown {
        note(text, &format!("{} not shown", plural((caches.len() - shown) as u64, "more cache")));
    }
}

/// The cells of [`COLUMNS`]; blank where there is nothing to say.
fn of_cache(cache: &CacheStats) -> Vec<String> {
    let count = |n: u64| if n == 0 { String::new() } else { format_compact(n) };
    let rates = [cache.hit_rate(), cache.last_minute.hit_rate(), cache.last_five_minutes.hit_rate()];
    let mut cells = lookups(cache.hits, cache.misses, rates, cache.last_minute.lookups_per_second());
    cells.extend([
        cache.entries.map_or_else(String::new, format_count),
        cache
            .fill()
            .map_or_else(String::new, |full| if full > 1.0 { ">100 %".to_owned() } else { format_percent(full) }),
        cache.memory_bytes.map_or_else(String::new, |bytes| format_bytes(to_f64(bytes))),
        count(cache.inserted),
        count(cache.evicted),
        count(cache.invalidated),
    ]);
    cells
}

fn lookups(hits: u64, misses: u64, rates: [Option<f64>; 3], per_second: f64) -> Vec<String> {
    let rates = rates.map(|rate| rate.map_or_else(String::new, format_percent));
    let per_second = if per_second > 0.0 { format_rate(per_second) } else { String::new() };
    [format_compact(hits), format_compact(misses)].into_iter().chain(rates).chain([per_second]).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cache::example;
    use super::*;

    fn shown(all_of: &[CacheStats], all: bool) -> String {
        let mut text = String::new();
        caches(&mut text, all_of, all);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        text
    }

    #[test]
    fn without_caches_there_is_no_section() {
        assert_eq!(shown(&[], true), "");
    }

    #[test]
    fn a_row_says_how_often_it_had_an_answer_and_how_large_it_is() {
        let text = shown(&[example("users")], false);
        let rows: Vec<_> = text.lines().skip(3).collect();
        for part in ["users", "900", "100", "90.0 %", "81.8 %", "8.87", "84", "84.0 %", "1.23 MB", "99", "12", "3"] {
            assert!(rows[0].contains(part), "{part}: {text}");
        }
        assert!(rows[1].starts_with("  get ") && rows[1].contains("94.1 %"), "{text}");
        assert!(rows[2].starts_with("  get_many ") && rows[2].contains("66.7 %"), "{text}");
    }

    #[test]
    fn one_that_holds_more_than_it_can_is_more_than_full() {
        let full = |entries| shown(&[CacheStats { entries: Some(entries), ..example("users") }], false);
        assert!(full(100).contains("  100 %") && full(101).contains(" >100 %"), "{}", full(101));
    }

    #[test]
    fn what_was_never_said_is_blank() {
        let unsaid = CacheStats { entries: None, memory_bytes: None, capacity: None, ..example("users") };
        let text = shown(&[unsaid], false);
        assert!(!text.contains("entries") && !text.contains("memory") && !text.contains("full"), "{text}");
    }

    #[test]
    fn many_and_wide_ones_fit() {
        let wide = CacheStats {
            hits: u64::MAX,
            misses: u64::MAX,
            entries: Some(u64::MAX),
            memory_bytes: Some(u64::MAX),
            capacity: Some(1),
            ..example(&"very::long\u{1b}[31m".repeat(30))
        };
        let all: Vec<_> = std::iter::repeat_n(wide, 30).collect();
        assert!(shown(&all, false).ends_with("  10 more caches not shown\n"));
        assert!(!shown(&all, true).contains("not shown"));
    }
}
