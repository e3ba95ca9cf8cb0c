//! How much is wanted at once, in which order, and where it goes on.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::super::units::duration_ns;

/// Which end comes first.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortOrder {
    /// The newest.
    #[default]
    NewestFirst,
    /// The oldest.
    OldestFirst,
}

/// How much is wanted at once, where it goes on, and how long it may take.
///
/// ```
/// use monitor_core::{PageRequest, SortOrder};
/// use std::time::Duration;
///
/// let page = PageRequest::new().limit(20).order(SortOrder::OldestFirst).deadline(Duration::from_secs(1));
/// assert_eq!(page.limit, 20);
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct PageRequest {
    /// At most as many entries; 1 to 1,000, default 100.
    pub limit: u32,
    /// Which end comes first; default the newest.
    pub order: SortOrder,
    /// [`Page::next`] of the page before; default: from the beginning.
    pub after: Option<PageKey>,
    /// How long the answer may take; 1 ms to 10 minutes, default 5 s. Past it the search is broken off with an error.
    #[serde(rename = "deadline_ns", with = "duration_ns")]
    pub deadline: Duration,
}

impl Default for PageRequest {
    fn default() -> PageRequest {
        PageRequest { limit: 100, order: SortOrder::default(), after: None, deadline: Duration::from_secs(5) }
    }
}

impl PageRequest {
    /// The largest [`limit`](Self::limit).
    pub const MAX_LIMIT: u32 = 1_000;

    /// The first 100, the newest first, within 5 s.
    #[must_use]
    pub fn new() -> PageRequest {
        PageRequest::default()
    }

    /// Sets the most entries of the page, 1 to 1,000.
    #[must_use]
    pub fn limit(self, limit: u32) -> PageRequest {
        PageRequest { limit, ..self }
    }

    /// Sets which end comes first.
    #[must_use]
    pub fn order(self, order: SortOrder) -> PageRequest {
        PageRequest { order, ..self }
    }

    /// Goes on after the page whose [`next`](Page::next) is given.
    #[must_use]
    pub fn after(self, key: PageKey) -> PageRequest {
        PageRequest { after: Some(key), ..self }
    }

    /// Sets how long the answer may take, 1 ms to 10 minutes.
    #[must_use]
    pub fn deadline(self, deadline: Duration) -> PageRequest {
        PageRequest { deadline, ..self }
    }
}

/// Entries, and where the next ones are.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What was found, in the order asked for.
    pub entries: Vec<T>,
    /// For [`PageRequest::after`]; `None` when nothing is left.
    pub next: Option<PageKey>,
}

impl<T> Page<T> {
    pub(crate) fn empty() -> Page<T> {
        Page { entries: Vec::new(), next: None }
    }
}

/// Where a page ended: a short text for whoever asks for the next one. What it says is the history's own affair.
///
/// It stands for a place between two entries, not for a count: what comes or is removed between two pages makes no entry
/// that was there all the time come twice or not at all. It is for the same filter and order as the page that it is of.
///
/// ```
/// let error = "page two".parse::<monitor_core::PageKey>().unwrap_err();
/// assert!(error.to_string().starts_with("\"page two\" is no key of a page"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageKey {
    order: SortOrder,
    sort: i64,
    id: i64,
}

impl PageKey {
    /// After the entry with that sort key and, among equals, that id.
    pub(crate) fn new(order: SortOrder, sort: i64, id: i64) -> PageKey {
        PageKey { order, sort, id }
    }

    pub(crate) fn order(&self) -> SortOrder {
        self.order
    }

    pub(crate) fn sort(&self) -> i64 {
        self.sort
    }

    pub(crate) fn id(&self) -> i64 {
        self.id
    }
}

impl fmt::Display for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.order {
            SortOrder::NewestFirst => 'n',
            SortOrder::OldestFirst => 'o',
        };
        write!(f, "{order}{:x}-{:x}", self.sort, self.id)
    }
}

/// A text that is no [`PageKey`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsePageKeyError {
    text: String,
}

impl fmt::Display for ParsePageKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { text } = self;
        write!(f, "{text:?} is no key of a page; it is the text that came as `next` with the page before, unchanged")
    }
}

impl std::error::Error for ParsePageKeyError {}

impl FromStr for PageKey {
    type Err = ParsePageKeyError;

    fn from_str(text: &str) -> Result<PageKey, ParsePageKeyError> {
        let number = |digits: &str| {
            let plain = (1..=16).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
            plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten().map(u64::cast_signed)
        };
        let parse = || {
            let order = match text.as_bytes().first()? {
                b'n' => SortOrder::NewestFirst,
                b'o' => SortOrder::OldestFirst,
                _ => return None,
            };
            let (sort, id) = text.get(1..)?.split_once('-')?;
            Some(PageKey { order, sort: number(sort)?, id: number(id)? })
        };
        let bad = || ParsePageKeyError { text: crate::base::names::truncated(text, 40).into_owned() };
        parse().ok_or_else(bad)
    }
}

impl Serialize for PageKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PageKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PageKey, D::Error> {
        std::borrow::Cow::<'_, str>::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_comes_back_from_its_text() {
        for (order, sort, id) in [
            (SortOrder::NewestFirst, 0, 7),
            (SortOrder::OldestFirst, i64::MIN, i64::MAX),
            (SortOrder::NewestFirst, -1, -1),
        ] {
            let key = PageKey::new(order, sort, id);
            assert_eq!(key.to_string().parse(), Ok(key));
            let json = serde_json::to_string(&key).unwrap();
            assert_eq!(serde_json::from_str::<PageKey>(&json).unwrap(), key);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "n", "n1", "n1-", "x1-1", "n1-1-1", "n+1-1", "n1-12345678901234567", "ü1-1"] {
            assert!(text.parse::<PageKey>().is_err(), "{text}");
        }
    }
}
