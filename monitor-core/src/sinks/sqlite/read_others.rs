//! Runs, transitions, jobs, operations by id, queues.

use std::collections::BTreeMap;

use super::error::StoreError;
use super::operation_rows;
use super::paging::Listing;
use super::read_records::{count, ns};
use super::read_series::{RUN, STRING, Texts, string_id};
use super::reading::Reading;
use crate::model::units::from_unix_ns;
use crate::model::{
    Instance, MachineTransition, OperationStatus, Page, PageRequest, ProgressFilter, ProgressState, ProgressStats,
    QueueSample, StoredInstance, StoredProgress, StoredTransition, TimeRange, TransitionFilter, TransitionRecord,
};

/// When anything was written last: the present, as far as the file knows it.
pub(super) fn as_of_ns(reading: &Reading<'_>) -> Result<i64, StoreError> {
    let sql = "SELECT coalesce(max(last_seen_at_ns), 0) FROM instances";
    Ok(reading.prepare(sql)?.query_row([], |row| row.get(0))?)
}

pub(super) fn instances(
    reading: &Reading<'_>,
    range: &TimeRange,
    page: &PageRequest,
) -> Result<Page<StoredInstance>, StoreError> {
    let (since, until) = range.bounds_ns();
    let listing = Listing {
        sql: "SELECT started_at_ns, id, run, service, host, program, pid, last_seen_at_ns, ended_at_ns, ended FROM instances
            WHERE started_at_ns >= ? AND started_at_ns < ?"
            .to_owned(),
        parameters: vec![&since, &until],
        sort: "started_at_ns",
        id: "id",
    };
    listing.page(reading, page, |row| {
        let id: i64 = row.get(1)?;
        let mut lost = BTreeMap::new();
        let sql = "SELECT reason, count FROM losses WHERE instance_id = ?1 LIMIT 1000";
        let mut statement = reading.prepare(sql)?;
        let mut losses = statement.query([id])?;
        while let Some(loss) = losses.next()? {
            lost.insert(loss.get(0)?, count(loss.get(1)?));
        }
        let instance = Instance {
            run: row.get(2)?,
            service: row.get(3)?,
            host: row.get(4)?,
            program: row.get(5)?,
            pid: u32::try_from(row.get::<_, i64>(6)?).unwrap_or(0),
            started_at: from_unix_ns(row.get(0)?),
        };
        Ok(Some(StoredInstance {
            instance,
            last_seen_at: from_unix_ns(row.get(7)?),
            ended_at: row.get::<_, Option<i64>>(8)?.map(from_unix_ns),
            interrupted: row.get::<_, Option<String>>(9)?.is_some_and(|ended| ended == "interrupted"),
            lost,
        }))
    })
}

pub(super) fn transitions(
    reading: &Reading<'_>,
    filter: &TransitionFilter,
    page: &PageRequest,
) -> Result<Page<StoredTransition>, StoreError> {
    let (since, until) = filter.range.bounds_ns();
    let machine = match &filter.machine {
        Some(machine) => match string_id(reading, machine)? {
            Some(id) => Some(id),
            None => return Ok(Page::empty()),
        },
        None => None,
    };
    let index = match (&filter.entity, machine) {
        (Some(_), _) => "transitions_by_entity",
        (None, Some(_)) => "transitions_by_machine",
        (None, None) => "transitions_by_time",
    };
    let mut listing = Listing {
        sql: format!(
            "SELECT at_ns, id, instance_id, machine_id, entity, from_id, to_id, trigger_id, time_in_state_ns
             FROM transitions INDEXED BY {index} WHERE at_ns >= ? AND at_ns < ?"
        ),
        parameters: vec![&since, &until],
        sort: "at_ns",
        id: "id",
    };
    if let Some(machine) = &machine {
        listing.sql += " AND machine_id = ?";
        listing.parameters.push(machine);
    }
    if let Some(entity) = &filter.entity {
        listing.sql += " AND entity = ?";
        listing.parameters.push(entity);
    }
    let (mut runs, mut texts) = (Texts::default(), Texts::default());
    listing.page(reading, page, |row| {
        let mut text = |id| texts.text(reading, STRING, id);
        let trigger = row.get::<_, Option<i64>>(7)?.map(&mut text).transpose()?;
        let transition = TransitionRecord {
            entity: row.get(4)?,
            from: text(row.get(5)?)?,
            to: text(row.get(6)?)?,
            trigger,
            at: from_unix_ns(row.get(0)?),
            time_in_state: ns(row.get(8)?),
        };
        let machine = text(row.get(3)?)?;
        let run = runs.text(reading, RUN, row.get(2)?)?;
        Ok(Some(StoredTransition { run, transition: MachineTransition { machine, transition } }))
    })
}

