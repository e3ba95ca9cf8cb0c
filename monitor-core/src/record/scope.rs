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
    around: *const Scope,
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
        Self { lineage, mark, seat, around: std::ptr::null() }
    }

    pub(super) fn around<'a>(&self) -> Option<&'a Scope> {
        // SAFETY: as in `innermost`: a scope leaves before those around it.
        unsafe { self.around.as_ref() }
    }

    /// Whether it is above all frames of a stack, which had no room for its mark.
    pub(super) fn is_above_all(&self, seat: *const ()) -> bool {
        self.mark == 0 && std::ptr::eq(self.seat, seat)
    }

    /// Runs `f` with this thread in the scope.
    #[inline]
    pub(super) fn with<R>(mut self, f: impl FnOnce() -> R) -> R {
        struct Leave(*const Scope);

        impl Drop for Leave {
            fn drop(&mut self) {
                INNERMOST.set(self.0);
            }
        }

        self.around = INNERMOST.get();
        // Declared after `self`, so dropped before it.
        let _leave = Leave(self.around);
        INNERMOST.set(&raw const self);
        f()
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
