//! What a monitor keeps beside the shards of its threads: groups of errors, progress, state machines, operations by id,
//! queues, caches, the host's own metrics.
//!
//! Each store is bounded, knows nothing of the others and of what runs, and takes the time as an argument. Their locks
//! are held for moments, and no code of the host runs under one.

pub(crate) mod by_id;
pub(crate) mod caches;
pub(crate) mod errors;
#[cfg(feature = "metrics")]
pub(crate) mod metrics;
pub(crate) mod named;
pub(crate) mod progress;
pub(crate) mod queues;
mod reentry;
mod slices;
pub(crate) mod states;

use crate::model::MetricStats;

/// The stores of one monitor.
#[derive(Default)]
pub(crate) struct Stores {
    pub(crate) errors: errors::ErrorGroups,
    pub(crate) progress: progress::ProgressBoard,
    pub(crate) states: states::StateMachines,
    pub(crate) queues: queues::Queues,
    pub(crate) caches: caches::Caches,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: metrics::Metrics,
}

/// What the monitor says of the host's metrics in its figures of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MetricTotals {
    pub(crate) metrics: u64,
    pub(crate) series: u64,
    pub(crate) overflow_metrics: u64,
    pub(crate) overflow_series: u64,
    pub(crate) descriptions_dropped: u64,
    pub(crate) names_changed: u64,
    pub(crate) reentrant: u64,
}

/// The host's metrics, of which there are none without the feature.
impl Stores {
    #[cfg(feature = "metrics")]
    pub(crate) fn set_metric_limits(&self, metrics: usize, label_sets: usize) {
        self.metrics.set_limits(metrics, label_sets);
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn read_metrics(&self) -> Vec<MetricStats> {
        self.metrics.read()
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn metric_totals(&self) -> MetricTotals {
        self.metrics.totals()
    }
}

#[cfg(not(feature = "metrics"))]
#[expect(clippy::unused_self, reason = "with the feature they are methods of it")]
impl Stores {
    pub(crate) fn set_metric_limits(&self, _metrics: usize, _label_sets: usize) {}

    pub(crate) fn read_metrics(&self) -> Vec<MetricStats> {
        Vec::new()
    }

    pub(crate) fn metric_totals(&self) -> MetricTotals {
        MetricTotals::default()
    }
}
