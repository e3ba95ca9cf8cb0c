//! Removing everything of a part that is before a time, piece by piece.

use std::cell::Cell;

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::pace::Pace;
use super::part::{Part, Way};
use super::unused;
use crate::sinks::sqlite::audit_remove;
use crate::sinks::sqlite::error::StoreError;
use crate::sinks::sqlite::spans::SECOND;
use crate::sinks::sqlite::write_records::BLOCK_BITS;

/// Rows that are looked up at once, without a lock.
const LOOKED_UP: i64 = 1_000;

/// A part, of which everything before a time is to be removed.
#[derive(Debug)]
pub(super) struct Task {
    part: Part,
    before_ns: i64,
    pace: Pace,
    /// Rows that were looked up and are not removed yet, the next one last: blocks or ids.
    found: Vec<i64>,
    /// The time and id up to which was looked; of what goes at once, the time before which there is nothing to remove.
    looked_to: (i64, i64),
}

impl Task {
    pub(super) fn new(part: Part, before_ns: i64) -> Task {
        let before_ns = match part.step_s() {
            0 => before_ns,
            step_s => before_ns.saturating_sub(before_ns.rem_euclid(step_s * SECOND)),
        };
        Task { part, before_ns, pace: Pace::default(), found: Vec::new(), looked_to: (i64::MIN, i64::MIN) }
    }

    /// Whether what is of that time would go.
    pub(super) fn is_after(&self, at_ns: i64) -> bool {
        at_ns < self.before_ns
    }

    pub(super) fn is_of_the_same(&self, other: &Task) -> bool {
        self.part == other.part
    }

    /// Goes on to what the other one would remove.
    pub(super) fn extend_to(&mut self, other: &Task) {
        self.before_ns = self.before_ns.max(other.before_ns);
    }

    /// Whether something of it is known by its id elsewhere.
    pub(super) fn removes_ids(&self) -> bool {
        matches!(self.part, Part::Strings | Part::Series)
    }

    /// Removes some, in one transaction. Returns whether there may be more.
    pub(super) fn go_on(&mut self, connection: &mut Connection) -> Result<bool, StoreError> {
        let (part, before_ns) = (self.part, self.before_ns);
        match part.way() {
            Way::AtOnce(way) => {
                // Mostly there is nothing. What has been passed over stays passed over.
                let (passed_ns, _) = self.looked_to;
                let range = (before_ns, passed_ns, part.own());
                let first = connection.prepare_cached(way.first)?.query_row(range, |row| row.get(0)).optional()?;
                let Some(first_ns) = first else { return Ok(false) };
                self.looked_to.0 = first_ns;
                let piece = |transaction: &Transaction<'_>, most| {
                    let some = (before_ns, first_ns, part.own(), most);
                    Ok(transaction.prepare_cached(way.remove)?.execute(some)?)
                };
                self.pace.transaction(connection, piece, |transaction| keep_since(transaction, part, before_ns))
            }
            Way::Audit => {
                let sql = "SELECT 1 FROM audit WHERE id = (SELECT min(id) FROM audit) AND at_ns < ?1";
                if !connection.prepare_cached(sql)?.exists([before_ns])? {
                    return Ok(false);
                }
                let piece = |transaction: &Transaction<'_>, most| {
                    audit_remove::remove_before(transaction, before_ns, usize::try_from(most).unwrap_or(0))
                };
                self.pace.transaction(connection, piece, |transaction| keep_since(transaction, part, before_ns))
            }
            Way::Listed(sql) => {
                if self.found.is_empty() && !self.look_up(connection, sql)? {
                    return Ok(false);
                }
                let since_ns = Cell::new(i64::MIN);
                let found = &mut self.found;
                let (mut limit_ns, mut checked) = (None, None);
                let piece = |transaction: &Transaction<'_>, most| {
                    let before_ns = match limit_ns {
                        Some(limit_ns) => limit_ns,
                        None => *limit_ns.insert(limit(transaction, part, before_ns)?),
                    };
                    while let Some(&id) = found.last() {
                        if checked != Some(id) {
                            checked = Some(id);
                            let Some(last_ns) = still_old(transaction, part, id, before_ns)? else {
                                found.pop();
                                continue;
                            };
                            let removed_to = if part == Part::Records { last_ns.saturating_add(1) } else { before_ns };
                            since_ns.set(since_ns.get().max(removed_to.min(before_ns)));
                        }
                        let (removed, done) = remove_one(transaction, part, id, before_ns, most)?;
                        if done {
                            found.pop();
                        }
                        if removed > 0 {
                            return Ok(removed);
                        }
                    }
                    Ok(0)
                };
                self.pace
                    .transaction(connection, piece, |transaction| keep_since(transaction, part, since_ns.get()))?;
                // There may be more to look up.
                Ok(true)
            }
        }
    }

    fn look_up(&mut self, connection: &Connection, sql: &str) -> Result<bool, StoreError> {
        let (time, id) = self.looked_to;
        let before_ns = limit(connection, self.part, self.before_ns)?;
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement
            .query_map((before_ns, time, id, self.part.own(), LOOKED_UP), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(i64, i64)> = rows.collect::<Result<_, _>>()?;
        self.looked_to = rows.last().copied().unwrap_or(self.looked_to);
        self.found = rows.into_iter().rev().map(|(_, id)| id).collect();
        Ok(!self.found.is_empty())
    }
}

