//! Everything the monitor knows at one moment, and the difference of two moments.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, de};

use super::text::{cut_middle, format_count, format_duration, format_percent, one_line, plural};
use super::units::{duration_ns, system_time_ns, to_f64};
use super::{
    ActiveOperation, CacheStats, CallEdge, ErrorCount, ErrorGroup, KindStats, MetricStats, MonitorStats,
    OperationStats, ProgressStats, QueueStats, SinkStats, StateMachineStats,
};
use super::{active, cache, edge, error_group, kind, metric, operation, progress, queue, state_machine};

/// Version of the serde form, raised when a reader of the old one would misunderstand the new one.
const WIRE_VERSION: u32 = 1;

/// Everything the monitor knows at one moment: statistics of every operation, what runs now, who calls whom, and the
/// monitor's figures of itself.
///
/// A value of its own: it does not change when recording goes on, and can be kept, compared, sent and read back.
/// `Display` writes a table for people that fits 120 columns; `{:#}` writes all of it, without a limit of rows, and
/// each label set. [`summary`](Snapshot::summary) is one line for a log.
///
/// ```
/// use monitor_core::Monitor;
///
/// let monitor = Monitor::builder().build()?;
/// monitor.scope(|| monitor.track("resize", |_| ()));
/// let earlier = monitor.snapshot();
/// monitor.scope(|| monitor.track("resize", |_| ()));
/// let later = monitor.snapshot();
///
/// let calls = |snapshot: &monitor_core::Snapshot| snapshot.operation("resize").map(|stats| stats.started);
/// assert_eq!((calls(&later), calls(&later.since(&earlier))), (Some(2), Some(1)));
/// println!("{later}");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    #[serde(deserialize_with = "known_version")]
    version: u32,
    service: String,
    #[serde(rename = "taken_at_ns", with = "system_time_ns")]
    taken_at: SystemTime,
    #[serde(rename = "window_ns", with = "duration_ns")]
    window: Duration,
    operations: Vec<OperationStats>,
    edges: Vec<CallEdge>,
    active: Vec<ActiveOperation>,
    #[serde(default)]
    errors: Vec<ErrorGroup>,
    #[serde(default)]
    error_counts: Vec<ErrorCount>,
    #[serde(default)]
    progress: Vec<ProgressStats>,
    #[serde(default)]
    state_machines: Vec<StateMachineStats>,
    #[serde(default)]
    queues: Vec<QueueStats>,
    #[serde(default)]
    caches: Vec<CacheStats>,
    #[serde(default)]
    metrics: Vec<MetricStats>,
    #[serde(default)]
    sinks: Vec<SinkStats>,
    monitor: MonitorStats,
}

/// What a snapshot is made of, in any order.
#[derive(Debug, Clone)]
pub(crate) struct SnapshotParts {
    pub(crate) service: String,
    pub(crate) taken_at: SystemTime,
    /// Time since the monitor started, by the monotonic clock.
    pub(crate) window: Duration,
    pub(crate) operations: Vec<OperationStats>,
    pub(crate) edges: Vec<CallEdge>,
    pub(crate) active: Vec<ActiveOperation>,
    pub(crate) errors: Vec<ErrorGroup>,
    pub(crate) error_counts: Vec<ErrorCount>,
    pub(crate) progress: Vec<ProgressStats>,
    pub(crate) state_machines: Vec<StateMachineStats>,
    pub(crate) queues: Vec<QueueStats>,
    pub(crate) caches: Vec<CacheStats>,
    pub(crate) metrics: Vec<MetricStats>,
    pub(crate) sinks: Vec<SinkStats>,
    pub(crate) monitor: MonitorStats,
}

impl SnapshotParts {
    /// Of a monitor that has recorded nothing for a second.
    pub(crate) fn empty() -> SnapshotParts {
        SnapshotParts {
            service: String::new(),
            taken_at: SystemTime::UNIX_EPOCH,
            window: Duration::from_secs(1),
            operations: Vec::new(),
            edges: Vec::new(),
            active: Vec::new(),
            errors: Vec::new(),
            error_counts: Vec::new(),
            progress: Vec::new(),
            state_machines: Vec::new(),
            queues: Vec::new(),
            caches: Vec::new(),
            metrics: Vec::new(),
            sinks: Vec::new(),
            monitor: MonitorStats::default(),
        }
    }
}

