//! The builder that ends an operation by id.

use std::error::Error;
use std::fmt::{self, Display};

use super::super::outcome::{Caused, Displayed};
use super::error::OperationIdError;
use super::ledger::{Failed, Ledger};
use super::{Fields, count_unheard, here, told};
use crate::model::{ErrorText, FieldValue, OperationStatus, Outcome};
use crate::record::by_id::{self, EndExtras};
use crate::record::failure::{Failure, describe};
use crate::record::recorder::RecorderRef;
use crate::store::by_id::End;

/// An operation by id that is about to end: [`Monitor::end`](crate::Monitor::end).
///
/// [`finish`](Self::finish) ends it and tells what is known of it, or why it could not end. Dropped without it, it ends
/// all the same (as panicked, if a panic drops it); an error is then counted in
/// [`MonitorStats::by_id_errors`](crate::MonitorStats::by_id_errors).
///
/// ```
/// use monitor_core::{Monitor, Outcome};
///
/// let local = Monitor::builder().build()?;
/// local.begin("nightly-42", "backup").start()?;
/// let ended = local.end("nightly-42").failure_with("disk full").items(3).finish()?;
/// assert_eq!((ended.outcome, ended.items), (Some(Outcome::Failure), 3));
/// assert_eq!(local.recent(1)[0].error.as_ref().unwrap().message, "disk full");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EndById<'a> {
    recorder: RecorderRef,
    id: &'a str,
    outcome: Outcome,
    error: Option<Described>,
    items: u64,
    bytes: u64,
    output_bytes: Option<u64>,
    fields: Fields,
    said: bool,
    was_panicking: bool,
}

/// An error that was put into words when the program had it at hand.
struct Described {
    key: &'static str,
    text: ErrorText,
}

impl Described {
    /// `None` while the text of another error is being made: see [`describe`].
    fn new(failure: &dyn Failure) -> Option<Self> {
        describe(failure).map(|text| Self { key: failure.key(), text })
    }
}

impl Failure for Described {
    fn key(&self) -> &'static str {
        self.key
    }

    fn describe(&self) -> ErrorText {
        self.text.clone()
    }
}

#[allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "dropped, it does what it says")]
impl<'a> EndById<'a> {
    pub(crate) fn new(recorder: RecorderRef, id: &'a str) -> Self {
        Self {
            recorder,
            id,
            outcome: Outcome::Success,
            error: None,
            items: 0,
            bytes: 0,
            output_bytes: None,
            fields: Fields::default(),
            said: false,
            was_panicking: std::thread::panicking(),
        }
    }

    /// It succeeded, which is what is taken when nothing is said.
    pub fn success(mut self) -> Self {
        (self.outcome, self.error) = (Outcome::Success, None);
        self
    }

    /// It failed, with this error and its sources.
    pub fn failure<E: Error + ?Sized>(mut self, error: &E) -> Self {
        (self.outcome, self.error) = (Outcome::Failure, Described::new(&Caused(error)));
        self
    }

    /// It failed, with something that is no [`Error`]: a message, or anything that can be displayed.
    pub fn failure_with<E: Display + ?Sized>(mut self, message: &E) -> Self {
        (self.outcome, self.error) = (Outcome::Failure, Described::new(&Displayed(message)));
        self
    }

    /// It was given up before it was done, and that is nobody's error.
    pub fn cancelled(mut self) -> Self {
        (self.outcome, self.error) = (Outcome::Cancelled, None);
        self
    }

    /// Pieces of work it did. Default: 0.
    pub fn items(mut self, items: u64) -> Self {
        self.items = items;
        self
    }

    /// Bytes of work it did, which count for the operation as [`Figures::bytes`](crate::Figures::bytes). Default: 0.
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Size of what came out, in bytes. Default: not known.
    pub fn output_bytes(mut self, bytes: u64) -> Self {
        self.output_bytes = Some(bytes);
        self
    }

    /// A field for the individual record, beside those of the beginning. At most 32, texts of at most 256 bytes; further
    /// ones are left out.
    pub fn field(mut self, key: &'static str, value: impl Into<FieldValue>) -> Self {
        self.fields.push(key, value.into());
        self
    }

    /// Ends the operation and gives what is known of it. Of several that end one id, exactly one does.
    ///
    /// One that another process began is ended and counted here, in its series, if this process
    /// [shares](crate::MonitorBuilder::operation_ledger) what it knows: with its steps, its trace and its fields, and the time
    /// from its beginning by the wall clock.
    ///
    /// # Errors
    /// [`Unreachable`](OperationIdError::Unreachable) if only other processes may know it and cannot be asked;
    /// [`NeverBegun`](OperationIdError::NeverBegun), [`AlreadyEnded`](OperationIdError::AlreadyEnded),
    /// [`InvalidId`](OperationIdError::InvalidId), [`Reentrant`](OperationIdError::Reentrant).
    pub fn finish(mut self) -> Result<OperationStatus, OperationIdError> {
        self.end()
    }

    fn end(&mut self) -> Result<OperationStatus, OperationIdError> {
        self.said = true;
        OperationIdError::check(self.id)?;
        let recorder = here(&self.recorder);
        let Self { outcome, items, bytes, output_bytes, .. } = *self;
        let end = End { outcome, items, bytes, output_bytes };
        let error = self.error.as_ref().map(|error| -> &dyn Failure { error });
        let extras = EndExtras { fields: std::mem::take(&mut self.fields).0, error, by_id: None };
        let ended = match Ledger::of(&recorder) {
            Some(ledger) => ledger.end(self.id, end, extras),
            None => by_id::end(&recorder, self.id, end, extras).map_err(Failed::Here),
        };
        ended.map_err(|failed| told(&recorder, self.id, failed))
    }
}

impl Drop for EndById<'_> {
    fn drop(&mut self) {
        if self.said {
            return;
        }
        if !self.was_panicking && std::thread::panicking() {
            (self.outcome, self.error) = (Outcome::Panicked, None);
        }
        if self.end().is_err() {
            count_unheard(&self.recorder);
        }
    }
}

impl fmt::Debug for EndById<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndById").field("id", &self.id).field("outcome", &self.outcome).finish_non_exhaustive()
    }
}
