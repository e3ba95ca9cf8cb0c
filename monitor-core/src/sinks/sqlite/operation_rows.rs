//! Rows of operations by id. Each function is a part of an immediate transaction: what it reads is true until it has written.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Row};
use serde::de::DeserializeOwned;

use super::error::StoreError;
use super::intern::json;
use super::values::{id as signed, outcome, size, size_back};
use super::{grade, instances};
use crate::model::units::{from_unix_ns, unix_ns};
use crate::model::{LedgerBegin, LedgerEnd, LedgerEntry, SpanId, TraceId};
use crate::ports::operations::LedgerError;

/// What becomes of a request: done, refused with a reason, or not possible.
pub(super) type Answer<T> = Result<Result<T, LedgerError>, StoreError>;

/// Ids and spans of operations that ended.
pub(super) type Ends = Vec<(String, Option<SpanId>)>;

/// Fields that are read back of what others wrote.
const MAX_FIELDS: usize = 64;

/// A row as [`entry`] reads it, and `instances.id` of who began it.
pub(super) const FIND: &str =
    "SELECT name, kind, component, labels, worker, input_bytes, output_bytes, fields, context, steps, steps_over,
        step_since_ns, (SELECT run FROM instances WHERE instances.id = begun_by),
        (SELECT run FROM instances WHERE instances.id = ended_by), started_at_ns, ended_at_ns, outcome, items, bytes,
        trace_id_high, trace_id_low, span_id, parent_span_id, begun_by
    FROM operations_by_id WHERE id = ?1";

/// The last run of an operation by id, and `instances.id` of who began it.
pub(super) fn find(connection: &Connection, id: &str) -> Result<Option<(LedgerEntry, i64)>, StoreError> {
    let mut statement = connection.prepare_cached(FIND)?;
    let mut rows = statement.query([id])?;
    rows.next()?.map(|row| Ok((entry(row, id)?, row.get(23)?))).transpose()
}

/// The row of an operation.
pub(super) fn entry(row: &Row<'_>, id: &str) -> Result<LedgerEntry, StoreError> {
    let count = |column: usize| -> rusqlite::Result<u64> { Ok(size_back(row.get(column)?)) };
    let some =
        |column: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(column)?.map(size_back)) };
    let time = |column: usize| -> rusqlite::Result<Option<SystemTime>> {
        Ok(row.get::<_, Option<i64>>(column)?.map(from_unix_ns))
    };
    let span = |column: usize| -> rusqlite::Result<Option<SpanId>> {
        Ok(row.get::<_, Option<i64>>(column)?.and_then(|number| SpanId::new(number.cast_unsigned())))
    };
    let trace: (Option<i64>, Option<i64>) = (row.get(19)?, row.get(20)?);
    let trace = trace.0.zip(trace.1).and_then(|(high, low)| {
        TraceId::new((u128::from(high.cast_unsigned()) << 64) | u128::from(low.cast_unsigned()))
    });
    let mut fields: Vec<_> = from_json(row, 7)?;
    fields.truncate(MAX_FIELDS);
    let mut context: Vec<_> = from_json(row, 8)?;
    context.truncate(MAX_FIELDS);
    let begun = LedgerBegin {
        id: id.to_owned(),
        name: row.get(0)?,
        kind: row.get(1)?,
        component: row.get(2)?,
        labels: from_json(row, 3)?,
        worker: row.get(4)?,
        input_bytes: some(5)?,
        fields,
        context,
        trace_id: trace,
        span_id: span(21)?,
        parent_span_id: span(22)?,
        started_at: from_unix_ns(row.get(14)?),
    };
    Ok(LedgerEntry {
        begun,
        begun_by: row.get::<_, Option<String>>(12)?.unwrap_or_default(),
        ended_by: row.get(13)?,
        outcome: row.get::<_, Option<i64>>(16)?.and_then(grade::outcome),
        ended_at: time(15)?,
        items: count(17)?,
        bytes: count(18)?,
        output_bytes: some(6)?,
        steps: from_json(row, 9)?,
        steps_over: count(10)?,
        step_since: time(11)?,
    })
}

fn from_json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Result<T, StoreError> {
    let text = row.get_ref(column)?.as_str().unwrap_or_default();
    serde_json::from_str(text)
        .map_err(|_| StoreError::damaged("a part of an operation by id is no JSON of the form that it has"))
}

pub(super) fn begin(
    connection: &Connection,
    instance: i64,
    begun: &LedgerBegin,
    is_dead: impl Fn(&str) -> bool,
) -> Answer<()> {
    let sql = "SELECT 1 FROM operations_by_id WHERE id = ?1 AND outcome IS NULL";
    let runs = connection.prepare_cached(sql)?.exists([&begun.id])?;
    if runs
        && let Some((entry, owner)) = find(connection, &begun.id)?
        && let Some(error) = LedgerError::begins(&entry)
        // Nobody has buried it yet.
        && (owner == instance || !is_dead(&entry.begun_by))
    {
        return Ok(Err(error));
    }
    let sql = "INSERT OR REPLACE INTO operations_by_id (id, name, kind, component, labels, worker, input_bytes, fields, context,
            steps, steps_over, begun_by, started_at_ns, items, bytes, trace_id_high, trace_id_low, span_id, parent_span_id)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, '[]', 0, ?10, ?11, 0, 0, ?12, ?13, ?14, ?15)";
    let halves = begun.trace_id.map(TraceId::get);
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the number are wanted")]
    let (high, low): (Option<i64>, Option<i64>) =
        halves.map(|number| (signed((number >> 64) as u64), signed(number as u64))).unzip();
    connection.prepare_cached(sql)?.execute(rusqlite::params![
        begun.id,
        begun.name,
        begun.kind,
        begun.component,
        json(&begun.labels)?,
        begun.worker,
        begun.input_bytes.map(size),
        json(&begun.fields)?,
        json(&begun.context)?,
        instance,
        unix_ns(begun.started_at),
        high,
        low,
        begun.span_id.map(|span| signed(span.get())),
        begun.parent_span_id.map(|span| signed(span.get())),
    ])?;
    instances::see(connection, instance, unix_ns(begun.started_at))?;
    Ok(Ok(()))
}

