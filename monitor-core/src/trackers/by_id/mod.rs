//! Operations that are begun in one place and ended in another: the builders of both ends.
//!
//! | file | owns |
//! |---|---|
//! | `error` | why an operation could not be begun, moved to a step or ended |
//!
//! A builder that is dropped does what it was made for all the same, so that a line of code without the last word is not
//! a silent nothing. What went wrong then is counted, since nobody hears of it.

pub(crate) mod error;

use std::error::Error;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use self::error::OperationIdError;
use super::outcome::{Caused, Displayed};
use crate::base::names::{MAX_NAME_BYTES, bounded_name, truncated};
use crate::model::{ErrorText, FieldValue, OperationStatus, Outcome};
use crate::record::by_id::{self, EndExtras};
use crate::record::call::sorted;
use crate::record::failure::{Failure, describe};
use crate::record::recorder::RecorderRef;
use crate::record::registry::{DEFAULT_KIND, Identity};
use crate::store::by_id::{End, Plan, Refused};

/// Fields that an operation by id keeps from its beginning, and as many from its end; further ones are left out.
const MAX_FIELDS: usize = 32;
/// Longest text of a field while the operation runs, in bytes; what is longer is cut.
const MAX_FIELD_BYTES: usize = 256;

/// The recorder of this process: what a forked child inherited must not be touched.
fn here(recorder: &RecorderRef) -> RecorderRef {
    if recorder.is_inherited() { RecorderRef::of_process() } else { recorder.clone() }
}

fn told(recorder: &RecorderRef, id: &str, refused: &Refused) -> OperationIdError {
    OperationIdError::new(id, refused, &recorder.clock.anchor())
}

fn count_unheard(recorder: &RecorderRef) {
    here(recorder).counts.by_id_errors.fetch_add(1, Ordering::Relaxed);
}

