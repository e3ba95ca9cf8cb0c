//! Progress of long jobs: counting, totals, time left, stalling, steps, endings, caps.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, SystemTime};

use monitor_core::{ManualClock, Monitor, Progress, ProgressState, ProgressStats, Snapshot};

const SECOND: Duration = Duration::from_secs(1);

fn timed() -> (Monitor, ManualClock) {
    let clock = ManualClock::new();
    (Monitor::builder().clock(&clock).build().unwrap(), clock)
}

fn stats(monitor: &Monitor, name: &str) -> ProgressStats {
    let snapshot = monitor.snapshot();
    snapshot.progress().iter().find(|job| job.name == name).unwrap_or_else(|| panic!("no job {name}")).clone()
}

/// Does `items` one after the other, `each` apart.
fn work(job: &Progress, clock: &ManualClock, items: u64, each: Duration) {
    for _ in 0..items {
        clock.advance(each);
        job.inc(1);
    }
}

#[test]
fn everything_that_is_said_of_a_job_is_in_the_snapshot() {
    let (local, clock) = timed();
    let job = local.progress("data_import").total(1_000).already_done(100).batch_size(50).message("begins").start();
    clock.advance(10 * SECOND);
    job.inc(60);
    job.inc_failed(5);
    job.inc_skipped(15);
    job.add_bytes(4_096);
    job.set_total_bytes(Some(10_000));
    let first = stats(&local, "data_import");
    assert_eq!((first.done, first.already_done), (180, 100));
    assert_eq!((first.succeeded, first.failed, first.skipped, first.bytes), (60, 5, 15, 4_096));
    assert_eq!((first.total, first.total_bytes, first.batch_size), (Some(1_000), Some(10_000), Some(50)));
    assert_eq!(
        (first.message.as_str(), first.state, first.parent, first.error),
        ("begins", ProgressState::Running, None, None)
    );
    assert_eq!((first.elapsed, first.started_at, first.idle), (10 * SECOND, SystemTime::UNIX_EPOCH, Duration::ZERO));
    assert_eq!((first.rate, first.eta), (Some(8.0), Some(Duration::from_secs_f64(102.5))));
    job.message(String::from("goes on"));
    job.batch_size(None);
    let second = stats(&local, "data_import");
    assert_eq!((second.message.as_str(), second.batch_size), ("goes on", None));
    assert_eq!(job.stats(), second);
}

#[test]
fn any_number_of_threads_count_exactly() {
    let (local, _clock) = timed();
    let job = local.progress("counted").start();
    thread::scope(|threads| {
        for _ in 0..16 {
            let job = job.clone();
            threads.spawn(move || {
                for n in 0..5_000 {
                    job.inc(1);
                    job.add_bytes(n);
                }
            });
        }
    });
    let stats = job.stats();
    assert_eq!((stats.succeeded, stats.bytes), (80_000, 16 * (4_999 * 5_000 / 2)));
    assert_eq!(stats.state, ProgressState::Running, "the threads' handles were not the last");
}

#[test]
fn the_time_left_is_unknown_before_there_is_evidence() {
    let (local, clock) = timed();
    let job = local.progress("job").total(100).start();
    assert_eq!((job.stats().rate, job.stats().eta), (None, None));
    clock.advance(5 * SECOND);
    assert_eq!((job.stats().rate, job.stats().eta), (None, None));
    job.set_total(None);
    work(&job, &clock, 10, SECOND);
    assert_eq!((job.stats().rate.is_some(), job.stats().eta), (true, None));
    job.set_total(Some(100));
    assert!(job.stats().eta.is_some());
    assert!(local.snapshot().to_string().contains("running"));
}

#[test]
fn a_total_may_change_and_be_less_than_what_is_done() {
    let (local, clock) = timed();
    let job = local.progress("job").total(20).start();
    work(&job, &clock, 10, SECOND);
    assert_eq!((job.stats().eta, job.stats().fraction()), (Some(10 * SECOND), Some(0.5)));
    job.set_total(Some(40));
    assert_eq!((job.stats().eta, job.stats().fraction()), (Some(30 * SECOND), Some(0.25)));
    job.set_total(Some(5));
    assert_eq!((job.stats().eta, job.stats().fraction()), (Some(Duration::ZERO), Some(1.0)));
    job.set_total(Some(u64::MAX));
    assert_eq!(job.stats().eta, None, "half a trillion years are as good as unknown");
}

