//! Queues: what waits, for how long, what became of it; against a model, among threads, at the edges.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use monitor_core::{Histogram, Monitor, Processing, Queue, QueueStats, Queued, QueuedItem, Snapshot, testing};
use proptest::prelude::*;
use tests::{local, panics, with_clock};

const SECOND: Duration = Duration::from_secs(1);

fn stats(monitor: &Monitor, name: &str) -> QueueStats {
    monitor.snapshot().queue(name).unwrap_or_else(|| panic!("no queue {name}")).clone()
}

/// What must hold of every reading, whoever counts meanwhile.
#[track_caller]
fn agrees_with_itself(stats: &QueueStats) {
    let QueueStats { depth, in_process, enqueued, processed, failed, discarded, requeued, .. } = *stats;
    assert_eq!(enqueued, depth + in_process + processed + failed + discarded, "{stats:?}");
    assert_eq!(stats.waiting.count(), in_process + processed + failed + requeued, "{stats:?}");
    assert_eq!(stats.oldest.is_some(), depth > 0, "{stats:?}");
}

#[derive(Debug, Clone)]
enum Act {
    /// Whether on another thread.
    Enqueue(bool),
    Start(prop::sample::Index),
    Discard(prop::sample::Index),
    Succeed(prop::sample::Index),
    Fail(prop::sample::Index),
    Let(prop::sample::Index),
    Requeue(prop::sample::Index, bool),
    Received(u64),
    Advance(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let which = any::<prop::sample::Index>;
    prop_oneof![
        6 => any::<bool>().prop_map(Act::Enqueue),
        4 => which().prop_map(Act::Start),
        1 => which().prop_map(Act::Discard),
        2 => which().prop_map(Act::Succeed),
        1 => which().prop_map(Act::Fail),
        1 => which().prop_map(Act::Let),
        1 => (which(), any::<bool>()).prop_map(|(which, elsewhere)| Act::Requeue(which, elsewhere)),
        1 => any::<u64>().prop_map(|ns| Act::Received(ns >> (ns % 64))),
        3 => (0..10_000_000_000_u64).prop_map(Act::Advance),
        1 => (0..400_000_000_000_u64).prop_map(Act::Advance),
    ]
}

/// Plain lists that are obviously right.
#[derive(Default)]
struct Model {
    now: u64,
    waiting: Vec<u64>,
    in_process: u64,
    /// When something came, ended, was discarded.
    events: [Vec<u64>; 3],
    failed: u64,
    requeued: u64,
    waited: Vec<u64>,
}

impl Model {
    /// The events since the edge of the slice that is so many whole slices back, and the time since then.
    fn recent(&self, whole: u64) -> (Duration, [u64; 3]) {
        const SLICE: u64 = 5_000_000_000;
        let from = (self.now / SLICE).saturating_sub(whole) * SLICE;
        let count = |events: &Vec<u64>| events.iter().filter(|at| **at >= from).count() as u64;
        (Duration::from_nanos(self.now - from), self.events.each_ref().map(count))
    }

