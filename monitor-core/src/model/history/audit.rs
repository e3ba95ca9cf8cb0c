//! Audit entries.

use serde::{Deserialize, Serialize};

use super::TimeRange;

/// Which audit entries are wanted: those that fit everything that is said.
///
/// ```
/// use monitor_core::AuditFilter;
///
/// let filter = AuditFilter::new().actor("alice").action("deploy");
/// assert_eq!(filter.actor.as_deref(), Some("alice"));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AuditFilter {
    /// When it was recorded.
    pub range: TimeRange,
    /// Who.
    pub actor: Option<String>,
    /// What was done.
    pub action: Option<String>,
    /// To what.
    pub target: Option<String>,
}

impl AuditFilter {
    /// All entries.
    #[must_use]
    pub fn new() -> AuditFilter {
        AuditFilter::default()
    }

    /// Those that were recorded in that time.
    #[must_use]
    pub fn range(self, range: TimeRange) -> Self {
        Self { range, ..self }
    }

    /// Those of that actor.
    #[must_use]
    pub fn actor(self, actor: impl Into<String>) -> Self {
        Self { actor: Some(actor.into()), ..self }
    }

    /// Those of that action.
    #[must_use]
    pub fn action(self, action: impl Into<String>) -> Self {
        Self { action: Some(action.into()), ..self }
    }

    /// Those of that target.
    #[must_use]
    pub fn target(self, target: impl Into<String>) -> Self {
        Self { target: Some(target.into()), ..self }
    }
}