#[test]
fn what_earlier_runs_did_is_no_evidence_of_speed() {
    let (local, clock) = timed();
    let job = local.progress("job").total(1_000_000).already_done(999_000).start();
    clock.advance(SECOND);
    assert_eq!((job.stats().rate, job.stats().eta), (None, None));
    work(&job, &clock, 100, SECOND);
    let eta = job.stats().eta.unwrap().as_secs_f64();
    assert!((890.0..920.0).contains(&eta), "{eta}");
    job.already_done(999_500, 0);
    assert_eq!((job.stats().done, job.stats().remaining()), (999_600, Some(400)));
}

#[test]
fn bytes_tell_the_time_left_when_only_they_have_a_total() {
    let (local, clock) = timed();
    let job = local.progress("download").total_bytes(1_000_000).start();
    for _ in 0..10 {
        clock.advance(SECOND);
        job.add_bytes(10_000);
    }
    let stats = job.stats();
    assert_eq!((stats.bytes_rate, stats.fraction(), stats.rate), (Some(10_000.0), Some(0.1), None));
    assert_eq!(stats.eta, Some(90 * SECOND));
}

#[test]
fn a_job_has_stalled_when_nothing_moved_for_the_stated_time() {
    let (local, clock) = timed();
    let (usual, patient) = (local.progress("usual").total(100).start(), local.progress("patient").total(100));
    let patient = patient.stalled_after(600 * SECOND).start();
    for job in [&usual, &patient] {
        job.inc(10);
    }
    clock.advance(10 * SECOND);
    usual.inc(1);
    clock.advance(59 * SECOND);
    assert_eq!((usual.stats().state, usual.stats().idle), (ProgressState::Running, 59 * SECOND));
    clock.advance(SECOND);
    usual.inc(0);
    usual.add_bytes(0);
    usual.message("words are no movement");
    let stalled = stats(&local, "usual");
    assert_eq!((stalled.state, stalled.eta), (ProgressState::Stalled, None));
    assert_eq!(patient.stats().state, ProgressState::Running);
    assert!(local.snapshot().to_string().contains("stalled for 1m 00s"), "{}", local.snapshot());
    usual.add_bytes(1);
    let moves = usual.stats();
    assert_eq!((moves.state, moves.idle), (ProgressState::Running, Duration::ZERO));
    assert!(moves.eta.is_some());
}

#[test]
fn a_job_that_counted_fast_and_then_slowly_is_never_said_to_have_stalled() {
    let (local, clock) = timed();
    let job = local.progress("job").start();
    // Fast: the clock is read ever less often.
    for _ in 0..10_000 {
        job.inc(1);
    }
    // Then slowly, without anybody who looks.
    for _ in 0..50 {
        clock.advance(30 * SECOND);
        job.inc(1);
    }
    assert_eq!(job.stats().state, ProgressState::Running);
    // From the first look on, movement is stamped exactly.
    clock.advance(30 * SECOND);
    job.inc(1);
    clock.advance(59 * SECOND);
    assert_eq!((job.stats().state, job.stats().idle), (ProgressState::Running, 59 * SECOND));
    clock.advance(SECOND);
    assert_eq!(job.stats().state, ProgressState::Stalled);
}

#[test]
fn extreme_limits_of_stalling_are_what_they_say() {
    let (local, clock) = timed();
    let never = local.progress("never").stalled_after(Duration::MAX).start();
    let at_once = local.progress("at_once").stalled_after(Duration::ZERO).start();
    clock.advance(Duration::MAX);
    assert_eq!((never.stats().state, at_once.stats().state), (ProgressState::Running, ProgressState::Stalled));
}

#[test]
fn steps_stand_below_their_job_and_keep_it_moving() {
    let (local, clock) = timed();
    let backup = local.progress("backup").total(2).stalled_after(100 * SECOND).start();
    let copy = backup.step("copy").total(1_000).start();
    let file = copy.step("file").start();
    for _ in 0..5 {
        clock.advance(50 * SECOND);
        file.inc(1);
    }
    let snapshot = local.snapshot();
    let told: Vec<_> = snapshot.progress().iter().map(|job| (job.name.as_str(), job.parent, job.state)).collect();
    let running = ProgressState::Running;
    assert_eq!(
        told,
        [("backup", None, running), ("copy", Some(backup.id()), running), ("file", Some(copy.id()), running)]
    );
    assert_eq!(backup.stats().idle, Duration::ZERO);
    assert!(snapshot.to_string().contains("\n  copy ") && snapshot.to_string().contains("\n    file "), "{snapshot}");
    // The end of a step is a movement, too; after it the job is on its own.
    clock.advance(80 * SECOND);
    file.finish();
    copy.finish();
    clock.advance(99 * SECOND);
    assert_eq!(backup.stats().state, running);
    clock.advance(SECOND);
    assert_eq!(backup.stats().state, ProgressState::Stalled);
}

