//! The histogram of one operation on one thread: log-linear, octaves allocated on first use, written by one thread
//! while others read.
//!
//! The newest duration is kept aside and reaches its bucket with the next one. The address of a bucket depends on the
//! clock reading that was just taken, and a store to an address that late holds up the loads of the following call,
//! its clock reading with them: on the machine it was measured on, two clock reads and the rest of a tracked call took
//! 19.5 ns, and 30 ns with the bucket written at once. One call later the address is long known. Readers count the
//! value kept aside, so nothing is missing from what they see.

use super::counter::Counter;
use super::quiet::quietly_or_not;
use super::sync::{AtomicPtr, Ordering};
use crate::base::buckets::{OCTAVES, STEPS, locate};
use crate::model::Histogram;

/// The 32 buckets of one octave. 256 bytes.
#[repr(align(64))]
struct Octave([Counter; STEPS]);

/// A histogram of nanoseconds with one writer. 512 bytes, and 256 more for each octave in use.
pub(crate) struct Durations {
    /// The newest duration and the number of calls it stands for; not yet in its bucket.
    newest_ns: Counter,
    newest_weight: Counter,
    /// Calls counted, the newest included. Published last.
    counted: Counter,
    octaves: [AtomicPtr<Octave>; OCTAVES],
}

impl Durations {
    /// Bytes that each octave in use takes.
    pub(crate) const OCTAVE_BYTES: usize = size_of::<Octave>();

    pub(crate) fn new() -> Self {
        Self {
            newest_ns: Counter::new(0),
            newest_weight: Counter::new(0),
            counted: Counter::new(0),
            octaves: std::array::from_fn(|_| AtomicPtr::new(std::ptr::null_mut())),
        }
    }

    /// Counts a duration `weight` times. Only the thread that holds the shard may call it.
    #[inline(always)]
    pub(crate) fn record(&self, ns: u64, weight: u64) {
        let weight_before = self.newest_weight.get();
        let (octave, step) = locate(self.newest_ns.get());
        let slot = &self.octaves[octave];
        let mut buckets = slot.load(Ordering::Relaxed);
        if buckets.is_null() {
            buckets = Self::allocate(slot, weight_before);
        }
        if !buckets.is_null() {
            // SAFETY: an octave, once published, stays until the histogram is dropped, which needs `&mut self`.
            let buckets = unsafe { &*buckets };
            buckets.0[step].add(weight_before);
        }
        // Published, so that who sees it sees the bucket of the one before.
        self.newest_ns.publish(ns);
        self.newest_weight.set(weight);
        self.counted.add_published(weight);
    }

    /// A new octave, or null before the first duration, when there is nothing to write.
    #[cold]
    #[inline(never)]
    fn allocate(slot: &AtomicPtr<Octave>, weight: u64) -> *mut Octave {
        if weight == 0 {
            return std::ptr::null_mut();
        }
        let octave = quietly_or_not(|| Box::into_raw(Box::new(Octave(std::array::from_fn(|_| Counter::new(0))))));
        slot.store(octave, Ordering::Release);
        octave
    }

    /// Adds what is counted here to a histogram, from any thread.
    ///
    /// While the writer goes on, the result counts at least as many calls as had been counted when this began; the
    /// durations of the last ones may be those of the calls that came meanwhile.
    pub(crate) fn add_to(&self, histogram: &mut Histogram) {
        // The total first: all but the newest of these durations are in their buckets by then, so what is missing
        // from the buckets below is the newest one, and what is there beyond the total came later.
        let counted = self.counted.acquire();
        if counted == 0 {
            return;
        }
        let newest_ns = self.newest_ns.acquire();
        let mut in_buckets = 0_u64;
        // With that of the newest one.
        histogram.reserve_octaves(self.octaves_held() + 1);
        for (number, slot) in self.octaves.iter().enumerate() {
            let octave = slot.load(Ordering::Acquire);
            if octave.is_null() {
                continue;
            }
            // SAFETY: as in `record`; the acquiring load above makes the octave's initial zeros visible.
            let octave = unsafe { &*octave };
            let counts: [u64; STEPS] = std::array::from_fn(|step| octave.0[step].get());
            in_buckets = in_buckets.wrapping_add(counts.iter().fold(0, |sum: u64, n| sum.wrapping_add(*n)));
            histogram.add_octave(number, &counts);
        }
        if in_buckets < counted {
            histogram.record_n(newest_ns, counted - in_buckets);
        }
    }

    /// Octaves in use.
    pub(crate) fn octaves_held(&self) -> usize {
        self.octaves.iter().filter(|slot| !slot.load(Ordering::Relaxed).is_null()).count()
    }
}

impl Drop for Durations {
    fn drop(&mut self) {
        for slot in &self.octaves {
            let octave = slot.load(Ordering::Relaxed);
            if !octave.is_null() {
                // SAFETY: `allocate` made it with `Box::into_raw`, and `&mut self` says that nobody else has it now.
                drop(unsafe { Box::from_raw(octave) });
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn read(durations: &Durations) -> Histogram {
        let mut histogram = Histogram::new();
        durations.add_to(&mut histogram);
        histogram
    }

    #[test]
    fn every_duration_is_seen_at_once() {
        let durations = Durations::new();
        let mut exact = Histogram::new();
        for ns in [0, 1, 31, 32, 63, 64, 1_000, 999_999_999, u64::MAX, 5, 5, 5] {
            durations.record(ns, 1);
            exact.record(ns);
            assert_eq!(read(&durations), exact, "after {ns}");
        }
    }

    #[test]
    fn a_weight_counts_that_often() {
        let durations = Durations::new();
        durations.record(100, 31);
        durations.record(200, 7);
        assert_eq!(read(&durations).count(), 38);
    }

    #[test]
    fn an_octave_takes_memory_only_when_used() {
        let durations = Durations::new();
        assert_eq!(durations.octaves_held(), 0);
        for ns in 1_000..1_020 {
            durations.record(ns, 1);
        }
        assert_eq!(durations.octaves_held(), 1);
    }
}
