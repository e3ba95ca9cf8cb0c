//! Ids of records from several indexes at once, in their order.
//!
//! An index gives the ids of what has one property in ascending order. A [`Union`] merges such lists; an [`Intersection`]
//! goes from id to id that all of its unions have, and asks each of them only for the next id from a place on: what
//! they have in between is passed over, not read. So the cost of a page follows the rarest property, not the table.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rusqlite::Statement;

use super::error::StoreError;
use super::places::{Place, id_of, place};
use super::read_blocks::Blocks;
use super::reading::Reading;
use crate::model::SortOrder;

/// Ids read at once from a list that is read through.
const MOST_AT_ONCE: i64 = 256;

/// So many ids passed over each time are worth reading them, rather than finding the next place.
const WORTH: i64 = 24;

/// Bits of an id inside of its segment, as the index by duration has it.
const SEGMENT_BITS: u32 = 16;

/// A segment of which so many records have a duration that is asked for is not read: its ids are all taken to have one.
const MOST_OF_SEGMENT: i64 = 4_096;

/// What is sought in.
pub(super) struct Seeking<'a> {
    pub(super) reading: &'a Reading<'a>,
    pub(super) order: SortOrder,
    /// Other blocks are passed over.
    pub(super) blocks: &'a Blocks,
}

/// Where a list is read.
#[derive(Debug)]
pub(super) enum Source {
    /// Records of a series with one grade, and with a duration in the range if there is one.
    Grade { series: i64, grade: i64, durations: Option<(i64, i64)> },
    /// Records that did not succeed, of one grade, likewise.
    NotSucceeded { grade: i64, durations: Option<(i64, i64)> },
    /// Records with a duration in the range, and others where nearly all have one.
    Durations { min: i64, max: i64 },
    /// Records of traces whose ids begin like that.
    Trace { high: i64 },
    /// Records with a field.
    Field { key: i64, value: String },
    /// All of them are at hand.
    Known,
}

/// Ids in order.
pub(super) struct List {
    source: Source,
    sql: String,
    ahead: VecDeque<Place>,
    /// Up to that place any may be one of them.
    any_until: Place,
    at_once: i64,
    /// How often it was asked since it was read last.
    asked: i64,
    exhausted: bool,
}

impl List {
    pub(super) fn new(source: Source, order: SortOrder) -> List {
        let sql = source.sql(order);
        let ahead = VecDeque::new();
        List { source, sql, ahead, any_until: Place::MIN, at_once: 1, asked: 1, exhausted: false }
    }

    /// Of ids in any order.
    pub(super) fn known(mut ids: Vec<i64>, order: SortOrder) -> List {
        ids.sort_unstable_by_key(|&id| place(id, order));
        ids.dedup();
        let ahead = ids.into_iter().map(|id| place(id, order)).collect();
        List { ahead, exhausted: true, ..List::new(Source::Known, order) }
    }

    /// The first id at that place or after it.
    fn seek(&mut self, seeking: &Seeking<'_>, from: Place) -> Result<Option<Place>, StoreError> {
        while self.ahead.front().is_some_and(|&place| place < from) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() && !self.exhausted && from > self.any_until {
            seeking.reading.check_deadline()?;
            if let Source::Durations { min, max } = self.source {
                self.read_segments(seeking, from, min, max)?;
            } else {
                // Reading on costs a fiftieth of finding a place: a list of which little is passed over is read ahead.
                let worth_it = self.asked * WORTH >= self.at_once;
                self.at_once = if worth_it { (self.at_once * 2).min(MOST_AT_ONCE) } else { (self.at_once / 2).max(1) };
                self.asked = 0;
                self.read(seeking, from)?;
            }
        }
        self.asked += 1;
        Ok(self.ahead.front().copied().or((from <= self.any_until).then_some(from)))
    }

    fn read(&mut self, seeking: &Seeking<'_>, from: Place) -> Result<(), StoreError> {
        let id = id_of(from, seeking.order);
        let mut statement = seeking.reading.prepare(&self.sql)?;
        let mut rows = match (&self.source, self.at_once) {
            (Source::Grade { series, grade, durations: Some((min, max)) }, limit) => {
                statement.query((id, limit, series, grade, min, max))?
            }
            (Source::Grade { series, grade, durations: None }, limit) => statement.query((id, limit, series, grade))?,
            (Source::NotSucceeded { grade, durations: Some((min, max)) }, limit) => {
                statement.query((id, limit, grade, min, max))?
            }
            (Source::NotSucceeded { grade, durations: None }, limit) => statement.query((id, limit, grade))?,
            (Source::Trace { high }, limit) => statement.query((id, limit, high))?,
            (Source::Field { key, value }, limit) => statement.query((id, limit, key, value))?,
            (Source::Durations { .. } | Source::Known, _) => return Ok(()),
        };
        while let Some(row) = rows.next()? {
            self.ahead.push_back(place(row.get(0)?, seeking.order));
        }
        self.exhausted = i64::try_from(self.ahead.len()).unwrap_or(i64::MAX) < self.at_once;
        Ok(())
    }

    /// Reads the next segment that has any.
    fn read_segments(&mut self, seeking: &Seeking<'_>, from: Place, min: i64, max: i64) -> Result<(), StoreError> {
        let order = seeking.order;
        let mut from = from;
        let mut statement = seeking.reading.prepare(&self.sql)?;
        loop {
            let Some(at) = seeking.blocks.skip(from, order) else {
                self.exhausted = true;
                return Ok(());
            };
            let segment = id_of(at, order) >> SEGMENT_BITS;
            let (low, high) = (segment << SEGMENT_BITS, ((segment + 1) << SEGMENT_BITS) - 1);
            let last = place(if order == SortOrder::NewestFirst { low } else { high }, order);
            let ids = segment_ids(&mut statement, segment, min, max)?;
            if are_many(&ids) {
                self.any_until = last;
                return Ok(());
            }
            let mut places: Vec<_> = ids.into_iter().map(|id| place(id, order)).filter(|&place| place >= at).collect();
            places.sort_unstable();
            self.ahead.extend(places);
            if !self.ahead.is_empty() {
                return Ok(());
            }
            seeking.reading.check_deadline()?;
            from = last.saturating_add(1);
        }
    }
}