#[test]
fn a_step_keeps_its_job_moving_also_when_the_step_between_has_ended() {
    let (local, clock) = timed();
    let backup = local.progress("backup").stalled_after(100 * SECOND).start();
    let copy = backup.step("copy").start();
    let file = copy.step("file").start();
    copy.finish();
    for _ in 0..5 {
        clock.advance(50 * SECOND);
        file.inc(1);
    }
    let listed = local.snapshot().progress_of("backup").map(|job| job.state);
    assert_eq!((listed, backup.stats().state), (Some(ProgressState::Running), ProgressState::Running));
}

#[test]
fn a_job_ends_in_one_way_and_once() {
    let (local, clock) = timed();
    let start = |name| local.progress(name).total(10).start();
    start("finished").finish();
    start("failed").fail(&std::io::Error::other("disk full"));
    start("cancelled").cancel();
    drop(start("abandoned"));
    let complete = start("complete");
    complete.inc(4);
    complete.inc_failed(3);
    complete.inc_skipped(3);
    drop(complete);
    drop(local.progress("no total").start());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _job = start("panicked");
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let states = ["finished", "failed", "cancelled", "abandoned", "complete", "no total", "panicked"]
        .map(|name| stats(&local, name).state.as_str());
    assert_eq!(states, ["finished", "failed", "cancelled", "abandoned", "finished", "abandoned", "panicked"]);
    assert_eq!(stats(&local, "failed").error.as_deref(), Some("disk full"));

    let job = start("once");
    clock.advance(4 * SECOND);
    job.inc(8);
    job.finish();
    clock.advance(4 * SECOND);
    job.fail("too late");
    job.inc(1);
    job.message("too late");
    let ended = job.stats();
    assert_eq!((ended.state, ended.error, ended.done, ended.elapsed), (ProgressState::Finished, None, 8, 4 * SECOND));
    assert_eq!((ended.rate, ended.eta, ended.message.as_str()), (Some(2.0), None, ""));
    let listed = local.snapshot().progress().iter().filter(|job| job.name == "once").count();
    assert_eq!(listed, 1);
}

#[test]
fn a_job_that_begins_and_ends_while_a_panic_unwinds_has_not_panicked() {
    struct CleansUp(Monitor);
    impl Drop for CleansUp {
        fn drop(&mut self) {
            let job = self.0.progress("clean-up").total(1).start();
            job.inc(1);
        }
    }
    let (local, _clock) = timed();
    let _ = catch_unwind(AssertUnwindSafe(|| {
        let _cleans_up = CleansUp(local.clone());
        panic!("on purpose");
    }));
    assert_eq!(stats(&local, "clean-up").state, ProgressState::Finished);
}

#[test]
fn the_last_handle_decides_wherever_it_is_dropped() {
    let (local, _clock) = timed();
    let job = local.progress("shared").total(1).start();
    let other = job.clone();
    drop(job);
    assert_eq!(stats(&local, "shared").state, ProgressState::Running);
    thread::spawn(move || other.inc(1)).join().unwrap();
    assert_eq!(stats(&local, "shared").state, ProgressState::Finished);
}

#[test]
fn names_and_texts_of_any_kind_are_bounded() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in Display")
        }
    }
    /// Asks the job itself while it is put into words.
    struct Asks<'a>(&'a Progress);
    impl fmt::Display for Asks<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.inc(1);
            self.0.message("asked");
            write!(f, "{} done", self.0.stats().done)
        }
    }
    let (local, _clock) = timed();
    let long = "ä".repeat(10_000);
    let unnamed = local.progress("").start();
    let named = local.progress(&long).message(Cow::Borrowed(long.as_str())).start();
    assert_eq!(unnamed.stats().name, "(unnamed)");
    assert!(named.stats().name.len() <= 200 && named.stats().message.len() <= 200);
    assert_eq!(local.snapshot().monitor().names_changed, 2);
    unnamed.fail(&Panics);
    named.fail(&long);
    assert_eq!(unnamed.stats().state, ProgressState::Failed);
    assert!(named.stats().error.unwrap().len() <= 1_024);
    let asked = local.progress("asked").start();
    asked.fail(&Asks(&asked));
    assert_eq!(asked.stats().error.as_deref(), Some("1 done"));
    let esc = local.progress("esc\u{1b}[31m").message("\u{1b}[2J").start();
    assert!(!local.snapshot().to_string().contains('\u{1b}'));
    drop(esc);
}

