//! A cache, as it is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, per_second, to_f64};

/// A cache at one moment: how often it was asked and had an answer, by kind and in all, and what it holds.
///
/// The counts of a cache are those of its kinds added up, and of the lookups that were counted without a kind.
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// let users = local.cache("users");
/// let get = users.kind("get");
/// (0..3).for_each(|_| get.hit());
/// get.miss();
/// users.set_entries(1_000);
///
/// let snapshot = local.snapshot();
/// let stats = snapshot.cache("users").unwrap();
/// assert_eq!((stats.hits, stats.misses, stats.entries), (3, 1, Some(1_000)));
/// assert_eq!(stats.kind("get").unwrap().hit_rate(), Some(0.75));
/// assert_eq!(stats.last_minute.hit_rate(), Some(0.75));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Its name.
    pub name: String,
    /// Lookups that it had an answer for.
    pub hits: u64,
    /// Lookups that it had none for.
    pub misses: u64,
    /// The lookups of the last minute.
    pub last_minute: CacheLookups,
    /// The lookups of the last five minutes.
    pub last_five_minutes: CacheLookups,
    /// Lookups by kind, by name of the kind.
    pub kinds: Vec<CacheKindStats>,
    /// Entries that were put in.
    pub inserted: u64,
    /// Entries that were thrown out to make room, or because they were too old.
    pub evicted: u64,
    /// Entries that were thrown out because they were no longer right.
    pub invalidated: u64,
    /// Entries that it holds, as the program said last; `None` if it never did.
    pub entries: Option<u64>,
    /// Entries that it can hold, likewise.
    pub capacity: Option<u64>,
    /// Memory that it takes, in bytes, likewise.
    pub memory_bytes: Option<u64>,
    /// The time that the counts span: since the cache was first named, or between the two snapshots of
    /// [`Snapshot::since`](crate::Snapshot::since).
    #[serde(rename = "window_ns", with = "duration_ns")]
    pub window: Duration,
}

/// The lookups of one kind of a cache, such as `get` or `get_many`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheKindStats {
    /// The kind; `(overflow)` for all kinds over the cap of 64.
    pub kind: String,
    /// Lookups that the cache had an answer for.
    pub hits: u64,
    /// Lookups that it had none for.
    pub misses: u64,
    /// Those of the last minute.
    pub last_minute: CacheLookups,
    /// Those of the last five minutes.
    pub last_five_minutes: CacheLookups,
}

/// Lookups of the last minute, or the last five.
///
/// They are told exactly, from the edge of a slice of five seconds on: "the last minute" is between 60 and 65 seconds,
/// and [`window`](Self::window) says how long. It is shorter only when the cache is not so old. Counts that threads make
/// in the very microsecond of an edge may fall on either side of it.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheLookups {
    /// Lookups that the cache had an answer for.
    pub hits: u64,
    /// Lookups that it had none for.
    pub misses: u64,
    /// The time that is meant.
    #[serde(rename = "window_ns", with = "duration_ns")]
    pub window: Duration,
}

/// The share of hits; `None` when there was no lookup.
fn hit_rate(hits: u64, misses: u64) -> Option<f64> {
    // In floats, since the sum of two counts may be more than a count can be.
    (hits > 0 || misses > 0).then(|| to_f64(hits) / (to_f64(hits) + to_f64(misses)))
}

impl CacheLookups {
    /// Hits and misses.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// The share of the lookups that were hits, 0.0 to 1.0; `None` when there was no lookup.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        hit_rate(self.hits, self.misses)
    }

    /// Lookups in a second; 0.0 when the window is empty.
    #[must_use]
    pub fn lookups_per_second(&self) -> f64 {
        per_second(self.lookups(), self.window)
    }
}

impl CacheKindStats {
    /// Hits and misses.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// The share of the lookups that were hits, 0.0 to 1.0; `None` when there was no lookup.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        hit_rate(self.hits, self.misses)
    }
}

impl CacheStats {
    /// The figures of a kind.
    #[must_use]
    pub fn kind(&self, kind: &str) -> Option<&CacheKindStats> {
        self.kinds.iter().find(|stats| stats.kind == kind)
    }

    /// Hits and misses.
    #[must_use]
    pub fn lookups(&self) -> u64 {
        self.hits.saturating_add(self.misses)
    }

