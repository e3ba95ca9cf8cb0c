//! Caches: hits and misses by kind, of all time and of the last minutes, and what a cache holds; against a model, among
//! threads, at the edges.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use monitor_core::{Cache, CacheKind, CacheLookups, CacheStats, Snapshot, testing};
use proptest::prelude::*;
use tests::{local, with_clock};

const KINDS: [&str; 3] = ["get", "get_many", "exists"];

#[derive(Debug, Clone)]
enum Act {
    /// Of a kind, or of none; so many hits or misses at once; whether on another thread.
    Lookups {
        kind: Option<usize>,
        hit: bool,
        n: u64,
        elsewhere: bool,
    },
    Entries {
        inserted: u64,
        evicted: u64,
        invalidated: u64,
    },
    Holds {
        entries: Option<u64>,
        memory: Option<u64>,
    },
    Advance(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let lookups = (prop::option::of(0..KINDS.len()), any::<bool>(), 0..5_u64, any::<bool>());
    let small = 0..100_u64;
    prop_oneof![
        6 => lookups.prop_map(|(kind, hit, n, elsewhere)| Act::Lookups { kind, hit, n, elsewhere }),
        1 => (small.clone(), small.clone(), small)
            .prop_map(|(inserted, evicted, invalidated)| Act::Entries { inserted, evicted, invalidated }),
        1 => any::<(Option<u32>, Option<u32>)>()
            .prop_map(|(entries, memory)| Act::Holds { entries: entries.map(u64::from), memory: memory.map(u64::from) }),
        3 => (0..10_000_000_000_u64).prop_map(Act::Advance),
        1 => (0..400_000_000_000_u64).prop_map(Act::Advance),
    ]
}

/// Every lookup in a list.
#[derive(Default)]
struct Model {
    now: u64,
    lookups: Vec<(u64, Option<usize>, bool, u64)>,
    entries: [u64; 3],
    holds: [Option<u64>; 2],
}

impl Model {
    /// Hits and misses since a moment, of one kind or of all.
    fn since(&self, from: u64, kind: Option<usize>) -> (u64, u64) {
        let of = |hit| {
            let counted = self.lookups.iter().filter(|lookup| lookup.0 >= from && lookup.2 == hit);
            counted.filter(|lookup| kind.is_none() || lookup.1 == kind).map(|lookup| lookup.3).sum()
        };
        (of(true), of(false))
    }

    fn check_recent(&self, recent: CacheLookups, whole: u64, kind: Option<usize>) {
        const SLICE: u64 = 5_000_000_000;
        let from = (self.now / SLICE).saturating_sub(whole) * SLICE;
        assert_eq!((recent.hits, recent.misses), self.since(from, kind), "{whole} {kind:?}");
        assert_eq!(recent.window, Duration::from_nanos(self.now - from));
    }

    fn check(&self, stats: &CacheStats) {
        assert_eq!((stats.hits, stats.misses), self.since(0, None));
        self.check_recent(stats.last_minute, 12, None);
        self.check_recent(stats.last_five_minutes, 60, None);
        for (number, name) in KINDS.iter().enumerate() {
            let kind = stats.kind(name).unwrap();
            assert_eq!((kind.hits, kind.misses), self.since(0, Some(number)));
            self.check_recent(kind.last_minute, 12, Some(number));
            self.check_recent(kind.last_five_minutes, 60, Some(number));
        }
        assert_eq!([stats.inserted, stats.evicted, stats.invalidated], self.entries);
        assert_eq!([stats.entries, stats.memory_bytes], self.holds);
        assert_eq!(stats.window, Duration::from_nanos(self.now));
    }

