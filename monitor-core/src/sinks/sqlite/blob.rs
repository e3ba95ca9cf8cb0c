//! Histograms as blobs: a byte 1, then pairs of LEB128 numbers, the distance to the bucket before and the count.

use super::error::StoreError;
use crate::base::buckets::{BUCKETS, OCTAVES, STEPS, lower_bound};
use crate::model::Histogram;

const VERSION: u8 = 1;

pub(crate) fn encode(histogram: &Histogram) -> Vec<u8> {
    let mut blob = vec![VERSION];
    let mut before = 0;
    for (bucket, count) in histogram.cells() {
        put(&mut blob, (bucket - before) as u64);
        put(&mut blob, count);
        before = bucket;
    }
    blob
}

pub(crate) fn decode(blob: &[u8]) -> Result<Histogram, StoreError> {
    let mut histogram = Histogram::new();
    each_cell(blob, |bucket, count| {
        let Some(value) = (bucket < BUCKETS).then(|| lower_bound(bucket)) else { return false };
        histogram.record_n(value, count);
        true
    })?;
    Ok(histogram)
}

/// A sum of blobs on its way into a histogram. Adding a blob to it costs a third of decoding and merging one.
pub(super) struct Sum {
    /// One for each bucket.
    counts: Box<[[u64; STEPS]]>,
    /// Octaves that may have counts; `None` before there are any.
    used: Option<(usize, usize)>,
}

impl Sum {
    pub(super) fn new() -> Sum {
        Sum { counts: vec![[0; STEPS]; OCTAVES].into_boxed_slice(), used: None }
    }

    /// Adds what a blob holds. After an error the sum is worth nothing.
    pub(super) fn add(&mut self, blob: &[u8]) -> Result<(), StoreError> {
        let Sum { counts, used } = self;
        let cells = counts.as_flattened_mut();
        let last = each_cell(blob, |bucket, count| {
            let Some(cell) = cells.get_mut(bucket) else { return false };
            *cell = cell.saturating_add(count);
            true
        })?;
        // What it begins with, looked at once: the loop above is most of what a curve of percentiles costs.
        if let Some(first) = blob.get(1..).and_then(|mut rest| take_number(&mut rest)) {
            let first = usize::try_from(first).unwrap_or(last).min(last);
            let (low, high) = used.unwrap_or((OCTAVES, 0));
            *used = Some((low.min(first / STEPS), high.max(last / STEPS)));
        }
        Ok(())
    }

    /// Adds the sum to a histogram, and begins anew.
    pub(super) fn move_to(&mut self, histogram: &mut Histogram) {
        let Some((low, high)) = self.used.take() else { return };
        for (octave, counts) in self.counts.iter_mut().enumerate().take(high + 1).skip(low) {
            histogram.add_octave(octave, counts);
            *counts = [0; STEPS];
        }
    }
}

/// Gives each bucket and its count to `take`, which says whether there is such a bucket. Returns the last one, 0 if there
/// is none.
#[inline(always)]
fn each_cell(blob: &[u8], mut take: impl FnMut(usize, u64) -> bool) -> Result<usize, StoreError> {
    let Some((&VERSION, mut rest)) = blob.split_first() else {
        return Err(StoreError::damaged("a histogram has an unknown version"));
    };
    let off_scale = || Err(StoreError::damaged("a histogram is off its scale"));
    let mut bucket = 0_usize;
    loop {
        // Nearly all numbers are of one byte.
        let mut taken = 0;
        for pair in rest.chunks_exact(2) {
            let &[distance, count] = pair else { break };
            if (distance | count) >= 0x80 {
                break;
            }
            bucket += usize::from(distance);
            if !take(bucket, u64::from(count)) {
                return off_scale();
            }
            taken += 2;
        }
        rest = rest.get(taken..).unwrap_or_default();
        if rest.is_empty() {
            return Ok(bucket);
        }
        let (Some(distance), Some(count)) = (take_number(&mut rest), take_number(&mut rest)) else {
            return Err(StoreError::damaged("a histogram is cut short"));
        };
        bucket = bucket.saturating_add(usize::try_from(distance).unwrap_or(usize::MAX));
        if !take(bucket, count) {
            return off_scale();
        }
    }
}

fn put(blob: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        blob.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    blob.push(number.to_le_bytes()[0]);
}

fn take_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = u64::from(byte & 0x7F);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn histograms() -> impl Strategy<Value = Histogram> {
        let values = prop_oneof![any::<u64>(), 0..100_u64, 1_000..10_000_000_u64];
        let counts = prop_oneof![1..5_u64, any::<u64>()];
        prop::collection::vec((values, counts), 0..60).prop_map(|values| {
            let mut histogram = Histogram::new();
            for (value, count) in values {
                histogram.record_n(value, count);
            }
            histogram
        })
    }

    proptest! {
        #[test]
        fn a_histogram_comes_back_the_same(histogram in histograms()) {
            prop_assert_eq!(decode(&encode(&histogram)).unwrap(), histogram);
        }

        #[test]
        fn merging_what_came_back_is_merging(one in histograms(), other in histograms()) {
            let mut back = decode(&encode(&one)).unwrap();
            back.merge(&decode(&encode(&other)).unwrap());
            let mut direct = one;
            direct.merge(&other);
            prop_assert_eq!(encode(&back), encode(&direct));
        }

        #[test]
        fn a_sum_of_blobs_is_the_merged_histogram(all in prop::collection::vec(histograms(), 0..6)) {
            let (mut sum, mut direct, mut summed) = (Sum::new(), Histogram::new(), Histogram::new());
            for (number, histogram) in all.iter().enumerate() {
                direct.merge(histogram);
                sum.add(&encode(histogram)).unwrap();
                if number % 2 == 1 {
                    sum.move_to(&mut summed);
                }
            }
            sum.move_to(&mut summed);
            prop_assert_eq!(&summed, &direct);
            sum.move_to(&mut summed);
            prop_assert_eq!(summed, direct);
        }

        #[test]
        fn a_sum_refuses_what_is_no_histogram(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut blob = vec![VERSION];
            blob.extend(&bytes);
            prop_assert_eq!(Sum::new().add(&blob).is_ok(), decode(&blob).is_ok());
        }

        #[test]
        fn any_bytes_are_a_histogram_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut blob = vec![VERSION];
            blob.extend(&bytes);
            if let Ok(histogram) = decode(&blob) {
                prop_assert_eq!(decode(&encode(&histogram)).unwrap(), histogram);
            }
            let _ = decode(&bytes);
        }

        #[test]
        fn what_is_cut_short_within_a_pair_is_an_error(histogram in histograms()) {
            let blob = encode(&histogram);
            if blob.len() > 1 {
                prop_assert!(decode(&blob[..blob.len() - 1]).is_err());
            }
        }
    }

    #[test]
    fn the_form_is_the_one_that_is_documented() {
        let mut histogram = Histogram::new();
        assert_eq!(encode(&histogram), [1]);
        histogram.record_n(3, 300);
        histogram.record(5);
        assert_eq!(encode(&histogram), [1, 3, 0xAC, 0x02, 2, 1]);
    }

    #[test]
    fn versions_that_are_not_known_and_numbers_that_are_too_large_are_errors() {
        for blob in
            [&[][..], &[2], &[1, 0xFF, 0xFF, 0x7F, 1], &[1, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2]]
        {
            assert!(decode(blob).is_err(), "{blob:?}");
        }
    }
}
