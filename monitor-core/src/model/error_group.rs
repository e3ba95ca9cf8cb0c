//! Errors that came back, by group.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::units::system_time_ns;
use super::{ErrorText, FieldValue, SpanId, TraceId};

/// How bad an error is. The default is [`Medium`](Self::Medium).
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Expected now and then; nobody needs to look.
    Low,
    /// A failure like any other: what a tracked call that fails is.
    #[default]
    Medium,
    /// Something that users notice.
    High,
    /// The program cannot do its work: what a panic is.
    Critical,
}

impl Severity {
    /// The word for it: `low`, `medium`, `high`, `critical`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is to be thought of a group of errors.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorState {
    /// First seen within the last hour.
    New,
    /// Known for longer, and still coming.
    Ongoing,
    /// Gone: said so by hand, or not seen for the quiet time.
    Resolved,
    /// Came back within the last hour after it was resolved.
    Regressed,
}

impl ErrorState {
    /// The word for it: `new`, `ongoing`, `resolved`, `regressed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            ErrorState::New => "new",
            ErrorState::Ongoing => "ongoing",
            ErrorState::Resolved => "resolved",
            ErrorState::Regressed => "regressed",
        }
    }
}

impl fmt::Display for ErrorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What makes errors one group: a hash of kind, place and normalised message, or of a text that the program gives.
///
/// It begins with the version of the algorithm, so that groups of two versions are never taken for each other; the
/// same errors have the same fingerprint in every run of the program and on every machine. As text, and with serde, it
/// is `1-c0ffee0123456789`, and `given-c0ffee0123456789` for a text of the program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint {
    /// 0: of a given text.
    version: u8,
    hash: u64,
}

impl Fingerprint {
    /// The version of the algorithm that groups errors now.
    pub const VERSION: u8 = 1;

    /// The fingerprint of errors of a kind, from a place, with a message that is normalised already.
    pub(crate) fn of_error(kind: &str, place: &str, pattern: &str) -> Fingerprint {
        Fingerprint { version: Self::VERSION, hash: hash(&[kind, place, pattern]) }
    }

    /// The fingerprint that a program gives by a text of its own.
    ///
    /// ```
    /// use monitor_core::Fingerprint;
    ///
    /// let fingerprint = Fingerprint::given("payment declined");
    /// assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    /// ```
    #[must_use]
    pub fn given(text: &str) -> Fingerprint {
        Fingerprint { version: 0, hash: hash(&[text]) }
    }
}

/// FNV-1a with 64 bits (Fowler, Noll and Vo, 1991), each text followed by a byte that no text contains.
fn hash(texts: &[&str]) -> u64 {
    let bytes = texts.iter().flat_map(|text| text.bytes().chain([0xFF]));
    bytes.fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            0 => write!(f, "given-{:016x}", self.hash),
            version => write!(f, "{version}-{:016x}", self.hash),
        }
    }
}

/// A text that is no [`Fingerprint`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFingerprintError {
    text: String,
}

impl fmt::Display for ParseFingerprintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no fingerprint; it is a version (1 to 255, or `given`), a hyphen and 16 hexadecimal digits",
            self.text
        )
    }
}

