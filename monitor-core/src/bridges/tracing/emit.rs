//! How events are emitted, by whichever thread.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::record::failure::count_panicked_callback;

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted {
    pub(super) failures: bool,
    pub(super) slower_than: Option<Duration>,
    pub(super) stuck_after: Option<Duration>,
    pub(super) transitions: bool,
    pub(super) stalled: bool,
}

thread_local! {
    /// Whether this thread is emitting one of our events: what happens meanwhile causes no further one. No destructor.
    static EMITTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is emitting one of our events.
pub(super) fn is_emitting() -> bool {
    EMITTING.get()
}

/// Emits by `emit`, which calls subscribers: code of the host, whose panics are contained.
pub(super) fn emitting(emit: impl FnOnce()) {
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            EMITTING.set(false);
        }
    }

    if EMITTING.replace(true) {
        return;
    }
    let _leave = Leave;
    // Unwind safety: the subscriber is the host's own, and sees its own panic.
    if let Err(panic) = catch_unwind(AssertUnwindSafe(emit)) {
        count_panicked_callback();
        // What a panic carries may itself panic when dropped.
        std::mem::forget(panic);
    }
}

/// A duration as a number of milliseconds.
pub(super) fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