/// Before when something must be to be removed, with what is known now.
fn limit(connection: &Connection, part: Part, before_ns: i64) -> Result<i64, StoreError> {
    match part {
        Part::Strings | Part::Series | Part::Instances => {
            Ok(unused::unused_before_ns(connection, part)?.min(before_ns))
        }
        _ => Ok(before_ns),
    }
}

/// Whether what was looked up without a lock is still to be removed: then a time, of records that of the last one.
fn still_old(transaction: &Transaction<'_>, part: Part, id: i64, before_ns: i64) -> Result<Option<i64>, StoreError> {
    let sql = match part {
        Part::Records => {
            "SELECT last_started_at_ns FROM record_blocks WHERE block = ?1 AND first_started_at_ns < ?2 AND ?3 = 0"
        }
        // An id comes again when those above it have gone.
        Part::ErrorSamples(_) => {
            "SELECT seen_at_ns FROM error_samples WHERE id = ?1 AND seen_at_ns < ?2 AND severity = ?3"
        }
        Part::ErrorGroups(_) => {
            "SELECT last_seen_at_ns FROM error_groups WHERE id = ?1 AND last_seen_at_ns < ?2 AND severity = ?3"
        }
        Part::Strings => "SELECT used_at_ns FROM strings WHERE id = ?1 AND used_at_ns < ?2 AND ?3 = 0",
        Part::Series => "SELECT used_at_ns FROM series WHERE id = ?1 AND used_at_ns < ?2 AND ?3 = 0",
        // Instances: nothing else is listed.
        _ => {
            "SELECT last_seen_at_ns FROM instances WHERE id = ?1 AND last_seen_at_ns < ?2 AND ended IS NOT NULL
                AND ?3 = 0"
        }
    };
    Ok(transaction.prepare_cached(sql)?.query_row((id, before_ns, part.own()), |row| row.get(0)).optional()?)
}

