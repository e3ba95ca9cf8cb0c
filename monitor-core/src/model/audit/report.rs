//! The end of a trail, and what checking it has found.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::base::names::truncated;

/// The end of an audit trail: number and hash of its last entry.
///
/// Whoever may rewrite the whole file can make all hashes anew. Kept where they cannot reach it (a log on another machine, a
/// mail, paper), the head shows that they did: `AuditLog::verify_since`. As a text it is
/// `<id>:<64 hexadecimal digits>`.
///
/// ```
/// use monitor_core::AuditHead;
///
/// let text = format!("7:{}", "ab".repeat(32));
/// let head: AuditHead = text.parse()?;
/// assert_eq!((head.id, head.to_string()), (7, text));
/// # Ok::<(), monitor_core::ParseAuditHeadError>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AuditHead {
    /// Number of the last entry; 0 while there is none.
    pub id: i64,
    /// Its hash, as 64 lower-case hexadecimal digits; all 0 while there is none.
    pub hash: String,
}

impl AuditHead {
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for implementations"))]
    pub(crate) fn new(id: i64, hash: String) -> AuditHead {
        AuditHead { id, hash }
    }
}

impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.hash)
    }
}

/// A text that is no [`AuditHead`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAuditHeadError {
    text: String,
}

impl fmt::Display for ParseAuditHeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no head of an audit trail; it is a number, a colon and 64 hexadecimal digits", self.text)
    }
}

impl std::error::Error for ParseAuditHeadError {}

impl FromStr for AuditHead {
    type Err = ParseAuditHeadError;

    fn from_str(text: &str) -> Result<AuditHead, ParseAuditHeadError> {
        let parse = || {
            let (id, hash) = text.split_once(':')?;
            let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_digit());
            let hex = hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            let id = id.parse().ok().filter(|_| plain && hex)?;
            Some(AuditHead { id, hash: hash.to_ascii_lowercase() })
        };
        parse().ok_or_else(|| ParseAuditHeadError { text: truncated(text, 80).into_owned() })
    }
}

impl Serialize for AuditHead {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AuditHead {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AuditHead, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What somebody did to an audit trail, as far as it can be told.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditFault {
    /// The entry with that number is not as it was written.
    Changed {
        /// Its number.
        id: i64,
    },
    /// Entries are missing.
    Removed {
        /// Number of the first one.
        first: i64,
        /// Number of the last one.
        last: i64,
    },
    /// An entry is there that is no part of the chain.
    Inserted {
        /// Its number.
        id: i64,
    },
    /// An entry that is right has the number of another one.
    Moved {
        /// The number that it has.
        id: i64,
        /// The number that it had when it was written.
        from: i64,
    },
    /// The record of where the trail begins and ends does not fit the entries.
    Head {
        /// In what.
        what: String,
    },
    /// The chain is whole, but it is not the one whose [`AuditHead`] was kept elsewhere: this entry or one before it was
    /// changed, and the hashes were made anew.
    Rewritten {
        /// Number of the entry that the head is of.
        id: i64,
    },
}

impl AuditFault {
    /// For sorting: the first entry that it is about; the head comes last.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for implementations"))]
    pub(crate) fn place(&self) -> i64 {
        match self {
            AuditFault::Changed { id }
            | AuditFault::Inserted { id }
            | AuditFault::Moved { id, .. }
            | AuditFault::Rewritten { id } => *id,
            AuditFault::Removed { first, .. } => *first,
            AuditFault::Head { .. } => i64::MAX,
        }
    }
}

impl fmt::Display for AuditFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuditFault::Changed { id } => write!(f, "entry {id} was changed"),
            AuditFault::Removed { first, last } if first == last => write!(f, "entry {first} was removed"),
            AuditFault::Removed { first, last } => write!(f, "entries {first} to {last} were removed"),
            AuditFault::Inserted { id } => write!(f, "entry {id} was inserted"),
            AuditFault::Moved { id, from } => write!(f, "entry {id} was entry {from}"),
            AuditFault::Head { what } => write!(f, "the head was changed: {what}"),
            AuditFault::Rewritten { id } => {
                write!(f, "entry {id} or one before it was changed, and the hashes were made anew")
            }
        }
    }
}

