//! The sums of one operation as the recorder keeps them: raw integers, merged over threads and label sets.
//!
//! Reading them is [`super::figures`]' part; adding and subtracting happens here only.

use super::Histogram;
use crate::base::buckets::index;

/// The sums of one operation or series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) started: u64,
    pub(crate) succeeded: u64,
    pub(crate) failed: u64,
    pub(crate) panicked: u64,
    pub(crate) cancelled: u64,
    /// Begun here and ended by another process; begun by another one and ended here.
    pub(crate) ended_elsewhere: u64,
    pub(crate) begun_elsewhere: u64,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) allocations: u64,
    pub(crate) allocated_bytes: u64,
    pub(crate) polls: u64,
    pub(crate) total_ns: u64,
    /// Negative while a child has reported its time and its parent, still running, has not. Reads as 0 then.
    pub(crate) self_ns: i64,
    pub(crate) busy_ns: u64,
    /// `u64::MAX` when nothing was timed.
    pub(crate) min_ns: u64,
    pub(crate) max_ns: u64,
    pub(crate) histogram: Histogram,
}

impl Default for Totals {
    fn default() -> Totals {
        Totals {
            started: 0,
            succeeded: 0,
            failed: 0,
            panicked: 0,
            cancelled: 0,
            ended_elsewhere: 0,
            begun_elsewhere: 0,
            items: 0,
            bytes: 0,
            allocations: 0,
            allocated_bytes: 0,
            polls: 0,
            total_ns: 0,
            self_ns: 0,
            busy_ns: 0,
            min_ns: u64::MAX,
            max_ns: 0,
            histogram: Histogram::new(),
        }
    }
}

impl Totals {
    /// Adds another thread's, series' or operation's sums.
    pub(crate) fn merge(&mut self, other: &Totals) {
        self.combine(other, u64::saturating_add);
        self.self_ns = self.self_ns.saturating_add(other.self_ns);
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
        self.histogram.merge(&other.histogram);
    }

    /// What was added after `earlier`, an earlier reading of the same sums.
    ///
    /// The extremes of a window are not kept. That of a single call is its duration, and a new record since `earlier`
    /// is exact; otherwise the outermost bucket of the window stands in, at its midpoint like every percentile, and
    /// within the extremes known.
    pub(crate) fn since(&self, earlier: &Totals) -> Totals {
        let mut window = self.clone();
        window.combine(earlier, u64::saturating_sub);
        window.self_ns = self.self_ns.saturating_sub(earlier.self_ns);
        window.histogram = self.histogram.since(&earlier.histogram);
        (window.min_ns, window.max_ns) =
            match (window.histogram.percentile_ns(0.0), window.histogram.percentile_ns(1.0)) {
                // The bucket is asked because the sums of a call that ends meanwhile may be read at different moments.
                (Some(only), _) if window.histogram.count() == 1 && index(only) == index(window.total_ns) => {
                    (window.total_ns, window.total_ns)
                }
                (Some(lowest), Some(highest)) => {
                    // Not `clamp`, which panics when a call that ends meanwhile was read in half: minimum, no maximum.
                    let known = |ns: u64| ns.max(self.min_ns).min(self.max_ns);
                    let (lowest, highest) = (known(lowest), known(highest));
                    match (self.min_ns < earlier.min_ns, self.max_ns > earlier.max_ns) {
                        (true, true) => (self.min_ns, self.max_ns),
                        // The midpoint of the bucket that the exact one lies in may be on its wrong side.
                        (true, false) => (self.min_ns, highest.max(self.min_ns)),
                        (false, true) => (lowest.min(self.max_ns), self.max_ns),
                        (false, false) => (lowest, highest.max(lowest)),
                    }
                }
                _ => (u64::MAX, 0),
            };
        window
    }

    /// The plain sums, all of them combined in the same way.
    fn combine(&mut self, other: &Totals, with: fn(u64, u64) -> u64) {
        for (mine, theirs) in [
            (&mut self.started, other.started),
            (&mut self.succeeded, other.succeeded),
            (&mut self.failed, other.failed),
            (&mut self.panicked, other.panicked),
            (&mut self.cancelled, other.cancelled),
            (&mut self.ended_elsewhere, other.ended_elsewhere),
            (&mut self.begun_elsewhere, other.begun_elsewhere),
            (&mut self.items, other.items),
            (&mut self.bytes, other.bytes),
            (&mut self.allocations, other.allocations),
            (&mut self.allocated_bytes, other.allocated_bytes),
            (&mut self.polls, other.polls),
            (&mut self.total_ns, other.total_ns),
            (&mut self.busy_ns, other.busy_ns),
        ] {
            *mine = with(*mine, theirs);
        }
    }
}

