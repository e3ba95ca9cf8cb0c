//! The way from a recorder to its sinks: one thread that makes a batch a second, and a queue and a thread for each sink.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | the thread: when a batch is made, flushing, shutting down |
//! | `intake` | what came since the last time, and the making of a batch |
//! | `moves` | transitions of state machines on their way there |
//! | `queue` | what waits for one sink, bounded, and what became of each entry |
//! | `outlet` | one sink as the collector sees it |
//! | `worker` | the thread of one sink |
//! | `instance` | which run of which program this is |
//!
//! Nobody who records waits for anything here. A thread whose ring is half full wakes the collector; one whose ring is
//! full moves it over to where the collector looks next.

mod instance;
mod intake;
mod moves;
mod outlet;
mod queue;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, Thread};
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

use self::intake::Intake;
use self::moves::Moves;
use self::outlet::Outlet;
use crate::base::error::Error;
use crate::base::watched::Watched;
use crate::model::{Instance, SinkStats};
use crate::ports::sink::Sink;
use crate::record::attached::Collecting;
use crate::record::listener::{Listener, MAX_LISTENERS};
use crate::record::recorder::{Recorder, RecorderRef};
use crate::trackers::by_id::ledger;

/// How often a batch is made.
const TICK: Duration = Duration::from_secs(1);

/// Time that sinks have when nobody waits for their end: the last handle of a monitor is gone.
const PATIENCE: Duration = Duration::from_secs(5);

const THREAD: &str = "monitor-collect";

/// What a monitor has when it has sinks. Shared by its thread, its recorder and whoever flushes.
pub(crate) struct Collector {
    outlets: Vec<Outlet>,
    control: Watched<Control>,
    /// Counts requests to make a batch at once.
    asked: AtomicU64,
    thread: Mutex<Option<Thread>>,
}

#[derive(Default)]
struct Control {
    /// Requests that the newest batch has answered.
    answered: u64,
    /// Until when sinks may work when the thread ends; the end is asked for with it.
    stop: Option<Instant>,
    /// What closing came to, once it is over.
    stopped: Option<Result<(), String>>,
}

/// This run, as sinks are told of it.
pub(crate) fn this_instance(recorder: &Recorder) -> Instance {
    let service = recorder.service.lock().clone();
    instance::this(service, recorder.clock.anchor().wall_time(recorder.since))
}

impl Collector {
    /// Opens the sinks and starts the threads. Sinks that were opened before one that cannot be are closed again.
    pub(crate) fn start(
        recorder: &RecorderRef,
        instance: &Instance,
        sinks: Vec<Box<dyn Sink>>,
    ) -> Result<Arc<Self>, Error> {
        let mut outlets = Vec::new();
        for sink in sinks {
            match Outlet::start(sink, instance.clone()) {
                Ok(outlet) => outlets.push(outlet),
                Err(error) => {
                    close_all(&outlets, Instant::now() + PATIENCE).unwrap_or_default();
                    return Err(error);
                }
            }
        }
        let collector =
            Arc::new(Self { outlets, control: Watched::default(), asked: AtomicU64::new(0), thread: Mutex::new(None) });
        let moves = Arc::new(Moves::default());
        let listener: Arc<dyn Listener> = Arc::clone(&moves) as _;
        if !recorder.change_listeners(|all| all.push(Arc::clone(&listener))) {
            let advice = "end a stream of events before sinks are added";
            close_all(&collector.outlets, Instant::now() + PATIENCE).unwrap_or_default();
            return Err(Error::too_many("listeners", "this monitor".to_owned(), MAX_LISTENERS, advice));
        }
        recorder.recent.lock().set_collecting(true);
        let run = Run {
            intake: Intake::new(recorder, moves),
            recorder: recorder.clone(),
            collector: Arc::clone(&collector),
            listener: Arc::clone(&listener),
        };
        match thread::Builder::new().name(THREAD.to_owned()).spawn(move || run.run()) {
            Ok(handle) => {
                *collector.thread.lock() = Some(handle.thread().clone());
                recorder.attached.attach(Arc::clone(&collector) as _);
                recorder.attached.set_thread(handle.thread().clone());
                Ok(collector)
            }
            // What it was to have is dropped with it.
            Err(error) => {
                recorder.recent.lock().set_collecting(false);
                recorder.change_listeners(|all| all.retain(|one| !Arc::ptr_eq(one, &listener)));
                close_all(&collector.outlets, Instant::now() + PATIENCE).unwrap_or_default();
                Err(Error::no_thread(THREAD, error))
            }
        }
    }

    fn wake(&self) {
        if let Some(thread) = self.thread.lock().as_ref() {
            thread.unpark();
        }
    }
}

impl Collecting for Collector {
    fn sinks(&self) -> Vec<SinkStats> {
        self.outlets.iter().map(Outlet::stats).collect()
    }

