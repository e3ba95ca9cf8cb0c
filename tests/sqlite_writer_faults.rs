//! A sink whose file is damaged, removed, locked or full, and whose process is killed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod sqlite_support;

use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use monitor_core::{Batch, Sink as _, SqliteOptions, SqliteSink};
use rusqlite::Connection;
use serde_json::json;
use sqlite_support::{Folder, T0, batch, instance, open, record, rollup};

fn records(number: u64) -> Batch {
    batch(T0, json!({ "records": [record(number, "x", json!({}))], "rollups": [rollup("x", T0, &[1])] }))
}

fn count(path: &Path, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    Connection::open(path).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_batch_that_fails_in_any_table_leaves_nothing_and_the_next_one_is_whole() {
    let tables =
        ["series", "strings", "records", "record_blocks", "record_fields", "rollups", "losses", "queue_samples"];
    for table in tables {
        let folder = Folder::new("fault");
        let mut sink = open(&folder.file(), "a");
        let recent = json!({ "window_ns": 0, "enqueued": 0, "ended": 0, "discarded": 0 });
        let queue = json!({
            "name": "mail", "depth": 2, "depth_reported": false, "in_process": 1, "enqueued": 3, "processed": 1,
            "failed": 0, "discarded": 0, "requeued": 0, "waiting": { "version": 1, "buckets": [] }, "waiting_time_ns": 5,
            "max_waiting_ns": 5, "oldest_ns": 7, "untimed": 0, "last_minute": recent, "last_five_minutes": recent,
            "window_ns": 0,
        });
        let parts = json!({
            "records": [record(1, "x", json!({ "fields": [["k", { "text": "v" }]] }))], "queues": [queue],
            "rollups": [rollup("x", T0, &[1])], "lost": { "r": 1 },
        });
        let connection = Connection::open(folder.file()).unwrap();
        let sql = format!("CREATE TRIGGER fault BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'injected'); END");
        connection.execute_batch(&sql).unwrap();
        let error = sink.write(&batch(T0, parts.clone())).unwrap_err();
        assert!(!error.is_again() && error.to_string().contains("injected"), "{table}: {error}");
        for table in tables {
            assert_eq!(count(&folder.file(), table), 0, "{table}");
        }
        connection.execute_batch("DROP TRIGGER fault").unwrap();
        sink.write(&batch(T0, parts)).unwrap();
        for table in tables {
            assert!(count(&folder.file(), table) > 0, "{table}");
        }
        let lost = "SELECT count(*) FROM records WHERE series_id NOT IN (SELECT id FROM series)
            OR thread_id NOT IN (SELECT id FROM strings)";
        assert_eq!(
            connection.query_row(lost, [], |row| row.get::<_, i64>(0)).unwrap(),
            0,
            "{table}: ids of a batch undone"
        );
    }
}

fn damage(path: &Path) {
    let mut file = std::fs::OpenOptions::new().write(true).read(true).open(path).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.write_all(&vec![0xA5; bytes.len()]).unwrap();
}

fn aside(folder: &Folder) -> Vec<String> {
    folder.names().into_iter().filter(|name| name.contains(".damaged-") && name.ends_with('Z')).collect()
}

#[test]
fn a_damaged_file_is_set_aside_and_a_new_one_tells_of_it() {
    let folder = Folder::new("damaged");
    std::fs::write(folder.file(), vec![7; 10_000]).unwrap();
    let mut sink = open(&folder.file(), "a");
    sink.write(&records(1)).unwrap();
    assert_eq!(aside(&folder).len(), 1, "{:?}", folder.names());
    assert_eq!(std::fs::read(folder.path().join(&aside(&folder)[0])).unwrap(), vec![7; 10_000], "as it was");
    let connection = Connection::open(folder.file()).unwrap();
    let row: (String, i64) =
        connection.query_row("SELECT reason, count FROM losses", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(row, ("damaged file set aside".to_owned(), 1));
}

#[test]
fn a_file_that_is_damaged_while_it_is_written_is_set_aside_once_a_minute() {
    let folder = Folder::new("damaged-later");
    let mut sink = open(&folder.file(), "a");
    for number in 1..=500 {
        sink.write(&records(number)).unwrap();
    }
    let connection = Connection::open(folder.file()).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    damage(&folder.file());
    // What is in the connection's cache may last for a batch; with the log gone over, it is read anew.
    let mut other = SqliteSink::new(folder.file());
    other.open(&instance("b")).unwrap();
    assert_eq!(aside(&folder).len(), 1, "{:?}", folder.names());
    sink.write(&records(1)).unwrap();
    other.write(&records(2)).unwrap();
    assert_eq!(count(&folder.file(), "records"), 2, "both go on in the new file");
    assert_eq!(count(&folder.file(), "instances"), 2);
    drop(sink);
    other.write(&records(3)).unwrap();
    let connection = Connection::open(folder.file()).unwrap();
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(connection);
    damage(&folder.file());
    let mut errors = Vec::new();
    for number in 1..50 {
        errors.extend(other.write(&records(number)).err());
    }
    assert!(aside(&folder).len() == 1, "not again within a minute: {:?}", folder.names());
    assert!(errors.iter().all(monitor_core::SinkError::is_again), "{errors:?}");
}

#[test]
fn a_file_or_folder_that_is_removed_is_begun_anew() {
    let folder = Folder::new("removed");
    let mut sink = open(&folder.file(), "a");
    sink.write(&records(1)).unwrap();
    for end in ["", "-wal", "-shm", "-run-a"] {
        std::fs::remove_file(format!("{}{end}", folder.file().display())).unwrap();
    }
    sink.write(&records(2)).unwrap();
    assert_eq!((count(&folder.file(), "records"), count(&folder.file(), "instances")), (1, 1));
    std::fs::remove_dir_all(folder.path()).unwrap();
    sink.write(&records(3)).unwrap();
    assert_eq!(count(&folder.file(), "records"), 1);
    assert!(folder.names().contains(&"monitor.db-run-a".to_owned()));
    let other = Folder::new("moved");
    std::fs::rename(folder.file(), other.file()).unwrap();
    sink.write(&records(4)).unwrap();
    assert_eq!(count(&folder.file(), "records"), 1, "the file at the path, not the one that went away");
    sink.close().unwrap();
}

#[test]
fn a_lock_held_elsewhere_is_waited_for() {
    let folder = Folder::new("locked");
    let mut sink = open(&folder.file(), "a");
    let other = Connection::open(folder.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = sink.write(&records(1)).unwrap_err();
    assert!(error.is_again() && error.to_string().contains("locked"), "{error}");
    other.execute_batch("COMMIT").unwrap();
    sink.write(&records(1)).unwrap();
    assert_eq!(count(&folder.file(), "records"), 1);
}

#[test]
fn a_reader_that_stays_stops_writing_before_the_disk_is_full() {
    let folder = Folder::new("reader");
    let options = SqliteOptions::new(folder.file()).wal_limit_bytes(64 << 10).wal_hard_limit_bytes(512 << 10);
    let mut sink = SqliteSink::with(options);
    sink.open(&instance("a")).unwrap();
    sink.write(&records(1)).unwrap();
    let reader = Connection::open(folder.file()).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let seen = || reader.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(seen(), 1);
    let error = (2..10_000).find_map(|number| sink.write(&records(number)).err()).expect("it stops");
    assert!(error.is_again() && error.to_string().contains("a reader has kept"), "{error}");
    let log = std::fs::metadata(format!("{}-wal", folder.file().display())).unwrap().len();
    assert!((512 << 10..1 << 20).contains(&log), "{log}");
    assert!(sink.idle().unwrap_err().to_string().contains("a reader has kept"));
    assert_eq!(seen(), 1, "the reader was not disturbed");
    reader.execute_batch("COMMIT").unwrap();
    sink.write(&records(1)).unwrap();
    sink.idle().unwrap();
}

#[cfg(target_os = "linux")]
mod mounted {
    use super::{Folder, SqliteSink, batch, count, instance, json, record, records};
    use monitor_core::Sink as _;
    use rusqlite::Connection;
    use sqlite_support::T0;
    use tests::mount::Tmpfs;

    use super::sqlite_support;

    #[test]
    fn a_full_disk_is_waited_for_and_no_batch_is_there_in_half() {
        let folder = Folder::new("full");
        let Some(_mount) = Tmpfs::mount(folder.path(), "size=512k") else { return };
        let file = folder.file();
        let mut sink = SqliteSink::new(&file);
        sink.open(&instance("a")).unwrap();
        let filler = folder.path().join("filler");
        let mut stored = 0;
        std::fs::write(&filler, vec![0; 100_000]).unwrap();
        let big = |number: u64| {
            let text = "y".repeat(4_000);
            let parts = json!({ "thread": text, "fields": [["k", { "text": text }]] });
            batch(
                T0,
                json!({ "records": [record(2 * number, "x", parts.clone()), record(2 * number + 1, "x", parts)] }),
            )
        };
        let error = (1..1_000).find_map(|number| match sink.write(&big(number)) {
            Ok(()) => {
                stored += 2;
                None
            }
            Err(error) => Some(error),
        });
        let error = error.expect("it is full");
        assert!(error.is_again() && error.to_string().contains("full"), "{error}");
        std::fs::remove_file(&filler).unwrap();
        sink.write(&records(99_999)).unwrap();
        let connection = Connection::open(&file).unwrap();
        let ok: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!((ok.as_str(), count(&file, "records")), ("ok", stored + 1));
    }

    #[test]
    fn a_folder_that_is_read_only_is_waited_for() {
        let folder = Folder::new("read-only");
        let Some(mount) = Tmpfs::mount(folder.path(), "size=512k") else { return };
        let file = folder.file();
        let mut sink = SqliteSink::new(&file);
        assert!(mount.remount("ro"));
        let error = sink.open(&instance("a")).unwrap_err();
        assert!(error.is_again(), "{error}");
        assert!(sink.write(&records(1)).unwrap_err().is_again());
        assert!(mount.remount("rw"));
        sink.write(&records(1)).unwrap();
        assert_eq!(count(&file, "records"), 1);
    }
}

#[cfg(unix)]
mod processes {
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Command, Stdio};

    use super::{Connection, Folder, count, open, records};
    use monitor_core::Sink as _;

    const FILE: &str = "SQLITE_WRITER_FILE";
    const RUN: &str = "SQLITE_WRITER_RUN";

    /// What the processes started by the tests below do; nothing in the test's own process.
    #[test]
    fn write_until_killed() {
        let (Ok(file), Ok(run)) = (std::env::var(FILE), std::env::var(RUN)) else { return };
        let mut sink = monitor_core::SqliteSink::new(file);
        while sink.open(&super::instance(&run)).is_err() {}
        for number in 1.. {
            if sink.write(&records(number)).is_ok() {
                eprintln!("stored {number}");
            }
        }
    }

    fn start(folder: &Folder, run: &str) -> Child {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "processes::write_until_killed", "--nocapture"]);
        command.env(FILE, folder.file()).env(RUN, run).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn after_kill_everything_acknowledged_is_there_and_the_runs_are_interrupted() {
        let folder = Folder::new("killed");
        let mut children = ["a", "b", "c"].map(|run| start(&folder, run));
        let acknowledged: i64 = children
            .iter_mut()
            .map(|child| {
                let lines = BufReader::new(child.stderr.take().unwrap()).lines();
                let seen = lines.map_while(Result::ok).filter(|line| line.starts_with("stored")).take(30).count();
                i64::try_from(seen).unwrap()
            })
            .sum();
        for child in &mut children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert_eq!(acknowledged, 90);
        let mut sink = open(&folder.file(), "next");
        let connection = Connection::open(folder.file()).unwrap();
        let one = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert!(count(&folder.file(), "records") >= acknowledged);
        assert_eq!(one("SELECT count(*) FROM instances WHERE ended = 'interrupted'"), 3);
        assert_eq!(one("SELECT sum(started) FROM rollups WHERE step_s = 86400"), count(&folder.file(), "records"));
        let ok: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(ok, "ok");
        sink.close().unwrap();
        assert!(!folder.names().iter().any(|name| name.contains("-run-")), "{:?}", folder.names());
    }
}
