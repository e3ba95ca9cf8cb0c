//! What can go wrong with a checkpoint.

use std::fmt;
use std::io;
use std::sync::Arc;

/// Why a checkpoint was not saved, read or removed.
///
/// [`kind`](Self::kind) is for programs; the text says what was wrong, where, and what to do. A checkpoint that cannot be
/// read stays where it is: a program may set it aside or [clear](crate::Progress::clear_checkpoint) it and begin anew,
/// and that is its decision.
///
/// ```
/// use monitor_core::{CheckpointErrorKind, Monitor};
///
/// let local = Monitor::builder().build()?;
/// let job = local.progress("import").start();
/// let error = job.checkpoint(&1).unwrap_err();
/// assert_eq!(error.kind(), CheckpointErrorKind::NoPlace);
/// assert_eq!(error.to_string(), "job `import` has no place for checkpoints; give it one with `.checkpoints(..)`");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct CheckpointError {
    kind: CheckpointErrorKind,
    message: String,
    source: Option<Arc<io::Error>>,
}

/// What sort of thing went wrong with a checkpoint.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CheckpointErrorKind {
    /// The job was given no place for checkpoints.
    NoPlace,
    /// The place has no room left. The checkpoint from before is as it was.
    StorageFull,
    /// The place could not be read or written for another reason, such as a folder that does not exist or may not be
    /// written to. The source is the system's error.
    Io,
    /// The state is larger than 64 MiB, or what is in the place is.
    TooLarge,
    /// The state could not be written as JSON.
    Unwritable,
    /// The checkpoint ends before its end.
    CutShort,
    /// The checkpoint is not as it was written: its checksum does not match.
    Damaged,
    /// What is there is not a checkpoint.
    NotACheckpoint,
    /// The checkpoint is of a version of the format that is not known here.
    OtherVersion,
    /// The checkpoint is of another job.
    OtherJob,
    /// The state in the checkpoint is not of the type that was asked for.
    OtherType,
    /// Code of the program that was called for it, such as `Serialize` or the place, panicked.
    Panicked,
    /// The place called for a checkpoint of the same job while it saved one.
    Reentrant,
    /// The job has [finished](crate::Progress::finish); a checkpoint would have the next run go on with it.
    Finished,
    /// The handle was inherited by a forked process, which must not touch the files of its parent.
    Forked,
}

impl CheckpointError {
    pub(crate) fn new(kind: CheckpointErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Of an error of the system, while `doing` something with the checkpoint at that place.
    pub(crate) fn io(doing: &str, location: &str, error: io::Error) -> Self {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let full = matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge);
        let (kind, advice) = if full {
            (CheckpointErrorKind::StorageFull, "; the one from before is as it was: make room and try again")
        } else {
            (CheckpointErrorKind::Io, "")
        };
        let message = format!("the checkpoint {location} could not be {doing}: {error}{advice}");
        Self { kind, message, source: Some(Arc::new(error)) }
    }

    /// What sort of thing went wrong.
    #[must_use]
    pub fn kind(&self) -> CheckpointErrorKind {
        self.kind
    }

    /// Whether there is a checkpoint that could be reached but not understood, so that the job neither can be resumed
    /// nor is known to be new.
    #[must_use]
    pub fn is_unreadable(&self) -> bool {
        use CheckpointErrorKind as Kind;
        matches!(
            self.kind,
            Kind::CutShort
                | Kind::Damaged
                | Kind::NotACheckpoint
                | Kind::OtherVersion
                | Kind::OtherJob
                | Kind::OtherType
                | Kind::TooLarge
        )
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
