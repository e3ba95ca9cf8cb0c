//! How far a long job is.

use serde::{Deserialize, Serialize};

/// How far one job is.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProgressStats {
    /// Name of the job.
    pub name: String,
}
