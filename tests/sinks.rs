//! The way to sinks: everything arrives, once; one that is slow, stalled, failing or panicking costs nobody else anything,
//! and what it loses is counted.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use monitor_core::{
    Batch, Instance, ManualClock, Monitor, RecordPolicy, Rollup, Sink, SinkError, SinkState, SinkStats,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Keeps every batch.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<Batch>>>);

impl Kept {
    fn batches(&self) -> Vec<Batch> {
        self.0.lock().unwrap().clone()
    }
}

impl Sink for Kept {
    fn name(&self) -> &'static str {
        "kept"
    }

    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        self.0.lock().unwrap().push(batch.clone());
        Ok(())
    }
}

/// Does with each batch what a closure says.
struct Does<F>(&'static str, F);

impl<F: FnMut(&Batch) -> Result<(), SinkError> + Send> Sink for Does<F> {
    fn name(&self) -> &str {
        self.0
    }

    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        (self.1)(batch)
    }
}

fn away() -> SinkError {
    SinkError::again(&std::io::Error::other("the server is away"))
}

fn sink_of(monitor: &Monitor, name: &str) -> SinkStats {
    monitor.snapshot().sinks().iter().find(|sink| sink.name == name).cloned().unwrap()
}

fn assert_balanced(sink: &SinkStats) {
    assert_eq!(sink.produced, sink.stored + sink.dropped() + sink.waiting, "{sink:?}");
}

#[test]
fn everything_arrives_once() {
    let kept = Kept::default();
    let monitor = Monitor::builder().service("shop").sink(kept.clone()).build().unwrap();
    let order =
        monitor.state_machine("order").terminal("paid").initial("open").transition("open", "paid").build().unwrap();
    let import = monitor.progress("import").total(10).start();
    for round in 0..3 {
        monitor.operation("sell").label("shop", "main").start().succeed();
        monitor.operation("sell").start().fail_with(&format!("card {round} refused"));
        order.entity(&format!("order {round}")).unwrap().to("paid").unwrap();
        import.inc(2);
        monitor.flush(PATIENCE).unwrap();
    }
    monitor.shutdown(PATIENCE).unwrap();

    let batches = kept.batches();
    let records: Vec<_> = batches.iter().flat_map(|batch| &batch.records).collect();
    assert_eq!(records.len(), 6);
    assert_eq!(records.iter().filter(|record| record.error.is_some()).count(), 3);
    let mut sums: HashMap<_, (u64, u64)> = HashMap::new();
    for rollup in batches.iter().flat_map(|batch| &batch.rollups) {
        let sums = sums.entry((rollup.name.clone(), rollup.labels.clone())).or_default();
        *sums = (sums.0 + rollup.figures().started, sums.1 + rollup.figures().durations.count());
    }
    let mut sums: Vec<_> = sums.into_values().collect();
    sums.sort_unstable();
    assert_eq!(sums, [(3, 3), (3, 3)]);
    let errors: Vec<_> = batches.iter().flat_map(|batch| &batch.errors).collect();
    assert_eq!(errors.iter().map(|group| (group.count, group.samples.len())).collect::<Vec<_>>(), [(1, 1); 3]);
    assert_eq!(errors[2].samples[0].error.message, "card 2 refused");
    let moves: Vec<_> = batches.iter().flat_map(|batch| &batch.transitions).collect();
    assert_eq!(moves.len(), 3);
    assert!(moves.iter().all(|made| made.machine == "order" && made.transition.to == "paid"));
    let done: Vec<_> = batches.iter().flat_map(|batch| &batch.progress).map(|job| job.done).collect();
    assert_eq!(done, [2, 4, 6]);
    let sink = sink_of(&monitor, "kept");
    assert_eq!((sink.stored, sink.dropped(), sink.state), (sink.produced, 0, SinkState::Stopped));
}

