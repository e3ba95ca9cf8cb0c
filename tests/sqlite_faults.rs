//! A SQLite file when things break: the process is killed, the disk is full, the file damaged, locked or gone. A program of
//! its own, which starts itself again to be killed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

use std::fs;
use std::io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};

use monitor_core::{
    History as _, Monitor, OperationFilter, PageRequest, RecordPolicy, Selection, Sink as _, SinkState, SinkStats,
    SqliteHistory, SqliteSink, TimeRange,
};
use rusqlite::{Connection, types::FromSql};
use tests::folder::Folder;
use tests::mount::Tmpfs;

const PATIENCE: Duration = Duration::from_mins(1);
const SHORT: Duration = Duration::from_millis(1);

/// Tells the program to be the one that is killed, and which file it writes.
const VICTIM: &str = "SQLITE_VICTIM";

/// Tells the victim to remove what is too old.
const REMOVES: &str = "SQLITE_VICTIM_REMOVES";

/// Tells the program to do a little work and end, and which file it writes; and by `exit`, if that is set, too.
const ENDS: &str = "SQLITE_ENDS";
const BY_EXIT: &str = "SQLITE_ENDS_BY_EXIT";

/// How often the victim is killed.
const KILLS: u32 = 100;

fn main() {
    if let Some(path) = std::env::var_os(VICTIM) {
        if std::env::var_os(REMOVES).is_some() {
            removing_victim(Path::new(&path));
        }
        victim(Path::new(&path));
    }
    if let Some(path) = std::env::var_os(ENDS) {
        return ending(Path::new(&path));
    }
    let cases: [(&str, fn()); 11] = [
        ("what ended last is stored when `main` returns, and after a flush before `exit`", orderly),
        ("another process reads whole batches while one writes", read_meanwhile),
        ("a killed process has lost nothing that it was told is written", killed),
        ("what a killed process was doing is interrupted", interrupted),
        ("a process killed while it removes what is old leaves a whole file", killed_removing),
        ("a damaged file is put aside and a new one begun", damaged),
        ("a file that is no database is put aside", no_database),
        ("a file that another program holds is written when it is free", locked),
        ("a full disk costs nothing but patience", full),
        ("a file that is removed is begun anew", removed),
        ("a folder that may not be written to is waited for", read_only),
    ];
    for (name, case) in cases {
        case();
        println!("test {name} ... ok");
    }
}

fn ask<T: FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

fn monitor(path: &Path) -> Monitor {
    Monitor::builder().service("victim").sqlite(path).build().unwrap()
}

fn sink(monitor: &Monitor) -> SinkStats {
    monitor.snapshot().sinks()[0].clone()
}

/// Waits until the sink is degraded for this reason; no time is told by it.
fn wait_until_degraded(monitor: &Monitor, why: &str) -> SinkStats {
    loop {
        let sink = sink(monitor);
        if sink.state == SinkState::Degraded && sink.error.as_ref().is_some_and(|error| error.contains(why)) {
            return sink;
        }
        std::thread::yield_now();
    }
}

fn work(monitor: &Monitor, calls: u32) {
    for _ in 0..calls {
        monitor.operation("work").record(RecordPolicy::All).start().succeed();
    }
}

/// Works and says how many calls are written, for ever.
fn victim(path: &Path) -> ! {
    let local = monitor(path);
    let _stuck = local.operation("stuck").start();
    let job = local.progress("import").total(1_000_000).start();
    let mut calls = 0;
    loop {
        work(&local, 10);
        job.inc(10);
        calls += 10;
        local.flush(PATIENCE).unwrap();
        println!("{calls}");
        std::io::stdout().flush().unwrap();
    }
}

/// Removes what is too old and gives the room back, and says so after each share of the work, for ever.
fn removing_victim(path: &Path) -> ! {
    let mut sink = SqliteSink::new(path);
    let started_at_ns = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let instance = serde_json::json!({
        "run": format!("{:032x}", started_at_ns), "service": "victim", "host": "", "program": "", "pid": 1,
        "started_at_ns": u64::try_from(started_at_ns).unwrap(),
    });
    sink.open(&serde_json::from_value(instance).unwrap()).unwrap();
    for share in 1.. {
        sink.idle().unwrap();
        println!("{share}");
        std::io::stdout().flush().unwrap();
    }
    unreachable!("there is no last number")
}

/// Starts a victim and kills it when it has said so many lines. What it said last.
fn kill_after(path: &Path, lines: u32) -> i64 {
    kill(Command::new(std::env::current_exe().unwrap()).env(VICTIM, path), lines)
}

