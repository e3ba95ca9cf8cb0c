//! One group of errors: what is counted of it, its newest samples, and what is to be thought of it.

use std::backtrace::Backtrace;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::window::LastHour;
use crate::model::{ErrorState, ErrorText, FRESH, FieldValue, Fingerprint, Severity, SpanId, TraceId};

/// Samples that a group keeps.
pub(crate) const SAMPLES: usize = 5;

/// An error that was looked at. Moments are nanoseconds since the monitor's start.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) error: ErrorText,
    pub(crate) severity: Severity,
    pub(crate) seen_ns: u64,
    pub(crate) operation_id: Option<u64>,
    pub(crate) operation: Option<Arc<str>>,
    pub(crate) trace_id: Option<TraceId>,
    pub(crate) span_id: Option<SpanId>,
    pub(crate) location: Option<String>,
    pub(crate) context: Vec<(String, FieldValue)>,
    pub(crate) thread: Option<Arc<str>>,
    /// Resolved to a text only when it is read: that takes milliseconds.
    pub(crate) backtrace: Option<Arc<Backtrace>>,
}

impl Sample {
    fn bytes_held(&self) -> usize {
        let text = |value: &FieldValue| if let FieldValue::Text(text) = value { text.len() } else { 0 };
        let context =
            self.context.iter().map(|(key, value)| size_of::<(String, FieldValue)>() + key.len() + text(value));
        let sources = self.error.sources.iter().map(|source| size_of::<String>() + source.len());
        let texts = self.error.message.len() + self.location.as_ref().map_or(0, String::len);
        size_of::<Self>() + texts + context.sum::<usize>() + sources.sum::<usize>()
    }
}

#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) fingerprint: Fingerprint,
    pub(super) title: Title,
    pub(super) severity: Severity,
    pub(super) count: u64,
    /// Of them those that were counted without being looked at.
    pub(super) unread: u64,
    pub(super) first_ns: u64,
    pub(super) last_ns: u64,
    /// When it last came back after it was resolved.
    back_ns: Option<u64>,
    /// When somebody said that it is resolved.
    resolved_ns: Option<u64>,
    hour: LastHour,
    pub(super) samples: VecDeque<Arc<Sample>>,
}

/// What tells groups apart, for a person.
#[derive(Clone, Debug)]
pub(super) struct Title {
    pub(super) kind: Arc<str>,
    pub(super) place: Arc<str>,
    pub(super) pattern: Arc<str>,
    pub(super) component: Arc<str>,
}

impl Group {
    pub(super) fn new(fingerprint: Fingerprint, title: Title, now_ns: u64) -> Self {
        Self {
            fingerprint,
            title,
            severity: Severity::Low,
            count: 0,
            unread: 0,
            first_ns: now_ns,
            last_ns: now_ns,
            back_ns: None,
            resolved_ns: None,
            hour: LastHour::new(),
            samples: VecDeque::new(),
        }
    }

    /// Counts `n` errors of which the last was at a moment, and none of which was looked at.
    pub(super) fn count_unread(&mut self, n: u64, at_ns: u64, quiet: Duration) {
        if n > 0 {
            self.unread = self.unread.saturating_add(n);
            self.add(n, at_ns, quiet);
        }
    }

    /// Counts an error that was looked at, and keeps it.
    pub(super) fn keep(&mut self, sample: Sample, quiet: Duration) {
        self.add(1, sample.seen_ns, quiet);
        self.severity = self.severity.max(sample.severity);
        if self.samples.len() >= SAMPLES {
            self.samples.pop_back();
        }
        self.samples.push_front(Arc::new(sample));
    }

    fn add(&mut self, n: u64, at_ns: u64, quiet: Duration) {
        let comes_back = match self.resolved_ns {
            // One that was on its way while somebody resolved the group does not bring it back.
            Some(resolved) => resolved < at_ns,
            None => self.count > 0 && since(self.last_ns, at_ns) >= quiet,
        };
        if comes_back {
            (self.back_ns, self.resolved_ns) = (Some(at_ns), None);
        }
        self.count = self.count.saturating_add(n);
        self.first_ns = self.first_ns.min(at_ns);
        self.last_ns = self.last_ns.max(at_ns);
        self.hour.add(at_ns, n);
    }

