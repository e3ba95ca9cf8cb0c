//! How a range is made of steps of time.

/// Nanoseconds.
pub(super) const SECOND: i64 = 1_000_000_000;

/// Steps that are kept, in seconds, the coarsest first.
pub(super) const TIERS: [i64; 4] = [86_400, 3_600, 60, 10];

/// The finest of them.
pub(super) const FINEST: i64 = 10;

/// A part of a range, of whole steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) step_s: i64,
    pub(super) since_ns: i64,
    pub(super) until_ns: i64,
}

/// The step that a range is rounded to: about a hundredth of it or finer, and not finer than what is kept of its beginning.
/// `kept_since` says for each of [`TIERS`] from when on it is complete.
pub(super) fn edge_of(since_ns: i64, until_ns: i64, kept_since: &[i64; TIERS.len()]) -> i64 {
    let seconds = until_ns.saturating_sub(since_ns) / SECOND;
    let wanted = match seconds {
        ..=21_600 => 10,
        21_601..=259_200 => 60,
        259_201..=5_184_000 => 3_600,
        _ => 86_400,
    };
    let is_kept = |tier: usize| kept_since[tier] <= since_ns;
    let tier = (0..TIERS.len()).rev().find(|&tier| TIERS[tier] >= wanted && is_kept(tier));
    TIERS[tier.unwrap_or(0)]
}

/// The beginning of the step that a moment is in.
pub(super) fn down(ns: i64, step_s: i64) -> i64 {
    ns.saturating_sub(ns.rem_euclid(step_s * SECOND))
}

/// A range whose ends are multiples of a step (or of coarser ones), made of the coarsest steps, and finer ones, down to that
/// one, at its edges.
pub(super) fn spans(since_ns: i64, until_ns: i64, edge_s: i64) -> Vec<Span> {
    let mut spans = Vec::with_capacity(2 * TIERS.len());
    split(since_ns, until_ns, edge_s, 0, &mut spans);
    spans
}

fn split(since_ns: i64, until_ns: i64, edge_s: i64, tier: usize, spans: &mut Vec<Span>) {
    let Some(&step_s) = TIERS.get(tier).filter(|_| since_ns < until_ns) else { return };
    let step_ns = step_s * SECOND;
    if step_s <= edge_s {
        spans.push(Span { step_s, since_ns, until_ns });
        return;
    }
    let low = since_ns.saturating_add(step_ns - 1).div_euclid(step_ns).saturating_mul(step_ns);
    let high = until_ns.div_euclid(step_ns).saturating_mul(step_ns);
    if low < high {
        split(since_ns, low, edge_s, tier + 1, spans);
        spans.push(Span { step_s, since_ns: low, until_ns: high });
        split(high, until_ns, edge_s, tier + 1, spans);
    } else {
        split(since_ns, until_ns, edge_s, tier + 1, spans);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_each_other_and_are_of_whole_steps() {
        let day = 86_400 * SECOND;
        for (since, until, edge) in [
            (day + 50 * SECOND, 4 * day + 3_610 * SECOND, 10),
            (day, 3 * day, 10),
            (day + 3_600 * SECOND, day + 7_200 * SECOND, 3_600),
            (day + 10 * SECOND, day + 20 * SECOND, 10),
            (-2 * day - 60 * SECOND, day + 60 * SECOND, 60),
        ] {
            let spans = spans(since, until, edge);
            let mut at = since;
            for span in &spans {
                assert_eq!(span.since_ns, at);
                assert!(span.until_ns > at && (span.until_ns - at) % (span.step_s * SECOND) == 0, "{span:?}");
                at = span.until_ns;
            }
            assert_eq!(at, until);
            assert!(spans.len() <= 7);
        }
        assert_eq!(spans(5, 5, 10), []);
    }

    #[test]
    fn the_edge_is_what_is_kept_of_the_beginning() {
        let kept_since = [i64::MIN, i64::MIN, 100 * 86_400 * SECOND, 130 * 86_400 * SECOND];
        let at = |day: i64| day * 86_400 * SECOND;
        assert_eq!(edge_of(at(131), at(131) + 3_600 * SECOND, &kept_since), 10);
        assert_eq!(edge_of(at(110), at(110) + 3_600 * SECOND, &kept_since), 60);
        assert_eq!(edge_of(at(50), at(50) + 3_600 * SECOND, &kept_since), 3_600);
        assert_eq!(edge_of(at(101), at(131), &kept_since), 3_600);
        assert_eq!(edge_of(at(1), at(131), &kept_since), 86_400);
    }
}
