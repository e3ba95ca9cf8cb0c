//! Operations by id between processes: begun in one, ended in another; raced for, killed, locked out. A program of its own,
//! which starts itself again as workers that do what they are told line by line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use monitor_core::{Monitor, OperationIdError, Outcome};
use rusqlite::{Connection, types::FromSql};
use tests::counts;
use tests::folder::Folder;
use tests::mount::Tmpfs;

const PATIENCE: Duration = Duration::from_mins(1);

/// Tells the program to be a worker, and which file it shares.
const WORKER: &str = "BY_ID_WORKER";

/// Ids that are raced for, and processes that do.
const IDS: usize = 200;
const RACERS: usize = 4;

fn main() {
    if let Some(path) = std::env::var_os(WORKER) {
        return work(Path::new(&path));
    }
    let cases: [(&str, fn()); 12] = [
        ("begun in one process, moved on in a second, ended in a third", three_processes),
        ("misuse is the same error in every process", misuse),
        ("of four processes that race to end an id exactly one does", race_to_end),
        ("of four processes that race to begin an id exactly one does", race_to_begin),
        ("what a killed process began is interrupted, and truly ended by another one", killed),
        ("what a process left behind that ended in good order is interrupted too", left_behind),
        ("what was interrupted goes on with a step, and may begin anew", goes_on),
        ("whoever is killed at any moment has lost nothing that it was told, and left the file whole", killed_at_work),
        ("a file that is locked stops nobody, and is told later", locked),
        ("a full disk stops nobody, and is told later", full),
        ("a file that is removed is begun anew", removed),
        ("a folder that may not be written to stops nobody", read_only),
    ];
    for (name, case) in cases {
        case();
        println!("test {name} ... ok");
    }
}

/// Does what it is told on its input, a line at a time, and answers each with a line.
fn work(path: &Path) {
    let local = Monitor::builder().service("worker").sqlite(path).build().unwrap();
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let words: Vec<_> = line.split(' ').collect();
        let answer = match words[..] {
            ["begin", id, name] => said(local.begin(id, name).worker("w1").input_bytes(7).start()),
            ["step", id, name] => said(local.step(id, name)),
            ["end", id] => said(local.end(id).items(3).output_bytes(5).finish().map(drop)),
            ["begin-all"] => count(|id| local.begin(id, "job").start().is_ok()),
            ["end-all"] => count(|id| local.end(id).finish().is_ok()),
            ["counts", name] => format!("{:?}", counts(&local, name)),
            ["churn"] => churn(&local),
            ["flush"] => said(local.flush(PATIENCE)),
            ["shutdown"] => said(local.shutdown(PATIENCE)),
            _ => "what?".to_owned(),
        };
        println!("{answer}");
        std::io::stdout().flush().unwrap();
    }
}

/// Begins and ends one after the other, and says so, for ever.
fn churn(local: &Monitor) -> ! {
    for n in 0_u64.. {
        let id = format!("churn-{n}");
        local.begin(&id, "churn").start().unwrap();
        println!("b {n}");
        local.step(&id, "x").unwrap();
        local.end(&id).finish().unwrap();
        println!("e {n}");
    }
    unreachable!("numbers do not end")
}

fn said<E: std::fmt::Display>(result: Result<(), E>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "ok".to_owned())
}

fn count(succeeds: impl Fn(&str) -> bool) -> String {
    (0..IDS).filter(|n| succeeds(&format!("job-{n}"))).count().to_string()
}

