//! The protocols of the recorder under the model checker: every interleaving of a few steps, and every value that the
//! memory model lets a load return.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p monitor-core --lib --release loom`
//!
//! Each test plays one protocol with as few steps as show it. What a test asserts is what readers are promised, not how
//! it is kept. The number of preemptions in one run is bounded where all of them would take minutes: faults of this kind
//! need few (Musuvathi and Qadeer, *Iterative Context Bounding*, 2007).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "helpers of tests, which deal in small numbers and fail by panicking"
)]

use loom::sync::Arc;
use loom::thread;

use super::cell::{Cell, Recording, Successes};
use super::counter::Counter;
use super::durations::Durations;
use super::edges::Edges;
use super::list::List;
use super::roster::Roster;
use super::stack::{FIRST_NUMBER, GROUND, NUMBER_STEP, SavedFrame, Stack};
use super::sync::{Ordering, fence};
use super::tasks::{TaskSlot, Tasks};
use crate::base::buckets::index;
use crate::model::Histogram;

/// Runs a model; `preemptions` bounds how often in one run a thread that could go on is made to wait.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.max_branches = 20_000;
    builder.check(model);
}

/// A value of which the checker notices every access that another one does not happen before.
struct Plain(loom::cell::UnsafeCell<u64>);

// SAFETY: the cell of the model checker stops the test at the first unordered access.
unsafe impl Sync for Plain {}

impl Plain {
    fn new(value: u64) -> Self {
        Self(loom::cell::UnsafeCell::new(value))
    }

    fn get(&self) -> u64 {
        // SAFETY: ordered after the last write, or the checker stops the test.
        self.0.with(|value| unsafe { *value })
    }

    fn add(&self, n: u64) {
        // SAFETY: as in `get`.
        self.0.with_mut(|value| unsafe { *value += n });
    }
}

const RECORDING: Recording = Recording { successes: Successes::Some, failures: true, slow_ns: u64::MAX };

fn cell(series: u32) -> Cell {
    Cell::new(series, RECORDING)
}

// ---- registration

#[test]
fn two_threads_register_while_a_third_walks_the_list() {
    check(3, || {
        let roster = Arc::new(Roster::new());
        let threads = [10, 20].map(|value| {
            let roster = Arc::clone(&roster);
            thread::spawn(move || {
                let seat = roster.claim(|_| Plain::new(value));
                assert_eq!(seat.get(), value, "nobody gave it back, so nobody else has it");
            })
        });
        let seen: Vec<_> = roster.iter().map(|seat| seat.get()).collect();
        assert!(seen.iter().all(|value| [10, 20].contains(value)) && seen.len() <= 2, "{seen:?}");
        for thread in threads {
            thread.join().unwrap();
        }
        let mut all: Vec<_> = roster.iter().map(|seat| seat.get()).collect();
        all.sort_unstable();
        assert_eq!(all, [10, 20]);
        assert_eq!(roster.len(), 2);
    });
}

#[test]
fn a_seat_is_handed_over_with_everything_written_to_it() {
    check(3, || {
        let roster = Arc::new(Roster::new());
        let use_once = |roster: &Roster<Plain>| {
            let seat = roster.claim(|_| Plain::new(0));
            seat.add(1);
            seat.release();
        };
        let other = Arc::clone(&roster);
        let thread = thread::spawn(move || {
            use_once(&other);
            use_once(&other);
        });
        use_once(&roster);
        thread.join().unwrap();
        assert_eq!(roster.iter().map(|seat| seat.get()).sum::<u64>(), 3);
        assert!(roster.len() <= 2, "never more seats than threads at the same time");
        assert!(roster.iter().all(|seat| !seat.is_held()));
    });
}

// ---- figures

fn read(durations: &Durations) -> Histogram {
    let mut histogram = Histogram::new();
    durations.add_to(&mut histogram);
    histogram
}

#[test]
fn a_histogram_read_while_it_is_written_misses_nothing_counted_before() {
    const VALUES: [u64; 3] = [5, 40, 5];
    check(2, || {
        let shared = Arc::new((Durations::new(), Counter::new(0)));
        let writer = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                for ns in VALUES {
                    shared.0.record(ns, 1);
                    shared.1.add_published(1);
                }
            })
        };
        let before = shared.1.acquire();
        let seen = read(&shared.0);
        assert!(seen.count() >= before, "{before} were counted, {} read", seen.count());
        writer.join().unwrap();
        let mut exact = Histogram::new();
        for ns in VALUES {
            exact.record(ns);
        }
        assert!(seen.since(&exact).is_empty(), "nothing was read that was never counted: {seen:?}");
        assert_eq!(read(&shared.0), exact);
    });
}