fn kill(victim: &mut Command, lines: u32) -> i64 {
    let mut child = victim.stdout(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines().map(|line| line.unwrap().parse().unwrap());
    let mut last = 0;
    for _ in 0..lines {
        last = said.next().unwrap();
    }
    // SIGKILL.
    child.kill().unwrap();
    child.wait().unwrap();
    // What it said in the meantime.
    said.last().unwrap_or(last)
}

/// Works, and ends as programs do.
fn ending(path: &Path) {
    let _installed = Monitor::builder().service("ending").sqlite(path).install().unwrap();
    work(&monitor_core::monitor(), 9);
    monitor_core::monitor().operation("the last").record(RecordPolicy::All).start().succeed();
    if std::env::var_os(BY_EXIT).is_some() {
        monitor_core::monitor().flush(PATIENCE).unwrap();
        // The destructor of `_installed` does not run.
        std::process::exit(0);
    }
}

fn orderly() {
    for by_exit in [false, true] {
        let folder = Folder::new("sqlite-faults");
        let path = folder.file("monitor.db");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(ENDS, &path);
        if by_exit {
            command.env(BY_EXIT, "1");
        }
        assert!(command.status().unwrap().success());
        let last = "SELECT count(*) FROM records JOIN series ON series.id = series_id WHERE name = 'the last'";
        assert_eq!(ask::<i64>(&path, last), 1, "by exit: {by_exit}");
        assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 10, "by exit: {by_exit}");
    }
}

fn read_meanwhile() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    let mut writer =
        Command::new(std::env::current_exe().unwrap()).env(VICTIM, &path).stdout(Stdio::piped()).spawn().unwrap();
    let mut said =
        BufReader::new(writer.stdout.take().unwrap()).lines().map(|line| line.unwrap().parse::<u64>().unwrap());
    said.next().unwrap();
    let history = SqliteHistory::open(&path).unwrap();
    let (all, mut seen) = (Selection::new(TimeRange::all()).name("work"), 0);
    for told in said.by_ref().take(50) {
        let figures = history.figures(&all, PATIENCE).unwrap().figures;
        assert!(figures.finished() >= told && figures.finished() >= seen, "{} of {told}", figures.finished());
        seen = figures.finished();
        assert_eq!(seen % 10, 0, "a part of a batch");
        let filter = OperationFilter::new().name("work");
        let page = history.operations(&filter, &PageRequest::new().limit(1_000)).unwrap();
        assert!(page.entries.len() as u64 >= seen.min(1_000));
        assert!(history.operations(&filter.not_succeeded(), &PageRequest::new()).unwrap().entries.is_empty());
        assert_eq!(history.dashboard_summary(PATIENCE).unwrap().instances_running, 1);
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert!(seen > 0);
}

fn killed() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    let mut told = 0;
    for round in 0..KILLS {
        // From the making of the file on: the first ones die before and in their first batches.
        told += kill_after(&path, round % 7);
        if path.exists() {
            assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
        }
    }
    let local = monitor(&path);
    local.shutdown(PATIENCE).unwrap();
    let (records, rollups): (i64, i64) = (
        ask(&path, "SELECT count(*) FROM records WHERE outcome = 0"),
        ask(&path, "SELECT sum(succeeded) FROM rollups WHERE step_s = 86400"),
    );
    // A batch may have been written and not been told of.
    assert!(records >= told && records <= told + 20 * i64::from(KILLS), "{records} of {told}");
    assert_eq!(records, rollups, "records and figures of one batch come together");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM rollups WHERE open = 1"), 0);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM instances WHERE ended IS NULL"), 0);
    assert_eq!(folder.files(), ["monitor.db"], "the locks of the dead are gone");
}

fn killed_removing() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    for _ in 0..20 {
        work(&local, 100);
        // Or those are dropped, and counted, that find no room before they are taken.
        local.flush(PATIENCE).unwrap();
    }
    local.shutdown(PATIENCE).unwrap();
    // A hundred thousand records that are too old, and two thousand that are not.
    let sql = Connection::open(&path).unwrap();
    let month = 40 * 24 * 3_600 * 1_000_000_000_i64;
    sql.execute_batch(&format!(
        "PRAGMA foreign_keys = OFF; BEGIN;
        UPDATE records SET id = id + 1000000;
        WITH RECURSIVE n (i) AS (VALUES (0) UNION ALL SELECT i + 1 FROM n WHERE i < 49)
        INSERT INTO records SELECT records.id - 1000000 + i * 2000, instance_id, series_id, outcome, started_at_ns - {month},
            duration_ns, span_id, parent_span_id, trace_id_high, trace_id_low, thread_id, busy_ns, polls, items, bytes,
            parent_series_id, 'x' FROM records, n;
        INSERT INTO strings VALUES (1000, 'user', 9000000000000000000);
        INSERT INTO record_fields SELECT 1000, id, id FROM records WHERE id % 10 = 0;
        DELETE FROM record_blocks;
        INSERT INTO record_blocks SELECT id >> 10, min(started_at_ns), max(started_at_ns), min(duration_ns), max(duration_ns),
            31, -1 FROM records GROUP BY id >> 10;
        COMMIT;"
    ))
    .unwrap();
    let left = || -> i64 { ask(&path, "SELECT count(*) FROM records") };
    assert_eq!(left(), 102_000);
    let mut rounds: u32 = 0;
    let mut before = left();
    while ask::<i64>(&path, "SELECT count(*) FROM record_blocks") > 3 || rounds < 10 {
        let mut victim = Command::new(std::env::current_exe().unwrap());
        kill(victim.env(VICTIM, &path).env(REMOVES, "1"), rounds % 3);
        rounds += 1;
        assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
        let now = left();
        assert!(now <= before && now >= 2_000, "{now} of {before}");
        before = now;
    }
    assert_eq!(left(), 2_000, "those that are not too old are there");
    let wrong = "SELECT (SELECT count(*) FROM record_fields WHERE record_id NOT IN (SELECT id FROM records))
        + (SELECT count(*) FROM records WHERE id >> 10 NOT IN (SELECT block FROM record_blocks))";
    assert_eq!(ask::<i64>(&path, wrong), 0);
    println!("killed {rounds} times while it removed");
}