#[derive(Default)]
struct Fields(Vec<(&'static str, FieldValue)>);

impl Fields {
    fn push(&mut self, key: &'static str, value: FieldValue) {
        if self.0.len() < MAX_FIELDS {
            let value = match value {
                FieldValue::Text(text) => FieldValue::Text(truncated(&text, MAX_FIELD_BYTES).into_owned()),
                other => other,
            };
            self.0.push((key, value));
        }
    }
}

/// An operation by id that is about to begin: [`Monitor::begin`](crate::Monitor::begin).
///
/// [`start`](Self::start) begins it and says if it could not. Dropped without it, it begins all the same, unless a panic
/// drops it; an error is then counted in [`MonitorStats::by_id_errors`](crate::MonitorStats::by_id_errors).
///
/// ```
/// use monitor_core::{ManualClock, Monitor};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let local = Monitor::builder().clock(&clock).build()?;
/// local.begin("nightly-42", "backup").kind("batch").worker("w1").input_bytes(1 << 30).start()?;
/// local.step("nightly-42", "dump")?;
/// clock.advance(Duration::from_secs(5));
/// local.step("nightly-42", "upload")?;
/// clock.advance(Duration::from_secs(2));
///
/// // Elsewhere: another function, another thread.
/// let ended = local.end("nightly-42").success().items(150).output_bytes(1 << 20).finish()?;
/// assert_eq!(ended.duration, Duration::from_secs(7));
/// let steps: Vec<_> = ended.by_id.steps.iter().map(|step| (step.name.as_str(), step.duration.as_secs())).collect();
/// assert_eq!(steps, [("dump", 5), ("upload", 2)]);
/// assert_eq!(local.snapshot().operation("backup").unwrap().items, 150);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BeginById<'a> {
    recorder: RecorderRef,
    id: &'a str,
    name: &'a str,
    kind: &'a str,
    component: &'a str,
    labels: Vec<(&'a str, &'a str)>,
    worker: Option<&'a str>,
    input_bytes: Option<u64>,
    fields: Fields,
    said: bool,
    was_panicking: bool,
}

#[allow(clippy::must_use_candidate, clippy::return_self_not_must_use, reason = "dropped, it does what it says")]
impl<'a> BeginById<'a> {
    pub(crate) fn new(recorder: RecorderRef, id: &'a str, name: &'a str) -> Self {
        Self {
            recorder,
            id,
            name,
            kind: DEFAULT_KIND,
            component: "",
            labels: Vec::new(),
            worker: None,
            input_bytes: None,
            fields: Fields::default(),
            said: false,
            was_panicking: std::thread::panicking(),
        }
    }

    /// What sort of work it is, as [`OperationBuilder::kind`](crate::OperationBuilder::kind) has it. Default:
    /// `function`.
    pub fn kind(mut self, kind: &'a str) -> Self {
        self.kind = kind;
        self
    }

    /// The part of the program that it belongs to. Default: none.
    pub fn component(mut self, component: &'a str) -> Self {
        self.component = component;
        self
    }

    /// A label: few distinct values, each with statistics of its own. See
    /// [`OperationBuilder::label`](crate::OperationBuilder::label).
    pub fn label(mut self, key: &'a str, value: &'a str) -> Self {
        self.labels.push((key, value));
        self
    }

    /// Who works on it: a thread, a machine, a queue's consumer. At most 200 bytes, longer ones are cut. Default: none.
    pub fn worker(mut self, worker: &'a str) -> Self {
        self.worker = Some(worker);
        self
    }

    /// Size of what goes in, in bytes. Default: not known.
    pub fn input_bytes(mut self, bytes: u64) -> Self {
        self.input_bytes = Some(bytes);
        self
    }

    /// A field for the individual record. At most 32, texts of at most 256 bytes; further ones are left out.
    pub fn field(mut self, key: &'static str, value: impl Into<FieldValue>) -> Self {
        self.fields.push(key, value.into());
        self
    }

    /// Begins the operation.
    ///
    /// It counts as any operation of its name, but has no parent and is nobody's: it is on no thread. It begins also
    /// while the monitor is switched off, and is then not recorded. Costs about a microsecond.
    ///
    /// # Errors
    /// [`AlreadyRunning`](OperationIdError::AlreadyRunning), [`TooMany`](OperationIdError::TooMany),
    /// [`InvalidId`](OperationIdError::InvalidId).
    pub fn start(mut self) -> Result<(), OperationIdError> {
        self.begin()
    }

    fn begin(&mut self) -> Result<(), OperationIdError> {
        self.said = true;
        OperationIdError::check(self.id)?;
        let recorder = here(&self.recorder);
        let plan = Plan {
            id: Arc::from(self.id),
            name: bounded_name(self.name).into(),
            kind: bounded_name(self.kind).into(),
            component: truncated(self.component, MAX_NAME_BYTES).into(),
            worker: self.worker.map(|worker| truncated(worker, MAX_NAME_BYTES).into()),
            input_bytes: self.input_bytes,
            fields: std::mem::take(&mut self.fields).0,
        };
        let labels = sorted(self.labels.iter().copied());
        let identity = Identity { name: self.name, kind: self.kind, component: self.component, labels: &labels };
        by_id::begin(&recorder, plan, &identity).map_err(|refused| told(&recorder, self.id, &refused))
    }
}

impl Drop for BeginById<'_> {
    fn drop(&mut self) {
        // Half described because describing it panicked: the operation was not meant to be.
        let panicked = !self.was_panicking && std::thread::panicking();
        if !self.said && !panicked && self.begin().is_err() {
            count_unheard(&self.recorder);
        }
    }
}

impl fmt::Debug for BeginById<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BeginById").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

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
    /// # Errors
    /// [`NeverBegun`](OperationIdError::NeverBegun), [`AlreadyEnded`](OperationIdError::AlreadyEnded),
    /// [`InvalidId`](OperationIdError::InvalidId).
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
        let extras = EndExtras { fields: std::mem::take(&mut self.fields).0, error };
        match by_id::end(&recorder, self.id, end, extras) {
            Ok(entry) => Ok(entry.status(&recorder.clock.anchor())),
            Err(refused) => Err(told(&recorder, self.id, &refused)),
        }
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

/// Has an operation go on to its next step.
pub(crate) fn step(recorder: &RecorderRef, id: &str, name: &str) -> Result<(), OperationIdError> {
    OperationIdError::check(id)?;
    by_id::step(recorder, id, bounded_name(name).into()).map_err(|refused| told(recorder, id, &refused))
}
