//! Reading the fields of spans and events: only those that were asked for, bounded in length, with panics of the
//! program's `Debug` contained.

use std::cell::{Cell, OnceCell};
use std::error::Error;
use std::fmt::{Debug, Display};

use smallvec::SmallVec;
use tracing::Event;
use tracing::field::{Field, Visit};

use super::choice::{Choice, ERROR, STATUS, STATUS_TEXT};
use crate::base::names::truncated;
use crate::model::{ErrorText, FieldValue};
use crate::record::failure::Failure;
use crate::record::span_call::SpanCall;
use crate::trackers::probe::describe_error;
use crate::trackers::probe::text::bounded_text;

/// Longest text of a field in bytes; what is longer is cut.
const MAX_TEXT_BYTES: usize = 256;

/// Longest message of an error in bytes; likewise.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// The field with the text of an event.
const MESSAGE: &str = "message";

/// Kind of errors that come from events.
const EVENT_KIND: &str = "event";

/// Kind of errors that come from fields of spans.
const SPAN_KIND: &str = "span";

/// What was read of a span's fields.
pub(super) struct OfSpan<'a> {
    choice: &'a Choice,
    labels: SmallVec<[(&'static str, String); 2]>,
    fields: Vec<(&'static str, FieldValue)>,
    failed: Option<bool>,
    error: Option<ErrorText>,
}

impl<'a> OfSpan<'a> {
    pub(super) fn new(choice: &'a Choice) -> Self {
        Self { choice, labels: SmallVec::new(), fields: Vec::new(), failed: None, error: None }
    }

    /// What reads them.
    pub(super) fn visitor(&mut self) -> impl Visit {
        Values(self)
    }

    /// Hands over what was read.
    pub(super) fn give_to(self, call: &mut SpanCall) {
        for (key, value) in self.labels {
            call.set_label(key, value);
        }
        for (key, value) in self.fields {
            call.said().set_field(key, value);
        }
        match self.failed {
            Some(true) => call.said().fail(self.error),
            Some(false) => call.said().succeed(),
            None => {
                if let Some(text) = self.error {
                    call.said().describe(text);
                }
            }
        }
    }

    fn status(&mut self, code: &str) {
        if code.eq_ignore_ascii_case("error") {
            self.failed = Some(true);
        } else if code.eq_ignore_ascii_case("ok") {
            self.failed = Some(false);
        }
    }

    fn fail(&mut self, error: ErrorText) {
        self.failed = Some(true);
        self.error = Some(error);
    }
}

impl TakeValues for OfSpan<'_> {
    fn take(&mut self, field: &Field, value: impl Fn() -> FieldValue) {
        let name = field.name();
        if self.choice.is_label(name) {
            self.labels.push((name, value().to_string()));
        }
        if self.choice.is_field(name) {
            self.fields.push((name, value()));
        }
        match name {
            STATUS => self.status(&value().to_string()),
            STATUS_TEXT => self.error = Some(ErrorText::new(SPAN_KIND, value().to_string())),
            ERROR => match value() {
                FieldValue::Bool(false) => {}
                FieldValue::Bool(true) => self.failed = Some(true),
                value => self.fail(ErrorText::new(SPAN_KIND, value.to_string())),
            },
            _ => {}
        }
    }

    fn take_error(&mut self, field: &Field, error: &(dyn Error + 'static)) {
        if field.name() == ERROR {
            self.fail(ErrorText { kind: SPAN_KIND.into(), ..describe_error(error) });
        }
    }
}

/// An integer that may be too large for 64 bits.
fn wide(value: impl TryInto<i64> + TryInto<u64> + Display + Copy) -> FieldValue {
    if let Ok(value) = value.try_into() {
        return FieldValue::U64(value);
    }
    TryInto::<i64>::try_into(value).map_or_else(|_| FieldValue::Text(value.to_string()), FieldValue::I64)
}

/// What looks at fields as values. `value` is asked for only if somebody wants it.
trait TakeValues {
    fn take(&mut self, field: &Field, value: impl Fn() -> FieldValue);

    /// An error, after it was taken as a value.
    fn take_error(&mut self, _field: &Field, _error: &(dyn Error + 'static)) {}
}

/// Gives the fields that are visited as values.
struct Values<'a, T>(&'a mut T);

impl<T: TakeValues> Visit for Values<'_, T> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.0.take(field, || FieldValue::F64(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.0.take(field, || FieldValue::I64(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.0.take(field, || FieldValue::U64(value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.0.take(field, || wide(value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.0.take(field, || wide(value));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.0.take(field, || FieldValue::Bool(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.take(field, || FieldValue::Text(truncated(value, MAX_TEXT_BYTES).into_owned()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.0.take(field, || FieldValue::Text(bounded_text(MAX_TEXT_BYTES, format_args!("{value}"))));
        self.0.take_error(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.take(field, || FieldValue::Text(bounded_text(MAX_TEXT_BYTES, format_args!("{value:?}"))));
    }
}

/// An event as an error: it is put into words only if it is looked at, and then once.
pub(super) struct EventError<'a> {
    event: &'a Event<'a>,
    text: OnceCell<ErrorText>,
    asked: Cell<bool>,
}

impl<'a> EventError<'a> {
    pub(super) fn new(event: &'a Event<'a>) -> Self {
        Self { event, text: OnceCell::new(), asked: Cell::new(false) }
    }

    /// The text, if it was asked for.
    pub(super) fn into_text(self) -> Option<ErrorText> {
        self.text.into_inner()
    }
}

impl Failure for EventError<'_> {
    fn key(&self) -> &'static str {
        EVENT_KIND
    }

    fn describe(&self) -> ErrorText {
        // Not again from within itself: the program's `Debug` may do anything.
        if !self.asked.replace(true) {
            let mut found = OfEvent::default();
            self.event.record(&mut found);
            let _ = self.text.set(found.into_text(self.event.metadata().name()));
        }
        self.text.get().cloned().unwrap_or_else(|| ErrorText::new(EVENT_KIND, ""))
    }
}

