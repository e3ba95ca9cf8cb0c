//! Tracked calls at the very end: in thread-local destructors that run after this library's own, on the main thread,
//! and in the functions that the process runs when it exits. And the hook that records panics, of which a process has one.
//!
//! A program of its own that runs itself once for each case, since each case ends a process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

use std::cell::RefCell;
use std::process::{Command, ExitCode};

use monitor_core::{Monitor, Operation, TrackFuture, monitor, track_operation};
use tests::{block_on, counts, local, yield_once};

/// Says which case the program is to run.
const CASE: &str = "MONITOR_TESTS_DESTRUCTORS";
/// The last word of a case that came to its end.
const DONE: &str = "all as promised";

#[track_operation(name = "attributed")]
fn attributed() {}

#[track_operation(name = "attributed_async")]
async fn attributed_async() {
    yield_once().await;
}

/// Makes calls of every form; all of them are to be counted.
fn calls() {
    attributed();
    monitor().track("named", |_| ());
    let _ = monitor().try_track("named", |_| Err::<(), _>("late"));
    drop(monitor().operation("named").start());
}

/// What [`calls`] has made once more.
fn assert_counted(times: u64) {
    assert_eq!(counts(&monitor(), "attributed"), [times, times, 0, 0, 0, 0]);
    assert_eq!(counts(&monitor(), "named"), [3 * times, 2 * times, times, 0, 0, 0]);
    assert!(monitor().active().is_empty(), "{:?}", monitor().active());
}

