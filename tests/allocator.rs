//! A global allocator that is tracked: every allocation is a tracked call, those of the recorder's own slow paths too.
//! It neither recurses nor deadlocks, and what the program itself allocates is counted.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test's program fails as tests do, and says so")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread;

use metrics::{Counter, Histogram, Key, Level, Metadata, Recorder};
use monitor_core::{
    CacheKind, Entity, MetricStats, MetricsRecorder, Monitor, OperationIdError, Queue, Refusal, TrackFuture, monitor,
    track_operation,
};
use tests::{block_on, counts, edge, local, stats, yield_once};

struct Tracked;

/// Which of the cases is on: what an allocation leads to in one, it does not in the others.
static NOW: AtomicU8 = AtomicU8::new(0);

/// Allocations so far, for comparing.
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

#[track_operation]
fn note_allocation() {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
}

/// An entity that each allocation moves on, once there is one; and how often it went.
static MOVED: OnceLock<Entity> = OnceLock::new();
static TURNS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// The error of a refused transition is allocated too.
    static MOVING: Cell<bool> = const { Cell::new(false) };
}

fn move_on() {
    if let Some(entity) = MOVED.get().filter(|_| NOW.load(Ordering::Relaxed) == 1)
        && !MOVING.replace(true)
    {
        let turned = entity.to(if entity.state() == "a" { "b" } else { "a" }).is_ok();
        TURNS.fetch_add(u64::from(turned), Ordering::Relaxed);
        MOVING.set(false);
    }
}

/// Metrics that each allocation writes, once there are any: two that are kept, and one that is asked for each time.
static METRICS: OnceLock<(MetricsRecorder, Counter, Histogram)> = OnceLock::new();
static BY_NAME: Key = Key::from_static_name("by_name");
static METADATA: Metadata<'_> = Metadata::new("allocator", Level::INFO, None);

fn count_by_metrics(layout: Layout) {
    if let Some((recorder, counter, histogram)) = METRICS.get().filter(|_| NOW.load(Ordering::Relaxed) == 2) {
        counter.increment(1);
        #[expect(clippy::cast_precision_loss, reason = "a size in a histogram")]
        histogram.record(layout.size() as f64);
        recorder.register_counter(&BY_NAME, &METADATA).increment(1);
    }
}

/// A queue whose items each allocation lets through, and a cache that it asks, once there are any.
static QUEUED: OnceLock<(Queue, CacheKind)> = OnceLock::new();

fn count_by_queue_and_cache() {
    if let Some((queue, kind)) = QUEUED.get().filter(|_| NOW.load(Ordering::Relaxed) == 3) {
        kind.hit();
        queue.enqueued().start().requeue().start().succeed();
    }
}

