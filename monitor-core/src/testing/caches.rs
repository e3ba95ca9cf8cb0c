//! Assertions on caches.

use std::fmt;

use super::report::nearest;
use crate::model::text::{format_count, format_percent, one_line};
use crate::model::{CacheStats, Snapshot};

/// Begins assertions on the cache of that name.
///
/// ```
/// use monitor_core::{Monitor, testing};
///
/// let local = Monitor::builder().build()?;
/// let users = local.cache("users");
/// users.kind("get").hits(3);
/// users.kind("get_many").miss();
/// testing::assert_cache(&local.snapshot(), "users").hits(3).misses(1).hit_rate_at_least(0.75).kind("get").misses(0);
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
///
/// When there is no such cache, with the names there are.
#[track_caller]
pub fn assert_cache<'a>(snapshot: &'a Snapshot, name: &str) -> CacheAssert<'a> {
    let names = || snapshot.caches().iter().map(|cache| cache.name.as_str());
    match snapshot.cache(name) {
        Some(stats) => CacheAssert { stats, kind: None },
        None => panic!("no cache `{}` is known; {}", one_line(name), nearest(names(), name)),
    }
}

/// Assertions on one cache, or on one [kind](CacheAssert::kind) of lookups in it, from [`assert_cache`]. Each gives itself
/// back, to be followed by another.
///
/// All of them panic, with the figures of the cache, when they do not hold.
#[derive(Debug, Clone, Copy)]
pub struct CacheAssert<'a> {
    stats: &'a CacheStats,
    /// Name, hits and misses of the kind that lookups are asserted on.
    kind: Option<(&'a str, u64, u64)>,
}

impl<'a> CacheAssert<'a> {
    /// What follows of hits, misses and hit rate is of that kind of lookups.
    #[track_caller]
    pub fn kind(self, kind: &str) -> Self {
        let Some(found) = self.stats.kind(kind) else {
            let names = nearest(self.stats.kinds.iter().map(|kind| kind.kind.as_str()), kind);
            return self.check(false, format_args!("expected lookups of the kind `{}`; {names}", one_line(kind)));
        };
        CacheAssert { kind: Some((&found.kind, found.hits, found.misses)), ..self }
    }

    /// Exactly `n` lookups were hits.
    #[track_caller]
    pub fn hits(self, n: u64) -> Self {
        self.equal("hits", self.lookups().0, n)
    }

    /// Exactly `n` lookups were misses.
    #[track_caller]
    pub fn misses(self, n: u64) -> Self {
        self.equal("misses", self.lookups().1, n)
    }

    /// At least this share of the lookups were hits, 0.0 to 1.0. Does not hold when there was no lookup.
    #[track_caller]
    pub fn hit_rate_at_least(self, rate: f64) -> Self {
        let (hits, misses) = self.lookups();
        let found = CacheStats { hits, misses, ..self.stats.clone() }.hit_rate();
        let expected = format_percent(rate);
        let text = found.map_or_else(|| "no lookup".to_owned(), format_percent);
        let holds = found.is_some_and(|found| found >= rate);
        self.check(holds, format_args!("expected a hit rate of at least {expected}, found {text}"))
    }

    /// Exactly `n` entries were put in.
    #[track_caller]
    pub fn inserted(self, n: u64) -> Self {
        self.equal("entries inserted", self.stats.inserted, n)
    }

    /// Exactly `n` entries were thrown out to make room, or because they were too old.
    #[track_caller]
    pub fn evicted(self, n: u64) -> Self {
        self.equal("entries evicted", self.stats.evicted, n)
    }

    /// Exactly `n` entries were thrown out because they were no longer right.
    #[track_caller]
    pub fn invalidated(self, n: u64) -> Self {
        self.equal("entries invalidated", self.stats.invalidated, n)
    }

    /// It holds exactly `n` entries, as the program said.
    #[track_caller]
    pub fn entries(self, n: u64) -> Self {
        self.said("entries", self.stats.entries, |found| found == n, &format_count(n))
    }

    /// It takes at most `n` bytes of memory, as the program said.
    #[track_caller]
    pub fn memory_at_most(self, n: u64) -> Self {
        self.said(
            "bytes of memory",
            self.stats.memory_bytes,
            |found| found <= n,
            &format!("at most {}", format_count(n)),
        )
    }