    fn check(&self, stats: &QueueStats) {
        agrees_with_itself(stats);
        assert_eq!((stats.depth, stats.in_process), (self.waiting.len() as u64, self.in_process));
        let [came, ended, discarded] = self.events.each_ref().map(|events| events.len() as u64);
        assert_eq!((stats.enqueued, stats.ended(), stats.discarded), (came, ended, discarded));
        assert_eq!((stats.failed, stats.requeued, stats.untimed), (self.failed, self.requeued, 0));
        assert_eq!(stats.backlog(), stats.depth + stats.in_process);
        let oldest = self.waiting.iter().min().map(|since| Duration::from_nanos(self.now - since));
        assert_eq!(stats.oldest, oldest);

        let mut waiting = Histogram::new();
        self.waited.iter().for_each(|ns| waiting.record(*ns));
        assert_eq!(stats.waiting, waiting);
        let sum = self.waited.iter().fold(0_u64, |sum, ns| sum.saturating_add(*ns));
        assert_eq!(stats.waiting_time, Duration::from_nanos(sum));
        let longest = self.waited.iter().max().copied().unwrap_or_default();
        assert_eq!(stats.max_waiting(), Duration::from_nanos(longest));

        for (recent, whole) in [(stats.last_minute, 12), (stats.last_five_minutes, 60)] {
            let (time, counts) = self.recent(whole);
            assert_eq!((recent.window, [recent.enqueued, recent.ended, recent.discarded]), (time, counts));
        }
        assert_eq!(stats.window, Duration::from_nanos(self.now));
    }
}

/// What the program holds in its hands, in the order of the model.
#[derive(Default)]
struct Held {
    waiting: Vec<Queued>,
    in_process: Vec<Processing>,
}

/// Runs on a thread of its own, so that another stripe is used, or here.
fn run<R: Send>(elsewhere: bool, f: impl FnOnce() -> R + Send) -> R {
    if elsewhere { thread::scope(|threads| threads.spawn(f).join().unwrap()) } else { f() }
}

fn apply(act: &Act, queue: &Queue, held: &mut Held, model: &mut Model) {
    let now = model.now;
    match act {
        Act::Enqueue(elsewhere) => {
            held.waiting.push(run(*elsewhere, || queue.enqueued()));
            model.waiting.push(now);
            model.events[0].push(now);
        }
        Act::Start(which) if !held.waiting.is_empty() => {
            let at = which.index(held.waiting.len());
            let ticket = held.waiting.remove(at);
            let waited = now - model.waiting.remove(at);
            assert_eq!(ticket.waited(), Duration::from_nanos(waited));
            held.in_process.push(ticket.start());
            model.in_process += 1;
            model.waited.push(waited);
        }
        Act::Discard(which) if !held.waiting.is_empty() => {
            let at = which.index(held.waiting.len());
            held.waiting.remove(at).discard();
            model.waiting.remove(at);
            model.events[2].push(now);
        }
        Act::Succeed(which) | Act::Fail(which) | Act::Let(which) | Act::Requeue(which, _)
            if !held.in_process.is_empty() =>
        {
            let processing = held.in_process.remove(which.index(held.in_process.len()));
            model.in_process -= 1;
            if let Act::Requeue(_, elsewhere) = act {
                held.waiting.push(run(*elsewhere, || processing.requeue()));
                model.waiting.push(now);
                model.requeued += 1;
                return;
            }
            match act {
                Act::Succeed(_) => processing.succeed(),
                Act::Fail(_) => {
                    processing.set_failed();
                    model.failed += 1;
                }
                _ => drop(processing),
            }
            model.events[1].push(now);
        }
        Act::Received(waited) => {
            held.in_process.push(queue.received(Duration::from_nanos(*waited)));
            model.in_process += 1;
            model.events[0].push(now);
            model.waited.push(*waited);
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is done in whatever order: every figure is the model's after each step.
    #[test]
    fn every_figure_is_that_of_a_model(acts in prop::collection::vec(act(), 1..120), half in any::<prop::sample::Index>()) {
        let (local, clock) = with_clock();
        let queue = local.queue("model");
        let (mut held, mut model) = (Held::default(), Model::default());
        let half = half.index(acts.len());
        let mut earlier: Option<Snapshot> = None;
        for (n, act) in acts.iter().enumerate() {
            if let Act::Advance(ns) = act {
                clock.advance(Duration::from_nanos(*ns));
                model.now += ns;
            } else {
                apply(act, &queue, &mut held, &mut model);
            }
            model.check(&queue.stats());
            if n == half {
                earlier = Some(local.snapshot());
            }
        }
        let (earlier, later) = (earlier.unwrap(), local.snapshot());
        prop_assert_eq!(later.queue("model").unwrap(), &queue.stats());
        let json = serde_json::to_string(&later).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Snapshot>(&json).unwrap(), &later);

        let (before, after, since) = (earlier.queue("model").unwrap(), later.queue("model").unwrap(), later.since(&earlier));
        let between = since.queue("model").unwrap();
        prop_assert_eq!(between.enqueued + before.enqueued, after.enqueued);
        prop_assert_eq!(between.ended() + before.ended(), after.ended());
        prop_assert_eq!(between.waiting.count() + before.waiting.count(), after.waiting.count());
        prop_assert_eq!((between.depth, between.oldest, between.last_minute), (after.depth, after.oldest, after.last_minute));
        prop_assert_eq!(between.window, later.window().saturating_sub(earlier.window()));
        let nothing = earlier.since(&later);
        prop_assert_eq!(nothing.queue("model").unwrap().enqueued, 0);
    }
}

#[test]
fn figures_agree_at_every_moment_while_threads_count_and_are_exact_in_the_end() {
    const EACH: u64 = 5_000;
    const PRODUCERS: u64 = 4;
    let local = local();
    let queue = local.queue("busy");
    let (sender, receiver) = mpsc::channel::<QueuedItem<u64>>();
    let receiver = Mutex::new(receiver);
    let done = AtomicBool::new(false);
    let (mut looks, mut enqueued) = (0, 0);
    thread::scope(|threads| {
        let mut workers: Vec<_> = (0..PRODUCERS)
            .map(|_| {
                let (sender, queue) = (sender.clone(), queue.clone());
                threads.spawn(move || (0..EACH).for_each(|n| sender.send(queue.enqueue(n)).unwrap()))
            })
            .collect();
        drop(sender);
        workers.extend((0..4).map(|_| {
            threads.spawn(|| {
                loop {
                    let next = receiver.lock().unwrap().recv();
                    let Ok(item) = next else { return };
                    let n = *item.item();
                    if n % 5 == 4 {
                        assert_eq!(item.discard(), n);
                        continue;
                    }
                    let (n, mut processing) = item.start();
                    if n % 5 == 3 {
                        processing = processing.requeue().start();
                    }
                    if n % 5 == 2 { processing.set_failed() } else { processing.succeed() }
                }
            })
        }));
        threads.spawn(|| {
            for worker in workers {
                worker.join().unwrap();
            }
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            let stats = if looks % 16 == 0 { stats(&local, "busy") } else { queue.stats() };
            agrees_with_itself(&stats);
            assert!(stats.enqueued >= enqueued, "what has come does not go");
            (looks, enqueued) = (looks + 1, stats.enqueued);
            if last {
                break;
            }
        }
    });
    let fifth = PRODUCERS * EACH / 5;
    testing::assert_queue(&local.snapshot(), "busy")
        .enqueued(5 * fifth)
        .processed(3 * fifth)
        .failed(fifth)
        .discarded(fifth)
        .requeued(fifth)
        .depth(0)
        .in_process(0);
    assert_eq!(queue.stats().waiting.count(), 5 * fifth);
}

/// More threads than there are stripes, one after the other and many at a time, each leaving work for others: tickets that
/// wait, that are forgotten, that go round and round.
#[test]
fn figures_agree_while_threads_come_and_go_and_tickets_are_forgotten() {
    const THREADS: u64 = 3_000;
    const AT_ONCE: u64 = 100;
    let local = local();
    let queue = local.queue("busy");
    let left = Mutex::new(Vec::new());
    for _ in 0..THREADS / AT_ONCE {
        thread::scope(|threads| {
            for n in 0..AT_ONCE {
                let (queue, left) = (&queue, &left);
                threads.spawn(move || {
                    left.lock().unwrap().extend([queue.enqueued(), queue.enqueued()]);
                    std::mem::forget(queue.enqueued());
                    std::mem::forget(queue.enqueued().start());
                    let taken = left.lock().unwrap().pop().unwrap();
                    let again = (0..5).fold(taken, |ticket, _| ticket.start().requeue());
                    if n % 2 == 0 { again.start().set_failed() } else { again.start().succeed() }
                });
            }
            for _ in 0..20 {
                agrees_with_itself(&queue.stats());
            }
        });
    }
    drop(left);
    let stats = queue.stats();
    agrees_with_itself(&stats);
    assert_eq!((stats.depth, stats.in_process, stats.discarded), (THREADS, THREADS, THREADS));
    assert_eq!((stats.enqueued, stats.failed, stats.requeued), (THREADS * 4, THREADS / 2, THREADS * 5));
    assert_eq!((stats.last_minute.enqueued, stats.last_minute.ended), (THREADS * 4, THREADS));
}

#[test]
fn handles_of_one_name_are_one_queue() {
    let local = local();
    let _waits = local.queue("mail").enqueued();
    thread::scope(|threads| threads.spawn(|| drop(local.queue("mail").enqueued().start())).join().unwrap());
    let stats = local.queue("mail").stats();
    assert_eq!((stats.enqueued, stats.depth, stats.processed), (2, 1, 1));
    assert_eq!(local.snapshot().queues().len(), 1);
}

#[test]
fn the_oldest_is_known_whoever_is_taken_first() {
    let (local, clock) = with_clock();
    let queue = local.queue("stack");
    let mut tickets: VecDeque<_> = (0..4)
        .map(|_| {
            let ticket = queue.enqueued();
            clock.advance(SECOND);
            ticket
        })
        .collect();
    for (last, oldest) in [(true, 4), (true, 4), (false, 3), (true, 0)] {
        let ticket = if last { tickets.pop_back() } else { tickets.pop_front() };
        drop(ticket.unwrap().start());
        assert_eq!(queue.stats().oldest, (oldest > 0).then(|| oldest * SECOND));
    }
}

#[test]
fn more_than_the_line_has_room_for_are_counted_and_the_oldest_is_then_at_most() {
    const ROOM: u64 = 32_768;
    let (local, clock) = with_clock();
    let queue = local.queue("full");
    let mut tickets: VecDeque<_> = (0..ROOM).map(|_| queue.enqueued()).collect();
    clock.advance(SECOND);
    tickets.extend((0..10).map(|_| queue.enqueued()));
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.untimed, stats.oldest), (ROOM + 10, 10, Some(SECOND)));
    clock.advance(SECOND);
    tickets.drain(..32_768).for_each(|ticket| drop(ticket.start()));
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.untimed, stats.oldest), (10, 10, Some(SECOND)));
    tickets.drain(..).for_each(|ticket| drop(ticket.start()));
    let stats = queue.stats();
    assert_eq!((stats.untimed, stats.processed, stats.oldest, stats.max_waiting()), (0, ROOM + 10, None, 2 * SECOND));
    agrees_with_itself(&stats);
}

