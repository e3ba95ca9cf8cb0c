//! Errors: where they come from, how they are grouped, and that none is lost in a storm.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use monitor_core::testing::{assert_error, assert_no_errors};
use monitor_core::{
    ErrorState, Fingerprint, ManualClock, Monitor, Severity, Snapshot, TrackFuture, monitor, track_operation,
};
use proptest::prelude::*;
use tests::local;

/// Errors in all groups, and those in none.
fn total(snapshot: &Snapshot) -> u64 {
    snapshot.errors().iter().map(|group| group.count).sum::<u64>() + snapshot.monitor().errors_ungrouped
}

#[derive(Debug)]
struct Refused {
    port: u32,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {} refused", self.port)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        static CAUSE: fmt::Error = fmt::Error;
        Some(&CAUSE)
    }
}

#[track_operation(name = "connect", component = "net", fields(port))]
fn connect(port: u32) -> Result<(), Refused> {
    Err(Refused { port })
}

#[test]
fn every_way_to_fail_records_the_error() {
    let local = local();
    local.scope(|| {
        assert!(connect(80).is_err());
        assert!(local.try_track("closure", |_| Err::<(), _>(Refused { port: 1 })).is_err());
        assert!(local.track("typed", |_| Err::<(), _>(Refused { port: 1 })).is_err());
        local.operation("guard").start().fail(&Refused { port: 2 });
        local.operation("worded").start().fail_with("no room");
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(runtime.block_on(async { Err::<(), _>(Refused { port: 3 }) }.try_tracked("future")).is_err());
        local.operation("cancelled").start().cancel();
        local.track("fine", |_| ());
    });
    let snapshot = local.snapshot();
    let mut seen: Vec<_> = snapshot
        .errors()
        .iter()
        .map(|group| (group.place.as_str(), group.kind.rsplit("::").next().unwrap_or(""), group.pattern.as_str()))
        .collect();
    seen.sort_unstable();
    let expected = [
        ("closure", "Refused", "port <n> refused"),
        ("connect", "Refused", "port <n> refused: an error occurred when formatting an argument"),
        ("future", "Refused", "port <n> refused"),
        ("guard", "Refused", "port <n> refused: an error occurred when formatting an argument"),
        ("typed", "Refused", ""),
        ("worded", "str", "no room"),
    ];
    assert_eq!(seen, expected);

    let group = assert_error(&snapshot, "Refused").group();
    let group = snapshot.errors().iter().find(|other| other.place == "connect").unwrap_or(group);
    let sample = group.newest().unwrap();
    assert_eq!((group.component.as_str(), group.severity, group.state), ("net", Severity::Medium, ErrorState::New));
    assert_eq!(sample.error.sources, [fmt::Error.to_string()]);
    assert_eq!(sample.context, [("port".to_owned(), 80_u64.into())]);
    assert_eq!(sample.operation.as_deref(), Some("connect"));
    assert_eq!(sample.operation_id, local.recent(100).iter().find(|record| record.name == "connect").map(|r| r.id));
}

#[test]
fn a_failure_without_an_error_has_a_group_too() {
    #[track_operation(name = "judged", error_if = |n: &u32| *n > 3)]
    fn judged(n: u32) -> u32 {
        n
    }
    #[track_operation(name = "worded", error_if = |n: &u32| (*n > 3).then_some("too many"))]
    fn worded(n: u32) -> u32 {
        n
    }
    let local = local();
    local.scope(|| [1, 5, 9].map(judged));
    assert_error(&local.snapshot(), "failure").count(2).place("judged");
    local.scope(|| worded(4));
    let snapshot = local.snapshot();
    assert_error(&snapshot, "failure").count(1).place("worded").message_contains("too many");
    assert!(snapshot.to_string().contains("failure in worded"), "{snapshot}");
}

#[test]
fn an_error_outside_of_any_scope_is_of_the_thread_that_it_is_on() {
    let local = local();
    std::thread::scope(|scope| {
        let other = std::thread::Builder::new().name("other".into());
        other.spawn_scoped(scope, || local.scope(|| local.track("op", |_| ()))).unwrap();
    });
    local.operation("op").start().fail_with("refused");
    let snapshot = local.snapshot();
    assert_eq!(snapshot.errors()[0].newest().unwrap().thread.as_deref(), std::thread::current().name());
}

