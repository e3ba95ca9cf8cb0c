//! The bridge to `tracing`: for programs that have spans and a log already. With the feature `tracing`.
//!
//! | for | see |
//! |---|---|
//! | spans as operations, error events as errors | [`MonitorLayer`], from [`Monitor::tracing_layer`] |
//! | failures, slow and stuck operations, state changes, stalled progress as events | [`TracingEventsBuilder`], from [`Monitor::tracing_events`] |
//! | trace and operation ids in log lines, JSON or text | [`WithIds`] |
//!
//! ```
//! use monitor_core::Monitor;
//! use monitor_core::tracing::WithIds;
//! use tracing_subscriber::filter::LevelFilter;
//! use tracing_subscriber::fmt::format;
//! use tracing_subscriber::prelude::*;
//! use std::time::Duration;
//!
//! let monitor = Monitor::builder().build()?; // or monitor_core::monitor()
//! let log = tracing_subscriber::fmt::layer()
//!     .fmt_fields(format::JsonFields::new())
//!     .event_format(WithIds::new(format().json()));
//! # let log = log.with_writer(std::io::sink);
//! let subscriber = tracing_subscriber::registry()
//!     .with(monitor.tracing_layer().labels(["table"]).with_filter(LevelFilter::INFO))
//!     .with(log);
//! let _events = monitor.tracing_events().failures(true).slower_than(Duration::from_millis(250)).start()?;
//!
//! tracing::subscriber::with_default(subscriber, || {
//!     monitor.scope(|| {
//!         let request = tracing::info_span!("request").entered();
//!         tracing::info_span!("query", table = "users").in_scope(|| tracing::error!("timed out"));
//!         drop(request);
//!     });
//! });
//! let snapshot = monitor.snapshot();
//! assert_eq!(snapshot.operation("query").unwrap().failed, 1);
//! assert_eq!(snapshot.operation("request").unwrap().succeeded, 1);
//! # Ok::<(), monitor_core::Error>(())
//! ```

mod capture;
mod choice;
mod emit;
mod events;
mod json;
mod layer;
mod site;
mod watcher;

pub use events::{TracingEvents, TracingEventsBuilder};
pub use json::WithIds;
pub use layer::MonitorLayer;

use crate::monitor::Monitor;

/// Target of the events that this crate emits, which its own layer does not look at.
pub(crate) const TARGET: &str = "monitor";

/// # `tracing`
impl Monitor {
    /// A layer that makes operations of the spans of `tracing`: see [`MonitorLayer`]. They are recorded into this
    /// monitor, whatever scope their thread is in; fastest where that is the one that the thread records into.
    pub fn tracing_layer(&self) -> MonitorLayer {
        MonitorLayer::new(self.recorder())
    }

    /// What this monitor sees, as events of `tracing`: see [`TracingEventsBuilder`].
    pub fn tracing_events(&self) -> TracingEventsBuilder {
        TracingEventsBuilder::new(self.recorder())
    }
}
