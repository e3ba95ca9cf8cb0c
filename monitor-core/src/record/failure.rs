//! Why something failed, as far as the host's code says it.

use std::sync::atomic::Ordering;

use super::fork;
use super::local::current_recorder;
use crate::base::names::truncated;
use crate::model::{ErrorText, FieldValue};

/// Something that can say why a call failed. The text is asked for only when a record of the call is kept.
pub trait Failure {
    /// What tells errors of this kind from others: the name of the type, which costs nothing.
    fn key(&self) -> &'static str {
        std::any::type_name::<Self>()
    }

    /// Kind, message and sources of the error. It must not panic.
    fn describe(&self) -> ErrorText;
}

/// Longest text of a field in bytes; what is longer is cut.
const MAX_FIELD_BYTES: usize = 256;

/// Fields as they are kept.
pub(crate) fn bounded_fields(fields: &[(&str, FieldValue)]) -> Vec<(String, FieldValue)> {
    let bounded = |value: &FieldValue| match value {
        FieldValue::Text(text) => FieldValue::Text(truncated(text, MAX_FIELD_BYTES).into_owned()),
        other => other.clone(),
    };
    fields.iter().map(|(key, value)| (truncated(key, MAX_FIELD_BYTES).into_owned(), bounded(value))).collect()
}

/// Counts that code of the host panicked where it was called by this crate.
#[cold]
pub(crate) fn count_panicked_callback() {
    current_recorder().counts.callbacks_panicked.fetch_add(1, Ordering::Relaxed);
}

thread_local! {
    /// The process, told by its [generation](fork::generation), in which this thread asks an error for its text: a
    /// child that was forked meanwhile does not. `usize::MAX`: it does not.
    static DESCRIBING: std::cell::Cell<usize> = const { std::cell::Cell::new(usize::MAX) };
}

/// The text of an error, from code of the host: it may call tracked functions that fail, whose own errors are then not
/// asked for their text. Panics of it are contained where the text is made.
pub(crate) fn describe(failure: &dyn Failure) -> Option<ErrorText> {
    struct Leave;

    impl Drop for Leave {
        fn drop(&mut self) {
            DESCRIBING.set(usize::MAX);
        }
    }

    let process = fork::generation();
    if DESCRIBING.replace(process) == process {
        return None;
    }
    // Whatever becomes of it: errors of this thread are to have a text again.
    let _leave = Leave;
    Some(failure.describe())
}