#[test]
fn a_panic_fails_what_it_interrupts_and_throws_away_what_waits() {
    struct BeginsInDrop<'a>(&'a Queue);

    impl Drop for BeginsInDrop<'_> {
        fn drop(&mut self) {
            drop(self.0.enqueued().start());
        }
    }

    let local = local();
    let queue = local.queue("mail");
    assert!(panics(|| {
        let _in_process = queue.enqueued().start();
        let _waits = queue.enqueued();
        panic!("of the test");
    }));
    testing::assert_queue(&local.snapshot(), "mail").failed(1).discarded(1).processed(0);
    assert!(panics(|| {
        let _begins_while_it_unwinds = BeginsInDrop(&queue);
        panic!("of the test");
    }));
    testing::assert_queue(&local.snapshot(), "mail").failed(1).processed(1);
}

#[test]
fn a_failure_records_its_error_unless_told_otherwise() {
    let local = local();
    let queue = local.queue("mail");
    queue.enqueued().start().fail(&"x".parse::<u8>().unwrap_err());
    queue.enqueued().start().fail_with("mailbox 17 full");
    queue.enqueued().start().set_failed();
    let snapshot = local.snapshot();
    testing::assert_queue(&snapshot, "mail").failed(3).processed(0);
    assert_eq!(snapshot.errors().len(), 2);
    let kind = "core::num::error::ParseIntError";
    let group = snapshot.errors().iter().find(|group| group.kind == kind).unwrap();
    let sample = group.newest().unwrap();
    assert_eq!(sample.context[0], ("queue".to_owned(), "mail".into()));
    assert!(sample.location.as_deref().unwrap().contains("queues.rs"), "{sample:?}");
}