/// Another process.
struct Worker {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Worker {
    fn start(path: &Path) -> Worker {
        let mut program = Command::new(std::env::current_exe().unwrap());
        let program = program.env(WORKER, path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = program.spawn().unwrap();
        let (input, output) = (process.stdin.take(), BufReader::new(process.stdout.take().unwrap()));
        Worker { process, input, output }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.tell(line);
        self.hear()
    }

    /// SIGKILL.
    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Lets it come to its end.
    fn end(mut self) {
        self.input = None;
        assert!(self.process.wait().unwrap().success());
    }
}

fn monitor(path: &Path) -> Monitor {
    Monitor::builder().service("parent").sqlite(path).build().unwrap()
}

fn ask<T: FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Begun and succeeded in the figures of all processes together.
fn sums(path: &Path) -> String {
    ask(path, "SELECT sum(started) || ' ' || sum(succeeded) FROM rollups WHERE step_s = 60")
}

fn three_processes() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let [mut first, mut second, mut third] = [(); 3].map(|()| Worker::start(&path));
    assert_eq!(first.ask("begin a job"), "ok");
    assert_eq!(first.ask("step a dump"), "ok");
    assert_eq!(second.ask("step a upload"), "ok");
    assert_eq!(third.ask("end a"), "ok");
    assert_eq!(third.ask("counts job"), "[0, 1, 0, 0, 0, 0]");
    // The first hears of it by itself.
    while first.ask("counts job") != "[1, 0, 0, 0, 0, 0]" {}
    let local = monitor(&path);
    let status = local.operation_by_id("a").unwrap();
    assert_eq!((status.outcome, status.items), (Some(Outcome::Success), 3));
    let by_id = &status.by_id;
    assert_eq!((by_id.worker.as_deref(), by_id.input_bytes, by_id.output_bytes), (Some("w1"), Some(7), Some(5)));
    let names: Vec<_> = by_id.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["dump", "upload"]);
    assert!(by_id.steps.iter().map(|step| step.duration).sum::<Duration>() <= status.duration);
    for mut worker in [first, second, third] {
        assert_eq!(worker.ask("shutdown"), "ok");
        worker.end();
    }
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(sums(&path), "1 1");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records"), 1);
    assert_eq!(folder.files(), ["monitor.db"]);
}

fn misuse() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let (mut first, mut second) = (Worker::start(&path), Worker::start(&path));
    let never = second.ask("end a");
    assert!(never.starts_with("operation \"a\" was never begun"), "{never}");
    assert_eq!(second.ask("step a x"), never);
    assert_eq!(first.ask("begin a job"), "ok");
    let running = second.ask("begin a other");
    assert!(running.contains("is running already: \"job\"") && running.contains("by \"w1\""), "{running}");
    assert_eq!(second.ask("end a"), "ok");
    for worker in [&mut first, &mut second] {
        for line in ["end a", "step a x"] {
            let ended = worker.ask(line);
            assert!(ended.contains("ended") && ended.contains("with the outcome success"), "{ended}");
        }
    }
    assert_eq!(first.ask("begin a job"), "ok");
    assert_eq!(first.ask("end a"), "ok");
    for worker in [first, second] {
        worker.end();
    }
}

/// What each of several processes says when all of them are told the same at once.
fn race(racers: &mut [Worker], line: &str) -> usize {
    for racer in racers.iter_mut() {
        racer.tell(line);
    }
    racers.iter_mut().map(|racer| racer.hear().parse::<usize>().unwrap()).sum()
}

fn race_to_end() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let mut beginner = Worker::start(&path);
    assert_eq!(beginner.ask("begin-all"), IDS.to_string());
    let mut racers: Vec<_> = (0..RACERS).map(|_| Worker::start(&path)).collect();
    assert_eq!(race(&mut racers, "end-all"), IDS);
    while beginner.ask("counts job") != format!("[{IDS}, 0, 0, 0, 0, 0]") {}
    racers.push(beginner);
    for mut racer in racers {
        assert_eq!(racer.ask("shutdown"), "ok");
        racer.end();
    }
    assert_eq!(sums(&path), format!("{IDS} {IDS}"));
    assert_eq!(
        ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome = 0"),
        i64::try_from(IDS).unwrap()
    );
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_ended_elsewhere"), 0);
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
}

fn race_to_begin() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let mut racers: Vec<_> = (0..RACERS).map(|_| Worker::start(&path)).collect();
    assert_eq!(race(&mut racers, "begin-all"), IDS);
    assert_eq!(race(&mut racers, "end-all"), IDS);
    for mut racer in racers {
        assert_eq!(racer.ask("shutdown"), "ok");
        racer.end();
    }
    assert_eq!(sums(&path), format!("{IDS} {IDS}"));
}

