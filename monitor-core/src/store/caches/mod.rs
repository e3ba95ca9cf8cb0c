//! The caches of a monitor: how often they were asked and had an answer, what they hold.
//!
//! | file | owns |
//! |---|---|
//! | `lookups` | hits and misses of one kind |
//!
//! Here: the caches by name, and one cache with its kinds. The figures of a cache are those of its kinds added up, and of
//! the lookups without a kind.

mod lookups;

use std::panic::RefUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub(crate) use self::lookups::Lookups;
use self::lookups::Read;
use super::named::{HasName, Named};
use super::slices::{FIVE_MINUTES, MINUTE, Slicing};
use crate::base::clock::{Anchor, Clock};
use crate::base::stripes::Striped;
use crate::model::{CacheKindStats, CacheLookups, CacheStats};

/// Caches of one monitor, at most.
pub(crate) const MAX_CACHES: usize = 128;
/// Kinds of one cache, at most.
pub(crate) const MAX_KINDS: usize = 64;

/// The caches of a monitor, by name.
pub(crate) type Caches = Named<Cache, MAX_CACHES>;

impl Caches {
    /// All of them, by name.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> Vec<CacheStats> {
        self.all().into_iter().map(|cache| cache.read(anchor)).collect()
    }

    /// How often a kind over the cap was asked for, of all caches.
    pub(crate) fn kinds_over(&self) -> u64 {
        self.all().into_iter().map(|cache| cache.kinds.over()).sum()
    }
}

/// What happens to entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Inserted,
    Evicted,
    Invalidated,
}

/// What a cache holds, as the program says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Size {
    Entries,
    MemoryBytes,
    Capacity,
}

/// Stands for "never said".
const UNKNOWN: u64 = u64::MAX;

pub(crate) struct Cache {
    name: Box<str>,
    made: u64,
    slicing: Slicing,
    /// Lookups without a kind.
    pub(crate) plain: Lookups,
    kinds: Named<Lookups, MAX_KINDS>,
    changes: Striped<3>,
    sizes: [AtomicU64; 3],
}

/// What it has inside is whole whenever code of the host runs, also code that panics: no lock is held then.
impl RefUnwindSafe for Cache {}

impl HasName for Cache {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Cache {
    pub(crate) fn new(name: &str, clock: &Clock) -> Cache {
        let made = clock.ticks();
        let slicing = Slicing::new(clock, made);
        Cache {
            name: name.into(),
            made,
            slicing,
            plain: Lookups::new("", slicing),
            kinds: Named::default(),
            changes: Striped::new(),
            sizes: [const { AtomicU64::new(UNKNOWN) }; 3],
        }
    }

    pub(crate) fn kind(&self, kind: &str) -> Arc<Lookups> {
        self.kinds.find_or_add(kind, |kind| Lookups::new(kind, self.slicing)).0
    }

    /// Of no cache.
    pub(crate) fn loose_kind(&self, kind: &str) -> Arc<Lookups> {
        Arc::new(Lookups::new(kind, self.slicing))
    }

    pub(crate) fn change(&self, change: Change, n: u64) {
        self.changes.add(change as usize, n);
    }

    /// Says how large it is; `None` for unknown.
    pub(crate) fn set_size(&self, size: Size, value: Option<u64>) {
        let value = value.map_or(UNKNOWN, |value| value.min(UNKNOWN - 1));
        self.sizes[size as usize].store(value, Ordering::Relaxed);
    }

    /// How it stands.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> CacheStats {
        let mut sum = self.plain.read(anchor.ticks);
        let times = [MINUTE, FIVE_MINUTES].map(|whole| self.slicing.recent_time(whole, anchor));
        let recent = |read: &Read| {
            let [minute, five] = times;
            let lookups = |[hits, misses]: [u64; 2], window| CacheLookups { hits, misses, window };
            (lookups(read.minute, minute), lookups(read.five_minutes, five))
        };
        let mut kinds = Vec::new();
        for kind in self.kinds.all() {
            let read = kind.read(anchor.ticks);
            sum.add(&read);
            let ([hits, misses], (last_minute, last_five_minutes)) = (read.all, recent(&read));
            kinds.push(CacheKindStats { kind: kind.name().to_owned(), hits, misses, last_minute, last_five_minutes });
        }
        let ([hits, misses], (last_minute, last_five_minutes)) = (sum.all, recent(&sum));
        let [inserted, evicted, invalidated] = self.changes.sums();
        let [entries, memory_bytes, capacity] = self.sizes.each_ref().map(|size| {
            let value = size.load(Ordering::Relaxed);
            (value != UNKNOWN).then_some(value)
        });
        CacheStats {
            name: self.name.to_string(),
            hits,
            misses,
            last_minute,
            last_five_minutes,
            kinds,
            inserted,
            evicted,
            invalidated,
            entries,
            capacity,
            memory_bytes,
            window: anchor.age(self.made),
        }
    }
}
