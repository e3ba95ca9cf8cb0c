//! A list that grows at its front and never shrinks: what readers walk while its owner adds to it.

use super::sync::{AtomicPtr, Ordering};

/// Values that stay where they are from when they are [pushed](Self::push) until the list is dropped.
pub(crate) struct List<T> {
    first: AtomicPtr<Node<T>>,
}

// The value first, so that one that starts on a cache line of its own stays there.
#[repr(C)]
struct Node<T> {
    value: T,
    next: *mut Node<T>,
}

// SAFETY: a list owns its values and hands out `&T` to any thread.
unsafe impl<T: Send + Sync> Send for List<T> {}
// SAFETY: as above; a push gives the list a value of the pushing thread, which is `Send`.
unsafe impl<T: Send + Sync> Sync for List<T> {}

impl<T> List<T> {
    pub(crate) fn new() -> Self {
        Self { first: AtomicPtr::new(std::ptr::null_mut()) }
    }

    /// Adds a value, from any thread.
    pub(crate) fn push(&self, value: T) -> &T {
        let mut first = self.first.load(Ordering::Relaxed);
        let node = Box::into_raw(Box::new(Node { value, next: first }));
        // Nothing is ever taken out, so the head that comes back is the head that was: no ABA.
        while let Err(now) = self.first.compare_exchange(first, node, Ordering::Release, Ordering::Relaxed) {
            first = now;
            // SAFETY: not published yet, so this thread alone has it.
            unsafe { (*node).next = now };
        }
        // SAFETY: kept until the list is dropped, which needs `&mut self`.
        unsafe { &(*node).value }
    }

    /// All values, the newest first, from any thread.
    #[inline]
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        // SAFETY: as in `push`; the acquiring load makes the nodes behind it visible, since each of them was published
        // before by a compare-exchange that this one's push read from.
        let mut next = unsafe { self.first.load(Ordering::Acquire).as_ref() };
        std::iter::from_fn(move || {
            let node = next?;
            // SAFETY: as above; `next` is not changed once the node is published.
            next = unsafe { node.next.as_ref() };
            Some(&node.value)
        })
    }
}

impl<T> Drop for List<T> {
    fn drop(&mut self) {
        let mut next = self.first.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: `push` made it with `Box::into_raw`, and `&mut self` says that nobody else has it now.
            let node = unsafe { Box::from_raw(next) };
            next = node.next;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_many_threads_push_is_all_there() {
        let list = List::new();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let list = &list;
                scope.spawn(move || {
                    for i in 0..1_000 {
                        assert_eq!(*list.push(thread * 1_000 + i), thread * 1_000 + i);
                    }
                });
            }
        });
        let mut found: Vec<i32> = list.iter().copied().collect();
        found.sort_unstable();
        assert_eq!(found, (0..4_000).collect::<Vec<_>>());
    }
}
