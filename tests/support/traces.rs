//! What the suites of contexts and traces need.

use std::collections::HashMap;

use monitor_core::{Monitor, OperationRecord, TraceId};

/// The header of a request from another program.
pub const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The trace of that request.
#[must_use]
pub fn header_trace() -> Option<TraceId> {
    "4bf92f3577b34da6a3ce929d0e0e4736".parse().ok()
}

/// The records that a monitor has, by the names of their operations: of several of one name the oldest.
#[must_use]
pub fn records(monitor: &Monitor) -> HashMap<String, OperationRecord> {
    monitor.recent(1_000).into_iter().map(|record| (record.name.clone(), record)).collect()
}
