//! How long a history keeps what.

use std::time::Duration;

use super::Severity;

const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);
const GIBIBYTE: u64 = 1 << 30;

/// How long a history keeps what, and how large it may become: whichever is reached first.
///
/// Ages are counted from when something happened, by the wall clock. [`Duration::MAX`] is for ever. What runs, is not
/// resolved or is needed to read what is kept never goes, nor do checkpoints. When the history is too large, the oldest goes
/// first: individual records, then samples and the finest figures, jobs and operations by id that have ended, and the longest
/// steps of figures at last; groups of errors, alerts and entries of the audit trail only by age.
///
/// ```
/// use monitor_core::{Retention, Severity};
/// use std::time::Duration;
///
/// let day = Duration::from_hours(24);
/// let retention = Retention::new()
///     .records(7 * day)
///     .errors(Severity::Critical, 365 * day)
///     .max_bytes(200 << 20);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Retention {
    pub(crate) records: Duration,
    /// By severity, the lowest first.
    pub(crate) errors: [Duration; 4],
    /// Of steps of 10 s, a minute, an hour, a day.
    pub(crate) figures: [Duration; 4],
    pub(crate) queue_samples: Duration,
    pub(crate) transitions: Duration,
    pub(crate) progress: Duration,
    pub(crate) operations_by_id: Duration,
    pub(crate) alerts: Duration,
    pub(crate) audit: Duration,
    pub(crate) max_bytes: u64,
}

impl Default for Retention {
    fn default() -> Retention {
        Retention::new()
    }
}

impl Retention {
    /// What each method says is its default.
    pub const fn new() -> Retention {
        let month = DAY.saturating_mul(30);
        Retention {
            records: month,
            errors: [month, month, DAY.saturating_mul(60), DAY.saturating_mul(90)],
            figures: [DAY, month, YEAR.saturating_mul(2), YEAR.saturating_mul(2)],
            queue_samples: DAY.saturating_mul(7),
            transitions: month,
            progress: month,
            operations_by_id: month,
            alerts: DAY.saturating_mul(7),
            audit: DAY.saturating_mul(90),
            max_bytes: GIBIBYTE,
        }
    }

    /// Everything for ever, in as many bytes as it takes.
    pub const fn forever() -> Retention {
        Retention {
            records: Duration::MAX,
            errors: [Duration::MAX; 4],
            figures: [Duration::MAX; 4],
            queue_samples: Duration::MAX,
            transitions: Duration::MAX,
            progress: Duration::MAX,
            operations_by_id: Duration::MAX,
            alerts: Duration::MAX,
            audit: Duration::MAX,
            max_bytes: u64::MAX,
        }
    }

    /// Individual records of calls. Default: 30 days.
    pub const fn records(mut self, age: Duration) -> Self {
        self.records = age;
        self
    }

    /// Errors of a severity: their samples, and groups of which none came for so long. Default: 30 days for low and medium
    /// ones, 60 for high, 90 for critical ones.
    pub const fn errors(mut self, severity: Severity, age: Duration) -> Self {
        self.errors[match severity {
            Severity::Low => 0,
            Severity::Medium => 1,
            Severity::High => 2,
            Severity::Critical => 3,
        }] = age;
        self
    }

    /// Figures of operations in steps of ten seconds, of a minute, and of an hour and a day. Longer steps are kept at least
    /// as long as shorter ones. Default: a day, 30 days, two years.
    pub const fn figures(mut self, ten_seconds: Duration, minutes: Duration, hours_and_days: Duration) -> Self {
        const fn later(a: Duration, b: Duration) -> Duration {
            if a.as_nanos() > b.as_nanos() { a } else { b }
        }
        let minutes = later(ten_seconds, minutes);
        let hours = later(minutes, hours_and_days);
        self.figures = [ten_seconds, minutes, hours, hours];
        self
    }

    /// Samples of queues. Default: 7 days.
    pub const fn queue_samples(mut self, age: Duration) -> Self {
        self.queue_samples = age;
        self
    }

    /// Transitions of state machines. Default: 30 days.
    pub const fn transitions(mut self, age: Duration) -> Self {
        self.transitions = age;
        self
    }

    /// Jobs that have ended. Default: 30 days.
    pub const fn progress(mut self, age: Duration) -> Self {
        self.progress = age;
        self
    }

    /// Operations by id that have ended. Default: 30 days.
    pub const fn operations_by_id(mut self, age: Duration) -> Self {
        self.operations_by_id = age;
        self
    }

    /// Alerts that are resolved. Default: 7 days.
    pub const fn alerts(mut self, age: Duration) -> Self {
        self.alerts = age;
        self
    }

    /// Entries of the audit trail. Default: 90 days.
    pub const fn audit(mut self, age: Duration) -> Self {
        self.audit = age;
        self
    }

    /// Bytes that the history may have, without what is on its way there. Default: 1 GiB, which is about ten million
    /// records. Less than 1 MiB means as much.
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = if bytes < 1 << 20 { 1 << 20 } else { bytes };
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longer_steps_are_kept_at_least_as_long() {
        let hour = Duration::from_hours(1);
        let retention = Retention::new().figures(3 * hour, hour, 2 * hour);
        assert_eq!(retention.figures, [3 * hour; 4]);
        assert_eq!(Retention::new().figures(hour, 2 * hour, DAY).figures, [hour, 2 * hour, DAY, DAY]);
    }

    #[test]
    fn a_history_has_room_for_its_tables() {
        assert_eq!(Retention::new().max_bytes(0).max_bytes, 1 << 20);
        assert_eq!(Retention::new().errors(Severity::High, DAY).errors[2], DAY);
    }
}
