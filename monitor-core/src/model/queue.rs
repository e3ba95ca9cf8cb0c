//! A queue, as it is read.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Histogram;
use super::units::{duration_ns, optional_duration_ns, per_second, to_f64, to_ns};

/// A time to drain that is longer is as good as unknown.
const LONGEST_DRAIN: Duration = Duration::from_hours(365 * 24);

/// A queue at one moment: what waits, for how long, and what became of what has come.
///
/// The counts agree with each other at every moment, whoever counts meanwhile: `enqueued` is `depth` + `in_process` +
/// `processed` + `failed` + `discarded`. That does not hold where the depth was
/// [reported](crate::Queue::set_depth) by the program, nor in the difference of two snapshots, in which `enqueued` and
/// what ended are those of the time between, and the rest is the later one's.
///
/// Serde writes every duration as an integer of nanoseconds: `waiting_time_ns`, `oldest_ns`.
///
/// ```
/// use monitor_core::{ManualClock, Monitor};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let local = Monitor::builder().clock(&clock).build()?;
/// let mail = local.queue("mail");
/// let (first, _second) = (mail.enqueued(), mail.enqueued());
/// clock.advance(Duration::from_secs(3));
/// first.start().succeed();
///
/// let snapshot = local.snapshot();
/// let stats = snapshot.queue("mail").unwrap();
/// assert_eq!((stats.depth, stats.enqueued, stats.processed), (1, 2, 1));
/// assert_eq!(stats.oldest, Some(Duration::from_secs(3)));
/// assert_eq!(stats.max_waiting(), Duration::from_secs(3));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QueueStats {
    /// Its name.
    pub name: String,
    /// Items that wait now.
    pub depth: u64,
    /// Whether the depth is what the program said last by [`set_depth`](crate::Queue::set_depth), and not counted.
    pub depth_reported: bool,
    /// Items that are being processed now.
    pub in_process: u64,
    /// Items that came.
    pub enqueued: u64,
    /// Items that were processed with success.
    pub processed: u64,
    /// Items whose processing failed.
    pub failed: u64,
    /// Items that were thrown away while they waited.
    pub discarded: u64,
    /// How often an item went from processing back to waiting. It is one item all the time: `enqueued` counts it once.
    pub requeued: u64,
    /// How long items have waited until they were processed, each time that they were.
    pub waiting: Histogram,
    /// These times added up.
    #[serde(rename = "waiting_time_ns", with = "duration_ns")]
    pub waiting_time: Duration,
    #[serde(rename = "max_waiting_ns")]
    pub(crate) longest_ns: u64,
    /// How long the item has been waiting that waits longest. Exact while [`untimed`](Self::untimed) is 0. `None` when
    /// nothing waits. Of a queue that lives elsewhere, what the program [said](crate::Queue::set_oldest), and the time
    /// since.
    #[serde(rename = "oldest_ns", with = "optional_duration_ns")]
    pub oldest: Option<Duration>,
    /// Items that wait and whose time is not kept, because more than 32,768 from one group of threads do. While there are
    /// some, `oldest` may be too long: it is at most the time since the first of these came.
    pub untimed: u64,
    /// The last minute.
    pub last_minute: QueueRecent,
    /// The last five minutes.
    pub last_five_minutes: QueueRecent,
    /// The time that the counts span: since the queue was first named, or between the two snapshots of
    /// [`Snapshot::since`](crate::Snapshot::since).
    #[serde(rename = "window_ns", with = "duration_ns")]
    pub window: Duration,
}

/// What came to a queue and left it in the last minute, or the last five.
///
/// It is told exactly, from the edge of a slice of five seconds on: "the last minute" is between 60 and 65 seconds, and
/// [`window`](Self::window) says how long. It is shorter only when the queue is not so old.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueRecent {
    /// The time that is meant.
    #[serde(rename = "window_ns", with = "duration_ns")]
    pub window: Duration,
    /// Items that came.
    pub enqueued: u64,
    /// Items whose processing ended, with success or not.
    pub ended: u64,
    /// Items that were thrown away.
    pub discarded: u64,
}

impl QueueRecent {
    pub(crate) fn new(window: Duration, [enqueued, ended, discarded]: [u64; 3]) -> QueueRecent {
        QueueRecent { window, enqueued, ended, discarded }
    }