#[test]
fn what_an_error_keeps_of_the_fields_of_its_call_is_bounded() {
    let local = local();
    let operation = (0..1_000_u64).fold(local.operation("op"), |operation, n| operation.field("n", n));
    operation.start().fail_with("refused");
    assert_eq!(local.snapshot().errors()[0].newest().unwrap().context.len(), 32);
}

#[test]
fn what_the_program_says_of_an_error_tells_storms_of_one_line_apart() {
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build().unwrap();
    let record = |kind, severity, fingerprint| {
        let mut error = local.error_with("refused").kind(kind).severity(severity);
        if let Some(text) = fingerprint {
            error = error.fingerprint(Fingerprint::given(text));
        }
        error.record();
    };
    for _ in 0..100 {
        record("one", Severity::Low, None);
        record("two", Severity::Low, None);
        record("one", Severity::Low, Some("own"));
    }
    record("one", Severity::Critical, None);
    let snapshot = local.snapshot();
    let mut groups: Vec<_> =
        snapshot.errors().iter().map(|group| (group.count, group.kind.as_str(), group.severity)).collect();
    groups.sort_unstable();
    let expected = [(100, "one", Severity::Low), (100, "two", Severity::Low), (101, "one", Severity::Critical)];
    assert_eq!(groups, expected);
}

#[test]
fn in_a_storm_every_error_counts_and_few_are_put_into_words() {
    static WORDED: AtomicU64 = AtomicU64::new(0);
    struct Counted(u64);
    impl fmt::Display for Counted {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            WORDED.fetch_add(1, Ordering::Relaxed);
            write!(f, "lost {} packets", self.0)
        }
    }

    // A clock that stands: what the budgets give out at once is all that there is.
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                local.scope(|| {
                    for i in 0..50_000 {
                        local.operation("receive").start().fail_with(&Counted(i));
                        local.error_with(&Counted(i)).record();
                        if i % 10_000 == 0 {
                            assert!(total(&local.snapshot()) > 0);
                        }
                    }
                });
            });
        }
    });
    let snapshot = local.snapshot();
    let counts: Vec<_> = snapshot.errors().iter().map(|group| (group.place.as_str(), group.count)).collect();
    assert_eq!(counts.len(), 2, "{snapshot}");
    assert!(counts.iter().all(|(_, count)| *count == 200_000), "{counts:?}");
    assert!(snapshot.errors().iter().all(|group| group.samples.len() == 5));
    // Ten at once for each source and thread, and as many for the individual records of the calls that failed.
    let worded = WORDED.load(Ordering::Relaxed);
    assert!((20..=4 * 30).contains(&worded), "{worded}");
}

#[test]
fn counts_never_go_down_while_they_are_read() {
    let local = local();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            local.scope(|| {
                for i in 0..30_000_u32 {
                    let word = ["a", "b", "c"][i as usize % 3];
                    local.operation("op").start().fail_with(word);
                }
            });
        });
        let mut before: std::collections::BTreeMap<Fingerprint, u64> = std::collections::BTreeMap::new();
        while !writer.is_finished() {
            for group in local.snapshot().errors() {
                let last = before.insert(group.fingerprint, group.count).unwrap_or(0);
                assert!(group.count >= last, "{} {last}", group.count);
            }
        }
    });
    assert_eq!(total(&local.snapshot()), 30_000);
}

