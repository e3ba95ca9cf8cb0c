//! The figures that a snapshot gives of an operation, a label set or a kind: counts as fields, the rest as methods.
//!
//! One place for all of them: [`OperationStats`](super::OperationStats) and [`KindStats`](super::KindStats) both
//! dereference to [`Figures`].

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, per_second, to_f64, to_ns};
use super::{Histogram, Totals};

/// Counts, times and rates of the calls in a [`window`](Figures::window).
///
/// Counts are exact, for sampled operations too. Times of a sampled operation are those of the calls that were timed,
/// weighted so that totals, means and percentiles are unbiased.
///
/// Serde writes every duration as an integer of nanoseconds: `total_time_ns`, `window_ns`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Calls begun.
    pub started: u64,
    /// Calls that ended in success.
    pub succeeded: u64,
    /// Calls that ended in an error.
    pub failed: u64,
    /// Calls that a panic went through.
    pub panicked: u64,
    /// Calls that were cancelled, futures dropped before they were ready included.
    pub cancelled: u64,
    /// Operations by id that were begun here and that another process ended, which has them among its outcomes. See
    /// [`MonitorBuilder::operation_ledger`](crate::MonitorBuilder::operation_ledger).
    #[serde(default)]
    pub ended_elsewhere: u64,
    /// Operations by id that another process began, which has them in its `started`, and that ended here.
    #[serde(default)]
    pub begun_elsewhere: u64,
    /// Pieces of work done: rows, files, messages, as the operation counts them.
    pub items: u64,
    /// Bytes of work done.
    pub bytes: u64,
    /// Blocks of memory that were asked for, without those of the operations called from inside; 0 unless the program has
    /// installed `TrackedAllocator` (feature `alloc`). Also of the calls that still run.
    #[serde(default)]
    pub allocations: u64,
    /// Bytes of memory that were asked for, likewise. What was given back is not taken off.
    #[serde(default)]
    pub allocated_bytes: u64,
    /// Polls of futures; 0 for synchronous calls.
    pub polls: u64,
    /// Wall time of the finished calls, added up. Calls that overlap count each in full.
    #[serde(rename = "total_time_ns", with = "duration_ns")]
    pub total_time: Duration,
    /// `busy_time` without that of the operations called from inside.
    ///
    /// A child that outlives its parent, or runs beside its siblings, can take more than the parent has: 0 then.
    #[serde(rename = "self_time_ns", with = "duration_ns")]
    pub self_time: Duration,
    /// Time on a thread: inside `poll` for futures, all of `total_time` for synchronous calls.
    #[serde(rename = "busy_time_ns", with = "duration_ns")]
    pub busy_time: Duration,
    /// How the durations of the finished calls are distributed.
    pub durations: Histogram,
    /// The time these figures span: since the monitor started, or between the two snapshots of
    /// [`Snapshot::since`](crate::Snapshot::since).
    #[serde(rename = "window_ns", with = "duration_ns")]
    pub window: Duration,
    /// Kept beside the counts because those of a window do not give it.
    in_flight: u64,
    /// `u64::MAX` when nothing was timed.
    #[serde(rename = "min_time_ns")]
    min_ns: u64,
    #[serde(rename = "max_time_ns")]
    max_ns: u64,
}

/// No calls, over no time.
impl Default for Figures {
    fn default() -> Figures {
        Figures::new(Totals::default(), Duration::ZERO)
    }
}

impl Figures {
    pub(crate) fn new(totals: Totals, window: Duration) -> Figures {
        let mut figures = Figures {
            started: totals.started,
            succeeded: totals.succeeded,
            failed: totals.failed,
            panicked: totals.panicked,
            cancelled: totals.cancelled,
            ended_elsewhere: totals.ended_elsewhere,
            begun_elsewhere: totals.begun_elsewhere,
            items: totals.items,
            bytes: totals.bytes,
            allocations: totals.allocations,
            allocated_bytes: totals.allocated_bytes,
            polls: totals.polls,
            total_time: Duration::from_nanos(totals.total_ns),
            self_time: Duration::from_nanos(u64::try_from(totals.self_ns).unwrap_or(0)),
            busy_time: Duration::from_nanos(totals.busy_ns),
            durations: totals.histogram,
            window,
            in_flight: 0,
            min_ns: totals.min_ns,
            max_ns: totals.max_ns,
        };
        let begun = figures.started.saturating_add(figures.begun_elsewhere);
        figures.in_flight = begun.saturating_sub(figures.finished()).saturating_sub(figures.ended_elsewhere);
        figures
    }