/// Message and error of an event.
#[derive(Default)]
struct OfEvent {
    message: Option<String>,
    error: Option<ErrorText>,
}

impl OfEvent {
    /// An event with a message and an error says `message: error: source`.
    fn into_text(self, name: &str) -> ErrorText {
        match (self.message, self.error) {
            (Some(message), Some(error)) => {
                let mut sources = vec![error.message];
                sources.extend(error.sources);
                ErrorText { sources, ..ErrorText::new(EVENT_KIND, message) }
            }
            (Some(message), None) => ErrorText::new(EVENT_KIND, message),
            (None, Some(error)) => error,
            (None, None) => ErrorText::new(EVENT_KIND, name),
        }
    }
}

impl Visit for OfEvent {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            MESSAGE => self.message = Some(truncated(value, MAX_MESSAGE_BYTES).into_owned()),
            ERROR => self.error = Some(ErrorText::new(EVENT_KIND, truncated(value, MAX_MESSAGE_BYTES))),
            _ => {}
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        if field.name() == ERROR {
            self.error = Some(ErrorText { kind: EVENT_KIND.into(), ..describe_error(value) });
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let text = || bounded_text(MAX_MESSAGE_BYTES, format_args!("{value:?}"));
        match field.name() {
            MESSAGE => self.message = Some(text()),
            ERROR => self.error = Some(ErrorText::new(EVENT_KIND, text())),
            _ => {}
        }
    }
}

/// Fields of an event that were asked for, as the context of an error.
pub(super) struct ContextOf<'a> {
    choice: &'a Choice,
    pub(super) found: Vec<(&'static str, FieldValue)>,
}

impl<'a> ContextOf<'a> {
    pub(super) fn read(event: &Event<'_>, choice: &'a Choice) -> Vec<(&'static str, FieldValue)> {
        if choice.fields.is_empty() {
            return Vec::new();
        }
        let mut visitor = Self { choice, found: Vec::new() };
        event.record(&mut Values(&mut visitor));
        visitor.found
    }
}

impl TakeValues for ContextOf<'_> {
    fn take(&mut self, field: &Field, value: impl Fn() -> FieldValue) {
        if self.choice.is_field(field.name()) {
            self.found.push((field.name(), value()));
        }
    }
}
