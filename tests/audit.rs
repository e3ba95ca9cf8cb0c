//! Audit entries: kept, read, refused, and checked by another program that knows the document alone.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sqlite_support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use monitor_core::{
    AuditDraft, AuditEntry, AuditError, AuditFault, AuditFilter, AuditLog, AuditTrail, History as _, ManualClock,
    Monitor, PageRequest, SortOrder, SqliteHistory, TimeRange,
};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use sqlite_support::Folder;

/// Checks a trail by `docs/audit.md`, with nothing of the library.
fn is_intact_by_the_document(db: &Connection) -> bool {
    let head = db
        .query_row("SELECT first_id, first_previous_hash, last_id, last_hash FROM audit_head", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .unwrap();
    let (mut due, mut previous, last_id, last_hash): (i64, Vec<u8>, i64, Vec<u8>) = head;
    let sql = "SELECT id, at_ns, previous_hash, hash, cast(actor AS BLOB), cast(action AS BLOB), cast(target AS BLOB),
        cast(source AS BLOB), cast(details AS BLOB) FROM audit ORDER BY id";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let mut sha = Sha256::new();
        sha.update(b"monitor audit 1\n");
        sha.update(row.get::<_, Vec<u8>>(2).unwrap());
        sha.update(row.get::<_, i64>(0).unwrap().to_be_bytes());
        sha.update(row.get::<_, i64>(1).unwrap().to_be_bytes());
        for column in 4..9 {
            let text: Vec<u8> = row.get(column).unwrap();
            sha.update((text.len() as u64).to_be_bytes());
            sha.update(text);
        }
        let hash: Vec<u8> = row.get(3).unwrap();
        let before: Vec<u8> = row.get(2).unwrap();
        if row.get::<_, i64>(0).unwrap() != due || before != previous || hash != sha.finalize().to_vec() {
            return false;
        }
        (due, previous) = (due + 1, hash);
    }
    due == last_id + 1 && previous == last_hash
}

fn all(file: &std::path::Path, filter: &AuditFilter) -> Vec<AuditEntry> {
    let history = SqliteHistory::open(file).unwrap();
    let mut page = PageRequest::new().limit(3).order(SortOrder::OldestFirst);
    let mut entries = Vec::new();
    loop {
        let found = history.audit(filter, &page).unwrap();
        entries.extend(found.entries);
        let Some(next) = found.next else { return entries };
        page = page.after(next);
    }
}

#[test]
fn what_is_written_is_read_and_is_a_chain_by_the_document_too() {
    let folder = Folder::new("audit");
    let log = AuditLog::open(folder.file()).unwrap();
    let long = "ü".repeat(3_000);
    let before = SystemTime::now();
    let mut written = Vec::new();
    for (actor, action, target) in
        [("alice", "deploy", "api"), ("bob", "deploy", "web"), ("alice", "a\0b\n\"'", "api"), (&long, &long, &long)]
    {
        let entry = log.record(actor, action).target(target).source("10.0.0.7").detail("k\0", "v\u{1F600}\"\\");
        written.push(entry.detail(&long, &long).write().unwrap());
    }
    written.push(log.record("x", "y").write().unwrap());
    assert_eq!(all(&folder.file(), &AuditFilter::new()), written);
    assert_eq!(written.iter().map(|entry| entry.id).collect::<Vec<_>>(), [1, 2, 3, 4, 5]);
    assert!(written.iter().all(|entry| entry.at >= before && entry.at <= SystemTime::now()));
    assert!(written[3].target.ends_with("… (6000 bytes)") && written[3].target.len() <= 1_024);
    assert_eq!(written[2].action, "a\0b\n\"'");
    let report = log.verify().unwrap();
    assert_eq!((report.to_string().as_str(), &report.head), ("5 entries, 1 to 5, intact", &written[4].head()));
    assert_eq!(log.head().unwrap(), report.head);
    let db = Connection::open(folder.file()).unwrap();
    assert!(is_intact_by_the_document(&db));
    db.execute("UPDATE audit SET source = '' WHERE id = 2", []).unwrap();
    assert!(!is_intact_by_the_document(&db), "the check can fail");
    assert_eq!(log.verify().unwrap().faults, [AuditFault::Changed { id: 2 }]);
}

