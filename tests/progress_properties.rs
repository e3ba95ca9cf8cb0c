//! The time left over random work: constant, bursty, resumed, with a total that changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use monitor_core::{ManualClock, Monitor, Progress, ProgressStats};
use proptest::prelude::*;

const YEAR: Duration = Duration::from_hours(365 * 24);

struct Job {
    local: Monitor,
    clock: ManualClock,
    progress: Progress,
}

fn job(total: Option<u64>, already_done: u64) -> Job {
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build().unwrap();
    let progress = local.progress("job").already_done(already_done).stalled_after(Duration::MAX).start();
    progress.set_total(total);
    Job { local, clock, progress }
}

/// What holds at any moment of any work.
fn check(stats: &ProgressStats) {
    assert!(stats.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0), "{stats:?}");
    assert!(stats.bytes_rate.is_none_or(|rate| rate.is_finite() && rate > 0.0), "{stats:?}");
    assert!(stats.eta.is_none_or(|eta| eta <= YEAR), "{stats:?}");
    assert!(stats.fraction().is_none_or(|fraction| (0.0..=1.0).contains(&fraction)), "{stats:?}");
    assert!(stats.eta.is_none() || stats.total.is_some() || stats.total_bytes.is_some(), "{stats:?}");
    if [stats.succeeded, stats.failed, stats.skipped] == [0; 3] && stats.remaining() != Some(0) {
        assert_eq!((stats.rate, stats.eta), (None, None), "no evidence: {stats:?}");
    }
}

/// One thing that may happen to a job.
#[derive(Debug, Clone)]
enum Event {
    Pass(Duration),
    Inc(u64),
    Fail(u64),
    Skip(u64),
    Bytes(u64),
    Total(Option<u64>),
    AlreadyDone(u64),
    Look,
}

fn durations() -> impl Strategy<Value = Duration> {
    // Even over the orders of magnitude, from a nanosecond to weeks.
    (0_u32..51).prop_flat_map(|octave| 1_u64 << octave..=(2_u64 << octave)).prop_map(Duration::from_nanos)
}

