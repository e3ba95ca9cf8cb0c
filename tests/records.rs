//! Individual records: which calls get one, what is in it, and that every one that was lost is counted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use monitor_core::{
    FieldValue, ManualClock, Monitor, MonitorBuilder, MonitorStats, OperationRecord, Outcome, RecordPolicy,
    TrackFuture, monitor,
};
use tests::{block_on, stats, with_clock, yield_once};

const MS: Duration = Duration::from_millis(1);

fn built(set: impl FnOnce(MonitorBuilder) -> MonitorBuilder) -> (Monitor, ManualClock) {
    let clock = ManualClock::starting_at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    let monitor = set(Monitor::builder().clock(&clock)).build().expect("settings in their range");
    (monitor, clock)
}

fn all(monitor: &Monitor) -> Vec<OperationRecord> {
    monitor.recent(usize::MAX)
}

fn own(monitor: &Monitor) -> MonitorStats {
    monitor.snapshot().monitor().clone()
}

/// Every call has a record that is held, was displaced, found the ring full, or was not wanted; and none has two.
fn assert_adds_up(monitor: &Monitor) {
    let held = all(monitor);
    let snapshot = monitor.snapshot();
    let own = snapshot.monitor();
    let dropped = |reason: &str| own.records_dropped.get(reason).copied().unwrap_or(0);
    let finished: u64 = snapshot.operations().iter().map(|stats| stats.finished()).sum();
    assert_eq!(own.records_kept + own.records_skipped + dropped("ring_full"), finished, "{own:?}");
    assert_eq!(held.len() as u64 + dropped("overwritten"), own.records_kept, "{own:?}");
    assert_eq!(own.dropped(), dropped("ring_full") + dropped("overwritten"), "a reason without a name");
    let mut ids: Vec<_> = held.iter().map(|record| record.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), held.len(), "a call has two records");
}

#[test]
fn the_newest_come_first() {
    let (local, clock) = with_clock();
    local.scope(|| {
        for name in ["a", "b", "c", "d"] {
            local.track(name, |_| clock.advance(MS));
        }
        // From two threads, in the order in which they ended.
        thread::scope(|threads| {
            let other = || local.scope(|| local.track("e", |_| clock.advance(MS)));
            threads.spawn(other).join().unwrap();
        });
        local.track("f", |_| clock.advance(MS));
    });
    let names: Vec<_> = all(&local).into_iter().map(|record| record.name).collect();
    assert_eq!(names, ["f", "e", "d", "c", "b", "a"]);
    let two: Vec<_> = local.recent(2).into_iter().map(|record| record.name).collect();
    assert_eq!(two, ["f", "e"]);
    assert!(local.recent(0).is_empty());
    // Reading takes nothing away.
    assert_eq!(all(&local).len(), 6);
    assert_adds_up(&local);
}

#[test]
fn ten_at_once_and_then_as_many_as_the_budget_has() {
    let (local, clock) = built(|builder| builder.records_per_second(5));
    let calls = |n: u32| (0..n).for_each(|_| local.track("call", |_| ()));
    local.scope(|| {
        calls(100);
        assert_eq!(own(&local).records_kept, 10);
        clock.advance(199 * MS);
        calls(10);
        assert_eq!(own(&local).records_kept, 10);
        clock.advance(MS);
        calls(10);
        assert_eq!(own(&local).records_kept, 11);
        // Never more than ten at once, however long nothing was called.
        clock.advance(Duration::from_hours(1));
        calls(100);
        assert_eq!(own(&local).records_kept, 21);
        // Over ten seconds in small steps: five a second.
        for _ in 0..1_000 {
            clock.advance(10 * MS);
            calls(1);
        }
        assert_eq!(own(&local).records_kept, 71);
    });
    assert_adds_up(&local);
}

#[test]
fn each_operation_has_a_budget_of_its_own_and_so_have_failures() {
    let (local, _clock) = with_clock();
    local.scope(|| {
        for _ in 0..50 {
            local.track("a", |_| ());
            local.track("b", |_| ());
        }
        assert_eq!(own(&local).records_kept, 20);
        for _ in 0..50 {
            let _ = local.track("a", |_| Err::<(), _>(1));
            local.operation("a").start().cancel();
        }
    });
    let failures = all(&local).iter().filter(|record| record.outcome != Outcome::Success).count();
    assert_eq!((failures, own(&local).records_kept), (10, 30));
    assert_adds_up(&local);
}

#[test]
fn the_slowest_so_far_is_kept_when_the_budget_is_spent() {
    let (local, clock) = with_clock();
    local.scope(|| {
        for _ in 0..50 {
            local.track("call", |_| ());
        }
        // Time that is too short to fill the budget again.
        local.track("call", |_| clock.advance(MS));
        local.track("call", |_| clock.advance(MS));
        local.track("call", |_| clock.advance(2 * MS));
    });
    let kept: Vec<_> =
        all(&local).iter().map(|record| record.duration).filter(|duration| !duration.is_zero()).collect();
    assert_eq!(kept, [2 * MS, MS]);
    assert_adds_up(&local);
}

