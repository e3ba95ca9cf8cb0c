//! The log of a service: JSON lines on standard error, with the ids of trace and operation.

use tracing_subscriber::fmt;

/// Has the process log.
pub(crate) fn begin() {
    fmt().json().event_format(fmt::format().json()).with_writer(std::io::stderr).init();
}