    /// Says that the errors of this group are gone.
    pub(super) fn resolve(&mut self, now_ns: u64) {
        self.resolved_ns = Some(now_ns);
    }

    fn is_resolved(&self, now_ns: u64, quiet: Duration) -> bool {
        self.resolved_ns.is_some() || since(self.last_ns, now_ns) >= quiet
    }

    pub(super) fn state(&self, now_ns: u64, quiet: Duration) -> ErrorState {
        if self.is_resolved(now_ns, quiet) {
            ErrorState::Resolved
        } else if self.back_ns.is_some_and(|back| since(back, now_ns) < FRESH) {
            ErrorState::Regressed
        } else if since(self.first_ns, now_ns) < FRESH && self.back_ns.is_none() {
            ErrorState::New
        } else {
            ErrorState::Ongoing
        }
    }

    /// Memory that it takes, but for what the allocator adds and for stacks.
    pub(super) fn bytes_held(&self) -> usize {
        let Title { kind, place, pattern, component } = &self.title;
        let titles = [kind, place, pattern, component].map(|text| text.len()).iter().sum::<usize>();
        let samples = self.samples.iter().map(|sample| sample.bytes_held()).sum::<usize>();
        size_of::<Self>() + LastHour::BYTES + titles + samples
    }

    pub(super) fn last_hour(&self, now_ns: u64) -> u64 {
        self.hour.count(now_ns)
    }
}

fn since(earlier_ns: u64, now_ns: u64) -> Duration {
    Duration::from_nanos(now_ns.saturating_sub(earlier_ns))
}

/// A sample for tests, of which nothing is known but the error.
#[cfg(test)]
pub(super) fn example(kind: &'static str, message: &str, seen_ns: u64) -> Sample {
    Sample {
        error: ErrorText::new(kind, message),
        severity: Severity::Medium,
        seen_ns,
        operation_id: None,
        operation: None,
        trace_id: None,
        span_id: None,
        location: None,
        context: Vec::new(),
        thread: None,
        backtrace: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600_000_000_000;
    const QUIET: Duration = Duration::from_hours(24);

    fn sample(seen_ns: u64) -> Sample {
        example("Io", &format!("at {seen_ns}"), seen_ns)
    }

    fn group(now_ns: u64) -> Group {
        let text = || Arc::from("x");
        let title = Title { kind: text(), place: text(), pattern: text(), component: text() };
        let mut group = Group::new(Fingerprint::given("x"), title, now_ns);
        group.keep(sample(now_ns), QUIET);
        group
    }

    #[test]
    fn new_then_ongoing_then_resolved_by_quiet_then_back() {
        let mut group = group(HOUR);
        assert_eq!(group.state(HOUR, QUIET), ErrorState::New);
        assert_eq!(group.state(2 * HOUR, QUIET), ErrorState::Ongoing);
        assert_eq!(group.state(25 * HOUR, QUIET), ErrorState::Resolved);
        group.keep(sample(30 * HOUR), QUIET);
        assert_eq!(group.state(30 * HOUR, QUIET), ErrorState::Regressed);
        assert_eq!(group.state(31 * HOUR, QUIET), ErrorState::Ongoing);
        assert_eq!(group.count, 2);
    }

    #[test]
    fn resolved_by_hand_until_it_comes_back() {
        let mut group = group(0);
        group.resolve(10);
        assert_eq!(group.state(10, QUIET), ErrorState::Resolved);
        group.count_unread(3, 9, QUIET);
        assert_eq!((group.state(11, QUIET), group.count), (ErrorState::Resolved, 4), "it was on its way before");
        group.count_unread(1, 11, QUIET);
        assert_eq!(group.state(11, QUIET), ErrorState::Regressed);
        assert_eq!((group.unread, group.last_hour(11)), (4, 5));
    }

    #[test]
    fn the_newest_samples_stay() {
        let mut group = group(0);
        for at in 1..100 {
            group.keep(Sample { severity: if at == 7 { Severity::High } else { Severity::Low }, ..sample(at) }, QUIET);
        }
        let seen: Vec<_> = group.samples.iter().map(|sample| sample.seen_ns).collect();
        assert_eq!((seen, group.severity), (vec![99, 98, 97, 96, 95], Severity::High));
    }
}
