//! Places that keep what a monitor sees, each behind a feature and each an implementation of a port.

#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
