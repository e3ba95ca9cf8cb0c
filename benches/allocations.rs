//! What the tracked allocator adds to an allocation: 64 bytes taken and given back, on 1 and 2 threads, by the system's
//! allocator alone, by the tracked one with no operation, and inside one.
//!
//! All of them are asked in the same way, by the trait's methods, in one process and in interleaved rounds: what differs
//! is the allocator and nothing else. The budget is held against CPU time: on two threads the wall time of a machine with
//! two cores is that of whatever else runs there.
//!
//! `cargo bench -p benches --bench allocations`

#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]
// An allocator can be asked by unsafe methods only; a second process for each would compare two processes.
#![allow(unsafe_code)]

use benches::budgets::Verdict;
use benches::options::Options;
use benches::process::cpu_time;
use benches::{BenchResult, machine, markdown};
use monitor_core::Monitor;
use monitor_core::alloc::TrackedAllocator;
use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

const LAYOUT: Layout = Layout::new::<[u8; 64]>();
const NAME: &str = "allocates";

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let (rounds, steps) = if options.short { (3, 20_000) } else { (41, 500_000) };
    let local = Monitor::builder().build()?;
    let tracked = TrackedAllocator::system();

    let alone = || pairs(&System, steps);
    let outside = || local.scope(|| pairs(&tracked, steps));
    let inside = || local.scope(|| local.track(NAME, |_| pairs(&tracked, steps)));
    // A thread that has recorded nothing yet has no shard.
    let unattached = || pairs(&tracked, steps);
    let contenders: [(&str, &(dyn Fn() -> Duration + Sync)); 4] = [
        ("system allocator alone", &alone),
        ("tracked, on a thread that records nothing", &unattached),
        ("tracked, no operation", &outside),
        ("tracked, inside an operation", &inside),
    ];
    // Wall and CPU time, on one thread and on two.
    let mut best = [[[Duration::MAX; 2]; 2]; 4];
    for _ in 0..rounds {
        for (row, (_, run)) in best.iter_mut().zip(&contenders) {
            for (cell, threads) in row.iter_mut().zip([1, 2]) {
                let taken = on(threads, run)?;
                *cell = [cell[0].min(taken[0]), cell[1].min(taken[1])];
            }
        }
    }

    let stats = local.snapshot().operation(NAME).cloned().unwrap_or_default();
    let made = u64::try_from(rounds)? * 3 * u64::from(steps);
    if (stats.allocations, stats.allocated_bytes) != (made, made * 64) {
        return Err(format!("{made} allocations were made, {} counted", stats.allocations).into());
    }

    let each = |time: Duration| time.as_secs_f64() * 1e9 / f64::from(steps);
    let (mut shown, mut verdicts) = (Vec::new(), Vec::new());
    for (row, (name, _)) in best.iter().zip(&contenders) {
        let [[one, one_cpu], [two, two_cpu]] = row.map(|cell| cell.map(each));
        shown.push((*name, format!("{one:.1} / {one_cpu:.1} ns, on 2 threads {two:.1} / {two_cpu:.1} ns")));
    }
    for (name, what, threads) in
        [("allocation", "an allocation in an operation", 0), ("allocation_two_threads", "the same on 2 threads", 1)]
    {
        let measured = each(best[3][threads][1]) - each(best[0][threads][1]);
        verdicts.push(Verdict { name, what, limit: 3.0, measured, unit: "ns" });
    }
    let table = markdown::pairs("64 bytes taken and given back", "wall / CPU", &shown);
    if options.markdown {
        print!("{}", markdown::section("Allocations (`allocations`)", &table, &verdicts));
    } else {
        println!("{}\n", machine::describe());
        for (what, time) in &shown {
            println!("{what:44} {time}");
        }
        for verdict in &verdicts {
            println!("{verdict}\n{}", verdict.machine_line());
        }
    }
    Ok(())
}

/// The time in which blocks are taken and given back.
#[inline(never)]
fn pairs(allocator: &impl GlobalAlloc, steps: u32) -> Duration {
    let start = Instant::now();
    for _ in 0..steps {
        // SAFETY: the layout is not of size zero, and the block is given back once, with the same layout.
        unsafe {
            let block = black_box(allocator.alloc(black_box(LAYOUT)));
            if block.is_null() {
                handle_alloc_error(LAYOUT);
            }
            allocator.dealloc(block, LAYOUT);
        }
    }
    start.elapsed()
}

/// The wall and the CPU time that a thread takes, averaged over the threads, which begin together.
fn on(threads: usize, run: &(dyn Fn() -> Duration + Sync)) -> BenchResult<[Duration; 2]> {
    let cpu_before = cpu_time()?;
    let ready = Barrier::new(threads);
    let ready = &ready;
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let spawn = |_| {
            scope.spawn(move || {
                ready.wait();
                run()
            })
        };
        let running: Vec<_> = (0..threads).map(spawn).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let each = u32::try_from(times.len().max(1))?;
    Ok([times.iter().sum::<Duration>() / each, cpu_time()?.saturating_sub(cpu_before) / each])
}
