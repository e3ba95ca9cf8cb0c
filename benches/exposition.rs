//! Pages for Prometheus: how fast they are made beside those of other libraries, a page of a million series in bounded
//! memory, and what recording notices of it.
//!
//! `cargo bench -p benches --features peers --bench exposition`

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use benches::budgets::Verdict;
use benches::exposition::{Maker, Taken, common, measure, ours, stream};
use benches::options::Options;
use benches::process::resident_bytes;
use benches::{BenchResult, machine, markdown};
use monitor_core::{Exposition, Monitor, TextFormat};
use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// 1.5 times the throughput of `prometheus-client` is two thirds of its time for the same lines.
const BUDGET: f64 = 1.0 / 1.5;

/// Memory that a page of a million series may take beside its snapshot: labels of operations once, and a chunk.
const BUDGET_MEBIBYTES: f64 = 32.0;

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let rounds: usize = if options.short { 3 } else { 21 };
    let (mut text, mut streamed) = (String::new(), String::new());
    let mut verdicts = Vec::new();
    // First, while the allocator keeps nothing that it could be taken from.
    let (series, memory) = million(options.short, &mut streamed)?;
    for operations in [1_000, 10_000] {
        let mut makers = makers(operations)?;
        let taken = measure(&mut makers, if operations > 1_000 { rounds.div_ceil(2) } else { rounds })?;
        verdicts.extend(verdict(operations, &makers, &taken));
        table(&mut text, operations, &makers, &taken)?;
    }
    verdicts.push(memory);
    text.push_str(&streamed);
    undisturbed(options.short, &mut text)?;
    if options.markdown {
        let heading = format!("Pages for Prometheus, and one of {series} series (`exposition`)");
        print!("{}", markdown::section(&heading, &text, &verdicts));
        return Ok(());
    }
    println!("{}\n\n{text}", machine::describe());
    for verdict in verdicts {
        println!("{verdict}\n{}", verdict.machine_line());
    }
    Ok(())
}

