//! A metric of the host, which came through the `metrics` facade, as it is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A metric of the host, which came through the `metrics` facade at one moment.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricStats {
    /// Its name.
    pub name: String,
}

/// What came between two moments, `window` apart.
pub(super) fn all_since(later: &[MetricStats], earlier: &[MetricStats], window: Duration) -> Vec<MetricStats> {
    let _ = (earlier, window);
    later.to_vec()
}
