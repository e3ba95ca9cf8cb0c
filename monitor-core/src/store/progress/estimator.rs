//! How fast a job is, from what was done when: an exponentially weighted mean over time.
//!
//! The mean is over time and not over samples: the rate of each span between two samples counts with the weight that
//! `exp(-age / tau)` has over that span, so it does not matter how often somebody samples. The weights are summed up
//! and divided by, so there is no bias to zero at the beginning (as the Adam optimiser corrects its moments, Kingma and
//! Ba 2015, section 3). The time constant `tau` grows with the run: a quarter of it, a sixteenth for skipped items, at
//! least 10 s, at most 10 minutes.
//!
//! Time is in nanoseconds since the job began; nothing here reads a clock.

use super::counters::Sums;
use crate::model::units::to_f64;

const SHORTEST_TAU_NS: f64 = 10e9;
const LONGEST_TAU_NS: f64 = 600e9;

/// The part of the run that `tau` is, for work that was done.
const WORKED: u8 = 4;
/// And for items that were skipped. They come in bursts, most of all when a run goes through what an earlier one had done,
/// and then no more: such a burst must be forgotten soon.
const SKIPPED: u8 = 16;

/// What was done when it was last looked at, and the weighted sums over the spans before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Estimator {
    at_ns: u64,
    /// The span before the last sample.
    span_ns: f64,
    worked: Trend<WORKED>,
    skipped: Trend<SKIPPED>,
    bytes: Trend<WORKED>,
}

/// One of the quantities that are counted; `tau` is the `PART`th part of the run.
#[derive(Clone, Copy, Debug, Default)]
struct Trend<const PART: u8> {
    done: u64,
    weight: f64,
    /// Sum of the rates by their weights, in units a nanosecond.
    weighted: f64,
    /// What was kept of the sums at the last sample.
    kept: f64,
    /// How much came with the last sample that brought any.
    step: f64,
    /// Spans in which there was any.
    steps: u32,
}

/// How fast a quantity grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Pace {
    /// Units a nanosecond, finite and above zero.
    per_ns: f64,
    /// How long the present step has been under way already.
    under_way_ns: f64,
}

impl Pace {
    pub(super) fn per_second(self) -> f64 {
        self.per_ns * 1e9
    }

    /// Nanoseconds that the remaining units take. Never negative and never NaN; may be infinite.
    pub(super) fn time_for(self, remaining: u64) -> f64 {
        if remaining == 0 { 0.0 } else { (to_f64(remaining) / self.per_ns - self.under_way_ns).max(0.0) }
    }
}

impl Estimator {
    /// Takes a sample: what is done in this run as of a moment at which something moved.
    ///
    /// What comes in no time after the last sample belongs to the span before that one.
    pub(super) fn add(&mut self, at_ns: u64, sums: &Sums) {
        let worked = sums.succeeded.saturating_add(sums.failed);
        if worked <= self.worked.done && sums.skipped <= self.skipped.done && sums.bytes <= self.bytes.done {
            return;
        }
        let span_ns = to_f64(at_ns.saturating_sub(self.at_ns));
        if span_ns > 0.0 {
            self.worked.pass(span_ns, at_ns);
            self.skipped.pass(span_ns, at_ns);
            self.bytes.pass(span_ns, at_ns);
            (self.at_ns, self.span_ns) = (at_ns, span_ns);
        }
        // Without any span yet, at the very beginning, it waits for the next sample.
        if self.span_ns > 0.0 {
            self.worked.add(worked, self.span_ns);
            self.skipped.add(sums.skipped, self.span_ns);
            self.bytes.add(sums.bytes, self.span_ns);
        }
    }

