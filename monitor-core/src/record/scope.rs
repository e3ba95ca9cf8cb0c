//! The contexts that a thread is in, one within the other, and where on its stack of operations each begins.
//!
//! A thread enters a context for the time of a closure or of a poll. The list of those that it is in goes through the
//! stack frames of these functions, so entering asks for no memory, and leaving is one store.

use std::cell::Cell;

use super::lineage::Lineage;
use super::stack::{Stack, is_stand_in};

/// A context that a thread is in, on the stack frame of the function that entered it.
pub(super) struct Scope {
    /// `None`: in no context, whatever is around.
    pub(super) lineage: Option<Lineage>,
    /// The frame that marks its place on the stack of operations: what is above is in it, and so is the frame itself if
    /// it is a call's. Zero if there was no room for one.
    pub(super) mark: u64,
    /// The shard whose stack has the mark, or had no room for it. Null: none.
    seat: *const (),
    /// Changed only on the thread that is in it, when the one around leaves first.
    around: Cell<*const Scope>,
}

thread_local! {
    /// The innermost context of this thread. It has no destructor, so it can be read until the very end of the thread.
    static INNERMOST: Cell<*const Scope> = const { Cell::new(std::ptr::null()) };
}

pub(super) fn innermost<'a>() -> Option<&'a Scope> {
    // SAFETY: null or a scope that is entered: `with` takes it off before the scope goes away, also when a panic leaves.
    // Nothing is kept of the reference: every caller uses it before it returns, and no code of the host runs meanwhile.
    unsafe { INNERMOST.get().as_ref() }
}

impl Scope {
    pub(super) fn new(lineage: Option<Lineage>, mark: u64, seat: *const ()) -> Self {
        Self { lineage, mark, seat, around: Cell::new(std::ptr::null()) }
    }

    pub(super) fn around<'a>(&self) -> Option<&'a Scope> {
        // SAFETY: as in `innermost`: a scope leaves before those around it.
        unsafe { self.around.get().as_ref() }
    }

    /// Whether it is above all frames of a stack, which had no room for its mark.
    pub(super) fn is_above_all(&self, seat: *const ()) -> bool {
        self.mark == 0 && std::ptr::eq(self.seat, seat)
    }

    /// Runs `f` with this thread in the scope.
    #[inline]
    pub(super) fn with<R>(self, f: impl FnOnce() -> R) -> R {
        struct Leave(*const Scope);

        impl Drop for Leave {
            fn drop(&mut self) {
                take_off(self.0);
            }
        }

        self.around.set(INNERMOST.get());
        // Declared after `self`, so dropped before it.
        let _leave = Leave(&raw const self);
        INNERMOST.set(&raw const self);
        f()
    }
}

/// Takes a scope off the list of this thread, if it is there: mostly the innermost one.
fn take_off(scope: *const Scope) {
    let innermost = INNERMOST.get();
    // SAFETY: whoever calls this has the scope, and those in the list live, see `innermost`.
    let around = unsafe { &*scope }.around.get();
    if std::ptr::eq(innermost, scope) {
        INNERMOST.set(around);
        return;
    }
    let mut at = innermost;
    // SAFETY: as above.
    while let Some(inner) = unsafe { at.as_ref() } {
        at = inner.around.get();
        if std::ptr::eq(at, scope) {
            return inner.around.set(around);
        }
    }
}

#[cfg(feature = "tracing")]
thread_local! {
    /// Its address tells a thread from all others that live. Without a destructor, so that there is one until the end.
    static THREAD: u8 = const { 0 };
}

/// What tells this thread from all others that live.
#[cfg(feature = "tracing")]
pub(super) fn this_thread() -> usize {
    THREAD.with(|thread| std::ptr::from_ref(thread).addr())
}

/// A scope that a thread is in from one call of this crate to another one, in any order with those around it: in memory
/// of its own.
#[cfg(feature = "tracing")]
#[derive(Debug)]
pub(super) struct KeptScope {
    scope: *const Scope,
    thread: usize,
}

// SAFETY: the scope is touched by the thread that entered it and by no other, see `drop`.
#[cfg(feature = "tracing")]
unsafe impl Send for KeptScope {}
// SAFETY: as above; a shared reference gives no way to it.
#[cfg(feature = "tracing")]
unsafe impl Sync for KeptScope {}

#[cfg(feature = "tracing")]
impl KeptScope {
    /// Has this thread enter a scope, which it leaves when this is dropped.
    pub(super) fn enter(scope: Scope) -> Self {
        scope.around.set(INNERMOST.get());
        let scope = Box::into_raw(Box::new(scope)).cast_const();
        INNERMOST.set(scope);
        Self { scope, thread: this_thread() }
    }
}

#[cfg(feature = "tracing")]
impl Drop for KeptScope {
    fn drop(&mut self) {
        // On another thread it is left where it is, memory and all: that one may be looking at it. Only a guard that
        // the host gave to `mem::forget` leads here.
        if self.thread == this_thread() {
            take_off(self.scope);
            // SAFETY: made by `enter` with `Box::into_raw`, and out of the list.
            drop(unsafe { Box::from_raw(self.scope.cast_mut()) });
        }
    }
}

/// The lineage of a call on this thread's stack, or of one that has just been taken off. `lowest` is its own frame then,
/// or that which it stood on.
pub(super) fn lineage_of(stack: &Stack, seat: *const (), lowest: u64, id: u64) -> Lineage {
    let mut scope = innermost();
    while let Some(above) = scope.filter(|scope| scope.is_above_all(seat)) {
        scope = above.around();
    }
    let (mut within, mut root) = (false, stack.root_of(id));
    for frame in stack.top_down() {
        let here = frame.id();
        within |= here == lowest;
        if within && !is_stand_in(here) {
            root = frame.root();
        }
        if let Some(marked) = scope.filter(|scope| scope.mark == here) {
            if within {
                return marked.lineage.clone().unwrap_or(Lineage::Root(root));
            }
            scope = marked.around();
        }
    }
    // A context that the thread was in before it came to this stack.
    scope.and_then(|scope| scope.lineage.clone()).unwrap_or(Lineage::Root(root))
}
