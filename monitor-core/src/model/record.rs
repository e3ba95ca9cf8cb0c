//! Individual records of operations that ended.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, optional_duration_ns, system_time_ns};
use super::{ByIdDetail, FieldValue, Labels, Outcome, SpanId, TraceId};

/// One call of an operation that ended, from [`Monitor::recent`](crate::Monitor::recent).
///
/// Not every call is recorded individually: a budget decides, and what it leaves out is counted. The statistics of a
/// [`Snapshot`](crate::Snapshot) hold every call all the same.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OperationRecord {
    /// Tells this call from all others of the process.
    pub id: u64,
    /// `id` of the call it was started in.
    pub parent: Option<u64>,
    /// Name of the operation it was started in.
    pub parent_name: Option<String>,
    /// The trace that it belongs to.
    #[serde(default)]
    pub trace_id: Option<TraceId>,
    /// Its span: `id` in the form in which other programs know it.
    #[serde(default)]
    pub span_id: Option<SpanId>,
    /// The span that it was done on behalf of: that of `parent`, or of an operation in another program.
    #[serde(default)]
    pub parent_span_id: Option<SpanId>,
    /// Name of the operation.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Component of the program it belongs to; empty when none was given.
    pub component: String,
    /// Its labels.
    pub labels: Labels,
    /// How it ended.
    pub outcome: Outcome,
    /// When it was started, by the wall clock.
    #[serde(rename = "started_at_ns", with = "system_time_ns")]
    pub started_at: SystemTime,
    /// How long it took, by the monotonic clock.
    #[serde(rename = "duration_ns", with = "duration_ns")]
    pub duration: Duration,
    /// Time inside `poll`; `None` for a synchronous call, which is on its thread all along.
    #[serde(rename = "busy_time_ns", default, with = "optional_duration_ns")]
    pub busy_time: Option<Duration>,
    /// Polls of its future; 0 for a synchronous call.
    pub polls: u64,
    /// Pieces of work it did.
    pub items: u64,
    /// Bytes of work it did.
    pub bytes: u64,
    /// What it was told to carry, in the order given. Nothing of the host is captured unless listed.
    pub fields: Vec<(String, FieldValue)>,
    /// Fields of the [`Context`](crate::Context) that it ran in.
    #[serde(default)]
    pub context: Vec<(String, FieldValue)>,
    /// The error it failed with, when there was a text to keep.
    pub error: Option<ErrorText>,
    /// The thread it ended on, by name or number.
    pub thread: Option<String>,
    /// Id, worker, sizes and steps of an operation that was begun and ended by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_id: Option<ByIdDetail>,
}

/// An error as text: its kind, its message and what caused it.
///
/// ```
/// use monitor_core::ErrorText;
///
/// let error = ErrorText::new("std::io::Error", "connection refused");
/// assert_eq!(error.to_string(), "std::io::Error: connection refused");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ErrorText {
    /// The error's type, or the host's own word for the kind of error; empty when unknown.
    pub kind: Cow<'static, str>,
    /// The error's own text, cut at a bounded length when it was recorded.
    pub message: String,
    /// The texts of [`Error::source`](std::error::Error::source) and on down the chain, outermost first; bounded.
    #[serde(default)]
    pub sources: Vec<String>,
}

impl ErrorText {
    /// An error without sources. `sources` is public, to be filled.
    #[must_use]
    pub fn new(kind: impl Into<Cow<'static, str>>, message: impl Into<String>) -> ErrorText {
        ErrorText { kind: kind.into(), message: message.into(), sources: Vec::new() }
    }
}

/// `kind: message: source: source`.
impl fmt::Display for ErrorText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.kind.is_empty() {
            write!(f, "{}: ", self.kind)?;
        }
        f.write_str(&self.message)?;
        self.sources.iter().try_for_each(|source| write!(f, ": {source}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> OperationRecord {
        OperationRecord {
            id: 7,
            parent: Some(3),
            parent_name: Some("import".into()),
            trace_id: TraceId::new(0x00C0_FFEE),
            span_id: SpanId::new(7),
            parent_span_id: None,
            name: "db.fetch".into(),
            kind: "database".into(),
            component: "storage".into(),
            labels: [("table".to_owned(), "users".to_owned())].into(),
            outcome: Outcome::Failure,
            started_at: SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 123_456_700),
            duration: Duration::from_nanos(12_345),
            busy_time: None,
            polls: 0,
            items: 3,
            bytes: 4_096,
            context: vec![("tenant".into(), "acme".into())],
            fields: vec![("user_id".into(), FieldValue::U64(u64::MAX)), ("ratio".into(), 0.5.into())],
            error: Some(ErrorText { sources: vec!["no route".into()], ..ErrorText::new("Io", "refused") }),
            thread: Some("worker-1".into()),
            by_id: None,
        }
    }

    #[test]
    fn a_record_round_trips_with_its_units_in_the_names() {
        let json = serde_json::to_value(record()).unwrap();
        assert_eq!(json["started_at_ns"], 1_700_000_000_123_456_700_i64);
        assert_eq!((&json["duration_ns"], &json["outcome"]), (&12_345.into(), &"failure".into()));
        assert_eq!(serde_json::from_value::<OperationRecord>(json).unwrap(), record());
    }

    #[test]
    fn busy_time_round_trips_when_there_is_one() {
        let record = OperationRecord { busy_time: Some(Duration::from_nanos(5)), ..record() };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<OperationRecord>(&json).unwrap(), record);
    }

    #[test]
    fn what_an_operation_by_id_has_round_trips_and_others_do_not_write_it() {
        let json = serde_json::to_string(&record()).unwrap();
        assert!(!json.contains("by_id"), "{json}");
        let by_id = ByIdDetail { id: "nightly-42".into(), output_bytes: Some(7), ..ByIdDetail::default() };
        let record = OperationRecord { by_id: Some(by_id), ..record() };
        let json = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<OperationRecord>(&json).unwrap(), record);
    }

    #[test]
    fn an_error_reads_from_the_outside_in() {
        assert_eq!(record().error.unwrap().to_string(), "Io: refused: no route");
        assert_eq!(ErrorText::new("", "refused").to_string(), "refused");
    }
}
