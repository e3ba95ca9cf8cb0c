//! Groups of errors, how many came in each hour, and samples of them.

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use super::intern::json;
use super::values::{floor_to, id, severity, size, trace};
use crate::model::units::{to_ns, unix_ns};
use crate::model::{ErrorGroup, ErrorState, FRESH, SpanId};

/// A group of which none came for so long was resolved, whatever the monitor of this run knows of it.
const QUIET_NS: i64 = 24 * 3_600 * 1_000_000_000;

const HOUR_S: i64 = 3_600;

pub(super) fn write(connection: &Connection, instance: i64, groups: &[ErrorGroup]) -> Result<(), StoreError> {
    for group in groups {
        let group_id = write_group(connection, group)?;
        let sql = "INSERT INTO error_hours (start_ns, group_id, instance_id, count) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (start_ns, group_id, instance_id) DO UPDATE SET count = min(count, 4611686018427387903)
                + min(excluded.count, 4611686018427387903)";
        let hour = floor_to(unix_ns(group.last_seen), HOUR_S);
        connection.prepare_cached(sql)?.execute((hour, group_id, instance, size(group.count)))?;
        write_samples(connection, instance, group_id, group)?;
    }
    Ok(())
}

fn write_group(connection: &Connection, group: &ErrorGroup) -> Result<i64, StoreError> {
    let fingerprint = group.fingerprint.to_string();
    let (first_ns, last_ns) = (unix_ns(group.first_seen), unix_ns(group.last_seen));
    let regressed = group.state == ErrorState::Regressed;
    let sql = "SELECT id, last_seen_at_ns, regressed_at_ns FROM error_groups WHERE fingerprint = ?1";
    let stored: Option<(i64, i64, Option<i64>)> = connection
        .prepare_cached(sql)?
        .query_row([&fingerprint], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    let Some((group_id, stored_last_ns, stored_regressed_ns)) = stored else {
        let sql = "INSERT INTO error_groups (fingerprint, kind, place, pattern, component, severity, first_seen_at_ns,
            last_seen_at_ns, regressed_at_ns, count) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        return Ok(connection.prepare_cached(sql)?.insert((
            &fingerprint,
            &group.kind,
            &group.place,
            &group.pattern,
            &group.component,
            severity(group.severity),
            first_ns,
            last_ns,
            regressed.then_some(last_ns),
            size(group.count),
        ))?);
    };
    // A monitor says `regressed` for an hour: that is one return, not one with each batch.
    let said_before = stored_regressed_ns.is_some_and(|at| last_ns.saturating_sub(at) < size(to_ns(FRESH)));
    let came_back = last_ns.saturating_sub(stored_last_ns) >= QUIET_NS || (regressed && !said_before);
    let sql = "UPDATE error_groups SET severity = max(severity, ?2), first_seen_at_ns = min(first_seen_at_ns, ?3),
            last_seen_at_ns = max(last_seen_at_ns, ?4), regressed_at_ns = coalesce(?5, regressed_at_ns),
            count = min(count, 4611686018427387903) + min(?6, 4611686018427387903)
        WHERE id = ?1";
    connection.prepare_cached(sql)?.execute((
        group_id,
        severity(group.severity),
        first_ns,
        last_ns,
        came_back.then_some(last_ns),
        size(group.count),
    ))?;
    Ok(group_id)
}

fn write_samples(connection: &Connection, instance: i64, group_id: i64, group: &ErrorGroup) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO error_samples (group_id, instance_id, seen_at_ns, severity, kind, message, sources, operation,
            span_id, trace_id_high, trace_id_low, location, thread, context, backtrace)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)";
    let mut insert = connection.prepare_cached(sql)?;
    // The newest is first; ids ascend with time.
    for sample in group.samples.iter().rev() {
        let span = sample.span_id.map(SpanId::get).or(sample.operation_id).map(id);
        let halves = sample.trace_id.map(|number| trace(Some(number), span.unwrap_or(0)));
        insert.execute(rusqlite::params![
            group_id,
            instance,
            unix_ns(sample.seen_at),
            severity(sample.severity),
            sample.error.kind,
            sample.error.message,
            json(&sample.error.sources)?,
            sample.operation,
            span,
            halves.map(|(high, _)| high),
            // Without a span there is nothing that the low half could be left to.
            halves.and_then(|(_, low)| low.or(span.is_none().then_some(0))),
            sample.location,
            sample.thread,
            json(&sample.context)?,
            sample.backtrace,
        ])?;
    }
    Ok(())
}