fn counts() -> impl Strategy<Value = u64> {
    prop_oneof![8 => 0_u64..5, 4 => 0_u64..100_000, 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => durations().prop_map(Event::Pass),
        4 => counts().prop_map(Event::Inc),
        1 => counts().prop_map(Event::Fail),
        1 => counts().prop_map(Event::Skip),
        1 => counts().prop_map(Event::Bytes),
        1 => proptest::option::of(counts()).prop_map(Event::Total),
        1 => counts().prop_map(Event::AlreadyDone),
        3 => Just(Event::Look),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happens, figures stay in their ranges, and counts are those of a model that only adds.
    #[test]
    fn nothing_is_ever_negative_or_absurd(start in proptest::option::of(counts()), events in prop::collection::vec(events(), 0..200)) {
        let Job { local, clock, progress } = job(start, 0);
        let (mut total, mut already, mut counted) = (start, 0_u64, [0_u64; 4]);
        let add = |sum: &mut u64, n: u64| *sum = sum.saturating_add(n);
        for event in events {
            match event {
                Event::Pass(time) => clock.advance(time),
                Event::Inc(n) => { progress.inc(n); add(&mut counted[0], n); }
                Event::Fail(n) => { progress.inc_failed(n); add(&mut counted[1], n); }
                Event::Skip(n) => { progress.inc_skipped(n); add(&mut counted[2], n); }
                Event::Bytes(n) => { progress.add_bytes(n); add(&mut counted[3], n); }
                Event::Total(to) => { progress.set_total(to); total = to; }
                Event::AlreadyDone(n) => { progress.already_done(n, 0); already = n; }
                Event::Look => check(&local.snapshot().progress()[0]),
            }
        }
        let stats = progress.stats();
        check(&stats);
        prop_assert_eq!([stats.succeeded, stats.failed, stats.skipped, stats.bytes], counted);
        let done = counted[..3].iter().fold(already, |sum, n| sum.saturating_add(*n));
        prop_assert_eq!((stats.done, stats.total), (done, total));
    }

    /// Constant work: within 20 % of the truth from a tenth of it on, whoever looks meanwhile and at whatever moment.
    #[test]
    fn the_time_left_of_constant_work_is_within_a_fifth_after_a_tenth(
        total in 10_u64..2_000,
        each_ns in 100_u64..20_000_000_000,
        batch in 1_u64..20,
        looks in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
        into_item in 0_u64..100,
        already_done in 0_u64..1_000_000,
    ) {
        let total = total * batch;
        let Job { local, clock, progress } = job(Some(total + already_done), already_done);
        let each = Duration::from_nanos(each_ns);
        let looks: Vec<u64> = looks.iter().map(|at| at.index(usize::try_from(total / batch).unwrap()) as u64).collect();
        let tenth = (total / batch).div_ceil(10);
        for round in 1..=total / batch {
            clock.advance(each);
            progress.inc(batch);
            if looks.contains(&round) {
                let _ = local.snapshot();
            }
            if round >= tenth && (looks.contains(&round) || round == tenth) {
                // Not at the moment of a count alone: also in the middle of the next one.
                let part = each * u32::try_from(into_item).unwrap() / 100;
                clock.advance(part);
                let eta = progress.stats().eta.unwrap().as_secs_f64();
                let true_eta = (each * u32::try_from(total / batch - round).unwrap()).saturating_sub(part).as_secs_f64();
                let allowed = true_eta * 0.2 + 1e-6;
                prop_assert!((eta - true_eta).abs() <= allowed, "round {round}: {eta} instead of {true_eta}");
                // The rest of the item.
                if round < total / batch {
                    clock.advance(each.saturating_sub(part));
                    progress.inc(batch);
                    break;
                }
            }
        }
    }

    /// Bursts with pauses: once there were a few of them, never further off than by a factor of 3, at any moment.
    #[test]
    fn the_time_left_of_bursty_work_keeps_to_the_order_of_magnitude(
        burst in 1_u64..100,
        pause_ms in 10_u64..60_000,
        bursts in 20_u64..100,
        resumed in 0_u64..100_000,
        look_in_pause in 0_u32..100,
    ) {
        let total = burst * bursts + resumed;
        let Job { local, clock, progress } = job(Some(total), resumed);
        let pause = Duration::from_millis(pause_ms);
        let into = pause * look_in_pause / 100;
        for round in 1..=bursts {
            clock.advance(pause.saturating_sub(into));
            for _ in 0..burst {
                progress.inc(1);
            }
            clock.advance(into);
            let stats = local.snapshot().progress()[0].clone();
            check(&stats);
            if round >= 5 && round + 2 < bursts {
                let eta = stats.eta.unwrap().as_secs_f64();
                let left = (pause * u32::try_from(bursts - round).unwrap()).saturating_sub(into);
                let true_eta = left.as_secs_f64();
                prop_assert!(eta < true_eta * 3.0 && eta > true_eta / 3.0, "round {round}: {eta} for {true_eta}");
            }
        }
    }

    /// Work at random speeds, with what an earlier run did and a total that changes: the rate lies between the slowest
    /// and the fastest that the work ever was.
    #[test]
    fn the_rate_lies_between_the_slowest_and_the_fastest(
        spans in prop::collection::vec((1_u64..10_000, 1_u64..100_000), 2..100),
        already_done in any::<u32>(),
        total in any::<u32>(),
    ) {
        let Job { local, clock, progress } = job(Some(u64::from(total)), u64::from(already_done));
        let (mut slowest, mut fastest) = (f64::INFINITY, 0_f64);
        for (n, (items, ms)) in spans.into_iter().enumerate() {
            clock.advance(Duration::from_millis(ms));
            progress.inc(items);
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let rate = items as f64 / (ms as f64 / 1e3);
            (slowest, fastest) = (slowest.min(rate), fastest.max(rate));
            progress.set_total(Some(u64::from(total) + n as u64));
            let stats = local.snapshot().progress()[0].clone();
            check(&stats);
            let rate = stats.rate.unwrap();
            prop_assert!(rate >= slowest * 0.999 && rate <= fastest * 1.001, "{rate} not in {slowest} to {fastest}");
        }
    }
}
