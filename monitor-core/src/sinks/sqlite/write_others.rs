//! Transitions, jobs, queues, and what runs now.

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use super::intern::Ids;
use super::values::{duration, floor_to, id, size, size_back, trace};
use super::{blob, losses};
use crate::model::units::unix_ns;
use crate::model::{ActiveOperation, Histogram, MachineTransition, ProgressStats, QueueStats, SpanId};

/// Seconds of a step of queues.
const QUEUE_STEP_S: i64 = 10;

pub(super) fn transitions(
    connection: &Connection,
    ids: &mut Ids,
    instance: i64,
    transitions: &[MachineTransition],
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO transitions (instance_id, machine_id, entity, from_id, to_id, trigger_id, at_ns, time_in_state_ns)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    let mut insert = connection.prepare_cached(sql)?;
    for MachineTransition { machine, transition } in transitions {
        insert.execute((
            instance,
            ids.string(connection, machine)?,
            &transition.entity,
            ids.string(connection, &transition.from)?,
            ids.string(connection, &transition.to)?,
            transition.trigger.as_deref().map(|trigger| ids.string(connection, trigger)).transpose()?,
            unix_ns(transition.at),
            duration(transition.time_in_state),
        ))?;
    }
    Ok(())
}

pub(super) fn progress(
    connection: &Connection,
    instance: i64,
    at_ns: i64,
    jobs: &[ProgressStats],
) -> Result<(), StoreError> {
    let sql = "INSERT INTO progress (instance_id, job_id, parent_job_id, name, state, total, done, already_done, succeeded,
            failed, skipped, batch_size, bytes, total_bytes, message, error, started_at_ns, updated_at_ns, elapsed_ns,
            idle_ns, rate, bytes_rate, eta_ns)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23)
        ON CONFLICT (instance_id, job_id) DO UPDATE SET parent_job_id = excluded.parent_job_id, name = excluded.name,
            state = excluded.state, total = excluded.total, done = excluded.done, already_done = excluded.already_done,
            succeeded = excluded.succeeded, failed = excluded.failed, skipped = excluded.skipped,
            batch_size = excluded.batch_size, bytes = excluded.bytes, total_bytes = excluded.total_bytes,
            message = excluded.message, error = excluded.error, started_at_ns = excluded.started_at_ns,
            updated_at_ns = excluded.updated_at_ns, elapsed_ns = excluded.elapsed_ns, idle_ns = excluded.idle_ns,
            rate = excluded.rate, bytes_rate = excluded.bytes_rate, eta_ns = excluded.eta_ns";
    let mut upsert = connection.prepare_cached(sql)?;
    for job in jobs {
        upsert.execute(rusqlite::params![
            instance,
            id(job.id),
            job.parent.map(id),
            job.name,
            job.state.as_str(),
            job.total.map(size),
            size(job.done),
            size(job.already_done),
            size(job.succeeded),
            size(job.failed),
            size(job.skipped),
            job.batch_size.map(size),
            size(job.bytes),
            job.total_bytes.map(size),
            job.message,
            job.error,
            unix_ns(job.started_at),
            at_ns,
            duration(job.elapsed),
            duration(job.idle),
            job.rate,
            job.bytes_rate,
            job.eta.map(duration),
        ])?;
    }
    Ok(())
}

pub(super) fn queues(
    connection: &Connection,
    ids: &mut Ids,
    instance: i64,
    at_ns: i64,
    queues: &[QueueStats],
) -> Result<(), StoreError> {
    let start_ns = floor_to(at_ns, QUEUE_STEP_S);
    let mut damaged = 0;
    for queue in queues {
        let queue_id = ids.string(connection, &queue.name)?;
        let sql = "SELECT enqueued, processed, failed, discarded, requeued, waiting_ns, waiting FROM queue_samples
            WHERE start_ns = ?1 AND queue_id = ?2 AND instance_id = ?3";
        // A second batch with queues in the same step: its counts are added.
        let before: Option<([i64; 6], Vec<u8>)> = connection
            .prepare_cached(sql)?
            .query_row((start_ns, queue_id, instance), |row| {
                Ok(([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?], row.get(6)?))
            })
            .optional()?;
        let (before, waiting_before) = before.unwrap_or_else(|| ([0; 6], blob::encode(&Histogram::new())));
        let mut waiting = queue.waiting.clone();
        match blob::decode(&waiting_before) {
            Ok(histogram) => waiting.merge(&histogram),
            Err(_) => damaged += 1,
        }
        let [enqueued, processed, failed, discarded, requeued, waiting_ns] = before.map(size_back);
        let sql =
            "INSERT OR REPLACE INTO queue_samples (start_ns, queue_id, instance_id, depth, in_process, oldest_age_ns,
                enqueued, processed, failed, discarded, requeued, waiting_ns, waiting)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
        connection.prepare_cached(sql)?.execute(rusqlite::params![
            start_ns,
            queue_id,
            instance,
            size(queue.depth),
            size(queue.in_process),
            queue.oldest.map(duration),
            size(queue.enqueued.saturating_add(enqueued)),
            size(queue.processed.saturating_add(processed)),
            size(queue.failed.saturating_add(failed)),
            size(queue.discarded.saturating_add(discarded)),
            size(queue.requeued.saturating_add(requeued)),
            duration(queue.waiting_time).saturating_add(size(waiting_ns)),
            blob::encode(&waiting),
        ])?;
    }
    if damaged > 0 { losses::add(connection, instance, "damaged histogram", damaged) } else { Ok(()) }
}

/// What runs, and how: whether it has changed since it was written last.
pub(super) type ActiveSet = Vec<(u64, &'static str)>;

pub(super) fn active_set(active: &[ActiveOperation]) -> ActiveSet {
    active.iter().map(|operation| (operation.id, operation.state.as_str())).collect()
}

/// Puts what runs in the place of what ran.
pub(super) fn active(
    connection: &Connection,
    ids: &mut Ids,
    instance: i64,
    active: &[ActiveOperation],
) -> Result<(), StoreError> {
    connection.prepare_cached("DELETE FROM active_operations WHERE instance_id = ?1")?.execute([instance])?;
    let sql =
        "INSERT OR REPLACE INTO active_operations (instance_id, span_id, series_id, started_at_ns, parent_span_id,
            trace_id_high, trace_id_low, thread, state)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let mut insert = connection.prepare_cached(sql)?;
    for operation in active {
        let series = ids.series_of_any_component(connection, [&operation.name, &operation.kind], &operation.labels)?;
        let span = id(operation.span_id.map_or(operation.id, SpanId::get));
        let parent = operation.parent.map(id);
        let (trace_high, trace_low) = trace(operation.trace_id, parent.unwrap_or(span));
        insert.execute((
            instance,
            span,
            series,
            unix_ns(operation.started_at),
            parent,
            trace_high,
            trace_low,
            &operation.thread,
            operation.state.as_str(),
        ))?;
    }
    Ok(())
}
