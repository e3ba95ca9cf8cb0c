//! Keeps forks out of what must not be cut in two.
//!
//! The child of a process with several threads has the memory of all of them and only one of them. What another thread was
//! in the middle of stays like that for ever. Code that must not be cut enters the gate; a fork waits for a moment until
//! nobody is inside, and whoever comes meanwhile waits for the fork. If that moment is not enough, the process forks
//! all the same, and the child is told. Nobody waits for ever: a fork may in turn wait, in what other libraries do before it,
//! for a lock of somebody who waits here.
//!
//! It knows of what the system's `fork` knows of. A child of `vfork`, or of a bare `clone`, has run none of this: it must do no
//! more than start another program. If it goes on nevertheless it is known by the number of its process, which whoever uses the gate
//! compares as well.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// The longest time that a fork waits.
const PATIENCE: Duration = Duration::from_millis(100);

/// The longest time that somebody waits for a fork: longer than the fork itself waits for those inside.
const LONGEST_FORK: Duration = PATIENCE.saturating_mul(2);

/// Between two looks of those who wait.
const PAUSE: Duration = Duration::from_micros(200);

/// Threads inside.
static INSIDE: AtomicUsize = AtomicUsize::new(0);

/// Those of them that did not wait for a fork to be over. It is counted before, and taken back after, all that they do
/// inside. So in the memory of a child each one that had begun is counted: what it wrote first is there if what it wrote
/// later is.
static IN_SPITE: AtomicUsize = AtomicUsize::new(0);

/// Threads that are about to fork.
static FORKING: AtomicUsize = AtomicUsize::new(0);

/// Forks since the gate was first used.
static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// In a child: somebody was inside as it was forked off.
static CUT: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// How often this thread went inside.
    static DEPTH: Cell<usize> = const { Cell::new(0) };

    /// Whether this thread is inside in spite of a fork.
    static SPITES: Cell<bool> = const { Cell::new(false) };

    /// Whether somebody is still inside as this thread forks: the thread that forks is the one that the child has.
    static CUTS: Cell<bool> = const { Cell::new(false) };
}

/// A thread is inside.
#[derive(Debug)]
pub(crate) struct Inside(PhantomData<*const ()>);

/// Goes inside, after a fork that is under way, if that does not take too long. A thread that is inside already goes
/// further in without waiting.
pub(crate) fn enter() -> Inside {
    watch();
    if DEPTH.get() == 0 {
        let mut until: Option<Instant> = None;
        loop {
            // Seen by a thread that forks before it looks whether anybody is inside, or it is seen here.
            INSIDE.fetch_add(1, Ordering::SeqCst);
            if FORKING.load(Ordering::SeqCst) == 0 {
                break;
            }
            if Instant::now() >= *until.get_or_insert_with(|| Instant::now() + LONGEST_FORK) {
                // The fork has looked already, and may have seen nobody.
                IN_SPITE.fetch_add(1, Ordering::SeqCst);
                SPITES.set(true);
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
            // In the child of a thread that forked from inside they are 0 already.
            let less = |count: usize| count.checked_sub(1);
            if SPITES.replace(false) {
                let _ = IN_SPITE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
            }
            let _ = INSIDE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
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
    /// Nobody waits for whoever was first: in a child that was forked off just then there is nobody to wait for. A fork at
    /// the very moment of the first use may go unnoticed; it is known by the number of the process.
    static WATCHED: AtomicBool = AtomicBool::new(false);

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
        let in_spite = IN_SPITE.swap(0, Ordering::Relaxed);
        CUT.fetch_or(CUTS.get() || in_spite > 0, Ordering::Relaxed);
    }

    if WATCHED.load(Ordering::Relaxed) || WATCHED.swap(true, Ordering::Relaxed) {
        return;
    }
    // SAFETY: the handlers are functions of this crate that stay. The one in the child does no more than store to atomics, and
    // reads a thread-local cell without a destructor. Should the system have no memory for them (the only error) a child
    // would take itself for its parent: who asks compares the process's number, too.
    let _ = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
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

    /// Runs a test in a process of its own, in which no other one is inside, and which ends when it hangs.
    #[allow(unsafe_code, clippy::unwrap_used, reason = "a test of forks")]
    fn alone(test: &str, body: fn()) {
        const ALONE: &str = "MONITOR_TEST_ALONE";
        if std::env::var_os(ALONE).is_some() {
            // SAFETY: it has this process killed in a minute.
            unsafe { libc::alarm(60) };
            return body();
        }
        let name = format!("{}::{test}", module_path!().split_once("::").unwrap().1);
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        let output = again.args(["--exact", &name, "--nocapture"]).env(ALONE, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    #[test]
    fn a_child_knows_that_somebody_was_inside() {
        alone("a_child_knows_that_somebody_was_inside", || {
            let inside = enter();
            assert!(child_says(was_cut), "it forks in the end");
            drop(inside);
            assert!(child_says(|| generation() == 1));
            assert_eq!((generation(), was_cut()), (0, false), "the parent is what it was");
        });
    }

    #[test]
    fn those_who_come_and_go_cut_no_child() {
        alone("those_who_come_and_go_cut_no_child", || {
            let over = AtomicBool::new(false);
            thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        while !over.load(Ordering::Relaxed) {
                            drop(enter());
                        }
                    });
                }
                let cut = (0..300).filter(|_| child_says(was_cut)).count();
                over.store(true, Ordering::Relaxed);
                assert_eq!(cut, 0);
            });
            assert_eq!((INSIDE.load(Ordering::SeqCst), IN_SPITE.load(Ordering::SeqCst)), (0, 0));
        });
    }

    /// What another library takes before a fork.
    static LOCK: AtomicBool = AtomicBool::new(false);

    #[allow(unsafe_code, reason = "a test of forks")]
    fn have_others_lock_before_forks() {
        extern "C" fn lock() {
            while LOCK.swap(true, Ordering::SeqCst) {
                thread::sleep(PAUSE);
            }
        }
        extern "C" fn unlock() {
            LOCK.store(false, Ordering::SeqCst);
        }
        // SAFETY: the handlers are functions that stay, and do no more than change an atomic.
        assert_eq!(unsafe { libc::pthread_atfork(Some(lock), Some(unlock), Some(unlock)) }, 0);
    }

    #[test]
    fn whoever_has_what_a_fork_waits_for_is_let_in_and_the_child_knows() {
        alone("whoever_has_what_a_fork_waits_for_is_let_in_and_the_child_knows", || {
            // Registered before the gate, it has its turn after it: nobody is inside when the gate looks.
            have_others_lock_before_forks();
            let (held, forked) = (AtomicBool::new(false), AtomicBool::new(false));
            thread::scope(|scope| {
                scope.spawn(|| {
                    LOCK.store(true, Ordering::SeqCst);
                    watch();
                    held.store(true, Ordering::SeqCst);
                    while !is_waited_for() {
                        thread::sleep(PAUSE);
                    }
                    // In the midst of its own library it uses ours, and only then lets go of what the fork waits for.
                    let inside = enter();
                    LOCK.store(false, Ordering::SeqCst);
                    while !forked.load(Ordering::SeqCst) {
                        thread::sleep(PAUSE);
                    }
                    drop(inside);
                });
                while !held.load(Ordering::SeqCst) {
                    thread::sleep(PAUSE);
                }
                let cut = child_says(was_cut);
                forked.store(true, Ordering::SeqCst);
                assert!(cut);
            });
            assert!(!child_says(was_cut), "nobody is inside any more");
        });
    }
}