fn interrupted() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    kill_after(&path, 30);
    // One that lives is left alone.
    let other = monitor(&path);
    let local = monitor(&path);
    local.shutdown(PATIENCE).unwrap();
    let ended = "SELECT group_concat(coalesce(ended, 'runs'), ' ') FROM (SELECT ended FROM instances ORDER BY id)";
    assert_eq!(ask::<String>(&path, ended), "interrupted runs shutdown");
    assert_eq!(ask::<String>(&path, "SELECT state FROM progress"), "interrupted");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM active_operations"), 0);
    other.shutdown(PATIENCE).unwrap();
}

fn damaged() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    let first = monitor(&path);
    work(&first, 5_000);
    first.shutdown(PATIENCE).unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let bytes = file.metadata().unwrap().len();
    file.seek(SeekFrom::Start(4_096)).unwrap();
    file.write_all(&vec![0xA5; usize::try_from(bytes - 8_192).unwrap()]).unwrap();
    drop(file);
    let second = monitor(&path);
    work(&second, 10);
    second.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 10);
    let said: String = ask(&path, "SELECT reason FROM losses");
    assert_eq!(said, "damaged file set aside");
    let files = folder.files();
    assert!(files.iter().any(|name| name.starts_with("monitor.db.damaged-")), "{files:?}");
    assert_eq!(sink(&second).dropped(), 0);
}

fn no_database() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    fs::write(&path, "this is a text and no database\n".repeat(1_000)).unwrap();
    let local = monitor(&path);
    work(&local, 10);
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 10);
    let aside = folder.files().into_iter().find(|name| name.contains("damaged")).unwrap();
    assert!(fs::read_to_string(folder.file(&aside)).unwrap().starts_with("this is a text"), "nothing of it is lost");
}

fn locked() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    local.flush(PATIENCE).unwrap();
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    work(&local, 10);
    assert!(local.flush(SHORT).unwrap_err().is_not_delivered());
    let degraded = wait_until_degraded(&local, "locked");
    assert!(degraded.waiting >= 10, "{degraded:?}");
    holder.execute_batch("ROLLBACK").unwrap();
    local.flush(PATIENCE).unwrap();
    assert_eq!((sink(&local).state, sink(&local).dropped()), (SinkState::Working, 0));
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 10);
    local.shutdown(PATIENCE).unwrap();
}

fn full() {
    let folder = Folder::new("sqlite-faults");
    let Some(mount) = Tmpfs::mount(folder.path(), "size=512k") else { return };
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    local.flush(PATIENCE).unwrap();
    let mut calls = 0;
    while local.flush(Duration::from_millis(500)).is_ok() {
        work(&local, 1_000);
        calls += 1_000;
    }
    wait_until_degraded(&local, "full");
    // It goes on, within bounds.
    work(&local, 1_000);
    calls += 1_000;
    assert_eq!(local.snapshot().operation("work").unwrap().succeeded, calls);
    assert!(mount.remount("size=64m"));
    local.flush(PATIENCE).unwrap();
    local.shutdown(PATIENCE).unwrap();
    let snapshot = local.snapshot();
    let lost = snapshot.monitor().dropped() + snapshot.sinks()[0].dropped();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), i64::try_from(calls - lost).unwrap());
    assert_eq!(
        ask::<i64>(&path, "SELECT sum(succeeded) FROM rollups WHERE step_s = 3600"),
        i64::try_from(calls).unwrap()
    );
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
}

fn removed() {
    let folder = Folder::new("sqlite-faults");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    work(&local, 10);
    local.flush(PATIENCE).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::remove_file(folder.file(&format!("monitor.db{suffix}")));
    }
    work(&local, 7);
    local.flush(PATIENCE).unwrap();
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 7);
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
}

/// Nobody may be stopped by a mode who may do everything: as the administrator a read-only mount stands in for it.
fn read_only() {
    let folder = Folder::new("sqlite-faults");
    let Some(mount) = Tmpfs::mount(folder.path(), "ro,size=16m") else { return };
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    assert_eq!(sink(&local).state, SinkState::Degraded);
    work(&local, 10);
    assert!(local.flush(SHORT).unwrap_err().is_not_delivered());
    assert!(mount.remount("rw,size=16m"));
    local.flush(PATIENCE).unwrap();
    assert_eq!(sink(&local).state, SinkState::Working);
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 10);
}