fn segment_ids(statement: &mut Statement<'_>, segment: i64, min: i64, max: i64) -> Result<Vec<i64>, StoreError> {
    let mut rows = statement.query((segment, min, max, MOST_OF_SEGMENT + 1))?;
    let mut ids = Vec::new();
    while let Some(row) = rows.next()? {
        ids.push(row.get(0)?);
    }
    Ok(ids)
}

/// Whether a segment is not to be read.
fn are_many(ids: &[i64]) -> bool {
    i64::try_from(ids.len()).is_ok_and(|ids| ids > MOST_OF_SEGMENT)
}

/// Whether durations are so rare, as far as three segments tell, that finding them is of use.
pub(super) fn are_rare(seeking: &Seeking<'_>, from: Place, min: i64, max: i64) -> Result<bool, StoreError> {
    let order = seeking.order;
    let mut statement = seeking.reading.prepare(&Source::Durations { min, max }.sql(order))?;
    let Some((first, last)) = seeking.blocks.ends(from, order) else { return Ok(true) };
    let (first, last) = (id_of(first, order) >> SEGMENT_BITS, id_of(last, order) >> SEGMENT_BITS);
    for segment in [first, first.midpoint(last), last] {
        if are_many(&segment_ids(&mut statement, segment, min, max)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Source {
    /// The statement of which `?1` is the place to begin at and `?2` how many are read; of durations, see `segment_ids`.
    fn sql(&self, order: SortOrder) -> String {
        let (id, table, condition) = match self {
            Source::Grade { durations: None, .. } => {
                ("id", "records INDEXED BY records_by_series", "series_id = ?3 AND grade = ?4")
            }
            Source::Grade { durations: Some(_), .. } => (
                "id",
                "records INDEXED BY records_by_series",
                "series_id = ?3 AND grade = ?4 AND duration_ns BETWEEN ?5 AND ?6",
            ),
            Source::NotSucceeded { durations: None, .. } => {
                ("id", "records INDEXED BY records_not_succeeded", "outcome <> 0 AND grade = ?3")
            }
            Source::NotSucceeded { durations: Some(_), .. } => (
                "id",
                "records INDEXED BY records_not_succeeded",
                "outcome <> 0 AND grade = ?3 AND duration_ns BETWEEN ?4 AND ?5",
            ),
            Source::Trace { .. } => ("id", "records INDEXED BY records_by_trace", "trace_id_high = ?3"),
            Source::Field { .. } => ("record_id", "record_fields", "key_id = ?3 AND value = ?4"),
            Source::Durations { .. } => {
                return "SELECT id FROM records INDEXED BY records_by_duration
                    WHERE id >> 16 = ?1 AND duration_ns BETWEEN ?2 AND ?3 LIMIT ?4"
                    .to_owned();
            }
            Source::Known => return String::new(),
        };
        let (comparison, direction) = match order {
            SortOrder::NewestFirst => ("<=", "DESC"),
            SortOrder::OldestFirst => (">=", "ASC"),
        };
        format!(
            "SELECT {id} FROM {table} WHERE {condition} AND {id} {comparison} ?1 ORDER BY {id} {direction} LIMIT ?2"
        )
    }
}

/// Ids that any of some lists has.
pub(super) struct Union {
    lists: Vec<List>,
    /// The next id of each list; none that has come to its end.
    next: BinaryHeap<Reverse<(Place, usize)>>,
}

impl Union {
    pub(super) fn new(lists: Vec<List>) -> Union {
        let next = (0..lists.len()).map(|list| Reverse((Place::MIN, list))).collect();
        Union { lists, next }
    }

    fn seek(&mut self, seeking: &Seeking<'_>, from: Place) -> Result<Option<Place>, StoreError> {
        loop {
            match self.next.peek() {
                None => return Ok(None),
                Some(&Reverse((place, _))) if place >= from => return Ok(Some(place)),
                Some(&Reverse((_, list))) => {
                    self.next.pop();
                    if let Some(place) = self.lists[list].seek(seeking, from)? {
                        self.next.push(Reverse((place, list)));
                    }
                }
            }
        }
    }
}

/// Ids that all of some unions have.
pub(super) struct Intersection {
    unions: Vec<Union>,
}

impl Intersection {
    /// There must be one at least when it is asked.
    pub(super) fn new(unions: Vec<Union>) -> Intersection {
        Intersection { unions }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.unions.is_empty()
    }

    /// From where it is now on, with others that all ids must have.
    pub(super) fn and(mut self, others: Vec<Union>) -> Intersection {
        self.unions.splice(0..0, others);
        self
    }

    /// The first id at that place or after it that all of them have, and that is in a block which may have what is
    /// asked for.
    pub(super) fn seek(&mut self, seeking: &Seeking<'_>, from: Place) -> Result<Option<Place>, StoreError> {
        let skip = |place| seeking.blocks.skip(place, seeking.order);
        let Some(mut at) = skip(from) else { return Ok(None) };
        // Until none of them has moved on.
        loop {
            let before = at;
            for union in &mut self.unions {
                let found = union.seek(seeking, at)?.and_then(skip);
                let Some(found) = found else { return Ok(None) };
                at = found;
            }
            if at == before {
                return Ok((!self.unions.is_empty()).then_some(at));
            }
        }
    }
}
