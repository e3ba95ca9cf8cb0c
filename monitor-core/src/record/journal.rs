//! Individual records: the ring that a thread writes them to, and the newest of all threads.
//!
//! A ring is a bounded queue from the thread that holds a shard to whoever reads. Nobody reads all the time unless a
//! sink asks for it: [`Recent`] takes the rings in when it is asked for records, and a thread that finds its ring full
//! moves what is in it over itself, if it can without waiting. What finds no place is counted.

use std::collections::VecDeque;
use std::sync::Arc;

use rtrb::{Consumer, Producer};

use super::lineage::Lineage;
use super::registry::Series;
use crate::model::{ByIdDetail, ErrorText, FieldValue, Outcome};

/// Records that a thread's ring has room for; about 40 KB, taken with the first record.
pub(crate) const RING: usize = 256;

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
    /// Records that made room for newer ones.
    pub(crate) displaced: u64,
}

impl Recent {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { records: VecDeque::new(), capacity, displaced: 0 }
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
            self.make_room(1);
            if self.capacity > 0 {
                self.records.push_back(record);
            }
        }
    }

    fn make_room(&mut self, for_new: usize) {
        while self.records.len() + for_new > self.capacity {
            self.displaced += 1;
            if self.records.pop_front().is_none() {
                break;
            }
        }
    }

    /// The records in the order in which their calls ended.
    pub(crate) fn in_order(&mut self) -> impl DoubleEndedIterator<Item = &RawRecord> {
        // Rings are taken in one after the other: each is in order, all together are not.
        self.records.make_contiguous().sort_by_key(|record| record.ended);
        self.records.iter()
    }
}