#[test]
fn counts_by_kind_and_severity_never_go_down_whatever_becomes_of_their_groups() {
    // Each group is soon resolved, and makes room for the next one.
    let clock = ManualClock::new();
    let builder = Monitor::builder().max_error_groups(3).errors_resolved_after(Duration::from_secs(1));
    let local = builder.clock(&clock).build().unwrap();
    let severities = [Severity::Medium, Severity::High, Severity::Low];
    let kinds = ["io", "parse"];
    std::thread::scope(|scope| {
        let writers = [0_usize, 1].map(|writer| {
            let (local, clock) = (&local, &clock);
            scope.spawn(move || {
                local.scope(|| {
                    for i in 0..20_000 {
                        let word = ["a", "b", "c", "d", "e"][(i / 500) % 5];
                        // The same group with another severity.
                        let error = local.error_with(word).kind(kinds[writer]).severity(severities[i % 3]);
                        error.record();
                        if i % 100 == 0 {
                            clock.advance(Duration::from_millis(300));
                        }
                    }
                });
            })
        });
        let mut before = std::collections::BTreeMap::new();
        while !writers.iter().all(std::thread::ScopedJoinHandle::is_finished) {
            for one in local.snapshot().error_counts() {
                let last = before.insert((one.kind.clone(), one.severity), one.count).unwrap_or(0);
                assert!(one.count >= last, "{one:?} {last}");
            }
        }
    });
    let snapshot = local.snapshot();
    assert!(snapshot.monitor().error_groups_replaced > 10, "{:?}", snapshot.monitor());
    let counts: Vec<_> = snapshot.error_counts().iter().map(|one| (&*one.kind, one.severity, one.count)).collect();
    let expected = kinds
        .map(|kind| [(kind, Severity::Low, 6_666), (kind, Severity::Medium, 6_667), (kind, Severity::High, 6_667)]);
    assert_eq!(counts, expected.concat());
}

#[test]
fn a_million_messages_are_a_bounded_number_of_groups() {
    let clock = ManualClock::new();
    let local = Monitor::builder().max_error_groups(50).clock(&clock).build().unwrap();
    local.scope(|| {
        for i in 0..1_000_000_u32 {
            if i < 1_000 {
                // Time enough to look at each of them.
                clock.advance(Duration::from_millis(100));
            }
            // Letters, so that no rule makes them one.
            let word: String = i.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
            local.error_with(&word).record();
        }
    });
    let snapshot = local.snapshot();
    assert_eq!(snapshot.errors().len(), 51);
    assert_eq!(total(&snapshot), 1_000_000);
    let overflow = snapshot.errors().iter().find(|group| group.kind == "(overflow)").unwrap();
    assert!(overflow.count >= 950);
}

#[test]
fn a_display_that_panics_or_fails_itself_is_contained() {
    struct Panics;
    impl fmt::Display for Panics {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            panic!("in Display")
        }
    }
    struct Fails;
    impl fmt::Display for Fails {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            monitor().operation("inside").start().fail_with("inside");
            monitor().error_with("by hand inside").record();
            f.write_str("outside")
        }
    }
    let local = local();
    local.scope(|| {
        local.operation("panics").start().fail_with(&Panics);
        local.error_with(&Panics).record();
        local.operation("fails").start().fail_with(&Fails);
    });
    let snapshot = local.snapshot();
    assert_eq!(snapshot.errors().iter().filter(|group| group.pattern == "(panicked)").count(), 2);
    assert_eq!(snapshot.errors().iter().filter(|group| group.pattern == "outside").count(), 1);
    // Those from within are counted; they are not asked for their text while another error is.
    assert_eq!(total(&snapshot), 5);
    assert!(snapshot.monitor().callbacks_panicked >= 2);
}

#[test]
fn by_hand_an_error_says_where_it_comes_from() {
    let local = local();
    let error = Refused { port: 7 };
    local.error(&error).record();
    let line = line!() - 1;
    local.scope(|| {
        let op = local.operation("import").component("loader").start();
        monitor().error(&error).severity(Severity::Critical).context("file", "a.csv").context("row", 7_u64).record();
        monitor().error(&error).component("parser").kind("bad row").fingerprint(Fingerprint::given("rows")).record();
        op.succeed();
    });
    let snapshot = local.snapshot();
    let outside = snapshot.errors().iter().find(|group| group.place.ends_with("errors.rs")).unwrap();
    let location = outside.newest().unwrap().location.clone().unwrap();
    assert!(location.contains(&format!("errors.rs:{line}:")), "{location}");
    assert_eq!(outside.newest().unwrap().operation, None);

    let inside = &snapshot.errors()[0];
    assert_eq!(
        (inside.severity, inside.place.as_str(), inside.component.as_str()),
        (Severity::Critical, "import", "loader")
    );
    assert_eq!(inside.newest().unwrap().context, [("file".into(), "a.csv".into()), ("row".into(), 7_u64.into())]);
    assert!(inside.newest().unwrap().operation_id.is_some());

    let own = snapshot.errors().iter().find(|group| group.kind == "bad row").unwrap();
    assert_eq!((own.fingerprint, own.component.as_str()), (Fingerprint::given("rows"), "parser"));
    // An error is not a failed call.
    assert_eq!(snapshot.operation("import").unwrap().failed, 0);
}

