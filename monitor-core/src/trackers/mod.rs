//! Operations as a program begins and ends them: guards, closures, futures, and what the attribute expands to.
//!
//! Everything here ends in `record`. Nothing here knows the monitor that it belongs to, only its recorder.

pub(crate) mod expansion;
pub(crate) mod future;
pub(crate) mod operation;
pub(crate) mod outcome;
pub(crate) mod probe;
pub(crate) mod progress;