#[test]
fn a_duration_read_while_it_is_written_has_its_own_weight() {
    check(2, || {
        let durations = Arc::new(Durations::new());
        let writer = {
            let durations = Arc::clone(&durations);
            thread::spawn(move || [(5, 3), (40, 1)].into_iter().for_each(|(ns, weight)| durations.record(ns, weight)))
        };
        let seen = read(&durations);
        writer.join().unwrap();
        assert!(seen.since(&read(&durations)).is_empty(), "nothing was read that was never counted: {seen:?}");
    });
}

#[test]
fn a_histogram_changes_its_writer_without_loss() {
    check(2, || {
        let roster = Arc::new(Roster::new());
        let record = |roster: &Roster<Durations>, ns| {
            let seat = roster.claim(|_| Durations::new());
            seat.record(ns, 1);
            seat.release();
        };
        let other = Arc::clone(&roster);
        let thread = thread::spawn(move || record(&other, 7));
        record(&roster, 40);
        thread.join().unwrap();
        let mut all = Histogram::new();
        roster.iter().for_each(|seat| seat.add_to(&mut all));
        let counts: Vec<_> = all.buckets().map(|(low, _, count)| (index(low), count)).collect();
        assert_eq!(counts, [(index(7), 1), (index(40), 1)]);
    });
}

#[test]
fn a_cell_that_is_seen_is_seen_whole_and_with_all_before_it() {
    check(3, || {
        let cells = Arc::new(List::new());
        let writer = {
            let cells = Arc::clone(&cells);
            thread::spawn(move || {
                for series in 1..=2 {
                    let cell = cell(series);
                    cell.started.set(u64::from(series) * 10);
                    cells.push(cell);
                }
            })
        };
        let seen: Vec<_> = cells.iter().map(|cell| (cell.series, cell.started.get())).collect();
        let whole = [(2, 20), (1, 10)];
        assert!(whole.ends_with(&seen), "newest first, from some moment on: {seen:?}");
        writer.join().unwrap();
        assert_eq!(cells.iter().count(), 2);
    });
}

#[test]
fn callers_read_while_they_are_counted_are_told_apart() {
    check(3, || {
        let edges = Arc::new(Edges::new());
        let writer = {
            let edges = Arc::clone(&edges);
            thread::spawn(move || [1, 2, 1].into_iter().for_each(|caller| edges.record(caller, 1, 10)))
        };
        let seen: Vec<_> = edges.read().collect();
        let callers: Vec<_> = seen.iter().map(|(caller, ..)| *caller).collect();
        assert!([2, 1].ends_with(&callers), "newest first, each once: {callers:?}");
        for (caller, calls, ns) in seen {
            let most = if caller == 1 { 2 } else { 1 };
            assert!(calls <= most && ns <= 10 * most, "caller {caller}: {calls} calls, {ns} ns");
        }
        writer.join().unwrap();
        assert_eq!(edges.read().collect::<Vec<_>>(), [(2, 1, 10), (1, 2, 20)]);
    });
}

/// What the reader does: all ends first, then all beginnings.
fn ends_and_beginnings(shards: &[List<Cell>; 2]) -> (u64, u64) {
    let sum = |figure: fn(&Cell) -> u64| shards.iter().flat_map(List::iter).map(figure).sum::<u64>();
    let ends = sum(|cell| cell.succeeded.acquire());
    fence(Ordering::SeqCst);
    (ends, sum(|cell| cell.started.get()))
}

#[test]
fn a_reader_never_sees_more_ends_than_beginnings() {
    check(3, || {
        let shards = Arc::new([List::new(), List::new()]);
        let ended_there = Arc::clone(&shards);
        shards[1].push(cell(0));
        let thread = thread::spawn(move || {
            let begun_here = Arc::clone(&ended_there);
            begun_here[0].push(cell(0)).started.add(1);
            // The guard goes to another thread, whose shard counts the end.
            let other = thread::spawn(move || ended_there[1].iter().for_each(|cell| cell.succeeded.add_published(1)));
            for cell in begun_here[0].iter() {
                cell.started.add(1);
                cell.succeeded.add_published(1);
            }
            other.join().unwrap();
        });
        let (ends, beginnings) = ends_and_beginnings(&shards);
        assert!(ends <= beginnings, "{ends} ends of {beginnings} calls");
        thread.join().unwrap();
        assert_eq!(ends_and_beginnings(&shards), (2, 2));
    });
}

// ---- what runs now

/// Puts the call number `n` on a stack, without a cell: a stack looks into that of a frame that is taken.
fn push(stack: &Stack, n: u64) -> u64 {
    stack.push(std::ptr::null(), FIRST_NUMBER + n * NUMBER_STEP, 1, || n * 10).expect("there is room")
}