#[test]
fn queues_come_with_each_step_and_with_the_last_batch() {
    let (kept, clock) = (Kept::default(), ManualClock::new());
    let monitor = Monitor::builder().clock(&clock).sink(kept.clone()).build().unwrap();
    let mail = monitor.queue("mail");
    mail.enqueued().start().succeed();
    monitor.flush(PATIENCE).unwrap();
    clock.advance(Rollup::STEP * 2);
    let _waits = mail.enqueued();
    monitor.flush(PATIENCE).unwrap();
    mail.enqueued().start().succeed();
    monitor.shutdown(PATIENCE).unwrap();
    let queues: Vec<_> = kept.batches().into_iter().flat_map(|batch| batch.queues).collect();
    let figures: Vec<_> = queues.iter().map(|queue| (queue.enqueued, queue.processed, queue.depth)).collect();
    assert_eq!(figures, [(2, 1, 1), (1, 1, 1)]);
}

#[test]
fn rollups_belong_to_steps_of_ten_seconds_that_never_go_back() {
    let (kept, clock) = (Kept::default(), ManualClock::new());
    let monitor = Monitor::builder().clock(&clock).sink(kept.clone()).build().unwrap();
    for _ in 0..5 {
        monitor.operation("tick").start().succeed();
        monitor.flush(PATIENCE).unwrap();
        clock.advance(Duration::from_secs(7));
    }
    monitor.shutdown(PATIENCE).unwrap();
    let rollups: Vec<_> = kept.batches().into_iter().flat_map(|batch| batch.rollups).collect();
    let starts: Vec<_> = rollups.iter().map(|rollup| rollup.step_start).collect();
    assert_eq!(rollups.len(), 5);
    assert!(starts.is_sorted(), "{starts:?}");
    for start in starts {
        let since = start.duration_since(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(since.as_nanos() % Rollup::STEP.as_nanos(), 0);
    }
}

#[test]
fn what_runs_is_told_from_a_second_on() {
    let (kept, clock) = (Kept::default(), ManualClock::new());
    let monitor = Monitor::builder().clock(&clock).sink(kept.clone()).build().unwrap();
    let _old = monitor.operation("old").start();
    clock.advance(Duration::from_secs(1));
    let _young = monitor.operation("young").start();
    monitor.flush(PATIENCE).unwrap();
    let active = kept.batches().pop().unwrap().active;
    assert_eq!(active.iter().map(|operation| operation.name.as_str()).collect::<Vec<_>>(), ["old"]);
    monitor.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_sink_that_fails_for_a_while_gets_every_batch_afterwards() {
    let (kept, fails) = (Kept::default(), Arc::new(AtomicBool::new(true)));
    let (mut inner, failing) = (kept.clone(), Arc::clone(&fails));
    let flaky = Does(
        "flaky",
        move |batch: &Batch| {
            if failing.load(Ordering::SeqCst) { Err(away()) } else { inner.write(batch) }
        },
    );
    let monitor = Monitor::builder().sink(flaky).build().unwrap();
    for _ in 0..10 {
        monitor.track("work", |_| ());
        let error = monitor.flush(Duration::from_millis(1)).unwrap_err();
        assert!(error.is_not_delivered(), "{error}");
    }
    // Until it has been tried.
    while sink_of(&monitor, "flaky").state != SinkState::Degraded {
        thread::yield_now();
    }
    let sink = sink_of(&monitor, "flaky");
    assert_balanced(&sink);
    assert_eq!((sink.stored, sink.error.as_deref()), (0, Some("the server is away")));
    // The collector may not come in so short a time, which is another error.
    let errors = std::iter::repeat_with(|| monitor.flush(Duration::from_millis(20)).unwrap_err().to_string());
    let error = errors.into_iter().find(|error| error.contains("flaky")).unwrap();
    assert!(error.contains("the server is away"), "{error}");
    fails.store(false, Ordering::SeqCst);
    monitor.flush(PATIENCE).unwrap();
    let records: usize = kept.batches().iter().map(|batch| batch.records.len()).sum();
    assert_eq!(records, 10);
    let sink = sink_of(&monitor, "flaky");
    assert_eq!((sink.state, sink.dropped(), sink.stored), (SinkState::Working, 0, sink.produced));
    assert!(sink.failed_writes > 0);
    monitor.shutdown(PATIENCE).unwrap();
}

#[test]
fn a_batch_that_is_refused_and_one_that_panics_are_lost_and_counted() {
    let mut turn = 0;
    let picky = Does("picky", move |_: &Batch| {
        turn += 1;
        match turn % 3 {
            0 => Ok(()),
            1 => Err(SinkError::refused(&std::io::Error::other("too large"))),
            _ => panic!("on purpose"),
        }
    });
    let kept = Kept::default();
    let monitor = Monitor::builder().sink(picky).sink(kept.clone()).build().unwrap();
    for _ in 0..9 {
        monitor.track("work", |_| ());
        monitor.flush(PATIENCE).unwrap();
    }
    monitor.shutdown(PATIENCE).unwrap();
    let (picky, other) = (sink_of(&monitor, "picky"), sink_of(&monitor, "kept"));
    assert_balanced(&picky);
    assert!(picky.dropped["refused"] > 0 && picky.dropped["panicked"] > 0 && picky.stored > 0, "{picky:?}");
    assert_eq!((other.stored, other.dropped()), (other.produced, 0));
    assert_eq!(kept.batches().iter().map(|batch| batch.records.len()).sum::<usize>(), 9);
}

/// A door that a sink waits at.
#[derive(Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }

    fn pass(&self) {
        let mut open = self.0.lock().unwrap();
        while !*open {
            open = self.1.wait(open).unwrap();
        }
    }
}

#[test]
fn a_stalled_sink_loses_only_its_own_and_keeps_within_its_bounds() {
    let (door, kept) = (Arc::new(Door::default()), Kept::default());
    let stalled = {
        let door = Arc::clone(&door);
        Does("stalled", move |_: &Batch| {
            door.pass();
            Ok(())
        })
    };
    let monitor = Monitor::builder().sink(stalled).sink(kept.clone()).build().unwrap();
    let calls = 200_000_u64;
    monitor.scope(|| {
        for _ in 0..calls {
            monitor.operation("work").record(RecordPolicy::All).start().succeed();
        }
    });
    let error = monitor.flush(Duration::from_millis(50)).unwrap_err().to_string();
    assert!(error.contains("stalled") && !error.contains("kept"), "{error}");
    // The other one has had everything that was not lost before.
    while sink_of(&monitor, "kept").waiting > 0 {
        thread::yield_now();
    }
    let snapshot = monitor.snapshot();
    let lost = snapshot.monitor().dropped();
    let records = kept.batches().iter().map(|batch| batch.records.len() as u64).sum::<u64>();
    assert_eq!(records + lost, calls);
    let rollups =
        kept.batches().iter().flat_map(|batch| &batch.rollups).map(|rollup| rollup.figures().succeeded).sum::<u64>();
    assert_eq!(rollups, calls);
    let told = kept.batches().iter().flat_map(|batch| batch.lost.values()).sum::<u64>();
    assert_eq!(told, lost);
    let stalled = sink_of(&monitor, "stalled");
    assert_balanced(&stalled);
    assert!(stalled.waiting <= 60_000, "{stalled:?}");
    let error = monitor.shutdown(Duration::from_millis(50)).unwrap_err();
    assert!(error.is_not_delivered(), "{error}");
    door.open();
    let stalled = sink_of(&monitor, "stalled");
    assert_eq!((stalled.waiting, stalled.produced), (0, stalled.stored + stalled.dropped()));
    // Any number of times.
    assert_eq!(monitor.shutdown(PATIENCE).unwrap_err().to_string(), error.to_string());
}

#[test]
fn a_sink_that_cannot_be_used_is_told_at_once() {
    struct Folder;
    impl Sink for Folder {
        fn name(&self) -> &'static str {
            "folder"
        }
        fn open(&mut self, _: &Instance) -> Result<(), SinkError> {
            Err(SinkError::refused(&std::io::Error::other("/tmp is a folder")))
        }
        fn write(&mut self, _: &Batch) -> Result<(), SinkError> {
            unreachable!()
        }
    }
    let kept = Kept::default();
    let error = Monitor::builder().sink(kept).sink(Folder).build().unwrap_err();
    assert!(error.is_sink_refused(), "{error}");
    assert_eq!(error.to_string(), "the sink \"folder\" cannot be used: /tmp is a folder");
}