fn killed() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let (mut victim, mut living) = (Worker::start(&path), Worker::start(&path));
    assert_eq!(victim.ask("begin a job"), "ok");
    assert_eq!(victim.ask("step a dump"), "ok");
    assert_eq!(victim.ask("begin c job"), "ok");
    assert_eq!(victim.ask("flush"), "ok");
    assert_eq!(living.ask("begin b job"), "ok");
    victim.kill();
    // Nobody has looked yet, but whoever wants to begin one anew does.
    assert_eq!(living.ask("begin c job"), "ok");
    assert_eq!(living.ask("end c"), "ok");
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome IS NULL"), 2);
    let local = monitor(&path);
    assert_eq!(local.operation_by_id("a").unwrap().outcome, Some(Outcome::Interrupted));
    assert!(local.operation_by_id("b").unwrap().is_running(), "its process is alive");
    let ended = local.end("a").items(3).finish().unwrap();
    assert_eq!((ended.outcome, ended.by_id.steps.len()), (Some(Outcome::Success), 1));
    assert!(matches!(local.end("a").finish(), Err(OperationIdError::AlreadyEnded { .. })));
    assert_eq!(living.ask("end b"), "ok");
    assert_eq!(living.ask("shutdown"), "ok");
    living.end();
    local.shutdown(PATIENCE).unwrap();
    let outcomes = "SELECT group_concat(outcome, ' ') FROM operations_by_id ORDER BY id";
    assert_eq!(ask::<String>(&path, outcomes), "0 0 0");
    // What it was cut off in is not told besides what became of it.
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM records WHERE outcome = 4"), 0);
    assert_eq!(sums(&path), "4 3", "one was begun anew");
    assert_eq!(folder.files(), ["monitor.db"], "the locks of the dead are gone");
}

fn killed_at_work() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    for round in 0..12_usize {
        let mut victim = Worker::start(&path);
        victim.tell("churn");
        let mut last = String::new();
        for _ in 0..=round * 7 {
            last = victim.hear();
        }
        victim.process.kill().unwrap();
        victim.process.wait().unwrap();
        // What it said in the meantime; of its last words perhaps a half.
        let mut rest = String::new();
        victim.output.read_to_string(&mut rest).unwrap();
        let rest = rest.rfind('\n').map_or("", |end| &rest[..end]);
        let last = rest.lines().last().map_or(last, str::to_owned);
        let (what, n) = last.split_once(' ').unwrap();
        let id = format!("churn-{n}");
        assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
        let local = monitor(&path);
        let outcome = local.operation_by_id(&id).unwrap().outcome;
        let (ended, cut_off) = (Some(Outcome::Success), Some(Outcome::Interrupted));
        assert!(outcome == ended || (what == "b" && outcome == cut_off), "{last}: {outcome:?}");
        assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome IS NULL"), 0);
        assert!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome = 4") <= 1);
        if let Some(id) = ask::<Option<String>>(&path, "SELECT max(id) FROM operations_by_id WHERE outcome = 4") {
            local.end(&id).finish().unwrap();
        }
        local.shutdown(PATIENCE).unwrap();
    }
}

fn left_behind() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let mut first = Worker::start(&path);
    assert_eq!(first.ask("begin a job"), "ok");
    assert_eq!(first.ask("shutdown"), "ok");
    // Its monitor is shut down, but it lives and may go on with it.
    monitor(&path).shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome IS NULL"), 1);
    assert_eq!(first.ask("step a x"), "ok");
    first.end();
    let local = monitor(&path);
    assert_eq!(local.operation_by_id("a").unwrap().outcome, Some(Outcome::Interrupted));
    local.end("a").finish().unwrap();
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT outcome FROM operations_by_id"), 0);
    assert_eq!(folder.files(), ["monitor.db"]);
}

fn goes_on() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let mut victim = Worker::start(&path);
    for id in ["a", "b"] {
        assert_eq!(victim.ask(&format!("begin {id} job")), "ok");
    }
    victim.kill();
    let (local, mut other) = (monitor(&path), Worker::start(&path));
    assert_eq!(other.ask("step a second-try"), "ok");
    assert!(local.operation_by_id("a").unwrap().is_running(), "it is the other's now, which lives");
    let error = local.begin("a", "job").start().unwrap_err();
    assert!(matches!(error, OperationIdError::AlreadyRunning { .. }), "{error}");
    other.kill();
    // Begun anew by whoever likes to.
    local.begin("b", "again").start().unwrap();
    assert_eq!(local.end("b").finish().unwrap().name, "again");
    let next = monitor(&path);
    assert_eq!(next.operation_by_id("a").unwrap().outcome, Some(Outcome::Interrupted));
    for monitor in [local, next] {
        monitor.shutdown(PATIENCE).unwrap();
    }
}

