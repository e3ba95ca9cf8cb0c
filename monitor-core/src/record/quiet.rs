//! Which shard a thread reaches, and how it is put out of reach.
//!
//! The recorder's slow paths ask for memory, and the program's allocator may be tracked. A tracked call made from
//! within such a path must neither recurse into it nor meet data that is just being changed. So these paths run
//! [`quietly`]: the thread's shard is out of reach, and calls from within are not recorded.
//!
//! Here a shard is an address only; [`local`](super::local) knows what is behind it.

use std::cell::Cell;

thread_local! {
    /// The shard that this thread records into; null when it has none, or must not be reached just now. It has no
    /// destructor, so it can be read until the very end of the thread.
    static CURRENT: Cell<*const ()> = const { Cell::new(std::ptr::null()) };

    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// The address of the shard that this thread records into now.
#[inline(always)]
pub(crate) fn current() -> *const () {
    CURRENT.with(Cell::get)
}

/// Sets the shard that this thread records into, and gives the one before.
pub(crate) fn replace_current(shard: *const ()) -> *const () {
    CURRENT.replace(shard)
}

/// Whether this thread is inside a slow path.
pub(crate) fn is_quiet() -> bool {
    QUIET.get()
}

/// Runs a slow path. `None` if this thread is in one already.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> Option<R> {
    struct Restore(*const ());

    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
            QUIET.set(false);
        }
    }

    if QUIET.replace(true) {
        return None;
    }
    let _restore = Restore(CURRENT.replace(std::ptr::null()));
    Some(f())
}

/// As [`quietly`], but runs `f` in any case: for what may also be part of a longer slow path.
pub(crate) fn quietly_or_not<R>(f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    let result = quietly(|| f.take().map(|f| f()));
    match (result.flatten(), f) {
        (Some(result), _) => result,
        (None, Some(f)) => f(),
        (None, None) => unreachable!("it ran, so there is a result"),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_slow_path_has_no_shard_and_gives_it_back() {
        let shard = std::ptr::without_provenance(64);
        let before = replace_current(shard);
        let inside = quietly(|| (current().is_null(), is_quiet(), quietly(|| ()), quietly_or_not(|| 7)));
        assert_eq!(inside, Some((true, true, None, 7)));
        assert_eq!((current(), is_quiet()), (shard, false));
        let _ = std::panic::catch_unwind(|| quietly(|| panic!("on purpose")));
        assert_eq!((current(), is_quiet()), (shard, false));
        replace_current(before);
    }
}
