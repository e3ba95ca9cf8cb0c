//! Where audit entries are kept.

use std::fmt;
use std::sync::Arc;

use crate::model::{AuditDraft, AuditEntry, AuditError};

/// A place that keeps audit entries, each chained to the one before it.
///
/// `AuditLog` is one (feature `sqlite`). Reading and checking are the business of
/// [`History`](crate::History). Called on the thread that asks, under no lock of the monitor; a panic in it is contained,
/// counted, and becomes an error.
///
/// ```
/// use monitor_core::{AuditDraft, AuditEntry, AuditError, AuditTrail, Monitor};
///
/// /// A program that keeps none and says so.
/// struct Nowhere;
///
/// impl AuditTrail for Nowhere {
///     fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
///         Err(AuditError::unavailable(format!("{} wanted to {}", draft.actor, draft.action)))
///     }
/// }
///
/// let local = Monitor::builder().audit_trail(Nowhere).build()?;
/// let error = local.audit("alice", "deploy").write().unwrap_err();
/// assert!(error.to_string().ends_with("alice wanted to deploy"));
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub trait AuditTrail: Send + Sync {
    /// Adds an entry to the end of the chain. When it returns, the entry must be there after a power cut; when it fails, it
    /// must not be there.
    ///
    /// # Errors
    /// [`AuditError`]: the entry may not be kept as it is, or the place cannot be reached, has no room or was tampered with.
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError>;
}

impl<T: AuditTrail + ?Sized> AuditTrail for Arc<T> {
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
        (**self).write(draft)
    }
}

/// An audit entry that is being put together: of [`Monitor::audit`](crate::Monitor::audit) and `AuditLog::record`. Nothing
/// is kept before [`write`](Self::write).
///
/// Texts may be of any length. Those over a bound (actor, action: 200 bytes; target, source, value of a detail: 1,024; key of a
/// detail: 128) are cut and end in `… (5000 bytes)`, the length that they had; details beyond the 32nd are counted in one
/// that is named `(more)`.
#[must_use = "nothing is kept before `write`"]
pub struct AuditBuilder<'a> {
    draft: AuditDraft,
    write: Box<Write<'a>>,
}

/// What keeps an entry.
type Write<'a> = dyn FnOnce(&AuditDraft) -> Result<AuditEntry, AuditError> + Send + 'a;

impl<'a> AuditBuilder<'a> {
    pub(crate) fn new(
        draft: AuditDraft,
        write: impl FnOnce(&AuditDraft) -> Result<AuditEntry, AuditError> + Send + 'a,
    ) -> AuditBuilder<'a> {
        AuditBuilder { draft, write: Box::new(write) }
    }

    /// To what it was done.
    pub fn target(self, target: &str) -> Self {
        Self { draft: self.draft.target(target), ..self }
    }

    /// From where: an address, a machine, a program.
    pub fn source(self, source: &str) -> Self {
        Self { draft: self.draft.source(source), ..self }
    }

    /// What else is to be known. The same key once more replaces what was said.
    pub fn detail(self, key: &str, value: &str) -> Self {
        Self { draft: self.draft.detail(key, value), ..self }
    }

    /// Keeps the entry. It is there after a power cut when this returns, and it returns what was kept.
    ///
    /// Cost: as long as the disk takes to flush, which may be some milliseconds, and up to some seconds while others have
    /// the file.
    ///
    /// # Errors
    /// [`AuditError`]: without an actor or an action, without a place, or the place failed. Nothing is kept then.
    pub fn write(self) -> Result<AuditEntry, AuditError> {
        self.draft.check()?;
        (self.write)(&self.draft)
    }
}

impl fmt::Debug for AuditBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditBuilder").field("draft", &self.draft).finish_non_exhaustive()
    }
}