#[test]
fn entries_are_found_by_actor_action_target_and_time() {
    let folder = Folder::new("audit-filter");
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).audit_trail(AuditLog::open(folder.file()).unwrap()).build().unwrap();
    let mut times = Vec::new();
    for n in 0..20 {
        clock.advance(Duration::from_secs(1));
        let entry = local.audit(["alice", "bob"][n % 2], ["start", "stop", "kill"][n % 3]).target(["a", "b"][n / 10]);
        times.push(entry.write().unwrap().at);
    }
    let ids = |filter: &AuditFilter| all(&folder.file(), filter).iter().map(|entry| entry.id).collect::<Vec<_>>();
    let f = AuditFilter::new;
    assert_eq!(times[1].duration_since(times[0]).unwrap(), Duration::from_secs(1), "the monitor's clock");
    assert_eq!(ids(&f()), (1..=20).collect::<Vec<_>>());
    assert_eq!(ids(&f().actor("bob")), (1..=10).map(|n| 2 * n).collect::<Vec<_>>());
    assert_eq!(ids(&f().action("kill")), [3, 6, 9, 12, 15, 18]);
    assert_eq!(ids(&f().target("b")), (11..=20).collect::<Vec<_>>());
    assert_eq!(ids(&f().target("b").actor("alice").action("kill")), [15]);
    assert_eq!(ids(&f().range(TimeRange::since(times[4]).until(times[6]))), [5, 6]);
    assert_eq!(ids(&f().actor("alice").range(TimeRange::since(times[17]))), [19]);
    assert!(ids(&f().actor("nobody")).is_empty());
    let history = SqliteHistory::open(folder.file()).unwrap();
    let newest = history.audit(&f(), &PageRequest::new().limit(2)).unwrap();
    assert_eq!(newest.entries.iter().map(|entry| entry.id).collect::<Vec<_>>(), [20, 19]);
    for bad in [f().actor(""), f().action("x".repeat(201)), f().target("x".repeat(1_025))] {
        assert!(history.audit(&bad, &PageRequest::new()).unwrap_err().is_invalid(), "{bad:?}");
    }
    let error = history.verify_audit(None, Duration::ZERO).unwrap_err();
    assert!(error.is_invalid(), "{error}");
}

#[test]
fn entries_that_somebody_changed_can_still_be_read() {
    let folder = Folder::new("audit-unreadable");
    let log = AuditLog::open(folder.file()).unwrap();
    for _ in 0..3 {
        log.record("a", "b").detail("k", "v").write().unwrap();
    }
    let db = Connection::open(folder.file()).unwrap();
    db.execute_batch(
        "UPDATE audit SET details = '[1]', hash = x'00', actor = CAST(x'ff' AS TEXT) WHERE id = 1;
         UPDATE audit SET target = CAST(zeroblob(5000000) AS TEXT) WHERE id = 2",
    )
    .unwrap();
    let entries = all(&folder.file(), &AuditFilter::new());
    assert_eq!((entries[0].details["(unreadable)"].as_str(), entries[0].hash.as_str()), ("[1]", ""));
    assert_eq!((entries[0].actor.as_str(), entries[1].target.as_str()), ("\u{FFFD}", "(unreadable)"));
    assert_eq!(log.verify().unwrap().faults, [AuditFault::Changed { id: 1 }, AuditFault::Changed { id: 2 }]);
}

#[test]
fn faults_beyond_a_hundred_are_counted() {
    let folder = Folder::new("audit-many");
    let log = AuditLog::open(folder.file()).unwrap();
    let db = Connection::open(folder.file()).unwrap();
    log.record("a", "b").write().unwrap();
    let sql = "WITH RECURSIVE n (i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM n WHERE i < 1001)
        INSERT INTO audit SELECT i, 0, 'x', 'y', '', '', '{}', zeroblob(32), randomblob(32) FROM n";
    db.execute(sql, []).unwrap();
    let report = log.verify().unwrap();
    assert_eq!((report.entries, report.faults.len(), report.faults_over), (1_001, 100, 900));
    assert_eq!(report.faults[99], AuditFault::Inserted { id: 1_001 });
    assert!(!report.is_intact());
}

#[test]
fn an_entry_without_an_actor_or_an_action_is_refused_and_nothing_is_written() {
    let folder = Folder::new("audit-refused");
    let log = AuditLog::open(folder.file()).unwrap();
    for (actor, action) in [("", "x"), ("x", ""), ("", "")] {
        assert!(log.record(actor, action).write().unwrap_err().is_invalid());
    }
    let mut draft = AuditDraft::new(SystemTime::UNIX_EPOCH, "x", "y");
    draft.source = "z".repeat(2_000);
    let error = AuditTrail::write(&log, &draft).unwrap_err();
    assert_eq!(error.to_string(), "the source has 2000 bytes; allowed are 1024");
    assert_eq!(log.head().unwrap().id, 0);
    assert_eq!(log.verify().unwrap().to_string(), "0 entries, intact");
}