    fn apply(&mut self, act: &Act, cache: &Cache, kinds: &[CacheKind]) {
        match act {
            Act::Lookups { kind, hit, n, elsewhere } => {
                let count = || match (kind.and_then(|kind| kinds.get(kind)), hit) {
                    (Some(kind), true) => kind.hits(*n),
                    (Some(kind), false) => kind.misses(*n),
                    (None, true) => cache.hits(*n),
                    (None, false) => cache.misses(*n),
                };
                // On another thread it is another stripe.
                if *elsewhere {
                    thread::scope(|threads| threads.spawn(count).join().unwrap());
                } else {
                    count();
                }
                self.lookups.push((self.now, *kind, *hit, *n));
            }
            Act::Entries { inserted, evicted, invalidated } => {
                cache.inserted(*inserted);
                cache.evicted(*evicted);
                cache.invalidated(*invalidated);
                for (sum, n) in self.entries.iter_mut().zip([inserted, evicted, invalidated]) {
                    *sum += n;
                }
            }
            Act::Holds { entries, memory } => {
                cache.set_entries(*entries);
                cache.set_memory_bytes(*memory);
                self.holds = [*entries, *memory];
            }
            Act::Advance(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is counted in whatever order: every figure is the model's, whether somebody looks all the time or only in
    /// the end.
    #[test]
    fn every_figure_is_that_of_a_model(acts in prop::collection::vec(act(), 1..150), looks in any::<bool>()) {
        let (local, clock) = with_clock();
        let cache = local.cache("model");
        let kinds = KINDS.map(|kind| cache.kind(kind));
        let mut model = Model::default();
        let earlier = local.snapshot();
        for act in &acts {
            if let Act::Advance(ns) = act {
                clock.advance(Duration::from_nanos(*ns));
                model.now += ns;
            }
            model.apply(act, &cache, &kinds);
            if looks {
                model.check(&cache.stats());
            }
        }
        model.check(&cache.stats());
        let later = local.snapshot();
        prop_assert_eq!(later.cache("model").unwrap(), &cache.stats());
        let json = serde_json::to_string(&later).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Snapshot>(&json).unwrap(), &later);
        let since = later.since(&earlier);
        prop_assert_eq!(since.cache("model").unwrap().hits, later.cache("model").unwrap().hits);
        prop_assert_eq!(later.since(&later).cache("model").unwrap().lookups(), 0);
    }
}

#[test]
fn threads_count_exactly_and_a_reader_never_sees_less_or_more_than_there_is() {
    const EACH: u64 = 20_000;
    const THREADS: u64 = 6;
    let local = local();
    let cache = local.cache("busy");
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (cache, kind) = (cache.clone(), cache.kind(if thread % 2 == 0 { "even" } else { "odd" }));
                threads.spawn(move || {
                    for n in 0..EACH {
                        let _ = kind.lookup((n % 4 > 0).then_some(n));
                        cache.miss();
                        cache.inserted(1);
                    }
                })
            })
            .collect();
        threads.spawn(|| {
            for worker in workers {
                worker.join().unwrap();
            }
            done.store(true, Ordering::Release);
        });
        let (mut hits, mut misses) = (0, 0);
        while !done.load(Ordering::Acquire) {
            let stats = cache.stats();
            assert!(stats.hits >= hits && stats.misses >= misses, "what was counted does not go");
            (hits, misses) = (stats.hits, stats.misses);
            let of_kinds: u64 = stats.kinds.iter().map(|kind| kind.hits).sum();
            assert_eq!(of_kinds, hits, "all hits are of a kind");
            assert!(hits <= THREADS * EACH / 4 * 3 && stats.last_minute.hits <= hits, "{stats:?}");
            assert!(stats.hit_rate().is_none_or(|rate| (0.0..=1.0).contains(&rate)));
        }
    });
    let all = THREADS * EACH;
    let snapshot = local.snapshot();
    let cache = testing::assert_cache(&snapshot, "busy").hits(all / 4 * 3).misses(all / 4 + all).inserted(all);
    cache.kind("even").hits(all / 8 * 3).misses(all / 8);
    cache.kind("odd").hits(all / 8 * 3).misses(all / 8);
}

#[test]
fn the_window_forgets_what_is_older() {
    let (local, clock) = with_clock();
    let cache = local.cache("users");
    cache.hits(80);
    cache.misses(20);
    clock.advance(Duration::from_secs(64));
    assert_eq!(cache.stats().last_minute.lookups(), 100, "the first slice is still in it");
    clock.advance(Duration::from_secs(1));
    let stats = cache.stats();
    assert_eq!((stats.last_minute.hit_rate(), stats.last_minute.window), (None, Duration::from_mins(1)));
    assert_eq!((stats.last_five_minutes.hit_rate(), stats.hit_rate()), (Some(0.8), Some(0.8)));
    cache.miss();
    assert_eq!(cache.stats().last_minute.hit_rate(), Some(0.0));
    clock.advance(Duration::from_hours(10));
    assert_eq!(cache.stats().last_five_minutes.lookups(), 0);
}