#[test]
fn one_line_in_two_threads_is_one_group() {
    let local = local();
    std::thread::scope(|scope| {
        for port in 0..8 {
            let local = &local;
            std::thread::Builder::new()
                .name(format!("worker-{port}"))
                .spawn_scoped(scope, move || local.error(&Refused { port }).record())
                .unwrap();
        }
    });
    let snapshot = local.snapshot();
    assert_error(&snapshot, "Refused").count(8);
    assert!(snapshot.errors()[0].samples.iter().all(|sample| sample.thread.as_ref().unwrap().starts_with("worker-")));
}

#[test]
fn a_group_is_new_then_ongoing_then_resolved_and_comes_back() {
    let start = SystemTime::UNIX_EPOCH + Duration::from_hours(24 * 365 * 50);
    let clock = ManualClock::starting_at(start);
    let local = Monitor::builder().clock(&clock).errors_resolved_after(Duration::from_hours(6)).build().unwrap();
    let fail = || local.operation("op").start().fail_with("refused");
    let state = || local.snapshot().errors()[0].state;

    fail();
    assert_eq!(state(), ErrorState::New);
    clock.advance(Duration::from_hours(2));
    fail();
    assert_eq!(state(), ErrorState::Ongoing);
    let group = local.snapshot().errors()[0].clone();
    assert_eq!((group.first_seen, group.last_seen), (start, start + Duration::from_hours(2)));
    assert_eq!((group.count, group.last_hour), (2, 1));

    clock.advance(Duration::from_hours(6));
    assert_eq!(state(), ErrorState::Resolved);
    fail();
    assert_eq!(state(), ErrorState::Regressed);
    clock.advance(Duration::from_hours(1));
    assert_eq!(state(), ErrorState::Ongoing);

    assert!(local.resolve_errors(group.fingerprint));
    assert_eq!(state(), ErrorState::Resolved);
    assert!(!local.resolve_errors(Fingerprint::given("another")));
    clock.advance(Duration::from_secs(1));
    fail();
    assert_eq!(state(), ErrorState::Regressed);
}

#[track_operation(name = "inner")]
fn inner() {
    panic!("bad index {}", 17);
}

#[track_operation(name = "outer")]
fn outer() {
    inner();
}

#[test]
fn panics_are_errors_when_asked_for() {
    monitor_core::record_panics();
    monitor_core::record_panics();
    let local = local();
    local.scope(|| {
        std::panic::catch_unwind(outer).unwrap_err();
        std::panic::catch_unwind(|| std::panic::panic_any(17)).unwrap_err();
    });
    let snapshot = local.snapshot();
    let group = assert_error(&snapshot, "panic").severity(Severity::Critical).group();
    assert_eq!(snapshot.errors().len(), 2, "a panic is one error, however many calls it goes through: {snapshot}");
    let inner = snapshot.errors().iter().find(|group| group.place == "inner").unwrap_or(group);
    assert_eq!((inner.pattern.as_str(), inner.count), ("bad index <n>", 1));
    assert!(inner.newest().unwrap().location.as_ref().unwrap().contains("errors.rs:"));
    assert_eq!(snapshot.operation("outer").unwrap().panicked, 1);
}

#[test]
fn the_stack_is_kept_when_asked_for() {
    let backtrace = |monitor: &Monitor| {
        monitor.scope(|| connect(1)).unwrap_err();
        monitor.snapshot().errors()[0].newest().unwrap().backtrace.clone()
    };
    assert_eq!(backtrace(&local()), None);
    let asked = Monitor::builder().error_backtraces(true).build().unwrap();
    let stack = backtrace(&asked).unwrap();
    assert!(stack.contains("connect"), "{stack}");
}

#[test]
fn the_memory_of_the_groups_is_counted() {
    let local = local();
    local.error_with("first").record();
    let before = local.snapshot().monitor().bytes_held;
    local.error_with(&"x".repeat(900)).context("file", "y".repeat(200)).record();
    let grown = local.snapshot().monitor().bytes_held - before;
    assert!((1_100..10_000).contains(&grown), "{grown}");
}