#[test]
fn times_beyond_what_a_file_can_say_are_kept_as_the_last_that_it_can() {
    let folder = Folder::new("audit-times");
    let log = AuditLog::open(folder.file()).unwrap();
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::MAX >> 2);
    for at in [far, SystemTime::UNIX_EPOCH - Duration::from_secs(1 << 60), SystemTime::UNIX_EPOCH] {
        AuditTrail::write(&log, &AuditDraft::new(at, "x", "y")).unwrap();
    }
    assert!(log.verify().unwrap().is_intact());
    let ids: Vec<_> = all(&folder.file(), &AuditFilter::new()).iter().map(|entry| entry.id).collect();
    assert_eq!(ids, [2, 3, 1]);
}

#[test]
fn nothing_is_added_to_a_trail_that_cannot_go_on() {
    let changes = [
        ("DELETE FROM audit_head", "missing"),
        ("UPDATE audit_head SET last_hash = x'00'", "missing or has no hashes"),
        ("UPDATE audit_head SET last_id = 0", "before the first"),
        ("UPDATE audit_head SET last_id = 1", "entries behind its last one"),
        ("UPDATE audit_head SET last_id = 9223372036854775807", "entries behind its last one"),
        ("INSERT INTO audit VALUES (9, 0, 'x', 'y', '', '', '{}', x'', x'')", "entries behind its last one"),
    ];
    for (change, what) in changes {
        let folder = Folder::new("audit-tampered");
        let log = AuditLog::open(folder.file()).unwrap();
        log.record("a", "b").write().unwrap();
        log.record("a", "b").write().unwrap();
        let db = Connection::open(folder.file()).unwrap();
        if change.contains("last_id = 0") {
            db.execute("UPDATE audit_head SET first_id = 2, first_previous_hash = zeroblob(32)", []).unwrap();
        }
        db.execute(change, []).unwrap();
        let before: i64 = db.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
        let error = log.record("a", "b").write().unwrap_err();
        assert!(error.is_tampered() && error.to_string().contains(what), "{change}: {error}");
        let after: i64 = db.query_row("SELECT count(*) FROM audit", [], |row| row.get(0)).unwrap();
        assert!(before == after && !log.verify().unwrap().is_intact(), "{change}");
    }
}

#[test]
fn threads_and_logs_that_write_at_once_make_one_chain() {
    let folder = Folder::new("audit-threads");
    let logs = [AuditLog::open(folder.file()).unwrap(), AuditLog::open(folder.file()).unwrap()];
    let start = Barrier::new(8);
    thread::scope(|threads| {
        for number in 0..8 {
            let (log, start) = (logs[number % 2].clone(), &start);
            threads.spawn(move || {
                start.wait();
                for n in 0..10 {
                    let entry = log.record(&format!("thread {number}"), "count").detail("n", &n.to_string());
                    entry.write().unwrap();
                }
            });
        }
    });
    let report = logs[0].verify().unwrap();
    assert_eq!(report.to_string(), "80 entries, 1 to 80, intact");
    assert_eq!(all(&folder.file(), &AuditFilter::new().actor("thread 3")).len(), 10);
}

#[test]
fn a_monitor_with_a_history_keeps_its_audit_entries_in_the_same_file() {
    let folder = Folder::new("audit-monitor");
    let local = Monitor::builder().sqlite(folder.file()).sqlite(folder.path().join("second.db")).build().unwrap();
    local.track("work", |_| ());
    let entry = local.audit("alice", "deploy").write().unwrap();
    local.set_enabled(false);
    assert_eq!(local.audit("alice", "disable").write().unwrap().id, 2, "whether recording is on or not");
    local.shutdown(Duration::from_secs(30)).unwrap();
    assert_eq!(local.audit("alice", "late").write().unwrap().id, 3, "the trail goes on after the history");
    let history = SqliteHistory::open(folder.file()).unwrap();
    let found = history.audit(&AuditFilter::new(), &PageRequest::new().order(SortOrder::OldestFirst)).unwrap();
    assert_eq!((found.entries.len(), &found.entries[0]), (3, &entry));
    assert_eq!(
        history.summary(&monitor_core::Selection::new(TimeRange::all()), &PageRequest::new()).unwrap().operations.len(),
        1
    );
}

