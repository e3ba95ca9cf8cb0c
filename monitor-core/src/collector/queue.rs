//! The queue of one sink: bounded, with the count of what becomes of each entry. The collector puts batches in, the sink's
//! thread takes them out.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use crate::base::watched::Watched;
use crate::model::{Batch, SinkState, SinkStats};

/// Entries that may wait for one sink. Records of the oldest batches make room first, then whole batches.
const MAX_ENTRIES: u64 = 50_000;

/// Batches that may wait, however small.
const MAX_BATCHES: usize = 3_600;

/// How long a sink waits after an error before it tries again, at first.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// What the collector and the sink's thread share.
pub(super) struct Shared {
    pub(super) state: Watched<State>,
}

pub(super) struct State {
    pub(super) queue: VecDeque<(u64, Arc<Batch>)>,
    /// Number of the newest batch that was handed over, and of the newest whose fate is decided.
    pub(super) handed: u64,
    pub(super) decided: u64,
    /// Entries in the queue, and of the batch in hand.
    pub(super) queued: u64,
    pub(super) in_hand: u64,
    pub(super) writing_since: Option<Instant>,
    pub(super) stats: SinkStats,
    /// Until when the sink may write on when it is to end.
    pub(super) closing: Option<Instant>,
    /// What the end came to, once it is over.
    pub(super) closed: Option<Result<(), String>>,
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
            (state, _) = self.state.wait_until(state, upkeep);
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
        self.state.notify_all();
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
            (state, _) = self.state.wait_until(state, until);
        }
    }

    /// The thread ends; with an error if closing came to one.
    pub(super) fn end(&self, error: Option<String>) {
        let mut state = self.state.lock();
        let freed = state.close(error);
        state.set_state(SinkState::Stopped);
        self.state.notify_all();
        drop(state);
        drop(freed);
    }
}

impl State {
    pub(super) fn drop_entries(&mut self, reason: &str, entries: u64) {
        if entries > 0 {
            let dropped = self.stats.dropped.entry(reason.to_owned()).or_default();
            *dropped = dropped.saturating_add(entries);
        }
    }

    /// Keeps the queue within its bounds. What is taken out goes to `freed`.
    pub(super) fn make_room(&mut self, freed: &mut Vec<Arc<Batch>>) {
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
    pub(super) fn close(&mut self, error: Option<String>) -> VecDeque<(u64, Arc<Batch>)> {
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
