//! Whatever is done to an audit trail by hand is found, and the entries that it was done to are named.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sqlite_support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

use monitor_core::{AuditFault, AuditHead, AuditLog, AuditReport, History as _, SqliteHistory};
use proptest::prelude::*;
use proptest::sample::Index;
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use sqlite_support::Folder;

const MOST: i64 = 9;

/// A trail with so many entries, of which so many were removed as retention does it.
fn trail(entries: i64, removed: i64) -> (Folder, PathBuf) {
    static WHOLE: OnceLock<Vec<u8>> = OnceLock::new();
    let whole = WHOLE.get_or_init(|| {
        let folder = Folder::new("audit-whole");
        let log = AuditLog::open(folder.file()).unwrap();
        for n in 0..MOST {
            let entry =
                log.record(&format!("actor {}", n % 3), "act").target("t").source(if n % 2 == 0 { "" } else { "s" });
            entry.detail("n", &n.to_string()).write().unwrap();
        }
        drop(log);
        std::fs::read(folder.file()).unwrap()
    });
    let folder = Folder::new("audit-changed");
    let file = folder.file();
    std::fs::write(&file, whole).unwrap();
    let db = fast(&file);
    db.execute("DELETE FROM audit WHERE id > ?1", [entries]).unwrap();
    let last = "UPDATE audit_head SET last_id = ?1,
        last_hash = coalesce((SELECT hash FROM audit WHERE id = ?1), zeroblob(32))";
    db.execute(last, [entries]).unwrap();
    let first = "UPDATE audit_head SET first_id = ?1 + 1,
        first_previous_hash = coalesce((SELECT hash FROM audit WHERE id = ?1), zeroblob(32))";
    db.execute(first, [removed]).unwrap();
    db.execute("DELETE FROM audit WHERE id <= ?1", [removed]).unwrap();
    drop(db);
    let report = check(&file);
    assert!(report.is_intact(), "{report}");
    assert_eq!((report.entries, report.first_id), (u64::try_from(entries - removed).unwrap(), removed + 1));
    (folder, file)
}

fn fast(file: &PathBuf) -> Connection {
    let db = Connection::open(file).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA ignore_check_constraints = ON").unwrap();
    db
}

fn check(file: &PathBuf) -> AuditReport {
    SqliteHistory::open(file).unwrap().verify_audit(None, Duration::from_mins(1)).unwrap()
}

/// All numbers of entries that a report names.
fn named(report: &AuditReport) -> BTreeSet<i64> {
    let mut named = BTreeSet::new();
    for fault in &report.faults {
        match fault {
            AuditFault::Changed { id } | AuditFault::Inserted { id } | AuditFault::Rewritten { id } => {
                named.insert(*id);
            }
            AuditFault::Removed { first, last } => named.extend(*first..=*last),
            AuditFault::Moved { id, from } => named.extend([*id, *from]),
            _ => {}
        }
    }
    named
}

fn blames_head(report: &AuditReport) -> bool {
    report.faults.iter().any(|fault| matches!(fault, AuditFault::Head { .. }))
}

