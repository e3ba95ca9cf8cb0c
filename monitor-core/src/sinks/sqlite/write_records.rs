//! Individual records, and what finds them.

use rusqlite::Connection;
use serde::Serialize;

use super::error::StoreError;
use super::intern::{Ids, json};
use super::values::{duration, id, outcome, size, trace};
use crate::model::units::unix_ns;
use crate::model::{ByIdDetail, ErrorText, FieldValue, OperationRecord};

/// Bits of an id inside of its block.
pub(super) const BLOCK_BITS: u32 = 10;

/// What few records have, as it is in the column `detail`.
#[derive(Serialize)]
struct Detail<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    fields: &'a [(String, FieldValue)],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    context: &'a [(String, FieldValue)],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a ErrorText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    by_id: Option<&'a ByIdDetail>,
}

/// What a row of `record_blocks` says.
struct Block {
    number: i64,
    first: i64,
    last: i64,
    shortest: i64,
    longest: i64,
    outcomes: i64,
}

/// Gives ids to records, and keeps account of what is in each block of them. Lives within one transaction.
pub(super) struct Numbering {
    next: i64,
    instance: i64,
    block: Option<Block>,
}

impl Numbering {
    pub(super) fn new(connection: &Connection, instance: i64) -> Result<Numbering, StoreError> {
        let sql = "SELECT coalesce(max(id), 0) + 1 FROM records";
        let next = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        Ok(Numbering { next, instance, block: None })
    }

    pub(super) fn number(
        &mut self,
        connection: &Connection,
        (started_at, took): (i64, i64),
        outcome: i64,
    ) -> Result<i64, StoreError> {
        let id = self.next;
        self.next += 1;
        let number = id >> BLOCK_BITS;
        let bit = 1 << outcome;
        match &mut self.block {
            Some(block) if block.number == number => {
                block.first = block.first.min(started_at);
                block.last = block.last.max(started_at);
                block.shortest = block.shortest.min(took);
                block.longest = block.longest.max(took);
                block.outcomes |= bit;
            }
            _ => {
                self.finish(connection)?;
                let (first, last, shortest, longest) = (started_at, started_at, took, took);
                self.block = Some(Block { number, first, last, shortest, longest, outcomes: bit });
            }
        }
        Ok(id)
    }

    /// Writes what is known of the last block.
    pub(super) fn finish(&mut self, connection: &Connection) -> Result<(), StoreError> {
        let Some(block) = self.block.take() else { return Ok(()) };
        let sql = "INSERT INTO record_blocks (block, first_started_at_ns, last_started_at_ns, min_duration_ns,
                max_duration_ns, outcomes, instances) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
            ON CONFLICT (block) DO UPDATE SET
                first_started_at_ns = min(first_started_at_ns, excluded.first_started_at_ns),
                last_started_at_ns = max(last_started_at_ns, excluded.last_started_at_ns),
                min_duration_ns = min(min_duration_ns, excluded.min_duration_ns),
                max_duration_ns = max(max_duration_ns, excluded.max_duration_ns),
                outcomes = outcomes | excluded.outcomes,
                instances = instances | excluded.instances";
        let instances = 1_i64 << (self.instance & 63);
        connection.prepare_cached(sql)?.execute((
            block.number,
            block.first,
            block.last,
            block.shortest,
            block.longest,
            block.outcomes,
            instances,
        ))?;
        Ok(())
    }
}

pub(super) const INSERT: &str = "INSERT INTO records (id, instance_id, series_id, outcome, started_at_ns, duration_ns,
    span_id, parent_span_id, trace_id_high, trace_id_low, thread_id, busy_ns, polls, items, bytes, parent_series_id, detail)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)";

pub(super) fn write(
    connection: &Connection,
    ids: &mut Ids,
    instance: i64,
    records: &[OperationRecord],
) -> Result<(), StoreError> {
    if records.is_empty() {
        return Ok(());
    }
    let mut numbering = Numbering::new(connection, instance)?;
    let mut insert = connection.prepare_cached(INSERT)?;
    for record in records {
        let series = ids.series(connection, [&record.name, &record.kind, &record.component], &record.labels)?;
        let thread = record.thread.as_deref().map(|thread| ids.string(connection, thread)).transpose()?;
        let parent_series = record.parent_name.as_deref().map(|name| ids.series_named(connection, name)).transpose()?;
        let span = id(record.span_id.map_or(record.id, crate::SpanId::get));
        let parent = record.parent_span_id.map(crate::SpanId::get).or(record.parent).map(id);
        let (trace_high, trace_low) = trace(record.trace_id, parent.unwrap_or(span));
        let (started_at, took) = (unix_ns(record.started_at), duration(record.duration));
        let outcome = outcome(record.outcome);
        let number = numbering.number(connection, (started_at, took), outcome)?;
        insert.execute(rusqlite::params![
            number,
            instance,
            series,
            outcome,
            started_at,
            took,
            span,
            parent,
            trace_high,
            trace_low,
            thread,
            record.busy_time.map(duration),
            size(record.polls),
            size(record.items),
            size(record.bytes),
            parent_series,
            detail(record)?,
        ])?;
        if !(record.fields.is_empty() && record.context.is_empty()) {
            write_fields(connection, ids, number, record)?;
        }
    }
    numbering.finish(connection)
}

fn detail(record: &OperationRecord) -> Result<Option<String>, StoreError> {
    let OperationRecord { fields, context, error, by_id, .. } = record;
    if fields.is_empty() && context.is_empty() && error.is_none() && by_id.is_none() {
        return Ok(None);
    }
    json(&Detail { fields, context, error: error.as_ref(), by_id: by_id.as_ref() }).map(Some)
}

fn write_fields(
    connection: &Connection,
    ids: &mut Ids,
    number: i64,
    record: &OperationRecord,
) -> Result<(), StoreError> {
    // A field and one of the context may be the same.
    let sql = "INSERT OR IGNORE INTO record_fields (key_id, value, record_id) VALUES (?1, ?2, ?3)";
    let mut insert = connection.prepare_cached(sql)?;
    for (key, value) in record.fields.iter().chain(&record.context) {
        let key = ids.string(connection, key)?;
        match value {
            FieldValue::Text(text) => insert.execute((key, text, number))?,
            other => insert.execute((key, other.to_string(), number))?,
        };
    }
    Ok(())
}