#[test]
fn the_slow_policy_keeps_slow_and_failed_calls() {
    let (local, clock) = with_clock();
    let call = |duration| {
        let op = local.operation("slow").record(RecordPolicy::Slow(250 * MS)).start();
        clock.advance(duration);
        op.succeed();
    };
    local.scope(|| {
        for ms in [0, 1, 249, 250, 251, 100] {
            call(ms * MS);
        }
        local.operation("slow").start().fail_with("quick");
    });
    let kept: Vec<_> = all(&local).into_iter().map(|record| (record.duration, record.outcome)).collect();
    assert_eq!(kept, [(Duration::ZERO, Outcome::Failure), (251 * MS, Outcome::Success), (250 * MS, Outcome::Success)]);
    assert_adds_up(&local);
}

#[test]
fn the_error_policy_keeps_failures_and_the_none_policy_nothing() {
    let (local, clock) = with_clock();
    local.scope(|| {
        for (name, policy) in [("errors", RecordPolicy::Errors), ("none", RecordPolicy::None)] {
            for n in 0..5_u32 {
                let op = local.operation(name).record(policy).start();
                clock.advance(n * MS);
                if n % 2 == 0 { op.succeed() } else { op.fail_with("odd") }
            }
        }
    });
    let kept: Vec<_> = all(&local).into_iter().map(|record| (record.name, record.outcome)).collect();
    assert_eq!(kept, vec![("errors".to_owned(), Outcome::Failure); 2]);
    assert_adds_up(&local);
}

#[test]
fn the_all_policy_keeps_every_call_that_there_is_room_for() {
    let (local, clock) = built(|builder| builder.records_per_second(0));
    local.scope(|| {
        for n in 0..5_000_u64 {
            let op = local.operation("all").record(RecordPolicy::All).items(n).start();
            clock.advance(Duration::from_nanos(1));
            if n % 3 == 0 {
                op.cancel();
            } else {
                op.succeed();
            }
            // Its budget is nothing.
            local.track("budgeted", |_| ());
        }
    });
    let kept = all(&local);
    assert_eq!(kept.len(), 1_024);
    assert!(kept.iter().zip((0..5_000).rev()).all(|(record, n)| record.items == n && record.name == "all"));
    let own = own(&local);
    assert_eq!((own.records_kept, own.records_skipped), (5_000, 5_000));
    assert_eq!(own.records_dropped.get("overwritten"), Some(&(5_000 - 1_024)));
    assert_adds_up(&local);
}

#[test]
fn what_threads_lose_while_others_read_is_counted() {
    let local = Monitor::builder().recent_capacity(500).build().unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|threads| {
        let writers: Vec<_> = (0..4)
            .map(|_| {
                threads.spawn(|| {
                    local.scope(|| {
                        for n in 0..5_000 {
                            let op = local.operation("all").record(RecordPolicy::All).field("n", n).start();
                            if n % 7 == 0 { op.fail_with("seventh") } else { op.succeed() }
                        }
                    });
                })
            })
            .collect();
        let reader = threads.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                assert!(all(&local).len() <= 500);
                let own = own(&local);
                assert!(own.records_kept <= 20_000, "{own:?}");
            }
        });
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap();
    });
    assert_eq!(stats(&local, "all").finished(), 20_000);
    assert_eq!(all(&local).len(), 500);
    assert_adds_up(&local);
    assert_eq!(own(&local).records_skipped, 0);
}

#[test]
fn a_capacity_of_none_or_few_is_kept_to() {
    for capacity in [0, 1, 5] {
        let (local, _clock) = built(|builder| builder.recent_capacity(capacity));
        local.scope(|| {
            for n in 0..2_000 {
                local.operation("all").record(RecordPolicy::All).items(n).start().succeed();
            }
        });
        let kept: Vec<_> = all(&local).into_iter().map(|record| record.items).collect();
        assert_eq!(kept, (0..2_000).rev().take(capacity).collect::<Vec<_>>());
        assert_adds_up(&local);
    }
}

