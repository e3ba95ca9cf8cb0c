//! Groups of errors.

use serde::{Deserialize, Serialize};

use super::super::{ErrorGroup, Severity};
use super::TimeRange;

/// Which groups of errors are wanted: those that fit everything that is said.
///
/// ```
/// use monitor_core::{ErrorFilter, Severity};
///
/// let filter = ErrorFilter::new().min_severity(Severity::High).text("refused");
/// assert_eq!(filter.text.as_deref(), Some("refused"));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorFilter {
    /// An error of the group came in that time, which is rounded outwards to whole hours.
    pub range: TimeRange,
    /// At least that severity.
    pub min_severity: Option<Severity>,
    /// Kind of the errors.
    pub kind: Option<String>,
    /// A text in kind, place or message, in capitals or not.
    pub text: Option<String>,
    /// The component they belong to.
    pub component: Option<String>,
}

impl ErrorFilter {
    /// All groups.
    #[must_use]
    pub fn new() -> ErrorFilter {
        ErrorFilter::default()
    }

    /// Groups of which an error came in that time.
    #[must_use]
    pub fn range(self, range: TimeRange) -> Self {
        Self { range, ..self }
    }

    /// Groups of at least that severity.
    #[must_use]
    pub fn min_severity(self, severity: Severity) -> Self {
        Self { min_severity: Some(severity), ..self }
    }

    /// Groups of that kind.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// Groups with that text in kind, place or message.
    #[must_use]
    pub fn text(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// Groups of that component.
    #[must_use]
    pub fn component(self, component: impl Into<String>) -> Self {
        Self { component: Some(component.into()), ..self }
    }
}

/// A group of errors as it is found in a history.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredErrorGroup {
    /// The group. `count` is of all time, `last_hour` of the last hour that there is, and there are no samples in it.
    #[serde(flatten)]
    pub group: ErrorGroup,
    /// Errors in the time that was asked for.
    pub count_in_range: u64,
    /// The same an hour, over the part of that time in which there is a history.
    pub rate_per_hour: f64,
}