#[test]
fn a_sink_that_is_away_at_the_start_is_opened_later() {
    struct Late {
        attempts: u32,
        opened: mpsc::Sender<Instance>,
        kept: Kept,
    }
    impl Sink for Late {
        fn name(&self) -> &'static str {
            "late"
        }
        fn open(&mut self, instance: &Instance) -> Result<(), SinkError> {
            self.attempts += 1;
            if self.attempts < 3 {
                return Err(away());
            }
            self.opened.send(instance.clone()).unwrap();
            Ok(())
        }
        fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
            self.kept.write(batch)
        }
    }
    let ((opened, instances), kept) = (mpsc::channel(), Kept::default());
    let monitor =
        Monitor::builder().service("shop").sink(Late { attempts: 0, opened, kept: kept.clone() }).build().unwrap();
    assert_eq!(sink_of(&monitor, "late").state, SinkState::Degraded);
    monitor.track("work", |_| ());
    monitor.shutdown(PATIENCE).unwrap();
    let instance = instances.recv().unwrap();
    assert_eq!((instance.service.as_str(), instance.pid), ("shop", std::process::id()));
    assert_eq!((instance.run.len(), instance.program.is_empty()), (32, false));
    assert_eq!(kept.batches().iter().map(|batch| batch.records.len()).sum::<usize>(), 1);
}

