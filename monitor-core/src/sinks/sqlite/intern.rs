//! Ids of texts and series: what is known of the file without asking it.
//!
//! Each has the time of its last use in the file, to about a day: retention removes those that no row can have any more.
//!
//! What a transaction finds or makes is kept apart until it is committed: after one that failed nothing is known that is
//! not in the file.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension, Row};

use super::error::StoreError;
use crate::model::Labels;

/// Ids kept of each sort. With more, all are forgotten and asked for again.
const MOST: usize = 50_000;

/// Stands for whatever component there is.
const ANY_COMPONENT: &str = "\0any";

/// How much older than a use the time in the file may be.
const USED_WITHIN_NS: i64 = 24 * 3_600 * 1_000_000_000;

/// An id, and the time of last use that the file has of it.
type Used = (i64, i64);

#[derive(Default)]
struct Known {
    committed: HashMap<Box<[u8]>, Used, RandomState>,
    fresh: HashMap<Box<[u8]>, Used, RandomState>,
}

impl Known {
    /// The id, if it was used not long before that time.
    fn get(&self, key: &[u8], now_ns: i64) -> Option<i64> {
        let current = |&&(_, used_at): &&Used| used_at >= now_ns.saturating_sub(USED_WITHIN_NS);
        // Nearly always empty: no second hash.
        let fresh = if self.fresh.is_empty() { None } else { self.fresh.get(key) };
        fresh.or_else(|| self.committed.get(key)).filter(current).map(|&(id, _)| id)
    }

    fn learn(&mut self, key: &[u8], used: Used) {
        if self.fresh.len() >= MOST {
            self.fresh.clear();
        }
        self.fresh.insert(key.into(), used);
    }

    fn commit(&mut self) {
        if self.committed.len() + self.fresh.len() > MOST {
            self.committed.clear();
        }
        self.committed.extend(self.fresh.drain());
    }

    fn forget(&mut self) {
        self.committed.clear();
        self.fresh.clear();
    }
}

/// Ids of texts and series.
#[derive(Default)]
pub(super) struct Ids {
    strings: Known,
    series: Known,
    names: Known,
    key: Vec<u8>,
    data_version: Option<i64>,
    now_ns: i64,
}

impl Ids {
    /// To be called at the beginning of a transaction, with a time that no row it writes is after. Forgets everything if
    /// another connection has changed the file since: it may have removed what was of no use.
    pub(super) fn begin(&mut self, connection: &Connection, now_ns: i64) -> Result<(), StoreError> {
        self.now_ns = now_ns;
        let version: i64 = connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        if self.data_version.replace(version) != Some(version) {
            self.forget();
        }
        Ok(())
    }

    pub(super) fn commit(&mut self) {
        for known in [&mut self.strings, &mut self.series, &mut self.names] {
            known.commit();
        }
    }

    pub(super) fn roll_back(&mut self) {
        for known in [&mut self.strings, &mut self.series, &mut self.names] {
            known.fresh.clear();
        }
    }

    /// Forgets everything: for whoever removes texts or series by the same connection.
    pub(super) fn forget(&mut self) {
        for known in [&mut self.strings, &mut self.series, &mut self.names] {
            known.forget();
        }
    }

    pub(super) fn string(&mut self, connection: &Connection, text: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.strings.get(text.as_bytes(), self.now_ns) {
            return Ok(id);
        }
        let sql = "SELECT id, used_at_ns FROM strings WHERE text = ?1";
        let found = connection.prepare_cached(sql)?.query_row([text], used).optional()?;
        let used = if let Some(used) = found {
            let sql = "UPDATE strings SET used_at_ns = ?2 WHERE id = ?1";
            self.touch(connection, sql, used)?
        } else {
            let sql = "INSERT INTO strings (text, used_at_ns) VALUES (?1, ?2)";
            (connection.prepare_cached(sql)?.insert((text, self.now_ns))?, self.now_ns)
        };
        self.strings.learn(text.as_bytes(), used);
        Ok(used.0)
    }

