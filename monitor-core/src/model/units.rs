//! Units at the edges: nanoseconds to and from the standard library's time types, and the serde forms of both.
//!
//! In memory the public API uses [`Duration`] and [`SystemTime`]; on the wire every time is an integer of nanoseconds
//! in a field whose name says so (`total_time_ns`, `started_at_ns`). An integer survives any round trip; a float or a
//! formatted text would not.

use std::time::{Duration, SystemTime};

/// A duration in whole nanoseconds; more than a `u64` holds (584 years) reads as the largest.
pub(crate) fn to_ns(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A count as a float, for ratios and rates.
#[expect(clippy::cast_precision_loss, reason = "ratios and rates are shown with a few digits; 53 bits are plenty")]
pub(crate) fn to_f64(count: u64) -> f64 {
    count as f64
}

/// Events in a second of `window`; 0.0 when the window is empty.
pub(crate) fn per_second(count: u64, window: Duration) -> f64 {
    if window.is_zero() { 0.0 } else { to_f64(count) / window.as_secs_f64() }
}

/// Nanoseconds since the Unix epoch, negative before it; saturates in the years 1677 and 2262.
pub(crate) fn unix_ns(time: SystemTime) -> i64 {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
    }
}

/// The time that [`unix_ns`] read; the epoch itself where the platform's clock cannot express it.
pub(crate) fn from_unix_ns(ns: i64) -> SystemTime {
    let distance = Duration::from_nanos(ns.unsigned_abs());
    let epoch = SystemTime::UNIX_EPOCH;
    let time = if ns < 0 { epoch.checked_sub(distance) } else { epoch.checked_add(distance) };
    time.unwrap_or(epoch)
}

/// `#[serde(with = "duration_ns")]`: a [`Duration`] as an integer of nanoseconds.
pub(crate) mod duration_ns {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde fixes the signature")]
    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(super::to_ns(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}

/// `#[serde(with = "optional_duration_ns")]`: the same for a duration that may be missing.
pub(crate) mod optional_duration_ns {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde fixes the signature")]
    pub(crate) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(super::to_ns).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_nanos))
    }
}

/// `#[serde(with = "system_time_ns")]`: a [`SystemTime`] as an integer of nanoseconds since the Unix epoch.
pub(crate) mod system_time_ns {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(super::unix_ns(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        i64::deserialize(deserializer).map(super::from_unix_ns)
    }
}

/// `#[serde(with = "optional_system_time_ns")]`: the same for a time that may be missing.
pub(crate) mod optional_system_time_ns {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[allow(clippy::ref_option, reason = "serde fixes the signature")]
    pub(crate) fn serialize<S: Serializer>(time: &Option<SystemTime>, serializer: S) -> Result<S::Ok, S::Error> {
        time.map(super::unix_ns).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
        Ok(Option::<i64>::deserialize(deserializer)?.map(super::from_unix_ns))
    }
}

/// `#[serde(with = "float_text")]`: a float as text, `0.25`, `NaN`, `+Inf`, `-Inf`, as Prometheus writes samples in its own
/// JSON. As a number it would not survive: JSON has none for what is not finite, and many readers round the last digit.
/// A number is read as well.
pub(crate) mod float_text {
    use std::fmt;

    use serde::{Deserializer, Serializer, de};

    pub(crate) fn text(value: f64) -> String {
        match value {
            f64::INFINITY => "+Inf".to_owned(),
            f64::NEG_INFINITY => "-Inf".to_owned(),
            // The shortest text that reads as the same float.
            _ => format!("{value:?}"),
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde fixes the signature")]
    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&text(*value))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        deserializer.deserialize_any(Reader)
    }

    struct Reader;

    impl de::Visitor<'_> for Reader {
        type Value = f64;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a number, or its text, or one of \"NaN\", \"+Inf\", \"-Inf\"")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<f64, E> {
            text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        fn visit_f64<E: de::Error>(self, value: f64) -> Result<f64, E> {
            Ok(value)
        }

        fn visit_u64<E: de::Error>(self, value: u64) -> Result<f64, E> {
            Ok(super::to_f64(value))
        }

        #[expect(clippy::cast_precision_loss, reason = "it is read as a float, whatever wrote it")]
        fn visit_i64<E: de::Error>(self, value: i64) -> Result<f64, E> {
            Ok(value as f64)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_come_back_the_same_before_and_after_the_epoch() {
        for ns in [0, 1, -1, 1_700_000_000_123_456_789, -1_700_000_000_123_456_789, i64::MAX] {
            assert_eq!(unix_ns(from_unix_ns(ns)), ns);
        }
    }

    #[test]
    fn what_an_integer_cannot_hold_saturates() {
        assert_eq!(to_ns(Duration::MAX), u64::MAX);
        let far = SystemTime::UNIX_EPOCH + Duration::from_hours(400 * 366 * 24);
        assert_eq!(unix_ns(far), i64::MAX);
    }

    #[test]
    fn a_rate_over_no_time_is_zero() {
        assert!(per_second(7, Duration::ZERO).abs() < f64::EPSILON);
        assert!((per_second(7, Duration::from_millis(500)) - 14.0).abs() < 1e-9);
    }
}
