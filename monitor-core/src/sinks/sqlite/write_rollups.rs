//! Rollups: deltas added to steps of 10 s, and those folded into longer ones when they are over.
//!
//! At every commit the rows of 60, 3,600 and 86,400 s and the open rows of 10 s are together everything that came.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params_from_iter};

use super::error::StoreError;
use super::intern::Ids;
use super::values::{floor_to, size, size_back};
use super::{blob, losses};
use crate::model::units::unix_ns;
use crate::model::{Histogram, Rollup, Totals};

/// Seconds of the steps that batches bring.
const FINE_S: i64 = 10;

/// Seconds of the steps that they are folded into.
const COARSE_S: [i64; 3] = [60, 3_600, 86_400];

/// Rows that are folded at once when they are no part of a batch.
const AT_ONCE: usize = 256;

/// Columns that `rollups` and `rollups_of_all` both have, in the order of [`totals`] and [`values`].
macro_rules! sums {
    () => {
        "started, succeeded, failed, panicked, cancelled, items, bytes, allocations, allocated_bytes, polls, total_ns, \
        self_ns, busy_ns, min_ns, max_ns, durations"
    };
}

/// Which row.
#[derive(Clone, Copy)]
struct Key {
    step_s: i64,
    start_ns: i64,
    series: i64,
    instance: i64,
}

/// Adds what came. Returns the beginning of the first step that is not folded.
pub(super) fn write(
    connection: &Connection,
    ids: &mut Ids,
    instance: i64,
    rollups: &[Rollup],
    folded_until_ns: i64,
) -> Result<i64, StoreError> {
    let mut damaged = 0;
    let mut all = AllTogether::default();
    for rollup in rollups {
        let series = ids.series(connection, [&rollup.name, &rollup.kind, &rollup.component], &rollup.labels)?;
        let start_ns = floor_to(unix_ns(rollup.step_start), FINE_S);
        let fine = Key { step_s: FINE_S, start_ns, series, instance };
        let stored = read(connection, fine, &mut damaged)?;
        let open = stored.as_ref().map_or(start_ns >= folded_until_ns, |(_, open)| *open);
        let mut totals = stored.map_or_else(Totals::default, |(totals, _)| totals);
        totals.merge(&rollup.totals);
        put(connection, fine, open, &totals)?;
        if !open {
            add_to_coarse(connection, fine, &rollup.totals, &mut damaged)?;
            all.add(fine.start_ns, &rollup.totals);
        }
    }
    all.write(connection, instance, &mut damaged)?;
    let newest = rollups.iter().map(|rollup| floor_to(unix_ns(rollup.step_start), FINE_S)).max();
    let until = newest.unwrap_or(i64::MIN).max(folded_until_ns);
    if until > folded_until_ns {
        while fold_some(connection, instance, until, &mut damaged)? {}
    }
    note_damage(connection, instance, damaged)?;
    Ok(until)
}

/// Folds everything that an instance has left open, in small transactions.
pub(super) fn fold_all(connection: &mut Connection, instance: i64) -> Result<(), StoreError> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut damaged = 0;
        let more = fold_some(&transaction, instance, i64::MAX, &mut damaged)?;
        note_damage(&transaction, instance, damaged)?;
        transaction.commit()?;
        if !more {
            return Ok(());
        }
    }
}

/// Folds some of the steps before that time. Returns whether there may be more.
fn fold_some(connection: &Connection, instance: i64, until_ns: i64, damaged: &mut u64) -> Result<bool, StoreError> {
    let sql = concat!(
        "SELECT ",
        sums!(),
        ", start_ns, series_id FROM rollups INDEXED BY rollups_open
        WHERE instance_id = ?1 AND start_ns < ?2 AND open = 1 AND step_s = 10 ORDER BY start_ns LIMIT ?3"
    );
    let mut fine = Vec::with_capacity(AT_ONCE);
    {
        let mut statement = connection.prepare_cached(sql)?;
        let mut rows = statement.query((instance, until_ns, size(AT_ONCE as u64)))?;
        while let Some(row) = rows.next()? {
            let key = Key { step_s: FINE_S, start_ns: row.get(16)?, series: row.get(17)?, instance };
            fine.push((key, totals(row, damaged)?));
        }
    }
    let sql = "UPDATE rollups SET open = 0 WHERE step_s = ?1 AND start_ns = ?2 AND series_id = ?3 AND instance_id = ?4";
    let mut close = connection.prepare_cached(sql)?;
    let mut all = AllTogether::default();
    for (key, totals) in &fine {
        add_to_coarse(connection, *key, totals, damaged)?;
        all.add(key.start_ns, totals);
        close.execute((key.step_s, key.start_ns, key.series, key.instance))?;
    }
    all.write(connection, instance, damaged)?;
    Ok(fine.len() == AT_ONCE)
}

/// Sums of all series together, on their way into `rollups_of_all`, by the beginnings of steps of the first of
/// [`COARSE_S`].
#[derive(Default)]
struct AllTogether(BTreeMap<i64, Totals>);

impl AllTogether {
    /// Adds what is added to the longer steps.
    fn add(&mut self, start_ns: i64, totals: &Totals) {
        self.0.entry(floor_to(start_ns, COARSE_S[0])).or_default().merge(totals);
    }

