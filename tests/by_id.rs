//! Operations that are begun in one place and ended in another, by id.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use monitor_core::{
    ActiveState, Context, FieldValue, Monitor, OperationIdError, OperationStatus, Outcome, Snapshot, monitor,
};
use tests::{counts, local, panics, stats, with_clock};

const MS: Duration = Duration::from_millis(1);

fn steps(status: &OperationStatus) -> Vec<(&str, u128)> {
    status.by_id.steps.iter().map(|step| (step.name.as_str(), step.duration.as_millis())).collect()
}

#[test]
fn what_is_begun_on_one_thread_ends_on_another_and_counts_as_any_operation() {
    let (local, clock) = with_clock();
    thread::scope(|scope| {
        let begin = || local.begin("nightly-42", "backup").kind("batch").component("db").label("site", "north").start();
        scope.spawn(begin).join().unwrap().unwrap();
    });
    assert_eq!(counts(&local, "backup"), [1, 0, 0, 0, 0, 1]);
    clock.advance(7 * MS);
    thread::scope(|scope| {
        let end = || local.end("nightly-42").success().items(150).bytes(4_096).finish();
        let ended = scope.spawn(end).join().unwrap().unwrap();
        assert_eq!((ended.outcome, ended.duration), (Some(Outcome::Success), 7 * MS));
        assert_eq!((ended.name.as_str(), ended.kind.as_str(), ended.component.as_str()), ("backup", "batch", "db"));
    });
    let snapshot = local.snapshot();
    let stats = snapshot.operation_of("backup", "batch").unwrap();
    assert_eq!((stats.started, stats.succeeded, stats.in_flight()), (1, 1, 0));
    assert_eq!((stats.items, stats.bytes), (150, 4_096));
    assert_eq!((stats.total_time, stats.self_time, stats.min(), stats.max()), (7 * MS, 7 * MS, 7 * MS, 7 * MS));
    assert_eq!((stats.component.as_str(), stats.series[0].labels["site"].as_str()), ("db", "north"));
}