#[cfg(test)]
impl Totals {
    /// Calls that all succeeded, of these durations.
    pub(crate) fn of_durations(durations_ns: &[u64]) -> Totals {
        let mut totals = Totals { started: durations_ns.len() as u64, ..Totals::default() };
        totals.succeeded = totals.started;
        for &ns in durations_ns {
            totals.total_ns += ns;
            totals.self_ns = totals.self_ns.saturating_add_unsigned(ns);
            totals.busy_ns += ns;
            totals.min_ns = totals.min_ns.min(ns);
            totals.max_ns = totals.max_ns.max(ns);
            totals.histogram.record(ns);
        }
        totals
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_is_the_sum_of_all_calls() {
        let mut merged = Totals::of_durations(&[10, 2_000]);
        merged.merge(&Totals::of_durations(&[7, 500_000]));
        assert_eq!(merged, Totals::of_durations(&[10, 2_000, 7, 500_000]));
        merged.merge(&Totals::default());
        assert_eq!(merged, Totals::of_durations(&[10, 2_000, 7, 500_000]));
    }

    #[test]
    fn new_extremes_of_a_window_are_exact() {
        let earlier = Totals::of_durations(&[1_000]);
        let mut later = earlier.clone();
        later.merge(&Totals::of_durations(&[10, 1_000_003]));
        assert_eq!(later.since(&earlier), Totals::of_durations(&[10, 1_000_003]));
    }

    #[test]
    fn an_exact_extreme_is_not_moved_by_the_midpoint_of_its_bucket() {
        let (lower, upper) = (39_845_888, 40_894_463);
        let shortest = Totals::of_durations(&[10]);
        let mut later = shortest.clone();
        later.merge(&Totals::of_durations(&[lower, lower]));
        let window = later.since(&shortest);
        assert_eq!((window.min_ns, window.max_ns), (lower, lower));
        let longest = Totals::of_durations(&[1 << 40]);
        let mut later = longest.clone();
        later.merge(&Totals::of_durations(&[upper, upper]));
        let window = later.since(&longest);
        assert_eq!((window.min_ns, window.max_ns), (upper, upper));
    }

    #[test]
    fn extremes_of_a_window_lie_within_those_of_all() {
        // Both are in one bucket, on either side of its midpoint.
        for ns in [39_900_000, 40_800_000] {
            let earlier = Totals::of_durations(&[ns]);
            let mut later = earlier.clone();
            later.merge(&Totals::of_durations(&[ns, ns]));
            let window = later.since(&earlier);
            assert_eq!((window.min_ns, window.max_ns), (ns, ns));
        }
    }

    #[test]
    fn extremes_read_before_they_were_written_are_harmless() {
        let mut torn = Totals::of_durations(&[10, 20]);
        (torn.min_ns, torn.max_ns) = (u64::MAX, 0);
        let window = torn.since(&Totals::default());
        assert!(window.min_ns <= window.max_ns);
    }

    #[test]
    fn extremes_inside_the_known_ones_are_read_from_the_buckets() {
        let earlier = Totals::of_durations(&[10, 1_000_000]);
        let mut later = earlier.clone();
        later.merge(&Totals::of_durations(&[5_000, 9_000]));
        let window = later.since(&earlier);
        assert_eq!(window.started, 2);
        assert!(window.min_ns.abs_diff(5_000) <= 5_000 / 64 + 1, "{}", window.min_ns);
        assert!(window.max_ns.abs_diff(9_000) <= 9_000 / 64 + 1, "{}", window.max_ns);
    }

    #[test]
    fn a_window_without_calls_has_no_extremes() {
        let totals = Totals::of_durations(&[10, 20]);
        assert_eq!(totals.since(&totals), Totals::default());
    }

    #[test]
    fn a_window_before_itself_is_empty_rather_than_negative() {
        let small = Totals::of_durations(&[10]);
        let big = Totals::of_durations(&[10, 10]);
        assert_eq!(small.since(&big).started, 0);
    }

    #[test]
    fn one_call_in_a_window_is_exact() {
        let earlier = Totals::of_durations(&[1_000_000]);
        let mut later = earlier.clone();
        later.merge(&Totals::of_durations(&[1_234_567]));
        later.merge(&Totals::of_durations(&[2_345_678]));
        let between = later.clone();
        later.merge(&Totals::of_durations(&[1_999_999]));
        let window = later.since(&between);
        assert_eq!((window.min_ns, window.max_ns), (1_999_999, 1_999_999));
        let window = between.since(&earlier);
        assert!(window.min_ns <= window.max_ns && window.max_ns == 2_345_678);
    }
}
