//! The log of a service: JSON lines on standard error, with the ids of trace and operation.

use monitor_core::tracing::WithIds;
use tracing_subscriber::fmt;

/// Has the process log.
pub(crate) fn begin() {
    fmt().json().event_format(WithIds::new(fmt::format().json())).with_writer(std::io::stderr).init();
}
