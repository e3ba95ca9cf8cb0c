//! Errors that a program records by hand.

use std::error::Error;
use std::fmt::{self, Display};
use std::panic::Location;

use smallvec::SmallVec;

use super::outcome::{Caused, Displayed};
use crate::model::{FieldValue, Fingerprint, Severity};
use crate::record::errors::{MAX_CONTEXT, Place, Report, report};
use crate::record::failure::Failure;
use crate::record::recorder::RecorderRef;

/// An error about to be recorded: [`Monitor::error`](crate::Monitor::error).
///
/// Inside a tracked call it belongs to that call: its place is the operation. Outside of any, its place is the source
/// file of the line that records it.
///
/// ```
/// use monitor_core::{Monitor, Severity};
///
/// let local = Monitor::builder().build()?;
/// let error = "x".parse::<u8>().unwrap_err();
/// local.error(&error).severity(Severity::High).component("config").context("key", "retries").record();
///
/// let snapshot = local.snapshot();
/// let group = &snapshot.errors()[0];
/// assert_eq!((group.kind.as_str(), group.count), ("core::num::error::ParseIntError", 1));
/// assert_eq!(group.newest().unwrap().context[0].0, "key");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[must_use = "an error is recorded with `record`"]
pub struct ErrorBuilder<'a> {
    recorder: RecorderRef,
    error: Said<'a>,
    kind: Option<&'a str>,
    severity: Severity,
    component: &'a str,
    fingerprint: Option<Fingerprint>,
    context: SmallVec<[(&'a str, FieldValue); 2]>,
    location: &'static Location<'static>,
}

/// The error, with the way to put it into words.
type Said<'a> = Box<dyn Failure + 'a>;

impl<'a> ErrorBuilder<'a> {
    pub(crate) fn of_error<E: Error + ?Sized>(
        recorder: RecorderRef,
        error: &'a E,
        location: &'static Location<'static>,
    ) -> Self {
        Self::new(recorder, Box::new(Caused(error)), location)
    }

    pub(crate) fn of_message<E: Display + ?Sized>(
        recorder: RecorderRef,
        message: &'a E,
        location: &'static Location<'static>,
    ) -> Self {
        Self::new(recorder, Box::new(Displayed(message)), location)
    }

    fn new(recorder: RecorderRef, error: Said<'a>, location: &'static Location<'static>) -> Self {
        Self {
            recorder,
            error,
            kind: None,
            severity: Severity::default(),
            component: "",
            fingerprint: None,
            context: SmallVec::new(),
            location,
        }
    }

    /// A word of your own for the kind of error. Default: the error's type.
    pub fn kind(mut self, kind: &'a str) -> Self {
        self.kind = Some(kind);
        self
    }

    /// How bad it is. Default: [`Severity::Medium`].
    pub fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// The part of the program that it belongs to. Default: that of the operation it is recorded in.
    pub fn component(mut self, component: &'a str) -> Self {
        self.component = component;
        self
    }

    /// Something that helps to understand this error; up to 32 of them, texts up to 256 bytes.
    pub fn context(mut self, key: &'a str, value: impl Into<FieldValue>) -> Self {
        if self.context.len() < MAX_CONTEXT {
            self.context.push((key, value.into()));
        }
        self
    }

    /// The group that it belongs to, if kind, place and message do not say it well.
    pub fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// Records the error. Its text is asked for only if it is looked at: of errors that one line of the program records
    /// on one thread, with one kind, severity and fingerprint, ten at once and then ten a second. The others are counted.
    pub fn record(self) {
        let location = self.location;
        let place = Place { file: location.file(), line: location.line(), column: location.column() };
        let found = Report {
            error: &*self.error,
            kind: self.kind,
            severity: self.severity,
            component: self.component,
            fingerprint: self.fingerprint,
            context: &self.context,
            place,
            here: None,
        };
        report(&self.recorder, &found);
    }
}

impl fmt::Debug for ErrorBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the error: its `Debug` is code of the host that nobody asked for.
        f.debug_struct("ErrorBuilder")
            .field("kind", &self.kind)
            .field("severity", &self.severity)
            .field("component", &self.component)
            .field("location", &self.location)
            .finish_non_exhaustive()
    }
}
