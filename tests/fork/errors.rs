//! Errors, their backtraces and texts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use monitor_core::monitor;
use tests::local;

use super::process::{Child, forked};

pub(super) fn a_backtrace_that_another_thread_takes_hangs_nobody() {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                std::hint::black_box(std::backtrace::Backtrace::force_capture().to_string());
            }
        });
        let children: Vec<_> = (0..50)
            .map(|_| {
                forked(|| {
                    monitor().error_with("of the child").record();
                    assert_eq!(monitor().snapshot().errors()[0].count, 1);
                })
            })
            .collect();
        stop.store(true, Ordering::Relaxed);
        children.into_iter().for_each(Child::succeeds);
    });
}

pub(super) fn a_child_of_an_error_that_forks_has_errors_with_texts() {
    struct Forks;
    impl std::fmt::Display for Forks {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            forked(|| {
                monitor().error_with("of the child").record();
                assert_eq!(monitor().snapshot().errors()[0].pattern, "of the child");
            })
            .succeeds();
            f.write_str("forks")
        }
    }
    let local = local();
    local.error_with(&Forks).record();
    assert_eq!(local.snapshot().errors()[0].pattern, "forks");
}
