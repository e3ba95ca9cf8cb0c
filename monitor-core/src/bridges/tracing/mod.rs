//! The bridge to `tracing`.

mod capture;
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
