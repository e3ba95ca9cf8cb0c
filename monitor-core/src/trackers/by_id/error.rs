//! Why an operation could not be begun, moved to a step or ended by its id.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::ledger::Failed;
use crate::base::clock::Anchor;
use crate::base::names::{MAX_NAME_BYTES, truncated};
use crate::model::Outcome;
use crate::model::text::{format_count, format_duration, one_line};
use crate::ports::operations::LedgerError;
use crate::record::by_id::{Entry, Refused};
use crate::store::by_id::{ENDED, RUNNING};

/// Why an operation could not be begun, moved to a step or ended by its id. Nothing has changed.
///
/// ```
/// use monitor_core::{Monitor, OperationIdError};
///
/// let local = Monitor::builder().build()?;
/// local.begin("nightly-42", "backup").worker("w1").start()?;
///
/// let error = local.begin("nightly-42", "backup").start().unwrap_err();
/// assert!(matches!(&error, OperationIdError::AlreadyRunning { worker, .. } if worker.as_deref() == Some("w1")));
/// assert_eq!(local.end("nightly-43").finish(), Err(OperationIdError::NeverBegun { id: "nightly-43".into() }));
///
/// local.end("nightly-42").finish()?;
/// let error = local.end("nightly-42").finish().unwrap_err();
/// assert!(matches!(&error, OperationIdError::AlreadyEnded { name, .. } if name == "backup"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationIdError {
    /// It has been begun and not ended: it cannot begin once more.
    #[non_exhaustive]
    AlreadyRunning {
        /// The id.
        id: String,
        /// Name of the operation that runs.
        name: String,
        /// How long it has been running.
        running_for: Duration,
        /// Who works on it, if that was said.
        worker: Option<String>,
    },
    /// No operation of that id was begun with this monitor, nor in another process that it shares them with; or it ended so long ago that it is no longer remembered: the
    /// last 1,024 ends are.
    NeverBegun {
        /// The id.
        id: String,
    },
    /// It has ended before.
    #[non_exhaustive]
    AlreadyEnded {
        /// The id.
        id: String,
        /// Name of the operation.
        name: String,
        /// How it ended.
        outcome: Outcome,
        /// How long ago it ended.
        ended_ago: Duration,
    },
    /// As many operations by id run as are allowed: 10,000.
    #[non_exhaustive]
    TooMany {
        /// The id.
        id: String,
        /// How many are allowed.
        most: usize,
    },
    /// The id is empty or longer than 200 bytes. It is not cut, because then two ids could become one.
    #[non_exhaustive]
    InvalidId {
        /// The first 40 bytes of it.
        id: String,
        /// How many bytes it has.
        bytes: usize,
    },
    /// It is not known here, and where operations are known to all processes nobody could be asked just now.
    #[non_exhaustive]
    Unreachable {
        /// The id.
        id: String,
        /// Why not.
        why: String,
    },
    /// The monitor was asked from within itself, such as by a memory allocator that it calls.
    #[non_exhaustive]
    Reentrant {
        /// The id.
        id: String,
    },
}

impl OperationIdError {
    /// Refuses ids that cannot be kept as they are.
    pub(super) fn check(id: &str) -> Result<(), OperationIdError> {
        if id.is_empty() || id.len() > MAX_NAME_BYTES {
            let shown = truncated(id, 40).into_owned();
            return Err(OperationIdError::InvalidId { id: shown, bytes: id.len() });
        }
        Ok(())
    }

    pub(super) fn new(id: &str, failed: &Failed, anchor: &Anchor<'_>) -> OperationIdError {
        match failed {
            Failed::Here(refused) => OperationIdError::of_here(id, refused, anchor),
            Failed::Elsewhere(error) => OperationIdError::of_ledger(id, error, anchor),
        }
    }

