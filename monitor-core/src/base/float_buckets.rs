//! The log-linear bucket scale for numbers of any unit, read straight off the bits of the float.
//!
//! A float is a power of two and a mantissa: the power is the octave, and the top 5 bits of the mantissa are the step in
//! it. So there are 32 steps an octave, as on the scale of [`buckets`](super::buckets), over all magnitudes from 2.2e-308
//! to 1.8e308, and for negative numbers the same again. A bucket is 1/32 of its octave's lower end wide, so its midpoint
//! is within 1/64 (1.5625 %) of every value in it.
//!
//! Numbers nearer to zero than the smallest normal float count as zero, which has a bucket of its own. What is not finite
//! has none.

/// Buckets in one octave.
pub(crate) const STEPS: usize = 1 << STEP_BITS;
const STEP_BITS: u32 = 5;

const MANTISSA_BITS: u32 = f64::MANTISSA_DIGITS - 1;
/// Bits below the step.
const REST_BITS: u32 = MANTISSA_BITS - STEP_BITS;
/// The exponent of what is not finite; smaller ones, but for 0, are octaves.
const NOT_FINITE: u16 = 0x7FF;

/// The largest number of a bucket; the smallest is the same below zero.
pub(crate) const LAST_BUCKET: i32 = ((NOT_FINITE as i32) << STEP_BITS) - 1;

/// An octave: the float's exponent from 1 to 2,046, negative for negative numbers; 0 for zero. In the order of the values.
pub(crate) type OctaveNumber = i16;

/// Where a value is counted: its octave and the step in it, by magnitude. `None` if it is not finite.
#[inline(always)]
pub(crate) const fn locate(value: f64) -> Option<(OctaveNumber, usize)> {
    let bits = value.to_bits();
    let exponent = (bits >> MANTISSA_BITS) as u16 & NOT_FINITE;
    match exponent {
        NOT_FINITE => None,
        0 => Some((0, 0)),
        _ => {
            let step = (bits >> REST_BITS) as usize & (STEPS - 1);
            let octave = exponent.cast_signed();
            Some((if value < 0.0 { -octave } else { octave }, step))
        }
    }
}

/// The number of a bucket on the whole scale, in the order of the values.
pub(crate) const fn index(octave: OctaveNumber, step: usize) -> i32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "a step is less than 32")]
    let step = step as i32;
    let magnitude = ((octave as i32).abs() << STEP_BITS) + step;
    if octave < 0 { -magnitude } else { magnitude }
}

/// Octave and step of a bucket that is on the scale: not of a larger number than [`LAST_BUCKET`], nor among those that
/// count as zero.
pub(crate) fn bucket(index: i32) -> Option<(OctaveNumber, usize)> {
    let magnitude = usize::try_from(index.unsigned_abs()).ok()?;
    let octave = OctaveNumber::try_from(magnitude / STEPS).ok()?;
    match (octave, magnitude % STEPS) {
        (0, 0) => Some((0, 0)),
        (1.., step) if index.unsigned_abs() <= LAST_BUCKET.unsigned_abs() => {
            Some((if index < 0 { -octave } else { octave }, step))
        }
        _ => None,
    }
}

/// The smallest and the largest value of a bucket. Those of zero read as zero.
pub(crate) fn bounds(index: i32) -> (f64, f64) {
    if index == 0 {
        return (0.0, 0.0);
    }
    let magnitude = u64::from(index.unsigned_abs());
    let near = f64::from_bits(magnitude << REST_BITS);
    let far = f64::from_bits(((magnitude + 1) << REST_BITS) - 1);
    if index < 0 { (-far, -near) } else { (near, far) }
}

/// The value that stands for all of a bucket: no value in it is further away than 1/64 of itself.
pub(crate) fn midpoint(index: i32) -> f64 {
    let (low, high) = bounds(index);
    low + (high - low) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        let first = index(1, 0);
        for i in first..LAST_BUCKET {
            assert_eq!(bounds(i).1.next_up().to_bits(), bounds(i + 1).0.to_bits(), "bucket {i}");
        }
        assert_eq!(bounds(first).0.to_bits(), f64::MIN_POSITIVE.to_bits());
        assert_eq!(bounds(LAST_BUCKET).1.to_bits(), f64::MAX.to_bits());
        assert_eq!(bounds(-LAST_BUCKET).0.to_bits(), f64::MIN.to_bits());
    }

    #[test]
    fn every_bound_lies_in_its_own_bucket_and_the_midpoint_within_a_64th_of_each() {
        for i in (-LAST_BUCKET..=LAST_BUCKET).filter(|i| bucket(*i).is_some()) {
            let (low, high) = bounds(i);
            let mid = midpoint(i);
            for value in [low, mid, high] {
                let (octave, step) = locate(value).unwrap();
                assert_eq!((index(octave, step), bucket(i)), (i, Some((octave, step))), "value {value:e}");
                assert!((mid - value).abs() <= value.abs() / 64.0, "bucket {i}");
            }
        }
    }

    #[test]
    fn what_has_no_octave_is_zero_or_nowhere() {
        for zero in [0.0, -0.0, 5e-324, -5e-324, f64::MIN_POSITIVE.next_down()] {
            assert_eq!(locate(zero), Some((0, 0)), "{zero:e}");
        }
        for nowhere in [f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(locate(nowhere), None, "{nowhere}");
        }
        for off in [1, 31, -31, LAST_BUCKET + 1, i32::MAX, i32::MIN] {
            assert_eq!(bucket(off), None, "{off}");
        }
    }
}
