//! Handles on caches, and on kinds of lookups in them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::names::bounded_name;
use crate::model::CacheStats;
use crate::record::local::watch_forks;
use crate::record::recorder::RecorderRef;
use crate::store::caches::{self, Change, Lookups, Size};
use crate::store::named::HasName as _;

/// A cache: how often it is asked and has an answer, what goes in and out, how large it is.
///
/// From [`Monitor::cache`](crate::Monitor::cache). It is a handle: clones, and all handles of one name, are the same
/// cache. Keep it, and keep the [kinds](Cache::kind) of lookups that are made often.
///
/// Cost: a hit or miss takes little more than reading the clock, some 10 ns on any number of threads. Memory: some 4 KB a cache and 2 KB for each kind of lookup, on machines with many processors
/// up to 18 and 9 KB. A monitor has up to 128 caches, a cache up to 64 kinds; names over that share one named `(overflow)`, see
/// [`MonitorStats::overflow_caches`](crate::MonitorStats::overflow_caches). Counts that reach `u64::MAX` stay there.
///
/// While the monitor is switched off nothing is counted. In a forked child an inherited handle does nothing.
///
/// ```
/// use monitor_core::Monitor;
/// use std::collections::HashMap;
///
/// let local = Monitor::builder().build()?;
/// let users = local.cache("users");
/// let get = users.kind("get");
/// let mut kept = HashMap::new();
/// for id in [1, 2, 1, 1] {
///     if get.lookup(kept.get(&id)).is_none() {
///         kept.insert(id, format!("user {id}"));
///         users.inserted(1);
///         users.set_entries(kept.len() as u64);
///     }
/// }
///
/// let stats = users.stats();
/// assert_eq!((stats.hits, stats.misses, stats.entries), (2, 2, Some(2)));
/// assert_eq!(stats.last_minute.hit_rate(), Some(0.5));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Cache {
    recorder: RecorderRef,
    cache: Arc<caches::Cache>,
}

impl Cache {
    pub(crate) fn new(recorder: RecorderRef, name: &str) -> Cache {
        let bounded = bounded_name(name);
        if *bounded != *name {
            recorder.counts.names_changed.fetch_add(1, Ordering::Relaxed);
        }
        watch_forks();
        let clock = &recorder.clock;
        let (cache, _) = recorder.stores.caches.find_or_add(&bounded, |name| caches::Cache::new(name, clock));
        Cache { recorder, cache }
    }

    /// Its name: `(overflow)` for all that are over the cap.
    #[must_use]
    pub fn name(&self) -> &str {
        self.cache.name()
    }

    /// Lookups of one kind, such as `get`, `get_many` or `exists`: they have figures of their own, and count for the cache.
    ///
    /// Costs some nanoseconds for each kind that the cache has, so keep it where lookups are frequent.
    #[must_use]
    pub fn kind(&self, kind: &str) -> CacheKind {
        // In a forked child the cache must not be asked; nothing is counted with a kind that belongs to none.
        let lookups = self.lookups_of(kind).unwrap_or_else(|| self.cache.loose_kind(&bounded_name(kind)));
        CacheKind { recorder: self.recorder.clone(), lookups }
    }

    fn lookups_of(&self, kind: &str) -> Option<Arc<Lookups>> {
        if self.recorder.is_inherited() {
            return None;
        }
        let bounded = bounded_name(kind);
        if *bounded != *kind {
            self.recorder.counts.names_changed.fetch_add(1, Ordering::Relaxed);
        }
        Some(self.cache.kind(&bounded))
    }
}

/// # Lookups
///
/// Those without a kind; [`kind`](Cache::kind) has the same for one.
impl Cache {
    /// Counts a lookup that the cache had an answer for.
    #[inline]
    pub fn hit(&self) {
        self.hits(1);
    }

    /// Counts a lookup that it had none for.
    #[inline]
    pub fn miss(&self) {
        self.misses(1);
    }

    /// Counts so many hits, of a bulk lookup.
    #[inline]
    pub fn hits(&self, n: u64) {
        count(&self.recorder, &self.cache.plain, true, n);
    }

    /// Counts so many misses, of a bulk lookup.
    #[inline]
    pub fn misses(&self, n: u64) {
        count(&self.recorder, &self.cache.plain, false, n);
    }