    /// Adds the figures of another operation over the same window.
    pub(crate) fn merge(&mut self, other: &Figures) {
        let mut totals = self.totals();
        totals.merge(&other.totals());
        let in_flight = self.in_flight.saturating_add(other.in_flight);
        *self = Figures { in_flight, ..Figures::new(totals, self.window.max(other.window)) };
    }

    /// The figures of the time between `earlier` and these, which is what `window` says then.
    pub(crate) fn since(&self, earlier: &Figures, window: Duration) -> Figures {
        Figures { in_flight: self.in_flight, ..Figures::new(self.totals().since(&earlier.totals()), window) }
    }

    /// The same sums as the recorder's integers, on which adding and subtracting is defined.
    pub(super) fn totals(&self) -> Totals {
        Totals {
            started: self.started,
            succeeded: self.succeeded,
            failed: self.failed,
            panicked: self.panicked,
            cancelled: self.cancelled,
            ended_elsewhere: self.ended_elsewhere,
            begun_elsewhere: self.begun_elsewhere,
            items: self.items,
            bytes: self.bytes,
            allocations: self.allocations,
            allocated_bytes: self.allocated_bytes,
            polls: self.polls,
            total_ns: to_ns(self.total_time),
            self_ns: i64::try_from(to_ns(self.self_time)).unwrap_or(i64::MAX),
            busy_ns: to_ns(self.busy_time),
            min_ns: self.min_ns,
            max_ns: self.max_ns,
            histogram: self.durations.clone(),
        }
    }

    /// Calls that ended, however they did.
    #[must_use]
    pub fn finished(&self) -> u64 {
        [self.failed, self.panicked, self.cancelled].into_iter().fold(self.succeeded, u64::saturating_add)
    }

    /// Calls that run now: begun and not ended when the snapshot was taken. Also in the difference of two snapshots,
    /// where it is the later one's.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// The share of the finished calls that succeeded, 0.0 to 1.0; 1.0 when none has finished.
    #[must_use]
    pub fn success_rate(&self) -> f64 {
        let finished = self.finished();
        if finished == 0 { 1.0 } else { to_f64(self.succeeded) / to_f64(finished) }
    }

