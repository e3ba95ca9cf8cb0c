//! Progress of long jobs.

use super::Monitor;
use crate::trackers::progress::ProgressBuilder;

impl Monitor {
    /// A job to start whose progress is followed, see [`ProgressBuilder`] and [`Progress`](crate::Progress).
    ///
    /// ```
    /// use monitor_core::monitor;
    ///
    /// let import = monitor().progress("data_import").total(1_000).start();
    /// import.inc(250);
    /// assert_eq!(import.stats().fraction(), Some(0.25));
    /// ```
    pub fn progress<'a>(&self, name: &'a str) -> ProgressBuilder<'a> {
        ProgressBuilder::new(self.recorder(), name)
    }
}