#[test]
fn the_last_handle_takes_everything_along() {
    struct Closes(Kept, mpsc::Sender<()>);
    impl Sink for Closes {
        fn name(&self) -> &'static str {
            "closes"
        }
        fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
            self.0.write(batch)
        }
        fn close(&mut self) -> Result<(), SinkError> {
            self.1.send(()).map_err(|error| SinkError::refused(&error))
        }
    }
    let kept = Kept::default();
    let (closed, ends) = mpsc::channel();
    let monitor = Monitor::builder().sink(Closes(kept.clone(), closed)).build().unwrap();
    monitor.track("work", |_| ());
    drop(monitor);
    ends.recv_timeout(PATIENCE).unwrap();
    assert_eq!(kept.batches().iter().map(|batch| batch.records.len()).sum::<usize>(), 1);
}

#[test]
fn many_threads_flush_and_shut_down_at_once() {
    let kept = Kept::default();
    let monitor = Monitor::builder().sink(kept.clone()).build().unwrap();
    let made = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    monitor.operation("work").record(RecordPolicy::All).start().succeed();
                    made.fetch_add(1, Ordering::SeqCst);
                    monitor.flush(PATIENCE).unwrap();
                }
                monitor.shutdown(PATIENCE).unwrap();
            });
        }
    });
    // Those that came after the first shutdown are in the figures and not in the sink.
    let records = kept.batches().iter().map(|batch| batch.records.len() as u64).sum::<u64>();
    assert!(records <= made.load(Ordering::SeqCst) && records >= 50, "{records}");
    assert_eq!(monitor.snapshot().operation("work").unwrap().succeeded, 400);
    assert_balanced(&sink_of(&monitor, "kept"));
}

#[test]
fn what_is_told_to_sinks_can_still_be_read() {
    let monitor = Monitor::builder().recent_capacity(10).sink(Kept::default()).build().unwrap();
    for n in 0..20_u64 {
        monitor.operation("work").record(RecordPolicy::All).field("n", n).start().succeed();
        if n % 3 == 0 {
            monitor.flush(PATIENCE).unwrap();
        }
    }
    assert_eq!(monitor.recent(100).len(), 10);
    assert_eq!(
        monitor.recent(3).iter().map(|record| record.fields[0].1.to_string()).collect::<Vec<_>>(),
        ["19", "18", "17"]
    );
    // They have been told: none of them is lost.
    assert_eq!(monitor.snapshot().monitor().dropped(), 0);
    monitor.shutdown(PATIENCE).unwrap();
}

#[test]
fn the_table_says_how_sinks_are_doing() {
    let monitor = Monitor::builder().sink(Does("away", |_: &Batch| Err(away()))).build().unwrap();
    monitor.track("work", |_| ());
    let _ = monitor.flush(Duration::from_millis(1));
    while sink_of(&monitor, "away").state != SinkState::Degraded {
        thread::yield_now();
    }
    let table = monitor.snapshot().to_string();
    assert!(table.contains("degraded") && table.contains("away: the server is away"), "{table}");
    let _ = monitor.shutdown(Duration::ZERO);
}