/// Removes rows that belong to that id, and at last itself. Returns how many, and whether that was the last.
fn remove_one(
    transaction: &Transaction<'_>,
    part: Part,
    id: i64,
    before_ns: i64,
    most: i64,
) -> Result<(usize, bool), StoreError> {
    let with_it: &[&str] = match part {
        Part::Records => return remove_of_block(transaction, id, before_ns, most),
        Part::ErrorGroups(_) => &[
            "DELETE FROM error_hours WHERE (start_ns, group_id, instance_id) IN (
                SELECT start_ns, group_id, instance_id FROM error_hours WHERE group_id = ?1 LIMIT ?2)",
            "DELETE FROM error_samples WHERE id IN (SELECT id FROM error_samples WHERE group_id = ?1 LIMIT ?2)",
        ],
        Part::Instances => &[
            "DELETE FROM losses WHERE (instance_id, reason) IN (
                SELECT instance_id, reason FROM losses WHERE instance_id = ?1 LIMIT ?2)",
            "DELETE FROM active_operations WHERE (instance_id, span_id) IN (
                SELECT instance_id, span_id FROM active_operations WHERE instance_id = ?1 LIMIT ?2)",
            "DELETE FROM operations_ended_elsewhere WHERE (instance_id, id) IN (
                SELECT instance_id, id FROM operations_ended_elsewhere WHERE instance_id = ?1 LIMIT ?2)",
        ],
        _ => &[],
    };
    for sql in with_it {
        let removed = transaction.prepare_cached(sql)?.execute((id, most))?;
        if removed > 0 {
            return Ok((removed, false));
        }
    }
    let sql = match part {
        Part::ErrorSamples(_) => "DELETE FROM error_samples WHERE id = ?1",
        Part::ErrorGroups(_) => "DELETE FROM error_groups WHERE id = ?1",
        Part::Strings => "DELETE FROM strings WHERE id = ?1",
        Part::Series => "DELETE FROM series WHERE id = ?1",
        _ => "DELETE FROM instances WHERE id = ?1",
    };
    Ok((transaction.prepare_cached(sql)?.execute([id])?, true))
}

/// The same for the records of a block, of which some may stay.
fn remove_of_block(
    transaction: &Transaction<'_>,
    block: i64,
    before_ns: i64,
    most: i64,
) -> Result<(usize, bool), StoreError> {
    let (first, last) = (block << BLOCK_BITS, (block << BLOCK_BITS) + (1 << BLOCK_BITS) - 1);
    for sql in [
        "DELETE FROM record_fields WHERE (key_id, value, record_id) IN (
            SELECT key_id, value, record_id FROM records CROSS JOIN record_fields ON record_id = records.id
            WHERE records.id BETWEEN ?1 AND ?2 AND started_at_ns < ?3 LIMIT ?4)",
        "DELETE FROM records WHERE id IN (
            SELECT id FROM records WHERE id BETWEEN ?1 AND ?2 AND started_at_ns < ?3 ORDER BY id LIMIT ?4)",
    ] {
        let removed = transaction.prepare_cached(sql)?.execute((first, last, before_ns, most))?;
        if removed > 0 {
            return Ok((removed, false));
        }
    }
    let sql = "SELECT min(started_at_ns) FROM records WHERE id BETWEEN ?1 AND ?2";
    let left: Option<i64> = transaction.prepare_cached(sql)?.query_row((first, last), |row| row.get(0))?;
    let changed = match left {
        Some(oldest_ns) => {
            let sql = "UPDATE record_blocks SET first_started_at_ns = ?2 WHERE block = ?1";
            transaction.prepare_cached(sql)?.execute((block, oldest_ns))?
        }
        None => transaction.prepare_cached("DELETE FROM record_blocks WHERE block = ?1")?.execute([block])?,
    };
    Ok((changed, true))
}

/// Says from when on a part is complete.
fn keep_since(transaction: &Transaction<'_>, part: Part, since_ns: i64) -> Result<(), StoreError> {
    let Some(name) = part.name() else { return Ok(()) };
    let sql = "INSERT INTO kept_since (part, since_ns) VALUES (?1, ?2)
        ON CONFLICT (part) DO UPDATE SET since_ns = max(since_ns, excluded.since_ns)";
    transaction.prepare_cached(sql)?.execute((name, since_ns))?;
    Ok(())
}
