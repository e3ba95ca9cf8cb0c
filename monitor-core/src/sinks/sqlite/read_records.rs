//! Rows of `records` as records.

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;

use super::error::StoreError;
use super::grade;
use super::read_series::{RUN, STRING, SeriesName, Texts, series_name};
use super::reading::Reading;
use crate::model::units::from_unix_ns;
use crate::model::{ByIdDetail, ErrorText, FieldValue, OperationRecord, Outcome, SpanId, StoredRecord, TraceId};

/// A row as it is.
pub(super) struct Row {
    pub(super) instance_id: i64,
    pub(super) series_id: i64,
    pub(super) outcome: i64,
    pub(super) started_at_ns: i64,
    pub(super) duration_ns: i64,
    span_id: i64,
    parent_span_id: Option<i64>,
    trace_id_high: i64,
    trace_id_low: Option<i64>,
    thread_id: Option<i64>,
    busy_ns: Option<i64>,
    polls: i64,
    items: i64,
    bytes: i64,
    parent_series_id: Option<i64>,
    detail: Option<String>,
}

impl Row {
    pub(super) fn trace_id(&self) -> u128 {
        trace_number(self.trace_id_high, self.trace_id_low.or(self.parent_span_id).unwrap_or(self.span_id))
    }
}

pub(super) fn trace_number(high: i64, low: i64) -> u128 {
    u128::from(high.cast_unsigned()) << 64 | u128::from(low.cast_unsigned())
}

/// What few records have.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    fields: Vec<(String, FieldValue)>,
    context: Vec<(String, FieldValue)>,
    error: Option<ErrorText>,
    by_id: Option<ByIdDetail>,
}

/// Reads rows and knows the texts that it has read.
#[derive(Default)]
pub(super) struct Loader {
    runs: Texts,
    threads: Texts,
    series: HashMap<i64, SeriesName>,
}

impl Loader {
    /// `None` if there is no such row any more.
    pub(super) fn row(reading: &Reading<'_>, id: i64) -> Result<Option<Row>, StoreError> {
        let sql = "SELECT instance_id, series_id, outcome, started_at_ns, duration_ns, span_id, parent_span_id, trace_id_high,
            trace_id_low, thread_id, busy_ns, polls, items, bytes, parent_series_id, detail FROM records WHERE id = ?1";
        let mut statement = reading.prepare(sql)?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        Ok(Some(Row {
            instance_id: row.get(0)?,
            series_id: row.get(1)?,
            outcome: row.get(2)?,
            started_at_ns: row.get(3)?,
            duration_ns: row.get(4)?,
            span_id: row.get(5)?,
            parent_span_id: row.get(6)?,
            trace_id_high: row.get(7)?,
            trace_id_low: row.get(8)?,
            thread_id: row.get(9)?,
            busy_ns: row.get(10)?,
            polls: row.get(11)?,
            items: row.get(12)?,
            bytes: row.get(13)?,
            parent_series_id: row.get(14)?,
            detail: row.get(15)?,
        }))
    }

    pub(super) fn record(&mut self, reading: &Reading<'_>, row: &Row) -> Result<StoredRecord, StoreError> {
        let damaged = |_| StoreError::damaged("the detail of a record is no JSON object of the form that it has");
        let trace_id = TraceId::new(row.trace_id());
        let detail: Detail = match &row.detail {
            Some(json) => serde_json::from_str(json).map_err(damaged)?,
            None => Detail::default(),
        };
        let parent_name = match row.parent_series_id {
            Some(parent) => Some(self.series(reading, parent)?.name),
            None => None,
        };
        let thread = match row.thread_id {
            Some(thread) => Some(self.threads.text(reading, STRING, thread)?),
            None => None,
        };
        let series = self.series(reading, row.series_id)?;
        let parent_id = row.parent_span_id.map(i64::cast_unsigned);
        let record = OperationRecord {
            id: row.span_id.cast_unsigned(),
            // A parent without a name is one in another program.
            parent: parent_id.filter(|_| parent_name.is_some()),
            parent_name,
            trace_id,
            span_id: SpanId::new(row.span_id.cast_unsigned()),
            parent_span_id: parent_id.and_then(SpanId::new),
            name: series.name,
            kind: series.kind,
            component: series.component,
            labels: series.labels,
            outcome: grade::outcome(row.outcome).unwrap_or(Outcome::Interrupted),
            started_at: from_unix_ns(row.started_at_ns),
            duration: ns(row.duration_ns),
            busy_time: row.busy_ns.map(ns),
            polls: count(row.polls),
            items: count(row.items),
            bytes: count(row.bytes),
            fields: detail.fields,
            context: detail.context,
            error: detail.error,
            thread,
            by_id: detail.by_id,
        };
        Ok(StoredRecord { run: self.runs.text(reading, RUN, row.instance_id)?, record })
    }

    fn series(&mut self, reading: &Reading<'_>, id: i64) -> Result<SeriesName, StoreError> {
        if let Some(known) = self.series.get(&id) {
            return Ok(known.clone());
        }
        let name = series_name(reading, id)?;
        self.series.insert(id, name.clone());
        Ok(name)
    }
}

/// A duration as it is kept.
pub(super) fn ns(ns: i64) -> Duration {
    Duration::from_nanos(count(ns))
}

/// A count as it is kept.
pub(super) fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or(0)
}
