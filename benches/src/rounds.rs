//! How it is measured: every contender once a round, the minimum of all rounds kept.
//!
//! A shared machine is slower at times, for all contenders alike. Contenders measured one after the other would each
//! meet other conditions; interleaved, each gets its share of the quiet moments, and the minimum is what the code
//! costs when nothing disturbs it. A mean would say more about the neighbours.

use crate::BenchResult;
use crate::contender::{CALLS_STEP, Contender, Family};
use crate::process::cpu_time;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// How much is measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often every contender is measured.
    pub rounds: usize,
    /// The numbers of threads to measure with.
    pub threads: Vec<usize>,
    /// How long one measurement is meant to take. The number of calls follows from it.
    pub target: Duration,
}

impl Plan {
    /// The figures of record: two to three minutes with all peers.
    #[must_use]
    pub fn full() -> Self {
        Self { rounds: 11, threads: vec![1, 2, 8], target: Duration::from_millis(100) }
    }

    /// Seconds, to see that everything runs.
    #[must_use]
    pub fn short() -> Self {
        Self { rounds: 2, threads: vec![1, 2, 8], target: Duration::from_millis(4) }
    }
}

/// Calls that every thread makes before it is measured: they allocate what the library allocates on first use.
const WARM_UP_CALLS: u64 = 1_000;
/// Calls of the trial that tells how many calls fill the target.
const TRIAL_CALLS: u64 = 2_000;

/// What one call costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Nanoseconds from a thread's first call to its last, a call, averaged over the threads.
    pub wall_ns: f64,
    /// Nanoseconds of CPU of the whole process a call: what the library's own threads use is in it.
    pub cpu_ns: f64,
}

impl Cost {
    const UNKNOWN: Self = Self { wall_ns: f64::INFINITY, cpu_ns: f64::INFINITY };

    fn min(self, other: Self) -> Self {
        Self { wall_ns: self.wall_ns.min(other.wall_ns), cpu_ns: self.cpu_ns.min(other.cpu_ns) }
    }
}

/// The figures of one contender.
#[derive(Clone, Debug)]
pub struct Row {
    /// The contender's key.
    pub name: &'static str,
    /// The contender's title.
    pub title: &'static str,
    /// Where it stands.
    pub family: Family,
    /// The minimum over the rounds for each number of threads.
    pub costs: Vec<(usize, Cost)>,
    /// Calls made in all, for warming up too.
    pub made: u64,
    /// Calls that the library says it has recorded, where it can be asked.
    pub recorded: Option<u64>,
}

impl Row {
    /// A row with these figures and no calls yet.
    #[must_use]
    pub fn new(name: &'static str, title: &'static str, family: Family, costs: Vec<(usize, Cost)>) -> Self {
        Self { name, title, family, costs, made: 0, recorded: None }
    }

    /// Whether the library has recorded another number of calls than were made.
    #[must_use]
    pub fn miscounted(&self) -> bool {
        self.recorded.is_some_and(|recorded| recorded != self.made)
    }

    /// The figures with this many threads.
    #[must_use]
    pub fn cost(&self, threads: usize) -> Option<Cost> {
        self.costs.iter().find(|(n, _)| *n == threads).map(|(_, cost)| *cost)
    }
}

/// Measures all contenders, in the order given within each round. `progress` is told the number of the round, from 1.
///
/// # Errors
///
/// When a contender panics or can't be asked what it recorded, or the system does not tell the CPU time.
pub fn measure(contenders: &[Contender], plan: &Plan, mut progress: impl FnMut(usize)) -> BenchResult<Vec<Row>> {
    let unknown: Vec<_> = plan.threads.iter().map(|&threads| (threads, Cost::UNKNOWN)).collect();
    let mut rows: Vec<Row> =
        contenders.iter().map(|one| Row::new(one.name, one.title, one.family, unknown.clone())).collect();
    let mut calls = vec![vec![TRIAL_CALLS; plan.threads.len()]; contenders.len()];
    // Round 0 is the trial.
    for round in 0..=plan.rounds {
        progress(round);
        for index in 0..plan.threads.len() {
            for ((contender, row), calls) in contenders.iter().zip(&mut rows).zip(&mut calls) {
                let (Some((threads, best)), Some(calls)) = (row.costs.get_mut(index), calls.get_mut(index)) else {
                    continue;
                };
                let cost = measure_once(contender, *threads, *calls, plan.target)?;
                row.made += (WARM_UP_CALLS + *calls) * *threads as u64;
                if round > 0 {
                    *best = best.min(cost);
                }
                *calls = calls_for(plan.target, cost.wall_ns);
            }
        }
    }
    for (contender, row) in contenders.iter().zip(&mut rows) {
        row.recorded = contender.recorded.as_ref().map(|recorded| recorded()).transpose()?;
    }
    Ok(rows)
}

/// How many calls fill the target, from what the last measurement cost.
fn calls_for(target: Duration, wall_ns: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few million at most")]
    let calls = (target.as_secs_f64() * 1e9 / wall_ns.max(0.1)) as u64;
    calls.max(TRIAL_CALLS).next_multiple_of(CALLS_STEP)
}

