//! A recorder for the `metrics` facade.
//!
//! It puts the names of the facade to those of the store, and hands the store's metrics out as the facade's handles: what
//! the host then writes goes straight to them. Beside it any number of other recorders may be told the same.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use smallvec::SmallVec;

use crate::base::Error;
use crate::model::MetricKind;
use crate::monitor::Monitor;
use crate::record::local::watch_forks;
use crate::store::metrics::{Counter, Gauge, Handle, Histogram};

impl Monitor {
    /// A recorder for the `metrics` facade that keeps the host's counters, gauges and histograms in this monitor, see
    /// [`MetricsRecorder`]. Feature `metrics`.
    pub fn metrics_recorder(&self) -> MetricsRecorder {
        // A child that is forked must know that it is one before it asks for a metric.
        watch_forks();
        MetricsRecorder { monitor: self.clone(), others: Vec::new() }
    }
}

/// A recorder for the [`metrics`] facade: what the host and its libraries count with `counter!`, `gauge!` and `histogram!`
/// is kept in the monitor that it was made from, and read with [`Snapshot::metrics`](crate::Snapshot::metrics).
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// let recorder = local.metrics_recorder();
/// metrics::with_local_recorder(&recorder, || { // a program calls `.install()` once instead
///     metrics::describe_histogram!("request_seconds", metrics::Unit::Seconds, "Time to answer");
///     metrics::counter!("requests", "route" => "/users").increment(1);
///     metrics::histogram!("request_seconds").record(0.25);
///     metrics::gauge!("build_info", "version" => "1.2.3").set(1.0); // an information metric
/// });
///
/// let snapshot = local.snapshot();
/// assert_eq!(snapshot.metric("requests", &[("route", "/users")]).unwrap().counter(), Some(1));
/// let seconds = snapshot.metric("request_seconds", &[]).unwrap();
/// assert_eq!((seconds.unit.as_str(), seconds.histogram().unwrap().max()), ("seconds", Some(0.25)));
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # What is kept
///
/// - **Counters** are exact however many threads count. `absolute` raises one to at least that number; what is counted
///   at the same moment is part of the number or comes on top, never both.
/// - **Gauges** are one float: the last `set` holds, and every `increment` and `decrement` counts. What is not a number is
///   kept as it is; added to, it stays what it is until the next `set`.
/// - **Histograms** have exact counts and percentiles within 1.6 %, with values of any unit and magnitude, below zero as
///   well: see [`Distribution`](crate::Distribution), also for zero, NaN and infinities. No buckets have to be chosen.
/// - Labels make one series whatever their order; of several with one key the first stays. Names are kept as they are
///   given, over 200 bytes cut; keys and values of labels as those of an operation.
/// - Descriptions and units may be told before a metric is first used or after; the last ones hold. A metric that was
///   described and never asked for is not listed, since it has no labels and no value.
///
/// As many metrics and label sets of each are told apart as operations are
/// ([`MonitorBuilder::max_operations`](crate::MonitorBuilder::max_operations),
/// [`max_label_sets`](crate::MonitorBuilder::max_label_sets)); what is over that shares `(overflow)` or
/// `overflow="true"` and is counted in [`MonitorStats`](crate::MonitorStats). A gauge there says nothing.
///
/// [`Monitor::set_enabled`] does not stop metrics: they are the host's own figures, and a counter that stood still for a
/// while would be wrong ever after. Without the feature `enabled` nothing is kept, and recorders beside it are still told.
///
/// # Cost
///
/// A kept handle costs a few nanoseconds, on any number of threads at once: it writes to cache lines of the thread, without
/// a lock. A macro that looks its metric up each time costs some 70 ns, and more where many threads do so at once. A counter takes up to 1 KB and 128 bytes for each
/// thread that counts at one time; a histogram 1 KB for each, and 320 bytes for each power of two in which that one's values
/// lie.
///
/// # Handles
///
/// A handle that the host keeps is valid for ever. When the monitor is gone it counts for nobody. In a forked child it counts
/// in the child's copy of it, which nobody reads, and takes no lock; a metric that the child asks for anew is the child's
/// own. Used inside the host's global allocator, a metric of which the thread is just being given its first memory is not
/// found, or loses the value (a counter loses none), and that is counted in
/// [`reentrant_calls`](crate::MonitorStats::reentrant_calls).
#[derive(Clone)]
#[must_use = "a recorder records when it is installed"]
pub struct MetricsRecorder {
    monitor: Monitor,
    others: Vec<Arc<dyn Recorder + Send + Sync>>,
}