// SAFETY: the memory is the system allocator's; counting changes nothing of it.
unsafe impl GlobalAlloc for Tracked {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note_allocation();
        move_on();
        count_by_metrics(layout);
        count_by_queue_and_cache();
        begin_and_end();
        read_all();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Tracked = Tracked;

const NAME: &str = "allocator::note_allocation";

/// What the machine itself allocates under its lock comes back to it: refused, and not waited for.
fn a_state_machine_that_the_allocator_uses() {
    let local = local();
    let builder = local.state_machine("memory").state("a").state("b").transition("a", "b").transition("b", "a");
    let machine = builder.build().unwrap();
    NOW.store(1, Ordering::Relaxed);
    assert!(MOVED.set(machine.entity("moved").unwrap()).is_ok());
    let (before, turns) = (ALLOCATIONS.load(Ordering::Relaxed), TURNS.load(Ordering::Relaxed));
    for number in 0..1_000 {
        let entity = machine.entity(&format!("{number}")).unwrap();
        entity.to("b").unwrap();
        let _ = (machine.stats(), entity.history().len());
    }
    let turned = TURNS.load(Ordering::Relaxed) - turns;
    let stats = machine.stats();
    assert!(turned > 1_000 && turned < ALLOCATIONS.load(Ordering::Relaxed) - before, "{turned}");
    assert!(stats.refused_as(Refusal::Reentrant) > 1_000, "{:?}", stats.refused);
    assert_eq!((stats.refused_count(), stats.entities), (stats.refused_as(Refusal::Reentrant), 1_001));
}

/// What metrics allocate themselves comes back to them: none recurses, none waits for a lock that this thread has, and the
/// counter that is kept counts all the same.
fn metrics_that_the_allocator_writes() {
    let local = local();
    let recorder = local.metrics_recorder();
    let kept = metrics::with_local_recorder(&recorder, || (metrics::counter!("kept"), metrics::histogram!("sizes")));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    NOW.store(2, Ordering::Relaxed);
    assert!(METRICS.set((recorder.clone(), kept.0, kept.1)).is_ok());
    let work = || {
        metrics::with_local_recorder(&recorder, || {
            for n in 0..500 {
                metrics::counter!("new", "n" => n.to_string()).increment(1);
                metrics::describe_counter!(n.to_string(), "a description");
                if n % 50 == 0 {
                    let _ = local.snapshot();
                }
            }
        });
    };
    work();
    // A thread of another stripe, whose first memory is asked for from within.
    thread::scope(|threads| threads.spawn(work).join()).unwrap();
    let snapshot = local.snapshot();
    let counted = snapshot.metric("kept", &[]).and_then(MetricStats::counter).unwrap();
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert!(counted > 1_000 && counted <= made && counted + 10_000 > made, "{counted} of {made}");
    let reentrant = snapshot.monitor().reentrant_calls;
    assert!(reentrant > 1_000, "{reentrant}");
    let of = |name: &str| snapshot.metrics().iter().filter(|metric| metric.name == name).collect::<Vec<_>>();
    assert!(of("new").iter().all(|metric| metric.counter() == Some(2)) && of("new").len() == 500);
    assert!(of("by_name")[0].counter().is_some() && of("sizes")[0].histogram().unwrap().count() > 1_000);
}

/// The memory that a queue asks for leads back to it: what comes meanwhile is let through uncounted, and its figures agree.
fn a_queue_and_a_cache_that_the_allocator_uses() {
    const THREADS: u64 = 3;
    let local = local();
    let (queue, kind) = (local.queue("allocations"), local.cache("arena").kind("get"));
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    NOW.store(3, Ordering::Relaxed);
    assert!(QUEUED.set((queue.clone(), kind)).is_ok());
    thread::scope(|threads| {
        for _ in 0..THREADS {
            threads.spawn(|| {
                let waiting: Vec<_> = (0..1_000).map(|_| queue.enqueued()).collect();
                for ticket in waiting {
                    drop(Box::new(0));
                    ticket.start().succeed();
                }
                let _ = local.snapshot();
            });
        }
    });
    let stats = queue.stats();
    let hits = local.cache("arena").stats().hits;
    let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
    assert_eq!((stats.depth, stats.in_process, stats.failed, stats.discarded), (0, 0, 0, 0));
    assert!(stats.enqueued == stats.processed && stats.enqueued > THREADS * 2_000, "{stats:?}");
    assert!(hits > THREADS * 1_000 && hits <= made && hits + 100 > made, "{hits} of {made}");
    let lost = local.snapshot().monitor().reentrant_calls;
    let least = stats.processed + stats.requeued;
    assert!(lost > 0 && (least - lost..=least).contains(&stats.waiting.count()), "{lost} {stats:?}");
}

/// A program of its own, so that nobody but this thread allocates while it counts.
/// An operation by id that each allocation asks for, once it is switched on; and how often it was told.
static BY_ID: OnceLock<Monitor> = OnceLock::new();
static REFUSED: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// An error has memory of its own.
    static ASKING: Cell<bool> = const { Cell::new(false) };
}

fn begin_and_end() {
    if let Some(local) = BY_ID.get().filter(|_| NOW.load(Ordering::Relaxed) == 4)
        && !ASKING.replace(true)
    {
        let begun = local.begin("of the allocator", "inside").start();
        let ended = local.end("of the allocator").finish();
        // One that the thread may be just about to read itself.
        let _ = (local.operation_by_id("asked"), local.end("asked before").finish());
        let refused = matches!(begun, Err(OperationIdError::Reentrant { .. })) && ended.is_err();
        REFUSED.fetch_add(u64::from(refused), Ordering::Relaxed);
        ASKING.set(false);
    }
}