    /// The paces of items and bytes now, after a last movement at `moved_ns` that had come so far. `None` as long as
    /// there is no evidence: nothing was done, or no time has passed.
    pub(super) fn paces(mut self, now_ns: u64, moved_ns: u64, sums: &Sums) -> (Option<Pace>, Option<Pace>) {
        self.add(moved_ns, sums);
        if self.span_ns <= 0.0 {
            // All of it came in no time, at the very beginning: it took until now at the most.
            self.add(now_ns, sums);
        }
        let idle = to_f64(now_ns.saturating_sub(self.at_ns));
        let step = if self.worked.steps > 0 { self.worked.due() } else { self.skipped.due() };
        let items = self.worked.per_ns(idle, now_ns) + self.skipped.per_ns(idle, now_ns);
        (Pace::new(items, idle, step), Pace::new(self.bytes.per_ns(idle, now_ns), idle, self.bytes.due()))
    }
}

impl Pace {
    fn new(per_ns: f64, idle: f64, due: f64) -> Option<Self> {
        (per_ns.is_finite() && per_ns > 0.0).then(|| Self { per_ns, under_way_ns: idle.min(due / per_ns) })
    }
}

impl<const PART: u8> Trend<PART> {
    /// Gives the past its new weight.
    fn pass(&mut self, span_ns: f64, at_ns: u64) {
        self.kept = kept::<PART>(span_ns, at_ns);
        self.weight = self.weight * self.kept + (1.0 - self.kept);
        self.weighted *= self.kept;
    }

    fn add(&mut self, done: u64, span_ns: f64) {
        let step = to_f64(done.saturating_sub(self.done));
        if step > 0.0 {
            self.weighted += step / span_ns * (1.0 - self.kept);
            self.done = done;
            self.step = step;
            self.steps = self.steps.saturating_add(1);
        }
    }

    /// The step that is under way. After a single one nothing is known of when the next is due.
    fn due(&self) -> f64 {
        if self.steps > 1 { self.step } else { 0.0 }
    }

    /// Between two steps of slow work nothing is done, and that alone says nothing about its speed. It is not faster,
    /// though, than if the next step came at this very moment: the smaller of the two is taken.
    fn per_ns(&self, idle: f64, now_ns: u64) -> f64 {
        if self.weight <= 0.0 {
            return 0.0;
        }
        let mean = self.weighted / self.weight;
        if idle <= 0.0 {
            return mean;
        }
        let kept = kept::<PART>(idle, now_ns);
        let with_step_now = self.weighted * kept + self.step / idle * (1.0 - kept);
        mean.min(with_step_now / (self.weight * kept + (1.0 - kept)))
    }
}