    /// Counts a lookup: a hit if it found something. Gives back what was found.
    #[inline]
    pub fn lookup<T>(&self, found: Option<T>) -> Option<T> {
        count(&self.recorder, &self.cache.plain, found.is_some(), 1);
        found
    }

    /// Counts a lookup of a kind that is only known now. With a kept [`kind`](Cache::kind) it is cheaper.
    pub fn record_lookup(&self, kind: &str, hit: bool) {
        if is_on(&self.recorder)
            && let Some(lookups) = self.lookups_of(kind)
        {
            lookups.count(hit, 1, &self.recorder.clock);
        }
    }
}

/// # Entries
impl Cache {
    /// Counts entries that were put in.
    pub fn inserted(&self, n: u64) {
        self.change(Change::Inserted, n);
    }

    /// Counts entries that were thrown out to make room, or because they were too old.
    pub fn evicted(&self, n: u64) {
        self.change(Change::Evicted, n);
    }

    /// Counts entries that were thrown out because they were no longer right.
    pub fn invalidated(&self, n: u64) {
        self.change(Change::Invalidated, n);
    }

    fn change(&self, change: Change, n: u64) {
        if is_on(&self.recorder) && n > 0 {
            self.cache.change(change, n);
        }
    }

    /// How many entries it holds; `None` for unknown. The last word counts, also one that is said while the monitor is
    /// switched off. `u64::MAX` is kept as one less.
    pub fn set_entries(&self, entries: impl Into<Option<u64>>) {
        self.set_size(Size::Entries, entries.into());
    }

    /// How many entries it can hold, likewise.
    pub fn set_capacity(&self, entries: impl Into<Option<u64>>) {
        self.set_size(Size::Capacity, entries.into());
    }

    /// How much memory it takes in bytes, likewise.
    pub fn set_memory_bytes(&self, bytes: impl Into<Option<u64>>) {
        self.set_size(Size::MemoryBytes, bytes.into());
    }

    fn set_size(&self, size: Size, value: Option<u64>) {
        if cfg!(feature = "enabled") && !self.recorder.is_inherited() {
            self.cache.set_size(size, value);
        }
    }
}

/// # Reading
impl Cache {
    /// How it stands now; about a microsecond for each kind. In a forked child an inherited handle has nothing to tell but the
    /// name.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let clock = &self.recorder.clock;
        if self.recorder.is_inherited() {
            return caches::Cache::new(self.name(), clock).read(&clock.anchor());
        }
        self.cache.read(&clock.anchor())
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// Lookups of one kind in a cache, from [`Cache::kind`]. A handle: clones, and all handles of one kind, are the same.
#[derive(Clone)]
pub struct CacheKind {
    recorder: RecorderRef,
    lookups: Arc<Lookups>,
}

impl CacheKind {
    /// Its name: `(overflow)` for all that are over the cap.
    #[must_use]
    pub fn name(&self) -> &str {
        self.lookups.name()
    }

    /// Counts a lookup that the cache had an answer for.
    #[inline]
    pub fn hit(&self) {
        self.hits(1);
    }

    /// Counts a lookup that it had none for.
    #[inline]
    pub fn miss(&self) {
        self.misses(1);
    }

    /// Counts so many hits, of a bulk lookup.
    #[inline]
    pub fn hits(&self, n: u64) {
        count(&self.recorder, &self.lookups, true, n);
    }

    /// Counts so many misses, of a bulk lookup.
    #[inline]
    pub fn misses(&self, n: u64) {
        count(&self.recorder, &self.lookups, false, n);
    }

    /// Counts a lookup: a hit if it found something. Gives back what was found.
    #[inline]
    pub fn lookup<T>(&self, found: Option<T>) -> Option<T> {
        count(&self.recorder, &self.lookups, found.is_some(), 1);
        found
    }
}

impl fmt::Debug for CacheKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheKind").field("name", &self.name()).finish_non_exhaustive()
    }
}

#[inline(always)]
fn is_on(recorder: &RecorderRef) -> bool {
    cfg!(feature = "enabled") && recorder.is_enabled() && !recorder.is_inherited()
}

#[inline(always)]
fn count(recorder: &RecorderRef, lookups: &Lookups, hit: bool, n: u64) {
    // Nothing is no lookup.
    if is_on(recorder) && n > 0 {
        lookups.count(hit, n, &recorder.clock);
    }
}