impl Snapshot {
    pub(crate) fn new(parts: SnapshotParts) -> Snapshot {
        let SnapshotParts {
            service,
            taken_at,
            window,
            mut operations,
            mut edges,
            mut active,
            mut errors,
            error_counts,
            progress,
            state_machines,
            queues,
            caches,
            metrics,
            sinks,
            monitor,
        } = parts;
        operation::sort_by_total_time(&mut operations);
        edge::sort_by_total_time(&mut edges);
        active::sort_by_age(&mut active);
        error_group::sort_by_urgency(&mut errors);
        Snapshot {
            version: WIRE_VERSION,
            service,
            taken_at,
            window,
            operations,
            edges,
            active,
            errors,
            error_counts,
            progress,
            state_machines,
            queues,
            caches,
            metrics,
            sinks,
            monitor,
        }
    }

    /// Name of the service, as the monitor was built with; may be empty.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// When it was taken, by the wall clock.
    #[must_use]
    pub fn taken_at(&self) -> SystemTime {
        self.taken_at
    }

    /// The time it spans: since the monitor started, or between the two snapshots of [`since`](Snapshot::since). By
    /// the monotonic clock.
    #[must_use]
    pub fn window(&self) -> Duration {
        self.window
    }

    /// Every operation, largest total time first.
    #[must_use]
    pub fn operations(&self) -> &[OperationStats] {
        &self.operations
    }

    /// The operation of that name; where several kinds or components share it, the one with the largest total time.
    #[must_use]
    pub fn operation(&self, name: &str) -> Option<&OperationStats> {
        self.operations.iter().find(|stats| stats.name == name)
    }

    /// The operation of that name and kind.
    #[must_use]
    pub fn operation_of(&self, name: &str, kind: &str) -> Option<&OperationStats> {
        self.operations.iter().find(|stats| stats.name == name && stats.kind == kind)
    }

    /// What ran when the snapshot was taken, oldest first.
    #[must_use]
    pub fn active(&self) -> &[ActiveOperation] {
        &self.active
    }

    /// Which operation calls which, largest total time first.
    #[must_use]
    pub fn edges(&self) -> &[CallEdge] {
        &self.edges
    }

    /// The operations added up by kind, largest total time first.
    ///
    /// Computed by each call: a merge of all histograms.
    #[must_use]
    pub fn kinds(&self) -> Vec<KindStats> {
        kind::by_kind(&self.operations)
    }

    /// Errors by group: what is not resolved first, then by severity, then the newest.
    ///
    /// In the difference of two snapshots the groups with an error in between, with their counts of that time.
    #[must_use]
    pub fn errors(&self) -> &[ErrorGroup] {
        &self.errors
    }

    /// All errors, counted by kind, component and severity, in their order. Unlike the counts of groups these never fall: a
    /// group that made room for another one, or whose severity rose, changes nothing here.
    #[must_use]
    pub fn error_counts(&self) -> &[ErrorCount] {
        &self.error_counts
    }

    /// How far the long jobs are: those that run in the order in which they began, then those that ended, the last one
    /// first. At most 1,024 and 64.
    #[must_use]
    pub fn progress(&self) -> &[ProgressStats] {
        &self.progress
    }

    /// The job of that name; of several, the one that began last.
    #[must_use]
    pub fn progress_of(&self, name: &str) -> Option<&ProgressStats> {
        self.progress.iter().filter(|job| job.name == name).max_by_key(|job| job.id)
    }

    /// The state machines with their entities, by name.
    #[must_use]
    pub fn state_machines(&self) -> &[StateMachineStats] {
        &self.state_machines
    }

    /// The state machine of that name.
    #[must_use]
    pub fn state_machine(&self, name: &str) -> Option<&StateMachineStats> {
        self.state_machines.iter().find(|machine| machine.name == name)
    }

    /// The queues, by name.
    #[must_use]
    pub fn queues(&self) -> &[QueueStats] {
        &self.queues
    }

    /// The queue of that name.
    #[must_use]
    pub fn queue(&self, name: &str) -> Option<&QueueStats> {
        self.queues.iter().find(|queue| queue.name == name)
    }

    /// The caches, by name.
    #[must_use]
    pub fn caches(&self) -> &[CacheStats] {
        &self.caches
    }

    /// The cache of that name.
    #[must_use]
    pub fn cache(&self, name: &str) -> Option<&CacheStats> {
        self.caches.iter().find(|cache| cache.name == name)
    }

    /// The sinks, in the order in which they were given; counts since the monitor was built.
    #[must_use]
    pub fn sinks(&self) -> &[SinkStats] {
        &self.sinks
    }

