//! What came in the last minutes, told from sums that only grow.
//!
//! Time is cut into slices of five seconds. Whoever is the first to look at the clock in a new slice notes the sums as
//! they are before its own count; what came since is the difference. So figures of the last minutes are exact, from the
//! edge of a slice to this moment, whoever reads them and whenever, and a count costs one comparison more.

use std::time::Duration;

use crate::base::clock::{Anchor, Clock};

/// Length of a slice.
pub(crate) const SLICE: Duration = Duration::from_secs(5);
/// Whole slices in a minute, and in five.
pub(crate) const MINUTE: u64 = 12;
pub(crate) const FIVE_MINUTES: u64 = 60;
/// Beginnings of slices that are kept: those of five minutes, and of the slice that runs. A power of two.
const KEPT: usize = 64;

/// Where the edges of slices are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Slicing {
    origin: u64,
    ticks: u64,
}

impl Slicing {
    /// Slices that begin at a reading of the clock.
    pub(crate) fn new(clock: &Clock, origin: u64) -> Self {
        Self { origin, ticks: clock.ticks_in(SLICE).max(1) }
    }

    /// How long the slice that runs and the `whole` ones before it are together: less than that many slices only when
    /// they have not been running for so long.
    pub(crate) fn recent_time(self, whole: u64, anchor: &Anchor<'_>) -> Duration {
        anchor.age(self.begins(first_of(self.number(anchor.ticks), whole)))
    }

    fn number(self, now: u64) -> u64 {
        now.saturating_sub(self.origin) / self.ticks
    }

    fn begins(self, number: u64) -> u64 {
        self.origin.saturating_add(number.saturating_mul(self.ticks))
    }
}

/// The first of `whole` slices before the one that runs, as far as they are kept.
fn first_of(running: u64, whole: u64) -> u64 {
    running.saturating_sub(whole.min(KEPT as u64 - 1))
}

/// Sums at the beginnings of slices.
#[derive(Debug)]
pub(crate) struct Slices<const N: usize> {
    slicing: Slicing,
    /// Of the slice that runs, as far as is known.
    number: u64,
    ends: u64,
    /// By number of the slice, modulo their number.
    sums: [[u64; N]; KEPT],
}

impl<const N: usize> Slices<N> {
    pub(crate) fn new(slicing: Slicing) -> Self {
        Self { slicing, number: 0, ends: slicing.begins(1), sums: [[0; N]; KEPT] }
    }

    /// Reading of the clock at which the slice ends that runs.
    #[inline(always)]
    pub(crate) fn ends(&self) -> u64 {
        self.ends
    }

    /// Begins the slices up to that of this moment, if it is a new one, with the sums as they are before its first count.
    #[inline(always)]
    pub(crate) fn turn(&mut self, now: u64, sums: impl FnOnce() -> [u64; N]) {
        if now >= self.ends {
            self.begin(now, sums());
        }
    }

    #[cold]
    #[inline(never)]
    fn begin(&mut self, now: u64, sums: [u64; N]) {
        let number = self.slicing.number(now);
        // Of slices in which nothing was counted the last ones are enough.
        let first = (self.number + 1).max(number.saturating_sub(KEPT as u64 - 1));
        for begun in first..=number {
            if let Some(place) = self.sums.get_mut(Self::place(begun)) {
                *place = sums;
            }
        }
        self.number = number;
        self.ends = self.slicing.begins(number.saturating_add(1));
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the number of places")]
    fn place(number: u64) -> usize {
        (number % KEPT as u64) as usize
    }

    /// What came since the beginning of the `whole` slices before that of the reader's time, of sums that are these now.
    ///
    /// Whoever counts may have begun a further slice since the reader looked at the clock: what is told begins where
    /// [`Slicing::recent_time`] says for that time, as long as it is kept.
    pub(crate) fn recent(&self, whole: u64, now: u64, sums: [u64; N]) -> [u64; N] {
        let mut counts = sums;
        let oldest = first_of(self.number, KEPT as u64 - 1);
        let first = first_of(self.slicing.number(now).min(self.number), whole).max(oldest);
        if let Some(before) = self.sums.get(Self::place(first)) {
            for (count, before) in counts.iter_mut().zip(before) {
                *count = count.saturating_sub(*before);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::ManualClock;

    fn slices() -> (Slices<1>, Clock, ManualClock) {
        let manual = ManualClock::new();
        let clock = Clock::manual(&manual);
        (Slices::new(Slicing::new(&clock, clock.ticks())), clock, manual)
    }

    /// Counts one in each second, and compares with what is plainly right.
    #[test]
    fn the_last_minutes_begin_at_the_edge_of_a_slice_and_are_exact() {
        let (mut slices, clock, manual) = slices();
        for second in 0..1_000_u64 {
            // At `second` the sum is `second` before this count, and one more after it.
            slices.turn(clock.ticks(), || [second]);
            for whole in [0, MINUTE, FIVE_MINUTES] {
                let from = (second / 5).saturating_sub(whole) * 5;
                assert_eq!(slices.recent(whole, clock.ticks(), [second + 1]), [second + 1 - from], "{second} {whole}");
                let time = slices.slicing.recent_time(whole, &clock.anchor());
                assert_eq!(time, Duration::from_secs(second - from));
            }
            manual.advance(Duration::from_secs(1));
        }
    }

    #[test]
    fn after_a_long_rest_nothing_is_recent() {
        let (mut slices, clock, manual) = slices();
        for rest in [Duration::from_secs(66), Duration::from_mins(6), Duration::from_hours(1_000), Duration::MAX] {
            manual.advance(rest);
            slices.turn(clock.ticks(), || [7]);
            assert_eq!(slices.recent(MINUTE, clock.ticks(), [8]), [1], "{rest:?}");
        }
    }

    /// A snapshot takes the time once, and reads for a while after it.
    #[test]
    fn a_reader_whose_time_is_that_of_a_slice_before_sees_what_its_window_says() {
        let (mut slices, clock, manual) = slices();
        let (mut sum, mut earlier) = (0, None);
        for _ in 0..1_000 {
            let anchor = clock.anchor();
            let before = (anchor.ticks, slices.slicing.recent_time(MINUTE, &anchor));
            let (ticks, window) = earlier.replace(before).unwrap_or(before);
            slices.turn(clock.ticks(), || [sum]);
            sum += 1;
            // One came each second, up to now, and each is there from the edge on.
            let late = clock.nanos_between(ticks, clock.ticks()) / 1_000_000_000;
            assert_eq!(slices.recent(MINUTE, ticks, [sum]), [window.as_secs() + late + 1], "{sum}");
            manual.advance(Duration::from_secs(1));
        }
    }

    #[test]
    fn a_reading_from_before_the_origin_changes_nothing() {
        let (mut slices, ..) = slices();
        slices.turn(0, || [9]);
        assert_eq!(slices.recent(MINUTE, 0, [1]), [1]);
    }
}
