//! What a program holds in its hands: operations as it begins and ends them (guards, closures, futures, what the
//! attribute expands to, by id), contexts, errors that it records, panics, progress of jobs, state machines, queues, caches.
//!
//! Everything here ends in `record`. Nothing here knows the monitor that it belongs to, only its recorder.

pub(crate) mod by_id;
pub(crate) mod caches;
pub(crate) mod context;
pub(crate) mod errors;
pub(crate) mod expansion;
pub(crate) mod future;
pub(crate) mod operation;
pub(crate) mod outcome;
pub(crate) mod panics;
pub(crate) mod probe;
pub(crate) mod progress;
pub(crate) mod queues;
pub(crate) mod states;