impl MetricsRecorder {
    /// Has another recorder told everything as well, descriptions too: an exporter that the host has already. May be called
    /// several times. A handle then costs what all of them cost.
    ///
    /// A panic in the other one is contained and counted in
    /// [`callbacks_panicked`](crate::MonitorStats::callbacks_panicked) of this one's monitor.
    ///
    /// ```
    /// use monitor_core::Monitor;
    ///
    /// let (ours, theirs) = (Monitor::builder().build()?, Monitor::builder().build()?);
    /// let recorder = ours.metrics_recorder().beside(theirs.metrics_recorder());
    /// metrics::with_local_recorder(&recorder, || metrics::counter!("requests").increment(2));
    /// assert_eq!(ours.snapshot().metrics(), theirs.snapshot().metrics());
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn beside(mut self, other: impl Recorder + Send + Sync + 'static) -> Self {
        self.others.push(Arc::new(other));
        self
    }

    /// Makes it the recorder of the process: that of every thread that is not in a `metrics::with_local_recorder`. Metrics
    /// that were asked for before stay with whoever gave them, so it is best done at the start of `main`.
    ///
    /// # Errors
    /// [`Error::is_already_installed`] when the process has a recorder, this one or another; it goes on. To have both,
    /// give that one to [`beside`](Self::beside) instead of installing it.
    pub fn install(self) -> Result<(), Error> {
        metrics::set_global_recorder(self).map_err(|_| Error::metrics_recorder_installed())
    }

    fn find(&self, kind: MetricKind, key: &Key) -> Option<Handle> {
        if !cfg!(feature = "enabled") {
            return None;
        }
        let labels = key.labels().map(|label| (label.key(), label.value())).collect();
        let recorder = self.monitor.recorder();
        recorder.stores.metrics.find(&recorder.hash_state, kind, key.name(), labels)
    }

    fn describe(&self, kind: MetricKind, name: &KeyName, unit: Option<Unit>, description: &SharedString) {
        if cfg!(feature = "enabled") {
            let unit = unit.map_or("", |unit| unit.as_str());
            self.monitor.recorder().stores.metrics.describe(kind, name.as_str(), unit, description);
        }
    }

    /// Tells the others. No lock is held.
    fn tell(&self, tell: impl Fn(&dyn Recorder)) {
        for other in &self.others {
            let _ = contained(&self.monitor, || tell(&**other));
        }
    }

    /// The handles of the others.
    fn ask<H>(&self, ask: impl Fn(&dyn Recorder) -> H) -> Handles<H> {
        self.others.iter().filter_map(|other| contained(&self.monitor, || ask(&**other))).collect()
    }
}

type Handles<H> = SmallVec<[H; 2]>;

/// Calls code of another recorder. A panic in it is counted in the monitor that it is told beside, whatever this thread
/// records into.
fn contained<R>(monitor: &Monitor, f: impl FnOnce() -> R) -> Option<R> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(done) => Some(done),
        Err(payload) => {
            // What a panic carries may itself panic when dropped.
            std::mem::forget(payload);
            monitor.recorder().counts.callbacks_panicked.fetch_add(1, Ordering::Relaxed);
            None
        }
    }
}

