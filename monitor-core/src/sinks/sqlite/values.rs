//! Numbers and times as the tables have them.

use std::time::{Duration, SystemTime};

use crate::model::units::{to_ns, unix_ns};
use crate::model::{Outcome, Severity, TraceId};

/// A count or size: more than an `i64` holds is kept as the most that it holds.
pub(super) fn size(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// The way back; nothing negative is ever kept as a size.
pub(super) fn size_back(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An id, all 64 bits of it.
pub(super) fn id(number: u64) -> i64 {
    number.cast_signed()
}

pub(super) fn duration(duration: Duration) -> i64 {
    size(to_ns(duration))
}

/// Beginning of the step of so many seconds that the time is in.
pub(super) fn floor_to(ns: i64, step_s: i64) -> i64 {
    let step = step_s.saturating_mul(1_000_000_000);
    ns.saturating_sub(ns.rem_euclid(step))
}

pub(super) fn outcome(outcome: Outcome) -> i64 {
    match outcome {
        Outcome::Success => 0,
        Outcome::Failure => 1,
        Outcome::Panicked => 2,
        Outcome::Cancelled => 3,
        Outcome::Interrupted => INTERRUPTED,
    }
}

/// The number of [`Outcome::Interrupted`].
pub(super) const INTERRUPTED: i64 = 4;

pub(super) fn severity(severity: Severity) -> i64 {
    match severity {
        Severity::Low => 0,
        Severity::Medium => 1,
        Severity::High => 2,
        Severity::Critical => 3,
    }
}

/// The halves of a trace id as a row keeps them: the low one is left out where the row itself has it, as `usual`.
///
/// No trace is 0 in both halves, which is no trace id.
pub(super) fn trace(trace: Option<TraceId>, usual: i64) -> (i64, Option<i64>) {
    let number = trace.map_or(0, TraceId::get);
    // The casts take the halves apart.
    #[expect(clippy::cast_possible_truncation, reason = "the halves of the number are wanted")]
    let (high, low) = (id((number >> 64) as u64), id(number as u64));
    (high, Some(low).filter(|&low| low != usual))
}

/// A time for people and for names of files: `20260131T235959Z`.
pub(super) fn utc(time: SystemTime) -> String {
    let seconds = unix_ns(time).div_euclid(1_000_000_000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    // Howard Hinnant, chrono-Compatible Low-Level Date Algorithms, civil_from_days: years begin in March.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        let at = |seconds: u64| utc(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "19700101T000000Z");
        assert_eq!(at(951_782_399), "20000228T235959Z");
        assert_eq!(at(951_782_400), "20000229T000000Z");
        assert_eq!(at(1_735_689_599), "20241231T235959Z");
        assert_eq!(utc(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "19691231T235959Z");
    }

    #[test]
    fn steps_begin_where_they_do_also_before_the_epoch() {
        assert_eq!(floor_to(25_000_000_001, 10), 20_000_000_000);
        assert_eq!(floor_to(-1, 10), -10_000_000_000);
        assert_eq!(floor_to(20_000_000_000, 10), 20_000_000_000);
    }

    #[test]
    fn the_low_half_of_a_trace_is_left_out_where_it_is_the_usual_one() {
        let number = TraceId::new((7 << 64) | 9);
        assert_eq!(trace(number, 9), (7, None));
        assert_eq!(trace(number, 8), (7, Some(9)));
        assert_eq!(trace(TraceId::new(u128::MAX), 3), (-1, Some(-1)));
        assert_eq!(trace(None, 3), (0, Some(0)));
    }
}