    fn of_ledger(id: &str, error: &LedgerError, anchor: &Anchor<'_>) -> OperationIdError {
        let id = id.to_owned();
        let ago = |at: SystemTime| anchor.wall.duration_since(at).unwrap_or_default();
        match error {
            LedgerError::AlreadyRunning { name, since, worker } => {
                let (name, worker) = (name.clone(), worker.clone());
                OperationIdError::AlreadyRunning { id, name, running_for: ago(*since), worker }
            }
            LedgerError::NeverBegun => OperationIdError::NeverBegun { id },
            LedgerError::AlreadyEnded { name, outcome, at } => {
                OperationIdError::AlreadyEnded { id, name: name.clone(), outcome: *outcome, ended_ago: ago(*at) }
            }
            LedgerError::Unreachable(why) => OperationIdError::Unreachable { id, why: why.clone() },
        }
    }

    fn of_here(id: &str, refused: &Refused, anchor: &Anchor<'_>) -> OperationIdError {
        let id = id.to_owned();
        let name = |entry: &Entry| entry.plan.name.to_string();
        match refused {
            Refused::AlreadyRunning(entry) => OperationIdError::AlreadyRunning {
                id,
                name: name(entry),
                running_for: anchor.age(entry.since),
                worker: entry.plan.worker.as_deref().map(str::to_owned),
            },
            Refused::NeverBegun => OperationIdError::NeverBegun { id },
            Refused::AlreadyEnded(entry) => OperationIdError::AlreadyEnded {
                id,
                name: name(entry),
                outcome: entry.outcome().unwrap_or(Outcome::Success),
                ended_ago: anchor
                    .age(entry.since)
                    .saturating_sub(Duration::from_nanos(entry.duration_ns().unwrap_or(0))),
            },
            Refused::TooMany => OperationIdError::TooMany { id, most: RUNNING },
            Refused::Reentrant => OperationIdError::Reentrant { id },
        }
    }

    /// The id that was given; of an over-long one the first 40 bytes.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            OperationIdError::AlreadyRunning { id, .. }
            | OperationIdError::NeverBegun { id }
            | OperationIdError::AlreadyEnded { id, .. }
            | OperationIdError::TooMany { id, .. }
            | OperationIdError::InvalidId { id, .. }
            | OperationIdError::Unreachable { id, .. }
            | OperationIdError::Reentrant { id } => id,
        }
    }
}

impl fmt::Display for OperationIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Ids and names are quoted as `Debug` does it: they come from anywhere, and a log line must stay one.
        match self {
            OperationIdError::AlreadyRunning { id, name, running_for, worker } => {
                write!(
                    f,
                    "operation {id:?} is running already: {name:?}, begun {} ago",
                    format_duration(*running_for)
                )?;
                worker.iter().try_for_each(|worker| write!(f, " by {worker:?}"))?;
                f.write_str("; end it first, or begin with another id")
            }
            OperationIdError::NeverBegun { id } => write!(
                f,
                "operation {id:?} was never begun with this monitor, or is not among the last {} that ended; begin it \
                 before it goes to a step or ends",
                format_count(ENDED as u64)
            ),
            OperationIdError::AlreadyEnded { id, name, outcome, ended_ago } => write!(
                f,
                "operation {id:?} ({name:?}) ended {} ago with the outcome {outcome}; it ends once: begin it anew first",
                format_duration(*ended_ago)
            ),
            OperationIdError::TooMany { id, most } => write!(
                f,
                "operation {id:?} cannot begin: {} are running, as many as are allowed; end those that are done",
                format_count(*most as u64)
            ),
            OperationIdError::InvalidId { id, bytes: 0 } => {
                write!(f, "the id {id:?} is empty; allowed are 1 to {MAX_NAME_BYTES} bytes")
            }
            OperationIdError::InvalidId { id, bytes } => {
                write!(f, "the id {id:?} has {bytes} bytes; allowed are 1 to {MAX_NAME_BYTES}")
            }
            OperationIdError::Unreachable { id, why } => write!(
                f,
                "operation {id:?} is not known to this process, and others cannot be asked: {}; try again, and look at \
                 the file of the history",
                one_line(why)
            ),
            OperationIdError::Reentrant { id } => write!(
                f,
                "operation {id:?} was asked for from inside the monitor, such as by a memory allocator that it calls; \
                 ask from elsewhere"
            ),
        }
    }
}

impl std::error::Error for OperationIdError {}
