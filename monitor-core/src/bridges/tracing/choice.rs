//! Which spans become operations, and which of their fields are read.

use std::borrow::Cow;

use tracing::{Level, Metadata};

use super::TARGET;
use crate::trackers::probe::text::contained;

/// Fields that say how a span ended, in the words of `OpenTelemetry`.
pub(super) const STATUS: &str = "otel.status_code";
pub(super) const STATUS_TEXT: &str = "otel.status_description";

/// The field in which programs, and `#[instrument(err)]`, put an error.
pub(super) const ERROR: &str = "error";

/// What is asked of a span's metadata.
pub(super) type Wanted = Box<dyn Fn(&Metadata<'_>) -> bool + Send + Sync>;

/// Names of fields.
pub(super) type Names = Vec<Cow<'static, str>>;

/// Which spans become operations, and what of them is kept.
pub(super) struct Choice {
    pub(super) max_level: Level,
    pub(super) spans: Option<Wanted>,
    pub(super) labels: Names,
    pub(super) fields: Names,
    pub(super) kind: String,
}

impl Choice {
    pub(super) fn is_label(&self, name: &str) -> bool {
        self.labels.iter().any(|known| known == name)
    }

    pub(super) fn is_field(&self, name: &str) -> bool {
        self.fields.iter().any(|known| known == name)
    }

    /// Whether a field of a span is read: those that tell how it ended are in any case.
    pub(super) fn reads(&self, name: &str) -> bool {
        self.is_label(name) || self.is_field(name) || matches!(name, STATUS | STATUS_TEXT | ERROR)
    }

    pub(super) fn wants(&self, metadata: &'static Metadata<'static>) -> bool {
        *metadata.level() <= self.max_level
            && metadata.target() != TARGET
            && self.spans.as_ref().is_none_or(|spans| contained(|| spans(metadata)).unwrap_or(false))
    }
}
