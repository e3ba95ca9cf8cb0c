//! The log-linear bucket scale that every duration is counted on.
//!
//! The scale has 32 steps an octave. The first octave holds the values 0 to 31, each in a bucket of its own; octave
//! `k` of the others holds the values from `32 << (k - 1)` to `(64 << (k - 1)) - 1` in 32 buckets of equal width. A
//! bucket is at most 1/32 of its lower bound wide, so its midpoint is within 1/64 (1.5625 %) of every value in it.
//! This is the scale of H2 histograms, and of HDR histograms but for its first octave.

/// Buckets in one octave.
pub(crate) const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 5;

/// Octaves that cover every `u64`: 0 to 31, then one for each leading bit from the 6th to the 64th.
pub(crate) const OCTAVES: usize = 64 - STEP_BITS as usize + 1;

/// Buckets on the whole scale.
pub(crate) const BUCKETS: usize = OCTAVES * STEPS;

/// Where a value is counted: its octave and the step in it.
#[inline(always)]
#[expect(clippy::cast_possible_truncation, reason = "masked to 5 bits")]
pub(crate) const fn locate(value: u64) -> (usize, usize) {
    // For values below 64 the shift is zero, and value 32 falls on step 0 of octave 1: the first two octaves have
    // the same width, which saves the hot path a branch.
    let shift = (value | (STEPS as u64)).ilog2() - STEP_BITS;
    let octave = shift as usize + (value >= STEPS as u64) as usize;
    (octave, ((value >> shift) & (STEPS as u64 - 1)) as usize)
}

/// The number of a value's bucket on the whole scale.
pub(crate) const fn index(value: u64) -> usize {
    let (octave, step) = locate(value);
    octave * STEPS + step
}

/// The smallest value of a bucket.
pub(crate) const fn lower_bound(index: usize) -> u64 {
    let (octave, step) = (index / STEPS, (index % STEPS) as u64);
    if octave == 0 { step } else { (STEPS as u64 + step) << (octave - 1) }
}

/// The largest value of a bucket.
pub(crate) const fn upper_bound(index: usize) -> u64 {
    if index + 1 >= BUCKETS { u64::MAX } else { lower_bound(index + 1) - 1 }
}

/// The value that stands for all of a bucket: no value in it is further away than 1/64 of itself.
pub(crate) const fn midpoint(index: usize) -> u64 {
    let (low, high) = (lower_bound(index), upper_bound(index));
    low + (high - low) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        for i in 0..BUCKETS - 1 {
            assert_eq!(upper_bound(i) + 1, lower_bound(i + 1), "bucket {i}");
        }
        assert_eq!((lower_bound(0), upper_bound(BUCKETS - 1)), (0, u64::MAX));
    }

    #[test]
    fn every_bound_lies_in_its_own_bucket() {
        for i in 0..BUCKETS {
            for value in [lower_bound(i), midpoint(i), upper_bound(i)] {
                assert_eq!(index(value), i, "value {value}");
            }
        }
    }

    #[test]
    fn the_midpoint_is_within_a_64th_of_every_value() {
        for i in 0..BUCKETS {
            let (low, mid, high) = (lower_bound(i), midpoint(i), upper_bound(i));
            let within = |distance: u64, of: u64| u128::from(distance) * 64 <= u128::from(of);
            assert!(within(mid - low, low) && within(high - mid, high), "bucket {i}");
        }
    }
}
