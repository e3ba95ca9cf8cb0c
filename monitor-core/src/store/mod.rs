//! What a monitor keeps beside the shards of its threads: groups of errors, progress, state machines,
//! operations by id.
//!
//! Each store is bounded, knows nothing of the others and of what runs, and takes the time as an argument. Their locks
//! are held for moments, and no code of the host runs under one.

pub(crate) mod by_id;
pub(crate) mod caches;
pub(crate) mod errors;
pub(crate) mod metrics;
pub(crate) mod progress;
pub(crate) mod queues;
pub(crate) mod states;

/// The stores of one monitor.
#[derive(Default)]
pub(crate) struct Stores {
    pub(crate) errors: errors::ErrorGroups,
    pub(crate) progress: progress::ProgressBoard,
    pub(crate) states: states::StateMachines,
    pub(crate) by_id: by_id::OperationsById,
    pub(crate) queues: queues::Queues,
    pub(crate) caches: caches::Caches,
    pub(crate) metrics: metrics::Metrics,
}