/// An operation that may go to a step or end.
fn going(connection: &Connection, id: &str) -> Answer<(LedgerEntry, i64)> {
    let Some((entry, owner)) = find(connection, id)? else { return Ok(Err(LedgerError::NeverBegun)) };
    Ok(LedgerError::goes_on(&entry).map_or(Ok((entry, owner)), Err))
}

pub(super) fn step(
    connection: &Connection,
    (instance, run): (i64, &str),
    (id, name, at): (&str, &str, SystemTime),
) -> Answer<()> {
    let (mut entry, owner) = match going(connection, id)? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let was_running = entry.is_running();
    entry.step(name, at, run);
    let owner = if was_running {
        owner
    } else {
        was_not_cut_off(connection, owner, &entry)?;
        instance
    };
    let sql =
        "UPDATE operations_by_id SET steps = ?2, steps_over = ?3, step_since_ns = ?4, begun_by = ?5, outcome = NULL,
        ended_at_ns = NULL WHERE id = ?1";
    let since = entry.step_since.map(unix_ns);
    connection.prepare_cached(sql)?.execute((id, json(&entry.steps)?, size(entry.steps_over), since, owner))?;
    instances::see(connection, instance, unix_ns(at))?;
    Ok(Ok(()))
}

pub(super) fn end(
    connection: &Connection,
    (instance, run): (i64, &str),
    id: &str,
    end: &LedgerEnd,
) -> Answer<LedgerEntry> {
    let (mut entry, owner) = match going(connection, id)? {
        Ok(found) => found,
        Err(error) => return Ok(Err(error)),
    };
    let was_running = entry.is_running();
    entry.end(end, run);
    let sql =
        "UPDATE operations_by_id SET steps = ?2, step_since_ns = NULL, ended_by = ?3, ended_at_ns = ?4, outcome = ?5,
        items = ?6, bytes = ?7, output_bytes = ?8 WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        id,
        json(&entry.steps)?,
        instance,
        entry.ended_at.map(unix_ns),
        outcome(end.outcome),
        size(end.items),
        size(end.bytes),
        end.output_bytes.map(size),
    ))?;
    instances::see(connection, instance, unix_ns(end.at))?;
    if owner != instance {
        was_not_cut_off(connection, owner, &entry)?;
        if was_running {
            let span = entry.begun.span_id.map(|span| signed(span.get()));
            let sql =
                "INSERT OR REPLACE INTO operations_ended_elsewhere (instance_id, id, span_id) VALUES (?1, ?2, ?3)";
            connection.prepare_cached(sql)?.execute((owner, id, span))?;
        }
    }
    Ok(Ok(entry))
}

/// When its process ended, the operation became an interrupted record; now it is known better.
fn was_not_cut_off(connection: &Connection, owner: i64, entry: &LedgerEntry) -> Result<(), StoreError> {
    let Some((trace, span)) = entry.begun.trace_id.zip(entry.begun.span_id) else { return Ok(()) };
    let sql = "SELECT 1 FROM instances WHERE id = ?1 AND ended_at_ns IS NOT NULL";
    if !connection.prepare_cached(sql)?.exists([owner])? {
        return Ok(());
    }
    let high = signed((trace.get() >> 64) as u64);
    let sql = "DELETE FROM records WHERE trace_id_high = ?1 AND span_id = ?2 AND instance_id = ?3 AND outcome = 4";
    connection.prepare_cached(sql)?.execute((high, signed(span.get()), owner))?;
    Ok(())
}

/// Operations that were told of at once.
const MOST_ENDS: i64 = 1_000;

/// Whether others have ended what an instance began.
pub(super) fn has_ends(connection: &Connection, instance: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM operations_ended_elsewhere WHERE instance_id = ?1";
    Ok(connection.prepare_cached(sql)?.exists([instance])?)
}

/// What others have ended of what an instance began: its ids and spans. They are told once.
pub(super) fn take_ends(connection: &Connection, instance: i64) -> Result<Ends, StoreError> {
    let sql = "SELECT id, span_id FROM operations_ended_elsewhere WHERE instance_id = ?1 LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map((instance, MOST_ENDS), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let ends: Vec<(String, Option<i64>)> = rows.collect::<Result<_, _>>()?;
    let sql = "DELETE FROM operations_ended_elsewhere WHERE instance_id = ?1 AND id = ?2";
    let mut delete = connection.prepare_cached(sql)?;
    // Until the next batch says so by itself: it does not run any more.
    let sql = "DELETE FROM active_operations WHERE instance_id = ?1 AND span_id = ?2";
    let mut inactive = connection.prepare_cached(sql)?;
    for (id, span) in &ends {
        delete.execute((instance, id))?;
        inactive.execute((instance, span))?;
    }
    Ok(ends.into_iter().map(|(id, span)| (id, span.and_then(|span| SpanId::new(span.cast_unsigned())))).collect())
}

/// Whether anything that an instance began runs.
pub(super) fn runs_any(connection: &Connection, instance: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM operations_by_id WHERE begun_by = ?1 AND outcome IS NULL";
    Ok(connection.prepare_cached(sql)?.query_row([instance], |_| Ok(())).optional()?.is_some())
}
