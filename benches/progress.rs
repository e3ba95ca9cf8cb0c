//! What counting one item of a job costs when 1, 2 and 8 threads count at once: ours, one shared atomic and, with the
//! feature `peers`, the position of an `indicatif` bar that is not drawn.
//!
//! `cargo bench -p benches --features peers --bench progress`

#![forbid(unsafe_code)]

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::contender::{Contender, Family};
use benches::floor::UNIT;
use benches::options::Options;
use benches::rounds::Row;
use benches::{BenchResult, floor};
use monitor_core::{Progress, monitor};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const INC: &str = "ours_inc";
const BUDGET_NS: f64 = 10.0;

fn main() -> BenchResult {
    let mut contenders = ours();
    contenders.extend(floor::contenders().into_iter().filter(|row| row.name == UNIT));
    contenders.push(shared_atomic());
    #[cfg(feature = "peers")]
    contenders.extend(benches::peers::indicatif::contenders());
    let heading = "One item of a job counted (`progress`)";
    Comparison { name: "progress", heading, contenders, verdicts, others: None }.run(&Options::from_env()?)
}

fn ours() -> Vec<Contender> {
    let job = |name: &str| monitor().progress(name).total(u64::MAX).start();
    let (items, bytes) = (job("bench.items"), job("bench.bytes"));
    vec![
        counting(INC, "ours: inc", items, Progress::inc, |job| job.stats().done),
        counting("ours_add_bytes", "ours: add_bytes", bytes, Progress::add_bytes, |job| job.stats().bytes),
    ]
}

fn counting(
    name: &'static str,
    title: &'static str,
    job: Progress,
    count: impl Fn(&Progress, u64) + Send + Sync + 'static,
    counted: fn(&Progress) -> u64,
) -> Contender {
    let read = job.clone();
    let run = move |calls| (0..calls).for_each(|_| count(black_box(&job), black_box(1)));
    Contender::new(Family::Ours, name, title, run).recorded(move || Ok(counted(&read)))
}

/// What a progress of one number costs, without any notion of time.
fn shared_atomic() -> Contender {
    let count = Arc::new(AtomicU64::new(0));
    let read = Arc::clone(&count);
    let run = move |calls| {
        (0..calls).for_each(|_| {
            black_box(&count).fetch_add(black_box(1), Ordering::Relaxed);
        });
    };
    Contender::new(Family::Floor, "shared_atomic", "one atomic, shared", run)
        .recorded(move || Ok(read.load(Ordering::Relaxed)))
}

/// CPU time, since eight threads share fewer processors and wait for each other.
fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let row = rows.iter().find(|row| row.name == INC);
    let cost = |threads| row.and_then(|row| row.cost(threads)).map(|cost| cost.cpu_ns);
    let names = [
        (1, "inc_1_thread", "inc on 1 thread, CPU"),
        (2, "inc_2_threads", "inc on 2 threads at once, CPU"),
        (8, "inc_8_threads", "inc on 8 threads at once, CPU"),
    ];
    names
        .into_iter()
        .filter_map(|(threads, name, what)| {
            Some(Verdict { name, what, limit: BUDGET_NS, measured: cost(threads)?, unit: "ns" })
        })
        .collect()
}
