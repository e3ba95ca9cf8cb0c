//! Progress of long jobs.

use super::Monitor;
use crate::model::ProgressStats;
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

    /// How far all jobs are right now, as [`Snapshot::progress`](crate::Snapshot::progress) has them: those that run, in
    /// the order in which they began, then those that ended, the last one first.
    #[must_use]
    pub fn jobs(&self) -> Vec<ProgressStats> {
        let recorder = self.recorder();
        recorder.stores.progress.read(&recorder.clock.anchor())
    }
}
