//! Keeps forks out of what must not be cut in two.
//!
//! The child of a process with several threads has the memory of all of them and only one of them. What another thread was
//! in the middle of stays like that for ever. Code that must not be cut enters the gate; a fork waits for a moment until
//! nobody is inside, and whoever comes meanwhile waits for the fork. If that moment is not enough, the process forks
//! all the same, and the child is told.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
#[cfg(unix)]
use std::time::Instant;

/// The longest time that a fork waits.
#[cfg(unix)]
const PATIENCE: Duration = Duration::from_millis(100);

/// Between two looks of those who wait.
const PAUSE: Duration = Duration::from_micros(200);

/// Threads inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Threads that are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Forks since the gate was first used.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// In a child: somebody was inside as it was forked off.
static CUT: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How often this thread went inside.
    static DEPTH: Cell<usize> = const { Cell::new(0) };

    /// Whether somebody is still inside as this thread forks: the thread that forks is the one that the child has.
    static CUTS: Cell<bool> = const { Cell::new(false) };
}

/// A thread is inside.
#[derive(Debug)]
pub(crate) struct Inside(PhantomData<*const ()>);

/// Goes inside, after a fork that is under way. A thread that is inside already goes further in without waiting.
pub(crate) fn enter() -> Inside {
    watch();
    if DEPTH.get() == 0 {
        loop {
            // Seen by a thread that forks before it looks whether anybody is inside, or it is seen here.
            INSIDE.fetch_add(1, Ordering::SeqCst);
            if FORKING.load(Ordering::SeqCst) == 0 {
                break;
            }
            INSIDE.fetch_sub(1, Ordering::SeqCst);
            thread::sleep(PAUSE);
        }
    }
    DEPTH.set(DEPTH.get() + 1);
    Inside(PhantomData)
}

impl Drop for Inside {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get().saturating_sub(1));
        if DEPTH.get() == 0 {
            // In the child of a thread that forked from inside it is 0 already.
            let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |inside| inside.checked_sub(1));
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

/// Whether somebody was inside as this process was forked off, or one that it descends from.
pub(crate) fn was_cut() -> bool {
    CUT.load(Ordering::Relaxed)
}

#[cfg(unix)]
#[allow(unsafe_code, reason = "the system's functions for forks are called by pointers")]
fn watch() {
    use std::sync::Once;

    static WATCHED: Once = Once::new();

    extern "C" fn before() {
        FORKING.fetch_add(1, Ordering::SeqCst);
        let began = Instant::now();
        // One look decides: whoever comes now looks in, sees the fork, and goes back.
        let cuts = loop {
            if INSIDE.load(Ordering::SeqCst) == 0 {
                break false;
            }
            if began.elapsed() >= PATIENCE {
                break true;
            }
            thread::sleep(PAUSE);
        };
        CUTS.set(cuts);
    }

    extern "C" fn in_parent() {
        FORKING.fetch_sub(1, Ordering::SeqCst);
    }

    extern "C" fn in_child() {
        // Nobody but this thread is left.
        INSIDE.store(0, Ordering::Relaxed);
        FORKING.store(0, Ordering::Relaxed);
        GENERATION.fetch_add(1, Ordering::Relaxed);
        CUT.fetch_or(CUTS.get(), Ordering::Relaxed);
    }

    WATCHED.call_once(|| {
        // SAFETY: the handlers are functions of this crate that stay. The one in the child does no more than store to atomics,
        // and reads a thread-local cell without a destructor. Should the system have no memory for them (the only error) a
        // child would take itself for its parent: who asks compares the process's number, too.
        let _ = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
    });
}

/// There is no fork on this system.
#[cfg(not(unix))]
fn watch() {}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// Forks and gives what the child says about itself.
    #[allow(unsafe_code, reason = "a test of forks")]
    fn child_says(asked: fn() -> bool) -> bool {
        // SAFETY: the child runs a few loads, and leaves by `_exit`.
        match unsafe { libc::fork() } {
            0 => {
                let code = i32::from(asked());
                // SAFETY: it ends the child.
                unsafe { libc::_exit(code) }
            }
            child => {
                let mut status = 0;
                // SAFETY: the pointer is to a variable of this function.
                assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
                libc::WEXITSTATUS(status) == 1
            }
        }
    }

    #[test]
    fn a_child_knows_that_somebody_was_inside() {
        let inside = enter();
        assert!(child_says(was_cut), "it forks in the end");
        drop(inside);
        assert!(child_says(|| generation() == 1));
        assert_eq!((generation(), was_cut()), (0, false), "the parent is what it was");
    }
}