    /// The host's own metrics, by name, kind and labels. There is one for each label set.
    #[must_use]
    pub fn metrics(&self) -> &[MetricStats] {
        &self.metrics
    }

    /// The metric of that name with exactly these labels, in any order; where several kinds share the name, the counter
    /// before the gauge before the histogram. Name and labels are changed as those of a metric are when it is registered.
    #[must_use]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> Option<&MetricStats> {
        metric::find(&self.metrics, name, labels)
    }

    /// The monitor's figures of itself, since it started.
    #[must_use]
    pub fn monitor(&self) -> &MonitorStats {
        &self.monitor
    }

    /// What happened between `earlier` and this snapshot of the same monitor, percentiles included.
    ///
    /// Operations are matched by name, kind, component and labels; one that was not there before is whole, one
    /// without a call in between stays with counts of 0. Groups of errors are there if an error came in between, with
    /// the count of those. Of state machines, counts and times in a state are those in between; where each entity is,
    /// who is stuck, and the last transitions are this snapshot's. So is what is active, how far jobs are (but for those
    /// that had ended before `earlier`), how sinks are doing, and the monitor's figures of itself. Of queues and caches the counts, and the
    /// times that items waited, are those in between; what waits, what a cache holds, and the last minutes are this
    /// snapshot's, and one that was not there before is whole. Of the host's metrics, counters and histograms have what
    /// came in between, and gauges are this snapshot's. Counts never go below 0: with the two
    /// exchanged, the difference is empty.
    ///
    /// ```
    /// # let monitor = monitor_core::Monitor::builder().build()?;
    /// let mut last = monitor.snapshot();
    /// // every minute:
    /// let now = monitor.snapshot();
    /// println!("{}", now.since(&last).summary());
    /// last = now;
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    #[must_use]
    pub fn since(&self, earlier: &Snapshot) -> Snapshot {
        let window = self.window.saturating_sub(earlier.window);
        Snapshot {
            window,
            operations: operation::all_since(&self.operations, &earlier.operations, window),
            edges: edge::all_since(&self.edges, &earlier.edges),
            version: self.version,
            service: self.service.clone(),
            taken_at: self.taken_at,
            active: self.active.clone(),
            errors: error_group::all_since(&self.errors, &earlier.errors),
            error_counts: error_group::counts_since(&self.error_counts, &earlier.error_counts),
            progress: progress::since(&self.progress, &earlier.progress),
            state_machines: state_machine::all_since(&self.state_machines, &earlier.state_machines),
            queues: queue::all_since(&self.queues, &earlier.queues, window),
            caches: cache::all_since(&self.caches, &earlier.caches, window),
            metrics: metric::all_since(&self.metrics, &earlier.metrics, window),
            sinks: self.sinks.clone(),
            monitor: self.monitor.clone(),
        }
    }

    /// One line for a log.
    ///
    /// `12 operations, 3,402 calls, 1.2 % failed, slowest db.fetch_user p99 12.3 ms, 2 active`: operations called,
    /// calls begun, the share of the finished ones that did not succeed, the operation with the largest 99th
    /// percentile, and what ran.
    #[must_use]
    pub fn summary(&self) -> String {
        let called = self.operations.iter().filter(|stats| stats.started > 0);
        let (mut operations, mut calls, mut finished, mut succeeded) = (0_u64, 0_u64, 0_u64, 0_u64);
        for stats in called.clone() {
            operations += 1;
            calls = calls.saturating_add(stats.started);
        }
        for stats in &self.operations {
            finished = finished.saturating_add(stats.finished());
            succeeded = succeeded.saturating_add(stats.succeeded);
        }
        let mut line = format!("{}, {}", plural(operations, "operation"), plural(calls, "call"));
        if finished > 0 {
            let failed = to_f64(finished.saturating_sub(succeeded)) / to_f64(finished);
            let _ = write!(line, ", {} failed", format_percent(failed));
        }
        let slowest = self.operations.iter().filter(|stats| !stats.durations.is_empty());
        if let Some((p99, stats)) = slowest.map(|stats| (stats.percentile(0.99), stats)).max_by_key(|&(p99, _)| p99) {
            let name = cut_middle(&one_line(&stats.name), 48);
            let _ = write!(line, ", slowest {name} p99 {}", format_duration(p99));
        }
        let _ = write!(line, ", {} active", format_count(self.active.len() as u64));
        line
    }
}