fn scoped_calls(local: &Monitor) {
    local.scope(|| {
        attributed();
        monitor().track("outer", |_| monitor().track("inner", |_| ()));
        block_on(attributed_async());
    });
    assert_eq!(counts(local, "attributed"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(local, "attributed_async"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(local.snapshot().edges().len(), 1);
}

/// Runs a function when the thread-locals are destroyed; a panic ends the process, which the case then reports.
struct AtEnd {
    run: fn(Option<Operation>),
    guard: Option<Operation>,
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        (self.run)(self.guard.take());
    }
}

thread_local! {
    static LATE: RefCell<Option<AtEnd>> = const { RefCell::new(None) };
}

/// Thread-locals are destroyed in the reverse order of their first use: this one's destructor runs after that of
/// whatever is used for the first time afterwards.
fn at_end_of_thread(run: fn(Option<Operation>), guard: Option<Operation>) {
    LATE.set(Some(AtEnd { run, guard }));
}

fn thread_local_destructor() {
    std::thread::spawn(|| {
        at_end_of_thread(
            |_| {
                calls();
                assert_counted(2);
            },
            None,
        );
        calls();
    })
    .join()
    .unwrap();
    assert_counted(2);
}

fn thread_local_destructor_with_a_guard() {
    std::thread::spawn(|| {
        at_end_of_thread(|guard| guard.expect("given below").succeed(), None);
        let guard = monitor().operation("held").start();
        LATE.with_borrow_mut(|late| late.as_mut().expect("just set").guard = Some(guard));
    })
    .join()
    .unwrap();
    assert_eq!(counts(&monitor(), "held"), [1, 1, 0, 0, 0, 0]);
    assert!(monitor().active().is_empty());
}

fn thread_local_destructor_with_a_future() {
    std::thread::spawn(|| {
        at_end_of_thread(
            |_| {
                block_on(attributed_async());
                block_on(yield_once().tracked("future"));
            },
            None,
        );
        attributed();
    })
    .join()
    .unwrap();
    assert_eq!(counts(&monitor(), "attributed_async"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(counts(&monitor(), "future"), [1, 1, 0, 0, 0, 0]);
}

fn thread_local_destructor_with_a_scope() {
    std::thread::spawn(|| {
        at_end_of_thread(|_| scoped_calls(&local()), None);
        attributed();
    })
    .join()
    .unwrap();
}

/// The process's first call of all is made in the destructor.
fn thread_local_destructor_that_comes_first() {
    std::thread::spawn(|| at_end_of_thread(|_| calls(), None)).join().unwrap();
    assert_counted(1);
}

fn at_exit(run: extern "C" fn()) {
    #[cfg(unix)]
    {
        // SAFETY: the function is one that may be called at any time, once or more often.
        let refused = unsafe { libc::atexit(run) };
        assert_eq!(refused, 0);
    }
    #[cfg(not(unix))]
    run();
}

fn exit_function() {
    extern "C" fn run() {
        calls();
        assert_counted(2);
        println!("{DONE}");
    }
    calls();
    at_exit(run);
}

fn exit_function_with_a_scope() {
    extern "C" fn run() {
        scoped_calls(&local());
        println!("{DONE}");
    }
    at_exit(run);
}

/// The main thread never recorded before it ended.
fn exit_function_that_comes_first() {
    extern "C" fn run() {
        calls();
        assert_counted(1);
        println!("{DONE}");
    }
    at_exit(run);
}

fn main_thread_local_destructor() {
    at_end_of_thread(
        |_| {
            calls();
            assert_counted(2);
            println!("{DONE}");
        },
        None,
    );
    calls();
}

/// A thread that goes on while the process ends.
fn exit_while_others_record() {
    for _ in 0..2 {
        std::thread::spawn(|| {
            loop {
                calls();
            }
        });
    }
    calls();
    println!("{DONE}");
}

/// Panics that the process has recorded.
fn panics_recorded() -> u64 {
    monitor().snapshot().errors().iter().filter(|group| group.kind == "panic").map(|group| group.count).sum()
}

fn panics_asked_for_while_the_thread_panics() {
    struct Asks;
    impl Drop for Asks {
        fn drop(&mut self) {
            monitor_core::record_panics();
        }
    }
    let asks = || {
        let _asks = Asks;
        panic!("on purpose");
    };
    assert!(std::panic::catch_unwind(asks).is_err());
    monitor_core::record_panics();
    assert!(std::panic::catch_unwind(|| panic!("on purpose")).is_err());
    assert_eq!(panics_recorded(), 1);
}

/// One thread waits for the hooks that run, of which one asks for what that thread is about.
fn panics_asked_for_by_a_hook() {
    use std::sync::Barrier;

    static IN_HOOK: Barrier = Barrier::new(2);
    std::panic::set_hook(Box::new(|_| {
        IN_HOOK.wait();
        for _ in 0..1_000 {
            monitor_core::record_panics();
            std::thread::yield_now();
        }
    }));
    let panics = std::thread::spawn(|| panic!("on purpose"));
    IN_HOOK.wait();
    monitor_core::record_panics();
    assert!(panics.join().is_err());
    assert!(panics_recorded() <= 1);
}

/// Cases, and whether they say themselves that they are done, at the end of the process.
const ALL: &[(&str, fn(), bool)] = &[
    ("thread_local_destructor", thread_local_destructor, false),
    ("thread_local_destructor_with_a_guard", thread_local_destructor_with_a_guard, false),
    ("thread_local_destructor_with_a_future", thread_local_destructor_with_a_future, false),
    ("thread_local_destructor_with_a_scope", thread_local_destructor_with_a_scope, false),
    ("thread_local_destructor_that_comes_first", thread_local_destructor_that_comes_first, false),
    ("exit_function", exit_function, true),
    ("exit_function_with_a_scope", exit_function_with_a_scope, true),
    ("exit_function_that_comes_first", exit_function_that_comes_first, true),
    // Only glibc and its like run them on the main thread.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    ("main_thread_local_destructor", main_thread_local_destructor, true),
    ("exit_while_others_record", exit_while_others_record, true),
    ("panics_asked_for_while_the_thread_panics", panics_asked_for_while_the_thread_panics, false),
    ("panics_asked_for_by_a_hook", panics_asked_for_by_a_hook, false),
];

fn main() -> ExitCode {
    if let Ok(case) = std::env::var(CASE) {
        // A deadlock is to end it, not to last.
        #[cfg(unix)]
        // SAFETY: it only sets a timer.
        unsafe {
            libc::alarm(20)
        };
        let (_, run, says) = ALL.iter().find(|(name, ..)| *name == case).expect("a case of that name");
        run();
        if !says {
            println!("{DONE}");
        }
        return ExitCode::SUCCESS;
    }
    let program = std::env::current_exe().expect("the path of this program");
    let mut failed = 0;
    for (name, ..) in ALL {
        let output = Command::new(&program).env(CASE, name).output().expect("this program runs");
        let ok = output.status.success() && String::from_utf8_lossy(&output.stdout).contains(DONE);
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
        if !ok {
            failed += 1;
            println!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
        }
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