impl std::error::Error for ParseFingerprintError {}

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;

    fn from_str(text: &str) -> Result<Fingerprint, ParseFingerprintError> {
        let parse = || {
            let (version, hash) = text.split_once('-')?;
            let version = match version {
                "given" => 0,
                // One version has one form: `+1` and `01` are none.
                digits if digits.starts_with(|c: char| matches!(c, '1'..='9')) => digits.parse().ok()?,
                _ => return None,
            };
            let digits = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
            Some(Fingerprint { version, hash: u64::from_str_radix(hash, 16).ok().filter(|_| digits)? })
        };
        parse().ok_or_else(|| ParseFingerprintError { text: text.chars().take(64).collect() })
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Errors of one kind, from one place, with one message but for numbers, paths and the like.
///
/// From [`Snapshot::errors`](crate::Snapshot::errors). Errors get there by themselves when a tracked call fails, by
/// hand with [`Monitor::error`](crate::Monitor::error), and by [`record_panics`](crate::record_panics).
///
/// The count has every error. While errors of one kind come from one operation faster than some ten a second and
/// thread, not each of them is looked at: those that are not count for the group of the next one that is. So the counts
/// of the groups of one kind and operation always add up to its failures; how they are divided between groups with
/// different messages is an estimate during such a storm.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorGroup {
    /// What makes them a group.
    pub fingerprint: Fingerprint,
    /// Type of the errors, or the program's own word for their kind.
    pub kind: String,
    /// The operation that failed or in which the error was recorded; outside of any, the source file.
    pub place: String,
    /// The message and, where it does not say them itself, its sources, with numbers, hexadecimal digits, UUIDs, other
    /// identities, paths, URLs, addresses of mail and quoted texts replaced by `<n>`, `<hex>`, `<uuid>`, `<id>`,
    /// `<path>`, `<url>`, `<email>` and `<text>`. A status or a code, as in `status 404`, stays.
    pub pattern: String,
    /// Component of the program that they belong to; empty when none was given.
    pub component: String,
    /// The highest severity seen.
    pub severity: Severity,
    /// What is to be thought of it.
    pub state: ErrorState,
    /// Errors so far.
    pub count: u64,
    /// Errors among them that were counted without being looked at.
    pub count_unread: u64,
    /// When the first one was recorded, by the wall clock.
    #[serde(rename = "first_seen_ns", with = "system_time_ns")]
    pub first_seen: SystemTime,
    /// When the last one was recorded, by the wall clock.
    #[serde(rename = "last_seen_ns", with = "system_time_ns")]
    pub last_seen: SystemTime,
    /// Errors within the hour before the snapshot; the sixtieth of the hour that it began in counts in part.
    pub last_hour: u64,
    /// The newest few of them, the newest first.
    pub samples: Vec<ErrorSample>,
}

impl ErrorGroup {
    /// The newest error of the group.
    #[must_use]
    pub fn newest(&self) -> Option<&ErrorSample> {
        self.samples.first()
    }
}

/// How many errors of a kind there were, of one component and severity.
///
/// From [`Snapshot::error_counts`](crate::Snapshot::error_counts). At most as many kinds and components are told apart as
/// there may be groups; further ones are counted under `(overflow)`.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// Type of the errors, or the program's own word for their kind.
    pub kind: String,
    /// Component of the program that they belong to; empty when none was given.
    pub component: String,
    /// How bad they are.
    pub severity: Severity,
    /// Errors so far.
    pub count: u64,
}

/// One error of a group, with everything that was known of it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorSample {
    /// Kind, message and sources.
    pub error: ErrorText,
    /// How bad it was.
    pub severity: Severity,
    /// When it was recorded, by the wall clock.
    #[serde(rename = "seen_at_ns", with = "system_time_ns")]
    pub seen_at: SystemTime,
    /// The call that failed, or in which it was recorded.
    pub operation_id: Option<u64>,
    /// Name of that call's operation.
    pub operation: Option<String>,
    /// The trace that it occurred in; `None` outside of any operation and context.
    #[serde(default)]
    pub trace_id: Option<TraceId>,
    /// That call's span, or that of another program on whose behalf the work was done.
    #[serde(default)]
    pub span_id: Option<SpanId>,
    /// Where in the source it was recorded, `file:line:column`; not known of a call that failed.
    pub location: Option<String>,
    /// What the program said with it, or the fields of the call that failed; up to 32.
    pub context: Vec<(String, FieldValue)>,
    /// The thread, by name or number.
    pub thread: Option<String>,
    /// The stack, if [`MonitorBuilder::error_backtraces`](crate::MonitorBuilder::error_backtraces) asks for it; only of the
    /// newest error of a group, and never in a forked child, where asking for it may hang.
    pub backtrace: Option<String>,
}

/// The groups as they came since an earlier moment: those with an error in between, with the errors in between.
pub(super) fn all_since(groups: &[ErrorGroup], earlier: &[ErrorGroup]) -> Vec<ErrorGroup> {
    let earlier: HashMap<_, _> = earlier.iter().map(|group| (group.fingerprint, group)).collect();
    let since = |group: &ErrorGroup| {
        // One that made room in between and came again has begun anew.
        let before = earlier.get(&group.fingerprint).filter(|before| before.count <= group.count);
        let (count, unread) = before.map_or((0, 0), |before| (before.count, before.count_unread));
        let (count, count_unread) = (group.count.saturating_sub(count), group.count_unread.saturating_sub(unread));
        (count > 0).then(|| ErrorGroup { count, count_unread: count_unread.min(count), ..group.clone() })
    };
    groups.iter().filter_map(since).collect()
}