    /// The share of the lookups that were hits, 0.0 to 1.0; `None` when there was no lookup.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        hit_rate(self.hits, self.misses)
    }

    /// How full it is: entries over capacity, where the program has said both. Above 1.0 if it holds more than it can;
    /// `None` for a capacity of 0.
    #[must_use]
    pub fn fill(&self) -> Option<f64> {
        let capacity = self.capacity.filter(|capacity| *capacity > 0)?;
        Some(to_f64(self.entries?) / to_f64(capacity))
    }

    fn since(&self, earlier: &CacheStats, window: Duration) -> CacheStats {
        let kinds = self.kinds.iter().map(|kind| match earlier.kind(&kind.kind) {
            Some(before) => CacheKindStats {
                hits: kind.hits.saturating_sub(before.hits),
                misses: kind.misses.saturating_sub(before.misses),
                ..kind.clone()
            },
            None => kind.clone(),
        });
        CacheStats {
            hits: self.hits.saturating_sub(earlier.hits),
            misses: self.misses.saturating_sub(earlier.misses),
            kinds: kinds.collect(),
            inserted: self.inserted.saturating_sub(earlier.inserted),
            evicted: self.evicted.saturating_sub(earlier.evicted),
            invalidated: self.invalidated.saturating_sub(earlier.invalidated),
            window,
            ..self.clone()
        }
    }
}

/// What came between two moments, `window` apart. What it holds, and the last minutes, are the later one's; a cache or
/// kind that was not there before is whole.
pub(super) fn all_since(later: &[CacheStats], earlier: &[CacheStats], window: Duration) -> Vec<CacheStats> {
    let since = |cache: &CacheStats| match earlier.iter().find(|before| before.name == cache.name) {
        Some(before) => cache.since(before, window),
        None => cache.clone(),
    };
    later.iter().map(since).collect()
}

/// A cache in use, for tests.
#[cfg(test)]
pub(crate) fn example(name: &str) -> CacheStats {
    let lookups = |hits, misses| CacheLookups { hits, misses, window: Duration::from_secs(62) };
    let kind = |kind: &str, hits, misses| CacheKindStats {
        kind: kind.into(),
        hits,
        misses,
        last_minute: lookups(hits / 2, misses),
        last_five_minutes: lookups(hits, misses),
    };
    CacheStats {
        name: name.into(),
        hits: 900,
        misses: 100,
        last_minute: lookups(450, 100),
        last_five_minutes: lookups(900, 100),
        kinds: vec![kind("get", 800, 50), kind("get_many", 100, 50)],
        inserted: 99,
        evicted: 12,
        invalidated: 3,
        entries: Some(84),
        capacity: Some(100),
        memory_bytes: Some(1_234_567),
        window: Duration::from_secs(90),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_round_trips() {
        let unsaid = CacheStats { entries: None, memory_bytes: None, kinds: Vec::new(), ..example("other") };
        for cache in [example("users"), unsaid] {
            let json = serde_json::to_string(&cache).unwrap();
            assert_eq!(serde_json::from_str::<CacheStats>(&json).unwrap(), cache);
            assert!(json.contains("\"window_ns\":62000000000"), "{json}");
        }
    }

    #[test]
    fn rates_are_defined_at_the_edges() {
        let with = |hits, misses| CacheStats { hits, misses, ..example("x") }.hit_rate();
        assert_eq!(
            (with(0, 0), with(5, 0), with(0, 5), with(u64::MAX, u64::MAX)),
            (None, Some(1.0), Some(0.0), Some(0.5))
        );
        let fill = |entries, capacity| CacheStats { entries, capacity, ..example("x") }.fill();
        assert_eq!((fill(Some(3), Some(4)), fill(None, Some(4)), fill(Some(3), Some(0))), (Some(0.75), None, None));
    }

    #[test]
    fn a_difference_never_falls_below_zero_and_keeps_what_it_holds() {
        let earlier = example("users");
        let mut later = CacheStats { hits: 1_000, misses: 130, inserted: 129, entries: Some(90), ..earlier.clone() };
        later.kinds[0].hits = 900;
        later.kinds.push(CacheKindStats { kind: "new".into(), ..later.kinds[1].clone() });
        let between = later.since(&earlier, Duration::from_secs(7));
        assert_eq!((between.hits, between.misses, between.inserted, between.entries), (100, 30, 30, Some(90)));
        let kinds: Vec<_> = between.kinds.iter().map(|kind| (kind.kind.as_str(), kind.hits)).collect();
        assert_eq!(kinds, [("get", 100), ("get_many", 0), ("new", 100)]);
        assert_eq!(earlier.since(&later, Duration::ZERO).hits, 0);
        assert_eq!(all_since(&[later.clone()], &[], Duration::ZERO), [later]);
    }
}
