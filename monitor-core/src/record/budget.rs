//! Budgets: how many of something are kept, decided by the reading of the clock that is at hand anyway.

use super::counter::Counter;

/// What a budget gives out at once before it gives one each interval.
pub(crate) const BURST: u64 = 10;

/// An interval so long that a budget with it never gives anything.
pub(crate) const NEVER: u64 = u64::MAX / 4;

/// Asks a budget for one (the generic cell rate algorithm, ITU-T I.371): `from` is the first moment at which there will
/// be room again. All in ticks of the clock. Only the one writer of `from` may call it.
pub(crate) fn allowed(from: &Counter, now: u64, interval: u64) -> bool {
    let open = from.get();
    if now < open || interval >= NEVER / BURST {
        return false;
    }
    let tolerance = interval * (BURST - 1);
    from.set(open.saturating_add(tolerance).max(now).saturating_add(interval) - tolerance);
    true
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_budget_gives_a_burst_and_then_one_each_interval() {
        let from = Counter::new(0);
        let now = 1_000_000;
        assert_eq!((0..100).filter(|_| allowed(&from, now, 1_000)).count(), 10);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 999, 1_000)).count(), 0);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 1_000, 1_000)).count(), 1);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 6_000, 1_000)).count(), 5);
        assert_eq!((0..100).filter(|_| allowed(&from, now + 1_000_000, 1_000)).count(), 10);
    }

    #[test]
    fn a_closed_budget_gives_nothing() {
        assert!(!allowed(&Counter::new(u64::MAX), u64::MAX - 1, 1_000));
        assert!(!allowed(&Counter::new(0), 5, NEVER));
    }
}
