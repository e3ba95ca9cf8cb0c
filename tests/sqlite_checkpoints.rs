//! Checkpoints in a SQLite file: beside a history, damaged, and where they cannot be.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sqlite_support;

use std::io::ErrorKind;
use std::time::Duration;

use monitor_core::{CheckpointErrorKind as Kind, Checkpoints as _, Monitor, Progress, SqliteCheckpoints};
use rusqlite::Connection;
use sqlite_support::Folder;

fn job(folder: &Folder, name: &str) -> Progress {
    let local = Monitor::builder().build().unwrap();
    local.progress(name).checkpoints(SqliteCheckpoints::open(folder.file()).unwrap()).start()
}

#[test]
fn a_history_and_checkpoints_are_in_one_file() {
    let folder = Folder::new("checkpoint-beside");
    let local = Monitor::builder().sqlite(folder.file()).build().unwrap();
    let place = SqliteCheckpoints::open(folder.file()).unwrap();
    let job = local.progress("import").checkpoints(place.clone()).start();
    for n in 0..200 {
        local.track("step", |_| job.checkpoint(&n).unwrap());
    }
    local.shutdown(Duration::from_secs(30)).unwrap();
    let db = Connection::open(folder.file()).unwrap();
    let one = |sql: &str| db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(
        one("SELECT started FROM rollups JOIN series ON id = series_id WHERE name = 'step' AND step_s = 10"),
        200
    );
    assert_eq!(one("SELECT count(*) FROM checkpoints WHERE saved_at_ns > 0"), 1);
    drop(job);
    assert_eq!(self::job(&folder, "import").resume::<i32>().unwrap(), Some(199));
    place.remove("import").unwrap();
    assert_eq!(place.load("import").unwrap(), None);
}

#[test]
fn a_state_that_somebody_changed_is_an_error_and_stays() {
    let changes = [
        ("UPDATE checkpoints SET state = replace(state, 'alpha', 'omega')", Kind::Damaged),
        ("UPDATE checkpoints SET state = substr(state, 1, length(state) - 2)", Kind::CutShort),
        ("UPDATE checkpoints SET state = x''", Kind::CutShort),
        ("UPDATE checkpoints SET state = CAST('something else' AS BLOB)", Kind::NotACheckpoint),
        ("UPDATE checkpoints SET state = zeroblob(67108865)", Kind::TooLarge),
        ("UPDATE checkpoints SET name = 'import' WHERE name = 'export'", Kind::OtherJob),
    ];
    for (change, kind) in changes {
        let folder = Folder::new("checkpoint-changed");
        let name = if kind == Kind::OtherJob { "export" } else { "import" };
        job(&folder, name).checkpoint("alpha").unwrap();
        let db = Connection::open(folder.file()).unwrap();
        let change = change.replace(
            "replace(state, 'alpha', 'omega')",
            "CAST(replace(CAST(state AS TEXT), 'alpha', 'omega') AS BLOB)",
        );
        assert_eq!(db.execute(&change, []).unwrap(), 1, "{change}");
        let error = job(&folder, "import").resume::<String>().unwrap_err();
        assert_eq!(error.kind(), kind, "{change}: {error}");
        assert!(kind == Kind::TooLarge || error.to_string().contains("monitor.db"), "{error}");
        let left: i64 = db.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get(0)).unwrap();
        assert_eq!(left, 1);
    }
}

#[test]
fn where_it_cannot_be_is_said_in_the_systems_words() {
    let folder = Folder::new("checkpoint-where");
    let error = SqliteCheckpoints::open(folder.path().join("none/jobs.db")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("none` does not exist; create it first"), "{error}");
    std::fs::write(folder.path().join("text.db"), "no database, but some text that is long enough".repeat(99)).unwrap();
    assert_eq!(SqliteCheckpoints::open(folder.path().join("text.db")).unwrap_err().kind(), ErrorKind::InvalidData);
    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE mine (x)").unwrap();
    assert_eq!(SqliteCheckpoints::open(&foreign).unwrap_err().kind(), ErrorKind::InvalidData);
    let place = SqliteCheckpoints::open(folder.file()).unwrap();
    place.save("a", b"1").unwrap();
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(place.save("a", b"2").unwrap_err().kind(), ErrorKind::TimedOut);
    assert_eq!(place.load("a").unwrap().unwrap(), b"1", "reading goes on");
    other.execute_batch("ROLLBACK").unwrap();
    place.save("a", b"3").unwrap();
    other.pragma_update(None, "user_version", 1_000).unwrap();
    let error = SqliteCheckpoints::open(folder.file()).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("version 1000")), (ErrorKind::Unsupported, true), "{error}");
    let error = place.save("a", &vec![0; (64 << 20) + 1]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert_eq!(place.load("a").unwrap().unwrap(), b"3");
}

#[test]
fn a_folder_that_goes_away_is_no_fresh_start() {
    let folder = Folder::new("checkpoint-gone");
    let job = job(&folder, "import");
    job.checkpoint(&1).unwrap();
    std::fs::remove_dir_all(folder.path()).unwrap();
    assert_eq!(job.resume::<i32>().unwrap_err().kind(), Kind::Io);
    assert_eq!(job.checkpoint(&2).unwrap_err().kind(), Kind::Io);
}