/// The table of operations by id takes memory under its lock.
fn operations_by_id_that_the_allocator_uses() {
    let local = local();
    NOW.store(4, Ordering::Relaxed);
    assert!(BY_ID.set(local.clone()).is_ok());
    for n in 0..500 {
        let id = format!("{n}");
        local.begin(&id, "job").worker("w1").start().unwrap();
        local.step(&id, "first").unwrap();
        local.end(&id).items(1).finish().unwrap();
    }
    local.begin("asked before", "job").start().unwrap();
    local.end("asked before").finish().unwrap();
    for _ in 0..100 {
        local.begin("asked", "job").worker("w1").start().unwrap();
        local.step("asked", "first").unwrap();
        assert!(local.operation_by_id("asked").is_some_and(|status| status.is_running()));
        local.end("asked").finish().unwrap();
        assert!(local.end("asked").finish().is_err());
    }
    assert_eq!(counts(&local, "job"), [601, 601, 0, 0, 0, 0]);
    assert!(REFUSED.load(Ordering::Relaxed) > 500, "{}", REFUSED.load(Ordering::Relaxed));
    assert!(stats(&local, "inside").succeeded > 500);
    assert_eq!(stats(&local, "inside").in_flight(), 0);
}

/// A monitor that each allocation reads, once it is switched on.
static READ: OnceLock<Monitor> = OnceLock::new();

fn read_all() {
    if let Some(local) = READ.get().filter(|_| NOW.load(Ordering::Relaxed) == 5)
        && !ASKING.replace(true)
    {
        drop((local.snapshot(), local.active(), local.recent(10)));
        ASKING.set(false);
    }
}

/// The registry takes memory under its lock, and so does whoever reads.
fn figures_that_the_allocator_reads() {
    let local = local();
    NOW.store(5, Ordering::Relaxed);
    assert!(READ.set(local.clone()).is_ok());
    local.scope(|| {
        for n in 0..50 {
            local.track(&format!("read {n}"), |op| op.add_items(1));
        }
    });
    assert_eq!(local.snapshot().operations().iter().filter(|stats| stats.name.starts_with("read ")).count(), 50);
}

fn main() {
    // A deadlock is to end it, not to last. It takes a small part of this.
    #[cfg(unix)]
    // SAFETY: it only sets a timer.
    unsafe {
        libc::alarm(60)
    };
    let local = local();
    local.scope(|| {
        drop(vec![0_u8; 100]);
        let (before, made) = (stats(&local, NAME).started, ALLOCATIONS.load(Ordering::Relaxed));
        for n in 0..1_000_u64 {
            local.track("work", |_| drop(std::hint::black_box(Box::new(n))));
            let _ = local.try_track("fails", |_| Err::<(), _>(format!("failure {n}")));
        }
        let counted = stats(&local, NAME).started - before;
        assert!(counted >= 2_000, "{counted}");
        assert!(counted <= ALLOCATIONS.load(Ordering::Relaxed) - made);
        block_on(async { yield_once().tracked("inner").await }.tracked("outer"));
        // More names than the cap allows.
        for n in 0..5_000 {
            local.operation(&format!("name {n}")).label("n", &n.to_string()).field("n", n).start().succeed();
        }
    });
    let snapshot = local.snapshot();
    assert_eq!(counts(&local, "work"), [1_000, 1_000, 0, 0, 0, 0]);
    assert_eq!(counts(&local, "fails"), [1_000, 0, 1_000, 0, 0, 0]);
    assert_eq!(edge(&snapshot, "outer", "inner").0, 1);
    assert_eq!(stats(&local, NAME).in_flight(), 0);
    assert!(edge(&snapshot, "work", NAME).0 >= 1_000);
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
    assert_eq!(local.recent(10).len(), 10);
    thread::spawn(|| monitor().track("of_process", |_| drop(Box::new(1)))).join().unwrap();
    assert_eq!(counts(&monitor(), "of_process"), [1, 1, 0, 0, 0, 0]);
    a_state_machine_that_the_allocator_uses();
    metrics_that_the_allocator_writes();
    operations_by_id_that_the_allocator_uses();
    figures_that_the_allocator_reads();
    a_queue_and_a_cache_that_the_allocator_uses();
    println!("test a_tracked_allocator_neither_recurses_nor_deadlocks ... ok");
}