/// A place of the program's own that does what it is told.
#[derive(Clone, Default)]
struct Own {
    kept: Arc<Mutex<Vec<AuditDraft>>>,
    panics: Arc<AtomicUsize>,
}

impl AuditTrail for Own {
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
        assert!(self.panics.load(Ordering::SeqCst) == 0, "on purpose");
        self.kept.lock().unwrap().push(draft.clone());
        Err(AuditError::full("there is a limit"))
    }
}

#[test]
fn a_place_of_the_programs_own_goes_first_and_its_panics_are_contained() {
    let folder = Folder::new("audit-own");
    let own = Own::default();
    let local = Monitor::builder().audit_trail(own.clone()).sqlite(folder.file()).build().unwrap();
    let error = local.audit("alice", "deploy").target("api").write().unwrap_err();
    assert!(error.is_full() && error.to_string().contains("there is a limit"), "{error}");
    assert_eq!(own.kept.lock().unwrap()[0].target, "api");
    own.panics.store(1, Ordering::SeqCst);
    let error = local.scope(|| local.audit("alice", "deploy").write().unwrap_err());
    assert!(error.is_unavailable() && error.to_string().contains("panicked"), "{error}");
    assert_eq!(local.snapshot().monitor().callbacks_panicked, 1);
    local.shutdown(Duration::from_secs(30)).unwrap();
}

#[test]
fn without_a_place_there_is_an_error_that_says_what_to_do() {
    let local = Monitor::builder().build().unwrap();
    let error = local.audit("alice", "deploy").write().unwrap_err();
    assert!(error.is_no_place() && error.to_string().contains("`.audit_trail(..)`"), "{error}");
    assert!(local.audit("", "deploy").write().unwrap_err().is_invalid());
}

#[test]
fn a_file_that_cannot_be_a_trail_is_an_error() {
    let folder = Folder::new("audit-bad");
    assert!(AuditLog::open(folder.path().join("none/monitor.db")).unwrap_err().is_unavailable());
    assert!(AuditLog::open(folder.path()).unwrap_err().is_unavailable());
    std::fs::write(folder.file(), vec![7; 10_000]).unwrap();
    let error = AuditLog::open(folder.file()).unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert_eq!(folder.names(), ["monitor.db"], "it was left alone");
    std::fs::remove_file(folder.file()).unwrap();
    let log = AuditLog::open(folder.file()).unwrap();
    log.record("a", "b").write().unwrap();
    let head = log.head().unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", folder.file().display()));
    }
    assert!(log.verify().unwrap_err().is_unavailable(), "the file is gone");
    assert_eq!(
        AuditLog::open(folder.file()).unwrap().record("a", "b").write().unwrap().id,
        1,
        "a new file, a new trail"
    );
    assert_eq!(log.verify().unwrap().to_string(), "1 entry, 1 to 1, intact");
    let report = log.verify_since(&head).unwrap();
    assert_eq!((report.confirmed, report.faults), (Some(false), vec![AuditFault::Rewritten { id: 1 }]));
}

#[test]
fn a_log_that_finds_another_trail_says_so_in_it() {
    let changes: [(&str, &str); 5] = [
        ("set back to a copy", ""),
        (
            "cut off",
            "DELETE FROM audit WHERE id = 3;
            UPDATE audit_head SET last_id = 2, last_hash = (SELECT hash FROM audit WHERE id = 2)",
        ),
        (
            "emptied",
            "DELETE FROM audit;
            UPDATE audit_head SET last_id = 0, last_hash = zeroblob(32)",
        ),
        (
            "removed as by retention, but another one",
            "DELETE FROM audit;
            UPDATE audit_head SET first_id = 4, last_id = 3, last_hash = randomblob(32);
            UPDATE audit_head SET first_previous_hash = last_hash",
        ),
        ("the last one made anew", "UPDATE audit SET hash = zeroblob(32) WHERE id = 3"),
    ];
    for (how, change) in changes {
        let folder = Folder::new("audit-another");
        let log = AuditLog::open(folder.file()).unwrap();
        let write = |action: &str| log.record("alice", action).write().unwrap();
        write("one");
        let db = Connection::open(folder.file()).unwrap();
        db.execute("VACUUM INTO ?1", [folder.path().join("copy.db").to_str()]).unwrap();
        write("two");
        let last = write("three");
        if change.is_empty() {
            std::fs::rename(folder.path().join("copy.db"), folder.file()).unwrap();
            for end in ["-wal", "-shm"] {
                std::fs::remove_file(format!("{}{end}", folder.file().display())).unwrap();
            }
        } else {
            db.execute_batch(change).unwrap();
        }
        drop(db);
        let id = write("four").id;
        let entries = all(&folder.file(), &AuditFilter::new());
        let said = entries.iter().find(|entry| entry.id == id - 1).unwrap();
        assert_eq!((said.actor.as_str(), said.action.as_str()), ("monitor", "audit_trail_changed"), "{how}");
        assert_eq!(said.details["known_head"], last.head().to_string(), "{how}");
        write("five");
        let entries = all(&folder.file(), &AuditFilter::new().actor("monitor"));
        assert_eq!(entries.len(), 1, "{how}: once");
    }
}