#[test]
fn lookups_are_counted_by_what_they_found_and_by_name() {
    let local = local();
    let cache = local.cache("users");
    assert_eq!(cache.lookup(Some("ada")), Some("ada"));
    assert_eq!(cache.kind("get").lookup(None::<u8>), None);
    cache.record_lookup("get", true);
    cache.record_lookup("exists", false);
    cache.hits(0);
    let snapshot = local.snapshot();
    let users = testing::assert_cache(&snapshot, "users").hits(2).misses(2);
    users.kind("get").hits(1).misses(1);
    users.kind("exists").hits(0).misses(1);
    let names: Vec<_> = users.stats().kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(names, ["exists", "get"], "by name");
}

#[test]
fn counts_stop_at_the_largest_number() {
    let local = local();
    let cache = local.cache("huge");
    let get = cache.kind("get");
    for n in [u64::MAX, 1, u64::MAX] {
        get.hits(n);
        cache.hits(n);
        get.misses(n);
        cache.inserted(n);
    }
    cache.set_entries(u64::MAX);
    cache.set_capacity(0);
    let snapshot = local.snapshot();
    let stats = snapshot.cache("huge").unwrap();
    assert_eq!((stats.hits, stats.misses, stats.inserted, stats.lookups()), (u64::MAX, u64::MAX, u64::MAX, u64::MAX));
    assert_eq!((stats.hit_rate(), stats.entries, stats.fill()), (Some(0.5), Some(u64::MAX - 1), None));
    let text = format!("{snapshot}\n{snapshot:#}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn what_it_holds_is_the_last_word() {
    let local = local();
    let cache = local.cache("users");
    let unsaid = cache.stats();
    assert_eq!((unsaid.entries, unsaid.capacity, unsaid.memory_bytes, unsaid.fill()), (None, None, None, None));
    cache.set_entries(75);
    cache.set_capacity(100);
    local.set_enabled(false);
    cache.set_memory_bytes(4_096);
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.memory_bytes, stats.fill()), (Some(75), Some(4_096), Some(0.75)));
    cache.set_entries(None);
    assert_eq!(cache.stats().entries, None);
}

#[test]
fn switched_off_nothing_is_counted() {
    let local = local();
    let cache = local.cache("users");
    let get = cache.kind("get");
    local.set_enabled(false);
    get.hit();
    get.miss();
    cache.hit();
    cache.record_lookup("new", true);
    cache.evicted(1);
    assert_eq!(get.lookup(Some(1)), Some(1));
    local.set_enabled(true);
    get.hit();
    let stats = cache.stats();
    assert_eq!((stats.hits, stats.misses, stats.evicted, stats.kinds.len()), (1, 0, 0, 1));
}

#[test]
fn names_over_the_caps_share_one_and_odd_ones_are_changed_and_counted() {
    let local = local();
    for n in 0..130 {
        local.cache(&format!("cache {n}")).hit();
    }
    let users = local.cache("cache 0");
    for n in 0..70 {
        users.record_lookup(&format!("kind {n}"), true);
    }
    let snapshot = local.snapshot();
    let own = snapshot.monitor();
    assert_eq!((snapshot.caches().len(), own.overflow_caches, own.overflow_cache_kinds), (129, 2, 6));
    testing::assert_cache(&snapshot, "(overflow)").hits(2);
    testing::assert_cache(&snapshot, "cache 0").hits(71).kind("(overflow)").hits(6);
    let text = format!("{snapshot:#}");
    assert!(text.contains("6 requests for a kind of lookup over the cap"), "{text}");

    let other = tests::local();
    assert_eq!(other.cache("").name(), "(unnamed)");
    assert!(other.cache("x").kind(&"ä".repeat(500)).name().len() <= 200);
    assert_eq!(other.snapshot().monitor().names_changed, 2);
}

#[test]
fn the_table_shows_caches_only_when_there_are_some() {
    let local = local();
    assert!(!local.snapshot().to_string().contains("cache"));
    local.cache("users").kind("get").hits(3);
    let text = local.snapshot().to_string();
    assert!(
        text.contains("\ncache  hits  misses  hit rate") && text.contains("\n  get     3       0     100 %"),
        "{text}"
    );
}

#[test]
fn handles_go_to_any_thread_and_outlive_their_monitor() {
    fn travels<T: Send + Sync + Clone + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static>(_: &T) {}
    let (cache, kind) = {
        let monitor = local();
        let cache = monitor.cache("users");
        let kind = cache.kind("get");
        (cache, kind)
    };
    travels(&cache);
    travels(&kind);
    kind.hit();
    assert_eq!(cache.stats().hits, 1);
}
