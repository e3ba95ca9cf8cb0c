//! Assertions on errors.

use std::fmt::Write as _;

use super::report::NAMES_LISTED;
use crate::model::text::{format_count, one_line, plural};
use crate::model::{ErrorGroup, ErrorState, Severity, Snapshot};

/// Begins assertions on the group of errors whose kind is, or ends in, `kind`; of several the most urgent one.
///
/// ```
/// use monitor_core::{Monitor, Severity, testing};
///
/// let local = Monitor::builder().build()?;
/// let result: Result<u8, _> = local.try_track("parse", |_| "x".parse());
/// assert!(result.is_err());
/// testing::assert_error(&local.snapshot(), "ParseIntError").count(1).place("parse").severity(Severity::Medium);
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # Panics
///
/// When there is no such group, with the groups there are.
#[track_caller]
pub fn assert_error<'a>(snapshot: &'a Snapshot, kind: &str) -> ErrorAssert<'a> {
    let is_kind = |group: &&ErrorGroup| {
        group.kind == kind || group.kind.strip_suffix(kind).is_some_and(|path| path.ends_with("::"))
    };
    match snapshot.errors().iter().find(is_kind) {
        Some(group) => ErrorAssert { group },
        None => panic!("no error of kind `{}` was recorded; {}", one_line(kind), list(snapshot)),
    }
}

/// Asserts that no error was recorded at all.
///
/// # Panics
///
/// When there is one, with the groups there are.
#[track_caller]
pub fn assert_no_errors(snapshot: &Snapshot) {
    assert!(snapshot.errors().is_empty(), "expected no error; {}", list(snapshot));
}

/// Assertions on one group of errors, from [`assert_error`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with what is known of the group, when they do not hold.
#[derive(Debug, Clone, Copy)]
pub struct ErrorAssert<'a> {
    group: &'a ErrorGroup,
}

impl<'a> ErrorAssert<'a> {
    /// Exactly `n` errors.
    #[track_caller]
    pub fn count(self, n: u64) -> Self {
        self.check(self.group.count == n, &plural(n, "error"), &format_count(self.group.count))
    }

    /// At least `n` errors.
    #[track_caller]
    pub fn count_at_least(self, n: u64) -> Self {
        let expected = format!("at least {}", plural(n, "error"));
        self.check(self.group.count >= n, &expected, &format_count(self.group.count))
    }

    /// They came from this operation or file.
    #[track_caller]
    pub fn place(self, place: &str) -> Self {
        self.check(self.group.place == place, &format!("place `{}`", one_line(place)), &one_line(&self.group.place))
    }

    /// The newest message contains this text.
    #[track_caller]
    pub fn message_contains(self, text: &str) -> Self {
        let message = self.group.newest().map_or("", |sample| &sample.error.message);
        let expected = format!("a message with `{}`", one_line(text));
        self.check(message.contains(text), &expected, &format!("`{}`", one_line(message)))
    }

    /// The highest severity seen.
    #[track_caller]
    pub fn severity(self, severity: Severity) -> Self {
        self.check(self.group.severity == severity, &format!("severity {severity}"), self.group.severity.as_str())
    }

    /// What is to be thought of it.
    #[track_caller]
    pub fn state(self, state: ErrorState) -> Self {
        self.check(self.group.state == state, &format!("state {state}"), self.group.state.as_str())
    }

    /// The group itself, for what is not covered here.
    pub fn group(self) -> &'a ErrorGroup {
        self.group
    }

    #[track_caller]
    fn check(self, holds: bool, expected: &str, found: &str) -> Self {
        let ErrorGroup { kind, place, pattern, count, state, severity, .. } = self.group;
        assert!(
            holds,
            "error `{}`: expected {expected}, found {found}\n  count    {}, {state}, {severity}\n  place    {}\n  \
             pattern  {}",
            one_line(kind),
            format_count(*count),
            one_line(place),
            one_line(pattern)
        );
        self
    }
}

/// The groups there are, in a sentence.
fn list(snapshot: &Snapshot) -> String {
    let groups = snapshot.errors();
    if groups.is_empty() {
        return "there are no errors at all".to_owned();
    }
    let mut text = "there are:".to_owned();
    for group in groups.iter().take(NAMES_LISTED) {
        let (kind, place, pattern) = (one_line(&group.kind), one_line(&group.place), one_line(&group.pattern));
        let _ = write!(text, "\n  {} x `{kind}` in `{place}`: {pattern}", format_count(group.count));
    }
    if groups.len() > NAMES_LISTED {
        let _ = write!(text, "\n  and {}", plural((groups.len() - NAMES_LISTED) as u64, "more group"));
    }
    text
}