#[test]
fn it_begins_and_ends_without_the_last_word() {
    let local = local();
    local.begin("a", "job");
    assert!(local.operation_by_id("a").unwrap().is_running());
    local.end("a").cancelled().items(3);
    assert_eq!(counts(&local, "job"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(local.snapshot().monitor().by_id_errors, 0);
    // What went wrong is counted when nobody hears of it, and only then.
    local.end("a");
    local.begin("", "job");
    assert!(local.end("a").finish().is_err());
    let snapshot = local.snapshot();
    assert_eq!(snapshot.monitor().by_id_errors, 2);
    assert!(snapshot.to_string().contains("! 2 errors of operations by id went unheard"), "{snapshot}");
}

#[test]
fn a_builder_that_a_panic_drops_begins_nothing_and_ends_as_panicked() {
    let local = local();
    assert!(panics(|| {
        let _begin = local.begin("a", "job");
        std::panic::panic_any("on purpose");
    }));
    assert_eq!(local.operation_by_id("a"), None);
    local.begin("a", "job");
    assert!(panics(|| {
        let _end = local.end("a").items(1);
        std::panic::panic_any("on purpose");
    }));
    assert_eq!(counts(&local, "job"), [1, 0, 0, 1, 0, 0]);
}

#[test]
fn begun_twice_is_an_error_that_says_what_runs() {
    let (local, clock) = with_clock();
    local.begin("nightly-42", "backup").worker("w1").start().unwrap();
    clock.advance(192_000 * MS);
    let error = local.begin("nightly-42", "restore").start().unwrap_err();
    let OperationIdError::AlreadyRunning { name, running_for, worker, .. } = &error else { panic!("{error:?}") };
    assert_eq!((name.as_str(), *running_for, worker.as_deref()), ("backup", 192_000 * MS, Some("w1")));
    assert_eq!(
        error.to_string(),
        "operation \"nightly-42\" is running already: \"backup\", begun 3m 12s ago by \"w1\"; end it first, or begin \
         with another id"
    );
    // Neither counted nor registered.
    assert_eq!(counts(&local, "backup"), [1, 0, 0, 0, 0, 1]);
    assert!(local.snapshot().operation("restore").is_none());
}

#[test]
fn never_begun_and_ended_twice_are_different_errors() {
    let (local, clock) = with_clock();
    let error = local.end("a").finish().unwrap_err();
    assert_eq!(error, OperationIdError::NeverBegun { id: "a".into() });
    assert!(error.to_string().contains("begin it before it goes to a step or ends"), "{error}");
    assert_eq!(local.step("a", "x").unwrap_err(), error);
    assert_eq!(local.operation_by_id("a"), None);

    local.begin("a", "job").start().unwrap();
    clock.advance(5 * MS);
    local.end("a").failure_with("no").finish().unwrap();
    clock.advance(30 * MS);
    for error in [local.end("a").finish().unwrap_err(), local.step("a", "x").unwrap_err()] {
        let OperationIdError::AlreadyEnded { name, outcome, ended_ago, .. } = &error else { panic!("{error:?}") };
        assert_eq!((name.as_str(), *outcome, *ended_ago), ("job", Outcome::Failure, 30 * MS));
        assert_eq!(error.id(), "a");
        assert!(error.to_string().contains("(\"job\") ended 30.0 ms ago with the outcome failure"), "{error}");
    }
    assert_eq!(counts(&local, "job"), [1, 0, 1, 0, 0, 0]);
    // An id may be used again.
    local.begin("a", "job").start().unwrap();
    assert!(local.operation_by_id("a").unwrap().is_running());
    local.end("a").finish().unwrap();
    assert_eq!(local.operation_by_id("a").unwrap().outcome, Some(Outcome::Success));
    assert_eq!(counts(&local, "job"), [2, 1, 1, 0, 0, 0]);
}

#[test]
fn an_id_is_refused_rather_than_cut() {
    let local = local();
    let (longest, longer) = ("ä".repeat(100), "ä".repeat(100) + "1");
    local.begin(&longest, "job").start().unwrap();
    for (id, bytes) in [("", 0), (longer.as_str(), 201)] {
        for error in [
            local.begin(id, "job").start().unwrap_err(),
            local.step(id, "x").unwrap_err(),
            local.end(id).finish().unwrap_err(),
        ] {
            assert!(matches!(&error, OperationIdError::InvalidId { bytes: n, .. } if *n == bytes), "{error:?}");
            assert!(error.to_string().contains("allowed are 1 to 200"), "{error}");
            assert!(error.id().len() <= 40);
        }
    }
    assert_eq!(counts(&local, "job"), [1, 0, 0, 0, 0, 1]);
    // Control characters stay out of the line that a log prints.
    assert!(!local.end("a\nb").finish().unwrap_err().to_string().contains('\n'));
}

#[test]
fn names_workers_and_fields_are_bounded() {
    let local = local();
    let long = "n".repeat(5_000);
    let mut begin = local.begin("a", &long).worker(&long);
    for _ in 0..100 {
        begin = begin.field("key", long.as_str());
    }
    begin.start().unwrap();
    local.step("a", &long).unwrap();
    local.step("a", "").unwrap();
    let status = local.end("a").field("end", f64::NAN).finish().unwrap();
    assert!(status.name.len() <= 200 && status.by_id.worker.as_ref().unwrap().len() <= 200);
    assert_eq!((status.by_id.steps[0].name.len(), status.by_id.steps[1].name.as_str()), (200, "(unnamed)"));
    let record = local.recent(1).remove(0);
    assert_eq!(record.fields.len(), 33);
    assert!(record.fields.iter().all(|(_, value)| value.to_string().len() <= 256));
    assert_eq!(local.snapshot().monitor().names_changed, 1);
    // The widest figures there are.
    local.begin("b", "").input_bytes(u64::MAX).start().unwrap();
    let ended = local.end("b").items(u64::MAX).bytes(u64::MAX).output_bytes(u64::MAX).finish().unwrap();
    assert_eq!((ended.items, ended.by_id.output_bytes, ended.name.as_str()), (u64::MAX, Some(u64::MAX), "(unnamed)"));
    local.begin("b", "").start().unwrap();
    local.end("b").items(u64::MAX).finish().unwrap();
    assert_eq!(stats(&local, "(unnamed)").items, u64::MAX);
}

#[test]
fn steps_are_timed_one_after_the_other() {
    let (local, clock) = with_clock();
    local.begin("a", "job").start().unwrap();
    assert_eq!(local.operation_by_id("a").unwrap().step(), None);
    clock.advance(MS);
    local.step("a", "dump").unwrap();
    clock.advance(20 * MS);
    thread::scope(|scope| scope.spawn(|| local.step("a", "upload")).join()).unwrap().unwrap();
    clock.advance(3 * MS);
    let running = local.operation_by_id("a").unwrap();
    assert_eq!((running.step(), running.duration), (Some("upload"), 24 * MS));
    assert_eq!(steps(&running), [("dump", 20), ("upload", 3)]);
    // The same word again is another step.
    local.step("a", "dump").unwrap();
    clock.advance(MS);
    let ended = local.end("a").finish().unwrap();
    assert_eq!(steps(&ended), [("dump", 20), ("upload", 3), ("dump", 1)]);
    assert_eq!((ended.duration, ended.step()), (25 * MS, None));
    clock.advance(1_000 * MS);
    assert_eq!(local.operation_by_id("a").unwrap(), ended, "nothing of it goes on");
}

#[test]
fn steps_over_the_bound_are_one_and_none_of_their_time_is_lost() {
    let (local, clock) = with_clock();
    local.begin("a", "job").start().unwrap();
    for n in 0..100 {
        local.step("a", &format!("step {n}")).unwrap();
        clock.advance(MS);
    }
    let ended = local.end("a").finish().unwrap();
    assert_eq!((ended.by_id.steps.len(), ended.by_id.steps_over), (65, 36));
    assert_eq!(steps(&ended)[63..], [("step 63", 1), ("(overflow)", 36)]);
}

#[test]
fn a_record_has_all_that_was_said() {
    let (local, clock) = with_clock();
    local.begin("nightly-42", "backup").worker("w1").input_bytes(1 << 30).field("site", "north").start().unwrap();
    local.step("nightly-42", "dump").unwrap();
    clock.advance(4 * MS);
    let error = std::io::Error::other("disk full");
    local.end("nightly-42").failure(&error).items(3).bytes(7).output_bytes(512).field("tries", 2_u8).finish().unwrap();

    let record = local.recent(1).remove(0);
    assert_eq!((record.name.as_str(), record.outcome, record.duration), ("backup", Outcome::Failure, 4 * MS));
    assert_eq!((record.items, record.bytes, record.parent), (3, 7, None));
    assert_eq!(record.error.as_ref().unwrap().message, "disk full");
    assert_eq!(record.fields, [("site".into(), "north".into()), ("tries".into(), FieldValue::U64(2))]);
    let by_id = record.by_id.as_ref().unwrap();
    assert_eq!((by_id.id.as_str(), by_id.worker.as_deref()), ("nightly-42", Some("w1")));
    assert_eq!((by_id.input_bytes, by_id.output_bytes), (Some(1 << 30), Some(512)));
    assert_eq!(by_id.last_step().map(|step| (step.name.as_str(), step.duration)), Some(("dump", 4 * MS)));
    let json = serde_json::to_string(&record).unwrap();
    assert_eq!(serde_json::from_str::<monitor_core::OperationRecord>(&json).unwrap(), record);
    // The error is filed with its group as that of any call.
    let snapshot = local.snapshot();
    assert_eq!((snapshot.errors()[0].pattern.as_str(), snapshot.errors()[0].count), ("disk full", 1));
    // Others have nothing of it.
    local.operation("plain").start().succeed();
    assert_eq!(local.recent(1)[0].by_id, None);
}

#[test]
fn it_is_listed_as_running_with_id_worker_and_step() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let _around = local.operation("around").start();
        local.begin("nightly-42", "backup").worker("w1").start().unwrap();
        local.track("other", |_| ());
    });
    local.step("nightly-42", "dump").unwrap();
    clock.advance(9 * MS);
    let snapshot = local.snapshot();
    let [active] = snapshot.active() else { panic!("{:?}", snapshot.active()) };
    assert_eq!((active.name.as_str(), active.age, active.parent), ("backup", 9 * MS, None));
    assert_eq!((active.state, active.thread.as_deref()), (ActiveState::Running, None));
    let by_id = active.by_id.as_ref().unwrap();
    assert_eq!((by_id.id.as_str(), by_id.last_step().unwrap().duration), ("nightly-42", 9 * MS));
    assert_eq!(local.active(), snapshot.active());
    let table = snapshot.to_string();
    let row = table.lines().find(|line| line.starts_with("backup nightly-42")).unwrap();
    assert!(row.contains("9.00 ms  w1") && row.ends_with("step dump"), "{table}");
    assert!(snapshot.edges().iter().all(|edge| edge.callee != "backup"), "it has no parent");
    let json = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
    local.end("nightly-42").finish().unwrap();
    assert!(local.active().is_empty());
    assert_eq!(local.snapshot().since(&snapshot).operation("backup").unwrap().finished(), 1);
}