    /// The figures themselves, for what is not covered here.
    pub fn stats(self) -> &'a CacheStats {
        self.stats
    }

    fn lookups(&self) -> (u64, u64) {
        self.kind.map_or((self.stats.hits, self.stats.misses), |(_, hits, misses)| (hits, misses))
    }

    #[track_caller]
    fn said(self, what: &str, found: Option<u64>, holds: impl Fn(u64) -> bool, expected: &str) -> Self {
        let text = found.map_or_else(|| "that it was never said".to_owned(), format_count);
        self.check(found.is_some_and(holds), format_args!("expected {expected} {what}, found {text}"))
    }

    #[track_caller]
    fn equal(self, what: &str, found: u64, n: u64) -> Self {
        self.check(found == n, format_args!("expected {} {what}, found {}", format_count(n), format_count(found)))
    }

    #[track_caller]
    fn check(self, holds: bool, message: fmt::Arguments<'_>) -> Self {
        let kind = self.kind.map_or_else(String::new, |(kind, ..)| format!(", kind `{}`", one_line(kind)));
        assert!(holds, "cache `{}`{kind}: {message}\n{}", one_line(&self.stats.name), Report(self.stats));
        self
    }
}

/// All the figures of a cache, a line a subject.
struct Report<'a>(&'a CacheStats);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CacheStats { hits, misses, inserted, evicted, invalidated, .. } = self.0;
        writeln!(f, "  lookups  {hits} hits, {misses} misses")?;
        for kind in &self.0.kinds {
            writeln!(f, "    {}: {} hits, {} misses", one_line(&kind.kind), kind.hits, kind.misses)?;
        }
        writeln!(f, "  entries  {inserted} inserted, {evicted} evicted, {invalidated} invalidated")?;
        let said = |value: Option<u64>| value.map_or_else(|| "unknown".to_owned(), |value| value.to_string());
        write!(f, "  holds    {} entries, {} bytes", said(self.0.entries), said(self.0.memory_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::message;
    use super::*;
    use crate::model::SnapshotParts;
    use crate::model::cache_example;

    fn snapshot(names: &[&str]) -> Snapshot {
        let caches = names.iter().map(|name| cache_example(name)).collect();
        Snapshot::new(SnapshotParts { caches, ..SnapshotParts::empty() })
    }

    #[test]
    fn what_holds_passes_and_what_does_not_fails_with_all_figures() {
        let snapshot = snapshot(&["users"]);
        let cache = assert_cache(&snapshot, "users");
        cache.hits(900).misses(100).hit_rate_at_least(0.9).inserted(99).evicted(12).invalidated(3);
        cache.entries(84).memory_at_most(1_234_567).kind("get").hits(800).misses(50).hit_rate_at_least(0.94);
        assert_eq!(cache.stats().name, "users");
        let messages = [
            message(|| _ = cache.hits(1)),
            message(|| _ = cache.misses(1)),
            message(|| _ = cache.hit_rate_at_least(0.901)),
            message(|| _ = cache.inserted(1)),
            message(|| _ = cache.evicted(1)),
            message(|| _ = cache.invalidated(1)),
            message(|| _ = cache.entries(1)),
            message(|| _ = cache.memory_at_most(1_234_566)),
            message(|| _ = cache.kind("get").hits(900)),
            message(|| _ = cache.kind("get").hit_rate_at_least(0.95)),
        ];
        for message in &messages {
            assert!(message.starts_with("cache `users`") && message.contains(": expected "), "{message}");
            assert!(message.contains("\n  lookups  900 hits, 100 misses\n    get: 800 hits, 50 misses\n"), "{message}");
            assert!(message.ends_with("\n  holds    84 entries, 1234567 bytes"), "{message}");
        }
        assert!(
            messages[8].starts_with("cache `users`, kind `get`: expected 900 hits, found 800\n"),
            "{}",
            messages[8]
        );
    }

    #[test]
    fn a_rate_is_not_reached_by_a_cache_that_was_never_asked() {
        let snapshot = snapshot(&["users"]);
        let never = snapshot.since(&snapshot);
        let failed = message(|| _ = assert_cache(&never, "users").hit_rate_at_least(0.0));
        assert!(failed.contains("found no lookup"), "{failed}");
    }

    #[test]
    fn a_wrong_name_is_answered_with_those_there_are() {
        let snapshot = snapshot(&["users", "orders"]);
        let failed = message(|| _ = assert_cache(&snapshot, "user"));
        assert!(failed.starts_with("no cache `user` is known; there are:\n  users\n"), "{failed}");
        let failed = message(|| _ = assert_cache(&snapshot, "users").kind("got"));
        assert!(failed.contains("expected lookups of the kind `got`; there are:\n  get\n"), "{failed}");
    }
}
