//! Removing old audit entries.
//!
//! They go from the beginning of the chain on, and the hash of the last one that went is kept as what stands before the first
//! one that is left. What is removed is checked first: a trail that was changed is evidence, and stays as it is from the
//! first fault on. So nobody gets rid of an entry by making it look old.

use rusqlite::Transaction;

use super::audit_chain::{BOUNDED_COLUMNS, Head, StoredRow};
use super::error::StoreError;

/// Removes entries from before that time, at most so many, and says how many. It ends at the first one that is not older, and
/// before the first one that is not as it was written.
pub(super) fn remove_before(transaction: &Transaction<'_>, at_ns: i64, most: usize) -> Result<usize, StoreError> {
    let mut head = match Head::sound(transaction) {
        Ok(head) => head,
        Err(error) if error.is_tampered() => return Ok(0),
        Err(error) => return Err(error),
    };
    let before = head;
    let sql = format!("SELECT {BOUNDED_COLUMNS} FROM audit NOT INDEXED ORDER BY id LIMIT ?1");
    let mut statement = transaction.prepare_cached(&sql)?;
    let mut rows = statement.query([i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1)])?;
    let mut due: Option<Head> = None;
    // Each one is removed when the next one, or the head, knows it by its hash.
    while let Some(row) = rows.next()? {
        let row = StoredRow::of(row)?;
        let after = due.unwrap_or(head);
        let fits = row.id == after.first_id && row.previous == Some(after.first_previous) && row.is_sound_as(row.id);
        let Some(hash) = row.hash.filter(|_| fits) else { break };
        head = after;
        due = None;
        if row.at_ns >= at_ns || row.id > head.last_id || removed(&before, &head) >= most {
            break;
        }
        due = Some(Head { first_id: row.id.saturating_add(1), first_previous: hash, ..head });
    }
    drop(rows);
    // The last entry of all: the head knows it.
    if let Some(after) = due.filter(|after| after.first_id > after.last_id && after.first_previous == after.last) {
        head = after;
    }
    let count = removed(&before, &head);
    if count > 0 {
        let sql = "DELETE FROM audit WHERE id >= ?1 AND id < ?2";
        transaction.prepare_cached(sql)?.execute([before.first_id, head.first_id])?;
        head.write(transaction)?;
    }
    Ok(count)
}

fn removed(before: &Head, now: &Head) -> usize {
    usize::try_from(now.first_id.saturating_sub(before.first_id)).unwrap_or(0)
}
