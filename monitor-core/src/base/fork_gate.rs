//! Keeps forks out of what must not be cut in two.
//!
//! The child of a process with several threads has the memory of all of them and only one of them. What another thread
//! was in the middle of stays like that for ever. Code that must not be cut enters the gate; a fork waits for a moment
//! until nobody is inside, and whoever comes meanwhile waits for the fork. Neither waits for long: a fork may be held
//! up by somebody else's handler that waits for a lock of the very thread that waits here. If that moment is not
//! enough, the process forks all the same, or the thread goes in all the same, and a child that is cut is told.
//!
//! What a child is told rests on `INSIDE` alone, as it finds it in its own copy of the memory. A thread counts itself
//! there before it begins, and no longer after it has ended. The copy has of each thread all that it did up to some
//! moment: so if the child has a part of the work, it has the count, whether the thread came in time, stayed for too
//! long, or lost its patience with the fork. Who only looks in and goes back (`COMING`) is not counted there.
//!
//! Only `fork` runs handlers. `_Fork`, `vfork` and a bare `clone` do not, and the gate keeps nothing out of them: but
//! their child has another number than the process that the counts are of. So it takes itself for cut, as its children
//! do, until it runs another program; what it inherited refuses it by the same number.
//!
//! It knows what enters it and nothing else. A connection that the host has by itself to a file of ours is used, and
//! inherited, past it; the rules of SQLite for that are told at `MonitorBuilder::sqlite`.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time that a fork waits.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest time that a thread waits for forks: longer, so that it is theirs to give in if each waits for the other.
const PATIENCE_WITH_FORKS: Duration = Duration::from_millis(200);

/// Between two looks of those who wait.
const PAUSE: Duration = Duration::from_micros(200);

/// Threads that are inside, or look whether they may go in.
static COMING: AtomicUsize = AtomicUsize::new(0);

/// Threads that are inside. Never more than are coming.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Threads that are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Forks since the gate was first used.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// The number of the process that all this is about; 0 before the gate is first used.
static OF: AtomicU32 = AtomicU32::new(0);

/// In a child: somebody was inside as it was forked off.
static CUT: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How often this thread went inside.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
}

/// A thread is inside.
#[derive(Debug)]
pub(crate) struct Inside(PhantomData<*const ()>);

/// Goes inside, after a fork that is under way unless it takes too long. A thread that is inside already goes further
/// in without waiting.
pub(crate) fn enter() -> Inside {
    watch();
    if DEPTH.get() == 0 {
        let mut began = None;
        loop {
            // Seen by a thread that forks before it looks whether anybody comes, or it is seen here.
            COMING.fetch_add(1, Ordering::SeqCst);
            if FORKING.load(Ordering::SeqCst) == 0 {
                break;
            }
            if began.get_or_insert_with(Instant::now).elapsed() >= PATIENCE_WITH_FORKS {
                break;
            }
            COMING.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(PAUSE);
        }
        INSIDE.fetch_add(1, Ordering::SeqCst);
        // The addition alone would let stores that follow it pass it on some processors.
        fence(Ordering::SeqCst);
    }
    DEPTH.set(DEPTH.get() + 1);
    Inside(PhantomData)
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        if DEPTH.get() == 0 {
            // In this order: when nobody comes, nobody is inside.
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            COMING.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// Whether a thread waits to fork: who is inside for long may make it short.
pub(crate) fn is_waited_for() -> bool {
    FORKING.load(Ordering::Relaxed) > 0
}

/// How many forks lie behind this process, as far as the gate knows.
pub(crate) fn generation() -> usize {
    watch();
    GENERATION.load(Ordering::Relaxed)
}

/// Whether somebody was inside as this process was forked off, or one that it descends from; or may have been, since
/// the gate did not hear of the fork.
pub(crate) fn was_cut() -> bool {
    CUT.load(Ordering::Relaxed) || is_unheard_of()
}

/// Whether this process came into being without a handler of the gate being run.
fn is_unheard_of() -> bool {
    let of = OF.load(Ordering::Relaxed);
    of != 0 && of != std::process::id()
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "the system's functions for forks are called by pointers")]
fn watch() {
    extern "C" fn before() {
        if is_unheard_of() {
            // The handler in the child will be heard of: what went before must not be forgotten.
            CUT.store(true, Ordering::Relaxed);
        }
        FORKING.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        // Once nobody comes, whoever comes then looks in, sees the fork, and goes back.
        while COMING.load(Ordering::SeqCst) != 0 && began.elapsed() < PATIENCE {
            thread::sleep(PAUSE);
        }
    }

    extern "C" fn in_parent() {
        FORKING.fetch_sub(1, Ordering::SeqCst);
    }

    extern "C" fn in_child() {
        CUT.fetch_or(INSIDE.load(Ordering::SeqCst) != 0, Ordering::Relaxed);
        // Nobody but this thread is left, and it may have forked from inside.
        let inside = usize::from(DEPTH.get() > 0);
        INSIDE.store(inside, Ordering::Relaxed);
        COMING.store(inside, Ordering::Relaxed);
        FORKING.store(0, Ordering::Relaxed);
        GENERATION.fetch_add(1, Ordering::Relaxed);
        OF.store(std::process::id(), Ordering::Relaxed);
    }

    // Not a `Once`: if the process forked in the midst of it, the child would wait for a thread that it does not have.
    // Who comes second goes on although there may be no handlers yet. That is harmless: a child that is forked off at
    // this very moment has a number that is not this one, and so takes itself for cut.
    if OF.load(Ordering::Relaxed) == 0
        && OF.compare_exchange(0, std::process::id(), Ordering::SeqCst, Ordering::Relaxed).is_ok()
    {
        // SAFETY: the handlers are functions of this crate that stay. The one in the child does no more than ask for
        // the process's number, load and store atomics, and read a thread-local cell without a destructor. Should the
        // system have no memory for them (the only error) every child takes itself for cut, by its number.
        let _ = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    }
}

/// There is no fork on this system.
#[cfg(not(unix))]
fn watch() {
    let _ = OF.compare_exchange(0, std::process::id(), Ordering::Relaxed, Ordering::Relaxed);
}

#[cfg(all(test, unix))]
#[path = "fork_gate_tests.rs"]
mod tests;
