//! Caches of a monitor.

use super::Monitor;
use crate::trackers::caches::Cache;

/// # Caches
impl Monitor {
    /// The cache of that name, see [`Cache`]: made when it is first asked for. Keep it: looking it up costs some nanoseconds
    /// for each cache there is.
    ///
    /// ```
    /// use monitor_core::monitor;
    ///
    /// let users = monitor().cache("users");
    /// users.miss();
    /// users.hits(3);
    /// assert_eq!(users.stats().hit_rate(), Some(0.75));
    /// ```
    #[must_use]
    pub fn cache(&self, name: &str) -> Cache {
        Cache::new(self.recorder(), name)
    }
}
