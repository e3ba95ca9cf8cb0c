//! What is asked for of individual records, in the terms of the tables.

use std::collections::HashSet;

use rusqlite::OptionalExtension;

use super::error::StoreError;
use super::grade;
use super::read_records::Row;
use super::read_series::{Runs, SeriesChoice, string_id};
use super::reading::Reading;
use crate::model::units::to_ns;
use crate::model::{OperationFilter, Outcome};

/// What is asked for, in the terms of the table.
pub(super) struct Wanted<'a> {
    pub(super) since_ns: i64,
    pub(super) until_ns: i64,
    pub(super) min_ns: i64,
    pub(super) max_ns: i64,
    /// Bits 1 << outcome.
    pub(super) outcomes: i64,
    pub(super) series: Option<Vec<i64>>,
    series_set: HashSet<i64>,
    pub(super) runs: Option<Runs>,
    pub(super) trace: Option<u128>,
    /// Ids of keys, values.
    pub(super) fields: Vec<(i64, &'a str)>,
}

impl<'a> Wanted<'a> {
    /// `None` when nothing can fit, because a word of the filter is nowhere in the file.
    pub(super) fn new(reading: &Reading<'_>, filter: &'a OperationFilter) -> Result<Option<Wanted<'a>>, StoreError> {
        let series = SeriesChoice::from(filter).find(reading)?;
        let runs = Runs::find(reading, filter.run.as_deref(), filter.service.as_deref())?;
        if series.as_ref().is_some_and(Vec::is_empty) || runs.as_ref().is_some_and(|runs| runs.ids.is_empty()) {
            return Ok(None);
        }
        let mut fields = Vec::with_capacity(filter.fields.len());
        for (key, value) in &filter.fields {
            let Some(key) = string_id(reading, key)? else { return Ok(None) };
            fields.push((key, value.as_str()));
        }
        let (since_ns, until_ns) = filter.range.bounds_ns();
        let ns = |duration| i64::try_from(to_ns(duration)).unwrap_or(i64::MAX);
        let all = if filter.outcomes.is_empty() { &Outcome::ALL[..] } else { &filter.outcomes[..] };
        Ok(Some(Wanted {
            since_ns,
            until_ns,
            min_ns: filter.min_duration.map_or(0, ns),
            max_ns: filter.max_duration.map_or(i64::MAX, ns),
            outcomes: all.iter().fold(0, |bits, &outcome| bits | 1 << grade::number(outcome)),
            series_set: series.iter().flatten().copied().collect(),
            series,
            runs,
            trace: filter.trace_id.map(crate::TraceId::get),
            fields,
        }))
    }

    pub(super) fn any_duration(&self) -> bool {
        self.min_ns <= 0 && self.max_ns == i64::MAX
    }

    pub(super) fn may_succeed(&self) -> bool {
        self.outcomes & 1 != 0
    }

    /// Whether a row is what is asked for, but for its fields.
    pub(super) fn fits(&self, row: &Row) -> bool {
        (self.since_ns..self.until_ns).contains(&row.started_at_ns)
            && (self.min_ns..=self.max_ns).contains(&row.duration_ns)
            && self.outcomes & (1_i64 << (row.outcome & 63)) != 0
            && self.has_series(row.series_id)
            && self.runs.as_ref().is_none_or(|runs| runs.has(row.instance_id))
            && self.trace.is_none_or(|trace| row.trace_id() == trace)
    }

    pub(super) fn has_series(&self, series: i64) -> bool {
        self.series.is_none() || self.series_set.contains(&series)
    }

    pub(super) fn has_fields(&self, reading: &Reading<'_>, id: i64) -> Result<bool, StoreError> {
        let sql = "SELECT 1 FROM record_fields WHERE key_id = ?1 AND value = ?2 AND record_id = ?3";
        for (key, value) in &self.fields {
            if reading.prepare(sql)?.query_row((key, value, id), |_| Ok(())).optional()?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
