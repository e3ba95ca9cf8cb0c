//! Places that keep what a monitor sees, each behind a feature and each an implementation of a port.

#[cfg(feature = "prometheus")]
pub(crate) mod prometheus;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
