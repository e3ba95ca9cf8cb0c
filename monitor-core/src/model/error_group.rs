//! Errors that came back, by group.

use serde::{Deserialize, Serialize};

/// Errors of one kind, from one place, with one message but for numbers and the like.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// Type of the errors, or the host's word for them.
    pub kind: String,
}
