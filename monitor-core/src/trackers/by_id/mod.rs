//! Operations that are begun in one place and ended in another: the builders of both ends.
//!
//! | file | owns |
//! |---|---|
//! | `begin`, `end` | the builder of either end |
//! | `error` | why an operation could not be begun, moved to a step or ended |
//!
//! A builder that is dropped does what it was made for all the same, so that a line of code without the last word is not
//! a silent nothing. What went wrong then is counted, since nobody hears of it.

pub(crate) mod begin;
pub(crate) mod end;
pub(crate) mod error;

use std::sync::atomic::Ordering;

use self::error::OperationIdError;
use crate::base::names::{bounded_name, truncated};
use crate::model::FieldValue;
use crate::record::by_id;
use crate::record::by_id::Refused;
use crate::record::recorder::RecorderRef;

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

/// Has an operation go on to its next step.
pub(crate) fn step(recorder: &RecorderRef, id: &str, name: &str) -> Result<(), OperationIdError> {
    OperationIdError::check(id)?;
    by_id::step(recorder, id, bounded_name(name).into()).map_err(|refused| told(recorder, id, &refused))
}