#[test]
fn of_many_threads_exactly_one_begins_and_exactly_one_ends() {
    const THREADS: usize = 8;
    let local = local();
    for round in 0..200 {
        let (begun, ended, ready) = (AtomicUsize::new(0), AtomicUsize::new(0), Barrier::new(THREADS));
        let id = format!("id {round}");
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    ready.wait();
                    begun.fetch_add(usize::from(local.begin(&id, "race").start().is_ok()), Ordering::Relaxed);
                    ready.wait();
                    ended.fetch_add(usize::from(local.end(&id).items(1).finish().is_ok()), Ordering::Relaxed);
                });
            }
        });
        assert_eq!((begun.into_inner(), ended.into_inner()), (1, 1));
    }
    assert_eq!(counts(&local, "race"), [200, 200, 0, 0, 0, 0]);
    assert_eq!(stats(&local, "race").items, 200);
}

#[test]
fn a_reader_never_sees_more_ends_than_beginnings() {
    let local = local();
    let done = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        let workers: Vec<_> = ["a", "b"]
            .map(|id| {
                let local = &local;
                scope.spawn(move || {
                    for _ in 0..5_000 {
                        local.begin(id, "job").start().unwrap();
                        local.step(id, "work").unwrap();
                        local.end(id).finish().unwrap();
                    }
                })
            })
            .into();
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let stats = stats(&local, "job");
                assert!(stats.finished() <= stats.started, "{stats:?}");
                assert!(local.active().len() <= 2);
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    assert_eq!(counts(&local, "job"), [10_000, 10_000, 0, 0, 0, 0]);
}

