//! The metrics of a monitor.

use crate::base::clock::Anchor;
use crate::model::MetricStats;

/// The metrics of a monitor, by name.
#[derive(Default)]
pub(crate) struct Metrics;

impl Metrics {
    /// All of them.
    #[expect(clippy::unused_self, reason = "filled by a later commit")]
    pub(crate) fn read(&self, _anchor: &Anchor<'_>) -> Vec<MetricStats> {
        Vec::new()
    }
}
