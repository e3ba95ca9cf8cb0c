//! What happens to the recorder when the process forks.
//!
//! The child has the memory of its parent and one of its threads. It begins clean: a recorder of its own, made when it
//! is first needed. What the parent had counted, its locks and its rings are never touched by it.

use std::sync::atomic::{AtomicUsize, Ordering};

static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// How many forks lie between this process and the first one.
pub(crate) fn generation() -> usize {
    GENERATION.load(Ordering::Relaxed)
}

/// Sees to it that forked children begin clean. Costs nothing after the first call.
#[cfg(unix)]
pub(crate) fn watch() {
    use std::sync::Once;

    static WATCHED: Once = Once::new();
    WATCHED.call_once(|| {
        // SAFETY: the handler is a function of this crate that does no more than store to atomics and to a
        // thread-local cell without a destructor, which is allowed in a forked child. Should the system have no memory
        // for it (the only error) a child would go on counting in its copy of the parent's memory, which is safe.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) };
    });
}

/// There is no fork on this system.
#[cfg(not(unix))]
pub(crate) fn watch() {}

#[cfg(unix)]
extern "C" fn in_child() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
    super::recorder::forget_process();
    super::local::forget_shard();
}
