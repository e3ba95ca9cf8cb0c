//! Memory that an operation asks for, counted by an allocator that the program installs.
//!
//! An allocator is called from anywhere: from within this crate, at the end of a thread, in a forked child before
//! anything else. So counting takes no memory and no lock and has no way to panic: it reads a thread-local that has no
//! destructor, then two words of the thread's own stack, and adds to two counters that nobody else writes. Where one of
//! these is missing nothing is counted.
//!
//! The crate's own slow paths have the thread's shard out of reach ([`quiet`](super::quiet)), so what they take is not
//! ascribed to the operation that happens to run.

use std::alloc::{GlobalAlloc, Layout, System};

use super::local::current;

/// A global allocator that counts, for each operation, how often it asks for memory and for how much.
///
/// It hands every request on to the allocator inside, `System` or another one, and adds what was given to the operation
/// that runs on this thread: see [`Figures::allocations`](crate::Figures::allocations) and
/// [`Figures::allocated_bytes`](crate::Figures::allocated_bytes). Nothing is counted unless the program installs it:
///
/// ```
/// use monitor_core::alloc::TrackedAllocator;
/// use monitor_core::monitor;
///
/// #[global_allocator]
/// static ALLOCATOR: TrackedAllocator = TrackedAllocator::system();
///
/// let text = monitor().track("read", |_| String::with_capacity(4_096));
/// let snapshot = monitor().snapshot();
/// let stats = snapshot.operation("read").unwrap();
/// assert_eq!((stats.allocations, stats.allocated_bytes), (1, 4_096));
/// # drop(text);
/// ```
///
/// - What an operation called from inside asks for is that one's, as with self time. A future is charged for what is
///   asked for while it is polled.
/// - An operation is charged where it is on a thread's stack: threads that it starts are not in it, nor is an operation
///   of a monitor outside of that monitor's scope, and one nested deeper than 63 counts for the deepest that is not.
/// - A block that grows counts as one allocation of the bytes it grows by. One that shrinks, and what is given back, is
///   not counted: memory is often freed by another operation than the one that asked for it, on another thread or much
///   later, so a difference of the two would say nothing of either. The figures say who asks, not who holds.
/// - Requests that fail count nothing. What the monitor takes itself to record, to register or to read is left out. What
///   it is given to keep counts for whoever gives it: fields and labels of a builder, the name of a future, an error's
///   text.
///
/// It costs up to 3 ns an allocation and nothing for giving memory back, and takes no lock.
#[derive(Clone, Copy, Debug, Default)]
pub struct TrackedAllocator<A = System> {
    inner: A,
}

impl TrackedAllocator {
    /// Around the allocator of the operating system.
    #[must_use]
    pub const fn system() -> Self {
        Self::new(System)
    }
}

impl<A> TrackedAllocator<A> {
    /// Around another allocator.
    ///
    /// ```
    /// use monitor_core::alloc::TrackedAllocator;
    ///
    /// #[global_allocator]
    /// static ALLOCATOR: TrackedAllocator<std::alloc::System> = TrackedAllocator::new(std::alloc::System);
    /// ```
    #[must_use]
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

/// Adds memory that was given to the operation that runs on this thread, if one does.
#[inline(always)]
fn count(bytes: usize) {
    // Whether the monitor is switched off is not asked: a call that runs when the switch is turned counts to its end,
    // and later ones are not on the stack.
    if let Some(cell) = current().and_then(|holder| holder.seat().stack.top_cell()) {
        cell.allocations.add(1);
        cell.allocated_bytes.add(bytes as u64);
    }
}

// SAFETY: memory and layouts are those of the allocator inside; counting touches neither and does not unwind.
unsafe impl<A: GlobalAlloc> GlobalAlloc for TrackedAllocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        let block = unsafe { self.inner.alloc(layout) };
        if !block.is_null() {
            count(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let block = unsafe { self.inner.alloc_zeroed(layout) };
        if !block.is_null() {
            count(layout.size());
        }
        block
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.inner.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { self.inner.realloc(block, layout, new_size) };
        if !moved.is_null() && new_size > layout.size() {
            count(new_size - layout.size());
        }
        moved
    }
}
