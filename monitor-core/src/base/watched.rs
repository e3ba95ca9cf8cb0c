//! A value under a lock, and waiting for it to change.
//!
//! Of the standard library, unlike other locks here: those of `parking_lot` keep a list of waiting threads for the
//! whole process, and a child that was forked off while some waited has a list of threads that it does not have. Who
//! takes such a lock for a moment hardly ever waits; who waits for others as a rule would wait for ever.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

#[derive(Debug, Default)]
pub(crate) struct Watched<T> {
    value: Mutex<T>,
    changed: Condvar,
}

impl<T> Watched<T> {
    pub(crate) const fn new(value: T) -> Watched<T> {
        Watched { value: Mutex::new(value), changed: Condvar::new() }
    }

    /// The value. A panic of whoever had it before does not matter: it was left as it is.
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same without waiting.
    #[cfg(feature = "sqlite")]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        match self.value.try_lock() {
            Ok(value) => Some(value),
            Err(std::sync::TryLockError::Poisoned(left)) => Some(left.into_inner()),
            Err(std::sync::TryLockError::WouldBlock) => None,
        }
    }

    /// Tells all who wait that it has changed.
    pub(crate) fn notify_all(&self) {
        self.changed.notify_all();
    }

    /// Waits for a change, until then at most. Gives the value, and whether it was too late. It may also return without
    /// either.
    pub(crate) fn wait_until<'a>(&self, value: MutexGuard<'a, T>, until: Instant) -> (MutexGuard<'a, T>, bool) {
        let patience = until.saturating_duration_since(Instant::now());
        let (value, ended) = self.changed.wait_timeout(value, patience).unwrap_or_else(PoisonError::into_inner);
        (value, ended.timed_out())
    }
}
