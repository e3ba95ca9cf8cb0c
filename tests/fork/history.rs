//! Histories in SQLite files.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use monitor_core::{AuditLog, History as _, Monitor, PageRequest, RecordPolicy, SqliteHistory, TimeRange};
use rusqlite::{Connection, types::FromSql};
use tests::folder::Folder;

use super::process::forked;

const PATIENCE: Duration = Duration::from_secs(5);

/// What a child says that was forked off in the wrong moment.
const CUT: &str = "forked off while another thread";

fn monitor(path: &Path, service: &str) -> Result<Monitor, monitor_core::Error> {
    Monitor::builder().service(service).sqlite(path).build()
}

fn work(monitor: &Monitor, calls: u32) {
    for _ in 0..calls {
        monitor.operation("work").record(RecordPolicy::All).start().succeed();
    }
}

fn ask<T: FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// A child's own history in the file of its parent.
fn child(path: &Path) {
    let local = match monitor(path, "child") {
        Err(error) if error.to_string().contains(CUT) => return,
        result => result.unwrap(),
    };
    work(&local, 10);
    local.begin("by-the-child", "task").start().ok();
    local.end("by-the-child").finish().ok();
    if let Err(error) = local.flush(PATIENCE) {
        assert!(error.to_string().contains(CUT), "{error}");
        return;
    }
    let history = SqliteHistory::open(path).unwrap();
    assert!(!history.instances(&TimeRange::all(), &PageRequest::new()).unwrap().entries.is_empty());
    AuditLog::open(path).unwrap().record("child", "lived").write().unwrap();
    local.shutdown(PATIENCE).unwrap();
}

pub(super) fn a_child_has_a_history_of_its_own_in_the_file_of_its_parent() {
    let folder = Folder::new("fork-history");
    let path = folder.file("monitor.db");
    let local = monitor(&path, "parent").unwrap();
    let (history, audit) = (SqliteHistory::open(&path).unwrap(), AuditLog::open(&path).unwrap());
    let done = AtomicBool::new(false);
    std::thread::scope(|threads| {
        threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                work(&local, 100);
                local.flush(PATIENCE).unwrap();
                history.dashboard_summary(PATIENCE).unwrap();
                audit.record("parent", "lives").write().unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        for _ in 0..20 {
            forked(|| {
                // What it inherited says so, and harms nobody.
                assert!(history.dashboard_summary(PATIENCE).is_err());
                assert!(audit.record("child", "inherits").write().is_err());
                child(&path);
            })
            .succeeds();
        }
        done.store(true, Ordering::Relaxed);
    });
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
    let children: i64 = ask(&path, "SELECT count(*) FROM instances WHERE service = 'child' AND ended = 'shutdown'");
    assert!(children >= 10, "{children} of 20 children had one");
    let in_all: i64 = ask(&path, "SELECT count(*) FROM instances");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM instances WHERE ended = 'shutdown'"), in_all);
    let records = "SELECT count(*) FROM records JOIN instances ON instances.id = instance_id
        JOIN series ON series.id = series_id WHERE service = 'child' AND name = 'work'";
    assert_eq!(ask::<i64>(&path, records), 10 * children);
    assert!(audit.verify().unwrap().is_intact());
    drop((history, audit));
    assert_eq!(folder.files(), ["monitor.db"], "nobody's run file is left");
}

pub(super) fn a_child_goes_on_when_its_parent_has_closed_the_file() {
    let folder = Folder::new("fork-closed");
    let path = folder.file("monitor.db");
    let (ready, go) = (folder.file("ready"), folder.file("go"));
    let local = monitor(&path, "parent").unwrap();
    work(&local, 5);
    local.flush(PATIENCE).unwrap();
    let child = forked(|| {
        let local = monitor(&path, "child").unwrap();
        work(&local, 5);
        local.flush(PATIENCE).unwrap();
        std::fs::write(&ready, "").unwrap();
        wait_for(&go);
        work(&local, 5);
        // Written, and never closed.
        local.flush(PATIENCE).unwrap();
        std::mem::forget(local);
    });
    wait_for(&ready);
    // Were it not for the child's own locks this would be the last connection, which takes the log away with it.
    local.shutdown(PATIENCE).unwrap();
    std::fs::write(&go, "").unwrap();
    child.succeeds();
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 15);
}

fn wait_for(file: &Path) {
    while !file.exists() {
        std::thread::yield_now();
    }
}

pub(super) fn a_run_is_dead_when_its_process_is_whatever_its_children_do() {
    let folder = Folder::new("fork-run");
    let path = folder.file("monitor.db");
    let (ready, go) = (folder.file("ready"), folder.file("go"));
    // SAFETY: as in `forked`; the child never returns from here.
    let parent = unsafe { libc::fork() };
    if parent == 0 {
        // SAFETY: it only sets a timer.
        unsafe { libc::alarm(10) };
        let local = monitor(&path, "parent").unwrap();
        work(&local, 1);
        local.flush(PATIENCE).unwrap();
        let _child = forked(|| {
            let local = monitor(&path, "child").unwrap();
            local.flush(PATIENCE).unwrap();
            std::fs::write(&ready, "").unwrap();
            wait_for(&go);
            local.shutdown(PATIENCE).unwrap();
        });
        loop {
            std::thread::park();
        }
    }
    wait_for(&ready);
    // SAFETY: it is a child of this process, and has not been waited for.
    unsafe { libc::kill(parent, libc::SIGKILL) };
    let mut status = 0;
    // SAFETY: the pointer is to a variable of this function.
    unsafe { libc::waitpid(parent, &raw mut status, 0) };
    let third = monitor(&path, "third").unwrap();
    third.shutdown(PATIENCE).unwrap();
    let ended = |service: &str| -> Option<String> {
        ask(&path, &format!("SELECT ended FROM instances WHERE service = '{service}'"))
    };
    assert_eq!((ended("parent").as_deref(), ended("child")), (Some("interrupted"), None));
    std::fs::write(&go, "").unwrap();
    while ended("child").is_none() {
        std::thread::yield_now();
    }
    assert_eq!(ended("child").as_deref(), Some("shutdown"));
}

#[cfg(target_os = "linux")]
pub(super) fn a_child_that_ran_no_handlers_refuses_every_file() {
    let folder = Folder::new("fork-bare");
    let path = folder.file("monitor.db");
    let history = (monitor(&path, "parent").unwrap(), SqliteHistory::open(&path).unwrap()).1;
    // SAFETY: a fork without its handlers. Zeros mean no stack and no places for numbers of threads.
    let child = unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) };
    if child == 0 {
        // SAFETY: it only sets a timer.
        unsafe { libc::alarm(10) };
        let refuses = history.dashboard_summary(PATIENCE).is_err()
            && SqliteHistory::open(&path).is_err_and(|error| error.to_string().contains(CUT));
        // SAFETY: it ends the child.
        unsafe { libc::_exit(i32::from(!refuses)) };
    }
    super::process::Child(libc::pid_t::try_from(child).unwrap()).succeeds();
    assert!(history.dashboard_summary(PATIENCE).is_ok());
}

#[cfg(not(target_os = "linux"))]
pub(super) fn a_child_that_ran_no_handlers_refuses_every_file() {}
