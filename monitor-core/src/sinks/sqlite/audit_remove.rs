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
        if row.at_ns.is_none_or(|time| time >= at_ns) || row.id > head.last_id || removed(&before, &head) >= most {
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::{Duration, SystemTime};

    use proptest::prelude::*;
    use rusqlite::Connection;

    use super::super::audit::AuditLog;
    use super::super::reader::SqliteHistory;
    use super::*;
    use crate::model::{AuditDraft, AuditReport};
    use crate::ports::audit::AuditTrail as _;
    use crate::ports::history::History as _;

    struct Trail(PathBuf);

    impl Trail {
        /// With entries of these times.
        fn new(times: &[u64]) -> Trail {
            static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
            let next = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let trail = Trail(std::env::temp_dir().join(format!("monitor-remove-{}-{next}.db", std::process::id())));
            trail.add(times);
            trail
        }

        fn add(&self, times: &[u64]) {
            let log = AuditLog::open(&self.0).unwrap();
            for &time in times {
                let at = SystemTime::UNIX_EPOCH + Duration::from_nanos(time);
                log.write(&AuditDraft::new(at, "a", "b")).unwrap();
            }
        }

        fn change(&self, sql: &str) {
            Connection::open(&self.0).unwrap().execute_batch(sql).unwrap();
        }

        fn remove(&self, at_ns: i64, most: usize) -> usize {
            let mut connection = Connection::open(&self.0).unwrap();
            connection.pragma_update(None, "synchronous", "OFF").unwrap();
            let transaction = connection.transaction().unwrap();
            let removed = remove_before(&transaction, at_ns, most).unwrap();
            transaction.commit().unwrap();
            removed
        }

        fn ids(&self) -> Vec<i64> {
            let connection = Connection::open(&self.0).unwrap();
            let mut statement = connection.prepare("SELECT id FROM audit ORDER BY id").unwrap();
            statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        }

        fn verify(&self) -> AuditReport {
            SqliteHistory::open(&self.0).unwrap().verify_audit(None, Duration::from_mins(1)).unwrap()
        }
    }

    impl Drop for Trail {
        fn drop(&mut self) {
            for end in ["", "-wal", "-shm"] {
                let _ = std::fs::remove_file(super::super::recovery::beside(&self.0, end));
            }
        }
    }

    #[test]
    fn the_oldest_go_in_steps_and_the_trail_stays_whole_and_goes_on() {
        let trail = Trail::new(&[10, 20, 30, 40, 50]);
        assert_eq!((trail.remove(10, 100), trail.remove(45, 0)), (0, 0));
        assert_eq!((trail.remove(45, 3), trail.ids()), (3, vec![4, 5]));
        assert_eq!(trail.verify().to_string(), "2 entries, 4 to 5, intact");
        assert_eq!((trail.remove(45, 3), trail.ids()), (1, vec![5]));
        assert_eq!((trail.remove(i64::MAX, usize::MAX), trail.ids()), (1, vec![]));
        assert_eq!((trail.remove(i64::MAX, 1), trail.verify().to_string().as_str()), (0, "0 entries, intact"));
        trail.add(&[60, 70]);
        assert_eq!(trail.verify().to_string(), "2 entries, 6 to 7, intact");
    }

    #[test]
    fn an_entry_behind_a_younger_one_waits_for_it() {
        let trail = Trail::new(&[10, 99, 20]);
        assert_eq!((trail.remove(50, 10), trail.ids()), (1, vec![2, 3]));
    }

    #[test]
    fn a_trail_without_its_head_is_left_alone() {
        let trail = Trail::new(&[10, 20]);
        trail.change("DELETE FROM audit_head");
        assert_eq!((trail.remove(i64::MAX, 10), trail.ids()), (0, vec![1, 2]));
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_was_changed_stays_and_so_does_all_behind_it(
            entries in 1..8_i64, changed in 0..8_i64, how in 0..6_usize, most in 0..10_usize, gone in 0..3_usize,
        ) {
            let trail = Trail::new(&vec![10; usize::try_from(entries).unwrap()]);
            let gone = i64::try_from(trail.remove(50, gone)).unwrap();
            let id = gone + 1 + changed % (entries - gone).max(1);
            prop_assume!(id <= entries);
            let how = [
                "UPDATE audit SET at_ns = 5 WHERE id = ",
                "UPDATE audit SET actor = 'mallory' WHERE id = ",
                "UPDATE audit SET hash = randomblob(32) WHERE id = ",
                "UPDATE audit SET previous_hash = randomblob(32) WHERE id = ",
                "DELETE FROM audit WHERE id = ",
                "UPDATE audit SET id = -1 WHERE id = ",
            ][how];
            trail.change(&format!("{how}{id}"));
            let before = (trail.verify().faults, trail.ids());
            prop_assert!(!before.0.is_empty());
            // In as many steps as it takes.
            let mut removed = 0;
            loop {
                match trail.remove(50, most) {
                    0 => break,
                    step => removed += i64::try_from(step).unwrap(),
                }
            }
            prop_assert!(gone + removed < id, "{} were removed of which {} was changed", removed, id);
            let after = (trail.verify().faults, trail.ids());
            prop_assert_eq!(&after.0, &before.0, "what is found stays what it is");
            prop_assert_eq!(after.1.len(), before.1.len() - usize::try_from(removed).unwrap());
        }
    }
}
