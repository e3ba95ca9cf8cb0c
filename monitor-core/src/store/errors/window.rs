//! How often something happened within the last hour.

/// Slices that the hour is cut into, and one more for the slice that the hour began in.
const SLICES: usize = 61;
const SLICE_NS: u64 = 60 * 1_000_000_000;

/// Counts of the last hour, minute by minute.
#[derive(Clone, Debug)]
pub(super) struct LastHour {
    counts: Box<[u64; SLICES]>,
    /// Number of the newest slice, counted from the monitor's start.
    newest: u64,
}

impl LastHour {
    /// Memory that the slices take.
    pub(super) const BYTES: usize = size_of::<[u64; SLICES]>();

    pub(super) fn new() -> Self {
        Self { counts: Box::new([0; SLICES]), newest: 0 }
    }

    /// Counts `n` at a moment; one that is over an hour behind the newest is not within the hour any more.
    pub(super) fn add(&mut self, now_ns: u64, n: u64) {
        let slice = now_ns / SLICE_NS;
        if slice > self.newest {
            let passed = usize::try_from(slice - self.newest).unwrap_or(SLICES).min(SLICES);
            for behind in 0..passed as u64 {
                self.counts[Self::place(slice - behind)] = 0;
            }
            self.newest = slice;
        }
        if self.newest - slice < SLICES as u64 {
            let count = &mut self.counts[Self::place(slice)];
            *count = count.saturating_add(n);
        }
    }

    /// The count of the hour that ends now. Of the slice that the hour began in the part that lies within it.
    pub(super) fn count(&self, now_ns: u64) -> u64 {
        // A reader takes the time first and finds what came in the meantime: that is not of a later hour.
        let now_ns = now_ns.max(self.newest.saturating_mul(SLICE_NS));
        let slice = now_ns / SLICE_NS;
        let whole = (0..SLICES as u64 - 1).filter_map(|behind| self.slice(slice.checked_sub(behind)?));
        let sum = whole.fold(0, u64::saturating_add);
        let first = slice.checked_sub(SLICES as u64 - 1).and_then(|slice| self.slice(slice)).unwrap_or(0);
        let left = u128::from(SLICE_NS - now_ns % SLICE_NS);
        let part = u128::from(first) * left / u128::from(SLICE_NS);
        sum.saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
    }

    /// The count of one slice, if it is still held.
    fn slice(&self, slice: u64) -> Option<u64> {
        let held = slice <= self.newest && self.newest - slice < SLICES as u64;
        held.then(|| self.counts[Self::place(slice)])
    }

    #[expect(clippy::cast_possible_truncation, reason = "a remainder below 61")]
    fn place(slice: u64) -> usize {
        (slice % SLICES as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = SLICE_NS;

    #[test]
    fn the_hour_slides() {
        let mut hour = LastHour::new();
        hour.add(0, 5);
        hour.add(30 * MINUTE, 10);
        assert_eq!(hour.count(30 * MINUTE), 15);
        assert_eq!(hour.count(60 * MINUTE - 1), 15);
        assert_eq!(hour.count(60 * MINUTE), 15);
        // Half of the first minute is over an hour ago.
        assert_eq!(hour.count(60 * MINUTE + MINUTE / 2), 10 + 2);
        assert_eq!(hour.count(61 * MINUTE), 10);
        assert_eq!(hour.count(91 * MINUTE), 0);
        assert_eq!(hour.count(u64::MAX), 0);
    }

    #[test]
    fn it_agrees_with_a_list_of_moments() {
        let mut hour = LastHour::new();
        let mut moments = Vec::new();
        let mut now = 7 * MINUTE;
        for step in 0..2_000_u64 {
            now += (step * step * 7_919) % (3 * MINUTE);
            hour.add(now, 1 + step % 3);
            moments.push((now, 1 + step % 3));
            let exact: u64 = moments.iter().filter(|(at, _)| at + 60 * MINUTE > now).map(|(_, n)| n).sum();
            let first_slice = (now / MINUTE).saturating_sub(60);
            let in_first: u64 = moments.iter().filter(|(at, _)| at / MINUTE == first_slice).map(|(_, n)| n).sum();
            assert!(hour.count(now).abs_diff(exact) <= in_first, "{} {exact}", hour.count(now));
        }
    }

    #[test]
    fn what_came_while_it_was_read_counts() {
        let mut hour = LastHour::new();
        hour.add(5 * MINUTE - 1, 1);
        hour.add(5 * MINUTE, 2);
        assert_eq!(hour.count(5 * MINUTE - 1), 3);
    }

    #[test]
    fn a_moment_of_the_past_counts_where_it_belongs() {
        let mut hour = LastHour::new();
        hour.add(100 * MINUTE, 1);
        hour.add(99 * MINUTE, 2);
        hour.add(30 * MINUTE, 4);
        assert_eq!(hour.count(100 * MINUTE), 3);
        hour.add(500 * MINUTE, 1);
        assert_eq!(hour.count(500 * MINUTE), 1);
    }
}