fn trouble(monitor: &Monitor) -> Option<String> {
    monitor.snapshot().monitor().by_id_trouble.clone()
}

/// Waits until the file is reached; no time is told by it.
fn wait_until_reached(monitor: &Monitor) {
    while trouble(monitor).is_some() {
        std::thread::yield_now();
    }
}

fn locked() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let (local, mut other) = (monitor(&path), Worker::start(&path));
    assert_eq!(other.ask("begin theirs job"), "ok");
    let holder = Connection::open(&path).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    local.begin("ours", "job").start().unwrap();
    local.step("ours", "x").unwrap();
    assert!(trouble(&local).unwrap().contains("locked"), "{:?}", trouble(&local));
    assert!(matches!(local.end("theirs").finish(), Err(OperationIdError::Unreachable { .. })));
    assert!(local.operation_by_id("ours").unwrap().is_running());
    assert_eq!(local.snapshot().monitor().by_id_unshared, 2);
    holder.execute_batch("ROLLBACK").unwrap();
    // The sink sees to it, without any further call.
    wait_until_reached(&local);
    assert_eq!(other.ask("end ours"), "ok");
    local.end("theirs").finish().unwrap();
    while counts(&local, "job")[5] > 0 {
        std::thread::yield_now();
    }
    other.ask("shutdown");
    other.end();
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome = 0"), 2);
    assert_eq!(sums(&path), "2 2");
}

fn full() {
    let folder = Folder::new("by-id-processes");
    let Some(_mount) = Tmpfs::mount(folder.path(), "size=2m") else { return };
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    local.begin("a", "job").start().unwrap();
    local.flush(PATIENCE).unwrap();
    let ballast = folder.file("ballast");
    assert!(std::fs::write(&ballast, vec![1; 4 << 20]).is_err(), "the disk is full");
    let mut begun = 0;
    while trouble(&local).is_none() {
        local.begin(&format!("job-{begun}"), "job").start().unwrap();
        begun += 1;
    }
    assert!(trouble(&local).unwrap().contains("full"), "{:?}", trouble(&local));
    local.end("a").finish().unwrap();
    std::fs::remove_file(&ballast).unwrap();
    wait_until_reached(&local);
    let other = monitor(&path);
    assert_eq!(other.operation_by_id("a").unwrap().outcome, Some(Outcome::Success));
    for monitor in [other, local] {
        monitor.shutdown(PATIENCE).unwrap();
    }
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id"), begun + 1);
    assert_eq!(ask::<String>(&path, "PRAGMA integrity_check"), "ok");
}

fn removed() {
    let folder = Folder::new("by-id-processes");
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    local.begin("a", "job").start().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.file(&format!("monitor.db{suffix}")));
    }
    local.begin("b", "job").start().unwrap();
    for id in ["a", "b"] {
        local.end(id).finish().unwrap();
    }
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(counts(&local, "job"), [2, 2, 0, 0, 0, 0]);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome = 0"), 2);
}

/// Nobody may be stopped by a mode who may do everything: as the administrator a read-only mount stands in for it.
fn read_only() {
    let folder = Folder::new("by-id-processes");
    let Some(mount) = Tmpfs::mount(folder.path(), "ro,size=16m") else { return };
    let path = folder.file("monitor.db");
    let local = monitor(&path);
    local.begin("a", "job").start().unwrap();
    assert!(trouble(&local).is_some());
    assert!(local.snapshot().to_string().contains("known to this process alone for now"));
    assert!(mount.remount("rw,size=16m"));
    local.flush(PATIENCE).unwrap();
    wait_until_reached(&local);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM operations_by_id WHERE outcome IS NULL"), 1);
    local.end("a").finish().unwrap();
    local.shutdown(PATIENCE).unwrap();
    assert_eq!(sums(&path), "1 1");
}