    /// Notes that something is used, unless it was not long ago.
    fn touch(&self, connection: &Connection, sql: &str, (id, used_at): Used) -> Result<Used, StoreError> {
        if used_at >= self.now_ns.saturating_sub(USED_WITHIN_NS) {
            return Ok((id, used_at));
        }
        connection.prepare_cached(sql)?.execute((id, self.now_ns))?;
        Ok((id, self.now_ns))
    }

    pub(super) fn series(
        &mut self,
        connection: &Connection,
        [name, kind, component]: [&str; 3],
        labels: &Labels,
    ) -> Result<i64, StoreError> {
        self.put_key([name, kind, component], labels);
        if let Some(id) = self.series.get(&self.key, self.now_ns) {
            return Ok(id);
        }
        let json = json(labels)?;
        let json = json.as_str();
        let sql = "SELECT id, used_at_ns FROM series WHERE name = ?1 AND kind = ?2 AND component = ?3 AND labels = ?4";
        let found = connection.prepare_cached(sql)?.query_row((name, kind, component, json), used).optional()?;
        let used = if let Some(used) = found {
            self.touch(connection, TOUCH_SERIES, used)?
        } else {
            let sql = "INSERT INTO series (name, kind, component, labels, used_at_ns) VALUES (?1, ?2, ?3, ?4, ?5)";
            (connection.prepare_cached(sql)?.insert((name, kind, component, json, self.now_ns))?, self.now_ns)
        };
        self.series.learn(&self.key, used);
        if self.names.get(name.as_bytes(), self.now_ns).is_none() {
            self.names.learn(name.as_bytes(), used);
        }
        Ok(used.0)
    }

    /// The series of what runs, of which nobody has said the component.
    pub(super) fn series_of_any_component(
        &mut self,
        connection: &Connection,
        [name, kind]: [&str; 2],
        labels: &Labels,
    ) -> Result<i64, StoreError> {
        self.put_key([name, kind, ANY_COMPONENT], labels);
        if let Some(id) = self.series.get(&self.key, self.now_ns) {
            return Ok(id);
        }
        let sql = "SELECT id, used_at_ns FROM series WHERE name = ?1 AND kind = ?2 AND labels = ?3 ORDER BY id LIMIT 1";
        let found = connection.prepare_cached(sql)?.query_row((name, kind, json(labels)?), used).optional()?;
        let Some(used) = found else { return self.series(connection, [name, kind, ""], labels) };
        let used = self.touch(connection, TOUCH_SERIES, used)?;
        self.series.learn(&self.key, used);
        Ok(used.0)
    }

    /// Some series with that name: a record tells no more of the call that it was made in.
    pub(super) fn series_named(&mut self, connection: &Connection, name: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.names.get(name.as_bytes(), self.now_ns) {
            return Ok(id);
        }
        let sql = "SELECT id, used_at_ns FROM series WHERE name = ?1 ORDER BY kind LIMIT 1";
        let found = connection.prepare_cached(sql)?.query_row([name], used).optional()?;
        let Some(used) = found else { return self.series(connection, [name, "", ""], &Labels::new()) };
        let used = self.touch(connection, TOUCH_SERIES, used)?;
        self.names.learn(name.as_bytes(), used);
        Ok(used.0)
    }

    /// Lengths before texts, so that no text can look like two.
    fn put_key(&mut self, names: [&str; 3], labels: &Labels) {
        self.key.clear();
        let labels = labels.iter().flat_map(|(key, value)| [key.as_str(), value.as_str()]);
        for text in names.into_iter().chain(labels) {
            self.key.extend_from_slice(&text.len().to_le_bytes());
            self.key.extend_from_slice(text.as_bytes());
        }
    }
}

const TOUCH_SERIES: &str = "UPDATE series SET used_at_ns = ?2 WHERE id = ?1";

fn used(row: &Row<'_>) -> rusqlite::Result<Used> {
    Ok((row.get(0)?, row.get(1)?))
}

/// A value of this crate as JSON. It fails for none that there is.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()).into())
}
