//! What is said of a span of another library: the place that makes it, what it belongs to, its labels and fields, how it
//! ended.

use super::call_site::new_number;
use super::context::Here;
use super::failure::Failure;
use super::lineage::{Caller, Lineage, span_of};
use super::note::Parent;
use super::registry::Identity;
use crate::model::{ErrorText, FieldValue};

/// A place in the program that makes spans which are calls of one operation.
#[derive(Debug)]
pub(crate) struct SpanSite {
    number: Option<usize>,
    name: String,
    kind: String,
    component: String,
}

impl SpanSite {
    pub(crate) fn new(name: String, kind: String, component: String) -> Self {
        Self { number: Some(new_number()), name, kind, component }
    }

    /// One that is not kept. Shards keep what they know by number for ever, so it gets none and is known by its name.
    pub(crate) fn passing(name: String, kind: String, component: String) -> Self {
        Self { number: None, name, kind, component }
    }

    /// The number by which shards know it.
    pub(super) fn number(&self) -> Option<usize> {
        self.number
    }

    pub(super) fn identity<'a>(&'a self, labels: &'a [(&'a str, &'a str)]) -> Identity<'a> {
        Identity { name: &self.name, kind: &self.kind, component: &self.component, labels }
    }
}

/// The call that a span belongs to.
#[derive(Clone, Debug)]
pub(crate) enum SpanParent {
    /// The innermost one on this thread.
    Here,
    Nobody,
    /// The call of another span.
    Call(SpanCaller),
}

/// The call of a span, for its children.
#[derive(Clone, Debug)]
pub(crate) struct SpanCaller {
    pub(super) id: u64,
    /// Known after its first enter.
    pub(super) series: Option<u32>,
    pub(super) home: usize,
    pub(super) lineage: Lineage,
}

impl SpanCaller {
    pub(super) fn into_parent(self) -> (Parent, Option<Lineage>) {
        (Parent { id: self.id, series: self.series }, Some(self.lineage))
    }

    /// As a place where something occurs.
    pub(crate) fn into_here(self) -> Here {
        let Self { id, series, home, lineage } = self;
        Here { lineage: Some(lineage), call: series.map(|series| Caller { id, series, home, span: span_of(id) }) }
    }
}

/// What is in no call and no context.
pub(crate) const NOWHERE: Here = Here { lineage: None, call: None };

/// What is said of a span: of most nothing.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(super) labels: Vec<(&'static str, String)>,
    pub(super) fields: Vec<(&'static str, FieldValue)>,
    /// The error it failed with.
    error: Option<ErrorText>,
    verdict: Verdict,
}

/// How a span ended, as far as that was said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    None,
    /// An error occurred in it, which is recorded by itself.
    ErrorInside,
    Failure,
    /// It is said to be one, whatever occurred in it.
    Success,
}

/// Longest list of fields of one span, and of its labels; further ones are left out.
const MAX_FIELDS: usize = 32;

impl Said {
    pub(super) fn set_label(&mut self, key: &'static str, value: String) {
        set(&mut self.labels, key, value);
    }

    /// A field of its record.
    pub(crate) fn set_field(&mut self, key: &'static str, value: FieldValue) {
        set(&mut self.fields, key, value);
    }

    /// An error occurred in the span, and is recorded; with its text, if it was looked at. If it was said before that the
    /// span failed, but not why, this is why.
    pub(crate) fn meet_error(&mut self, text: Option<ErrorText>) {
        if self.verdict == Verdict::None || (self.verdict == Verdict::Failure && self.error.is_none()) {
            self.verdict = Verdict::ErrorInside;
        }
        if self.error.is_none() {
            self.error = text;
        }
    }

    /// The span is said to have failed. Without a text it is by the error that occurred in it, if one did.
    pub(crate) fn fail(&mut self, text: Option<ErrorText>) {
        if text.is_some() || self.verdict != Verdict::ErrorInside {
            self.verdict = Verdict::Failure;
        }
        self.error = text.or(self.error.take());
    }

    /// Why the span failed, if it is said that it did.
    pub(crate) fn describe(&mut self, text: ErrorText) {
        self.error = Some(text);
    }

    /// The span is said to have succeeded, whatever occurred in it.
    pub(crate) fn succeed(&mut self) {
        self.verdict = Verdict::Success;
    }

    pub(super) fn has_failed(&self) -> bool {
        matches!(self.verdict, Verdict::ErrorInside | Verdict::Failure)
    }

    /// Whether its error is recorded by itself.
    pub(super) fn is_filed(&self) -> bool {
        self.verdict == Verdict::ErrorInside
    }

    /// Why it failed, if there is a text.
    pub(super) fn failure(&self) -> Option<OfSpan<'_>> {
        self.error.as_ref().map(OfSpan)
    }
}

fn set<T>(all: &mut Vec<(&'static str, T)>, key: &'static str, value: T) {
    if let Some((_, known)) = all.iter_mut().find(|(known, _)| *known == key) {
        *known = value;
    } else if all.len() < MAX_FIELDS {
        all.push((key, value));
    }
}

/// The error of a span.
pub(super) struct OfSpan<'a>(&'a ErrorText);

impl Failure for OfSpan<'_> {
    fn key(&self) -> &'static str {
        "span"
    }

    fn describe(&self) -> ErrorText {
        self.0.clone()
    }
}
