//! Assertions on traces, over individual records.

use std::fmt;

use super::report::nearest;
use crate::model::text::{one_line, plural};
use crate::model::{FieldValue, OperationRecord, TraceId};

/// Begins assertions on the records of one trace, as [`Monitor::recent`](crate::Monitor::recent) gives them.
///
/// Not every call is recorded individually: a test sets [`RecordPolicy::All`](crate::RecordPolicy::All) for what it looks
/// at, or makes no more calls than the budget allows.
///
/// ```
/// use monitor_core::testing::assert_trace;
/// use monitor_core::{Context, Monitor};
///
/// let local = Monitor::builder().build()?;
/// let request = Context::new_trace().with_field("tenant", "acme");
/// local.scope(|| request.in_context(|| local.track("handle", |_| local.track("render", |_| ()))));
/// local.track("elsewhere", |_| ());
///
/// assert_trace(&local.recent(10), request.trace_id()).calls(2).inside("render", "handle").field("tenant", "acme");
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
/// If no record is of that trace.
#[track_caller]
pub fn assert_trace(records: &[OperationRecord], trace: impl Into<Option<TraceId>>) -> TraceAssert<'_> {
    let trace = trace.into();
    let of_trace: Vec<_> = records.iter().filter(|record| trace.is_some() && record.trace_id == trace).collect();
    let shown = trace.map_or_else(|| "none".to_owned(), |trace| trace.to_string());
    assert!(
        !of_trace.is_empty(),
        "no record is of the trace {shown}, among {}",
        plural(records.len() as u64, "record")
    );
    TraceAssert { trace: shown, records: of_trace }
}

/// The records of one trace. A link of the chain that does not hold panics, and says what is there.
#[derive(Debug)]
pub struct TraceAssert<'a> {
    trace: String,
    records: Vec<&'a OperationRecord>,
}

impl<'a> TraceAssert<'a> {
    /// It has so many records.
    ///
    /// # Panics
    /// If it has not.
    #[track_caller]
    pub fn calls(self, n: usize) -> Self {
        let found = self.records.len();
        self.check(found == n, format_args!("expected {}, found {found}", plural(n as u64, "record")))
    }

    /// It has a call of that operation.
    ///
    /// # Panics
    /// If it has none.
    #[track_caller]
    pub fn has(self, operation: &str) -> Self {
        let names = nearest(self.records.iter().map(|record| record.name.as_str()), operation);
        let found = self.records.iter().any(|record| record.name == operation);
        self.check(found, format_args!("there is no `{}`; {names}", one_line(operation)))
    }

    /// Every call of one operation was made inside a call of another one: on the same thread, or in its context.
    ///
    /// # Panics
    /// If one was not, and if there is none.
    #[track_caller]
    pub fn inside(self, operation: &str, parent: &str) -> Self {
        let this = self.has(operation);
        let is_parent = |other: &&OperationRecord, of: &OperationRecord| {
            other.name == parent && other.span_id.is_some() && other.span_id == of.parent_span_id
        };
        let calls = this.records.iter().filter(|record| record.name == operation);
        let mut lost = calls.filter(|record| !this.records.iter().any(|other| is_parent(other, record)));
        let found = lost
            .next()
            .map(|record| record.parent_name.clone().unwrap_or_else(|| "nothing of this program".to_owned()));
        let holds = found.is_none();
        let found = found.unwrap_or_default();
        let (operation, parent) = (one_line(operation), one_line(parent));
        this.check(holds, format_args!("`{operation}` is inside {}, not inside a call of `{parent}`", one_line(&found)))
    }

    /// Every record has that field of a [`Context`](crate::Context).
    ///
    /// # Panics
    /// If one has not.
    #[track_caller]
    pub fn field(self, key: &str, value: impl Into<FieldValue>) -> Self {
        let value = value.into();
        let has =
            |record: &&OperationRecord| record.context.iter().any(|(known, found)| known == key && *found == value);
        let without = self.records.iter().find(|record| !has(record)).map(|record| one_line(&record.name));
        let key = one_line(key);
        let value = one_line(&value.to_string());
        self.check(
            without.is_none(),
            format_args!("`{}` has no field {key}={value}", without.as_deref().unwrap_or_default()),
        )
    }

    /// The records, the newest first.
    pub fn records(self) -> Vec<&'a OperationRecord> {
        self.records
    }

    #[track_caller]
    fn check(self, holds: bool, message: fmt::Arguments<'_>) -> Self {
        assert!(holds, "trace {}: {message}\n{}", self.trace, Report(&self.records));
        self
    }
}

/// The records, a line each.
struct Report<'a>(&'a [&'a OperationRecord]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines = self.0.iter().map(|record| {
            let inside =
                record.parent_name.as_deref().map_or_else(String::new, |name| format!(" inside {}", one_line(name)));
            format!("  {}{inside}, {}", one_line(&record.name), record.outcome)
        });
        lines.try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
#[cfg(feature = "enabled")]
mod tests {
    use std::panic::catch_unwind;

    use super::*;
    use crate::{Context, Monitor};

    fn records() -> (Vec<OperationRecord>, Option<TraceId>) {
        let local = Monitor::builder().build().unwrap();
        let request = Context::new_trace().with_field("tenant", "acme");
        local.scope(|| request.in_context(|| local.track("handle", |_| local.track("render", |_| ()))));
        local.scope(|| local.track("elsewhere", |_| ()));
        (local.recent(10), request.trace_id())
    }

    fn message(assert: impl FnOnce(TraceAssert<'_>) + std::panic::UnwindSafe) -> String {
        let panic = catch_unwind(|| {
            let (records, trace) = records();
            assert(assert_trace(&records, trace));
        });
        *panic.unwrap_err().downcast().unwrap()
    }

    #[test]
    fn what_holds_passes() {
        let (records, trace) = records();
        let trace =
            assert_trace(&records, trace).calls(2).has("render").inside("render", "handle").field("tenant", "acme");
        assert_eq!(trace.records().len(), 2);
    }

    #[test]
    fn what_does_not_hold_is_said() {
        for (said, expected) in [
            (message(|trace| drop(trace.calls(3))), "expected 3 records, found 2"),
            (message(|trace| drop(trace.has("rendr"))), "there is no `rendr`; there are:\n  render"),
            (message(|trace| drop(trace.inside("handle", "render"))), "`handle` is inside nothing of this program"),
            (
                message(|trace| drop(trace.inside("render", "other"))),
                "`render` is inside handle, not inside a call of `other`",
            ),
            (message(|trace| drop(trace.field("tenant", "umbrella"))), "`handle` has no field tenant=umbrella"),
        ] {
            assert!(said.contains(expected) && said.contains("render inside handle, success"), "{said}");
        }
        let panic = catch_unwind(|| drop(assert_trace(&records().0, None))).unwrap_err();
        assert!(panic.downcast_ref::<String>().unwrap().starts_with("no record is of the trace none, among 3 records"));
    }
}
