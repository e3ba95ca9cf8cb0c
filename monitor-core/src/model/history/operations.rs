//! Individual records: which, and as they are found.

use std::ops::Deref;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::units::optional_duration_ns;
use super::super::{FieldValue, OperationRecord, Outcome, TraceId};
use super::TimeRange;

/// Which individual records are wanted: those that fit everything that is said.
///
/// ```
/// use monitor_core::{OperationFilter, Outcome};
/// use std::time::Duration;
///
/// let slow_failures = OperationFilter::new()
///     .name_prefix("db.")
///     .outcome(Outcome::Failure)
///     .min_duration(Duration::from_millis(250))
///     .field("tenant", "acme");
/// assert_eq!(slow_failures.fields.len(), 1);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationFilter {
    /// When it was started.
    pub range: TimeRange,
    /// Name of the operation.
    pub name: Option<String>,
    /// How the name begins.
    pub name_prefix: Option<String>,
    /// Its kind.
    pub kind: Option<String>,
    /// The component it belongs to.
    pub component: Option<String>,
    /// How it ended: in one of these ways. Empty: in any.
    pub outcomes: Vec<Outcome>,
    /// It took at least this.
    #[serde(rename = "min_duration_ns", with = "optional_duration_ns")]
    pub min_duration: Option<Duration>,
    /// It took at most this.
    #[serde(rename = "max_duration_ns", with = "optional_duration_ns")]
    pub max_duration: Option<Duration>,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// What its fields or its context have: keys, and values as they are displayed. At most 8.
    pub fields: Vec<(String, String)>,
    /// The run it was in: [`Instance::run`](crate::Instance::run).
    pub run: Option<String>,
    /// The service it was in: [`Instance::service`](crate::Instance::service).
    pub service: Option<String>,
}

impl OperationFilter {
    /// All records.
    #[must_use]
    pub fn new() -> OperationFilter {
        OperationFilter::default()
    }

    /// Those that were started in that time.
    #[must_use]
    pub fn range(self, range: TimeRange) -> Self {
        Self { range, ..self }
    }

    /// Those of the operation of that name.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        Self { name: Some(name.into()), ..self }
    }

    /// Those of operations whose names begin like that.
    #[must_use]
    pub fn name_prefix(self, prefix: impl Into<String>) -> Self {
        Self { name_prefix: Some(prefix.into()), ..self }
    }

    /// Those of that kind.
    #[must_use]
    pub fn kind(self, kind: impl Into<String>) -> Self {
        Self { kind: Some(kind.into()), ..self }
    }

    /// Those of that component.
    #[must_use]
    pub fn component(self, component: impl Into<String>) -> Self {
        Self { component: Some(component.into()), ..self }
    }

    /// Those that ended like that, too; may be said more than once.
    #[must_use]
    pub fn outcome(mut self, outcome: Outcome) -> Self {
        self.outcomes.push(outcome);
        self
    }

    /// Those that did not succeed.
    #[must_use]
    pub fn not_succeeded(self) -> Self {
        let outcomes = Outcome::ALL.into_iter().filter(|outcome| !outcome.is_success()).collect();
        Self { outcomes, ..self }
    }

    /// Those that took at least that long.
    #[must_use]
    pub fn min_duration(self, min: Duration) -> Self {
        Self { min_duration: Some(min), ..self }
    }

    /// Those that took at most that long.
    #[must_use]
    pub fn max_duration(self, max: Duration) -> Self {
        Self { max_duration: Some(max), ..self }
    }

    /// Those of that trace.
    #[must_use]
    pub fn trace_id(self, trace_id: TraceId) -> Self {
        Self { trace_id: Some(trace_id), ..self }
    }

    /// Those that carry a field, or run in a context that does, with that value as it is displayed; may be said more than
    /// once, for all of them.
    #[must_use]
    pub fn field(mut self, key: impl Into<String>, value: impl Into<FieldValue>) -> Self {
        self.fields.push((key.into(), value.into().to_string()));
        self
    }

    /// Those of that run.
    #[must_use]
    pub fn run(self, run: impl Into<String>) -> Self {
        Self { run: Some(run.into()), ..self }
    }

    /// Those of that service.
    #[must_use]
    pub fn service(self, service: impl Into<String>) -> Self {
        Self { service: Some(service.into()), ..self }
    }
}

/// A record as it is found in a history, and the run that it is of.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredRecord {
    /// The run: [`Instance::run`](crate::Instance::run). Ids of calls are unique in one run.
    pub run: String,
    /// The call.
    #[serde(flatten)]
    pub record: OperationRecord,
}

impl Deref for StoredRecord {
    type Target = OperationRecord;

    fn deref(&self) -> &OperationRecord {
        &self.record
    }
}
