//! Why an entry was not kept, or a trail not checked.

use std::error::Error;
use std::fmt;

/// Why an audit entry was not kept, or a trail not checked: opaque, with questions to ask it. The text says what was wrong,
/// what is allowed and what to do.
///
/// An entry that was not kept is not in the trail. The one exception: when the disk fails in the very moment of the commit,
/// the entry may be there all the same.
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// let error = local.audit("alice", "deploy").write().unwrap_err();
/// assert!(error.is_no_place());
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Debug)]
pub struct AuditError {
    kind: Kind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    NoPlace,
    Unavailable,
    Full,
    Tampered,
}

impl AuditError {
    fn new(kind: Kind, message: impl Into<String>) -> AuditError {
        AuditError { kind, message: message.into(), source: None }
    }

    fn of(kind: Kind, message: String, error: impl Into<Box<dyn Error + Send + Sync>>) -> AuditError {
        AuditError { kind, message, source: Some(error.into()) }
    }

    /// What was to be kept is not allowed.
    #[must_use]
    pub fn invalid(why: impl Into<String>) -> AuditError {
        AuditError::new(Kind::Invalid, why)
    }

    /// The monitor has no place for audit entries.
    pub(crate) fn no_place() -> AuditError {
        AuditError::new(
            Kind::NoPlace,
            "this monitor has no place for audit entries; give it one with `.sqlite(..)` or `.audit_trail(..)` when it is \
             built, after the fork in a forked child",
        )
    }

    /// The trail cannot be read or written, for now or for good.
    #[must_use]
    pub fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> AuditError {
        let error = error.into();
        AuditError::of(Kind::Unavailable, format!("the audit trail cannot be reached: {error}"), error)
    }

    /// There is no room for the entry.
    #[must_use]
    pub fn full(error: impl Into<Box<dyn Error + Send + Sync>>) -> AuditError {
        let error = error.into();
        AuditError::of(
            Kind::Full,
            format!("there is no room for the audit entry: {error}; make room and try again"),
            error,
        )
    }

    /// Somebody changed the trail in such a way that nothing can be added to it.
    #[must_use]
    pub fn tampered(what: impl fmt::Display) -> AuditError {
        AuditError::new(
            Kind::Tampered,
            format!(
                "the audit trail was changed from outside: {what}; `verify` says what else, keep the file as evidence and \
                 begin a new one"
            ),
        )
    }

    /// What was to be kept is not allowed, such as an entry without an actor.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::Invalid
    }

    /// The monitor has no place for audit entries.
    #[must_use]
    pub fn is_no_place(&self) -> bool {
        self.kind == Kind::NoPlace
    }

    /// The trail cannot be read or written, for now or for good.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        self.kind == Kind::Unavailable
    }

    /// There is no room for the entry.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.kind == Kind::Full
    }

    /// Somebody changed the trail in such a way that nothing can be added to it.
    #[must_use]
    pub fn is_tampered(&self) -> bool {
        self.kind == Kind::Tampered
    }
}

impl fmt::Display for AuditError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for AuditError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|error| error as _)
    }
}