#[test]
fn at_most_ten_thousand_run_and_the_last_thousand_ends_are_remembered() {
    let local = local();
    let id = |n: usize| format!("id {n}");
    for n in 0..10_000 {
        local.begin(&id(n), "job").start().unwrap();
    }
    let error = local.begin("one more", "job").start().unwrap_err();
    assert!(matches!(&error, OperationIdError::TooMany { most: 10_000, .. }), "{error:?}");
    assert!(error.to_string().contains("10,000 are running"), "{error}");
    assert_eq!(stats(&local, "job").started, 10_000);
    assert_eq!(local.snapshot().active().len(), 10_000);
    for n in 0..2_000 {
        local.end(&id(n)).finish().unwrap();
    }
    local.begin("one more", "job").start().unwrap();
    let remembered = (0..2_000).filter(|n| local.operation_by_id(&id(*n)).is_some()).count();
    assert_eq!((remembered, local.snapshot().monitor().by_id_displaced), (1_024, 976));
    assert!(matches!(local.end(&id(975)).finish(), Err(OperationIdError::NeverBegun { .. })));
    assert!(matches!(local.end(&id(976)).finish(), Err(OperationIdError::AlreadyEnded { .. })));
    // An id that ends again and again takes the room of others, and the newest end is the one that is known.
    for n in 0..3_000 {
        local.begin("again", "job").start().unwrap();
        local.end("again").items(n).finish().unwrap();
    }
    assert_eq!(local.operation_by_id("again").unwrap().items, 2_999);
    assert_eq!(local.operation_by_id(&id(1_999)), None);
}

