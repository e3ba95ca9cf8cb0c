//! The chain of audit entries: what is hashed, and what the head says.
//!
//! The bytes are those that `docs/audit.md` describes; a change here is a change of the format.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _, Row};
use sha2::{Digest as _, Sha256};

use super::error::StoreError;

pub(super) type Hash = [u8; 32];

/// Stands before the first entry.
pub(super) const NOTHING: Hash = [0; 32];

/// What the hashed bytes begin with: they are nothing else, and of this version.
const PREFIX: &[u8; 16] = b"monitor audit 1\n";

/// The columns of a [`StoredRow`]. In place of a text of more than a megabyte, which no entry has, and of a hash of another
/// length, there is nothing: what somebody put there by hand takes no memory.
pub(super) const BOUNDED_COLUMNS: &str = "id, at_ns,
    iif(octet_length(previous_hash) = 32, previous_hash, NULL), iif(octet_length(hash) = 32, hash, NULL),
    iif(octet_length(actor) <= 1048576, actor, NULL), iif(octet_length(action) <= 1048576, action, NULL),
    iif(octet_length(target) <= 1048576, target, NULL), iif(octet_length(source) <= 1048576, source, NULL),
    iif(octet_length(details) <= 1048576, details, NULL)";

/// The hash of an entry: over the one before it and every column but the hashes.
pub(super) fn hash(previous: &Hash, id: i64, at_ns: i64, texts: [&[u8]; 5]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(PREFIX);
    hasher.update(previous);
    hasher.update(id.to_be_bytes());
    hasher.update(at_ns.to_be_bytes());
    for text in texts {
        hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

pub(super) fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A row as it is found, whatever somebody did to it.
pub(super) struct StoredRow<'a> {
    pub(super) id: i64,
    /// `None`: not a number.
    pub(super) at_ns: Option<i64>,
    /// `None`: not of the length of a hash.
    pub(super) previous: Option<Hash>,
    pub(super) hash: Option<Hash>,
    /// `None`: not texts, or too large for those of an entry.
    texts: Option<[&'a [u8]; 5]>,
}

impl<'a> StoredRow<'a> {
    /// Of a row of [`BOUNDED_COLUMNS`].
    pub(super) fn of(row: &'a Row<'_>) -> Result<StoredRow<'a>, StoreError> {
        let hash = |column: usize| -> Result<Option<Hash>, StoreError> {
            match row.get_ref(column)? {
                ValueRef::Blob(bytes) => Ok(bytes.try_into().ok()),
                _ => Ok(None),
            }
        };
        let mut texts = Some([&[][..]; 5]);
        for column in 0..5 {
            match (row.get_ref(4 + column)?, &mut texts) {
                (ValueRef::Text(text), Some(texts)) => texts[column] = text,
                _ => texts = None,
            }
        }
        Ok(StoredRow {
            id: row.get(0)?,
            at_ns: row.get_ref(1)?.as_i64().ok(),
            previous: hash(2)?,
            hash: hash(3)?,
            texts,
        })
    }

    /// The hash that its content has under that number.
    pub(super) fn computed_as(&self, id: i64) -> Option<Hash> {
        Some(hash(self.previous.as_ref()?, id, self.at_ns?, self.texts?))
    }

    /// Whether its hash is that of its content under that number.
    pub(super) fn is_sound_as(&self, id: i64) -> bool {
        self.hash.is_some() && self.hash == self.computed_as(id)
    }
}

/// Where the chain begins and ends: the one row of `audit_head`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) first_id: i64,
    /// Of the entry before the first one, which retention has removed.
    pub(super) first_previous: Hash,
    pub(super) last_id: i64,
    pub(super) last: Hash,
}

impl Head {
    pub(super) fn read(connection: &Connection) -> Result<Option<Head>, StoreError> {
        let sql = "SELECT first_id, iif(octet_length(first_previous_hash) = 32, first_previous_hash, x''), last_id,
            iif(octet_length(last_hash) = 32, last_hash, x'') FROM audit_head WHERE id = 1";
        let read = |row: &Row<'_>| {
            let hash = |column| -> rusqlite::Result<Option<Hash>> {
                Ok(row.get_ref(column)?.as_blob().ok().and_then(|bytes| bytes.try_into().ok()))
            };
            let id = |column| -> rusqlite::Result<Option<i64>> { Ok(row.get_ref(column)?.as_i64().ok()) };
            let (Some(first_id), Some(first_previous)) = (id(0)?, hash(1)?) else { return Ok(None) };
            let (Some(last_id), Some(last)) = (id(2)?, hash(3)?) else { return Ok(None) };
            Ok(Some(Head { first_id, first_previous, last_id, last }))
        };
        Ok(connection.prepare_cached(sql)?.query_row([], read).optional()?.flatten())
    }

    /// What in it cannot be, whatever the entries are.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        if self.first_id < 1 {
            return Some("the number of the first entry is below 1");
        }
        if self.last_id < self.first_id - 1 {
            return Some("the last entry is before the first one");
        }
        if self.first_id == 1 && self.first_previous != NOTHING {
            return Some("there is a hash before the first entry");
        }
        if self.last_id == self.first_id - 1 && self.last != self.first_previous {
            return Some("there are no entries, and the hashes of its ends differ");
        }
        None
    }

    /// For adding to the chain or removing from it, which is not done to one that was changed.
    pub(super) fn sound(connection: &Connection) -> Result<Head, StoreError> {
        let head = Head::read(connection)?.ok_or_else(|| {
            StoreError::tampered("the record of where it begins and ends is missing or has no hashes")
        })?;
        match head.contradiction() {
            Some(what) => Err(StoreError::tampered(what)),
            None => Ok(head),
        }
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<(), StoreError> {
        let sql =
            "UPDATE audit_head SET first_id = ?1, first_previous_hash = ?2, last_id = ?3, last_hash = ?4 WHERE id = 1";
        connection.prepare_cached(sql)?.execute((self.first_id, self.first_previous, self.last_id, self.last))?;
        Ok(())
    }
}
