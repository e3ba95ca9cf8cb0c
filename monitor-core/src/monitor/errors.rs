//! Errors by hand, and what is to be thought of their groups.

use std::error::Error;
use std::fmt::Display;
use std::panic::Location;

use super::Monitor;
use crate::model::Fingerprint;
use crate::trackers::errors::ErrorBuilder;

/// # Errors
///
/// A tracked call that fails records its error by itself. These are for errors that no tracked call returns.
impl Monitor {
    /// An error to record, see [`ErrorBuilder`]. Costs less than a microsecond when it is one of many.
    #[track_caller]
    pub fn error<'a, E: Error + ?Sized>(&self, error: &'a E) -> ErrorBuilder<'a> {
        ErrorBuilder::of_error(self.recorder.clone(), error, Location::caller())
    }

    /// An error to record that is no [`Error`]: a message, or anything that can be displayed.
    ///
    /// ```
    /// use monitor_core::monitor;
    ///
    /// monitor().error_with("the queue is full").kind("backlog").record();
    /// ```
    #[track_caller]
    pub fn error_with<'a, E: Display + ?Sized>(&self, message: &'a E) -> ErrorBuilder<'a> {
        ErrorBuilder::of_message(self.recorder.clone(), message, Location::caller())
    }

    /// Says that the errors of a group are gone. If one comes again, the group is
    /// [`Regressed`](crate::ErrorState::Regressed). False if there is no such group.
    ///
    /// ```
    /// use monitor_core::{ErrorState, Monitor};
    ///
    /// let local = Monitor::builder().build()?;
    /// local.error_with("the queue is full").record();
    /// let fingerprint = local.snapshot().errors()[0].fingerprint;
    /// assert!(local.resolve_errors(fingerprint));
    /// assert_eq!(local.snapshot().errors()[0].state, ErrorState::Resolved);
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    #[expect(clippy::must_use_candidate, reason = "who resolves a group mostly knows that it is there")]
    pub fn resolve_errors(&self, fingerprint: Fingerprint) -> bool {
        let recorder = self.recorder();
        recorder.stores.errors.resolve(fingerprint, recorder.since_start_ns(recorder.clock.ticks()))
    }
}