#[test]
fn switched_off_it_answers_as_ever_and_counts_nothing() {
    let local = local();
    local.set_enabled(false);
    local.begin("a", "job").start().unwrap();
    local.step("a", "x").unwrap();
    assert!(matches!(local.begin("a", "job").start(), Err(OperationIdError::AlreadyRunning { .. })));
    assert!(local.active().is_empty());
    local.set_enabled(true);
    // Not counted when it began, so not when it ends.
    assert_eq!(local.end("a").items(5).finish().unwrap().items, 5);
    assert_eq!(counts(&local, "job"), [0; 6]);
    // Counted when it began, so also when it ends.
    local.begin("b", "job").start().unwrap();
    local.set_enabled(false);
    local.end("b").finish().unwrap();
    assert_eq!(counts(&local, "job"), [1, 1, 0, 0, 0, 0]);
}

#[test]
fn each_monitor_has_ids_of_its_own_and_a_scope_leads_to_its_monitor() {
    let (one, two): (Monitor, Monitor) = (local(), local());
    one.scope(|| monitor().begin("a", "job").start()).unwrap();
    two.begin("a", "job").start().unwrap();
    one.end("a").finish().unwrap();
    assert_eq!(two.scope(|| monitor().operation_by_id("a")).unwrap().outcome, None);
    assert_eq!((counts(&one, "job")[1], counts(&two, "job")[1]), (1, 0));
    // A builder goes to the monitor that made it, wherever it is dropped.
    let begin = one.begin("b", "job");
    two.scope(|| drop(begin));
    assert!(one.operation_by_id("b").is_some() && two.operation_by_id("b").is_none());
}

#[test]
fn an_error_whose_text_panics_or_uses_the_monitor_is_contained() {
    struct Nasty<'a>(&'a Monitor);
    impl std::fmt::Display for Nasty<'_> {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            self.0.begin("from display", "inner").start().unwrap();
            self.0.end("from display").failure_with(&Nasty(self.0)).finish().unwrap();
            f.write_str("nasty")?;
            std::panic::panic_any("on purpose");
        }
    }
    let local = local();
    local.begin("a", "job").start().unwrap();
    let ended = local.end("a").failure_with(&Nasty(&local)).finish().unwrap();
    assert_eq!(ended.outcome, Some(Outcome::Failure));
    assert_eq!((counts(&local, "job")[2], counts(&local, "inner")[2]), (1, 1));
}

#[test]
fn it_belongs_to_the_trace_that_it_begins_in_wherever_it_ends() {
    let local = local();
    let trace = local.scope(|| {
        let context = Context::new_trace().with_field("tenant", "acme");
        context.in_context(|| {
            let around = local.operation("around").start();
            local.begin("nightly-42", "backup").start().unwrap();
            assert_eq!(local.active().iter().filter(|active| active.trace_id == context.trace_id()).count(), 2);
            around.succeed();
        });
        context.trace_id()
    });
    thread::scope(|scope| {
        let end = || Context::new_trace().in_context(|| local.end("nightly-42").success().finish());
        scope.spawn(end).join().unwrap().unwrap();
    });
    let records = local.recent(2);
    let (backup, around) = (&records[0], &records[1]);
    assert_eq!((backup.trace_id, backup.parent_span_id), (trace, around.span_id));
    assert_eq!((backup.context.len(), backup.parent), (1, None));
}
