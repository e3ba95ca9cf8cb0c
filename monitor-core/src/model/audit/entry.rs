//! An entry as it is kept, and one that is to be kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::super::units::system_time_ns;
use super::{AuditError, AuditHead};
use crate::base::names::MAX_NAME_BYTES;

/// How long the texts of an entry may be in bytes, and how many details there are.
mod limits {
    pub(super) const ACTOR: usize = super::MAX_NAME_BYTES;
    pub(super) const ACTION: usize = super::MAX_NAME_BYTES;
    pub(super) const TARGET: usize = 1_024;
    pub(super) const SOURCE: usize = 1_024;
    pub(super) const KEY: usize = 128;
    pub(super) const VALUE: usize = 1_024;
    pub(super) const DETAILS: usize = 32;
    /// Key of the detail that says how many were left out.
    pub(super) const MORE: &str = "(more)";
}

/// Who did what, when, to what, from where: an entry of an audit trail, as it is kept.
///
/// ```
/// use monitor_core::AuditEntry;
///
/// let json = r#"{ "id": 1, "at_ns": 0, "actor": "alice", "action": "deploy", "target": "api", "source": "10.0.0.7",
///     "details": { "version": "1.2" }, "hash": "00" }"#;
/// let entry: AuditEntry = serde_json::from_str(json)?;
/// assert_eq!(entry.details["version"], "1.2");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its place in the trail: 1 for the first entry, and one more for each.
    pub id: i64,
    /// When it was recorded, by the wall clock of the program that did. Later entries may have earlier times.
    #[serde(rename = "at_ns", with = "system_time_ns")]
    pub at: SystemTime,
    /// Who: a user, a service, a job.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what; empty if that was not said.
    pub target: String,
    /// From where: an address, a machine, a program; empty if that was not said.
    pub source: String,
    /// What else is to be known.
    pub details: BTreeMap<String, String>,
    /// SHA-256 over this entry and the hash of the one before it, as 64 hexadecimal digits.
    pub hash: String,
}

impl AuditEntry {
    /// The end of the trail when this entry was its last one, to be kept elsewhere.
    #[must_use]
    pub fn head(&self) -> AuditHead {
        AuditHead { id: self.id, hash: self.hash.clone() }
    }
}

/// An entry that is to be kept. For those who implement [`AuditTrail`](crate::AuditTrail); others use
/// [`AuditBuilder`](crate::AuditBuilder).
///
/// Its texts are bounded: actor and action are neither empty nor longer than 200 bytes, target, source and values of details
/// not longer than 1,024, keys of details not longer than 128, and there are at most 33 details.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditDraft {
    /// When.
    #[serde(rename = "at_ns", with = "system_time_ns")]
    pub at: SystemTime,
    /// Who.
    pub actor: String,
    /// What was done.
    pub action: String,
    /// To what.
    pub target: String,
    /// From where.
    pub source: String,
    /// What else is to be known.
    pub details: BTreeMap<String, String>,
}

impl AuditDraft {
    /// An entry of that moment, without target, source and details.
    #[must_use]
    pub fn new(at: SystemTime, actor: &str, action: &str) -> AuditDraft {
        AuditDraft {
            at,
            actor: cut(actor, limits::ACTOR).into_owned(),
            action: cut(action, limits::ACTION).into_owned(),
            target: String::new(),
            source: String::new(),
            details: BTreeMap::new(),
        }
    }

    /// To what it was done. More than 1,024 bytes are cut, visibly.
    #[must_use]
    pub fn target(self, target: &str) -> AuditDraft {
        AuditDraft { target: cut(target, limits::TARGET).into_owned(), ..self }
    }

    /// From where it was done. More than 1,024 bytes are cut, visibly.
    #[must_use]
    pub fn source(self, source: &str) -> AuditDraft {
        AuditDraft { source: cut(source, limits::SOURCE).into_owned(), ..self }
    }