#[test]
fn an_error_whose_text_panics_is_counted_and_contained() {
    struct Panics;

    impl std::fmt::Display for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("of the test")
        }
    }

    let local = local();
    let queue = local.queue("mail");
    local.scope(|| queue.enqueued().start().fail_with(&Panics));
    let snapshot = local.snapshot();
    testing::assert_queue(&snapshot, "mail").failed(1);
    assert_eq!(snapshot.monitor().callbacks_panicked, 1);
}

#[test]
fn switched_off_nothing_new_is_counted_and_what_was_counted_comes_to_its_end() {
    let local = local();
    let queue = local.queue("mail");
    let (first, second) = (queue.enqueued(), queue.enqueued());
    local.set_enabled(false);
    let never = queue.enqueued();
    assert_eq!(never.waited(), Duration::ZERO);
    drop(queue.received(SECOND));
    first.start().succeed();
    local.set_enabled(true);
    never.start().fail_with("nobody knows it");
    drop(second);
    let snapshot = local.snapshot();
    testing::assert_queue(&snapshot, "mail").enqueued(2).processed(1).discarded(1).failed(0).depth(0);
    assert!(snapshot.errors().is_empty());
    agrees_with_itself(&queue.stats());
}

#[test]
fn what_the_program_says_of_a_queue_elsewhere_is_shown_in_place_of_tickets() {
    let (local, clock) = with_clock();
    let queue = local.queue("broker");
    let _waits = queue.enqueued();
    queue.set_depth(1_200);
    queue.set_oldest(90 * SECOND);
    clock.advance(5 * SECOND);
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.depth_reported, stats.oldest), (1_200, true, Some(95 * SECOND)));
    assert_eq!((stats.enqueued, stats.backlog(), stats.drain_time()), (1, 1_200, None));
    queue.set_depth(None);
    queue.set_oldest(None);
    let stats = queue.stats();
    assert_eq!((stats.depth, stats.depth_reported, stats.oldest), (1, false, Some(5 * SECOND)));
    agrees_with_itself(&stats);
}

