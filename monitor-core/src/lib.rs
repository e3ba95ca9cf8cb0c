//! The recorder of an embeddable monitor.
// What lies on the way of every tracked call is inlined or kept apart by hand; `benches` shows what it is worth.
#![allow(clippy::inline_always)]
#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "the model checker gets the recording structures alone"))]

mod base;
mod model;
mod record;

#[cfg(not(loom))]
mod monitor;
#[cfg(not(loom))]
pub mod testing;
#[cfg(not(loom))]
mod trackers;

pub use model::{
    ActiveOperation, ActiveState, CallEdge, ErrorText, FieldValue, Figures, Histogram, KindStats, Labels, MonitorStats,
    OperationRecord, OperationStats, Outcome, Snapshot,
};

#[cfg(not(loom))]
pub use crate::{
    base::{Error, ManualClock},
    monitor::{Installed, Monitor, MonitorBuilder, monitor},
    record::call_site::RecordPolicy,
    record::copies::copies,
    trackers::future::{ReadOutput, TrackFuture, Tracked},
    trackers::operation::{Operation, OperationBuilder},
};

#[cfg(all(feature = "macros", not(loom)))]
pub use monitor_macros::{track_operation, track_operations};

/// What the attributes expand to. Not for direct use: it may change with any version.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::model::{ErrorText, FieldValue};
    pub use crate::record::call_site::{CallSite, RecordPolicy, SiteSpec};
    pub use crate::record::note::Failure;
    pub use crate::record::sync_call::SyncCall;
    pub use crate::record::task_call::TaskEnd;
    pub use crate::trackers::expansion::{Return, path_of, run};
    pub use crate::trackers::future::{Tracked, track_future};
    pub use crate::trackers::probe::*;
}