    /// Items that came, in a second; 0.0 when the window is empty.
    #[must_use]
    pub fn enqueue_rate(&self) -> f64 {
        per_second(self.enqueued, self.window)
    }

    /// Items whose processing ended, in a second; 0.0 when the window is empty.
    #[must_use]
    pub fn processing_rate(&self) -> f64 {
        per_second(self.ended, self.window)
    }

    fn left(&self) -> u64 {
        self.ended.saturating_add(self.discarded)
    }
}

impl QueueStats {
    /// Items that came and are not done with: those that wait and those that are being processed.
    #[must_use]
    pub fn backlog(&self) -> u64 {
        self.depth.saturating_add(self.in_process)
    }

    /// Items whose processing ended, with success or not.
    #[must_use]
    pub fn ended(&self) -> u64 {
        self.processed.saturating_add(self.failed)
    }

    /// The share of the items whose processing ended that failed, 0.0 to 1.0; 0.0 when none has ended.
    #[must_use]
    pub fn failure_rate(&self) -> f64 {
        let ended = self.ended();
        if ended == 0 { 0.0 } else { to_f64(self.failed) / to_f64(ended) }
    }

    /// The mean time that an item waited; zero when none was processed.
    #[must_use]
    pub fn mean_waiting(&self) -> Duration {
        let mean_ns = to_ns(self.waiting_time).checked_div(self.waiting.count());
        Duration::from_nanos(mean_ns.unwrap_or(0))
    }

    /// The longest time that an item waited until it was processed; zero when none was. Exact, but in the difference of
    /// two snapshots between which none waited longer than all before: within 1.6 % then.
    #[must_use]
    pub fn max_waiting(&self) -> Duration {
        Duration::from_nanos(if self.waiting.is_empty() { 0 } else { self.longest_ns })
    }

    /// The time that items waited at quantile `q`, a fraction (0.99 is the 99th percentile), within 1.6 %; zero when none
    /// was processed. Never more than [`max_waiting`](Self::max_waiting), which is quantile 1.
    #[must_use]
    pub fn waiting_percentile(&self, q: f64) -> Duration {
        let max = self.max_waiting();
        if q >= 1.0 { max } else { self.waiting.percentile(q).unwrap_or_default().min(max) }
    }

    /// How long the backlog takes if items leave as fast as they did in the last minute (in the last five if none did in
    /// that one) and no further ones come. Zero without a backlog; `None` when nothing has left for five minutes, no
    /// time has passed since the queue was made, or it would take over a year. Compare the rates of [`last_minute`](Self::last_minute) to see whether it grows.
    #[must_use]
    pub fn drain_time(&self) -> Option<Duration> {
        let backlog = self.backlog();
        if backlog == 0 {
            return Some(Duration::ZERO);
        }
        let recent = [self.last_minute, self.last_five_minutes]
            .into_iter()
            .find(|recent| recent.left() > 0 && !recent.window.is_zero())?;
        let time = recent.window.as_secs_f64() * to_f64(backlog) / to_f64(recent.left());
        Duration::try_from_secs_f64(time).ok().filter(|time| *time <= LONGEST_DRAIN)
    }

    fn since(&self, earlier: &QueueStats, window: Duration) -> QueueStats {
        let waiting = self.waiting.since(&earlier.waiting);
        let longest_ns = if self.longest_ns > earlier.longest_ns {
            self.longest_ns
        } else {
            waiting.percentile_ns(1.0).unwrap_or(0).min(self.longest_ns)
        };
        QueueStats {
            enqueued: self.enqueued.saturating_sub(earlier.enqueued),
            processed: self.processed.saturating_sub(earlier.processed),
            failed: self.failed.saturating_sub(earlier.failed),
            discarded: self.discarded.saturating_sub(earlier.discarded),
            requeued: self.requeued.saturating_sub(earlier.requeued),
            waiting,
            waiting_time: self.waiting_time.saturating_sub(earlier.waiting_time),
            longest_ns,
            window,
            ..self.clone()
        }
    }
}

/// What came between two moments, `window` apart. What waits, and the last minutes, are the later one's; a queue that was
/// not there before is whole.
pub(crate) fn all_since(later: &[QueueStats], earlier: &[QueueStats], window: Duration) -> Vec<QueueStats> {
    let since = |queue: &QueueStats| match earlier.iter().find(|before| before.name == queue.name) {
        Some(before) => queue.since(before, window),
        None => queue.clone(),
    };
    later.iter().map(since).collect()
}

