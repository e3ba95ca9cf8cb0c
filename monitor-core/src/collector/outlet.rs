//! One sink as the collector sees it: a bounded queue before the sink's own thread, and the count of what becomes of each
//! entry.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::{Condvar, Mutex};

use super::worker::{Came, FIRST_PAUSE, Worker, contained};
use crate::base::error::Error;
use crate::model::{Batch, Instance, SinkState, SinkStats};
use crate::ports::sink::Sink;

/// Entries that may wait for one sink. Records of the oldest batches make room first, then whole batches.
const MAX_ENTRIES: u64 = 50_000;

/// Batches that may wait, however small.
const MAX_BATCHES: usize = 3_600;

/// A write that lasts so long shows as degraded.
const LONG_WRITE: Duration = Duration::from_secs(2);

/// The collector's end of a sink.
pub(super) struct Outlet {
    shared: Arc<Shared>,
}

/// What the collector and the sink's thread share.
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    queue: VecDeque<(u64, Arc<Batch>)>,
    /// Number of the newest batch that was handed over, and of the newest whose fate is decided.
    handed: u64,
    decided: u64,
    /// Entries in the queue, and of the batch in hand.
    queued: u64,
    in_hand: u64,
    writing_since: Option<Instant>,
    stats: SinkStats,
    /// Until when the sink may write on when it is to end.
    closing: Option<Instant>,
    /// What the end came to, once it is over.
    closed: Option<Result<(), String>>,
}

/// What the sink's thread does next.
pub(super) enum Next {
    Write(u64, Arc<Batch>),
    Upkeep,
    End,
}

/// What became of a batch.
pub(super) enum Fate {
    Stored,
    /// Nothing yet, and why.
    Again(String),
    /// It is lost: in a word, and in words.
    Dropped(&'static str, String),
}

impl Outlet {
    /// Opens a sink and starts its thread.
    pub(super) fn start(mut sink: Box<dyn Sink>, instance: Instance) -> Result<Self, Error> {
        let name = catch_unwind(AssertUnwindSafe(|| sink.name().to_owned())).unwrap_or_else(|panic| {
            std::mem::forget(panic);
            "(panicked)".to_owned()
        });
        let error = match contained(|| sink.open(&instance)) {
            Came::Done => None,
            Came::Again(error) => Some(error),
            came => return Err(Error::sink_refused(name, came.into_error().unwrap_or_default())),
        };
        let is_open = error.is_none();
        let mut stats = SinkStats::new(name.clone(), SystemTime::now());
        if let Some(error) = error {
            stats = SinkStats { state: SinkState::Degraded, error: Some(error), failed_writes: 1, ..stats };
        }
        let state = State {
            queue: VecDeque::new(),
            handed: 0,
            decided: 0,
            queued: 0,
            in_hand: 0,
            writing_since: None,
            stats,
            closing: None,
            closed: None,
        };
        let shared = Arc::new(Shared { state: Mutex::new(state), changed: Condvar::new() });
        let worker = Worker { shared: Arc::clone(&shared), sink, instance, is_open };
        let spawned = thread::Builder::new().name(format!("monitor-{name}")).spawn(move || worker.run());
        spawned.map_err(|error| Error::no_thread("monitor-sink", error))?;
        Ok(Self { shared })
    }

    /// Hands a batch over. It never waits.
    pub(super) fn push(&self, batch: &Arc<Batch>) {
        let mut freed = Vec::new();
        let mut state = self.shared.state.lock();
        let entries = batch.entries();
        state.stats.produced = state.stats.produced.saturating_add(entries);
        if state.closed.is_some() {
            state.drop_entries("stopped", entries);
            return;
        }
        state.handed += 1;
        let number = state.handed;
        state.queue.push_back((number, Arc::clone(batch)));
        state.queued += entries;
        state.make_room(&mut freed);
        self.shared.changed.notify_all();
        drop(state);
        // Freed when the lock is gone.
        drop(freed);
    }

    /// Number of the newest batch that was handed over.
    pub(super) fn handed(&self) -> u64 {
        self.shared.state.lock().handed
    }

    /// Waits until the fate of a batch is decided. False at the deadline.
    pub(super) fn wait_for(&self, number: u64, deadline: Instant) -> bool {
        let mut state = self.shared.state.lock();
        while state.decided < number && state.closed.is_none() {
            if self.shared.changed.wait_until(&mut state, deadline).timed_out() {
                break;
            }
        }
        state.decided >= number
    }

    /// What stands in the way of batches that wait.
    pub(super) fn obstacle(&self) -> String {
        let stats = self.stats();
        let why = stats.error.unwrap_or_else(|| "it is slow".to_owned());
        format!("{}: {} entries wait: {why}", stats.name, stats.waiting)
    }

    /// Lets the sink end after what it has, until the deadline.
    pub(super) fn close(&self, deadline: Instant) {
        self.shared.state.lock().closing = Some(deadline);
        self.shared.changed.notify_all();
    }

    /// Waits until the sink has ended, and gives what that came to. What waits at the deadline is lost.
    pub(super) fn wait_closed(&self, deadline: Instant) -> Result<(), String> {
        let mut state = self.shared.state.lock();
        while state.closed.is_none() {
            if self.shared.changed.wait_until(&mut state, deadline).timed_out() && state.closed.is_none() {
                let freed = state.close(None);
                let result = state.closed.clone().unwrap_or(Ok(()));
                drop(state);
                drop(freed);
                return result;
            }
        }
        state.closed.clone().unwrap_or(Ok(()))
    }

