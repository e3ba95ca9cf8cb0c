//! Time: one clock for durations, one anchor that maps its readings to wall time, and a manual clock for tests.
//!
//! Durations never come from wall time. The wall clock is read only when a reading is shown to a person.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Reads time in ticks: of the invariant TSC where the processor has one, else nanoseconds of the system's monotonic
/// clock, else of a [`ManualClock`].
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    source: quanta::Clock,
    manual: Option<ManualClock>,
}

impl Clock {
    /// The machine's fastest clock.
    ///
    /// The first call of the process measures the TSC's rate against the system's clock, which takes about 0.6 ms.
    pub(crate) fn system() -> Self {
        Self { source: quanta::Clock::new(), manual: None }
    }

    /// A clock that stands still until it is moved.
    pub(crate) fn manual(clock: &ManualClock) -> Self {
        Self { source: clock.source.clone(), manual: Some(clock.clone()) }
    }

    /// The reading of this moment.
    #[inline(always)]
    pub(crate) fn ticks(&self) -> u64 {
        self.source.raw()
    }

    /// Whether the readings are those of a counter of the processor. Told from the scale: they are not nanoseconds.
    pub(crate) fn is_counter(&self) -> bool {
        const STRETCH: u64 = 1 << 40;
        self.manual.is_none() && self.source.delta_as_nanos(0, STRETCH) != STRETCH
    }

    /// Nanoseconds from one reading to a later one, zero if it is not later.
    #[inline(always)]
    pub(crate) fn nanos_between(&self, start: u64, end: u64) -> u64 {
        self.source.delta_as_nanos(start, end)
    }

    /// How many ticks a duration is, rounded.
    pub(crate) fn ticks_in(&self, duration: Duration) -> u64 {
        // A long stretch of ticks in nanoseconds gives the rate without knowing how the source scales.
        const STRETCH: u64 = 1 << 40;
        let stretch_ns = u128::from(self.source.delta_as_nanos(0, STRETCH).max(1));
        u64::try_from(duration.as_nanos() * u128::from(STRETCH) / stretch_ns).unwrap_or(u64::MAX)
    }

    /// A pair of readings of this moment, to map ticks to wall time with.
    pub(crate) fn anchor(&self) -> Anchor<'_> {
        let wall = match &self.manual {
            Some(manual) => {
                let passed = Duration::from_nanos(self.ticks().saturating_sub(FIRST_TICK));
                manual.wall_start.checked_add(passed).unwrap_or(manual.wall_start)
            }
            None => SystemTime::now(),
        };
        Anchor { clock: self, ticks: self.ticks(), wall }
    }
}

/// One moment on both clocks.
///
/// It is taken afresh whenever times are read out, so a step of the wall clock moves what is shown by that step and
/// no further, and a small error of the TSC's rate does not add up over weeks.
#[derive(Debug)]
pub(crate) struct Anchor<'a> {
    clock: &'a Clock,
    pub(crate) ticks: u64,
    pub(crate) wall: SystemTime,
}

impl Anchor<'_> {
    /// How long ago an earlier reading was taken.
    pub(crate) fn age(&self, ticks: u64) -> Duration {
        Duration::from_nanos(self.clock.nanos_between(ticks, self.ticks))
    }

    /// The wall time at which an earlier reading was taken.
    pub(crate) fn wall_time(&self, ticks: u64) -> SystemTime {
        self.wall.checked_sub(self.age(ticks)).unwrap_or(SystemTime::UNIX_EPOCH)
    }
}

/// A manual clock does not begin at zero, so that times before its start can be told.
const FIRST_TICK: u64 = 1 << 40;

/// A clock for tests: it stands still until it is advanced.
///
/// Clones share the time. Give one to [`MonitorBuilder::clock`](crate::MonitorBuilder::clock) and every duration of
/// that monitor is what the test makes it.
///
/// ```
/// use monitor_core::{ManualClock, Monitor};
/// use std::time::Duration;
///
/// let clock = ManualClock::new();
/// let local = Monitor::builder().clock(&clock).build()?;
/// let op = local.operation("import").start();
/// clock.advance(Duration::from_millis(20));
/// op.succeed();
/// assert_eq!(local.snapshot().operation("import").unwrap().total_time, Duration::from_millis(20));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    source: quanta::Clock,
    mock: Arc<quanta::Mock>,
    wall_start: SystemTime,
}

impl ManualClock {
    /// A clock whose wall time begins at the Unix epoch.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(SystemTime::UNIX_EPOCH)
    }

    /// A clock whose wall time begins at the given moment.
    #[must_use]
    pub fn starting_at(wall: SystemTime) -> Self {
        let (source, mock) = quanta::Clock::mock();
        mock.increment(FIRST_TICK);
        Self { source, mock, wall_start: wall }
    }

    /// Moves the time forward, by up to 292 years in all.
    pub fn advance(&self, by: Duration) {
        let room = u64::MAX / 2 - self.mock.value().min(u64::MAX / 2);
        self.mock.increment(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX).min(room));
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let manual = ManualClock::new();
        let clock = Clock::manual(&manual);
        let before = clock.ticks();
        assert_eq!(clock.ticks(), before);
        manual.advance(Duration::from_micros(7));
        assert_eq!(clock.nanos_between(before, clock.ticks()), 7_000);
        assert_eq!(clock.anchor().wall_time(before), SystemTime::UNIX_EPOCH);
    }

    #[test]
    fn advancing_too_far_stops_at_the_end_of_time() {
        let manual = ManualClock::new();
        let clock = Clock::manual(&manual);
        manual.advance(Duration::MAX);
        manual.advance(Duration::MAX);
        assert!(clock.ticks() >= u64::MAX / 2 - 1);
    }

    #[test]
    fn ticks_and_nanoseconds_agree() {
        for clock in [Clock::system(), Clock::manual(&ManualClock::new())] {
            let ticks = clock.ticks_in(Duration::from_secs(1));
            let back = clock.nanos_between(1, 1 + ticks);
            assert!(back.abs_diff(1_000_000_000) < 1_000, "{back}");
        }
    }

    #[test]
    fn a_reading_from_the_future_has_no_age() {
        let clock = Clock::system();
        let anchor = clock.anchor();
        assert_eq!(anchor.age(anchor.ticks + 1_000_000), Duration::ZERO);
    }
}