    /// Has everything that came before this call written by all sinks, or given up.
    fn flush(&self, patience: Duration) -> Result<(), Error> {
        let deadline = deadline(patience);
        let request = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        self.wake();
        {
            let mut control = self.control.lock();
            while control.answered < request && control.stopped.is_none() {
                let late;
                (control, late) = self.control.wait_until(control, deadline);
                if late {
                    break;
                }
            }
            if let Some(result) = &control.stopped {
                return result.clone().map_err(Error::not_delivered);
            }
            if control.answered < request {
                return Err(Error::not_delivered("the collector did not come in time".to_owned()));
            }
        }
        let handed: Vec<_> = self.outlets.iter().map(|outlet| (outlet, outlet.handed())).collect();
        let late = handed.into_iter().filter(|(outlet, number)| !outlet.wait_for(*number, deadline));
        let late: Vec<_> = late.map(|(outlet, _)| outlet.obstacle()).collect();
        if late.is_empty() { Ok(()) } else { Err(Error::not_delivered(late.join("; "))) }
    }

    /// Delivers what is on its way and ends the sinks and threads.
    fn shut_down(&self, patience: Duration) -> Result<(), Error> {
        let deadline = deadline(patience);
        let mut control = self.control.lock();
        if control.stopped.is_none() {
            // The first one who asks says how long it may take.
            control.stop.get_or_insert(deadline);
            drop(control);
            self.wake();
            control = self.control.lock();
            // A little longer than the sinks have, so that what they came to is told.
            let last = deadline + Duration::from_millis(200);
            let mut late = false;
            while control.stopped.is_none() && !late {
                (control, late) = self.control.wait_until(control, last);
            }
        }
        match &control.stopped {
            Some(result) => result.clone().map_err(Error::not_delivered),
            None => Err(Error::not_delivered("the collector did not end in time".to_owned())),
        }
    }
}

/// `Duration::MAX` is a way to say "however long it takes".
fn deadline(patience: Duration) -> Instant {
    const LONG: Duration = Duration::from_hours(24 * 365);
    Instant::now() + patience.min(LONG)
}

fn close_all(outlets: &[Outlet], deadline: Instant) -> Result<(), String> {
    for outlet in outlets {
        outlet.close(deadline);
    }
    let failed = outlets.iter().filter_map(|outlet| {
        outlet.wait_closed(deadline).err().map(|error| format!("{}: {error}", outlet.stats().name))
    });
    let failed: Vec<_> = failed.collect();
    if failed.is_empty() { Ok(()) } else { Err(failed.join("; ")) }
}

/// The collector's thread.
struct Run {
    intake: Intake,
    recorder: RecorderRef,
    collector: Arc<Collector>,
    listener: Arc<dyn Listener>,
}

impl Run {
    fn run(mut self) {
        let mut next = next_tick();
        loop {
            let now = Instant::now();
            if now < next && !self.is_asked() {
                thread::park_timeout(next - now);
            }
            // Before it looks: what comes after that calls once more.
            self.recorder.attached.listen();
            let asked = self.collector.asked.load(Ordering::SeqCst);
            let stop = self.stop();
            while let Some(batch) = self.intake.fetch_records(&self.recorder) {
                self.hand_over(batch);
            }
            if Instant::now() >= next || self.is_asked() || stop.is_some() {
                next = next_tick();
                ledger::catch_up(&self.recorder);
                let batch = self.intake.fetch_all(&self.recorder, stop.is_some());
                self.hand_over(batch);
                self.collector.control.lock().answered = asked;
                self.collector.control.notify_all();
            }
            if let Some(deadline) = stop {
                return self.end(deadline);
            }
        }
    }

    /// Whether somebody waits for a batch.
    fn is_asked(&self) -> bool {
        let control = self.collector.control.lock();
        control.stop.is_some() || control.answered < self.collector.asked.load(Ordering::SeqCst)
    }

    /// Until when sinks may work, if this is the end: because it was asked for, or because nobody else has the monitor.
    fn stop(&self) -> Option<Instant> {
        let asked = self.collector.control.lock().stop;
        asked.or_else(|| self.recorder.is_last_handle().then(|| Instant::now() + PATIENCE))
    }

    fn hand_over(&self, batch: crate::model::Batch) {
        let batch = Arc::new(batch);
        self.collector.outlets.iter().for_each(|outlet| outlet.push(&batch));
    }

    fn end(self, deadline: Instant) {
        self.recorder.attached.unset_thread();
        self.recorder.change_listeners(|all| all.retain(|one| !Arc::ptr_eq(one, &self.listener)));
        self.recorder.recent.lock().set_collecting(false);
        let result = close_all(&self.collector.outlets, deadline);
        self.collector.control.lock().stopped = Some(result);
        self.collector.control.notify_all();
    }
}

/// The next second of the wall clock, so that steps of rollups end with a batch.
fn next_tick() -> Instant {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let into_second = Duration::from_nanos(u64::from(since.subsec_nanos()));
    Instant::now() + TICK.saturating_sub(into_second)
}
