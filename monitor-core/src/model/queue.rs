//! A queue, as it is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A queue at one moment.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueStats {
    /// Its name.
    pub name: String,
}

/// What came between two moments, `window` apart.
pub(super) fn all_since(later: &[QueueStats], earlier: &[QueueStats], window: Duration) -> Vec<QueueStats> {
    let _ = (earlier, window);
    later.to_vec()
}
