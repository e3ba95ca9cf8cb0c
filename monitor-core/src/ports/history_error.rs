//! Why a history did not answer.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why a history did not answer: opaque, with questions to ask it. The text says what was wrong, what is allowed and what
/// to do.
///
/// ```
/// use monitor_core::HistoryError;
///
/// let error = HistoryError::invalid("limit", 0, "1 to 1000");
/// assert!(error.is_invalid());
/// assert_eq!(error.to_string(), "limit is 0; allowed is 1 to 1000");
/// ```
#[derive(Debug)]
pub struct HistoryError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Invalid { what: &'static str, given: String, allowed: &'static str },
    Deadline { deadline: Duration },
    Unavailable { message: String, source: Option<Box<dyn Error + Send + Sync>> },
    Damaged { what: String },
}

impl HistoryError {
    /// What was asked for is not allowed.
    #[must_use]
    pub fn invalid(what: &'static str, given: impl fmt::Display, allowed: &'static str) -> HistoryError {
        let given = crate::base::names::truncated(&given.to_string(), 80).into_owned();
        HistoryError { kind: Kind::Invalid { what, given, allowed } }
    }

    /// It took longer than was allowed.
    #[must_use]
    pub fn deadline(deadline: Duration) -> HistoryError {
        HistoryError { kind: Kind::Deadline { deadline } }
    }

    /// The place of the history cannot be read.
    #[must_use]
    pub fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> HistoryError {
        let source = error.into();
        HistoryError { kind: Kind::Unavailable { message: source.to_string(), source: Some(source) } }
    }

    /// What is kept there cannot be understood.
    #[must_use]
    pub fn damaged(what: impl Into<String>) -> HistoryError {
        HistoryError { kind: Kind::Damaged { what: what.into() } }
    }

    /// What was asked for is not allowed: a range that ends before it begins, a limit of 0, a quantile above 1.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        matches!(self.kind, Kind::Invalid { .. })
    }

    /// It took longer than was allowed, and was broken off.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        matches!(self.kind, Kind::Deadline { .. })
    }

    /// The place of the history cannot be read, for now or for good.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self.kind, Kind::Unavailable { .. })
    }

    /// What is kept there cannot be understood.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self.kind, Kind::Damaged { .. })
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Invalid { what, given, allowed } => write!(f, "{what} is {given}; allowed is {allowed}"),
            Kind::Deadline { deadline } => write!(
                f,
                "the history did not answer within {deadline:?} and the search was broken off; ask for a shorter range \
                 or fewer entries, or allow a later deadline"
            ),
            Kind::Unavailable { message, .. } => write!(f, "the history cannot be read: {message}"),
            Kind::Damaged { what } => write!(f, "the history is damaged: {what}"),
        }
    }
}

impl Error for HistoryError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Unavailable { source: Some(source), .. } => source.source(),
            _ => None,
        }
    }
}