fn measure_once(contender: &Contender, threads: usize, calls: u64, target: Duration) -> BenchResult<Cost> {
    (contender.before)();
    let (warm, go) = (Barrier::new(threads + 1), Barrier::new(threads + 1));
    let (cpu_before, elapsed) = std::thread::scope(|scope| -> BenchResult<_> {
        let spawned: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    // A panic before the barriers would leave the others waiting for ever.
                    let warmed_up = catch_unwind(AssertUnwindSafe(|| contender.run(WARM_UP_CALLS)));
                    warm.wait();
                    go.wait();
                    if let Err(panic) = warmed_up {
                        resume_unwind(panic);
                    }
                    let start = Instant::now();
                    contender.run(calls);
                    start.elapsed()
                })
            })
            .collect();
        warm.wait();
        // Every thread is warm and waits: from here on the process does nothing but the measured calls.
        let cpu_before = cpu_time();
        go.wait();
        // All are joined before the first panic is looked at: a scope panics for what is left to it.
        let ended: Vec<_> = spawned.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let mut elapsed = Duration::ZERO;
        for thread in ended {
            elapsed += thread.map_err(|_| format!("{} panicked", contender.name))?;
        }
        Ok((cpu_before?, elapsed))
    })?;
    (contender.after)();
    let step = (target / 20).clamp(Duration::from_millis(1), Duration::from_millis(4));
    let cpu = cpu_time_at_rest(step.max(contender.backlog_within))?.saturating_sub(cpu_before);
    #[expect(clippy::cast_precision_loss, reason = "a few million calls")]
    let all_calls = calls as f64 * threads as f64;
    Ok(Cost { wall_ns: elapsed.as_secs_f64() * 1e9 / all_calls, cpu_ns: cpu.as_secs_f64() * 1e9 / all_calls })
}

/// The CPU time once the process has come to rest for a `step`: a library that leaves work to a thread of its own has
/// done that work by then, and does not do it during the next contender's turn.
fn cpu_time_at_rest(step: Duration) -> BenchResult<Duration> {
    const LONGEST: Duration = Duration::from_secs(10);
    // A background thread that merely looks whether there is work uses less.
    let idle = step.min(Duration::from_millis(4)) / 16;
    let start = Instant::now();
    let mut last = cpu_time()?;
    loop {
        std::thread::sleep(step);
        let now = cpu_time()?;
        if now.saturating_sub(last) < idle || start.elapsed() > LONGEST {
            return Ok(now);
        }
        last = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn counting(counter: &Arc<AtomicU64>) -> Contender {
        let counter = Arc::clone(counter);
        Contender::new(Family::Floor, "counting", "counting", move |calls| {
            counter.fetch_add(calls, Ordering::Relaxed);
        })
    }

    #[test]
    fn every_thread_warms_up_and_makes_its_calls() -> BenchResult {
        let made = Arc::new(AtomicU64::new(0));
        measure_once(&counting(&made), 3, 500, Duration::from_millis(1))?;
        assert_eq!(made.load(Ordering::Relaxed), 3 * (WARM_UP_CALLS + 500));
        Ok(())
    }

    #[test]
    fn a_round_measures_every_contender_with_every_number_of_threads() -> BenchResult {
        let (first, second) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let plan = Plan { rounds: 1, threads: vec![1, 2], target: Duration::from_millis(1) };
        let mut rounds = Vec::new();
        let rows = measure(&[counting(&first), counting(&second)], &plan, |round| rounds.push(round))?;
        assert_eq!(rounds, [0, 1]);
        assert_eq!(rows.len(), 2);
        for row in &rows {
            assert!(plan.threads.iter().all(|&threads| row.cost(threads).is_some_and(|cost| cost.wall_ns.is_finite())));
        }
        Ok(())
    }

    #[test]
    fn a_contender_that_loses_calls_is_found_out() -> BenchResult {
        let made = Arc::new(AtomicU64::new(0));
        let (all, most) = (Arc::clone(&made), Arc::clone(&made));
        let plan = Plan { rounds: 1, threads: vec![2], target: Duration::from_millis(1) };
        let honest = counting(&made).recorded(move || Ok(all.load(Ordering::Relaxed)));
        let rows = measure(&[honest], &plan, |_| {})?;
        assert!(rows.iter().all(|row| !row.miscounted()), "{rows:?}");
        let lossy = counting(&made).recorded(move || Ok(most.load(Ordering::Relaxed) - 1));
        made.store(0, Ordering::Relaxed);
        let rows = measure(&[lossy], &plan, |_| {})?;
        assert!(rows.iter().all(Row::miscounted), "{rows:?}");
        Ok(())
    }

    #[test]
    fn the_number_of_calls_follows_from_their_cost() {
        let target = Duration::from_millis(1);
        assert_eq!(calls_for(target, 50.0), 20_000);
        assert_eq!(calls_for(target, 33.0), 30_400);
        assert_eq!(calls_for(target, 1e9), TRIAL_CALLS);
    }

    #[test]
    fn the_minimum_of_wall_and_cpu_is_taken_apart() {
        let first = Cost { wall_ns: 3.0, cpu_ns: 7.0 };
        let second = Cost { wall_ns: 5.0, cpu_ns: 6.0 };
        assert_eq!(first.min(second), Cost { wall_ns: 3.0, cpu_ns: 6.0 });
    }

    #[test]
    fn a_contender_that_panics_is_an_error_and_leaves_nobody_waiting() {
        for panics_at in [WARM_UP_CALLS, 500] {
            let broken = Contender::new(Family::Peer, "broken", "", move |calls| assert_ne!(calls, panics_at));
            let result = measure_once(&broken, 2, 500, Duration::from_millis(1));
            assert!(result.is_err_and(|error| error.to_string().contains("broken")));
        }
    }
}
