//! What counting for queues and caches costs when 1, 2 and 8 threads count at once.
//!
//! An item of a queue: it comes, is taken out, is done with. Beside it what a program would have by hand: a lock, a deque of
//! times, a few sums. A lookup in a cache: beside it two shared atomics, which know of no window and no kind. Then an item
//! that one thread hands to another, and what reading costs while nobody counts.
//!
//! `cargo bench -p benches --bench queues`

#![forbid(unsafe_code)]

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::contender::{Contender, Family};
use benches::floor::UNIT;
use benches::options::Options;
use benches::rounds::Row;
use benches::{BenchResult, floor};
use monitor_core::{Cache, CacheKind, Queue, monitor};
use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ITEM: &str = "ours_item";
const HIT: &str = "ours_kind_hit";

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let mut others = handed_over(if options.short { 2 } else { 11 }, if options.short { 20_000 } else { 500_000 });
    others.extend(reads(if options.short { 50 } else { 2_000 }));
    let bench = Comparison {
        name: "queues",
        heading: "An item of a queue, a lookup in a cache (`queues`)",
        contenders: contenders(),
        verdicts,
        others: Some(("handing over, and reading (median)", others)),
    };
    bench.run(&options)
}

fn contenders() -> Vec<Contender> {
    let queue = |name: &str| monitor().queue(name);
    let cache = monitor().cache("bench");
    let mut contenders = vec![
        item(ITEM, "ours: item enqueued, started, done", queue("bench.items"), |_| {}),
        item("ours_item_busy", "ours: the same, 1,000 others wait", queue("bench.busy"), |queue| {
            // They wait until the process ends.
            (0..1_000).for_each(|_| std::mem::forget(queue.enqueued()));
        }),
        hits(HIT, "ours: hit of a kept kind", cache.kind("get"), CacheKind::hit),
        hits("ours_kind_bulk", "ours: 10 hits at once, of a kept kind", cache.kind("bulk"), |kind| kind.hits(10)),
        hits("ours_hit", "ours: hit without a kind", cache.clone(), Cache::hit),
        hits("ours_kind_by_name", "ours: hit, kind by its name", cache.clone(), |cache| {
            cache.record_lookup("by name", true);
        }),
    ];
    contenders.extend(floor::contenders().into_iter().filter(|row| row.name == UNIT));
    contenders.push(by_hand());
    contenders.push(shared_atomics());
    contenders
}

fn item(name: &'static str, title: &'static str, queue: Queue, prepare: impl FnOnce(&Queue)) -> Contender {
    prepare(&queue);
    let read = queue.clone();
    let run = move |calls| {
        (0..calls).for_each(|_| {
            let ticket = black_box(black_box(&queue).enqueued());
            black_box(ticket.start()).succeed();
        });
    };
    Contender::new(Family::Ours, name, title, run).recorded(move || Ok(read.stats().processed))
}

fn hits<T: Send + Sync + 'static>(
    name: &'static str,
    title: &'static str,
    handle: T,
    hit: impl Fn(&T) + Send + Sync + 'static,
) -> Contender {
    Contender::new(Family::Ours, name, title, move |calls| (0..calls).for_each(|_| hit(black_box(&handle))))
}

/// Times of those that wait, and sums of those that have waited.
#[derive(Default)]
struct ByHand {
    waiting: VecDeque<Instant>,
    in_process: u64,
    done: u64,
    waited: Duration,
}

fn by_hand() -> Contender {
    let queue = Arc::new(Mutex::new(ByHand::default()));
    let read = Arc::clone(&queue);
    let run = move |calls| {
        (0..calls).for_each(|_| {
            let held = || black_box(&queue).lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            held().waiting.push_back(now);
            let now = Instant::now();
            {
                let mut queue = held();
                let since = queue.waiting.pop_front();
                queue.waited += since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                queue.in_process += 1;
            }
            let mut queue = held();
            queue.in_process -= 1;
            queue.done += 1;
        });
    };
    Contender::new(Family::Floor, "by_hand", "by hand: lock, deque of times, sums", run)
        .recorded(move || Ok(read.lock().unwrap_or_else(PoisonError::into_inner).done))
}

/// What a cache's counters are mostly.
fn shared_atomics() -> Contender {
    let counts = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let read = Arc::clone(&counts);
    let run = move |calls| {
        (0..calls).for_each(|_| {
            black_box(&counts)[0].fetch_add(black_box(1), Ordering::Relaxed);
        });
    };
    Contender::new(Family::Floor, "shared_atomics", "two atomics, shared", run)
        .recorded(move || Ok(read[0].load(Ordering::Relaxed)))
}

/// Items that one thread gives to another through a channel, with tickets and with mere times.
fn handed_over(rounds: usize, items: u32) -> Vec<(&'static str, String)> {
    let queue = monitor().queue("bench.handed_over");
    let mut best = [Duration::MAX; 2];
    for _ in 0..rounds {
        let [ours, by_hand] = &mut best;
        *ours = (*ours).min(through_a_channel(items, || queue.enqueued(), |ticket| ticket.start().succeed()));
        let waited = |since: Instant| _ = black_box(since.elapsed());
        *by_hand = (*by_hand).min(through_a_channel(items, Instant::now, waited));
    }
    let each = best.map(|time| format!("{:.1} ns", time.as_secs_f64() * 1e9 / f64::from(items)));
    ["item through a channel, with a ticket", "item through a channel, with its time"].into_iter().zip(each).collect()
}

fn through_a_channel<T: Send>(items: u32, make: impl Fn() -> T + Send, take: impl Fn(T)) -> Duration {
    let (sender, receiver) = sync_channel(1_024);
    let start = Instant::now();
    std::thread::scope(|threads| {
        threads.spawn(move || (0..items).all(|_| sender.send(make()).is_ok()));
        receiver.iter().for_each(take);
    });
    start.elapsed()
}

fn reads(times: usize) -> Vec<(&'static str, String)> {
    let (queue, cache) = (monitor().queue("bench.items"), monitor().cache("bench"));
    vec![
        ("stats of a queue", median(times, || _ = black_box(queue.stats()))),
        ("stats of a cache of three kinds", median(times, || _ = black_box(cache.stats()))),
        ("a queue by its name", median(times, || _ = black_box(monitor().queue(black_box("bench.items"))))),
        ("a kind of a cache by its name", median(times, || _ = black_box::<CacheKind>(cache.kind(black_box("get"))))),
    ]
}

fn median(times: usize, read: impl Fn()) -> String {
    let once = || {
        let start = Instant::now();
        read();
        start.elapsed()
    };
    let mut all: Vec<_> = (0..times).map(|_| once()).collect();
    all.sort_unstable();
    format!("{:.2} µs", all.get(all.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6)
}

/// CPU time, since eight threads share fewer processors and wait for each other.
fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let cost = |name, threads| {
        let row = rows.iter().find(|row| row.name == name)?;
        row.cost(threads).map(|cost| cost.cpu_ns)
    };
    let budgets = [
        (ITEM, 1, 100.0, "item_1_thread", "item of a queue on 1 thread, CPU"),
        (ITEM, 2, 100.0, "item_2_threads", "item of a queue on 2 threads at once, CPU"),
        (HIT, 1, 15.0, "hit_1_thread", "hit of a kept kind on 1 thread, CPU"),
        (HIT, 2, 15.0, "hit_2_threads", "hit of a kept kind on 2 threads at once, CPU"),
    ];
    budgets
        .into_iter()
        .filter_map(|(row, threads, limit, name, what)| {
            Some(Verdict { name, what, limit, measured: cost(row, threads)?, unit: "ns" })
        })
        .collect()
}
