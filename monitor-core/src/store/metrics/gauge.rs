//! A number that goes up and down: one float, the last one set. There is nothing to split among threads, since who sets it
//! says what it is for all of them.

use std::sync::atomic::{AtomicU64, Ordering};

/// The bits of a float; 0.0 at first. It takes whatever the host sets, also what is not a number.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU64);

impl Gauge {
    #[inline(always)]
    pub(crate) fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Ordering::Release);
    }

    /// Adds; every addition counts, however many threads add at once.
    #[inline(always)]
    pub(crate) fn add(&self, value: f64) {
        let mut bits = self.0.load(Ordering::Relaxed);
        loop {
            let sum = (f64::from_bits(bits) + value).to_bits();
            match self.0.compare_exchange_weak(bits, sum, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => bits = now,
            }
        }
    }

    pub(crate) fn read(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Acquire))
    }
}
