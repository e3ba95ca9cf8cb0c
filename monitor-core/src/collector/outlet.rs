//! One sink as the collector sees it: the end of its queue where batches come in, and its thread.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::queue::{Shared, State};
use super::worker::{Came, Worker, contained};
use crate::base::error::Error;
use crate::base::watched::Watched;
use crate::model::{Batch, Instance, SinkState, SinkStats};
use crate::ports::sink::Sink;

/// A write that lasts so long shows as degraded.
const LONG_WRITE: Duration = Duration::from_secs(2);

/// The collector's end of a sink.
pub(super) struct Outlet {
    shared: Arc<Shared>,
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
        let shared = Arc::new(Shared { state: Watched::new(state) });
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
        self.shared.state.notify_all();
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
            let late;
            (state, late) = self.shared.state.wait_until(state, deadline);
            if late {
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
        self.shared.state.notify_all();
    }

    /// Waits until the sink has ended, and gives what that came to. What waits at the deadline is lost.
    pub(super) fn wait_closed(&self, deadline: Instant) -> Result<(), String> {
        let mut state = self.shared.state.lock();
        while state.closed.is_none() {
            let late;
            (state, late) = self.shared.state.wait_until(state, deadline);
            if late && state.closed.is_none() {
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