/// As `push`, with a number for the address of a cell: where no frame is taken nobody looks into it.
fn push_marked(stack: &Stack, n: u64) -> u64 {
    let mark = std::ptr::without_provenance(n as usize * 8);
    stack.push(mark, FIRST_NUMBER + n * NUMBER_STEP, 1, || n * 10).expect("there is room")
}

fn pop(stack: &Stack, id: u64) {
    match stack.top_two(id) {
        Some(popped) => stack.pop(id, popped.frame),
        None => assert!(stack.remove(id).is_some(), "a call stands on its own stack"),
    }
}

fn number(id: u64) -> u64 {
    if id == GROUND { 0 } else { id / NUMBER_STEP }
}

/// Reads a stack and asserts that each view is one call's frame; gives the numbers of calls and of their parents.
fn views(stack: &Stack) -> Vec<(u64, u64)> {
    let views = stack.read();
    for view in &views {
        let n = number(view.id);
        let mark = view.cell.addr() as u64;
        assert!(view.since == n * 10 && (mark == 0 || mark == n * 8), "parts of two calls: {view:?}");
    }
    views.into_iter().map(|view| (number(view.id), number(view.parent))).collect()
}

#[test]
fn a_frame_read_while_it_is_used_again_is_one_calls_or_absent() {
    check(3, || {
        let stack = Arc::new(Stack::new());
        let owner = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || {
                for n in 1..=3 {
                    let id = push_marked(&stack, n);
                    pop(&stack, id);
                }
            })
        };
        let seen = views(&stack);
        assert!(seen.is_empty() || matches!(seen[..], [(1..=3, 0)]), "{seen:?}");
        owner.join().unwrap();
        assert!(stack.read().is_empty());
    });
}

#[test]
fn a_parent_read_while_calls_nest_is_one_that_was_below() {
    check(2, || {
        let stack = Arc::new(Stack::new());
        let owner = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || {
                let (outer, inner) = (push_marked(&stack, 1), push_marked(&stack, 2));
                pop(&stack, inner);
                pop(&stack, outer);
                push_marked(&stack, 3);
            })
        };
        for (call, parent) in views(&stack) {
            // The outer one may have been on its way out when its frame was read: then it is left out.
            let below: &[u64] = if call == 2 { &[0, 1] } else { &[0] };
            assert!(below.contains(&parent), "{call} in {parent}");
        }
        owner.join().unwrap();
        assert_eq!(views(&stack), [(3, 0)]);
    });
}

#[test]
fn a_call_ended_from_outside_leaves_its_thread_a_sound_stack() {
    check(3, || {
        let stack = Arc::new(Stack::new());
        let id = push(&stack, 1);
        let outside = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || {
                let saved = stack.kill(id).expect("it stands there until it is ended, which is now");
                assert_eq!((saved.id, saved.since, saved.weight), (id, 10, 1));
                assert!(stack.kill(id).is_none(), "a call ends once");
            })
        };
        // The owner goes on meanwhile, above the frame or in its place.
        for n in 2..=3 {
            let id = push(&stack, n);
            pop(&stack, id);
        }
        outside.join().unwrap();
        assert!(stack.read().is_empty());
        let (outer, inner) = (push(&stack, 4), push(&stack, 5));
        assert_eq!(views(&stack), [(4, 0), (5, 4)]);
        pop(&stack, inner);
        pop(&stack, outer);
        let ids = [6, 7, 8].map(|n| push(&stack, n));
        assert_eq!(views(&stack), [(6, 0), (7, 6), (8, 7)], "no dead frame takes up room for good");
        ids.into_iter().rev().for_each(|id| pop(&stack, id));
    });
}

#[test]
fn an_end_that_comes_too_late_hits_no_other_call() {
    check(3, || {
        let stack = Arc::new(Stack::new());
        let id = push(&stack, 1);
        let outside = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || stack.kill(id).map(|saved| saved.since))
        };
        // The thread ends, and the next one takes its shard over.
        let mut taken = None;
        stack.take_all(|frame, id, _| taken = frame.take(id).map(|saved| saved.since));
        push(&stack, 2);
        let killed = outside.join().unwrap();
        assert_eq!([taken, killed].into_iter().flatten().collect::<Vec<_>>(), [10], "one of the two ends the call");
        assert_eq!(views(&stack), [(2, 0)]);
    });
}

#[test]
fn a_guard_that_leaves_with_a_future_or_ends_elsewhere_does_one_of_the_two() {
    check(3, || {
        let stack = Arc::new(Stack::new());
        let (future, guard) = (push(&stack, 1), push(&stack, 2));
        let outside = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || stack.kill(guard).is_some())
        };
        let mut left = false;
        stack.take_above(future, |frame, id, _| left = frame.take(id).is_some());
        pop(&stack, future);
        assert!(left != outside.join().unwrap(), "left with the future: {left}");
        push(&stack, 3);
        assert_eq!(views(&stack), [(3, 0)]);
    });
}

