//! Each test has a process of its own: handlers of forks stay, and what other tests have inside would be cut as well.
#![allow(unsafe_code, clippy::expect_used, reason = "tests of forks")]

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use super::*;

/// What a process may take before it counts as hung. Not a measure of time.
const HUNG_SECONDS: u32 = 30;

/// Runs that test again, alone.
fn in_own_process(test: &str, body: fn()) {
    const KEY: &str = "TEST_OF_THE_FORK_GATE";
    if std::env::var_os(KEY).is_some_and(|key| key == test) {
        // SAFETY: it only sets a timer.
        unsafe { libc::alarm(HUNG_SECONDS) };
        return body();
    }
    let name = format!("base::fork_gate::tests::{test}");
    let program = std::env::current_exe().expect("the tests are a program");
    let run = Command::new(program).args([&name, "--exact", "--nocapture"]).env(KEY, test).output();
    let run = run.expect("it was started already");
    let said = String::from_utf8_lossy(&run.stdout);
    assert!(run.status.success(), "{}: {said}{}", run.status, String::from_utf8_lossy(&run.stderr));
    assert!(said.contains("1 passed"), "no such test: {said}");
}

fn fork() -> libc::pid_t {
    // SAFETY: the child runs a few loads, and leaves by `_exit`.
    unsafe { libc::fork() }
}

/// Forks and gives what the child says about itself.
fn child_says(fork: fn() -> libc::pid_t, asked: fn() -> bool) -> bool {
    match fork() {
        0 => {
            // SAFETY: it only sets a timer.
            unsafe { libc::alarm(HUNG_SECONDS / 2) };
            let code = i32::from(asked());
            // SAFETY: it ends the child.
            unsafe { libc::_exit(code) }
        }
        child => {
            let mut status = 0;
            // SAFETY: the pointer is to a variable of this function.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert!(libc::WIFEXITED(status), "the child hung or crashed: {status}");
            libc::WEXITSTATUS(status) == 1
        }
    }
}

/// Waits for another thread.
fn wait_for(flag: &AtomicBool) {
    while !flag.load(Ordering::SeqCst) {
        thread::yield_now();
    }
}

#[test]
fn a_child_knows_that_its_thread_was_inside() {
    in_own_process("a_child_knows_that_its_thread_was_inside", || {
        let inside = enter();
        assert!(child_says(fork, was_cut), "it forks in the end");
        drop(inside);
        assert!(child_says(fork, || generation() == 1));
        assert_eq!((generation(), was_cut()), (0, false), "the parent is what it was");
    });
}

#[test]
fn a_child_knows_that_another_thread_was_inside() {
    in_own_process("a_child_knows_that_another_thread_was_inside", || {
        let (is_inside, forked) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|threads| {
            threads.spawn(|| {
                let _inside = enter();
                is_inside.store(true, Ordering::SeqCst);
                wait_for(&forked);
            });
            wait_for(&is_inside);
            assert!(child_says(fork, was_cut));
            forked.store(true, Ordering::SeqCst);
        });
        assert!(!child_says(fork, was_cut));
    });
}

#[test]
fn threads_that_come_and_go_cut_no_child() {
    in_own_process("threads_that_come_and_go_cut_no_child", || {
        let done = AtomicBool::new(false);
        thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        drop(enter());
                    }
                });
            }
            let cut = (0..200).filter(|_| child_says(fork, was_cut)).count();
            done.store(true, Ordering::Relaxed);
            // A machine with more to do may take a thread off for as long as a fork waits.
            assert!(cut <= 20, "{cut} of 200 children");
        });
    });
}

/// What a thread holds as it wants in, and what somebody else's handler waits for as the process forks.
static HELD: Mutex<()> = Mutex::new(());
static IS_STALLING: AtomicBool = AtomicBool::new(false);

fn hold() -> std::sync::MutexGuard<'static, ()> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forks while a handler waits for a thread that wants in, and gives whether the child says that it was cut. With
/// `stays` the thread is still inside then.
fn stalled(stays: bool) -> bool {
    extern "C" fn stall() {
        IS_STALLING.store(true, Ordering::SeqCst);
        drop(hold());
    }
    // Handlers of the moment before are run last one first: it is the gate's turn before this one stalls.
    // SAFETY: the handler stays, and is run by the thread that forks, before it does.
    assert_eq!(unsafe { libc::pthread_atfork(Some(stall), None, None) }, 0);
    drop(enter());
    let (holds, forked) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            let held = hold();
            holds.store(true, Ordering::SeqCst);
            wait_for(&IS_STALLING);
            let inside = enter();
            if stays {
                drop(held);
                wait_for(&forked);
                drop(inside);
            } else {
                drop(inside);
                drop(held);
            }
        });
        wait_for(&holds);
        let cut = child_says(fork, was_cut);
        forked.store(true, Ordering::SeqCst);
        cut
    })
}

#[test]
fn a_fork_that_waits_for_who_wants_in_hangs_nobody() {
    in_own_process("a_fork_that_waits_for_who_wants_in_hangs_nobody", || {
        assert!(!stalled(false), "the thread was outside again");
        assert!(!was_cut());
    });
}

#[test]
fn a_child_knows_that_a_thread_went_in_after_all() {
    in_own_process("a_child_knows_that_a_thread_went_in_after_all", || {
        assert!(stalled(true));
        assert!(!was_cut());
    });
}

#[test]
fn a_child_of_the_very_first_moment_takes_itself_for_cut() {
    in_own_process("a_child_of_the_very_first_moment_takes_itself_for_cut", || {
        // As it is when a thread has begun to use the gate, and has not come to the handlers yet.
        OF.store(std::process::id(), Ordering::SeqCst);
        assert!(child_says(fork, was_cut));
        assert!(child_says(fork, || {
            drop(enter());
            true
        }));
        assert!(!was_cut());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_child_without_handlers_and_its_children_take_themselves_for_cut() {
    fn bare() -> libc::pid_t {
        // SAFETY: a fork without its handlers, see there. Zeros mean no stack and no places for numbers of threads.
        let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
        libc::pid_t::try_from(child).expect("a number of a process")
    }
    in_own_process("a_child_without_handlers_and_its_children_take_themselves_for_cut", || {
        assert_eq!(generation(), 0);
        assert!(child_says(bare, was_cut));
        assert!(child_says(bare, || child_says(fork, was_cut)));
        assert!(!was_cut());
    });
}
