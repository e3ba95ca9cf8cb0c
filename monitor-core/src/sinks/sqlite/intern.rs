//! Ids of texts and series: what is known of the file without asking it.
//!
//! What a transaction finds or makes is kept apart until it is committed: after one that failed nothing is known that is
//! not in the file.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use crate::model::Labels;

/// Ids kept of each sort. With more, all are forgotten and asked for again.
const MOST: usize = 50_000;

/// Stands for whatever component there is.
const ANY_COMPONENT: &str = "\0any";

#[derive(Default)]
struct Known {
    committed: HashMap<Box<[u8]>, i64, RandomState>,
    fresh: HashMap<Box<[u8]>, i64, RandomState>,
}

impl Known {
    fn get(&self, key: &[u8]) -> Option<i64> {
        let id = self.committed.get(key);
        // Nearly always empty: no second hash.
        if id.is_none() && !self.fresh.is_empty() { self.fresh.get(key).copied() } else { id.copied() }
    }

    fn learn(&mut self, key: &[u8], id: i64) {
        if self.fresh.len() >= MOST {
            self.fresh.clear();
        }
        self.fresh.insert(key.into(), id);
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
}

impl Ids {
    /// Forgets everything if another connection has changed the file since: it may have removed what was of no use.
    pub(super) fn check(&mut self, connection: &Connection) -> Result<(), StoreError> {
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
        if let Some(id) = self.strings.get(text.as_bytes()) {
            return Ok(id);
        }
        let sql = "SELECT id FROM strings WHERE text = ?1";
        let found = connection.prepare_cached(sql)?.query_row([text], |row| row.get(0)).optional()?;
        let id = match found {
            Some(id) => id,
            None => connection.prepare_cached("INSERT INTO strings (text) VALUES (?1)")?.insert([text])?,
        };
        self.strings.learn(text.as_bytes(), id);
        Ok(id)
    }

    pub(super) fn series(
        &mut self,
        connection: &Connection,
        [name, kind, component]: [&str; 3],
        labels: &Labels,
    ) -> Result<i64, StoreError> {
        self.put_key([name, kind, component], labels);
        if let Some(id) = self.series.get(&self.key) {
            return Ok(id);
        }
        let json = json(labels)?;
        let sql = "SELECT id FROM series WHERE name = ?1 AND kind = ?2 AND component = ?3 AND labels = ?4";
        let parameters = (name, kind, component, json.as_str());
        let found = connection.prepare_cached(sql)?.query_row(parameters, |row| row.get(0)).optional()?;
        let id = if let Some(id) = found {
            id
        } else {
            let sql = "INSERT INTO series (name, kind, component, labels) VALUES (?1, ?2, ?3, ?4)";
            connection.prepare_cached(sql)?.insert(parameters)?
        };
        self.series.learn(&self.key, id);
        if self.names.get(name.as_bytes()).is_none() {
            self.names.learn(name.as_bytes(), id);
        }
        Ok(id)
    }

    /// The series of what runs, of which nobody has said the component.
    pub(super) fn series_of_any_component(
        &mut self,
        connection: &Connection,
        [name, kind]: [&str; 2],
        labels: &Labels,
    ) -> Result<i64, StoreError> {
        self.put_key([name, kind, ANY_COMPONENT], labels);
        if let Some(id) = self.series.get(&self.key) {
            return Ok(id);
        }
        let sql = "SELECT id FROM series WHERE name = ?1 AND kind = ?2 AND labels = ?3 ORDER BY id LIMIT 1";
        let found: Option<i64> =
            connection.prepare_cached(sql)?.query_row((name, kind, json(labels)?), |row| row.get(0)).optional()?;
        let Some(id) = found else { return self.series(connection, [name, kind, ""], labels) };
        self.put_key([name, kind, ANY_COMPONENT], labels);
        self.series.learn(&self.key, id);
        Ok(id)
    }

    /// Some series with that name: a record tells no more of the call that it was made in.
    pub(super) fn series_named(&mut self, connection: &Connection, name: &str) -> Result<i64, StoreError> {
        if let Some(id) = self.names.get(name.as_bytes()) {
            return Ok(id);
        }
        let sql = "SELECT id FROM series WHERE name = ?1 ORDER BY kind LIMIT 1";
        let found = connection.prepare_cached(sql)?.query_row([name], |row| row.get(0)).optional()?;
        let Some(id) = found else { return self.series(connection, [name, "", ""], &Labels::new()) };
        self.names.learn(name.as_bytes(), id);
        Ok(id)
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

/// A value of this crate as JSON. It fails for none that there is.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()).into())
}
