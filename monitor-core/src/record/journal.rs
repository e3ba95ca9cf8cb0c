//! Individual records: the ring that a thread writes them to, and the newest of all threads.
//!
//! A ring is a bounded queue from the thread that holds a shard to whoever reads. Nobody reads all the time unless a
//! sink asks for it: [`Recent`] takes the rings in when it is asked for records, and a thread that finds its ring full
//! moves what is in it over itself, if it can without waiting. What finds no place is counted.
//!
//! With a sink, a collector is what records are for: whoever empties a ring puts them where they wait for it, and it is
//! the collector who moves them on to the newest ones.

use std::collections::VecDeque;
use std::sync::Arc;

use rtrb::{Consumer, Producer};

use super::lineage::Lineage;
use super::registry::Series;
use crate::model::{ByIdDetail, ErrorText, FieldValue, Outcome};

/// Records that a thread's ring has room for; about 40 KB, taken with the first record.
pub(crate) const RING: usize = 256;

/// Records in a ring from which on the collector is called: half of it.
pub(crate) const RING_CALLS: usize = RING / 2;

/// Records that wait for the collector beside the rings; further ones are lost and counted.
pub(crate) const WAITING: usize = 32_768;

/// One call as it stands in a ring; names and times are looked up when it is read.
#[derive(Debug)]
pub(crate) struct RawRecord {
    pub(crate) id: u64,
    /// [`GROUND`](super::stack::GROUND) without a parent.
    pub(crate) parent: u64,
    pub(crate) parent_series: Option<u32>,
    pub(crate) lineage: Lineage,
    pub(crate) series: Arc<Series>,
    pub(crate) outcome: Outcome,
    pub(crate) ended: u64,
    pub(crate) duration_ns: u64,
    /// Polls and busy time of a future.
    pub(crate) polls: u64,
    pub(crate) busy_ns: u64,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) thread: Arc<str>,
    pub(crate) detail: Option<Box<Detail>>,
}

/// What few records have.
#[derive(Debug, Default)]
pub(crate) struct Detail {
    pub(crate) fields: Vec<(String, FieldValue)>,
    pub(crate) error: Option<ErrorText>,
    pub(crate) by_id: Option<ByIdDetail>,
}

pub(crate) type Writer = Producer<RawRecord>;
pub(crate) type Reader = Consumer<RawRecord>;

/// The newest records of all threads.
#[derive(Debug)]
pub(crate) struct Recent {
    records: VecDeque<RawRecord>,
    capacity: usize,
    /// Records that made room for newer ones, and that nobody but a reader could have had.
    pub(crate) displaced: u64,
    /// Whether a collector is there for them.
    collecting: bool,
    waiting: VecDeque<RawRecord>,
    /// Records that found no place among the waiting ones.
    pub(crate) uncollected: u64,
}

impl Recent {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            records: VecDeque::new(),
            capacity,
            displaced: 0,
            collecting: false,
            waiting: VecDeque::new(),
            uncollected: 0,
        }
    }

    /// Has records wait for a collector from now on, or no longer. What waits then is among the newest.
    pub(crate) fn set_collecting(&mut self, collecting: bool) {
        self.collecting = collecting;
        if !collecting {
            for record in std::mem::take(&mut self.waiting) {
                self.keep(record);
            }
        }
    }

    /// Shows up to `most` of the records that wait to the collector, and puts them among the newest. How many they were.
    pub(crate) fn collect(&mut self, most: usize, mut show: impl FnMut(&RawRecord)) -> usize {
        let count = self.waiting.len().min(most);
        for _ in 0..count {
            if let Some(record) = self.waiting.pop_front() {
                show(&record);
                self.keep(record);
            }
        }
        count
    }

    pub(crate) fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
        self.make_room(0);
    }

    /// Takes over everything that is in a ring now.
    pub(crate) fn take_in(&mut self, ring: &mut Reader) {
        let ring_len = ring.slots();
        // No more than are there now: the writer may go on and on.
        for record in std::iter::repeat_with(|| ring.pop()).take(ring_len).map_while(Result::ok) {
            if !self.collecting {
                self.keep(record);
            } else if self.waiting.len() < WAITING {
                self.waiting.push_back(record);
            } else {
                self.uncollected += 1;
            }
        }
    }

    fn keep(&mut self, record: RawRecord) {
        self.make_room(1);
        if self.capacity > 0 {
            self.records.push_back(record);
        }
    }

    fn make_room(&mut self, for_new: usize) {
        while self.records.len() + for_new > self.capacity {
            // What a collector has had is not lost.
            self.displaced += u64::from(!self.collecting);
            if self.records.pop_front().is_none() {
                break;
            }
        }
    }

    /// The newest records, those that wait included, the newest first.
    pub(crate) fn newest(&mut self, n: usize) -> Vec<&RawRecord> {
        // Rings are taken in one after the other: each is in order, all together are not.
        let mut all: Vec<_> = self.records.iter().chain(&self.waiting).rev().collect();
        all.sort_by_key(|record| std::cmp::Reverse(record.ended));
        all.truncate(n.min(self.capacity));
        all
    }
}