/// A queue in use, for tests.
#[cfg(test)]
pub(crate) fn example(name: &str) -> QueueStats {
    let mut waiting = Histogram::new();
    let times = [2_000_000, 40_000_000, 3_000_000_000];
    for ns in times {
        waiting.record(ns);
    }
    let recent = QueueRecent::new(Duration::from_secs(62), [1_000, 124, 0]);
    QueueStats {
        name: name.into(),
        depth: 850,
        depth_reported: false,
        in_process: 6,
        enqueued: 1_000,
        processed: 120,
        failed: 4,
        discarded: 20,
        requeued: 2,
        waiting,
        waiting_time: Duration::from_nanos(times.iter().sum()),
        longest_ns: 3_000_000_000,
        oldest: Some(Duration::from_secs(75)),
        untimed: 0,
        last_minute: recent,
        last_five_minutes: QueueRecent { window: Duration::from_secs(90), ..recent },
        window: Duration::from_secs(90),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_round_trips_with_times_in_nanoseconds() {
        for queue in [example("mail"), QueueStats { oldest: None, waiting: Histogram::new(), ..example("idle") }] {
            let json = serde_json::to_string(&queue).unwrap();
            assert_eq!(serde_json::from_str::<QueueStats>(&json).unwrap(), queue);
        }
        let json = serde_json::to_value(example("mail")).unwrap();
        assert_eq!(
            (&json["oldest_ns"], &json["max_waiting_ns"]),
            (&75_000_000_000_u64.into(), &3_000_000_000_u64.into())
        );
        assert_eq!(json["last_minute"]["window_ns"], 62_000_000_000_u64);
    }

    #[test]
    fn figures_are_defined_when_nothing_ever_came() {
        let none = QueueStats {
            depth: 0,
            in_process: 0,
            processed: 0,
            failed: 0,
            waiting: Histogram::new(),
            last_minute: QueueRecent::default(),
            ..example("idle")
        };
        assert_eq!((none.max_waiting(), none.waiting_percentile(0.5), none.backlog()), Default::default());
        assert_eq!((none.drain_time(), none.mean_waiting()), (Some(Duration::ZERO), Duration::ZERO));
        assert!(none.failure_rate().abs() < f64::EPSILON && none.last_minute.enqueue_rate().abs() < f64::EPSILON);
    }

    #[test]
    fn the_time_to_drain_is_told_only_where_something_leaves() {
        let queue = example("mail");
        // 856 items, 2 in a second.
        assert_eq!(queue.drain_time(), Some(Duration::from_secs(428)));
        let nothing = QueueRecent { ended: 0, ..queue.last_minute };
        let slower = QueueStats { last_minute: nothing, ..queue.clone() };
        assert!(slower.drain_time() > queue.drain_time(), "{:?}", slower.drain_time());
        let stuck = QueueStats { last_minute: nothing, last_five_minutes: nothing, ..queue.clone() };
        assert_eq!(stuck.drain_time(), None);
        let no_time = QueueRecent { window: Duration::ZERO, ..queue.last_minute };
        let just_made = QueueStats { last_minute: no_time, last_five_minutes: no_time, ..queue.clone() };
        assert_eq!(just_made.drain_time(), None);
        let for_ever = QueueStats { depth: u64::MAX, ..queue };
        assert_eq!((for_ever.drain_time(), for_ever.backlog()), (None, u64::MAX));
    }

    #[test]
    fn a_difference_never_falls_below_zero_and_keeps_what_waits() {
        let earlier = example("mail");
        let mut later = QueueStats { enqueued: 1_500, processed: 600, depth: 870, ..earlier.clone() };
        later.waiting.record(500_000_000);
        let between = later.since(&earlier, Duration::from_secs(7));
        assert_eq!((between.enqueued, between.processed, between.failed, between.depth), (500, 480, 0, 870));
        assert_eq!((between.waiting.count(), between.window), (1, Duration::from_secs(7)));
        assert!(between.max_waiting().abs_diff(Duration::from_millis(500)) < Duration::from_millis(8));
        assert_eq!(earlier.since(&later, Duration::ZERO).enqueued, 0);
        let whole = all_since(&[later.clone()], &[example("other")], Duration::from_secs(7));
        assert_eq!(whole, [later]);
    }
}
