//! Operations by id that several monitors share: what one begins another one ends, and each counts its part. Here the
//! monitors are in one process; `by_id_processes.rs` has the same between real ones.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::collections::BTreeMap;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use monitor_core::testing::assert_operation;
use monitor_core::{
    Context, FieldValue, History as _, Instance, LedgerBegin, LedgerEnd, LedgerEntry, LedgerError, LedgerNews,
    LedgerWrite, ManualClock, Monitor, OperationIdError, OperationLedger, OperationStatus, Outcome, SqliteHistory,
    SqliteOperations,
};
use proptest::collection::vec;
use proptest::prelude::*;
use rusqlite::types::FromSql;
use tests::folder::Folder;
use tests::{counts, stats};

const MS: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_mins(1);

fn start() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_hours(472_224)
}

/// A monitor with operations by id in a file, and a clock of its own. No sink: everything happens when it is called.
fn shared(folder: &Folder) -> (Monitor, ManualClock) {
    let clock = ManualClock::starting_at(start());
    let ledger = SqliteOperations::new(folder.file("monitor.db"));
    (Monitor::builder().clock(&clock).operation_ledger(ledger).build().unwrap(), clock)
}

fn ask<T: FromSql>(folder: &Folder, sql: &str) -> T {
    let connection = rusqlite::Connection::open(folder.file("monitor.db")).unwrap();
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn steps(status: &OperationStatus) -> Vec<(&str, u128)> {
    status.by_id.steps.iter().map(|step| (step.name.as_str(), step.duration.as_millis())).collect()
}

/// Those that other processes have a part in.
fn moved(monitor: &Monitor, name: &str) -> [u64; 2] {
    let stats = stats(monitor, name);
    [stats.ended_elsewhere, stats.begun_elsewhere]
}

#[test]
fn what_one_begins_another_ends_and_each_counts_its_part_once() {
    let folder = Folder::new("by-id-ledger");
    let ((first, clock), (second, other_clock)) = (shared(&folder), shared(&folder));
    let begin = || {
        let begin = first.begin("a", "job").kind("batch").component("db").label("site", "north");
        begin.worker("w1").input_bytes(1 << 30).field("rows", 7_u64).start().unwrap();
    };
    Context::new_trace().with_field("user", "u1").in_context(begin);
    clock.advance(2 * MS);
    first.step("a", "dump").unwrap();
    other_clock.advance(5 * MS);
    second.step("a", "upload").unwrap();
    other_clock.advance(4 * MS);
    let ended =
        second.end("a").failure_with("disk full").items(3).bytes(4).output_bytes(5).field("try", 1_u64).finish();
    let ended = ended.unwrap();
    assert_eq!((ended.name.as_str(), ended.kind.as_str(), ended.component.as_str()), ("job", "batch", "db"));
    assert_eq!((ended.outcome, ended.duration, ended.started_at), (Some(Outcome::Failure), 9 * MS, start()));
    assert_eq!(steps(&ended), [("dump", 3), ("upload", 4)]);
    assert_eq!(
        (ended.by_id.worker.as_deref(), ended.by_id.input_bytes, ended.by_id.output_bytes),
        (Some("w1"), Some(1 << 30), Some(5))
    );

    // The first has not heard of it before it asks anything.
    assert_eq!((counts(&first, "job"), moved(&first, "job")), ([1, 0, 0, 0, 0, 1], [0, 0]));
    assert_eq!(first.operation_by_id("a"), Some(ended.clone()));
    assert_eq!((counts(&first, "job"), moved(&first, "job")), ([1, 0, 0, 0, 0, 0], [1, 0]));
    assert!(first.active().is_empty());
    assert_eq!((counts(&second, "job"), moved(&second, "job")), ([0, 0, 1, 0, 0, 0], [0, 1]));
    let stats = stats(&second, "job");
    assert_eq!(
        (stats.items, stats.bytes, stats.total_time, stats.series[0].labels["site"].as_str()),
        (3, 4, 9 * MS, "north")
    );

    let record = &second.recent(1)[0];
    assert_eq!(record.by_id.as_ref(), Some(&ended.by_id));
    assert_eq!(record.fields, [("rows".to_owned(), FieldValue::U64(7)), ("try".to_owned(), FieldValue::U64(1))]);
    assert_eq!(record.context, [("user".to_owned(), FieldValue::Text("u1".into()))]);
    assert_eq!((record.error.as_ref().unwrap().message.as_str(), record.duration), ("disk full", 9 * MS));
    assert!(first.recent(1).is_empty());
}

#[test]
fn it_belongs_to_the_trace_in_which_it_began() {
    let folder = Folder::new("by-id-ledger");
    let ((first, _), (second, _)) = (shared(&folder), shared(&folder));
    first.begin("a", "job").start().unwrap();
    let trace = first.active()[0].trace_id;
    second.end("a").finish().unwrap();
    assert!(trace.is_some());
    assert_eq!(second.recent(1)[0].trace_id, trace);
}

#[test]
fn misuse_is_the_same_error_wherever_it_happens() {
    let folder = Folder::new("by-id-ledger");
    let ((first, clock), (second, other_clock)) = (shared(&folder), shared(&folder));
    for error in [second.end("a").finish().unwrap_err(), second.step("a", "x").unwrap_err()] {
        assert_eq!(error, OperationIdError::NeverBegun { id: "a".into() });
    }
    assert_eq!(second.operation_by_id("a"), None);

    first.begin("a", "job").worker("w1").start().unwrap();
    other_clock.advance(192_000 * MS);
    let error = second.begin("a", "other").start().unwrap_err();
    assert_eq!(
        error.to_string(),
        "operation \"a\" is running already: \"job\", begun 3m 12s ago by \"w1\"; end it first, or begin with another id"
    );
    // Neither counted nor registered.
    assert!(second.snapshot().operation("other").is_none());

    second.end("a").cancelled().finish().unwrap();
    other_clock.advance(30 * MS);
    clock.advance(192_030 * MS);
    for monitor in [&first, &second] {
        for error in [monitor.end("a").finish().unwrap_err(), monitor.step("a", "x").unwrap_err()] {
            let OperationIdError::AlreadyEnded { name, outcome, ended_ago, .. } = &error else { panic!("{error:?}") };
            assert_eq!((name.as_str(), *outcome, *ended_ago), ("job", Outcome::Cancelled, 30 * MS));
        }
    }
    // The id may be used again, by whoever is first.
    first.begin("a", "job").start().unwrap();
    assert!(matches!(second.begin("a", "job").start(), Err(OperationIdError::AlreadyRunning { .. })));
    second.end("a").finish().unwrap();
    second.begin("a", "job").start().unwrap();
    first.end("a").finish().unwrap();
    assert_eq!(second.operation_by_id("a").unwrap().outcome, Some(Outcome::Success));
    assert_eq!((counts(&first, "job"), moved(&first, "job")), ([2, 1, 0, 0, 0, 0], [2, 1]));
    assert_eq!((counts(&second, "job"), moved(&second, "job")), ([1, 1, 0, 0, 1, 0], [1, 2]));
}

#[test]
fn a_clock_that_is_behind_makes_no_time_negative() {
    let folder = Folder::new("by-id-ledger");
    let ((first, clock), (second, _behind)) = (shared(&folder), shared(&folder));
    clock.advance(1_000 * MS);
    first.begin("a", "job").start().unwrap();
    clock.advance(10 * MS);
    first.step("a", "x").unwrap();
    second.step("a", "y").unwrap();
    clock.advance(10 * MS);
    first.step("a", "z").unwrap();
    let ended = second.end("a").finish().unwrap();
    assert_eq!((steps(&ended), ended.duration), (vec![("x", 0), ("y", 10), ("z", 0)], 20 * MS));
}

#[test]
fn whoever_began_it_ends_it_by_the_monotonic_clock_and_knows_the_steps_of_others() {
    let folder = Folder::new("by-id-ledger");
    let ((first, clock), (second, other_clock)) = (shared(&folder), shared(&folder));
    first.begin("a", "job").start().unwrap();
    other_clock.advance(3_000 * MS);
    second.step("a", "elsewhere").unwrap();
    clock.advance(5_000 * MS);
    let running = first.operation_by_id("a").unwrap();
    assert_eq!(
        (running.step(), running.duration, steps(&running)),
        (Some("elsewhere"), 5_000 * MS, vec![("elsewhere", 2_000)])
    );
    let ended = first.end("a").finish().unwrap();
    assert_eq!((ended.duration, steps(&ended)), (5_000 * MS, vec![("elsewhere", 2_000)]));
    assert_eq!(first.recent(1)[0].by_id.as_ref(), Some(&ended.by_id));
    assert_eq!((counts(&first, "job"), moved(&first, "job")), ([1, 1, 0, 0, 0, 0], [0, 0]));
    assert_eq!(second.operation_by_id("a"), Some(ended));
}

#[test]
fn each_call_shows_that_the_run_is_alive() {
    let folder = Folder::new("by-id-ledger");
    let (local, clock) = shared(&folder);
    let seen_ms = || ask::<i64>(&folder, "SELECT (last_seen_at_ns - started_at_ns) / 1000000 FROM instances");
    local.begin("a", "job").start().unwrap();
    assert_eq!(seen_ms(), 0);
    clock.advance(5_000 * MS);
    local.step("a", "x").unwrap();
    assert_eq!(seen_ms(), 5_000);
    // Not with each one of many.
    clock.advance(500 * MS);
    local.step("a", "y").unwrap();
    assert_eq!(seen_ms(), 5_000);
    clock.advance(1_500 * MS);
    local.begin("b", "job").start().unwrap();
    assert_eq!(seen_ms(), 7_000);
    clock.advance(2_000 * MS);
    local.end("b").finish().unwrap();
    assert_eq!(seen_ms(), 9_000);
}

#[test]
fn what_began_while_the_monitor_was_off_is_known_and_counted_nowhere() {
    let folder = Folder::new("by-id-ledger");
    let ((first, _), (second, _)) = (shared(&folder), shared(&folder));
    first.set_enabled(false);
    first.begin("a", "job").start().unwrap();
    assert!(matches!(second.begin("a", "job").start(), Err(OperationIdError::AlreadyRunning { .. })));
    second.end("a").finish().unwrap();
    for monitor in [&first, &second] {
        assert_eq!(counts(monitor, "job"), [0; 6]);
        assert_eq!(monitor.operation_by_id("a").unwrap().outcome, Some(Outcome::Success));
    }
}

#[test]
fn of_many_threads_of_several_monitors_that_end_an_id_exactly_one_does() {
    const IDS: usize = 50;
    let folder = Folder::new("by-id-ledger");
    let monitors: Vec<_> = (0..3).map(|_| shared(&folder).0).collect();
    let id = |n: usize| format!("job-{n}");
    for n in 0..IDS {
        monitors[n % 3].begin(&id(n), "job").start().unwrap();
    }
    let barrier = Barrier::new(6);
    let end = |monitor: &Monitor| {
        barrier.wait();
        (0..IDS).filter(|n| monitor.end(&id(*n)).finish().is_ok()).count()
    };
    let won: usize = thread::scope(|scope| {
        let threads: Vec<_> = monitors.iter().cycle().take(6).map(|monitor| scope.spawn(|| end(monitor))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(won, IDS);
    // Each began once and ended once, and nothing runs anywhere.
    let (mut started, mut succeeded) = (0, 0);
    for monitor in &monitors {
        assert!(monitor.end(&id(0)).finish().is_err());
        let [begun, ended, .., in_flight] = counts(monitor, "job");
        (started, succeeded) = (started + begun, succeeded + ended);
        assert_eq!((in_flight, monitor.active().len()), (0, 0));
    }
    assert_eq!((started, succeeded), (IDS as u64, IDS as u64));
}

#[test]
fn the_file_has_one_beginning_and_one_end_of_both_monitors_together() {
    let folder = Folder::new("by-id-ledger");
    let monitor = || Monitor::builder().sqlite(folder.file("monitor.db")).build().unwrap();
    let (first, second) = (monitor(), monitor());
    first.begin("a", "job").label("site", "north").worker("w1").start().unwrap();
    first.step("a", "dump").unwrap();
    first.flush(PATIENCE).unwrap();
    second.end("a").items(5).finish().unwrap();
    // The sink of the first sees it without any further call by that id.
    while first.snapshot().operation("job").unwrap().in_flight() > 0 {
        thread::yield_now();
    }
    assert_eq!(moved(&first, "job"), [1, 0]);
    for monitor in [first, second] {
        monitor.shutdown(PATIENCE).unwrap();
    }
    let sums = "SELECT group_concat(started || ' ' || succeeded || ' ' || items) FROM (SELECT sum(started) AS started,
        sum(succeeded) AS succeeded, sum(items) AS items FROM rollups WHERE step_s = 60)";
    assert_eq!(ask::<String>(&folder, sums), "1 1 5");
    assert_eq!(ask::<i64>(&folder, "SELECT count(*) FROM series"), 1);
    assert_eq!(ask::<i64>(&folder, "SELECT count(*) FROM records"), 1);
    assert_eq!(ask::<i64>(&folder, "SELECT count(*) FROM operations_ended_elsewhere"), 0);
    assert_eq!(ask::<i64>(&folder, "SELECT count(*) FROM instances"), 2, "a run is one row, whoever of it came first");
    assert_eq!(folder.files(), ["monitor.db"], "nobody holds the file or a run any more");
    let history = SqliteHistory::open(folder.file("monitor.db")).unwrap();
    let status = history.operation_by_id("a", PATIENCE).unwrap().unwrap();
    assert_eq!((status.outcome, status.items, status.by_id.worker.as_deref()), (Some(Outcome::Success), 5, Some("w1")));
}

#[test]
fn what_began_before_there_was_a_ledger_or_in_a_file_that_is_gone_ends_all_the_same() {
    let folder = Folder::new("by-id-ledger");
    let ((first, _), (second, _)) = (shared(&folder), shared(&folder));
    first.begin("a", "job").start().unwrap();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.file(&format!("monitor.db{end}")));
    }
    assert_eq!(second.end("a").finish(), Err(OperationIdError::NeverBegun { id: "a".into() }));
    first.step("a", "x").unwrap();
    first.end("a").items(2).finish().unwrap();
    assert_eq!(counts(&first, "job"), [1, 1, 0, 0, 0, 0]);
    assert_eq!(second.operation_by_id("a").unwrap().items, 2, "and the new file knows it");
}

#[test]
fn what_waits_for_the_file_is_bounded_and_the_rest_counted_there() {
    const BEGUN: i64 = 1_100;
    let folder = Folder::new("by-id-ledger");
    let local = Monitor::builder().sqlite(folder.file("monitor.db")).build().unwrap();
    let holder = rusqlite::Connection::open(folder.file("monitor.db")).unwrap();
    holder.execute_batch("BEGIN IMMEDIATE").unwrap();
    for n in 0..BEGUN {
        local.begin(&format!("job-{n}"), "job").start().unwrap();
    }
    assert_eq!(local.snapshot().monitor().by_id_unshared, 1_100);
    holder.execute_batch("ROLLBACK").unwrap();
    while local.snapshot().monitor().by_id_trouble.is_some() {
        thread::yield_now();
    }
    assert_eq!(ask::<i64>(&folder, "SELECT count(*) FROM operations_by_id"), 1_024);
    assert_eq!(ask::<i64>(&folder, "SELECT count FROM losses WHERE reason = 'operation by id'"), BEGUN - 1_024);
    // What found no room is known here all the same, and told with its end.
    local.end("job-1099").finish().unwrap();
    assert_eq!(counts(&local, "job"), [1_100, 1, 0, 0, 0, 1_099]);
    assert_eq!(ask::<i64>(&folder, "SELECT outcome FROM operations_by_id WHERE id = 'job-1099'"), 0);
}

/// A ledger of the program's own: in memory, for monitors of one process.
#[derive(Clone, Default)]
struct InMemory {
    shared: Arc<Mutex<BTreeMap<String, (LedgerEntry, LedgerNews)>>>,
    opened: Arc<Mutex<Option<(Instance, LedgerNews)>>>,
    mood: Arc<Mutex<Mood>>,
    kept: Arc<Mutex<Vec<LedgerWrite>>>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mood {
    #[default]
    Well,
    Away,
    Panics,
}

impl InMemory {
    /// Another one that shares what is known.
    fn beside(&self) -> InMemory {
        InMemory { shared: Arc::clone(&self.shared), ..InMemory::default() }
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn mood(&self) -> Result<(), LedgerError> {
        let mood = *self.mood.lock().unwrap();
        match mood {
            Mood::Well => Ok(()),
            Mood::Away => Err(LedgerError::Unreachable("away".into())),
            Mood::Panics => std::panic::panic_any("on purpose"),
        }
    }

    fn me(&self) -> (Instance, LedgerNews) {
        self.opened.lock().unwrap().clone().unwrap()
    }
}

impl OperationLedger for InMemory {
    fn open(&self, instance: &Instance, news: LedgerNews) {
        *self.opened.lock().unwrap() = Some((instance.clone(), news));
    }

    fn begin(&self, begun: &LedgerBegin) -> Result<(), LedgerError> {
        self.mood()?;
        let (instance, news) = self.me();
        let mut shared = self.shared.lock().unwrap();
        if let Some(error) = shared.get(&begun.id).and_then(|(entry, _)| LedgerError::begins(entry)) {
            return Err(error);
        }
        shared.insert(begun.id.clone(), (LedgerEntry::begin(begun.clone(), instance.run), news));
        Ok(())
    }

    fn step(&self, id: &str, name: &str, at: SystemTime) -> Result<(), LedgerError> {
        self.mood()?;
        let mut shared = self.shared.lock().unwrap();
        let (entry, _) = shared.get_mut(id).ok_or(LedgerError::NeverBegun)?;
        LedgerError::goes_on(entry).map_or(Ok(()), Err)?;
        entry.step(name, at, &self.me().0.run);
        Ok(())
    }

    fn end(&self, id: &str, end: &LedgerEnd) -> Result<LedgerEntry, LedgerError> {
        self.mood()?;
        // A call from inside comes to nothing, rather than round again.
        assert!(monitor_core::monitor().begin("inside", "inside").start().is_err());
        let mut shared = self.shared.lock().unwrap();
        let (entry, news) = shared.get_mut(id).ok_or(LedgerError::NeverBegun)?;
        LedgerError::goes_on(entry).map_or(Ok(()), Err)?;
        entry.end(end, self.me().0.run);
        if entry.ended_by.as_ref() != Some(&entry.begun_by) {
            news.ended(id, entry.begun.span_id);
        }
        Ok(entry.clone())
    }

    fn find(&self, id: &str) -> Result<Option<LedgerEntry>, LedgerError> {
        self.mood()?;
        Ok(self.shared.lock().unwrap().get(id).map(|(entry, _)| entry.clone()))
    }

    fn keep(&self, write: LedgerWrite) -> bool {
        self.kept.lock().unwrap().push(write);
        true
    }
}

fn with(ledger: &InMemory) -> Monitor {
    Monitor::builder().operation_ledger(ledger.clone()).build().unwrap()
}

#[test]
fn a_ledger_of_the_program_s_own_does_as_well() {
    let ledger = InMemory::default();
    let (first, second) = (with(&ledger), with(&ledger.beside()));
    first.begin("a", "job").worker("w1").start().unwrap();
    second.step("a", "x").unwrap();
    let ended = second.end("a").finish().unwrap();
    assert_eq!((ended.by_id.worker.as_deref(), ended.by_id.steps.len()), (Some("w1"), 1));
    // It has told so by itself: reading is enough.
    assert_operation(&first.snapshot(), "job").calls(1).ended_elsewhere(1).begun_elsewhere(0).in_flight(0);
    assert_operation(&second.snapshot(), "job").successes(1).ended_elsewhere(0).begun_elsewhere(1).in_flight(0);
    assert_eq!((counts(&first, "job"), moved(&first, "job")), ([1, 0, 0, 0, 0, 0], [1, 0]));
    assert_eq!((counts(&second, "job"), moved(&second, "job")), ([0, 1, 0, 0, 0, 0], [0, 1]));
    assert_eq!(first.snapshot().monitor().by_id_trouble, None);
}

#[test]
fn a_ledger_that_is_away_or_panics_hurts_nobody_and_is_told_later() {
    for (mood, why, panics) in [(Mood::Away, "away", 0), (Mood::Panics, "it panicked", 3)] {
        let ledger = InMemory::default();
        let local = with(&ledger);
        ledger.set(mood);
        local.begin("a", "job").start().unwrap();
        local.step("a", "x").unwrap();
        local.end("a").finish().unwrap();
        assert_eq!(counts(&local, "job"), [1, 1, 0, 0, 0, 0]);
        let snapshot = local.snapshot();
        let own = snapshot.monitor();
        assert_eq!((own.by_id_unshared, own.by_id_trouble.as_deref()), (3, Some(why)));
        assert!(own.callbacks_panicked <= panics);
        assert!(snapshot.to_string().contains(&format!("known to this process alone for now: {why}")), "{snapshot}");
        let kept = ledger.kept.lock().unwrap().clone();
        assert!(
            matches!(&kept[..], [LedgerWrite::Begin(begun), LedgerWrite::Step { .. }, LedgerWrite::End { .. }] if begun.id == "a")
        );
        // What this process does not know it cannot answer.
        let error = local.end("b").finish().unwrap_err();
        assert!(matches!(&error, OperationIdError::Unreachable { why: said, .. } if said == why), "{error:?}");
        assert!(error.to_string().contains("not known to this process"), "{error}");
        assert!(matches!(local.end("a").finish(), Err(OperationIdError::AlreadyEnded { .. })));
        assert_eq!(local.operation_by_id("a").unwrap().outcome, Some(Outcome::Success));

        ledger.set(Mood::Well);
        assert_eq!(local.operation_by_id("b"), None);
        assert_eq!(local.snapshot().monitor().by_id_trouble, None);
    }
}

#[test]
fn a_ledger_that_says_that_it_is_back_is_believed() {
    let ledger = InMemory::default();
    let local = with(&ledger);
    ledger.set(Mood::Away);
    local.begin("a", "job").start().unwrap();
    assert!(local.snapshot().monitor().by_id_trouble.is_some());
    ledger.me().1.reachable();
    assert_eq!(local.snapshot().monitor().by_id_trouble, None);
}

/// What programs may ask for, of a few ids, each by one of three monitors.
#[derive(Clone, Copy, Debug)]
enum Ask {
    Begin(usize, usize),
    Step(usize, usize),
    End(usize, usize, bool),
    Wait(u64),
}

fn asks() -> impl Strategy<Value = Vec<Ask>> {
    let (of, id) = (0_usize..3, 0_usize..3);
    let ask = prop_oneof![
        4 => (of.clone(), id.clone()).prop_map(|(of, id)| Ask::Begin(of, id)),
        3 => (of.clone(), id.clone()).prop_map(|(of, id)| Ask::Step(of, id)),
        4 => (of, id, any::<bool>()).prop_map(|(of, id, ok)| Ask::End(of, id, ok)),
        2 => (0_u64..1_000_000).prop_map(Ask::Wait),
    ];
    vec(ask, 0..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Three monitors that share a file answer as one monitor by itself does, and count the same together.
    #[test]
    fn several_answer_and_count_as_one_does(asks in asks()) {
        const IDS: [&str; 3] = ["a", "b", "c"];
        let folder = Folder::new("by-id-ledger");
        let several: Vec<_> = (0..3).map(|_| shared(&folder)).collect();
        let clock = ManualClock::starting_at(start());
        let one = Monitor::builder().clock(&clock).build().unwrap();
        for ask in asks {
            match ask {
                Ask::Wait(ns) => {
                    clock.advance(Duration::from_nanos(ns));
                    for (_, clock) in &several {
                        clock.advance(Duration::from_nanos(ns));
                    }
                }
                Ask::Begin(of, id) => {
                    let begin = |monitor: &Monitor| monitor.begin(IDS[id], "job").worker("w").start();
                    prop_assert_eq!(begin(&several[of].0), begin(&one));
                }
                Ask::Step(of, id) => prop_assert_eq!(several[of].0.step(IDS[id], "x"), one.step(IDS[id], "x")),
                Ask::End(of, id, ok) => {
                    let end = |monitor: &Monitor| {
                        let end = monitor.end(IDS[id]).items(2);
                        if ok { end.success() } else { end.failure_with("no") }.finish()
                    };
                    prop_assert_eq!(end(&several[of].0), end(&one));
                }
            }
            for id in IDS {
                let expected = one.operation_by_id(id);
                for (monitor, _) in &several {
                    prop_assert_eq!(monitor.operation_by_id(id), expected.clone());
                }
            }
        }
        let mut sum = [0; 6];
        let (mut time, mut items) = (Duration::ZERO, 0);
        for (monitor, _) in &several {
            for (sum, count) in sum.iter_mut().zip(counts(monitor, "job")) {
                *sum += count;
            }
            let stats = stats(monitor, "job");
            time += stats.total_time;
            items += stats.items;
            prop_assert_eq!(stats.in_flight(), monitor.active().len() as u64);
        }
        prop_assert_eq!(sum, counts(&one, "job"));
        prop_assert_eq!((time, items), (stats(&one, "job").total_time, stats(&one, "job").items));
    }
}
