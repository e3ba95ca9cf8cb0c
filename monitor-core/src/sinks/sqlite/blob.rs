//! Histograms as blobs: a byte 1, then pairs of LEB128 numbers, the distance to the bucket before and the count.

use super::error::StoreError;
use crate::base::buckets::{BUCKETS, lower_bound};
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
    let Some((&VERSION, mut rest)) = blob.split_first() else {
        return Err(StoreError::damaged("a histogram has an unknown version"));
    };
    let mut bucket = 0_usize;
    while !rest.is_empty() {
        let (Some(distance), Some(count)) = (take(&mut rest), take(&mut rest)) else {
            return Err(StoreError::damaged("a histogram is cut short"));
        };
        bucket = bucket.saturating_add(usize::try_from(distance).unwrap_or(usize::MAX));
        if bucket >= BUCKETS {
            return Err(StoreError::damaged("a histogram is off its scale"));
        }
        histogram.record_n(lower_bound(bucket), count);
    }
    Ok(histogram)
}

fn put(blob: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        blob.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    blob.push(number.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
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