/// What is kept of the past after a span that ends then.
fn kept<const PART: u8>(span_ns: f64, at_ns: u64) -> f64 {
    let tau = (to_f64(at_ns) / f64::from(PART)).clamp(SHORTEST_TAU_NS, LONGEST_TAU_NS);
    (-span_ns / tau).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn sums(succeeded: u64, bytes: u64) -> Sums {
        Sums { succeeded, bytes, ..Sums::default() }
    }

    fn items(estimator: Estimator, now: u64, moved: u64, done: u64) -> Option<Pace> {
        estimator.paces(now, moved, &sums(done, 0)).0
    }

    #[test]
    fn without_evidence_there_is_no_pace() {
        let none = Estimator::default();
        assert_eq!(items(none, 0, 0, 0), None);
        assert_eq!(items(none, 90 * SECOND, 0, 0), None);
        assert_eq!(items(none, 0, 0, 50), None);
        assert!(items(none, SECOND, 0, 50).is_some_and(|pace| (pace.per_second() - 50.0).abs() < 1e-9));
    }

    #[test]
    fn constant_work_is_exact_however_often_it_is_sampled() {
        for every in [1_u32, 7, 100] {
            let mut estimator = Estimator::default();
            for step in (1..=1_000_u64).filter(|step| step.is_multiple_of(u64::from(every))) {
                estimator.add(step * SECOND / 3, &sums(step, step * 10));
            }
            let (items, bytes) = estimator.paces(1_000 * SECOND / 3, 1_000 * SECOND / 3, &sums(1_000, 10_000));
            assert!((items.unwrap().per_second() - 3.0).abs() < 1e-6, "{items:?}");
            assert!((bytes.unwrap().per_second() - 30.0).abs() < 1e-5, "{bytes:?}");
            let eta = items.unwrap().time_for(30);
            assert!((eta / 10e9 - 1.0).abs() < 1e-6, "{eta}");
        }
    }

    #[test]
    fn between_two_steps_the_time_left_counts_down() {
        let mut estimator = Estimator::default();
        for step in 1..=5 {
            estimator.add(step * 10 * SECOND, &sums(step, 0));
        }
        for into_the_step in 0..10 {
            let now = (50 + into_the_step) * SECOND;
            let eta = items(estimator, now, 50 * SECOND, 5).unwrap().time_for(5);
            let true_eta = to_f64(100 * SECOND - now);
            assert!((eta / true_eta - 1.0).abs() < 1e-6, "{eta} {true_eta}");
        }
    }

    #[test]
    fn a_step_that_does_not_come_slows_the_pace() {
        let mut estimator = Estimator::default();
        estimator.add(10 * SECOND, &sums(10, 0));
        let paces: Vec<_> = [11, 20, 40, 80, 1_000]
            .map(|now| items(estimator, now * SECOND, 10 * SECOND, 10).unwrap().per_second())
            .into();
        // The step of ten is due after 20 s.
        assert!((paces[0] - 1.0).abs() < 1e-9 && (paces[1] - 1.0).abs() < 1e-9, "{paces:?}");
        assert!(paces[1..].is_sorted_by(|faster, slower| slower < faster), "{paces:?}");
        assert!(paces[4] < 0.03, "{paces:?}");
    }

    #[test]
    fn a_change_of_speed_is_followed() {
        let mut estimator = Estimator::default();
        let (mut at, mut done) = (0, 0);
        for _ in 0..60 {
            (at, done) = (at + SECOND, done + 100);
            estimator.add(at, &sums(done, 0));
        }
        for _ in 0..120 {
            (at, done) = (at + SECOND, done + 10);
            estimator.add(at, &sums(done, 0));
        }
        let pace = items(estimator, at, at, done).unwrap().per_second();
        assert!((10.0..20.0).contains(&pace), "{pace}");
    }

    #[test]
    fn a_burst_of_skipped_items_is_soon_forgotten_and_skipping_between_counts() {
        let mut resumed = Estimator::default();
        let mut mixed = Estimator::default();
        for second in 1..=120 {
            let both = |skipped| Sums { succeeded: second, skipped, ..Sums::default() };
            resumed.add(second * SECOND, &both(100_000));
            mixed.add(second * SECOND, &both(9 * second));
        }
        let pace = |estimator: Estimator, skipped| {
            let sums = Sums { succeeded: 120, skipped, ..Sums::default() };
            estimator.paces(120 * SECOND, 120 * SECOND, &sums).0.unwrap().per_second()
        };
        let (resumed, mixed) = (pace(resumed, 100_000), pace(mixed, 9 * 120));
        assert!((1.0..1.3).contains(&resumed), "{resumed}");
        assert!((mixed - 10.0).abs() < 1e-6, "{mixed}");
    }

    #[test]
    fn the_largest_numbers_stay_finite_and_none_is_negative() {
        let mut estimator = Estimator::default();
        estimator.add(1, &sums(u64::MAX, u64::MAX));
        estimator.add(u64::MAX, &sums(u64::MAX, u64::MAX));
        estimator.add(5, &sums(3, 3));
        for now in [0, 1, 2, u64::MAX] {
            let (items, bytes) = estimator.paces(now, now, &sums(u64::MAX, u64::MAX));
            for pace in [items, bytes].into_iter().flatten() {
                assert!(pace.per_second().is_finite() && pace.per_second() > 0.0, "{pace:?}");
                assert!(pace.time_for(u64::MAX) >= 0.0);
            }
        }
    }
}
