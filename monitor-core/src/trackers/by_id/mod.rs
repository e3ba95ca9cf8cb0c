//! Operations that are begun in one place and ended in another: the builders of both ends.
//!
//! | file | owns |
//! |---|---|
//! | `begin`, `end` | the builder of either end |
//! | `ledger` | what is asked of other processes, and what comes of it here |
//! | `error` | why an operation could not be begun, moved to a step or ended |
//!
//! A builder that is dropped does what it was made for all the same, so that a line of code without the last word is not
//! a silent nothing. What went wrong then is counted, since nobody hears of it.

pub(crate) mod begin;
pub(crate) mod end;
pub(crate) mod error;
pub(crate) mod ledger;

use std::sync::atomic::Ordering;

use self::error::OperationIdError;
use self::ledger::{Failed, Ledger};
use crate::base::names::{bounded_name, truncated};
use crate::model::{FieldValue, OperationStatus};
use crate::record::by_id;
use crate::record::recorder::RecorderRef;

/// Fields that an operation by id keeps from its beginning, and as many from its end; further ones are left out.
const MAX_FIELDS: usize = 32;
/// Longest text of a field while the operation runs, in bytes; what is longer is cut.
const MAX_FIELD_BYTES: usize = 256;

/// The recorder of this process: what a forked child inherited must not be touched.
fn here(recorder: &RecorderRef) -> RecorderRef {
    if recorder.is_inherited() { RecorderRef::of_process() } else { recorder.clone() }
}

fn told(recorder: &RecorderRef, id: &str, failed: impl Into<Failed>) -> OperationIdError {
    OperationIdError::new(id, &failed.into(), &recorder.clock.anchor())
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

/// Has an operation go on to its next step.
pub(crate) fn step(recorder: &RecorderRef, id: &str, name: &str) -> Result<(), OperationIdError> {
    OperationIdError::check(id)?;
    let recorder = here(recorder);
    let name = bounded_name(name).into();
    let stepped = match Ledger::of(&recorder) {
        Some(ledger) => ledger.step(id, name),
        None => by_id::step(&recorder, id, name).map_err(Failed::Here),
    };
    stepped.map_err(|failed| told(&recorder, id, failed))
}

/// How an operation is doing, or how it ended.
pub(crate) fn status(recorder: &RecorderRef, id: &str) -> Option<OperationStatus> {
    let recorder = here(recorder);
    match Ledger::of(&recorder) {
        Some(ledger) if OperationIdError::check(id).is_ok() => ledger.status(id),
        _ => by_id::status(&recorder, id),
    }
}
