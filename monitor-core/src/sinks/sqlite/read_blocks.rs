//! Which blocks of 1,024 records may have what is asked for.

use super::error::StoreError;
use super::places::{Place, id_of, place};
use super::reading::Reading;
use super::wanted::Wanted;
use crate::model::SortOrder;

/// Bits of an id inside of its block.
const BITS: u32 = 10;

/// Records in a block.
pub(super) const RECORDS: i64 = 1 << BITS;

/// The most blocks that are read as one.
const MOST_TOGETHER: i64 = 64;

/// Blocks that may have what is asked for.
pub(super) struct Blocks {
    first: i64,
    /// From `first` on; `None` when nothing is known and all may.
    may: Option<Vec<bool>>,
    last: i64,
}

impl Blocks {
    pub(super) fn find(reading: &Reading<'_>, wanted: &Wanted<'_>) -> Result<Blocks, StoreError> {
        let sql = "SELECT coalesce(min(id), 1), coalesce(max(id), 0) FROM
            (SELECT (SELECT min(id) FROM records) AS id UNION ALL SELECT (SELECT max(id) FROM records))";
        let (low, high): (i64, i64) = reading.prepare(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if high < low {
            return Ok(Blocks { first: 0, may: Some(Vec::new()), last: -1 });
        }
        let (first, last) = (low >> BITS, high >> BITS);
        let runs = wanted.runs.as_ref();
        let (since_ns, until_ns) = (wanted.since_ns, wanted.until_ns);
        let bits = runs.map_or(-1, super::read_series::Runs::bits);
        let anything =
            since_ns == i64::MIN && until_ns == i64::MAX && wanted.any_duration() && wanted.outcomes == 0b1_1111;
        if anything && bits == -1 {
            return Ok(Blocks { first, may: None, last });
        }
        let sql = "SELECT block FROM record_blocks WHERE last_started_at_ns >= ?1 AND first_started_at_ns < ?2
            AND max_duration_ns >= ?3 AND min_duration_ns <= ?4 AND outcomes & ?5 AND instances & ?6";
        let mut statement = reading.prepare(sql)?;
        let mut rows = statement.query((since_ns, until_ns, wanted.min_ns, wanted.max_ns, wanted.outcomes, bits))?;
        let blocks = usize::try_from(last - first + 1).unwrap_or(0);
        let mut may = vec![false; blocks];
        while let Some(row) = rows.next()? {
            let block: i64 = row.get(0)?;
            if let Some(may) = usize::try_from(block - first).ok().and_then(|at| may.get_mut(at)) {
                *may = true;
            }
        }
        Ok(Blocks { first, may: Some(may), last })
    }

    fn may(&self, block: i64) -> bool {
        match &self.may {
            None => (self.first..=self.last).contains(&block),
            Some(may) => usize::try_from(block - self.first).ok().and_then(|at| may.get(at)).copied().unwrap_or(false),
        }
    }

    /// The place itself, or the next one that is in a block which may have something.
    pub(super) fn skip(&self, from: Place, order: SortOrder) -> Option<Place> {
        if self.last < self.first {
            return None;
        }
        let id = id_of(from, order);
        let mut block = (id >> BITS).clamp(self.first, self.last);
        if block == id >> BITS && self.may(block) {
            return Some(from);
        }
        let step = if order == SortOrder::NewestFirst { -1 } else { 1 };
        while (self.first..=self.last).contains(&block) {
            if self.may(block) {
                let (low, high) = ends(block);
                let begin = place(if order == SortOrder::NewestFirst { high } else { low }, order);
                if begin >= from {
                    return Some(begin);
                }
                if place(if order == SortOrder::NewestFirst { low } else { high }, order) >= from {
                    return Some(from);
                }
            }
            block += step;
        }
        None
    }

    /// The first and the last place from there on that are in blocks which may have something.
    pub(super) fn ends(&self, from: Place, order: SortOrder) -> Option<(Place, Place)> {
        let first = self.skip(from, order)?;
        let mut blocks = self.first..=self.last;
        let last = match order {
            SortOrder::NewestFirst => ends(blocks.find(|&block| self.may(block))?).0,
            SortOrder::OldestFirst => ends(blocks.rfind(|&block| self.may(block))?).1,
        };
        Some((first, place(last, order)))
    }

    /// Places from there on that lie together in blocks which may have something, at most so many: the first and the
    /// last one.
    pub(super) fn run(&self, from: Place, order: SortOrder, most: i64) -> Option<(Place, Place)> {
        let first = self.skip(from, order)?;
        let step = if order == SortOrder::NewestFirst { -1 } else { 1 };
        let begin = id_of(first, order) >> BITS;
        let mut block = begin;
        while (block - begin).abs() < most.min(MOST_TOGETHER) - 1 && self.may(block + step) {
            block += step;
        }
        let (low, high) = ends(block);
        Some((first, place(if order == SortOrder::NewestFirst { low } else { high }, order)))
    }
}

/// The first and last id of a block.
fn ends(block: i64) -> (i64, i64) {
    let low = block << BITS;
    (low, low + (1 << BITS) - 1)
}