    pub(super) fn stats(&self) -> SinkStats {
        let state = self.shared.state.lock();
        let mut stats = state.stats.clone();
        stats.waiting = state.queued + state.in_hand;
        if let Some(since) = state.writing_since.filter(|since| since.elapsed() > LONG_WRITE)
            && stats.state == SinkState::Working
        {
            let lasts = since.elapsed();
            stats.state = SinkState::Degraded;
            stats.since = SystemTime::now().checked_sub(lasts).unwrap_or(SystemTime::UNIX_EPOCH);
            stats.error = Some(format!("a write has been running for {} s", lasts.as_secs()));
        }
        stats
    }
}

/// For the sink's thread.
impl Shared {
    /// Waits for work. There is upkeep from a moment on, when nothing is to be written.
    pub(super) fn next(&self, upkeep: Instant) -> Next {
        let mut state = self.state.lock();
        loop {
            if state.closed.is_some() {
                return Next::End;
            }
            if let Some((number, batch)) = state.queue.pop_front() {
                let entries = batch.entries();
                state.queued -= entries;
                state.in_hand = entries;
                return Next::Write(number, batch);
            }
            if state.closing.is_some() {
                return Next::End;
            }
            if Instant::now() >= upkeep {
                return Next::Upkeep;
            }
            self.changed.wait_until(&mut state, upkeep);
        }
    }

    pub(super) fn begin_write(&self) -> Instant {
        let now = Instant::now();
        self.state.lock().writing_since = Some(now);
        now
    }

    /// Takes down what became of the batch in hand. Whether that is decided.
    pub(super) fn end_write(&self, number: u64, began: Instant, fate: Fate) -> bool {
        let mut state = self.state.lock();
        state.writing_since = None;
        state.stats.longest_write = state.stats.longest_write.max(began.elapsed());
        match fate {
            Fate::Again(error) => {
                state.fail(error);
                return false;
            }
            Fate::Stored => {
                let entries = std::mem::take(&mut state.in_hand);
                state.stats.stored = state.stats.stored.saturating_add(entries);
                state.set_state(SinkState::Working);
            }
            Fate::Dropped(reason, error) => {
                let entries = std::mem::take(&mut state.in_hand);
                state.drop_entries(reason, entries);
                state.fail(error);
            }
        }
        state.decided = state.decided.max(number);
        self.changed.notify_all();
        true
    }

    pub(super) fn end_upkeep(&self, error: Option<String>) {
        let mut state = self.state.lock();
        match error {
            Some(error) => state.fail(error),
            None => state.set_state(SinkState::Working),
        }
    }

    /// Waits before the next attempt. False when there is to be none.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let mut state = self.state.lock();
        let began = Instant::now();
        loop {
            let now = Instant::now();
            // Shutting down, it tries at the pace of the beginning until the deadline.
            let until = match state.closing {
                Some(deadline) if now >= deadline => return false,
                Some(deadline) => deadline.min(began + pause.min(FIRST_PAUSE)),
                None => began + pause,
            };
            if state.closed.is_some() {
                return false;
            }
            if now >= until {
                return true;
            }
            self.changed.wait_until(&mut state, until);
        }
    }

    /// The thread ends; with an error if closing came to one.
    pub(super) fn end(&self, error: Option<String>) {
        let mut state = self.state.lock();
        let freed = state.close(error);
        state.set_state(SinkState::Stopped);
        self.changed.notify_all();
        drop(state);
        drop(freed);
    }
}

impl State {
    fn drop_entries(&mut self, reason: &str, entries: u64) {
        if entries > 0 {
            let dropped = self.stats.dropped.entry(reason.to_owned()).or_default();
            *dropped = dropped.saturating_add(entries);
        }
    }

    /// Keeps the queue within its bounds. What is taken out goes to `freed`.
    fn make_room(&mut self, freed: &mut Vec<Arc<Batch>>) {
        let mut at = 0;
        // The newest batch stays whole: it may be all there is.
        while self.queued > MAX_ENTRIES && at + 1 < self.queue.len() {
            let (_, batch) = &mut self.queue[at];
            let records = batch.records.len() as u64;
            if records > 0 {
                let without = Arc::new(batch.without_records());
                freed.push(std::mem::replace(batch, without));
                self.queued -= records;
                self.drop_entries("queue_full", records);
            }
            at += 1;
        }
        while (self.queued > MAX_ENTRIES || self.queue.len() > MAX_BATCHES) && self.queue.len() > 1 {
            if let Some((_, batch)) = self.queue.pop_front() {
                let entries = batch.entries();
                self.queued -= entries;
                self.drop_entries("queue_full", entries);
                freed.push(batch);
            }
        }
    }

    /// Ends it, once. What still waits, the batch in hand included, is lost; it is given back, to be freed without the lock.
    fn close(&mut self, error: Option<String>) -> VecDeque<(u64, Arc<Batch>)> {
        if self.closed.is_some() {
            return VecDeque::new();
        }
        let left = self.queued + self.in_hand;
        self.drop_entries("shutdown", left);
        (self.queued, self.in_hand, self.decided) = (0, 0, self.handed);
        let lost = (left > 0).then(|| {
            let why = self.stats.error.as_deref().unwrap_or("it is slow");
            format!("{left} entries could not be stored in time: {why}")
        });
        self.closed = Some(lost.or(error).map_or(Ok(()), Err));
        std::mem::take(&mut self.queue)
    }

    fn fail(&mut self, error: String) {
        self.stats.failed_writes = self.stats.failed_writes.saturating_add(1);
        self.stats.error = Some(error);
        self.set_state(SinkState::Degraded);
    }

    fn set_state(&mut self, now: SinkState) {
        if self.stats.state != now && self.stats.state != SinkState::Stopped {
            (self.stats.state, self.stats.since) = (now, SystemTime::now());
        }
    }
}