#[test]
fn triggers_that_somebody_added_do_not_keep_an_entry_away() {
    let folder = Folder::new("audit-triggers");
    let log = AuditLog::open(folder.file()).unwrap();
    let db = Connection::open(folder.file()).unwrap();
    db.execute_batch(
        "CREATE TRIGGER hide BEFORE INSERT ON audit BEGIN SELECT RAISE(IGNORE); END;
         CREATE TRIGGER other AFTER INSERT ON audit BEGIN UPDATE audit SET actor = 'bob' WHERE id = new.id; END",
    )
    .unwrap();
    log.record("mallory", "x").write().unwrap();
    assert_eq!(all(&folder.file(), &AuditFilter::new())[0].actor, "mallory");
    assert!(log.verify().unwrap().is_intact());
}

#[test]
fn tables_without_types_are_no_way_around_the_check() {
    let folder = Folder::new("audit-types");
    let log = AuditLog::open(folder.file()).unwrap();
    log.record("a", "b").write().unwrap();
    log.record("a", "b").write().unwrap();
    let db = Connection::open(folder.file()).unwrap();
    db.execute_batch(
        "CREATE TABLE loose AS SELECT * FROM audit; DROP TABLE audit;
         CREATE TABLE audit (id INTEGER PRIMARY KEY, at_ns, actor, action, target, source, details, previous_hash, hash);
         INSERT INTO audit SELECT * FROM loose;
         UPDATE audit SET at_ns = 'now', actor = 7, details = NULL WHERE id = 1",
    )
    .unwrap();
    assert_eq!(log.verify().unwrap().faults, [AuditFault::Changed { id: 1 }]);
    db.execute_batch(
        "DROP TABLE audit_head; CREATE TABLE audit_head AS SELECT 1 AS id, 'x' AS first_id, 1 AS last_id,
        'y' AS first_previous_hash, 2.5 AS last_hash",
    )
    .unwrap();
    assert!(!log.verify().unwrap().is_intact());
    assert!(log.record("a", "b").write().unwrap_err().is_tampered());
}

#[test]
fn a_file_that_another_one_has_is_an_error_and_then_it_goes_on() {
    let folder = Folder::new("audit-locked");
    let log = AuditLog::open(folder.file()).unwrap();
    log.record("a", "b").write().unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = log.record("a", "b").write().unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("locked"), "{error}");
    assert!(log.verify().unwrap().is_intact(), "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(log.record("a", "b").write().unwrap().id, 2);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_the_trail_stays_whole() {
    use std::io::Write as _;

    use tests::mount::Tmpfs;

    let folder = Folder::new("audit-full");
    let Some(_mount) = Tmpfs::mount(folder.path(), "size=2m") else { return };
    let log = AuditLog::open(folder.file()).unwrap();
    let write = || log.record("alice", "fill").detail("x", &"x".repeat(1_000)).write();
    let mut last = write().unwrap();
    let filler = folder.path().join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while file.write_all(&[0; 4_096]).is_ok() {}
    let error = loop {
        match write() {
            Ok(entry) => last = entry,
            Err(error) => break error,
        }
    };
    assert!(error.is_full() && error.to_string().contains("make room"), "{error}");
    assert!(write().unwrap_err().is_full(), "it stays so");
    let report = log.verify().unwrap();
    assert_eq!((report.is_intact(), &report.head), (true, &last.head()), "{report}");
    drop(file);
    std::fs::remove_file(&filler).unwrap();
    assert_eq!(write().unwrap().id, last.id + 1);
    assert!(log.verify().unwrap().is_intact());
}
