//! A number that one thread writes and any thread reads.

use super::sync::{AtomicU64, Ordering};

/// A number with one writer at a time: changed by a plain load and a plain store, no locked instruction.
///
/// A second writer would lose additions, but could do no other harm: the cell is an atomic. Who may write is said by
/// whatever holds the counter.
#[derive(Debug)]
#[repr(transparent)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn new(value: u64) -> Self {
        Self(AtomicU64::new(value))
    }

    /// The value; for other threads it may be a moment old.
    #[inline(always)]
    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// The value, and with it everything its writer did before it published it with [`publish`](Self::publish).
    #[inline(always)]
    pub(crate) fn acquire(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    #[inline(always)]
    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Sets the value after everything that this thread did before.
    #[inline(always)]
    pub(crate) fn publish(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    /// Adds, wrapping: at a call each nanosecond a count lasts 584 years.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        self.set(self.get().wrapping_add(n));
    }

    /// Adds as far as the number can go.
    #[inline(always)]
    pub(crate) fn add_saturating(&self, n: u64) {
        self.set(self.get().saturating_add(n));
    }

    /// Adds after everything that this thread did before.
    #[inline(always)]
    pub(crate) fn add_published(&self, n: u64) {
        self.publish(self.get().wrapping_add(n));
    }

    /// The atomic itself, for the few cells that more than one thread may write.
    pub(crate) fn shared(&self) -> &AtomicU64 {
        &self.0
    }
}