/// The counts as they came since an earlier moment, of what came in between.
pub(super) fn counts_since(counts: &[ErrorCount], earlier: &[ErrorCount]) -> Vec<ErrorCount> {
    let key = |one: &ErrorCount| (one.kind.clone(), one.component.clone(), one.severity);
    let earlier: HashMap<_, _> = earlier.iter().map(|one| (key(one), one.count)).collect();
    let since = |one: &ErrorCount| {
        let count = one.count.saturating_sub(earlier.get(&key(one)).copied().unwrap_or(0));
        (count > 0).then(|| ErrorCount { count, ..one.clone() })
    };
    counts.iter().filter_map(since).collect()
}

/// The most urgent first: what is not resolved, then by severity, then by the newest.
pub(super) fn sort_by_urgency(groups: &mut [ErrorGroup]) {
    groups.sort_by_key(|group| {
        let resolved = group.state == ErrorState::Resolved;
        (resolved, std::cmp::Reverse((group.severity, group.last_seen, group.count)), group.fingerprint)
    });
}

/// How long a group stays new, or regressed.
pub(crate) const FRESH: Duration = Duration::from_hours(1);

/// A group for tests.
#[cfg(test)]
pub(super) fn example(kind: &str, count: u64) -> ErrorGroup {
    let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    ErrorGroup {
        fingerprint: Fingerprint::of_error(kind, "db.fetch", "refused"),
        kind: kind.to_owned(),
        place: "db.fetch".into(),
        pattern: "refused by <n>".into(),
        component: String::new(),
        severity: Severity::Medium,
        state: ErrorState::New,
        count,
        count_unread: count / 2,
        first_seen: at(1),
        last_seen: at(count),
        last_hour: count,
        samples: vec![ErrorSample {
            error: ErrorText::new(kind.to_owned(), "refused by 7"),
            severity: Severity::Medium,
            seen_at: at(count),
            operation_id: Some(7),
            operation: Some("db.fetch".into()),
            trace_id: None,
            span_id: None,
            location: None,
            context: vec![("user".into(), 7_u64.into())],
            thread: Some("main".into()),
            backtrace: None,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::example as group;
    use super::*;

    #[test]
    fn a_group_round_trips() {
        let group = group("Refused", 10);
        let json = serde_json::to_value(&group).unwrap();
        assert_eq!((&json["severity"], &json["state"]), (&"medium".into(), &"new".into()));
        assert_eq!(json["first_seen_ns"], 1_000_000_000_i64);
        assert_eq!(serde_json::from_value::<ErrorGroup>(json).unwrap(), group);
    }

    #[test]
    fn fingerprints_are_the_same_in_every_version_and_on_every_machine() {
        let fingerprint = Fingerprint::of_error("Io", "db.fetch", "refused by <n>");
        assert_eq!(fingerprint.to_string(), "1-aa55e50b0c9de3b3");
        assert_eq!(Fingerprint::given("a").to_string(), "given-089bc907b544c769");
        assert_ne!(Fingerprint::of_error("a", "b", "c"), Fingerprint::of_error("ab", "", "c"));
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
    }

    #[test]
    fn what_is_no_fingerprint_is_told_what_one_is() {
        for text in [
            "",
            "1",
            "1-",
            "1-12",
            "0-0123456789abcdef",
            "256-0123456789abcdef",
            "1-0123456789abcdeg",
            "1-+123456789abcdef",
            "+1-0123456789abcdef",
            "01-0123456789abcdef",
        ] {
            let error = text.parse::<Fingerprint>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is no fingerprint; it is a version")), "{error}");
        }
    }

    #[test]
    fn the_difference_has_what_came_in_between() {
        let earlier = [group("A", 4), group("B", 6)];
        let now = [group("A", 10), group("B", 6), group("C", 1)];
        let between: Vec<_> =
            all_since(&now, &earlier).into_iter().map(|g| (g.kind, g.count, g.count_unread)).collect();
        assert_eq!(between, [("A".to_owned(), 6, 3), ("C".to_owned(), 1, 0)]);
    }

    #[test]
    fn a_group_that_was_replaced_and_came_again_counts_from_its_beginning() {
        let between: Vec<_> = all_since(&[group("A", 4)], &[group("A", 10)]).into_iter().map(|g| g.count).collect();
        assert_eq!(between, [4]);
    }

    #[test]
    fn the_most_urgent_comes_first() {
        let resolved = ErrorGroup { state: ErrorState::Resolved, severity: Severity::Critical, ..group("R", 9) };
        let mut groups =
            [resolved, group("A", 1), ErrorGroup { severity: Severity::High, ..group("H", 1) }, group("B", 2)];
        sort_by_urgency(&mut groups);
        assert_eq!(groups.each_ref().map(|group| group.kind.as_str()), ["H", "B", "A", "R"]);
    }
}
