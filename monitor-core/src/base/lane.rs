//! A small number for each thread, so that counters which many threads write can be split among them.
//!
//! Numbers are dense: the lowest free one is taken when a thread first asks and given back when it ends. Threads that
//! live at the same time therefore have different numbers as long as there are no more than [`NUMBERED`] of them.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Threads that have a number of their own at one time; further ones share.
const NUMBERED: usize = 256;

const WORD: usize = 64;
const UNKNOWN: usize = usize::MAX;

/// A bit for each number that a thread has. No lock: a forked child may find it in any state, and at worst some numbers
/// stay taken by threads that it does not have.
static TAKEN: [AtomicU64; NUMBERED / WORD] = [const { AtomicU64::new(0) }; NUMBERED / WORD];

static SHARED: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Without a destructor, so that it is one read and works until the very end of the thread.
    static LANE: Cell<usize> = const { Cell::new(UNKNOWN) };

    static HELD: Held = const { Held(Cell::new(UNKNOWN)) };
}

/// Gives the number back when the thread ends.
struct Held(Cell<usize>);

impl Drop for Held {
    fn drop(&mut self) {
        give_back(self.0.get());
    }
}

/// The number of this thread.
#[inline(always)]
pub(crate) fn lane() -> usize {
    match LANE.get() {
        UNKNOWN => find(),
        lane => lane,
    }
}

/// Among how many stripes a counter is split: four for each thread that can run at one time, since threads that wait keep
/// the stripes that they have written; 8 to 64, a power of two.
pub(crate) fn stripes() -> usize {
    /// Asked for once: the answer takes a few system calls. Not a `OnceLock`, in which a forked child could find a thread
    /// of its parent for ever at work.
    static STRIPES: AtomicUsize = AtomicUsize::new(0);

    match STRIPES.load(Ordering::Relaxed) {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
            let stripes = cores.saturating_mul(4).clamp(8, 64).next_power_of_two();
            STRIPES.store(stripes, Ordering::Relaxed);
            stripes
        }
        known => known,
    }
}

#[cold]
#[inline(never)]
fn find() -> usize {
    let lane = take().unwrap_or_else(|| SHARED.fetch_add(1, Ordering::Relaxed) % NUMBERED);
    if HELD.try_with(|held| held.0.set(lane)).is_err() {
        // At the end of the thread nobody is left to give it back.
        give_back(lane);
    }
    LANE.set(lane);
    lane
}

fn take() -> Option<usize> {
    for (at, word) in TAKEN.iter().enumerate() {
        let mut taken = word.load(Ordering::Relaxed);
        while taken != u64::MAX {
            let free = taken.trailing_ones();
            match word.compare_exchange_weak(taken, taken | 1 << free, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(at * WORD + free as usize),
                Err(now) => taken = now,
            }
        }
    }
    None
}

/// A number that is shared may be given back by one who shares it: then it is shared once more, which costs time and
/// nothing else.
fn give_back(lane: usize) {
    if let Some(word) = TAKEN.get(lane / WORD) {
        word.fetch_and(!(1 << (lane % WORD)), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    fn lanes_of(threads: usize) -> HashSet<usize> {
        let all_here = Barrier::new(threads);
        thread::scope(|scope| {
            let threads: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        let first = lane();
                        all_here.wait();
                        assert_eq!(lane(), first);
                        first
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        })
    }

    // One test: two at the same time would take numbers from each other.
    #[test]
    fn threads_that_live_at_the_same_time_have_different_numbers_as_long_as_there_are_enough() {
        assert_eq!(lanes_of(16).len(), 16);
        let shared = lanes_of(NUMBERED + 8);
        assert!(shared.iter().all(|lane| *lane < NUMBERED), "{shared:?}");
        assert_eq!(lanes_of(16).len(), 16, "those that ended have given theirs back");
    }
}
