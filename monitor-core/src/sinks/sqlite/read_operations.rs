//! Individual records by filter: which indexes answer it.
//!
//! Whatever is asked for, a page must come quickly, also when nothing fits. So:
//!
//! - `record_blocks` tells for each 1,024 records what cannot be in them: other blocks are never looked into.
//! - Fields and traces that few records have are read from their index at once.
//! - What is rarer than a field is looked up among those that have it, many at once.
//! - Otherwise series with grade (outcome and class of duration), what did not succeed, durations that are rare, fields and
//!   traces are merged and intersected id by id (`id_lists`).
//! - Where nothing of that is asked for, or many series are, records are read in their order, block by block.

use std::cell::Cell;
use std::collections::HashSet;

use rusqlite::{OptionalExtension, ToSql};

use super::error::StoreError;
use super::grade::Grades;
use super::id_lists::{Intersection, List, Seeking, Source, Union, are_rare};
use super::places::{Place, id_of, place};
use super::read_blocks::{Blocks, RECORDS};
use super::read_records::Loader;
use super::reading::Reading;
use super::wanted::Wanted;
use crate::model::{OperationFilter, Page, PageKey, PageRequest, SortOrder, StoredRecord};

/// A property that so few records have is read at once.
const FEW: usize = 10_000;

/// So few are looked at one by one, whatever else is asked for.
const VERY_FEW: usize = 500;

/// So many ids are looked up at once.
const LOOKED_UP: usize = 256;

/// Looking one of them up costs as much as reading so many from a list.
const AS_READING: i64 = 3;

/// With more series than that, records in their order are tried first.
const MANY_SERIES: usize = 8;

/// How many of them.
const TRIED: i64 = 8 * RECORDS;

pub(super) fn operations(
    reading: &Reading<'_>,
    filter: &OperationFilter,
    page: &PageRequest,
) -> Result<Page<StoredRecord>, StoreError> {
    let Some(wanted) = Wanted::new(reading, filter)? else { return Ok(Page::empty()) };
    let blocks = Blocks::find(reading, &wanted)?;
    let from = match page.after {
        Some(key) => place(key.id(), page.order).saturating_add(1),
        None => place(if page.order == SortOrder::NewestFirst { i64::MAX } else { 0 }, page.order),
    };
    let mut search = Search {
        reading,
        wanted: &wanted,
        blocks: &blocks,
        order: page.order,
        loader: Loader::default(),
        found: Vec::new(),
        // One more tells whether there is a next page.
        enough: page.limit as usize + 1,
    };
    search.run(from)?;
    let mut found = search.found;
    let next = (found.len() > page.limit as usize).then(|| {
        found.truncate(page.limit as usize);
        found.last().map(|(id, _)| PageKey::new(page.order, 0, *id))
    });
    Ok(Page { entries: found.into_iter().map(|(_, record)| record).collect(), next: next.flatten() })
}

struct Search<'a> {
    reading: &'a Reading<'a>,
    wanted: &'a Wanted<'a>,
    blocks: &'a Blocks,
    order: SortOrder,
    loader: Loader,
    found: Vec<(i64, StoredRecord)>,
    enough: usize,
}