fn makers(operations: usize) -> BenchResult<Vec<Maker>> {
    #[cfg_attr(not(feature = "peers"), expect(unused_mut, reason = "the others are behind a feature"))]
    let mut makers = ours(operations)?;
    #[cfg(feature = "peers")]
    makers.extend(benches::exposition::peers::peers(operations)?);
    Ok(makers)
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn a_line(maker: &Maker, time: Duration) -> f64 {
    time.as_secs_f64() * 1e9 / maker.size.lines as f64
}

/// Of the text alone: what is read from a recorder has a budget of its own, see `snapshot`. Lines are counted, not bytes, since
/// ours have a label more.
fn verdict(operations: usize, makers: &[Maker], taken: &[Taken]) -> Option<Verdict> {
    let of = |name: &str| {
        let found = makers.iter().zip(taken).find(|(maker, _)| maker.name == name);
        found.map(|(maker, taken)| a_line(maker, taken.min))
    };
    let what = if operations == 1_000 {
        "text of 1,000 operations, time of a line over that of prometheus-client"
    } else {
        "text of 10,000 operations, time of a line over that of prometheus-client"
    };
    let measured = of("ours_page")? / of("prometheus_client")?;
    Some(Verdict { name: "exposition", what, limit: BUDGET, measured, unit: "" })
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn table(text: &mut String, operations: usize, makers: &[Maker], taken: &[Taken]) -> BenchResult {
    writeln!(text, "| {operations} operations | lines | bytes | minimum | median | ns a line | MB/s |")?;
    writeln!(text, "|---|---:|---:|---:|---:|---:|---:|")?;
    for (maker, taken) in makers.iter().zip(taken) {
        let (min, median) = (taken.min.as_secs_f64() * 1e3, taken.median.as_secs_f64() * 1e3);
        let rate = maker.size.bytes as f64 / taken.min.as_secs_f64() / 1e6;
        writeln!(
            text,
            "| {} | {} | {} | {min:.2} ms | {median:.2} ms | {:.1} | {rate:.0} |",
            maker.title,
            maker.size.lines,
            maker.size.bytes,
            a_line(maker, taken.min)
        )?;
    }
    text.push('\n');
    Ok(())
}

/// Streams a page of a million series, and sees how much more is in memory meanwhile.
fn million(short: bool, text: &mut String) -> BenchResult<(String, Verdict)> {
    let label_sets: usize = if short { 3_500 } else { 35_000 };
    let monitor = Monitor::builder().max_label_sets(label_sets + 10).recent_capacity(0).build()?;
    monitor.scope(|| {
        for n in 0..label_sets {
            monitor.operation("load").label("table", &format!("table-{n}")).start().succeed();
        }
    });
    let exposition = Exposition::new();
    let snapshot = monitor.snapshot();
    let before = resident_bytes()?;
    let start = Instant::now();
    let mut page = exposition.page(&snapshot, TextFormat::OpenMetrics);
    let (mut most, mut bytes, mut lines, mut largest) = (before, 0, 0, 0);
    while let Some(chunk) = page.next_chunk() {
        (bytes, largest) = (bytes + chunk.len(), largest.max(chunk.len()));
        lines += chunk.lines().filter(|line| !line.starts_with('#')).count();
        most = most.max(resident_bytes()?);
    }
    drop(page);
    let time = start.elapsed();
    let growth = most.saturating_sub(before);
    writeln!(text, "| a page of {lines} series | |\n|---|---:|")?;
    writeln!(text, "| bytes | {bytes} |\n| largest chunk | {largest} bytes |")?;
    writeln!(text, "| time, with what is counted and asked meanwhile | {:.0} ms |", time.as_secs_f64() * 1e3)?;
    writeln!(text, "| resident before | {:.1} MiB |", mebibytes(before))?;
    writeln!(text, "| most while it is streamed | {:.1} MiB |\n", mebibytes(most))?;
    let verdict = Verdict {
        name: "exposition_memory",
        what: "memory that a page of a million series takes besides its snapshot",
        limit: BUDGET_MEBIBYTES,
        measured: mebibytes(growth),
        unit: "MiB",
    };
    Ok((lines.to_string(), verdict))
}

#[expect(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// What calls take while another thread makes pages without a pause, and while it only computes.
fn undisturbed(short: bool, text: &mut String) -> BenchResult {
    let time = Duration::from_millis(if short { 100 } else { 1_000 });
    let monitor = benches::exposition::monitor(1_000)?;
    let exposition = common()?;
    let spin = || {
        let mut x = 1_u64;
        (0..1_000_000_u64).for_each(|n| x = black_box(x.wrapping_mul(31).wrapping_add(n)));
    };
    let render = || {
        black_box(stream(&exposition, &monitor.snapshot()));
    };
    let mut least = [[Duration::MAX; 4]; 2];
    for _ in 0..if short { 2 } else { 7 } {
        for (other, least) in [&spin as &(dyn Fn() + Sync), &render].into_iter().zip(&mut least) {
            let quantiles = beside(&monitor, other, time);
            for (least, quantile) in least.iter_mut().zip(quantiles) {
                *least = (*least).min(quantile);
            }
        }
    }
    writeln!(text, "| a tracked call while another thread … (least of the rounds) | p50 | p99 | p99.9 | mean |")?;
    writeln!(text, "|---|---:|---:|---:|---:|")?;
    for (what, least) in ["computes", "makes snapshots and pages"].into_iter().zip(least) {
        write!(text, "| {what} |")?;
        for quantile in least {
            write!(text, " {} ns |", quantile.as_nanos())?;
        }
        text.push('\n');
    }
    text.push('\n');
    Ok(())
}

/// Makes calls for a while beside another thread: median, 99 %, 99.9 %, and the mean, of groups of 16 calls each.
fn beside(monitor: &Monitor, other: &(dyn Fn() + Sync), time: Duration) -> [Duration; 4] {
    let is_over = AtomicBool::new(false);
    let mut groups = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                other();
            }
        });
        let mut groups = Vec::with_capacity(4_000_000);
        monitor.scope(|| {
            let began = Instant::now();
            let mut last = began;
            while last.duration_since(began) < time && groups.len() < groups.capacity() {
                for _ in 0..16 {
                    monitor.track("bench.operation.7", |_| black_box(()));
                }
                let now = Instant::now();
                groups.push(now.duration_since(last));
                last = now;
            }
        });
        is_over.store(true, Ordering::Relaxed);
        groups
    });
    groups.sort_unstable();
    let at = |share: usize| groups.get(groups.len() * share / 1_000).copied().unwrap_or_default() / 16;
    let all: Duration = groups.iter().sum();
    let mean = all / u32::try_from(groups.len() * 16).unwrap_or(u32::MAX).max(1);
    [at(500), at(990), at(999), mean]
}