    /// The mean duration of a call; zero when nothing was timed.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let mean_ns = to_ns(self.total_time).checked_div(self.durations.count());
        Duration::from_nanos(mean_ns.unwrap_or(0))
    }

    /// The shortest duration; zero when nothing was timed. Exact, but in a window of [`Snapshot::since`] in which
    /// no call was shorter than all before: within 1.6 % then.
    ///
    /// [`Snapshot::since`]: crate::Snapshot::since
    #[must_use]
    pub fn min(&self) -> Duration {
        Duration::from_nanos(if self.durations.is_empty() { 0 } else { self.min_ns.min(self.max_ns) })
    }

    /// The longest duration; zero when nothing was timed. As exact as [`min`](Figures::min).
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(if self.durations.is_empty() { 0 } else { self.max_ns })
    }

    /// The duration at quantile `q`, a fraction (0.99 is the 99th percentile), within 1.6 %; zero when nothing was
    /// timed. Never outside [`min`](Figures::min) and [`max`](Figures::max), which are quantiles 0 and 1.
    ///
    /// `q` below 0 or not a number reads as 0, above 1 as 1. The method is [`Histogram::percentile`]'s.
    #[must_use]
    pub fn percentile(&self, q: f64) -> Duration {
        let (min, max) = (self.min(), self.max());
        if q >= 1.0 {
            max
        } else if q > 0.0 {
            self.durations.percentile(q).unwrap_or_default().clamp(min, max)
        } else {
            min
        }
    }

    /// Blocks of memory that a call asked for, on average; 0.0 when none has begun in the window.
    #[must_use]
    pub fn allocations_per_call(&self) -> f64 {
        self.per_call(self.allocations)
    }

    /// Bytes of memory that a call asked for, on average; 0.0 when none has begun in the window.
    #[must_use]
    pub fn allocated_bytes_per_call(&self) -> f64 {
        self.per_call(self.allocated_bytes)
    }

    fn per_call(&self, count: u64) -> f64 {
        if self.started == 0 { 0.0 } else { to_f64(count) / to_f64(self.started) }
    }

    /// Calls finished in a second of the window; 0.0 when the window is empty.
    #[must_use]
    pub fn calls_per_second(&self) -> f64 {
        per_second(self.finished(), self.window)
    }

    /// Items in a second of the window; 0.0 when the window is empty.
    #[must_use]
    pub fn items_per_second(&self) -> f64 {
        per_second(self.items, self.window)
    }

    /// Bytes in a second of the window; 0.0 when the window is empty.
    #[must_use]
    pub fn bytes_per_second(&self) -> f64 {
        per_second(self.bytes, self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn figures(durations_ns: &[u64]) -> Figures {
        Figures::new(Totals::of_durations(durations_ns), SECOND)
    }

    #[test]
    fn without_calls_every_figure_is_defined() {
        let none = Figures::new(Totals::default(), Duration::ZERO);
        for time in [none.mean(), none.min(), none.max(), none.percentile(0.5), none.percentile(f64::NAN)] {
            assert_eq!(time, Duration::ZERO);
        }
        assert!((none.success_rate() - 1.0).abs() < f64::EPSILON);
        assert!(none.calls_per_second().abs() < f64::EPSILON);
        assert_eq!((none.finished(), none.in_flight()), (0, 0));
    }

    #[test]
    fn percentiles_end_at_the_exact_extremes() {
        let figures = figures(&[1_001, 1_003, 999_999]);
        let ns = Duration::from_nanos;
        assert_eq!((figures.min(), figures.max()), (ns(1_001), ns(999_999)));
        assert_eq!((figures.percentile(0.0), figures.percentile(1.0)), (ns(1_001), ns(999_999)));
        for q in [0.01, 0.3, 0.5, 0.99] {
            assert!((figures.min()..=figures.max()).contains(&figures.percentile(q)), "{q}");
        }
    }

    #[test]
    fn rates_are_over_the_window() {
        let mut totals = Totals::of_durations(&[10, 10]);
        (totals.items, totals.bytes) = (50, 4_096);
        let figures = Figures::new(totals, Duration::from_millis(500));
        assert!((figures.calls_per_second() - 4.0).abs() < 1e-9);
        assert!((figures.items_per_second() - 100.0).abs() < 1e-9);
        assert!((figures.bytes_per_second() - 8_192.0).abs() < 1e-9);
    }

    #[test]
    fn memory_adds_up_is_taken_apart_by_window_and_divided_by_calls() {
        let of = |calls: &[u64], allocations, allocated_bytes| {
            let totals = Totals { allocations, allocated_bytes, ..Totals::of_durations(calls) };
            Figures::new(totals, SECOND)
        };
        let mut all = of(&[10], 2, 100);
        all.merge(&of(&[10, 10], 4, 500));
        assert_eq!((all.allocations, all.allocated_bytes), (6, 600));
        assert!((all.allocations_per_call() - 2.0).abs() < 1e-9);
        assert!((all.allocated_bytes_per_call() - 200.0).abs() < 1e-9);
        let window = all.since(&of(&[10], 2, 100), SECOND);
        assert_eq!((window.allocations, window.allocated_bytes), (4, 500));
        let backwards = of(&[10], 2, 100).since(&all, SECOND);
        assert_eq!((backwards.allocations, backwards.allocated_bytes), (0, 0));
        assert!(backwards.allocated_bytes_per_call().abs() < f64::EPSILON);
    }

    #[test]
    fn figures_written_before_memory_was_counted_are_read_with_none() {
        let mut json = serde_json::to_value(figures(&[10])).unwrap();
        let fields = json.as_object_mut().unwrap();
        assert!(fields.remove("allocations").is_some() && fields.remove("allocated_bytes").is_some());
        assert_eq!(serde_json::from_value::<Figures>(json).unwrap(), figures(&[10]));
    }

    #[test]
    fn what_ran_before_the_window_is_still_in_flight_in_it() {
        let mut totals = Totals { started: 5, ..Totals::default() };
        let earlier = Figures::new(totals.clone(), SECOND);
        totals.succeeded = 2;
        totals.failed = 1;
        let window = Figures::new(totals, 2 * SECOND).since(&earlier, SECOND);
        assert_eq!((window.started, window.finished(), window.in_flight()), (0, 3, 2));
        assert!((window.success_rate() - 2.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn a_negative_self_time_reads_as_zero() {
        let totals = Totals { self_ns: -5, ..Totals::of_durations(&[10]) };
        assert_eq!(Figures::new(totals, SECOND).self_time, Duration::ZERO);
    }

    #[test]
    fn a_merge_adds_up() {
        let mut merged = figures(&[10, 20]);
        merged.merge(&figures(&[5, 4_000]));
        assert_eq!(merged, figures(&[10, 20, 5, 4_000]));
    }

    #[test]
    fn a_round_trip_changes_nothing() {
        for figures in [figures(&[10, 2_345, 999_999_937]), Figures::new(Totals::default(), SECOND)] {
            let json = serde_json::to_string(&figures).unwrap();
            assert!(json.contains("\"total_time_ns\":") && json.contains("\"window_ns\":1000000000"), "{json}");
            assert_eq!(serde_json::from_str::<Figures>(&json).unwrap(), figures);
        }
    }
}
