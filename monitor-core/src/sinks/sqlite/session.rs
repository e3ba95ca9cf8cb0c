//! A connection of a running instance.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::error::StoreError;
use super::intern::Ids;
use super::link::{Link, Using};
use super::recovery::FileIdentity;
use super::retention::Keeper;
use super::write_others::{self, ActiveSet};
use super::{instances, losses, presence, wal, write_errors, write_records, write_rollups};
use crate::model::units::unix_ns;
use crate::model::{Batch, Instance};

/// Statements kept ready: more than there are.
const STATEMENTS: usize = 64;

/// How long the end of an instance waits for readers before it leaves the log as it is.
const LAST_WAIT: Duration = Duration::from_millis(500);

/// A connection, the instance that it writes for, and what it knows of the file.
pub(super) struct Session {
    link: Link,
    instance: i64,
    run: String,
    ids: Ids,
    identity: Option<FileIdentity>,
    /// What `active_operations` has of this instance, if that is known.
    active: Option<ActiveSet>,
}

impl Session {
    /// Registers the instance, also when it is there already.
    pub(super) fn begin(
        link: Link,
        path: &Path,
        instance: &Instance,
        replacements: u64,
    ) -> Result<Session, StoreError> {
        let mut connection = link.get()?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        let identity = FileIdentity::of(path);
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let id = instances::register(&transaction, instance)?;
        if replacements > 0 {
            losses::add(&transaction, id, "damaged file set aside", replacements)?;
        }
        transaction.commit()?;
        drop(connection);
        let run = instance.run.clone();
        Ok(Session { link, instance: id, run, ids: Ids::default(), identity, active: None })
    }

    /// Its connection. Not to be asked for again while it is used, nor anything else that uses it.
    pub(super) fn connection(&self) -> Result<Using<'_>, StoreError> {
        self.link.get()
    }

    /// `instances.id` of the run that it writes for.
    pub(super) fn instance(&self) -> i64 {
        self.instance
    }

    pub(super) fn identity(&self) -> Option<FileIdentity> {
        self.identity
    }

    /// Whether the file that is open is the one at that path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        self.identity.is_some() && self.identity == FileIdentity::of(path)
    }

    /// Stores a batch, all of it or nothing. Returns the beginning of the first step that is not folded.
    pub(super) fn store(&mut self, batch: &Batch, folded_until_ns: i64) -> Result<i64, StoreError> {
        let active = write_others::active_set(&batch.active);
        let mut connection = self.link.get()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let same_active = self.active.as_ref() == Some(&active);
        let stored = put(&transaction, &mut self.ids, (self.instance, &self.run), batch, folded_until_ns, same_active)
            .and_then(|folded| transaction.commit().map_err(StoreError::from).map(|()| folded));
        if stored.is_ok() {
            self.ids.commit();
            self.active = Some(active);
        } else {
            self.ids.roll_back();
        }
        stored
    }

    /// Whether there is nothing in a batch that the file does not have: a program that does nothing writes nothing.
    pub(super) fn has_all_of(&self, batch: &Batch) -> bool {
        batch.entries() == 0
            && batch.lost.is_empty()
            && self.active.as_ref() == Some(&write_others::active_set(&batch.active))
    }

    /// Says that the instance is alive.
    pub(super) fn sign(&mut self, now_ns: i64) -> Result<(), StoreError> {
        sign(&*self.link.get()?, (self.instance, &self.run), now_ns)
    }

    pub(super) fn bury_dead(&mut self, path: &Path) -> Result<(), StoreError> {
        presence::bury_dead(&mut *self.link.get()?, path, self.instance).map(drop)
    }

    /// Removes some of what is too old or too much.
    pub(super) fn keep(&mut self, keeper: &mut Keeper, now_ns: i64) -> Result<(), StoreError> {
        let kept = keeper.work(&mut *self.link.get()?, now_ns);
        if kept.as_ref().map_or(true, |&removed_ids| removed_ids) {
            self.ids.forget();
        }
        kept.map(drop)
    }

    /// The same for the last time.
    pub(super) fn keep_at_end(&mut self, keeper: &mut Keeper, now_ns: i64) -> Result<(), StoreError> {
        self.ids.forget();
        keeper.work_at_end(&mut *self.link.get()?, now_ns)
    }

    /// Ends the instance.
    pub(super) fn end(&mut self) -> Result<(), StoreError> {
        self.active = None;
        let mut connection = self.link.get()?;
        presence::cut_off(&mut connection, self.instance)?;
        presence::end(&connection, self.instance, "shutdown")
    }

    /// Takes the log over. A reader that is in the way does no harm: whoever opens the file next does it.
    pub(super) fn take_log_over(&self) {
        if let Ok(connection) = self.link.get() {
            wal::truncate(&connection, LAST_WAIT);
        }
    }
}

fn sign(connection: &Connection, (instance, run): (i64, &str), now_ns: i64) -> Result<(), StoreError> {
    let sql = "UPDATE instances SET last_seen_at_ns = max(last_seen_at_ns, ?2), ended = NULL, ended_at_ns = NULL
        WHERE id = ?1 AND run = ?3";
    match connection.prepare_cached(sql)?.execute((instance, now_ns, run))? {
        // It slept so long that it was taken for dead, and what it had written has become too old: it begins anew. Its id
        // may be that of another run by now.
        0 => Err(rusqlite::Error::QueryReturnedNoRows.into()),
        _ => Ok(()),
    }
}

/// A time that no row of a batch is after: a clock that has gone back since leaves some that are after the batch itself.
fn latest_ns(batch: &Batch) -> i64 {
    let records = batch.records.iter().map(|record| record.started_at);
    let rollups = batch.rollups.iter().map(|rollup| rollup.step_start);
    let transitions = batch.transitions.iter().map(|moved| moved.transition.at);
    let active = batch.active.iter().map(|operation| operation.started_at);
    unix_ns(records.chain(rollups).chain(transitions).chain(active).fold(batch.at, Ord::max))
}

fn put(
    transaction: &Transaction<'_>,
    ids: &mut Ids,
    (instance, run): (i64, &str),
    batch: &Batch,
    folded_until_ns: i64,
    same_active: bool,
) -> Result<i64, StoreError> {
    let at_ns = unix_ns(batch.at);
    ids.begin(transaction, latest_ns(batch))?;
    sign(transaction, (instance, run), at_ns)?;
    // First, for the series of those that run and are named as parents.
    let folded = write_rollups::write(transaction, ids, instance, &batch.rollups, folded_until_ns)?;
    write_records::write(transaction, ids, instance, &batch.records)?;
    write_errors::write(transaction, instance, &batch.errors)?;
    write_others::transitions(transaction, ids, instance, &batch.transitions)?;
    write_others::progress(transaction, instance, at_ns, &batch.progress)?;
    write_others::queues(transaction, ids, instance, at_ns, &batch.queues)?;
    if !same_active {
        write_others::active(transaction, ids, instance, &batch.active)?;
    }
    for (reason, &count) in &batch.lost {
        losses::add(transaction, instance, reason, count)?;
    }
    Ok(folded)
}
