//! Where operations by id are known beyond one process.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::Mutex;

use crate::model::{Instance, LedgerBegin, LedgerEnd, LedgerEntry, LedgerWrite, Outcome, SpanId};

/// A place where operations by id are known to many processes: begun in one, ended in another.
///
/// With the feature `sqlite`, `MonitorBuilder::sqlite` has one in its file (`SqliteOperations`); others are given to
/// [`MonitorBuilder::operation_ledger`](crate::MonitorBuilder::operation_ledger). Of several that begin or end one id at the
/// same time exactly one may succeed, wherever they are: each method is all or nothing.
///
/// Methods are called on the thread that begins or ends an operation, which waits for them: they should give up with
/// [`LedgerError::Unreachable`] within about a second. The program goes on then with what its own process knows. Called
/// inside the monitor: what is tracked in there is not recorded, and a panic counts as unreachable.
pub trait OperationLedger: Send + Sync {
    /// Called once before everything else: which run of which program asks, and where to tell when another one ends what
    /// this one began. Nothing need be opened yet.
    fn open(&self, instance: &Instance, news: LedgerNews);

    /// An operation begins. One that ended before, or was interrupted, may begin anew.
    ///
    /// # Errors
    /// [`LedgerError::AlreadyRunning`], [`LedgerError::Unreachable`]; then nothing has changed.
    fn begin(&self, begun: &LedgerBegin) -> Result<(), LedgerError>;

    /// An operation goes on to its next step. One that was interrupted runs again with it, and belongs to this run.
    ///
    /// # Errors
    /// [`LedgerError::NeverBegun`], [`LedgerError::AlreadyEnded`], [`LedgerError::Unreachable`].
    fn step(&self, id: &str, name: &str, at: SystemTime) -> Result<(), LedgerError>;

    /// An operation ends: what is known of it then. The true end of one that was interrupted takes the place of that.
    ///
    /// # Errors
    /// [`LedgerError::NeverBegun`], [`LedgerError::AlreadyEnded`], [`LedgerError::Unreachable`].
    fn end(&self, id: &str, end: &LedgerEnd) -> Result<LedgerEntry, LedgerError>;

    /// The last run of an operation; `None` if there was none.
    ///
    /// # Errors
    /// [`LedgerError::Unreachable`].
    fn find(&self, id: &str) -> Result<Option<LedgerEntry>, LedgerError>;

    /// Keeps what could not be written in time, to write it when that is possible, in the order in which it came. Within
    /// bounds, and without waiting. False when it is not kept, which is counted; so it is by default.
    fn keep(&self, write: LedgerWrite) -> bool {
        let _ = write;
        false
    }
}

/// Why an [`OperationLedger`] did not do what it was asked to.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LedgerError {
    /// It has been begun and not ended.
    AlreadyRunning {
        /// Name of the operation that runs.
        name: String,
        /// When it began, by the wall clock.
        since: SystemTime,
        /// Who works on it, if that was said.
        worker: Option<String>,
    },
    /// No operation of that id was begun.
    NeverBegun,
    /// It has ended before.
    AlreadyEnded {
        /// Name of the operation.
        name: String,
        /// How it ended.
        outcome: Outcome,
        /// When it ended, by the wall clock.
        at: SystemTime,
    },
    /// It cannot be known just now, and why.
    Unreachable(String),
}

impl LedgerError {
    /// Why that operation cannot begin; `None` if it can.
    #[must_use]
    pub fn begins(entry: &LedgerEntry) -> Option<LedgerError> {
        entry.is_running().then(|| LedgerError::AlreadyRunning {
            name: entry.begun.name.clone(),
            since: entry.begun.started_at,
            worker: entry.begun.worker.clone(),
        })
    }

    /// Why that operation cannot go to a step or end; `None` if it can.
    #[must_use]
    pub fn goes_on(entry: &LedgerEntry) -> Option<LedgerError> {
        let outcome = entry.outcome.filter(|_| entry.has_ended())?;
        let at = entry.ended_at.unwrap_or(entry.begun.started_at);
        Some(LedgerError::AlreadyEnded { name: entry.begun.name.clone(), outcome, at })
    }
}

impl fmt::Display for LedgerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LedgerError::AlreadyRunning { name, .. } => write!(f, "it is running already: {name:?}; end it first"),
            LedgerError::NeverBegun => f.write_str("it was never begun; begin it first"),
            LedgerError::AlreadyEnded { name, outcome, .. } => {
                write!(f, "it ({name:?}) ended with the outcome {outcome}; begin it anew first")
            }
            LedgerError::Unreachable(why) => write!(f, "the ledger cannot be reached: {why}"),
        }
    }
}

impl Error for LedgerError {}

/// Where an [`OperationLedger`] tells what happens without being asked: another process ended what this one began; the place
/// that could not be reached can be. Clones are the same.
///
/// What is told is taken account of when the monitor is read, at the next call by that id, and each second where the monitor
/// has a sink. It is bounded: 16,384 may wait, which are more than run at a time.
#[derive(Clone, Debug, Default)]
pub struct LedgerNews {
    told: Arc<Told>,
}

#[derive(Debug, Default)]
struct Told {
    /// How many there are, to find out without the lock that there is none.
    waiting: AtomicU64,
    reachable: AtomicBool,
    list: Mutex<Vec<(String, Option<SpanId>)>>,
}

/// How many may wait.
const MOST: usize = 16_384;

impl LedgerNews {
    /// The operation of that id, which this process began with that span, is over. Where there is no room it is left out:
    /// then it counts as running here until the next call by that id.
    pub fn ended(&self, id: &str, span_id: Option<SpanId>) {
        let end = (id.to_owned(), span_id);
        let mut list = self.told.list.lock();
        if list.len() < MOST {
            list.push(end);
            self.told.waiting.store(list.len() as u64, Ordering::Release);
        }
    }

    /// What had to be told later has been, and nothing is in the way.
    pub fn reachable(&self) {
        self.told.reachable.store(true, Ordering::Release);
    }

    /// Whether that was told since the last time.
    pub(crate) fn take_reachable(&self) -> bool {
        self.told.reachable.load(Ordering::Acquire) && self.told.reachable.swap(false, Ordering::AcqRel)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.waiting.load(Ordering::Acquire) == 0
    }

    pub(crate) fn take(&self) -> Vec<(String, Option<SpanId>)> {
        let mut list = self.told.list.lock();
        self.told.waiting.store(0, Ordering::Release);
        std::mem::take(&mut *list)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_waits_until_it_is_taken_and_is_bounded() {
        let ends = LedgerNews::default();
        assert!(ends.is_empty());
        ends.clone().ended("a", SpanId::new(1));
        assert!(!ends.is_empty());
        assert_eq!(ends.take(), [("a".to_owned(), SpanId::new(1))]);
        assert!(ends.is_empty() && ends.take().is_empty());
        ends.reachable();
        assert!(ends.take_reachable() && !ends.take_reachable());
        (0..=MOST).for_each(|n| ends.ended(&n.to_string(), None));
        assert_eq!(ends.take().len(), MOST);
    }
}
