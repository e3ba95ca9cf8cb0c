//! What a state machine costs: a declared transition on 1 and 2 threads, beside a map of states behind a lock that
//! counts and times nothing; and reading a machine of 10,000 entities, which holds its lock for less than that.
//!
//! `cargo bench -p benches --bench states`

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "a bench talks to the terminal")]

use benches::options::Options;
use benches::{BenchResult, machine, markdown};
use monitor_core::{Entity, Monitor, StateMachine};
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ENTITIES: usize = 10_000;

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let (rounds, steps) = if options.short { (3, 20_000) } else { (15, 400_000) };
    let local = Monitor::builder().build()?;
    let define = |name: &str, guarded: bool| {
        let builder = local.state_machine(name).state("a").state("b").transition("a", "b");
        let builder = if guarded { builder.guard(|_| Ok(())) } else { builder };
        builder.transition("b", "a").max_entities(ENTITIES).build()
    };
    let (shared, guarded) = (define("shared", false)?, define("guarded", true)?);
    let apart = [define("apart 0", false)?, define("apart 1", false)?];
    let by_hand = Mutex::new(HashMap::from([("0".to_owned(), "a"), ("1".to_owned(), "a")]));

    // The minimum of interleaved rounds, as in the other benches.
    let mut rows: Vec<(&str, Vec<Duration>)> = Vec::new();
    for _ in 0..rounds {
        let of =
            |machine: &StateMachine, thread: usize| -> BenchResult<Entity> { Ok(machine.entity(&thread.to_string())?) };
        let one = of(&shared, 0)?;
        let (left, right) = (of(&apart[0], 0)?, of(&apart[1], 1)?);
        let two = of(&shared, 1)?;
        let asked = of(&guarded, 0)?;
        let mut note = |name, time| match rows.iter_mut().find(|(known, _)| *known == name) {
            Some((_, times)) => times.push(time),
            None => rows.push((name, vec![time])),
        };
        note("transition, 1 thread", timed(steps, &[&|| turn(&one)]));
        note("transition with a guard, 1 thread", timed(steps, &[&|| turn(&asked)]));
        note("refused transition, 1 thread", timed(steps, &[&|| _ = black_box(one.to(one.state()))]));
        note("transition, 2 threads, one machine each", timed(steps, &[&|| turn(&left), &|| turn(&right)]));
        note("transition, 2 threads, one machine", timed(steps, &[&|| turn(&one), &|| turn(&two)]));
        note("map behind a lock, 1 thread", timed(steps, &[&|| turn_by_hand(&by_hand, "0")]));
        let both: [&(dyn Fn() + Sync); 2] = [&|| turn_by_hand(&by_hand, "0"), &|| turn_by_hand(&by_hand, "1")];
        note("map behind a lock, 2 threads", timed(steps, &both));
    }
    let mut shown: Vec<(&str, String)> = Vec::new();
    for (name, times) in &rows {
        let each = times.iter().min().copied().unwrap_or_default().as_secs_f64() * 1e9 / f64::from(steps);
        shown.push((name, format!("{each:.1} ns")));
    }

    let full = define("full", false)?;
    for id in 0..ENTITIES {
        let entity = full.entity(&format!("entity {id}"))?;
        (0..40).for_each(|_| turn(&entity));
    }
    let reads = |read: &dyn Fn()| {
        let once = || {
            let start = Instant::now();
            read();
            start.elapsed()
        };
        let mut times: Vec<_> = (0..rounds * 3).map(|_| once()).collect();
        times.sort_unstable();
        format!("{:.0} µs", times.get(times.len() / 2).copied().unwrap_or_default().as_secs_f64() * 1e6)
    };
    shown.push(("stats of 10,000 entities, median", reads(&|| _ = black_box(full.stats()))));
    shown.push(("list of 10,000 entities, median", reads(&|| _ = black_box(full.entities()))));

    let table = markdown::pairs("state machines", "time", &shown);
    if options.markdown {
        print!("{}", markdown::section("State machines (`states`)", &table, &[]));
    } else {
        println!("{}\n", machine::describe());
        for (what, time) in &shown {
            println!("{what:44} {time:>12}");
        }
    }
    Ok(())
}

fn turn(entity: &Entity) {
    let next = if entity.state() == "a" { "b" } else { "a" };
    let _ = black_box(entity.to(next));
}

/// What a program would have without a state machine: who is where, and whether it may go there.
fn turn_by_hand(states: &Mutex<HashMap<String, &'static str>>, id: &str) {
    let mut states = states.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(state) = states.get_mut(id) {
        *state = match *state {
            "a" => "b",
            _ => "a",
        };
    }
}

/// The time in which each thread does its own `steps` times, averaged over the threads.
fn timed(steps: u32, threads: &[&(dyn Fn() + Sync)]) -> Duration {
    let ready = Barrier::new(threads.len());
    let run = |each: &(dyn Fn() + Sync)| {
        ready.wait();
        let start = Instant::now();
        for _ in 0..steps {
            each();
        }
        start.elapsed()
    };
    let run = &run;
    let times: Vec<Duration> = std::thread::scope(|scope| {
        let running: Vec<_> = threads.iter().map(|&each| scope.spawn(move || run(each))).collect();
        running.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    times.iter().sum::<Duration>() / u32::try_from(times.len().max(1)).unwrap_or(1)
}