/// What checking an audit trail has found.
///
/// As a text: `12 entries, 1 to 12, intact`, or a line for each fault.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditReport {
    /// Entries that were looked at.
    pub entries: u64,
    /// Number of the first entry that is kept; those before it were removed by retention, or by somebody who made it look
    /// so. One more than the head's while there is none.
    pub first_id: i64,
    /// The end of the trail, to be kept elsewhere. While there are faults it is what the file says.
    pub head: AuditHead,
    /// What is wrong, by number of entry; at most 100 faults, the newest ones.
    pub faults: Vec<AuditFault>,
    /// Faults beyond those.
    pub faults_over: u64,
    /// Whether the head that was given is that of this trail; `None` when none was given, or when its entry has been removed
    /// by retention, so that nobody can tell.
    pub confirmed: Option<bool>,
}

impl AuditReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty() && self.faults_over == 0
    }
}

impl fmt::Display for AuditReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entries, first_id, head, faults, faults_over, .. } = self;
        write!(f, "{entries} {}", if *entries == 1 { "entry" } else { "entries" })?;
        if head.id >= *first_id {
            write!(f, ", {first_id} to {}", head.id)?;
        }
        if self.is_intact() {
            return f.write_str(", intact");
        }
        faults.iter().try_for_each(|fault| write!(f, "\n{fault}"))?;
        if *faults_over > 0 { write!(f, "\nand {faults_over} more") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_comes_back_from_its_text_and_from_json() {
        let head: AuditHead = format!("12:{}", "0f".repeat(32)).parse().unwrap();
        let json = serde_json::to_string(&head).unwrap();
        assert_eq!(serde_json::from_str::<AuditHead>(&json).unwrap(), head);
        let upper: AuditHead = format!("12:{}", "0F".repeat(32)).parse().unwrap();
        assert_eq!(upper, head);
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let hash = "0f".repeat(32);
        for text in ["", ":", "7", "x:00", &format!(":{hash}"), &format!("-1:{hash}"), &format!("+1:{hash}")] {
            assert!(text.parse::<AuditHead>().is_err(), "{text}");
        }
        assert!(format!("1:{}", "ü".repeat(32)).parse::<AuditHead>().is_err());
        assert!(format!("99999999999999999999:{hash}").parse::<AuditHead>().is_err());
    }

    #[test]
    fn a_report_names_each_fault_and_comes_back_from_json() {
        let head: AuditHead = format!("12:{}", "0f".repeat(32)).parse().unwrap();
        let mut report =
            AuditReport { entries: 11, first_id: 1, head, faults: Vec::new(), faults_over: 0, confirmed: None };
        assert_eq!(report.to_string(), "11 entries, 1 to 12, intact");
        report.faults = vec![
            AuditFault::Changed { id: 2 },
            AuditFault::Removed { first: 3, last: 3 },
            AuditFault::Removed { first: 5, last: 6 },
            AuditFault::Moved { id: 9, from: 8 },
            AuditFault::Inserted { id: 14 },
            AuditFault::Rewritten { id: 4 },
            AuditFault::Head { what: "x".to_owned() },
        ];
        report.faults_over = 2;
        let text = "11 entries, 1 to 12\nentry 2 was changed\nentry 3 was removed\nentries 5 to 6 were removed\n\
            entry 9 was entry 8\nentry 14 was inserted\nentry 4 or one before it was changed, and the hashes were made anew\n\
            the head was changed: x\nand 2 more";
        assert_eq!(report.to_string(), text);
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<AuditReport>(&json).unwrap(), report);
    }
}
