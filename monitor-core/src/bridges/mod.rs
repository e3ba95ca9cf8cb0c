//! What connects the monitor with other crates of a program: their facades on one side, a [`Monitor`](crate::Monitor) on
//! the other. Each is behind a feature of its own and knows nothing of the others.

#[cfg(feature = "metrics")]
pub(crate) mod metrics;
#[cfg(feature = "tracing")]
pub mod tracing;
