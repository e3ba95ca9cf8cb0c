//! A list of values that threads take hold of one at a time, lock-free.
//!
//! A value that nobody holds is taken again before a new one is made, so there are never more than threads held at
//! the same time. What is in the list stays until the list is dropped: readers walk it without asking anybody.

use std::ops::Deref;

use super::list::List;
use super::sync::{AtomicBool, AtomicUsize, Ordering};

/// A value in a [`Roster`].
pub(crate) struct Seat<T> {
    held: AtomicBool,
    value: T,
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
    seats: List<Seat<T>>,
    len: AtomicUsize,
}

impl<T> Roster<T> {
    pub(crate) fn new() -> Self {
        Self { seats: List::new(), len: AtomicUsize::new(0) }
    }

    /// Takes hold of a value that nobody holds, or of a new one, which `make` makes from its number.
    pub(crate) fn claim(&self, make: impl FnOnce(usize) -> T) -> &Seat<T> {
        let free = self.iter().find(|seat| {
            !seat.is_held() && seat.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok()
        });
        free.unwrap_or_else(|| {
            let value = make(self.len.fetch_add(1, Ordering::Relaxed));
            self.seats.push(Seat { held: AtomicBool::new(true), value })
        })
    }

    /// All values, held or not.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Seat<T>> {
        self.seats.iter()
    }

    /// Values made so far.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
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