impl Recorder for MetricsRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(MetricKind::Counter, &key, unit, &description);
        self.tell(|other| other.describe_counter(key.clone(), unit, description.clone()));
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(MetricKind::Gauge, &key, unit, &description);
        self.tell(|other| other.describe_gauge(key.clone(), unit, description.clone()));
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(MetricKind::Histogram, &key, unit, &description);
        self.tell(|other| other.describe_histogram(key.clone(), unit, description.clone()));
    }

    fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> metrics::Counter {
        let ours = match self.find(MetricKind::Counter, key) {
            Some(Handle::Counter(counter)) => metrics::Counter::from_arc(counter),
            _ => metrics::Counter::noop(),
        };
        if self.others.is_empty() {
            return ours;
        }
        let others = self.ask(|other| other.register_counter(key, metadata));
        metrics::Counter::from_arc(Arc::new(All { ours, others, monitor: self.monitor.clone() }))
    }

    fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> metrics::Gauge {
        let ours = match self.find(MetricKind::Gauge, key) {
            Some(Handle::Gauge(gauge)) => metrics::Gauge::from_arc(gauge),
            _ => metrics::Gauge::noop(),
        };
        if self.others.is_empty() {
            return ours;
        }
        let others = self.ask(|other| other.register_gauge(key, metadata));
        metrics::Gauge::from_arc(Arc::new(All { ours, others, monitor: self.monitor.clone() }))
    }

    fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> metrics::Histogram {
        let ours = match self.find(MetricKind::Histogram, key) {
            Some(Handle::Histogram(histogram)) => metrics::Histogram::from_arc(histogram),
            _ => metrics::Histogram::noop(),
        };
        if self.others.is_empty() {
            return ours;
        }
        let others = self.ask(|other| other.register_histogram(key, metadata));
        metrics::Histogram::from_arc(Arc::new(All { ours, others, monitor: self.monitor.clone() }))
    }
}

impl fmt::Debug for MetricsRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MetricsRecorder").field("monitor", &self.monitor).field("others", &self.others.len()).finish()
    }
}

impl CounterFn for Counter {
    #[inline]
    fn increment(&self, value: u64) {
        self.add(value);
    }

    fn absolute(&self, value: u64) {
        self.at_least(value);
    }
}

impl GaugeFn for Gauge {
    #[inline]
    fn increment(&self, value: f64) {
        self.add(value);
    }

    #[inline]
    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    #[inline]
    fn set(&self, value: f64) {
        Gauge::set(self, value);
    }
}

impl HistogramFn for Histogram {
    #[inline]
    fn record(&self, value: f64) {
        self.record_n(value, 1);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.record_n(value, count as u64);
    }
}

/// Our handle and those of the recorders beside it.
struct All<H> {
    ours: H,
    others: Handles<H>,
    /// Where panics of the others are counted.
    monitor: Monitor,
}

impl<H> All<H> {
    /// Ours first, whatever becomes of the others.
    #[inline]
    fn each(&self, write: impl Fn(&H)) {
        write(&self.ours);
        for other in &self.others {
            let _ = contained(&self.monitor, || write(other));
        }
    }
}

impl CounterFn for All<metrics::Counter> {
    fn increment(&self, value: u64) {
        self.each(|counter| counter.increment(value));
    }

    fn absolute(&self, value: u64) {
        self.each(|counter| counter.absolute(value));
    }
}

impl GaugeFn for All<metrics::Gauge> {
    fn increment(&self, value: f64) {
        self.each(|gauge| gauge.increment(value));
    }

    fn decrement(&self, value: f64) {
        self.each(|gauge| gauge.decrement(value));
    }

    fn set(&self, value: f64) {
        self.each(|gauge| gauge.set(value));
    }
}

impl HistogramFn for All<metrics::Histogram> {
    fn record(&self, value: f64) {
        self.each(|histogram| histogram.record(value));
    }

    fn record_many(&self, value: f64, count: usize) {
        self.each(|histogram| histogram.record_many(value, count));
    }
}
