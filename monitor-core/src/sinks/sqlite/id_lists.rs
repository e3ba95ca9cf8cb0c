//! Ids of records from several indexes at once, in their order.
//!
//! An index gives the ids of what has one property in ascending order. A [`Union`] merges such lists; an [`Intersection`]
//! goes from id to id that all of its unions have, and asks each of them only for the next id from a place on: what
//! they have in between is passed over, not read. So the cost of a page follows the rarest property, not the table.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use rusqlite::ToSql;

use super::error::StoreError;
use super::reader::Reading;
use crate::model::SortOrder;

/// Ids read at once from a list that is read through.
const MOST_AT_ONCE: i64 = 256;

/// So many ids passed over each time are worth reading them, rather than finding the next place.
const WORTH: i64 = 24;

/// An id in the order asked for: the smaller comes first. Ids are positive, so negation is safe.
pub(super) type Place = i64;

pub(super) fn place(id: i64, order: SortOrder) -> Place {
    match order {
        SortOrder::NewestFirst => id.saturating_neg(),
        SortOrder::OldestFirst => id,
    }
}

/// The way back is the same way.
pub(super) fn id_of(place: Place, order: SortOrder) -> i64 {
    self::place(place, order)
}

/// Where a list is read.
#[derive(Debug)]
pub(super) enum Source {
    /// Records of a series with one grade, and with a duration in the range if the grade does not say that it is.
    Grade { series: i64, grade: i64, durations: Option<(i64, i64)> },
    /// Records that did not succeed, of one grade.
    NotSucceeded { grade: i64, durations: Option<(i64, i64)> },
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
    ahead: VecDeque<Place>,
    at_once: i64,
    /// How often it was asked since it was read last.
    asked: i64,
    exhausted: bool,
}

impl List {
    pub(super) fn new(source: Source) -> List {
        List { source, ahead: VecDeque::new(), at_once: 1, asked: 1, exhausted: false }
    }

    /// Of ids in any order.
    pub(super) fn known(mut ids: Vec<i64>, order: SortOrder) -> List {
        ids.sort_unstable_by_key(|&id| place(id, order));
        ids.dedup();
        let ahead = ids.into_iter().map(|id| place(id, order)).collect();
        List { source: Source::Known, ahead, at_once: 1, asked: 1, exhausted: true }
    }

    /// The first id at that place or after it.
    fn seek(&mut self, reading: &Reading<'_>, order: SortOrder, from: Place) -> Result<Option<Place>, StoreError> {
        while self.ahead.front().is_some_and(|&place| place < from) {
            self.ahead.pop_front();
        }
        if self.ahead.is_empty() && !self.exhausted {
            // Reading on costs a fiftieth of finding a place: a list of which little is passed over is read ahead.
            let worth_it = self.asked * WORTH >= self.at_once;
            self.at_once = if worth_it { (self.at_once * 2).min(MOST_AT_ONCE) } else { (self.at_once / 2).max(1) };
            self.asked = 0;
            self.read(reading, order, from)?;
        }
        self.asked += 1;
        Ok(self.ahead.front().copied())
    }

    fn read(&mut self, reading: &Reading<'_>, order: SortOrder, from: Place) -> Result<(), StoreError> {
        reading.check_deadline()?;
        let id = id_of(from, order);
        let limit = self.at_once;
        let (sql, parameters): (String, Vec<&dyn ToSql>) = match &self.source {
            Source::Grade { series, grade, durations } => {
                let mut parameters: Vec<&dyn ToSql> = vec![&id, &limit, series, grade];
                let within = match durations {
                    Some((min, max)) => {
                        parameters.extend::<[&dyn ToSql; 2]>([min, max]);
                        " AND duration_ns BETWEEN ?5 AND ?6"
                    }
                    None => "",
                };
                let table = "records INDEXED BY records_by_series";
                (sql("id", table, &format!("series_id = ?3 AND grade = ?4{within}"), order), parameters)
            }
            Source::NotSucceeded { grade, durations } => {
                let mut parameters: Vec<&dyn ToSql> = vec![&id, &limit, grade];
                let within = match durations {
                    Some((min, max)) => {
                        parameters.extend::<[&dyn ToSql; 2]>([min, max]);
                        " AND duration_ns BETWEEN ?4 AND ?5"
                    }
                    None => "",
                };
                let table = "records INDEXED BY records_not_succeeded";
                (sql("id", table, &format!("outcome <> 0 AND grade = ?3{within}"), order), parameters)
            }
            Source::Trace { high } => {
                (sql("id", "records INDEXED BY records_by_trace", "trace_id_high = ?3", order), vec![&id, &limit, high])
            }
            Source::Field { key, value } => {
                (sql("record_id", "record_fields", "key_id = ?3 AND value = ?4", order), vec![&id, &limit, key, value])
            }
            Source::Known => return Ok(()),
        };
        let mut statement = reading.prepare(&sql)?;
        let mut rows = statement.query(&*parameters)?;
        while let Some(row) = rows.next()? {
            self.ahead.push_back(place(row.get(0)?, order));
        }
        self.exhausted = i64::try_from(self.ahead.len()).unwrap_or(i64::MAX) < self.at_once;
        Ok(())
    }
}

fn sql(id: &str, table: &str, condition: &str, order: SortOrder) -> String {
    let (comparison, direction) = match order {
        SortOrder::NewestFirst => ("<=", "DESC"),
        SortOrder::OldestFirst => (">=", "ASC"),
    };
    format!("SELECT {id} FROM {table} WHERE {condition} AND {id} {comparison} ?1 ORDER BY {id} {direction} LIMIT ?2")
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

    fn seek(&mut self, reading: &Reading<'_>, order: SortOrder, from: Place) -> Result<Option<Place>, StoreError> {
        loop {
            match self.next.peek() {
                None => return Ok(None),
                Some(&Reverse((place, _))) if place >= from => return Ok(Some(place)),
                Some(&Reverse((_, list))) => {
                    self.next.pop();
                    if let Some(place) = self.lists[list].seek(reading, order, from)? {
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
    /// There must be one at least.
    pub(super) fn new(unions: Vec<Union>) -> Intersection {
        Intersection { unions }
    }

    /// The first id at that place or after it that all of them have, and that may be looked for: `skip` tells of a place
    /// where to go on, itself if it is as good as any, `None` if there is no further one.
    pub(super) fn seek(
        &mut self,
        reading: &Reading<'_>,
        order: SortOrder,
        from: Place,
        skip: impl Fn(Place) -> Option<Place>,
    ) -> Result<Option<Place>, StoreError> {
        let Some(mut at) = skip(from) else { return Ok(None) };
        // Until none of them has moved on.
        loop {
            let before = at;
            for union in &mut self.unions {
                let found = union.seek(reading, order, at)?.and_then(&skip);
                let Some(found) = found else { return Ok(None) };
                at = found;
            }
            if at == before {
                return Ok((!self.unions.is_empty()).then_some(at));
            }
        }
    }
}