#[test]
fn counts_at_the_end_of_their_range_stay_there() {
    let (local, clock) = timed();
    let job = local.progress("job").total(u64::MAX).already_done(u64::MAX).start();
    for _ in 0..3 {
        clock.advance(SECOND);
        job.inc(u64::MAX);
        job.inc_failed(u64::MAX);
        job.add_bytes(u64::MAX);
        job.batch_size(u64::MAX);
        let stats = job.stats();
        assert_eq!((stats.done, stats.bytes, stats.fraction()), (u64::MAX, u64::MAX, Some(1.0)));
        assert!(stats.rate.is_none_or(f64::is_finite));
    }
    job.inc(0);
}

#[test]
fn jobs_over_the_cap_work_and_are_counted_and_the_last_ended_ones_stay() {
    let (local, _clock) = timed();
    let jobs: Vec<_> = (0..1_030).map(|n| local.progress(&format!("job {n}")).total(1).start()).collect();
    for job in &jobs {
        job.inc(1);
    }
    let snapshot = local.snapshot();
    assert_eq!((snapshot.progress().len(), snapshot.monitor().jobs_unlisted), (1_024, 6));
    assert!(snapshot.to_string().contains("! 6 jobs over the cap of running ones, not listed"), "{snapshot}");
    let unlisted = jobs.last().unwrap().stats();
    assert_eq!((unlisted.done, unlisted.state), (1, ProgressState::Running));
    jobs.last().unwrap().finish();
    assert_eq!(jobs.last().unwrap().stats().state, ProgressState::Finished);
    drop(jobs);
    let snapshot = local.snapshot();
    assert_eq!((snapshot.progress().len(), snapshot.monitor().jobs_displaced), (64, 960));
    assert_eq!(snapshot.progress()[0].name, "job 1023", "the last one first");
}

#[test]
fn a_long_chain_of_steps_is_let_go_without_trouble() {
    let (local, _clock) = timed();
    let mut chain = vec![local.progress("step").start()];
    for _ in 0..100_000 {
        let next = chain.last().unwrap().step("step").start();
        chain.push(next);
    }
    assert!(local.snapshot().to_string().contains("more jobs not shown"));
    drop(chain);
    assert_eq!(local.snapshot().progress().len(), 64);
}

#[test]
fn switched_off_a_job_works_and_is_not_listed() {
    let (local, _clock) = timed();
    local.set_enabled(false);
    let job = local.progress("job").total(2).start();
    job.inc(2);
    assert_eq!((job.stats().done, local.snapshot().progress().len()), (2, 0));
}

#[test]
fn a_difference_and_a_round_trip_keep_the_jobs() {
    let (local, clock) = timed();
    local.progress("before").start().finish();
    let job = local.progress("runs").total(10).start();
    let earlier = local.snapshot();
    work(&job, &clock, 3, SECOND);
    local.progress("after").start().finish();
    let later = local.snapshot();
    let names = |snapshot: &Snapshot| snapshot.progress().iter().map(|job| job.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&later), ["runs", "after", "before"]);
    assert_eq!(names(&later.since(&earlier)), ["runs", "after"]);
    let back: Snapshot = serde_json::from_str(&serde_json::to_string(&later).unwrap()).unwrap();
    assert_eq!(back, later);
}

#[test]
fn readers_and_counters_do_not_disturb_each_other() {
    let local = Monitor::builder().build().unwrap();
    let job = local.progress("busy").total(400_000).start();
    thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| (0..100_000).for_each(|_| job.inc(1)));
        }
        threads.spawn(|| {
            let mut last = 0;
            while last < 400_000 {
                let stats = job.stats();
                assert!(stats.done >= last, "{} after {last}", stats.done);
                assert_eq!(stats.state, ProgressState::Running);
                last = stats.done;
            }
        });
    });
    assert_eq!(job.stats().done, 400_000);
}
