//! A list of values that threads take hold of one at a time, lock-free.
//!
//! A value that nobody holds is taken again before a new one is made, so there are never more than threads held at
//! the same time. What is in the list stays until the list is dropped: readers walk it without asking anybody.

use std::ops::Deref;

use super::sync::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

/// A value in a [`Roster`].
pub(crate) struct Seat<T> {
    held: AtomicBool,
    value: T,
    next: *mut Seat<T>,
}

impl<T> Seat<T> {
    /// Gives the value back; what this thread did to it is seen by the next one that claims it. The caller must hold
    /// the seat.
    pub(crate) fn release(&self) {
        self.held.store(false, Ordering::Release);
    }

    /// Whether a thread holds it now.
    pub(crate) fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }
}

impl<T> Deref for Seat<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.value
    }
}

pub(crate) struct Roster<T> {
    first: AtomicPtr<Seat<T>>,
    len: AtomicUsize,
}

// SAFETY: a roster hands out `&T` to any thread, and drops its values on the thread that drops it.
unsafe impl<T: Send + Sync> Send for Roster<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Roster<T> {}

impl<T> Roster<T> {
    pub(crate) fn new() -> Self {
        Self { first: AtomicPtr::new(std::ptr::null_mut()), len: AtomicUsize::new(0) }
    }

    /// Takes hold of a value that nobody holds, or of a new one, which `make` makes from its number.
    pub(crate) fn claim(&self, make: impl FnOnce(usize) -> T) -> &Seat<T> {
        let free = self.iter().find(|seat| {
            !seat.is_held() && seat.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        free.unwrap_or_else(|| self.insert(make(self.len.fetch_add(1, Ordering::Relaxed))))
    }

    fn insert(&self, value: T) -> &Seat<T> {
        let mut first = self.first.load(Ordering::Relaxed);
        let seat = Box::into_raw(Box::new(Seat { held: AtomicBool::new(true), value, next: first }));
        // Nothing is ever taken out of the list, so the head that comes back is the head that was: no ABA.
        while let Err(now) = self.first.compare_exchange(first, seat, Ordering::Release, Ordering::Relaxed) {
            first = now;
            // SAFETY: not published yet, so this thread alone has it.
            unsafe { (*seat).next = now };
        }
        // SAFETY: kept until the roster is dropped, which needs `&mut self`.
        unsafe { &*seat }
    }

    /// All values, held or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seat<T>> {
        // SAFETY: as in `insert`; the acquiring load makes the seats behind it visible, since each of them was
        // published before by a compare-exchange that this one's push read from.
        let mut next = unsafe { self.first.load(Ordering::Acquire).as_ref() };
        std::iter::from_fn(move || {
            let seat = next?;
            // SAFETY: as above; `next` is not changed once the seat is published.
            next = unsafe { seat.next.as_ref() };
            Some(seat)
        })
    }

    /// Values made so far.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }
}

impl<T> Drop for Roster<T> {
    fn drop(&mut self) {
        let mut next = self.first.load(Ordering::Relaxed);
        while !next.is_null() {
            // SAFETY: `insert` made it with `Box::into_raw`, and `&mut self` says that nobody else has it now.
            let seat = unsafe { Box::from_raw(next) };
            next = seat.next;
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_released_seat_is_claimed_again() {
        let roster = Roster::new();
        let a = roster.claim(|i| i);
        let b = roster.claim(|i| i);
        assert_eq!((**a, **b), (0, 1));
        a.release();
        assert_eq!(**roster.claim(|i| i), 0);
        assert_eq!(roster.len(), 2);
    }

    #[test]
    fn no_two_threads_hold_one_seat() {
        let roster = Roster::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..2_000 {
                        let seat = roster.claim(|_| super::super::counter::Counter::new(0));
                        seat.add(1);
                        seat.release();
                    }
                });
            }
        });
        assert!(roster.len() <= 4);
        assert_eq!(roster.iter().map(|seat| seat.get()).sum::<u64>(), 8_000);
    }
}
