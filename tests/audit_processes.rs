//! Audit entries of several processes, which are killed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]
#![cfg(unix)]

mod sqlite_support;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::thread;

use monitor_core::{AuditFilter, AuditLog, History as _, PageRequest, SortOrder, SqliteHistory};
use rusqlite::Connection;
use sqlite_support::Folder;

const FILE: &str = "AUDIT_FILE";
const ACTOR: &str = "AUDIT_ACTOR";
const MOST: &str = "AUDIT_MOST";
const THREADS: usize = 4;

/// What the processes started by the tests below do; nothing in the test's own process.
#[test]
fn write_until_killed() {
    let (Ok(file), Ok(actor), Ok(most)) = (std::env::var(FILE), std::env::var(ACTOR), std::env::var(MOST)) else {
        return;
    };
    let log = AuditLog::open(file).unwrap();
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (log, actor, most) = (&log, format!("{actor}-{thread}"), most.parse().unwrap());
            threads.spawn(move || {
                for number in 0..most {
                    if let Ok(entry) = log.record(&actor, "count").detail("n", &i64::to_string(&number)).write() {
                        eprintln!("kept {} {} {}", entry.id, entry.hash, actor);
                    }
                }
            });
        }
    });
}

fn start(folder: &Folder, actor: &str, most: i64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "write_until_killed", "--nocapture"]).env(FILE, folder.file()).env(ACTOR, actor);
    command.env(MOST, most.to_string()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The entries that a process said were kept, by number: hash and actor.
fn told(line: &str) -> Option<(i64, (String, String))> {
    let mut words = line.strip_prefix("kept ")?.split(' ');
    Some((words.next()?.parse().ok()?, (words.next()?.to_owned(), words.next()?.to_owned())))
}

/// All entries of the file by number; the trail and the file are whole.
fn kept(folder: &Folder) -> BTreeMap<i64, (String, String)> {
    let history = SqliteHistory::open(folder.file()).unwrap();
    let report = history.verify_audit(None, std::time::Duration::from_mins(1)).unwrap();
    assert!(report.is_intact(), "{report}");
    let ok: String =
        Connection::open(folder.file()).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(ok, "ok");
    let mut page = PageRequest::new().limit(1_000).order(SortOrder::OldestFirst);
    let mut kept = BTreeMap::new();
    loop {
        let found = history.audit(&AuditFilter::new(), &page).unwrap();
        kept.extend(found.entries.into_iter().map(|entry| (entry.id, (entry.hash, entry.actor))));
        let Some(next) = found.next else { break };
        page = page.after(next);
    }
    assert_eq!(u64::try_from(kept.len()).unwrap(), report.entries);
    kept
}

#[test]
fn two_processes_with_four_threads_each_write_one_chain() {
    let folder = Folder::new("audit-processes");
    // Made by both of them at once, too.
    let children = ["a", "b"].map(|actor| start(&folder, actor, 25));
    let mut all = BTreeMap::new();
    for mut child in children {
        let lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        all.extend(lines.filter_map(|line| told(&line)));
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(all.len(), 2 * THREADS * 25);
    assert_eq!(kept(&folder), all);
}

#[test]
fn after_kill_every_entry_that_was_acknowledged_is_there_and_the_trail_is_intact() {
    let folder = Folder::new("audit-killed");
    let mut acknowledged = BTreeMap::new();
    for round in 0..20_usize {
        let mut child = start(&folder, "victim", i64::MAX);
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        // At another moment each time, the first one in the midst of opening.
        let wanted = round * round % 47;
        let mut seen = 0;
        while seen < wanted {
            let Some(line) = lines.next() else { panic!("the process ended by itself") };
            let entry = told(&line);
            seen += usize::from(entry.is_some());
            acknowledged.extend(entry);
        }
        child.kill().unwrap();
        // What it had said before it was killed counts, too.
        acknowledged.extend(lines.filter_map(|line| told(&line)));
        child.wait().unwrap();
        if folder.file().exists() && SqliteHistory::open(folder.file()).is_ok() {
            let kept = kept(&folder);
            assert!(acknowledged.iter().all(|(id, entry)| kept.get(id) == Some(entry)), "round {round}");
        } else {
            assert!(acknowledged.is_empty(), "round {round}");
        }
    }
    assert!(acknowledged.len() > 200, "{}", acknowledged.len());
    let log = AuditLog::open(folder.file()).unwrap();
    log.record("after", "all").write().unwrap();
    assert!(kept(&folder).len() > acknowledged.len());
}
