//! Which time it is, as far as it is believed, and what a clock that went back means for what is complete.
//!
//! A clock may be wrong: for a moment or for long, ahead or behind. Each look is noted in the file, since a wrong clock is
//! that of all programs of a machine: what one of them doubts, another one must not believe because it has just been seen.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};

use super::BETWEEN_LOOKS;
use crate::sinks::sqlite::error::StoreError;
use crate::sinks::sqlite::values::duration;

/// A clock that is further ahead than this of the time that was believed last is not believed until a look a while later: one
/// that is wrong for a moment must not cost a history.
const BELIEVED: Duration = Duration::from_hours(24);

/// The last look, and the last time that was believed.
const LOOK: &str = "retention";
const BELIEF: &str = "retention, by a clock that was believed";

/// Notes that it is looked at that time, by a run for the first time or again. Returns the time that is believed.
pub(super) fn look(connection: &mut Connection, now_ns: i64, is_first: bool) -> Result<i64, StoreError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let looked = noted(&transaction, LOOK)?;
    let believed = noted(&transaction, BELIEF)?.or(looked);
    let most_ns = believed.map_or(now_ns, |at_ns| at_ns.saturating_add(duration(BELIEVED)));
    // When it was seen to be so far ahead, and how long ago that was by itself.
    let doubted = looked.filter(|&at_ns| at_ns > most_ns).map(|at_ns| (at_ns, now_ns.saturating_sub(at_ns)));
    let (pause_ns, day_ns) = (duration(BETWEEN_LOOKS), duration(BELIEVED));
    let believed_ns = match doubted {
        _ if now_ns <= most_ns => Some(now_ns),
        Some((_, ns)) if (pause_ns..=day_ns).contains(&ns) => Some(now_ns),
        // Runs that are short and rare: each sees that the time of the one before is over.
        Some((at_ns, ns)) if ns > day_ns && is_first => Some(at_ns),
        _ => None,
    };
    if let Some(believed_ns) = believed_ns {
        note(&transaction, BELIEF, believed_ns)?;
    }
    // Not by each of many that doubt it one after the other: it would never be a while ago.
    if believed_ns.is_some() || !doubted.is_some_and(|(_, ns)| (0..pause_ns).contains(&ns)) {
        note(&transaction, LOOK, now_ns)?;
    }
    went_back(&transaction, looked, now_ns)?;
    transaction.commit()?;
    Ok(believed_ns.map_or(most_ns, |at_ns| at_ns.saturating_add(day_ns)).min(now_ns))
}

/// When any run looked last.
pub(super) fn looked_at(connection: &Connection) -> Result<Option<i64>, StoreError> {
    noted(connection, LOOK)
}

/// After a clock that was ahead for longer, what is from now on on is complete, or it would not be shown for long. Of a
/// clock that is behind that is not true, and nobody can tell one from the other: so it takes a second look, and counts
/// until the clock is again where it was.
fn went_back(transaction: &Transaction<'_>, looked: Option<i64>, now_ns: i64) -> Result<(), StoreError> {
    let sql = "UPDATE kept_since SET since_ns = max(since_ns, was_ns), was_ns = NULL WHERE was_ns <= ?1";
    transaction.execute(sql, [now_ns])?;
    let Some(looked_ns) = looked else { return Ok(()) };
    let sql = "UPDATE kept_since SET was_ns = max(coalesce(was_ns, since_ns), since_ns), since_ns = ?1
        WHERE since_ns > max(?1, ?2)";
    transaction.execute(sql, [now_ns, looked_ns])?;
    Ok(())
}

fn noted(connection: &Connection, task: &str) -> Result<Option<i64>, StoreError> {
    let sql = "SELECT at_ns FROM upkeep WHERE task = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([task], |row| row.get(0)).optional()?)
}

fn note(transaction: &Transaction<'_>, task: &str, at_ns: i64) -> Result<(), StoreError> {
    let sql = "INSERT INTO upkeep (task, at_ns) VALUES (?1, ?2)
        ON CONFLICT (task) DO UPDATE SET at_ns = excluded.at_ns";
    transaction.prepare_cached(sql)?.execute((task, at_ns))?;
    Ok(())
}