#[test]
fn an_end_finds_its_call_while_the_stack_is_compacted() {
    check(3, || {
        let stack = Arc::new(Stack::new());
        let [first, second, third] = [1, 2, 3].map(|n| push(&stack, n));
        assert!(stack.remove(first).is_some(), "a dead frame below live ones");
        let outside = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || stack.kill(second).map(|saved| saved.since))
        };
        push(&stack, 4);
        assert_eq!(outside.join().unwrap(), Some(20), "it was there all the time");
        assert_eq!(views(&stack), [(3, 0), (4, 3)]);
        assert!(stack.kill(third).is_some() && stack.kill(third).is_none(), "it stands in one place");
    });
}

#[test]
fn a_frame_that_comes_back_is_its_calls_from_the_first_moment() {
    check(3, || {
        let stack = Arc::new(Stack::new());
        let id = push_marked(&stack, 1);
        let owner = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || {
                // A future gives way, another call is made, and the future is polled again in the same place.
                pop(&stack, id);
                let other = push_marked(&stack, 2);
                pop(&stack, other);
                let saved = SavedFrame { id, series: 0, since: 10, weight: 1, children_ns: 0, parent: None };
                assert!(stack.restore(std::ptr::without_provenance(8), saved, saved.id));
            })
        };
        let seen = views(&stack);
        assert!(seen.is_empty() || matches!(seen[..], [(1 | 2, 0)]), "{seen:?}");
        owner.join().unwrap();
        assert_eq!(views(&stack), [(1, 0)]);
    });
}

#[test]
fn no_call_is_seen_twice_while_the_stack_is_compacted() {
    check(2, || {
        let stack = Arc::new(Stack::new());
        let [first, ..] = [1, 2, 3].map(|n| push(&stack, n));
        assert!(stack.remove(first).is_some(), "a dead frame below live ones");
        let owner = {
            let stack = Arc::clone(&stack);
            thread::spawn(move || push(&stack, 4))
        };
        let seen: Vec<_> = views(&stack).into_iter().map(|(call, _)| call).collect();
        assert!(seen.is_sorted_by(|lower, upper| lower < upper), "each once, in order: {seen:?}");
        owner.join().unwrap();
        assert_eq!(views(&stack), [(2, 0), (3, 2), (4, 3)]);
    });
}

// ---- futures that wait

/// The tasks that are listed, each asserted to be one future's.
fn listed(tasks: &Tasks) -> Vec<u64> {
    let views: Vec<_> = tasks.read().collect();
    for view in &views {
        let whole = (u64::from(view.series), view.since, view.parent) == (view.id + 1, view.id * 10, view.id + 2);
        assert!(whole, "parts of two futures: {view:?}");
    }
    views.into_iter().map(|view| view.id).collect()
}

fn claim(tasks: &Tasks, id: u64) -> TaskSlot {
    tasks.claim(id, id as u32 + 1, id * 10, id + 2, None).unwrap()
}

#[test]
fn a_slot_read_while_it_changes_hands_is_one_futures_or_absent() {
    check(2, || {
        let tasks = Arc::new(Tasks::new());
        let first = claim(&tasks, 1);
        let holder = {
            let tasks = Arc::clone(&tasks);
            thread::spawn(move || {
                first.release();
                claim(&tasks, 3)
            })
        };
        let seen = listed(&tasks);
        assert!(seen.is_empty() || seen == [1] || seen == [3], "{seen:?}");
        let second = holder.join().unwrap();
        assert_eq!(listed(&tasks), [3]);
        second.release();
    });
}

#[test]
fn a_slot_given_back_elsewhere_is_free_for_its_shard() {
    check(2, || {
        let tasks = Arc::new(Tasks::new());
        let first = claim(&tasks, 1);
        let elsewhere = thread::spawn(move || {
            // What the future's last poll wrote lies before whatever the next one writes to the slot.
            first.task().polls.set(7);
            first.release();
        });
        let second = claim(&tasks, 3);
        elsewhere.join().unwrap();
        let polls: Vec<_> = tasks.read().map(|view| (view.id, view.polls)).collect();
        assert_eq!(polls, [(3, 0)]);
        second.release();
        assert_eq!(tasks.read().count(), 0);
    });
}

// ---- what all of it stands on

#[test]
fn a_published_number_brings_what_was_written_before_it() {
    check(3, || {
        let pair = Arc::new((Counter::new(0), Counter::new(0)));
        let writer = {
            let pair = Arc::clone(&pair);
            thread::spawn(move || {
                for n in 1..=2 {
                    pair.0.set(n);
                    pair.1.add_published(1);
                }
            })
        };
        let (published, before) = (pair.1.acquire(), pair.0.get());
        assert!(before >= published, "{before} seen after {published}");
        writer.join().unwrap();
    });
}