impl Search<'_> {
    fn run(&mut self, from: Place) -> Result<(), StoreError> {
        let wanted = self.wanted;
        let (properties, fewest) = self.rare_properties()?;
        let many_series = self.wanted.series.as_ref().is_none_or(|series| series.len() > MANY_SERIES);
        let mut from = from;
        let mut others = Vec::new();
        if fewest > VERY_FEW {
            if properties.is_empty() && many_series {
                let tried = Cell::new(TRIED);
                match self.in_order(from, &tried)? {
                    Some(place) => from = place,
                    None => return Ok(()),
                }
            }
            let any = wanted.any_duration();
            let rare = !any && are_rare(&self.seeking(), from, wanted.min_ns, wanted.max_ns)?;
            // Where durations are found by their own index, looking at them in others as well only costs.
            others.extend(self.by_series_or_outcome(!rare)?);
            if rare || !any && others.is_empty() && properties.is_empty() {
                others.push(self.one(Source::Durations { min: wanted.min_ns, max: wanted.max_ns }));
            }
        }
        if others.is_empty() && properties.is_empty() {
            return self.in_order(from, &Cell::new(i64::MAX)).map(|_| ());
        }
        let mut ids = Intersection::new(others);
        // With fields alone, none of which few have.
        if fewest == usize::MAX && wanted.trace.is_none() && !properties.is_empty() && !ids.is_empty() {
            match self.looked_up(&mut ids, from)? {
                Some(place) => from = place,
                None => return Ok(()),
            }
        }
        self.intersect(ids.and(properties), from)
    }

    fn seeking(&self) -> Seeking<'_> {
        Seeking { reading: self.reading, order: self.order, blocks: self.blocks }
    }

    fn one(&self, source: Source) -> Union {
        Union::new(vec![List::new(source, self.order)])
    }

    /// Fields and the trace; and how many records the rarest of them has, as far as that is known.
    fn rare_properties(&self) -> Result<(Vec<Union>, usize), StoreError> {
        let wanted = self.wanted;
        let mut unions = Vec::new();
        let mut fewest = usize::MAX;
        let mut add = |few: Option<Vec<i64>>, otherwise: Source| match few {
            Some(ids) => {
                fewest = fewest.min(ids.len());
                unions.push(Union::new(vec![List::known(ids, self.order)]));
            }
            None => unions.push(self.one(otherwise)),
        };
        if let Some(trace) = wanted.trace {
            let high = ((trace >> 64) as u64).cast_signed();
            let few = self.few("SELECT id FROM records WHERE trace_id_high = ?1", &[&high])?;
            add(few, Source::Trace { high });
        }
        for &(key, value) in &wanted.fields {
            let few =
                self.few("SELECT record_id FROM record_fields WHERE key_id = ?1 AND value = ?2", &[&key, &value])?;
            add(few, Source::Field { key, value: value.to_owned() });
        }
        Ok((unions, fewest))
    }

    /// All the ids that a statement gives, if they are few.
    fn few(&self, sql: &str, parameters: &[&dyn ToSql]) -> Result<Option<Vec<i64>>, StoreError> {
        let mut statement = self.reading.prepare(&format!("{sql} LIMIT {}", FEW + 1))?;
        let mut rows = statement.query(parameters)?;
        let mut ids = Vec::new();
        while let Some(row) = rows.next()? {
            ids.push(row.get(0)?);
        }
        Ok((ids.len() <= FEW).then_some(ids))
    }

    /// Lists by series and grade, or of what did not succeed; `None` when neither is asked for. Without `exactly`, durations
    /// are within their classes alone.
    fn by_series_or_outcome(&self, exactly: bool) -> Result<Option<Union>, StoreError> {
        let wanted = self.wanted;
        let grades = Grades::new(wanted.outcomes, wanted.min_ns, wanted.max_ns);
        let durations = |grade| (exactly && grades.is_edge(grade)).then_some((wanted.min_ns, wanted.max_ns));
        let mut lists = Vec::new();
        if let Some(series) = &wanted.series {
            for &series in series {
                self.reading.check_deadline()?;
                let sql = "SELECT grade FROM records INDEXED BY records_by_series
                    WHERE series_id = ?1 AND grade >= ?2 ORDER BY grade LIMIT 1";
                let next = |grade: i64| -> Result<Option<i64>, StoreError> {
                    let mut statement = self.reading.prepare(sql)?;
                    Ok(statement.query_row((series, grade), |row| row.get(0)).optional()?)
                };
                let mut from = grades.next(0);
                while let Some(grade) = from {
                    let Some(found) = next(grade)? else { break };
                    if grades.has(found) {
                        let durations = durations(found);
                        lists.push(List::new(Source::Grade { series, grade: found, durations }, self.order));
                    }
                    from = grades.next(found + 1);
                }
            }
        } else if wanted.may_succeed() {
            return Ok(None);
        } else {
            let mut from = grades.next(0);
            while let Some(grade) = from {
                lists.push(List::new(Source::NotSucceeded { grade, durations: durations(grade) }, self.order));
                from = grades.next(grade + 1);
            }
        }
        Ok(Some(Union::new(lists)))
    }

    fn intersect(&mut self, mut ids: Intersection, from: Place) -> Result<(), StoreError> {
        let mut at = from;
        while self.found.len() < self.enough {
            let Some(place) = ids.seek(&self.seeking(), at)? else { break };
            self.look_at(id_of(place, self.order))?;
            at = place.saturating_add(1);
        }
        Ok(())
    }

    /// Looks ids up among those that have the fields, as long as that costs less than going through the lists of them.
    /// Gives the place to go on at, `None` when it is done.
    fn looked_up(&mut self, ids: &mut Intersection, from: Place) -> Result<Option<Place>, StoreError> {
        let mut at = from;
        let mut begin = None;
        let (mut asked, mut had) = (0_i64, 0_i64);
        loop {
            self.reading.check_deadline()?;
            let mut some = Vec::with_capacity(LOOKED_UP);
            while some.len() < LOOKED_UP
                && let Some(place) = ids.seek(&self.seeking(), at)?
            {
                some.push(id_of(place, self.order));
                begin.get_or_insert(place);
                at = place.saturating_add(1);
                asked += 1;
            }
            let with_fields = self.with_fields(&some)?;
            for &id in some.iter().filter(|&id| with_fields.contains(id)) {
                had += 1;
                self.look_at(id)?;
                if self.found.len() >= self.enough {
                    return Ok(None);
                }
            }
            if some.len() < LOOKED_UP {
                return Ok(None);
            }
            // As many of all records have the fields as of these, as far as that tells: so many would be read.
            let passed = at.saturating_sub(begin.unwrap_or(at));
            let read = (had + 1).saturating_mul(passed) / asked.max(1);
            if read < asked.saturating_mul(AS_READING) {
                return Ok(Some(at));
            }
        }
    }

    /// Those of some ids that have all fields.
    fn with_fields(&self, ids: &[i64]) -> Result<HashSet<i64>, StoreError> {
        // By the table's key: there those with one value are close together. By record each is on another page.
        let sql = "SELECT record_id FROM record_fields INDEXED BY sqlite_autoindex_record_fields_1
            WHERE key_id = ?1 AND value = ?2 AND record_id IN (SELECT value FROM json_each(?3))";
        let mut left: HashSet<i64> = ids.iter().copied().collect();
        for (key, value) in &self.wanted.fields {
            let ids: Vec<_> = left.iter().map(i64::to_string).collect();
            let mut statement = self.reading.prepare(sql)?;
            let mut rows = statement.query((key, value, format!("[{}]", ids.join(","))))?;
            left.clear();
            while let Some(row) = rows.next()? {
                left.insert(row.get(0)?);
            }
        }
        Ok(left)
    }

    /// Reads records in their order, as many as may be tried. Gives the place to go on at, `None` when it is done.
    fn in_order(&mut self, from: Place, tried: &Cell<i64>) -> Result<Option<Place>, StoreError> {
        let wanted = self.wanted;
        // Other conditions are few words, or not for SQL.
        let sql = match self.order {
            SortOrder::NewestFirst => {
                "SELECT id, series_id, instance_id FROM records WHERE id BETWEEN ?1 AND ?2 AND duration_ns BETWEEN ?3 AND ?4
                 AND started_at_ns >= ?5 AND started_at_ns < ?6 AND (?7 >> outcome) & 1 ORDER BY id DESC"
            }
            SortOrder::OldestFirst => {
                "SELECT id, series_id, instance_id FROM records WHERE id BETWEEN ?1 AND ?2 AND duration_ns BETWEEN ?3 AND ?4
                 AND started_at_ns >= ?5 AND started_at_ns < ?6 AND (?7 >> outcome) & 1 ORDER BY id"
            }
        };
        let mut at = from;
        loop {
            let most = tried.get().div_euclid(RECORDS).max(1);
            let Some((first, last)) = self.blocks.run(at, self.order, most) else { return Ok(None) };
            if tried.get() <= 0 {
                return Ok(Some(at));
            }
            self.reading.check_deadline()?;
            let (low, high) = match self.order {
                SortOrder::NewestFirst => (id_of(last, self.order), id_of(first, self.order)),
                SortOrder::OldestFirst => (first, last),
            };
            tried.set(tried.get().saturating_sub(high.saturating_sub(low).saturating_add(1)));
            let reading = self.reading;
            let mut statement = reading.prepare(sql)?;
            let parameters =
                (low, high, wanted.min_ns, wanted.max_ns, wanted.since_ns, wanted.until_ns, wanted.outcomes);
            let mut rows = statement.query(parameters)?;
            while let Some(row) = rows.next()? {
                let runs = wanted.runs.as_ref();
                if !wanted.has_series(row.get(1)?) || runs.is_some_and(|runs| !row.get(2).is_ok_and(|id| runs.has(id)))
                {
                    continue;
                }
                self.look_at(row.get(0)?)?;
                if self.found.len() >= self.enough {
                    return Ok(None);
                }
            }
            at = last.saturating_add(1);
        }
    }

    /// Takes the record if it is what is asked for.
    fn look_at(&mut self, id: i64) -> Result<(), StoreError> {
        let wanted = self.wanted;
        let Some(row) = Loader::row(self.reading, id)? else { return Ok(()) };
        if wanted.fits(&row) && wanted.has_fields(self.reading, id)? {
            let record = self.loader.record(self.reading, &row)?;
            self.found.push((id, record));
        }
        Ok(())
    }
}