/// The state of that word, and whether its run ended without a word.
fn progress_state(word: &str) -> (ProgressState, bool) {
    let states = [
        ProgressState::Running,
        ProgressState::Stalled,
        ProgressState::Finished,
        ProgressState::Failed,
        ProgressState::Cancelled,
        ProgressState::Abandoned,
        ProgressState::Panicked,
    ];
    let known = states.into_iter().find(|state| state.as_str() == word);
    (known.unwrap_or(ProgressState::Abandoned), known.is_none())
}

pub(super) fn progress(
    reading: &Reading<'_>,
    filter: &ProgressFilter,
    page: &PageRequest,
) -> Result<Page<StoredProgress>, StoreError> {
    let (since, until) = filter.range.bounds_ns();
    let index = match (filter.running, &filter.name) {
        (true, _) => "progress_running",
        (false, Some(_)) => "progress_by_name",
        (false, None) => "progress_by_time",
    };
    let mut listing = Listing {
        sql: format!(
            "SELECT started_at_ns, id, instance_id, job_id, parent_job_id, name, state, total, done, already_done, succeeded,
             failed, skipped, batch_size, bytes, total_bytes, message, error, updated_at_ns, elapsed_ns, idle_ns, rate,
             bytes_rate, eta_ns FROM progress INDEXED BY {index} WHERE started_at_ns >= ? AND started_at_ns < ?"
        ),
        parameters: vec![&since, &until],
        sort: "started_at_ns",
        id: "id",
    };
    if filter.running {
        listing.sql += " AND state IN ('running', 'stalled')";
    }
    if let Some(name) = &filter.name {
        listing.sql += " AND name = ?";
        listing.parameters.push(name);
    }
    let mut runs = Texts::default();
    listing.page(reading, page, |row| {
        let number = |column: usize| -> rusqlite::Result<u64> { Ok(count(row.get(column)?)) };
        let some =
            |column: usize| -> rusqlite::Result<Option<u64>> { Ok(row.get::<_, Option<i64>>(column)?.map(count)) };
        let (state, interrupted) = progress_state(row.get_ref(6)?.as_str().unwrap_or_default());
        let progress = ProgressStats {
            id: number(3)?,
            parent: some(4)?,
            name: row.get(5)?,
            state,
            total: some(7)?,
            done: number(8)?,
            already_done: number(9)?,
            succeeded: number(10)?,
            failed: number(11)?,
            skipped: number(12)?,
            batch_size: some(13)?,
            bytes: number(14)?,
            total_bytes: some(15)?,
            message: row.get(16)?,
            error: row.get(17)?,
            started_at: from_unix_ns(row.get(0)?),
            elapsed: ns(row.get(19)?),
            idle: ns(row.get(20)?),
            rate: row.get(21)?,
            bytes_rate: row.get(22)?,
            eta: row.get::<_, Option<i64>>(23)?.map(ns),
        };
        let run = runs.text(reading, RUN, row.get(2)?)?;
        Ok(Some(StoredProgress { run, progress, updated_at: from_unix_ns(row.get(18)?), interrupted }))
    })
}

pub(super) fn operation_by_id(reading: &Reading<'_>, id: &str) -> Result<Option<OperationStatus>, StoreError> {
    let mut statement = reading.prepare(operation_rows::FIND)?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let entry = operation_rows::entry(row, id)?;
    Ok(Some(entry.status(from_unix_ns(as_of_ns(reading)?))))
}

pub(super) fn queues(
    reading: &Reading<'_>,
    queue: Option<&str>,
    range: &TimeRange,
    page: &PageRequest,
) -> Result<Page<QueueSample>, StoreError> {
    let (since, until) = range.bounds_ns();
    let queue = match queue {
        Some(queue) => match string_id(reading, queue)? {
            Some(id) => Some(id),
            None => return Ok(Page::empty()),
        },
        None => None,
    };
    let mut listing = Listing {
        sql: "SELECT start_ns, queue_id << 32 | instance_id, queue_id, instance_id, depth, in_process, oldest_age_ns, enqueued,
            processed, failed, discarded, requeued, waiting_ns FROM queue_samples
            WHERE start_ns >= ? AND start_ns < ?"
            .to_owned(),
        parameters: vec![&since, &until],
        sort: "start_ns",
        id: "(queue_id << 32 | instance_id)",
    };
    if let Some(queue) = &queue {
        listing.sql += " AND queue_id = ?";
        listing.parameters.push(queue);
    }
    let (mut runs, mut texts) = (Texts::default(), Texts::default());
    listing.page(reading, page, |row| {
        let number = |column: usize| -> rusqlite::Result<u64> { Ok(count(row.get(column)?)) };
        Ok(Some(QueueSample {
            run: runs.text(reading, RUN, row.get(3)?)?,
            queue: texts.text(reading, STRING, row.get(2)?)?,
            start: from_unix_ns(row.get(0)?),
            depth: number(4)?,
            in_process: number(5)?,
            oldest: row.get::<_, Option<i64>>(6)?.map(ns),
            enqueued: number(7)?,
            processed: number(8)?,
            failed: number(9)?,
            discarded: number(10)?,
            requeued: number(11)?,
            waiting_time: ns(row.get(12)?),
        }))
    })
}