    fn write(self, connection: &Connection, instance: i64, damaged: &mut u64) -> Result<(), StoreError> {
        let read = concat!(
            "SELECT ",
            sums!(),
            " FROM rollups_of_all WHERE step_s = ?1 AND start_ns = ?2 AND instance_id = ?3"
        );
        let put = concat!(
            "INSERT OR REPLACE INTO rollups_of_all (",
            sums!(),
            ", step_s, start_ns, instance_id)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)"
        );
        let (mut read, mut put) = (connection.prepare_cached(read)?, connection.prepare_cached(put)?);
        for (start_ns, added) in self.0 {
            for step_s in COARSE_S {
                let key = [step_s, floor_to(start_ns, step_s), instance];
                let before = read.query_row(key, |row| totals(row, damaged)).optional()?;
                let mut sum = before.unwrap_or_default();
                sum.merge(&added);
                put.execute(params_from_iter(values(&sum).into_iter().chain(key.map(Value::Integer))))?;
            }
        }
        Ok(())
    }
}

/// A histogram. One that cannot be read counts as empty: the other sums are still true.
fn decoded(row: &Row<'_>, column: usize, damaged: &mut u64) -> rusqlite::Result<Histogram> {
    Ok(blob::decode(row.get_ref(column)?.as_blob().unwrap_or_default()).unwrap_or_else(|_| {
        *damaged += 1;
        Histogram::new()
    }))
}

fn add_to_coarse(connection: &Connection, fine: Key, delta: &Totals, damaged: &mut u64) -> Result<(), StoreError> {
    for step_s in COARSE_S {
        let key = Key { step_s, start_ns: floor_to(fine.start_ns, step_s), ..fine };
        let mut sum = read(connection, key, damaged)?.map_or_else(Totals::default, |(totals, _)| totals);
        sum.merge(delta);
        put(connection, key, false, &sum)?;
    }
    Ok(())
}

fn read(connection: &Connection, key: Key, damaged: &mut u64) -> Result<Option<(Totals, bool)>, StoreError> {
    let sql = concat!(
        "SELECT ",
        sums!(),
        ", open FROM rollups WHERE step_s = ?1 AND start_ns = ?2 AND series_id = ?3 AND instance_id = ?4"
    );
    let mut statement = connection.prepare_cached(sql)?;
    let parameters = (key.step_s, key.start_ns, key.series, key.instance);
    let found = statement.query_row(parameters, |row| Ok((totals(row, damaged)?, row.get::<_, i64>(16)? != 0)));
    Ok(found.optional()?)
}

/// The sums of a row.
fn totals(row: &Row<'_>, damaged: &mut u64) -> rusqlite::Result<Totals> {
    let sum = |column: usize| row.get(column).map(size_back);
    let histogram = decoded(row, 15, damaged)?;
    Ok(Totals {
        started: sum(0)?,
        succeeded: sum(1)?,
        failed: sum(2)?,
        panicked: sum(3)?,
        cancelled: sum(4)?,
        // Of one process's live figures alone: what both have together is in balance by itself.
        ended_elsewhere: 0,
        begun_elsewhere: 0,
        items: sum(5)?,
        bytes: sum(6)?,
        allocations: sum(7)?,
        allocated_bytes: sum(8)?,
        polls: sum(9)?,
        total_ns: sum(10)?,
        self_ns: row.get(11)?,
        busy_ns: sum(12)?,
        min_ns: row.get::<_, Option<i64>>(13)?.map_or(u64::MAX, size_back),
        max_ns: row.get::<_, Option<i64>>(14)?.map_or(0, size_back),
        histogram,
    })
}

/// The way back.
fn values(totals: &Totals) -> [Value; 16] {
    let sum = |sum| Value::Integer(size(sum));
    let timed = |ns| if totals.histogram.is_empty() { Value::Null } else { sum(ns) };
    [
        sum(totals.started),
        sum(totals.succeeded),
        sum(totals.failed),
        sum(totals.panicked),
        sum(totals.cancelled),
        sum(totals.items),
        sum(totals.bytes),
        sum(totals.allocations),
        sum(totals.allocated_bytes),
        sum(totals.polls),
        sum(totals.total_ns),
        Value::Integer(totals.self_ns),
        sum(totals.busy_ns),
        timed(totals.min_ns),
        timed(totals.max_ns),
        Value::Blob(blob::encode(&totals.histogram)),
    ]
}

fn put(connection: &Connection, key: Key, open: bool, totals: &Totals) -> Result<(), StoreError> {
    let sql = concat!(
        "INSERT OR REPLACE INTO rollups (",
        sums!(),
        ", step_s, start_ns, series_id, instance_id, open)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21)"
    );
    let key = [key.step_s, key.start_ns, key.series, key.instance, i64::from(open)].map(Value::Integer);
    connection.prepare_cached(sql)?.execute(params_from_iter(values(totals).into_iter().chain(key)))?;
    Ok(())
}

fn note_damage(connection: &Connection, instance: i64, damaged: u64) -> Result<(), StoreError> {
    if damaged == 0 { Ok(()) } else { losses::add(connection, instance, "damaged histogram", damaged) }
}
