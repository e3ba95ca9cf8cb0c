//! The monitor's figures of itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the monitor holds, has lost and has refused, counted since it started.
///
/// Nothing is lost in silence: what is missing from a snapshot or from [`Monitor::recent`](crate::Monitor::recent) has
/// a count here.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MonitorStats {
    /// Operations registered.
    pub operations: u64,
    /// Label sets registered, of all operations together.
    pub series: u64,
    /// Calls counted under `(overflow)` because there were as many operations as the cap allows.
    pub overflow_calls: u64,
    /// Calls counted under the label `overflow="true"` because their operation had as many label sets as the cap
    /// allows.
    pub overflow_series_calls: u64,
    /// How often a queue was asked for by a new name when there were as many as the cap allows: `(overflow)`.
    pub overflow_queues: u64,
    /// The same of caches.
    pub overflow_caches: u64,
    /// The same of kinds of lookups, of all caches together.
    pub overflow_cache_kinds: u64,
    /// Individual records kept, whether still held or not.
    pub records_kept: u64,
    /// Calls without an individual record, by decision: the operation's `record` argument or its budget.
    pub records_skipped: u64,
    /// Individual records made and lost, by reason, such as `ring_full` and `overwritten`.
    pub records_dropped: BTreeMap<String, u64>,
    /// Calls nested deeper in a thread than its stack of active operations is: counted, but without parent and not
    /// listed as active.
    pub stack_overflows: u64,
    /// Futures that found the table of active tasks full: counted, but not listed as active.
    pub task_overflows: u64,
    /// Calls made from inside one of the monitor's own callbacks, which are let through without a record.
    pub reentrant_calls: u64,
    /// Callbacks and `Display` implementations of the host that panicked; the panic was contained.
    pub callbacks_panicked: u64,
    /// Groups of errors that made room for others after they were resolved.
    pub error_groups_replaced: u64,
    /// Errors that are in no group: theirs has made room, or they came from within the formatting of another error.
    pub errors_ungrouped: u64,
    /// Jobs that work and are not listed, because as many were running as are listed.
    pub jobs_unlisted: u64,
    /// Jobs that ended and are no longer listed, because newer ones have ended.
    pub jobs_displaced: u64,
    /// Headers `traceparent` that were not valid and therefore ignored.
    pub traceparents_ignored: u64,
    /// Metrics of the host that are registered, by kind and name.
    pub metrics: u64,
    /// Label sets of the host's metrics that are registered, of all metrics together.
    pub metric_series: u64,
    /// How often a metric was asked for that is counted under `(overflow)`, because there were as many as the cap allows.
    pub overflow_metrics: u64,
    /// How often a label set of a metric was asked for that is counted under `overflow="true"`, because the metric had as
    /// many as the cap allows.
    pub overflow_metric_series: u64,
    /// Descriptions of metrics that were not kept, because as many were as the cap allows.
    pub metric_descriptions_dropped: u64,
    /// Operations by id that did not begin or end as they should have, and nobody was told: the builder was dropped
    /// instead of [`start`](crate::BeginById::start) or [`finish`](crate::EndById::finish).
    pub by_id_errors: u64,
    /// Beginnings, steps and ends of operations by id that count in this process and that other processes cannot know of,
    /// because their ledger could not be reached when they came: those that wait for it, and those that had no room.
    pub by_id_unshared: u64,
    /// Why the ledger of operations by id cannot be reached, while that is so.
    pub by_id_trouble: Option<String>,
    /// Ends of operations by id that are no longer remembered, because newer ones have come.
    pub by_id_displaced: u64,
    /// Names, kinds and labels that were cut or had characters replaced.
    pub names_changed: u64,
    /// Shards in memory, in use or waiting for a thread.
    pub shards: u64,
    /// Threads that have a shard now.
    pub threads: u64,
    /// Memory held by shards, names, records and the groups of errors, in bytes.
    pub bytes_held: u64,
    /// One line for each further copy of this crate in the program, such as its version. What such a copy records
    /// is not in this snapshot.
    pub copies: Vec<String>,
}

impl MonitorStats {
    /// Individual records lost, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.records_dropped.values().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Calls that a cap sent to an overflow series.
    #[must_use]
    pub fn overflowed(&self) -> u64 {
        self.overflow_calls.saturating_add(self.overflow_series_calls)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_round_trips() {
        let stats = MonitorStats {
            operations: 3,
            records_dropped: [("ring_full".to_owned(), 2), ("overwritten".to_owned(), 40)].into(),
            copies: vec!["monitor-core 0.0.9".into()],
            ..MonitorStats::default()
        };
        let json = serde_json::to_string(&stats).unwrap();
        assert_eq!(serde_json::from_str::<MonitorStats>(&json).unwrap(), stats);
        assert_eq!(stats.dropped(), 42);
    }

    #[test]
    fn figures_that_an_older_version_did_not_write_read_as_none() {
        let stats: MonitorStats = serde_json::from_str(r#"{"operations":3}"#).unwrap();
        assert_eq!((stats.operations, stats.threads, stats.overflowed()), (3, 0, 0));
    }
}
