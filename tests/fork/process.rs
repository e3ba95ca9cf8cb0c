//! A process that forks, and what a child must not do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use monitor_core::track_operation;

/// What a child may take before it counts as hung. Not a measure of time: nothing in here waits.
const HUNG_SECONDS: u32 = 10;

/// Forks, runs `child` in the child and gives its status: 0 if it came to its end without a panic.
pub(super) fn forked(child: impl FnOnce()) -> Child {
    // SAFETY: the child runs Rust code of this program and the allocator, which glibc and musl keep usable in the
    // child of a process with threads; it leaves by `_exit` and returns nowhere.
    match unsafe { libc::fork() } {
        -1 => panic!("fork: {}", std::io::Error::last_os_error()),
        0 => {
            // SAFETY: it only sets a timer.
            unsafe { libc::alarm(HUNG_SECONDS) };
            let status = i32::from(catch_unwind(AssertUnwindSafe(child)).is_err());
            // SAFETY: it ends the process, without the destructors that belong to the parent.
            unsafe { libc::_exit(status) }
        }
        pid => Child(pid),
    }
}

#[must_use]
pub(super) struct Child(pub(super) libc::pid_t);

impl Child {
    #[track_caller]
    pub(super) fn succeeds(self) {
        let mut status = 0;
        // SAFETY: the pointer is to a variable of this function.
        let waited = unsafe { libc::waitpid(self.0, &raw mut status, 0) };
        assert_eq!(waited, self.0);
        assert!(!libc::WIFSIGNALED(status), "the child hung or crashed: signal {}", libc::WTERMSIG(status));
        assert_eq!(libc::WEXITSTATUS(status), 0, "the child panicked");
    }
}

#[track_operation(name = "attributed")]
pub(super) fn attributed() {}

/// Forks again and again while other threads record at full speed, some of them under names that are new.
pub(super) fn under_load(record: impl Fn(&str) + Sync, child: impl Fn()) {
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        for worker in 0..3_u32 {
            let (done, record) = (&done, &record);
            threads.spawn(move || {
                let mut n = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    n += 1;
                    if worker == 0 { record(&format!("new {n}")) } else { record("known") }
                }
            });
        }
        let result = catch_unwind(AssertUnwindSafe(|| {
            for _ in 0..40 {
                forked(&child).succeeds();
            }
        }));
        done.store(true, Ordering::Relaxed);
        if let Err(payload) = result {
            std::panic::resume_unwind(payload);
        }
    });
}
