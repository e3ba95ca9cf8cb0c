//! How long items have waited: a histogram that asks for no memory by itself, since its owner holds a lock.

use crate::base::buckets::{OCTAVES, STEPS, locate};

/// The 32 buckets of one octave.
pub(super) type Octave = [u64; STEPS];

/// Times in nanoseconds.
#[derive(Debug)]
pub(super) struct Waits {
    octaves: [Option<Box<Octave>>; OCTAVES],
    pub(super) sum_ns: u64,
    pub(super) longest_ns: u64,
}

/// A copy, taken under the lock into memory that was there before.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) octaves: Vec<(usize, Octave)>,
}

impl Copied {
    /// With room for all octaves that there can be.
    pub(super) fn with_room() -> Copied {
        Copied { octaves: Vec::with_capacity(OCTAVES) }
    }
}

impl Waits {
    pub(super) fn new() -> Waits {
        Waits { octaves: [const { None }; OCTAVES], sum_ns: 0, longest_ns: 0 }
    }

    /// The octave in which a time is counted, if that is still missing.
    #[inline(always)]
    pub(super) fn missing(&self, ns: u64) -> Option<usize> {
        let (octave, _) = locate(ns);
        self.octaves.get(octave).is_some_and(Option::is_none).then_some(octave)
    }

    /// Takes over memory for an octave; gives it back if it is there already.
    #[must_use]
    pub(super) fn give(&mut self, octave: usize, memory: Box<Octave>) -> Option<Box<Octave>> {
        match self.octaves.get_mut(octave) {
            Some(place @ None) => {
                *place = Some(memory);
                None
            }
            _ => Some(memory),
        }
    }

    /// Counts a time whose octave is there.
    #[inline(always)]
    pub(super) fn record(&mut self, ns: u64) {
        let (octave, step) = locate(ns);
        if let Some(Some(octave)) = self.octaves.get_mut(octave) {
            octave[step] = octave[step].saturating_add(1);
        }
        self.sum_ns = self.sum_ns.saturating_add(ns);
        self.longest_ns = self.longest_ns.max(ns);
    }

    pub(super) fn copy_to(&self, copied: &mut Copied) {
        copied.octaves.clear();
        let used = self.octaves.iter().enumerate().filter_map(|(number, octave)| Some((number, **octave.as_ref()?)));
        copied.octaves.extend(used);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Histogram;

    #[test]
    fn it_counts_as_the_histogram_that_is_given_out() {
        let (mut waits, mut exact) = (Waits::new(), Histogram::new());
        for ns in [0, 1, 31, 32, 33, 64, 1_000, 1_000, 999_999_999, u64::MAX] {
            if let Some(octave) = waits.missing(ns) {
                assert_eq!(waits.give(octave, Box::new([0; STEPS])), None);
            }
            assert_eq!(waits.missing(ns), None);
            waits.record(ns);
            exact.record(ns);
        }
        let (mut copied, mut read) = (Copied::with_room(), Histogram::new());
        waits.copy_to(&mut copied);
        copied.octaves.iter().for_each(|(number, counts)| read.add_octave(*number, counts));
        assert_eq!((read, waits.longest_ns, waits.sum_ns), (exact, u64::MAX, u64::MAX));
        assert!(waits.give(0, Box::new([0; STEPS])).is_some(), "it is there already");
    }
}