/// Of `docs/audit.md`.
fn hash(previous: &[u8], id: i64, at_ns: i64, texts: [&str; 5]) -> Vec<u8> {
    let mut bytes = b"monitor audit 1\n".to_vec();
    bytes.extend(previous);
    bytes.extend(id.to_be_bytes());
    bytes.extend(at_ns.to_be_bytes());
    for text in texts {
        bytes.extend((text.len() as u64).to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    Sha256::digest(&bytes).to_vec()
}

/// Adds a row under that number, whose hash is that of its content or not.
fn insert(db: &Connection, id: i64, previous: &[u8], sound: bool) {
    let texts = ["mallory", "nothing", "t", "", "{}"];
    let hash = if sound { hash(previous, id, 5, texts) } else { vec![7; 32] };
    let sql = "INSERT INTO audit (id, at_ns, actor, action, target, source, details, previous_hash, hash)
        VALUES (?1, 5, 'mallory', 'nothing', 't', '', '{}', ?2, ?3)";
    db.execute(sql, (id, previous, hash)).unwrap();
}

fn hash_of(db: &Connection, id: i64) -> Vec<u8> {
    let sql = "SELECT coalesce((SELECT hash FROM audit WHERE id = ?1), (SELECT first_previous_hash FROM audit_head))";
    db.query_row(sql, [id], |row| row.get(0)).unwrap()
}

/// A trail that is not empty: how many entries it ever had, and how many of them retention has removed.
fn some() -> impl Strategy<Value = (i64, i64)> {
    (1..=MOST).prop_flat_map(|entries| (Just(entries), 0..entries))
}

/// One of the entries that are there.
fn pick((entries, removed): (i64, i64), index: Index) -> i64 {
    removed + 1 + i64::try_from(index.index(usize::try_from(entries - removed).unwrap())).unwrap()
}

/// Everything that the chain is made of.
fn content(db: &Connection) -> Vec<String> {
    let sql = "SELECT concat_ws('|', id, at_ns, hex(actor), hex(action), hex(target), hex(source), hex(details),
        hex(previous_hash), hex(hash)) FROM audit UNION ALL
        SELECT concat_ws('|', 'head', id, first_id, hex(first_previous_hash), last_id, hex(last_hash)) FROM audit_head";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows: Vec<String> = statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    rows.sort();
    rows
}

/// Changes that somebody makes who does not make the hashes anew: what does not go is left out.
const CLUMSY: [&str; 12] = [
    "UPDATE audit SET actor = actor || 'x' WHERE id = ?1",
    "UPDATE audit SET at_ns = at_ns + ?2 WHERE id = ?1",
    "UPDATE audit SET previous_hash = (SELECT hash FROM audit WHERE id = ?2) WHERE id = ?1",
    "UPDATE audit SET hash = randomblob(32) WHERE id = ?1",
    "UPDATE audit SET id = ?2 WHERE id = ?1",
    "UPDATE audit SET id = id + 100 WHERE id >= ?1",
    "DELETE FROM audit WHERE id = ?1",
    "DELETE FROM audit WHERE id >= ?1",
    "DELETE FROM audit WHERE id <= ?1",
    "INSERT INTO audit SELECT ?2, at_ns, actor, action, target, source, details, hash, randomblob(32) FROM audit WHERE id = ?1",
    "UPDATE audit_head SET first_id = ?1",
    "UPDATE audit_head SET last_id = ?2",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_changed_column_of_an_entry_is_found(
        size in some(), row in any::<Index>(), column in 0..8_usize, bytes in prop::collection::vec(any::<u8>(), 0..40),
        number in any::<i64>(),
    ) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        let column = ["at_ns", "actor", "action", "target", "source", "details", "previous_hash", "hash"][column];
        let changed = match column {
            "at_ns" => db.execute("UPDATE audit SET at_ns = ?2 WHERE id = ?1 AND at_ns <> ?2", (id, number)),
            "previous_hash" | "hash" => {
                db.execute(&format!("UPDATE audit SET {column} = ?2 WHERE id = ?1 AND {column} <> ?2"), (id, &bytes))
            }
            // Not of necessity UTF-8.
            _ => {
                let sql = format!(
                    "UPDATE audit SET {column} = CAST(?2 AS TEXT) WHERE id = ?1 AND CAST({column} AS BLOB) <> ?2"
                );
                db.execute(&sql, (id, &bytes))
            }
        };
        prop_assume!(changed.unwrap() == 1);
        let report = check(&file);
        prop_assert_eq!(&report.faults, &[AuditFault::Changed { id }], "{}", column);
    }

    #[test]
    fn a_single_bit_of_a_hash_that_changes_is_found(size in some(), row in any::<Index>(), bit in 0..256_usize, own in any::<bool>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        let column = if own { "hash" } else { "previous_hash" };
        let mut hash: Vec<u8> =
            db.query_row(&format!("SELECT {column} FROM audit WHERE id = ?1"), [id], |row| row.get(0)).unwrap();
        hash[bit / 8] ^= 1 << (bit % 8);
        db.execute(&format!("UPDATE audit SET {column} = ?2 WHERE id = ?1"), (id, hash)).unwrap();
        prop_assert_eq!(check(&file).faults, [AuditFault::Changed { id }]);
    }

    #[test]
    fn a_byte_that_goes_from_one_column_to_the_next_is_found(size in some(), row in any::<Index>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        let sql = "UPDATE audit SET actor = substr(actor, 1, length(actor) - 1), action = substr(actor, -1) || action
            WHERE id = ?1";
        db.execute(sql, [id]).unwrap();
        prop_assert_eq!(check(&file).faults, [AuditFault::Changed { id }]);
    }

    #[test]
    fn an_entry_that_was_made_anew_with_its_hash_is_found(size in some(), row in any::<Index>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        let previous = hash_of(&db, id - 1);
        db.execute("DELETE FROM audit WHERE id = ?1", [id]).unwrap();
        insert(&db, id, &previous, true);
        let report = check(&file);
        prop_assert_eq!(named(&report), BTreeSet::from([id]));
        // Of the last one, nobody but the head knows another hash.
        prop_assert_eq!(blames_head(&report), id == size.0);
    }

    #[test]
    fn an_entry_with_another_number_is_found(size in some(), row in any::<Index>(), number in prop_oneof![Just(i64::MAX), Just(i64::MIN), any::<i64>(), -3..MOST + 4]) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        prop_assume!(!(size.1 + 1..=size.0).contains(&number));
        db.execute("UPDATE audit SET id = ?2 WHERE id = ?1", (id, number)).unwrap();
        prop_assert_eq!(check(&file).faults, [AuditFault::Moved { id: number, from: id }]);
    }

    #[test]
    fn entries_that_were_removed_are_found(size in some(), from in any::<Index>(), to in any::<Index>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, from, to) = (fast(&file), pick(size, from), pick(size, to));
        let (first, last) = (from.min(to), from.max(to));
        db.execute("DELETE FROM audit WHERE id BETWEEN ?1 AND ?2", (first, last)).unwrap();
        prop_assert_eq!(check(&file).faults, [AuditFault::Removed { first, last }]);
    }

    #[test]
    fn entries_that_were_removed_and_the_gap_closed_are_found(size in some(), row in any::<Index>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        db.execute("DELETE FROM audit WHERE id = ?1", [id]).unwrap();
        for next in id + 1..=size.0 {
            db.execute("UPDATE audit SET id = id - 1 WHERE id = ?1", [next]).unwrap();
        }
        let report = check(&file);
        let mut faults = vec![AuditFault::Removed { first: id, last: id }];
        faults.extend((id + 1..=size.0).map(|next| AuditFault::Moved { id: next - 1, from: next }));
        prop_assert!(report.faults.len() == faults.len() && faults.iter().all(|f| report.faults.contains(f)), "{}", report);
    }

    #[test]
    fn an_entry_beside_the_others_is_found(size in some(), number in 0..8_i64, sound in any::<bool>()) {
        let (_folder, file) = trail(size.0, size.1);
        let db = fast(&file);
        let number = if number < 4 { size.0 + 1 + number } else { size.1 - (number - 4) };
        // One that follows the last entry, or that the first one would follow.
        insert(&db, number, &hash_of(&db, size.0), sound);
        prop_assert_eq!(check(&file).faults, [AuditFault::Inserted { id: number }]);
    }

    #[test]
    fn an_entry_in_the_middle_is_found(size in some(), row in any::<Index>(), sound in any::<bool>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, id) = (fast(&file), pick(size, row));
        for next in (id..=size.0).rev() {
            db.execute("UPDATE audit SET id = id + 1 WHERE id = ?1", [next]).unwrap();
        }
        insert(&db, id, &hash_of(&db, id - 1), sound);
        let report = check(&file);
        let mut faults = vec![AuditFault::Inserted { id }];
        faults.extend((id..=size.0).map(|was| AuditFault::Moved { id: was + 1, from: was }));
        prop_assert_eq!(report.faults, faults);
    }

    #[test]
    fn two_entries_in_each_others_place_are_found(size in some(), one in any::<Index>(), other in any::<Index>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, one, other) = (fast(&file), pick(size, one), pick(size, other));
        prop_assume!(one != other);
        let renumber = |from: i64, to: i64| db.execute("UPDATE audit SET id = ?2 WHERE id = ?1", (from, to)).unwrap();
        renumber(one, -99);
        renumber(other, one);
        renumber(-99, other);
        let (low, high) = (one.min(other), one.max(other));
        let faults = [AuditFault::Moved { id: low, from: high }, AuditFault::Moved { id: high, from: low }];
        prop_assert_eq!(check(&file).faults, faults);
    }

    #[test]
    fn a_changed_head_is_found(
        entries in 0..=MOST, removed in 0..=MOST, column in 0..6_usize, bytes in prop::collection::vec(any::<u8>(), 30..34),
        number in prop_oneof![Just(0), Just(i64::MAX), Just(i64::MIN), any::<i64>(), -3..MOST + 4],
    ) {
        let removed = removed.min(entries);
        let (_folder, file) = trail(entries, removed);
        let db = fast(&file);
        let column = ["id", "first_id", "last_id", "first_previous_hash", "last_hash", "row"][column];
        let changed = match column {
            "row" => db.execute("DELETE FROM audit_head", []),
            "id" | "first_id" | "last_id" => {
                db.execute(&format!("UPDATE audit_head SET {column} = ?1 WHERE {column} <> ?1"), [number])
            }
            _ => db.execute(&format!("UPDATE audit_head SET {column} = ?1 WHERE {column} <> ?1"), [&bytes]),
        };
        prop_assume!(changed.unwrap() == 1);
        let report = check(&file);
        prop_assert!(blames_head(&report), "{}: {}", column, report);
        // Where the head and the last entry have different hashes, either may be wrong.
        let or_last = if column == "last_hash" && bytes.len() == 32 { BTreeSet::from([entries]) } else { BTreeSet::new() };
        prop_assert!(named(&report).is_subset(&or_last), "{}: {}", column, report);
    }

    #[test]
    fn a_trail_made_anew_is_found_by_a_head_kept_elsewhere(size in some(), from in any::<Index>(), kept in any::<Index>()) {
        let (_folder, file) = trail(size.0, size.1);
        let (db, from, kept) = (fast(&file), pick(size, from), pick(size, kept));
        let hex: String =
            db.query_row("SELECT lower(hex(hash)) FROM audit WHERE id = ?1", [kept], |row| row.get(0)).unwrap();
        let head: AuditHead = format!("{kept}:{hex}").parse().unwrap();
        let history = SqliteHistory::open(&file).unwrap();
        let check = || history.verify_audit(Some(&head), Duration::from_mins(1)).unwrap();
        prop_assert_eq!((check().confirmed, check().is_intact()), (Some(true), true));
        for id in from..=size.0 {
            let previous = hash_of(&db, id - 1);
            db.execute("DELETE FROM audit WHERE id = ?1", [id]).unwrap();
            insert(&db, id, &previous, true);
        }
        db.execute("UPDATE audit_head SET last_hash = ?1", [hash_of(&db, size.0)]).unwrap();
        prop_assert!(history.verify_audit(None, Duration::from_mins(1)).unwrap().is_intact(), "the file alone cannot show it");
        let report = check();
        if kept < from {
            prop_assert_eq!((report.confirmed, report.is_intact()), (Some(true), true));
        } else {
            prop_assert_eq!((report.confirmed, report.faults), (Some(false), vec![AuditFault::Rewritten { id: kept }]));
        }
        // Set back to before the entry.
        db.execute("DELETE FROM audit WHERE id >= ?1", [kept]).unwrap();
        db.execute("UPDATE audit_head SET last_id = ?1, last_hash = ?2", (kept - 1, hash_of(&db, kept - 1))).unwrap();
        let report = check();
        prop_assert_eq!((report.confirmed, report.faults), (Some(false), vec![AuditFault::Removed { first: kept, last: kept }]));
    }

    #[test]
    fn whatever_else_is_done_without_new_hashes_is_no_intact_trail(
        size in some(), changes in prop::collection::vec((0..CLUMSY.len(), -2..MOST + 3, -2..MOST + 3), 1..6),
    ) {
        let (_folder, file) = trail(size.0, size.1);
        let db = fast(&file);
        let before = content(&db);
        for (change, one, other) in &changes {
            // Without the second parameter where there is none.
            let two = CLUMSY[*change].contains("?2");
            let _ = if two { db.execute(CLUMSY[*change], (one, other)) } else { db.execute(CLUMSY[*change], [one]) };
        }
        let report = check(&file);
        prop_assert_eq!(report.is_intact(), content(&db) == before, "{:?}: {}", changes, report);
    }
}
