//! The caches of a monitor.

use crate::base::clock::Anchor;
use crate::model::CacheStats;

/// The caches of a monitor, by name.
#[derive(Default)]
pub(crate) struct Caches;

impl Caches {
    /// All of them.
    #[expect(clippy::unused_self, reason = "filled by a later commit")]
    pub(crate) fn read(&self, _anchor: &Anchor<'_>) -> Vec<CacheStats> {
        Vec::new()
    }
}
