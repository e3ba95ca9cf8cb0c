//! What happens to the recorder when the process forks.
//!
//! The child has the memory of its parent and one of its threads. It begins clean: a recorder of its own, made when it
//! is first needed. What the parent had counted, its locks and its rings are never touched by it.

use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(feature = "terminal")]
use std::sync::{Arc, OnceLock, atomic::AtomicBool};

static GENERATION: AtomicUsize = AtomicUsize::new(0);

/// How many forks lie between this process and the first one.
pub(crate) fn generation() -> usize {
    GENERATION.load(Ordering::Relaxed)
}

/// Set in each forked child, see [`tell_children`].
#[cfg(feature = "terminal")]
static TOLD: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// Has this flag set in each forked child of a process whose forks are watched. The first one counts.
#[cfg(feature = "terminal")]
pub(crate) fn tell_children(flag: &Arc<AtomicBool>) {
    let _ = TOLD.set(Arc::clone(flag));
}

/// Sees to it that each forked child counts itself and calls `in_child`. Costs nothing after the first call.
///
/// `in_child` may do no more than store to atomics and to thread-local cells without a destructor: that is allowed in
/// the child of a process with several threads.
#[cfg(unix)]
pub(crate) fn watch(in_child: fn()) {
    use std::sync::OnceLock;

    static IN_CHILD: OnceLock<fn()> = OnceLock::new();

    extern "C" fn child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "terminal")]
        if let Some(flag) = TOLD.get() {
            flag.store(true, Ordering::SeqCst);
        }
        if let Some(in_child) = IN_CHILD.get() {
            in_child();
        }
    }

    IN_CHILD.get_or_init(|| {
        // SAFETY: the handler is a function of this crate that keeps to what is said above. Should the system have no
        // memory for it (the only error) a child would go on counting in its copy of the parent's memory, which is safe.
        let _ = unsafe { libc::pthread_atfork(None, None, Some(child)) };
        in_child
    });
}

/// There is no fork on this system.
#[cfg(not(unix))]
pub(crate) fn watch(_in_child: fn()) {}