    /// What else is to be known. The same key once more replaces what was said. Keys of more than 128 bytes and values of
    /// more than 1,024 are cut, visibly; of more than 32 details the last ones are counted in one with the key `(more)`.
    #[must_use]
    pub fn detail(mut self, key: &str, value: &str) -> AuditDraft {
        let key = cut(key, limits::KEY);
        let full = self.details.len() - usize::from(self.details.contains_key(limits::MORE)) >= limits::DETAILS;
        if key == limits::MORE || full && !self.details.contains_key(&*key) {
            let more = self.details.entry(limits::MORE.to_owned()).or_default();
            let left_out = more.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0_u64);
            *more = format!("{} details were left out", left_out.saturating_add(1));
        } else {
            self.details.insert(key.into_owned(), cut(value, limits::VALUE).into_owned());
        }
        self
    }

    /// Whether it may be kept: not without an actor and an action, nor with texts that are too long.
    ///
    /// # Errors
    /// [`AuditError::is_invalid`].
    pub fn check(&self) -> Result<(), AuditError> {
        let texts = [
            ("the actor", &self.actor, limits::ACTOR),
            ("the action", &self.action, limits::ACTION),
            ("the target", &self.target, limits::TARGET),
            ("the source", &self.source, limits::SOURCE),
        ];
        let details = self.details.iter().flat_map(|(key, value)| {
            [("a key of the details", key, limits::KEY), ("a value of the details", value, limits::VALUE)]
        });
        for (what, text, most) in texts.into_iter().chain(details) {
            if text.len() > most {
                return Err(AuditError::invalid(format!("{what} has {} bytes; allowed are {most}", text.len())));
            }
        }
        if self.actor.is_empty() || self.action.is_empty() {
            let what = if self.actor.is_empty() { "actor" } else { "action" };
            return Err(AuditError::invalid(format!("the {what} is empty; say who did what")));
        }
        if self.details.len() > limits::DETAILS + 1 {
            return Err(AuditError::invalid(format!("there are {} details; allowed are 32", self.details.len())));
        }
        Ok(())
    }
}

/// A text of at most so many bytes. One that is cut says so, and how long it was: what is evidence is not cut silently.
fn cut(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most {
        return Cow::Borrowed(text);
    }
    let mark = format!("… ({} bytes)", text.len());
    let end = text.floor_char_boundary(most.saturating_sub(mark.len()));
    Cow::Owned(format!("{}{mark}", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_says_how_long_it_was() {
        let long = "ä".repeat(5_000);
        let draft =
            AuditDraft::new(SystemTime::UNIX_EPOCH, &long, &long).target(&long).source(&long).detail(&long, &long);
        draft.check().unwrap();
        let (key, value) = draft.details.first_key_value().unwrap();
        for text in [&draft.actor, &draft.action, &draft.target, &draft.source, key, value] {
            assert!(text.ends_with("ä… (10000 bytes)"), "{text}");
        }
    }

    #[test]
    fn details_are_bounded_and_what_is_over_is_counted() {
        let mut draft = AuditDraft::new(SystemTime::UNIX_EPOCH, "a", "b");
        for n in 0..100 {
            draft = draft.detail(&format!("key {n}"), "x");
        }
        draft = draft.detail("key 7", "replaced").detail("(more)", "0 details were left out");
        assert_eq!((draft.details.len(), draft.details["key 7"].as_str()), (33, "replaced"));
        assert_eq!(draft.details["(more)"], "69 details were left out");
        draft.check().unwrap();
    }

    #[test]
    fn an_entry_needs_an_actor_and_an_action_and_has_bounds() {
        let draft = |actor, action| AuditDraft::new(SystemTime::UNIX_EPOCH, actor, action);
        draft("a", "b").check().unwrap();
        assert_eq!(draft("", "b").check().unwrap_err().to_string(), "the actor is empty; say who did what");
        assert!(draft("a", "").check().unwrap_err().is_invalid());
        let by_hand = AuditDraft { target: "x".repeat(1_025), ..draft("a", "b") };
        assert_eq!(by_hand.check().unwrap_err().to_string(), "the target has 1025 bytes; allowed are 1024");
    }

    #[test]
    fn it_comes_back_from_json() {
        let draft = AuditDraft::new(SystemTime::UNIX_EPOCH, "a", "b").target("t").source("s").detail("k", "v");
        let json = serde_json::to_string(&draft).unwrap();
        assert_eq!(serde_json::from_str::<AuditDraft>(&json).unwrap(), draft);
        assert!(json.contains("\"at_ns\":0"), "{json}");
    }
}
