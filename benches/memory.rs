//! What is held: that memory stays as it is over many calls that nobody reads and many label values, and what one
//! operation takes on one thread.
//!
//! `cargo bench -p benches --bench memory`. Unlike times, counts and memory don't depend on what else the machine does:
//! the program fails when a total is off by one or when memory grows.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use benches::budgets::Verdict;
use benches::contender::BodyError;
use benches::options::Options;
use benches::process::resident_bytes;
use benches::{BenchResult, machine, markdown};
use monitor_core::{ManualClock, Monitor, Snapshot, monitor, track_operation};
use std::hint::black_box;
use std::time::Duration;

const THREADS: u64 = 4;
/// Every so many calls one fails, and its error is recorded.
const FAILURE_EVERY: u64 = 1_000;
/// What may come on top between a tenth of the way and the end: pages that the allocator touches late. A single byte
/// kept for each call would be fifty times as much.
const GROWTH_LIMIT: u64 = 1 << 20;
/// Bytes that one operation may take on one thread.
const BUDGET_BYTES: f64 = 4096.0;

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let (calls, values) = if options.short { (2_000_000, 100_000) } else { (50_000_000, 1_000_000) };
    let before = resident_bytes()?;
    record(0, calls / 10)?;
    label(0, values / 10)?;
    let tenth = resident_bytes()?;
    record(calls / 10, calls)?;
    label(values / 10, values)?;
    let end = resident_bytes()?;
    check_totals(calls, values)?;

    let growth = end.saturating_sub(tenth);
    let one_octave = bytes_an_operation(&[100])?;
    let ten_octaves = bytes_an_operation(&[1, 2, 4, 8, 16, 32, 64, 128, 256, 512])?;
    let rows = [
        ("resident before", kilobytes(before)),
        ("resident after a tenth", kilobytes(tenth)),
        ("resident at the end", kilobytes(end)),
        ("an operation and thread, durations within one octave", format!("{one_octave:.0} bytes")),
        ("an operation and thread, durations over ten octaves", format!("{ten_octaves:.0} bytes")),
    ];
    let verdict = Verdict {
        name: "operation_bytes",
        what: "memory of an operation and thread, ten octaves",
        limit: BUDGET_BYTES,
        measured: ten_octaves,
        unit: "bytes",
    };
    if options.markdown {
        let heading = format!("Memory: {calls} unread calls, {values} label values (`memory`)");
        print!("{}", markdown::section(&heading, &markdown::pairs("what", "memory", &rows), &[verdict]));
    } else {
        println!("{}\n\n{calls} unread calls, {values} label values", machine::describe());
        for (what, memory) in &rows {
            println!("{what:54} {memory:>12}");
        }
        println!("totals exact\n\n{verdict}\n");
        println!("bench memory calls={calls} labels={values} before={before} tenth={tenth} end={end} growth={growth}");
        println!("bench operation_bytes one_octave={one_octave:.0} ten_octaves={ten_octaves:.0}");
        println!("{}", verdict.machine_line());
    }
    if growth > GROWTH_LIMIT {
        return Err(format!("memory grew by {growth} bytes after the first tenth, {GROWTH_LIMIT} are allowed").into());
    }
    Ok(())
}

#[track_operation(name = "bench.memory")]
fn work(x: u64) -> Result<u64, BodyError> {
    if black_box(x).is_multiple_of(FAILURE_EVERY) { Err(BodyError) } else { Ok(x) }
}

/// Makes the calls with these numbers, on fresh threads: their end is part of what has to stay flat.
fn record(from: u64, to: u64) -> BenchResult {
    on_threads(from, to, |x| {
        let _ = black_box(work(x));
    })
}

/// Records the label values with these numbers, each once.
fn label(from: u64, to: u64) -> BenchResult {
    on_threads(from, to, |x| monitor().operation("bench.label").label("value", &x.to_string()).start().succeed())
}

fn on_threads(from: u64, to: u64, each: impl Fn(u64) + Sync) -> BenchResult {
    std::thread::scope(|scope| {
        let each = &each;
        let spawned: Vec<_> = (0..THREADS)
            .map(|first| {
                scope.spawn(move || {
                    let mut x = from + first;
                    while x < to {
                        each(x);
                        x += THREADS;
                    }
                })
            })
            .collect();
        for thread in spawned {
            thread.join().map_err(|_| "a recording thread panicked")?;
        }
        Ok(())
    })
}

fn check_totals(calls: u64, values: u64) -> BenchResult {
    let snapshot = monitor().snapshot();
    let failures = calls.div_ceil(FAILURE_EVERY);
    let worked = totals(&snapshot, "bench.memory");
    if worked != (calls, calls - failures, failures) {
        return Err(format!("{calls} calls, {failures} failures; started, succeeded, failed: {worked:?}").into());
    }
    let labelled = totals(&snapshot, "bench.label");
    if labelled != (values, values, 0) {
        return Err(format!("{values} label values; started, succeeded, failed: {labelled:?}").into());
    }
    Ok(())
}

/// Started, succeeded and failed of all series of an operation.
fn totals(snapshot: &Snapshot, name: &str) -> (u64, u64, u64) {
    snapshot
        .operations()
        .iter()
        .filter(|operation| operation.name == name)
        .fold((0, 0, 0), |sum, one| (sum.0 + one.started, sum.1 + one.succeeded, sum.2 + one.failed))
}

/// What a monitor holds for each of 1,000 more operations that one thread has called with these durations.
fn bytes_an_operation(durations_us: &[u64]) -> BenchResult<f64> {
    const OPERATIONS: u32 = 1_000;
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build()?;
    let record = |name: &str| {
        for micros in durations_us {
            let op = local.operation(name).start();
            clock.advance(Duration::from_micros(*micros));
            op.succeed();
        }
    };
    // The first operation also pays for what the thread holds once.
    record("bench.first");
    let first = local.snapshot().monitor().bytes_held;
    for n in 0..OPERATIONS {
        record(&format!("bench.operation.{n}"));
    }
    let held = local.snapshot().monitor().bytes_held;
    #[expect(clippy::cast_precision_loss, reason = "a few megabytes")]
    Ok(held.saturating_sub(first) as f64 / f64::from(OPERATIONS))
}

fn kilobytes(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}