#[test]
fn a_record_holds_what_the_call_was() {
    let (local, clock) = built(|builder| builder);
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    clock.advance(5 * MS);
    let (outer, inner) = thread::scope(|threads| {
        let work = || {
            local.scope(|| {
                let outer = local.operation("outer").start();
                let mut op = local
                    .operation("inner")
                    .kind("database")
                    .component("storage")
                    .label("table", "users")
                    .label("region", "eu")
                    .field("first", 1_u8)
                    .items(3)
                    .bytes(40)
                    .start();
                op.add_field("second", "two");
                op.add_items(4);
                let ids = (outer.id(), op.id());
                clock.advance(20 * MS);
                op.fail_with("no such table");
                ids
            })
        };
        thread::Builder::new().name("worker".into()).spawn_scoped(threads, work).unwrap().join().unwrap()
    });
    clock.advance(Duration::from_mins(1));
    let record = all(&local).into_iter().find(|record| record.name == "inner").unwrap();
    assert_eq!((record.id, record.parent, record.parent_name.as_deref()), (inner, Some(outer), Some("outer")));
    assert_eq!((&*record.kind, &*record.component, record.outcome), ("database", "storage", Outcome::Failure));
    let labels: Vec<_> = record.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    assert_eq!(labels, [("region", "eu"), ("table", "users")]);
    assert_eq!((record.started_at, record.duration), (start + 5 * MS, 20 * MS));
    assert_eq!((record.items, record.bytes, record.polls, record.busy_time), (7, 40, 0, None));
    let fields = [("first".to_owned(), FieldValue::U64(1)), ("second".to_owned(), FieldValue::Text("two".into()))];
    assert_eq!(record.fields, fields);
    assert_eq!(record.error.unwrap().message, "no such table");
    assert_eq!(record.thread.as_deref(), Some("worker"));
}

#[test]
fn fields_are_cut_at_a_bounded_length() {
    let (local, _clock) = with_clock();
    local.scope(|| {
        let mut op = local.operation("call").field("huge", "ä".repeat(1 << 20)).start();
        op.add_field("huge_too", "ö".repeat(1 << 20));
        op.succeed();
        block_on(yield_once().tracked("future").field("huge", "ü".repeat(1 << 20)).record(RecordPolicy::All));
    });
    for record in all(&local) {
        for (name, value) in record.fields {
            let FieldValue::Text(text) = value else { panic!("{name} is a text") };
            assert!(text.len() <= 4_096, "{name} of {} has {} bytes", record.name, text.len());
        }
    }
}

#[test]
fn a_future_has_a_record_with_its_polls_and_parents() {
    let (local, clock) = with_clock();
    local.scope(|| {
        let inner = async {
            clock.advance(2 * MS);
            yield_once().await;
            clock.advance(3 * MS);
            Err::<(), _>("late")
        };
        let outer = async {
            let _ = inner.try_tracked("inner").field("n", 1).await;
            monitor().track("sync", |_| ());
        };
        block_on(outer.tracked("outer"));
    });
    let records = all(&local);
    let record = |name: &str| records.iter().find(|record| record.name == name).unwrap();
    let (outer, inner, sync) = (record("outer"), record("inner"), record("sync"));
    assert_eq!((outer.parent, outer.polls, outer.duration), (None, 2, 5 * MS));
    assert_eq!((inner.polls, inner.duration, inner.busy_time), (2, 5 * MS, Some(5 * MS)));
    assert_eq!((inner.parent, inner.parent_name.as_deref()), (Some(outer.id), Some("outer")));
    assert_eq!((sync.parent, sync.busy_time), (Some(outer.id), None));
    assert_eq!(inner.error.as_ref().map(|error| &*error.message), Some("late"));
    assert_eq!(inner.fields.len(), 1);
    assert_adds_up(&local);
}

#[test]
fn a_sampled_call_that_fails_has_its_parent_in_its_record() {
    let (local, _clock) = with_clock();
    local.scope(|| {
        local.track("outer", |_| {
            for _ in 0..20 {
                local.operation("sampled").sample(1_000).record(RecordPolicy::All).start().fail_with("no");
            }
        });
    });
    let sampled: Vec<_> = all(&local).into_iter().filter(|record| record.name == "sampled").collect();
    assert_eq!(sampled.len(), 20);
    assert!(sampled.iter().all(|record| record.parent_name.as_deref() == Some("outer")), "{sampled:?}");
}

#[test]
fn the_monitors_own_figures_are_those_of_what_it_holds() {
    let (local, _clock) = with_clock();
    let unused = own(&local);
    assert_eq!((unused.operations, unused.series, unused.shards, unused.threads, unused.records_kept), (0, 0, 0, 0, 0));
    local.scope(|| {
        for user in ["a", "b", "c"] {
            local.operation("labelled").label("user", user).start().succeed();
        }
        local.track("plain", |_| ());
        let figures = own(&local);
        assert_eq!((figures.operations, figures.series, figures.shards, figures.threads), (2, 4, 1, 1));
        assert!(figures.bytes_held > 0);
        assert_eq!((figures.overflowed(), figures.dropped(), figures.names_changed), (0, 0, 0));
    });
    assert_eq!((own(&local).shards, own(&local).threads), (1, 0));
    assert_adds_up(&local);
}
