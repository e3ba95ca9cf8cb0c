//! The queues of a monitor.

use crate::base::clock::Anchor;
use crate::model::QueueStats;

/// The queues of a monitor, by name.
#[derive(Default)]
pub(crate) struct Queues;

impl Queues {
    /// All of them.
    #[expect(clippy::unused_self, reason = "filled by a later commit")]
    pub(crate) fn read(&self, _anchor: &Anchor<'_>) -> Vec<QueueStats> {
        Vec::new()
    }
}
