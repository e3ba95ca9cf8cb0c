//! What reading costs: a snapshot of 1,000 operations that 8 threads have in use, and what runs at that moment.
//!
//! `cargo bench -p benches --bench snapshot`

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use benches::budgets::Verdict;
use benches::options::Options;
use benches::{BenchResult, machine, markdown};
use monitor_core::{ManualClock, Monitor};
use std::hint::black_box;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

const OPERATIONS: usize = 1_000;
const THREADS: usize = 8;
/// Guards that each thread holds while the snapshots are taken.
const OPEN: usize = 16;
const BUDGET_MS: f64 = 5.0;
/// Durations of the recorded calls: ten octaves, which is what an operation with outliers has in use.
const DURATIONS_US: [u64; 10] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512];

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let repetitions = if options.short { 5 } else { 21 };
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build()?;
    let names: Vec<String> = (0..OPERATIONS).map(|n| format!("bench.operation.{n}")).collect();

    // One thread at a time, so that each call lasts as long as its own step of the clock.
    let turn = Mutex::new(());
    let (filled, read) = (Barrier::new(THREADS + 1), Barrier::new(THREADS + 1));
    let times = std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let guard = turn.lock().unwrap_or_else(PoisonError::into_inner);
                fill(&local, &clock, &names);
                drop(guard);
                let open: Vec<_> = names.iter().take(OPEN).map(|name| local.operation(name).start()).collect();
                filled.wait();
                read.wait();
                open.into_iter().for_each(monitor_core::Operation::succeed);
            });
        }
        filled.wait();
        let times = take(&local, repetitions);
        read.wait();
        times
    });
    check(&local)?;

    let rows = [
        ("snapshot, median", milliseconds(times.snapshot.median)),
        ("snapshot, minimum", milliseconds(times.snapshot.min)),
        ("active operations, median", microseconds(times.active.median)),
        ("active operations, minimum", microseconds(times.active.min)),
    ];
    let verdict = Verdict {
        name: "snapshot",
        what: "snapshot of 1,000 operations on 8 threads, median",
        limit: BUDGET_MS,
        measured: times.snapshot.median.as_secs_f64() * 1e3,
        unit: "ms",
    };
    if options.markdown {
        let heading = "Reading: 1,000 operations on 8 threads (`snapshot`)";
        print!("{}", markdown::section(heading, &markdown::pairs("what", "time", &rows), &[verdict]));
        return Ok(());
    }
    println!("{}\n\n{OPERATIONS} operations on {THREADS} threads, {} active", machine::describe(), OPEN * THREADS);
    for (what, time) in &rows {
        println!("{what:32} {time:>12}");
    }
    println!("\n{verdict}\n");
    for (name, figures) in [("snapshot", &times.snapshot), ("active", &times.active)] {
        let (median, min) = (figures.median.as_nanos(), figures.min.as_nanos());
        println!("bench {name} operations={OPERATIONS} threads={THREADS} median_ns={median} min_ns={min}");
    }
    println!("{}", verdict.machine_line());
    Ok(())
}

/// Makes one call of each duration of every operation.
fn fill(local: &Monitor, clock: &ManualClock, names: &[String]) {
    for name in names {
        for micros in DURATIONS_US {
            let op = local.operation(name).start();
            clock.advance(Duration::from_micros(micros));
            op.succeed();
        }
    }
}

struct Times {
    snapshot: Figures,
    active: Figures,
}

struct Figures {
    median: Duration,
    min: Duration,
}

impl Figures {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |index: usize| times.get(index).copied().unwrap_or_default();
        Self { median: at(times.len() / 2), min: at(0) }
    }
}

fn take(local: &Monitor, repetitions: usize) -> Times {
    let (mut snapshots, mut actives) = (Vec::new(), Vec::new());
    for _ in 0..repetitions {
        let start = Instant::now();
        black_box(local.snapshot());
        snapshots.push(start.elapsed());
        let start = Instant::now();
        black_box(local.active());
        actives.push(start.elapsed());
    }
    Times { snapshot: Figures::of(snapshots), active: Figures::of(actives) }
}

/// A snapshot that lost calls would be quick for the wrong reason.
fn check(local: &Monitor) -> BenchResult {
    let snapshot = local.snapshot();
    let seen: u64 = snapshot.operations().iter().map(|operation| operation.started).sum();
    let made = (OPERATIONS * DURATIONS_US.len() + OPEN) * THREADS;
    if seen != u64::try_from(made)? {
        return Err(format!("{made} calls were made, the snapshot has {seen}").into());
    }
    Ok(())
}

fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

fn microseconds(time: Duration) -> String {
    format!("{:.2} µs", time.as_secs_f64() * 1e6)
}
