//! A span of time.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::super::units::{optional_system_time_ns, unix_ns};

/// A span of time by the wall clock: from `since` on and before `until`. Without one of them it is open on that side.
///
/// ```
/// use monitor_core::TimeRange;
/// use std::time::{Duration, SystemTime};
///
/// let now = SystemTime::now();
/// let last_hour = TimeRange::since(now - Duration::from_secs(3_600)).until(now);
/// assert_eq!(last_hour.until, Some(now));
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeRange {
    /// Its first moment.
    #[serde(rename = "since_ns", with = "optional_system_time_ns")]
    pub since: Option<SystemTime>,
    /// The moment after its last one.
    #[serde(rename = "until_ns", with = "optional_system_time_ns")]
    pub until: Option<SystemTime>,
}

impl TimeRange {
    /// All of time.
    #[must_use]
    pub const fn all() -> TimeRange {
        TimeRange { since: None, until: None }
    }

    /// From that moment on.
    #[must_use]
    pub const fn since(since: SystemTime) -> TimeRange {
        TimeRange { since: Some(since), until: None }
    }

    /// The same, but before that moment.
    #[must_use]
    pub const fn until(self, until: SystemTime) -> TimeRange {
        TimeRange { until: Some(until), ..self }
    }

    /// Both ends in nanoseconds since the Unix epoch, the largest and smallest where it is open.
    pub(crate) fn bounds_ns(&self) -> (i64, i64) {
        (self.since.map_or(i64::MIN, unix_ns), self.until.map_or(i64::MAX, unix_ns))
    }
}
