//! What a page is like: the namespace, and the bounds of histograms.

use super::bounds::Bounds;
use crate::base::error::Error;

/// Longest namespace in bytes.
const MAX_NAMESPACE: usize = 64;

/// Patterns with bounds of their own.
const MAX_PATTERNS: usize = 1_000;

/// Bounds of durations in seconds: what is fast, what people wait for, what runs long.
const SECONDS: [f64; 13] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];

/// Bounds of the host's own histograms without a unit of time: a size, a count, a share.
const VALUES: [f64; 13] = [0.01, 0.1, 1.0, 5.0, 10.0, 50.0, 100.0, 500.0, 1e3, 1e4, 1e5, 1e6, 1e9];

/// A [`Snapshot`](crate::Snapshot) as text for Prometheus: what its pages are like.
///
/// Families begin with the namespace: `monitor_operations_total{operation,kind,outcome}`,
/// `monitor_operation_duration_seconds`, and so on. All that a snapshot has is on the page: operations with each of their label sets,
/// errors, jobs, states, queues, caches, sinks, the monitor's figures of itself, and the host's own metrics under their own names. An
/// operation that is declared stands with zeros before its first call. Counts are since the monitor began.
///
/// Buckets come from [`Histogram`](crate::Histogram)s: the count at a bound is that of all values in buckets which end at it or
/// below. It is exact for bounds that are ends of those buckets, and for others lacks the values in a range of 1/32 below the bound
/// at most. `+Inf` always equals `_count`.
///
/// ```
/// use monitor_core::{Exposition, Monitor, TextFormat};
///
/// let monitor = Monitor::builder().build()?;
/// monitor.scope(|| monitor.track("resize", |_| ()));
///
/// let exposition = Exposition::new().namespace("shop")?.buckets_of("db.*", &[0.001, 0.01, 0.1])?;
/// let page = exposition.text(&monitor.snapshot(), TextFormat::Prometheus);
/// assert!(page.contains("shop_operations_total{operation=\"resize\",kind=\"function\",outcome=\"success\"} 1"), "{page}");
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// Memory: a chunk of 64 KiB, and the labels of each operation once, besides the snapshot.
#[derive(Debug, Clone)]
pub struct Exposition {
    namespace: String,
    seconds: Bounds,
    values: Bounds,
    /// The first that fits counts.
    of_names: Vec<(String, Bounds)>,
    left_out: Vec<&'static str>,
}

impl Exposition {
    /// With the namespace `monitor` and 13 buckets from 0.1 ms to 5 minutes.
    #[must_use]
    pub fn new() -> Exposition {
        Exposition {
            namespace: "monitor".to_owned(),
            seconds: Bounds::of(&SECONDS),
            values: Bounds::of(&VALUES),
            of_names: Vec::new(),
            left_out: Vec::new(),
        }
    }

    /// What all names begin with, but those of the host's own metrics.
    ///
    /// # Errors
    /// [`is_invalid_setting`](Error::is_invalid_setting), if it is not of 1 to 64 letters, digits and `_`, with no digit first.
    pub fn namespace(mut self, namespace: &str) -> Result<Exposition, Error> {
        let begins = namespace.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_');
        let fits = namespace.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
        if !begins || !fits || namespace.len() > MAX_NAMESPACE {
            let given = crate::base::names::truncated(namespace, 80).into_owned();
            let allowed = "1 to 64 letters, digits and `_`, with no digit first";
            return Err(Error::invalid_setting("namespace", format_args!("`{given}`"), allowed));
        }
        namespace.clone_into(&mut self.namespace);
        Ok(self)
    }

    /// Bounds of durations in seconds, ascending, without the last one that has no end.
    ///
    /// # Errors
    /// [`is_invalid_setting`](Error::is_invalid_setting), if they are not 1 to 200 ascending numbers above 0.
    pub fn buckets(mut self, seconds: &[f64]) -> Result<Exposition, Error> {
        self.seconds = Bounds::new("buckets", seconds)?;
        Ok(self)
    }

    /// The same for operations, queues and the host's own metrics of that name, or whose names begin like the pattern, if it
    /// ends with `*`. The first one that was given and fits counts.
    ///
    /// # Errors
    /// [`is_invalid_setting`](Error::is_invalid_setting), if they are not 1 to 200 ascending numbers above 0, or there are a
    /// thousand patterns.
    pub fn buckets_of(mut self, pattern: &str, bounds: &[f64]) -> Result<Exposition, Error> {
        if self.of_names.len() >= MAX_PATTERNS {
            return Err(Error::invalid_setting("buckets_of", "one more pattern", "a thousand patterns"));
        }
        self.of_names.push((pattern.to_owned(), Bounds::new("buckets_of", bounds)?));
        Ok(self)
    }

    /// Leaves that family out.
    pub(super) fn leave_out(&mut self, family: &'static str) {
        self.left_out.push(family);
    }

    pub(super) fn has(&self, family: &str) -> bool {
        !self.left_out.contains(&family)
    }

    pub(super) fn prefix(&self) -> &str {
        &self.namespace
    }

    /// The bounds of durations of that name.
    pub(super) fn seconds_of(&self, name: &str) -> &Bounds {
        self.of_name(name).unwrap_or(&self.seconds)
    }

    /// The bounds of the host's own values of that name and unit.
    pub(super) fn values_of(&self, name: &str, unit: &str) -> &Bounds {
        self.of_name(name).unwrap_or(if unit == "seconds" { &self.seconds } else { &self.values })
    }

    fn of_name(&self, name: &str) -> Option<&Bounds> {
        let fits = |pattern: &str| match pattern.strip_suffix('*') {
            Some(begin) => name.starts_with(begin),
            None => name == pattern,
        };
        self.of_names.iter().find(|(pattern, _)| fits(pattern)).map(|(_, bounds)| bounds)
    }
}

impl Default for Exposition {
    fn default() -> Exposition {
        Exposition::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_pattern_that_fits_counts() {
        let settings = Exposition::new().buckets_of("db.read", &[1.0]).unwrap().buckets_of("db.*", &[2.0]).unwrap();
        let of = |name| settings.seconds_of(name).texts().next().unwrap().to_owned();
        assert_eq!(["db.read", "db.write", "web"].map(of), ["1.0", "2.0", "0.0001"]);
    }

    #[test]
    fn the_bounds_that_there_are_without_a_word_are_good_ones() {
        assert!(Bounds::new("buckets", &SECONDS).is_ok() && Bounds::new("buckets", &VALUES).is_ok());
    }

    #[test]
    fn bad_settings_are_refused() {
        for bad in ["", "9to5", "a-b", "ä", &"x".repeat(65), "a b", "a{"] {
            let error = Exposition::new().namespace(bad).unwrap_err();
            assert!(error.is_invalid_setting() && error.to_string().contains("1 to 64 letters"), "{error}");
        }
        assert!(Exposition::new().namespace("_9").is_ok());
        assert!(Exposition::new().buckets(&[]).unwrap_err().is_invalid_setting());
        let mut full = Exposition::new();
        for n in 0..MAX_PATTERNS {
            full = full.buckets_of(&n.to_string(), &[1.0]).unwrap();
        }
        assert!(full.buckets_of("one more", &[1.0]).unwrap_err().is_invalid_setting());
    }
}
