//! What a tracked call costs while its monitor keeps a history in a file: CPU of the whole process, and the slowest calls
//! while the file does not do.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use monitor_core::{Histogram, Monitor, RecordPolicy, SinkState, monitor, track_operation};
use rusqlite::Connection;

use super::remove;
use crate::BenchResult;
use crate::budgets::Verdict;
use crate::contender::{BodyError, Contender, Family, body, repeat};
use crate::floor::{self, UNIT};
use crate::rounds::{Plan, Row, measure};

const PLAIN: &str = "ours_no_sink";
const ATTACHED: &str = "ours_sqlite";

/// What is measured of calls at full speed: two clock reads, a tracked call, one with a history.
///
/// # Errors
///
/// When a monitor cannot be built or measured.
pub fn cost(folder: &Path, plan: &Plan, progress: impl FnMut(usize)) -> BenchResult<Vec<Row>> {
    let path = folder.join("calls.db");
    let attached = Monitor::builder().service("bench").sqlite(&path).build()?;
    let plain = Monitor::builder().build()?;
    let mut contenders: Vec<_> = floor::contenders().into_iter().filter(|row| row.name == UNIT).collect();
    let kept = attached.clone();
    contenders.push(Contender::new(Family::Ours, PLAIN, "ours: attribute, no sink", move |calls| {
        plain.scope(|| repeat(calls, tracked));
    }));
    contenders.push(Contender::new(Family::Ours, ATTACHED, "ours: attribute, a history in a file", move |calls| {
        kept.scope(|| repeat(calls, tracked));
    }));
    let rows = measure(&contenders, plan, progress)?;
    attached.shutdown(Duration::from_secs(30))?;
    remove(&path);
    Ok(rows)
}

#[track_operation]
fn tracked(x: u64) -> Result<u64, BodyError> {
    body(x)
}

/// What the rows are held against.
#[must_use]
pub fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let cpu = |name: &str, threads| Some(rows.iter().find(|row| row.name == name)?.cost(threads)?.cpu_ns);
    let ratio = |name, what, threads| {
        let measured = cpu(ATTACHED, threads)? / cpu(UNIT, threads)?;
        Some(Verdict { name, what, limit: 1.6, measured, unit: "" })
    };
    let all = [
        ratio("sqlite_cpu", "a tracked call with a history, CPU of the process", 1),
        ratio("sqlite_cpu_2", "the same on 2 threads", 2),
    ];
    all.into_iter().flatten().collect()
}

/// How long calls took before, during and after something that was wrong with the file.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What was wrong.
    pub what: &'static str,
    /// Of which 99.9 % of the calls took less: before, during, after.
    pub slowest: [Duration; 3],
    /// The median, likewise.
    pub median: [Duration; 3],
    /// Whether the sink said at any time that it was degraded, or set the file aside.
    pub noticed: bool,
}

/// Breaks a file in three ways while calls are made.
///
/// # Errors
///
/// When a file cannot be made in the first place.
pub fn faults(folder: &Path, phase: Duration, locked: Duration) -> BenchResult<Vec<Fault>> {
    let mut faults = Vec::new();
    let path = folder.join("locked.db");
    let holder = |path: &Path| -> BenchResult<Connection> {
        let holder = Connection::open(path)?;
        holder.busy_timeout(Duration::from_secs(10))?;
        holder.execute_batch("BEGIN IMMEDIATE")?;
        Ok(holder)
    };
    faults.push(fault("file locked by another program", &path, [phase, locked], holder, drop)?);
    remove(&path);

    let path = folder.join("damaged.db");
    faults.push(fault("file overwritten with something else", &path, [phase, phase], overwrite, |()| ())?);
    remove(&path);
    for aside in set_aside(&path) {
        let _ = std::fs::remove_file(aside);
    }

    let full = folder.join("full");
    std::fs::create_dir_all(&full)?;
    if mount(&full, "size=16m") {
        let path = full.join("full.db");
        let fill = |path: &Path| -> BenchResult<()> {
            // Whatever is left is taken.
            let mut file = std::fs::File::create(path.with_extension("fill"))?;
            while file.write_all(&[0; 4_096]).is_ok() {}
            Ok(())
        };
        let result = fault("disk full", &path, [phase, phase], fill, |()| _ = mount(&full, "remount,size=256m"));
        let _ = Command::new("umount").arg(&full).status();
        faults.push(result?);
    }
    let _ = std::fs::remove_dir(&full);
    Ok(faults)
}

fn mount(folder: &Path, options: &str) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder).stderr(Stdio::null());
    mount.status().is_ok_and(|status| status.success())
}

fn overwrite(path: &Path) -> BenchResult {
    let mut file = std::fs::OpenOptions::new().write(true).open(path)?;
    let bytes = usize::try_from(file.metadata()?.len())?;
    file.seek(SeekFrom::Start(4_096))?;
    file.write_all(&vec![0xA5; bytes.saturating_sub(8_192)])?;
    Ok(())
}

fn fault<T>(
    what: &'static str,
    path: &Path,
    [phase, broken]: [Duration; 2],
    break_it: impl FnOnce(&Path) -> BenchResult<T>,
    mend: impl FnOnce(T),
) -> BenchResult<Fault> {
    remove(path);
    let local = Monitor::builder().service("bench").sqlite(path).build()?;
    // More than a connection keeps in its memory, so that it reads the file.
    for _ in 0..20 {
        local.scope(|| (0..100).for_each(|_| spread()));
        local.flush(Duration::from_secs(10))?;
    }
    calls(&local, phase);
    let mut degraded = false;
    let before = calls(&local, phase);
    let held = break_it(path)?;
    let during = calls_until(&local, broken, |snapshot| degraded |= snapshot == SinkState::Degraded);
    mend(held);
    let after = calls(&local, phase);
    let _ = local.shutdown(Duration::from_mins(1));
    let each = |q: f64| [&before, &during, &after].map(|taken| taken.percentile(q).unwrap_or_default());
    let noticed = degraded || is_set_aside(path);
    Ok(Fault { what, slowest: each(0.999), median: each(0.5), noticed })
}

fn calls(local: &Monitor, phase: Duration) -> Histogram {
    calls_until(local, phase, |_| ())
}

/// Files that were found damaged at that path.
fn set_aside(path: &Path) -> Vec<PathBuf> {
    let begin = format!("{}.damaged-", path.display());
    let Some(Ok(entries)) = path.parent().map(std::fs::read_dir) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.display().to_string().starts_with(&begin)).collect()
}

fn is_set_aside(path: &Path) -> bool {
    !set_aside(path).is_empty()
}

/// Calls of some operations, all of them recorded.
fn spread() {
    for operation in ["one", "two", "three", "four", "five", "six", "seven", "eight"] {
        for _ in 0..5 {
            monitor().operation(operation).record(RecordPolicy::All).start().succeed();
        }
    }
}

/// Guards one after the other, each timed, for so long; `look` is told the state of the sink at times.
fn calls_until(local: &Monitor, phase: Duration, mut look: impl FnMut(SinkState)) -> Histogram {
    let mut taken = Histogram::new();
    let start = Instant::now();
    local.scope(|| {
        while start.elapsed() < phase {
            for x in 0..20_000 {
                let begin = Instant::now();
                let op = monitor().operation("guarded").start();
                let result = body(x);
                op.succeed();
                taken.record(u64::try_from(begin.elapsed().as_nanos()).unwrap_or(u64::MAX));
                let _ = std::hint::black_box(result);
            }
            spread();
            if let Some(sink) = local.snapshot().sinks().first() {
                look(sink.state);
            }
        }
    });
    taken
}
