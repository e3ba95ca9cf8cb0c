//! The contexts that a thread is in, one within the other, and where on its stack of operations each begins.
//!
//! A thread enters a context for the time of a closure or of a poll. The list of those that it is in goes through the
//! stack frames of these functions, so entering asks for no memory, and leaving is one store.

use std::cell::Cell;

use super::lineage::Lineage;
use super::stack::{Frame, GROUND, Stack, is_stand_in};

/// A context that a thread is in, on the stack frame of the function that entered it.
pub(super) struct Scope {
    /// `None`: in no context, whatever is around.
    pub(super) lineage: Option<Lineage>,
    /// The frame that marks its place on the stack of operations: what is above is in it, and so is the frame itself if
    /// it is a call's. Zero if there was no room for one: the stack is sealed then.
    pub(super) mark: u64,
    /// The stack that has the mark, or had no room for it. Null: none. It outlives the scope.
    stack: *const Stack,
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
    /// Of this thread's stack; `None`: it has none.
    pub(super) fn new(lineage: Option<Lineage>, mark: u64, stack: Option<&Stack>) -> Self {
        let stack = stack.map_or(std::ptr::null(), std::ptr::from_ref);
        Self { lineage, mark, stack, around: Cell::new(std::ptr::null()) }
    }

    pub(super) fn around<'a>(&self) -> Option<&'a Scope> {
        // SAFETY: as in `innermost`: a scope leaves before those around it.
        unsafe { self.around.get().as_ref() }
    }

    /// Whether it is above all frames of a stack, which had no room for its mark.
    pub(super) fn is_above_all(&self, stack: &Stack) -> bool {
        self.mark == 0 && std::ptr::eq(self.stack, stack)
    }

    /// Whether its mark is on a stack, or was: that of a span goes if what is below is left first.
    #[cfg(feature = "tracing")]
    pub(super) fn has_mark_on(&self, stack: &Stack) -> bool {
        self.mark != 0 && std::ptr::eq(self.stack, stack)
    }

    /// What goes along to another monitor's stack: a context does. That a call is the outermost one of its trace is said
    /// of the calls on its own stack.
    pub(super) fn carried(&self) -> Option<Lineage> {
        self.lineage.clone().filter(|lineage| matches!(lineage, Lineage::Context(_)))
    }

    /// Runs `f` with this thread in the scope.
    #[inline]
    pub(super) fn with<R>(self, f: impl FnOnce() -> R) -> R {
        struct Leave<'a> {
            scope: *const Scope,
            sealed: Option<&'a Stack>,
        }

        impl Drop for Leave<'_> {
            fn drop(&mut self) {
                take_off(self.scope);
                if let Some(stack) = self.sealed {
                    stack.unseal();
                }
            }
        }

        self.around.set(INNERMOST.get());
        // SAFETY: null or a stack of this thread, in a recorder that lives as long as the thread records into it: whoever
        // made the scope runs it there.
        let sealed = if self.mark == 0 { unsafe { self.stack.as_ref() } } else { None };
        if let Some(stack) = sealed {
            stack.seal();
        }
        // Declared after `self`, so dropped before it.
        let _leave = Leave { scope: &raw const self, sealed };
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
    /// Has this thread enter a scope that has a mark, and leave it when this is dropped.
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
pub(super) fn lineage_of(stack: &Stack, mut lowest: u64, mut id: u64) -> Lineage {
    if lowest != GROUND && !stack.top_down().any(|frame| frame.id() == lowest) {
        // The call that it was made from has just been ended by another thread. Below is what that one stood on.
        (lowest, id) = (stack.top().id(), lowest);
    }
    let mut scope = innermost();
    while let Some(above) = scope.filter(|scope| scope.is_above_all(stack)) {
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
    scope.and_then(Scope::carried).unwrap_or(Lineage::Root(root))
}

/// The lineages of all that is above a frame. Asked for before anything is taken off: without what is below, a call would
/// be the first of its trace.
pub(super) fn lineages_above(stack: &Stack, frame: u64) -> Vec<(u64, Lineage)> {
    let above = stack.top_down().map(Frame::id).take_while(|id| *id != frame);
    above.map(|id| (id, lineage_of(stack, id, id))).collect()
}

/// Takes that of one call out of them.
pub(super) fn take_lineage(lineages: &mut Vec<(u64, Lineage)>, id: u64) -> Lineage {
    let at = lineages.iter().position(|(known, _)| *known == id);
    at.map_or(Lineage::Root(id), |at| lineages.swap_remove(at).1)
}