#[test]
fn switched_off_nothing_is_recorded() {
    let local = Monitor::builder().enabled(false).build().unwrap();
    local.error_with("x").record();
    local.scope(|| {
        local.error_with("x").record();
        assert!(connect(1).is_err());
    });
    assert_no_errors(&local.snapshot());
}

#[test]
fn a_setting_out_of_its_range_is_an_error() {
    assert!(Monitor::builder().max_error_groups(0).build().unwrap_err().is_invalid_setting());
    let error = Monitor::builder().errors_resolved_after(Duration::ZERO).build().unwrap_err();
    assert_eq!(error.to_string(), "errors_resolved_after is 0ns; allowed is a second and longer");
}

#[test]
fn a_snapshot_with_errors_round_trips_and_its_difference_counts_what_came_between() {
    let local = local();
    let fail = |n: u32| (0..n).for_each(|_| local.operation("op").start().fail_with("refused"));
    fail(3);
    let earlier = local.snapshot();
    fail(4);
    let later = local.snapshot();
    assert_eq!(later.since(&earlier).errors()[0].count, 4);
    assert_eq!(later.since(&earlier).error_counts()[0].count, 4);
    assert!(later.since(&later).error_counts().is_empty());
    assert_no_errors(&later.since(&later));
    let json = serde_json::to_string(&later).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), later);
    assert!(later.to_string().contains("str in op"), "{later}");
}

#[test]
fn what_fails_says_what_there_is() {
    let local = local();
    local.operation("op").start().fail_with("refused");
    let snapshot = local.snapshot();
    let message = |f: fn(&Snapshot)| {
        let panic = std::panic::catch_unwind(|| f(&snapshot)).unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    assert!(message(assert_no_errors).contains("1 x `str` in `op`: refused"));
    assert!(message(|s| drop(assert_error(s, "Io").group().clone())).contains("no error of kind `Io` was recorded"));
    assert!(message(|s| drop(assert_error(s, "str").count(2).group().clone())).contains("expected 2 errors, found 1"));
}

/// The fingerprint of one error with this message.
fn fingerprint(kind: &str, message: &str) -> Fingerprint {
    let local = local();
    local.error_with(message).kind(kind).record();
    local.snapshot().errors()[0].fingerprint
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn numbers_do_not_change_the_group(words in "[a-z]{1,8}( [a-z]{2,8}){0,4}", a in any::<u64>(), b in any::<i64>(), c in 0.001_f64..1e9) {
        let message = |a: u64, b: i64, c: f64| format!("{words} {a} of {b}, {c} at 0x{a:x} in /tmp/{a}/x");
        let other = message(a.wrapping_mul(31).wrapping_add(7), b.wrapping_mul(17).wrapping_sub(3), c * 3.7);
        prop_assert_eq!(fingerprint("K", &message(a, b, c)), fingerprint("K", &other));
    }

    #[test]
    fn identities_and_quotes_do_not_change_the_group(a in any::<u128>(), b in any::<u128>(), q in "[a-z ]{0,20}", r in "[a-z ]{0,20}") {
        let uuid = |n: u128| {
            let hex = format!("{n:032x}");
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        };
        let message = |id: u128, text: &str| format!("no order {} named \"{text}\" or '{text}'", uuid(id));
        prop_assert_eq!(fingerprint("K", &message(a, &q)), fingerprint("K", &message(b, &r)));
    }

    #[test]
    fn another_kind_or_another_word_is_another_group(kind in "[a-z]{1,9}", other in "[a-z]{1,9}", words in "[a-z]{2,7}( [a-z]{2,7}){0,3}", more in "[a-z]{2,7}") {
        prop_assume!(kind != other);
        prop_assert_ne!(fingerprint(&kind, &words), fingerprint(&other, &words));
        prop_assert_ne!(fingerprint(&kind, &words), fingerprint(&kind, &format!("{words} {more}")));
    }

    #[test]
    fn any_message_has_a_group(kind in ".{0,300}", message in ".{0,2000}") {
        let local = local();
        local.error_with(&message).kind(&kind).context(&message, message.as_str()).record();
        let snapshot = local.snapshot();
        prop_assert_eq!(total(&snapshot), 1);
        let json = serde_json::to_string(&snapshot).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Snapshot>(&json).unwrap(), &snapshot);
        prop_assert!(snapshot.to_string().lines().all(|line| line.chars().count() <= 120));
    }
}