fn known_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        WIRE_VERSION => Ok(WIRE_VERSION),
        other => Err(de::Error::custom(format_args!(
            "snapshot version {other} is not known here, only version {WIRE_VERSION}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Identity, Totals};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn operation(name: &str, kind: &str, durations_ns: &[u64]) -> OperationStats {
        let identity = Identity { name: name.into(), kind: kind.into(), ..Identity::default() };
        OperationStats::new(identity, Totals::of_durations(durations_ns), SECOND)
    }

    fn snapshot(window: Duration, operations: Vec<OperationStats>) -> Snapshot {
        Snapshot::new(SnapshotParts {
            service: "test".into(),
            taken_at: SystemTime::UNIX_EPOCH + window,
            window,
            operations,
            active: vec![active::example(1, "young", SECOND), active::example(2, "old", 2 * SECOND)],
            ..SnapshotParts::empty()
        })
    }

    #[test]
    fn parts_come_out_in_order() {
        let snapshot = snapshot(SECOND, vec![operation("a", "x", &[1]), operation("b", "x", &[2])]);
        let names: Vec<_> = snapshot.operations().iter().map(|stats| stats.name.as_str()).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(snapshot.active()[0].name, "old");
    }

    #[test]
    fn a_name_that_kinds_share_is_found_by_each() {
        let snapshot = snapshot(SECOND, vec![operation("get", "cache", &[1]), operation("get", "api", &[9])]);
        assert_eq!(snapshot.operation("get").unwrap().kind, "api");
        assert_eq!(snapshot.operation_of("get", "cache").unwrap().started, 1);
        assert_eq!(snapshot.operation("got"), None);
        assert_eq!(snapshot.operation_of("get", "batch"), None);
        assert_eq!(snapshot.kinds().len(), 2);
    }

    #[test]
    fn a_difference_holds_what_came_between() {
        let earlier = snapshot(SECOND, vec![operation("a", "x", &[10, 20]), operation("b", "x", &[5])]);
        let later = snapshot(
            3 * SECOND,
            vec![operation("a", "x", &[10, 20, 700]), operation("b", "x", &[5]), operation("c", "x", &[9])],
        );
        let between = later.since(&earlier);
        assert_eq!((between.window(), between.operations()[0].window), (2 * SECOND, 2 * SECOND));
        let calls: Vec<_> = between.operations().iter().map(|s| (s.name.as_str(), s.started)).collect();
        assert_eq!(calls, [("a", 1), ("c", 1), ("b", 0)]);
        assert_eq!(between.operation("a").unwrap().percentile(1.0), Duration::from_nanos(700));
        assert_eq!(between.active(), later.active());
        assert_eq!(earlier.since(&later).window(), Duration::ZERO);
    }

    #[test]
    fn a_round_trip_changes_nothing() {
        let snapshot = snapshot(SECOND, vec![operation("a", "x", &[10, 123_456_789]), operation("b", "y", &[])]);
        let json = serde_json::to_string(&snapshot).unwrap();
        let back: Snapshot = serde_json::from_str(&json).unwrap();
        assert_eq!(back, snapshot);
        let percentiles =
            |s: &Snapshot| (0..=100).map(|p| s.operations()[0].percentile(f64::from(p) / 100.0)).collect();
        let (there, here): (Vec<_>, Vec<_>) = (percentiles(&back), percentiles(&snapshot));
        assert_eq!(there, here);
    }

    #[test]
    fn an_unknown_version_is_an_error_that_says_so() {
        let json = serde_json::to_string(&snapshot(SECOND, Vec::new())).unwrap();
        let error = serde_json::from_str::<Snapshot>(&json.replace("\"version\":1", "\"version\":9")).unwrap_err();
        assert!(error.to_string().contains("snapshot version 9 is not known"), "{error}");
    }

    #[test]
    fn the_summary_is_one_line() {
        let mut totals = Totals::of_durations(&[1_000; 999]);
        totals.merge(&Totals { started: 1, failed: 1, ..Totals::default() });
        let failing = OperationStats::new(Identity { name: "a".into(), ..Identity::default() }, totals, SECOND);
        let some = snapshot(SECOND, vec![failing, operation("b\n", "x", &[12_345_678])]);
        assert_eq!(some.summary(), "2 operations, 1,001 calls, 0.1 % failed, slowest b\u{fffd} p99 12.3 ms, 2 active");
        assert_eq!(snapshot(SECOND, Vec::new()).summary(), "0 operations, 0 calls, 2 active");
    }
}