#[test]
fn times_without_end_saturate_and_survive_a_round_trip() {
    let (local, clock) = with_clock();
    let queue = local.queue("eternal");
    let _waits = queue.enqueued();
    clock.advance(Duration::MAX);
    queue.received(Duration::MAX).succeed();
    queue.set_oldest(Duration::MAX);
    queue.set_depth(u64::MAX);
    clock.advance(Duration::MAX);
    let snapshot = local.snapshot();
    let stats = snapshot.queue("eternal").unwrap();
    assert_eq!((stats.oldest, stats.backlog()), (Some(Duration::from_nanos(u64::MAX)), u64::MAX));
    assert_eq!(stats.max_waiting(), Duration::from_nanos(u64::MAX));
    assert_eq!(stats.drain_time(), None);
    let json = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
    let text = format!("{snapshot}\n{snapshot:#}");
    assert!(text.lines().all(|line| line.chars().count() <= 120), "{text}");
}

#[test]
fn the_time_to_drain_is_that_of_the_last_minute() {
    let (local, clock) = with_clock();
    let queue = local.queue("mail");
    let mut waiting: VecDeque<_> = (0..200).map(|_| queue.enqueued()).collect();
    for _ in 0..60 {
        clock.advance(SECOND);
        drop(waiting.pop_front().unwrap().start());
    }
    let stats = queue.stats();
    assert_eq!((stats.backlog(), stats.drain_time()), (140, Some(140 * SECOND)));
    assert!((stats.last_minute.processing_rate() - 1.0).abs() < 1e-9, "{:?}", stats.last_minute);
    clock.advance(100 * SECOND);
    let slower = queue.stats();
    assert_eq!(slower.last_minute.ended, 0);
    assert!(slower.drain_time() > stats.drain_time(), "{:?}", slower.drain_time());
    clock.advance(300 * SECOND);
    assert_eq!(queue.stats().drain_time(), None);
}

#[test]
fn names_over_the_cap_share_one_queue_and_odd_ones_are_changed_and_counted() {
    let local = local();
    for n in 0..260 {
        local.queue(&format!("queue {n}")).enqueued().start().succeed();
    }
    let snapshot = local.snapshot();
    assert_eq!((snapshot.queues().len(), snapshot.monitor().overflow_queues), (257, 4));
    testing::assert_queue(&snapshot, "(overflow)").processed(4);
    assert_eq!(local.queue("queue 999").name(), "(overflow)");
    local.queue("queue 7").enqueued().start().succeed();
    testing::assert_queue(&local.snapshot(), "queue 7").processed(2);
    assert!(
        format!("{:#}", local.snapshot()).contains("5 requests for a queue over the cap"),
        "{:#}",
        local.snapshot()
    );

    let other = tests::local();
    assert_eq!(other.queue("").name(), "(unnamed)");
    assert!(other.queue(&"ä".repeat(500)).name().len() <= 200);
    assert_eq!(other.snapshot().monitor().names_changed, 2);
}

#[test]
fn a_ticket_outlives_its_handle_and_its_monitor() {
    let ticket = {
        let monitor = local();
        monitor.queue("mail").enqueued()
    };
    ticket.start().requeue().start().succeed();
}

#[test]
fn the_table_shows_queues_only_when_there_are_some() {
    let local = local();
    assert!(!local.snapshot().to_string().contains("queue"));
    let _waits = local.queue("mail").enqueued();
    let text = local.snapshot().to_string();
    assert!(text.contains("\nqueue  depth  enqueued"), "{text}");
}

#[test]
fn handles_and_tickets_go_to_any_thread() {
    fn travels<T: Send + Sync + std::panic::UnwindSafe + std::panic::RefUnwindSafe + 'static>() {}
    travels::<Queue>();
    travels::<Queued>();
    travels::<QueuedItem<String>>();
    travels::<Processing>();
}
