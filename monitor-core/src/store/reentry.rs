//! Keeps what asks for memory from running inside itself.
//!
//! The host's allocator may count with metrics, or items of a queue. It is then called from within the first use of a
//! counter, or under the lock of the names; a second first use in there would never end, and a second lock would wait for
//! itself.

use std::cell::Cell;

thread_local! {
    /// Without a destructor, so that it can be read until the very end of the thread.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Runs what asks for memory; `None` if this thread is at it already.
pub(crate) fn unless_inside<R>(f: impl FnOnce() -> R) -> Option<R> {
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            INSIDE.set(false);
        }
    }

    if INSIDE.replace(true) {
        return None;
    }
    let _leave = Leave;
    Some(f())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_run_inside_itself_and_runs_again_afterwards() {
        assert_eq!(unless_inside(|| unless_inside(|| 1)), Some(None));
        let _ = std::panic::catch_unwind(|| unless_inside(|| panic!("on purpose")));
        assert_eq!(unless_inside(|| 1), Some(1));
    }
}
