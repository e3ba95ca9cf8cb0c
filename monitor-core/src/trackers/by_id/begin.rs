//! The builder that begins an operation by id.

use std::fmt;
use std::sync::Arc;

use super::error::OperationIdError;
use super::ledger::{Failed, Ledger};
use super::{Fields, count_unheard, here, told};
use crate::base::names::{MAX_NAME_BYTES, bounded_name, truncated};
use crate::model::FieldValue;
use crate::record::by_id::{self, Refused};
use crate::record::call::sorted;
use crate::record::recorder::RecorderRef;
use crate::record::registry::{DEFAULT_KIND, Identity};
use crate::store::by_id::Plan;

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
    /// It counts as any operation of its name, but has no parent and is nobody's: it is on no thread. It belongs to the
    /// trace in which it begins, with the fields of the [`Context`](crate::Context) there, wherever it ends. It begins also
    /// while the monitor is switched off, and is then not recorded. Costs about a microsecond; some 40 where other processes
    /// [know of it](crate::MonitorBuilder::operation_ledger), and a second at most when they cannot be reached, in which case it
    /// begins in this process, and they are told later.
    ///
    /// # Errors
    /// [`AlreadyRunning`](OperationIdError::AlreadyRunning), also in another process; [`TooMany`](OperationIdError::TooMany),
    /// [`InvalidId`](OperationIdError::InvalidId), [`Reentrant`](OperationIdError::Reentrant).
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
        let begun = match Ledger::of(&recorder) {
            Some(ledger) => ledger.begin(plan, &identity),
            None => begin_here(&recorder, plan, &identity).map_err(Failed::Here),
        };
        begun.map_err(|failed| told(&recorder, self.id, failed))
    }
}

fn begin_here(recorder: &RecorderRef, plan: Plan, identity: &Identity<'_>) -> Result<(), Refused> {
    by_id::may_begin(recorder, &plan.id)?;
    let drawn = by_id::draw(recorder)?;
    by_id::begin(recorder, plan, identity, drawn, false)
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
