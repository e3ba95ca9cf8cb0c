//! How the operations of the large file behave, and what rollups say of it.

use monitor_core::Histogram;

use super::OPERATIONS;
use super::random::Random;

/// How operations behave.
pub(super) struct Model {
    /// An operation for each of 4,096 numbers: the first ones come often.
    share: Vec<u64>,
    /// Records there are.
    pub(super) records: u64,
}

impl Model {
    pub(super) fn new(records: u64) -> Model {
        let weight = |operation: u64| 1.0 / f64::from(u32::try_from(operation).unwrap_or(0) + 3);
        let sum: f64 = (0..OPERATIONS).map(weight).sum();
        let mut share = Vec::new();
        let mut so_far = 0.0;
        for operation in 0..OPERATIONS {
            so_far += weight(operation) / sum * 4_096.0;
            while f64::from(u32::try_from(share.len()).unwrap_or(u32::MAX)) < so_far && share.len() < 4_096 {
                share.push(operation);
            }
        }
        share.resize(4_096, 0);
        Model { share, records }
    }

    pub(super) fn operation(&self, random: &mut Random) -> u64 {
        self.share.get(usize::try_from(random.below(4_096)).unwrap_or(0)).copied().unwrap_or(0)
    }

    /// From 20 µs to 200 ms by operation, spread about that; one in a thousand is thirty times as slow.
    #[expect(clippy::cast_possible_truncation, reason = "nanoseconds of some minutes at most")]
    pub(super) fn duration(operation: u64, random: &mut Random) -> i64 {
        let middle = 20e3 * 10_f64.powf(4.0 * f64::from(u32::try_from(operation * 37 % 200).unwrap_or(0)) / 200.0);
        let slow = if random.one_in(1_000) { 30.0 } else { 1.0 };
        (middle * slow * (0.5 * random.normal()).exp()) as i64
    }

    pub(super) fn outcome(operation: u64, random: &mut Random) -> i64 {
        match random.below(1_000_000) {
            _ if operation.is_multiple_of(10) => 0,
            0..=19_999 => 1,
            20_000..=20_099 => 2,
            20_100..=21_099 => 3,
            21_100 => 4,
            _ => 0,
        }
    }
}

/// What a row of rollups says.
pub(super) struct Cell {
    pub(super) calls: i64,
    pub(super) failed: i64,
    pub(super) total: i64,
    pub(super) min: i64,
    pub(super) max: i64,
    pub(super) blob: Vec<u8>,
    histogram: Histogram,
}

impl Cell {
    pub(super) fn new(operation: u64, calls: u64, random: &mut Random) -> Cell {
        // The first ones are called a hundred times as often as the last.
        let calls = 1 + calls * 8 / (operation / 10 + 1) + random.below(4);
        let mut cell = Cell::none();
        for _ in 0..calls {
            let duration = Model::duration(operation, random);
            cell.histogram.record(duration.unsigned_abs());
            cell.calls += 1;
            cell.failed += i64::from(Model::outcome(operation, random) == 1);
            cell.total += duration;
            cell.min = cell.min.min(duration);
            cell.max = cell.max.max(duration);
        }
        cell.blob = cell.encoded();
        cell
    }

    /// Nothing that happened.
    pub(super) fn none() -> Cell {
        let (blob, histogram) = (Vec::new(), Histogram::new());
        Cell { calls: 0, failed: 0, total: 0, min: i64::MAX, max: 0, blob, histogram }
    }

    pub(super) fn merge(&mut self, other: &Cell) {
        self.calls += other.calls;
        self.failed += other.failed;
        self.total += other.total;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.histogram.merge(&other.histogram);
    }

    pub(super) fn encoded(&self) -> Vec<u8> {
        blob(&self.histogram)
    }
}

/// A histogram as docs/schema.md describes it.
fn blob(histogram: &Histogram) -> Vec<u8> {
    let mut blob = vec![1];
    let mut put = |mut number: u64| {
        while number >= 0x80 {
            blob.push(number.to_le_bytes().first().copied().unwrap_or(0) | 0x80);
            number >>= 7;
        }
        blob.push(number.to_le_bytes().first().copied().unwrap_or(0));
    };
    let mut before = 0;
    for (low, _, count) in histogram.buckets() {
        let bucket = bucket(low);
        put(bucket - before);
        put(count);
        before = bucket;
    }
    blob
}

/// The number of the bucket that begins there: 32 steps an octave.
fn bucket(low: u64) -> u64 {
    let shift = u64::from((low | 32).ilog2() - 5);
    if low < 32 { low } else { (shift + 1) * 32 + (low >> shift) - 32 }
}
