//! Which series and which runs a filter is about, and what they are called.

use std::collections::HashMap;

use rusqlite::ToSql;

use super::error::StoreError;
use super::reading::Reading;
use crate::model::{Labels, OperationFilter, Selection};

/// Words by which series are chosen.
#[derive(Default)]
pub(super) struct SeriesChoice<'a> {
    name: Option<&'a str>,
    prefix: Option<&'a str>,
    kind: Option<&'a str>,
    component: Option<&'a str>,
    labels: Option<&'a Labels>,
}

impl<'a> From<&'a OperationFilter> for SeriesChoice<'a> {
    fn from(filter: &'a OperationFilter) -> Self {
        SeriesChoice {
            name: filter.name.as_deref(),
            prefix: filter.name_prefix.as_deref(),
            kind: filter.kind.as_deref(),
            component: filter.component.as_deref(),
            labels: None,
        }
    }
}

impl<'a> From<&'a Selection> for SeriesChoice<'a> {
    fn from(selection: &'a Selection) -> Self {
        SeriesChoice {
            name: selection.name.as_deref(),
            prefix: selection.name_prefix.as_deref(),
            kind: selection.kind.as_deref(),
            component: selection.component.as_deref(),
            labels: Some(&selection.labels).filter(|labels| !labels.is_empty()),
        }
    }
}

impl SeriesChoice<'_> {
    /// The series, ascending; `None` when all are meant.
    pub(super) fn find(&self, reading: &Reading<'_>) -> Result<Option<Vec<i64>>, StoreError> {
        let mut conditions = Vec::new();
        let mut parameters: Vec<&dyn ToSql> = Vec::new();
        let mut put = |condition: &'static str, value| {
            conditions.push(condition);
            parameters.push(value);
        };
        let words = [("name = ?", &self.name), ("kind = ?", &self.kind), ("component = ?", &self.component)];
        for (condition, word) in words {
            if word.is_some() {
                put(condition, word);
            }
        }
        // No character comes after the last of Unicode, so the names that begin like that lie in between.
        let beyond = self.prefix.map(|prefix| format!("{prefix}\u{10FFFF}"));
        if self.prefix.is_some() {
            put("name >= ?", &self.prefix);
            put("name < ?", &beyond);
        }
        if conditions.is_empty() && self.labels.is_none() {
            return Ok(None);
        }
        conditions.push("true");
        let sql = format!("SELECT id, labels FROM series WHERE {} ORDER BY id", conditions.join(" AND "));
        let mut statement = reading.prepare(&sql)?;
        let mut rows = statement.query(&*parameters)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            if let Some(wanted) = self.labels {
                let labels = labels_of(row.get_ref(1)?.as_str().unwrap_or_default())?;
                if !wanted.iter().all(|(key, value)| labels.get(key) == Some(value)) {
                    continue;
                }
            }
            found.push(row.get(0)?);
        }
        Ok(Some(found))
    }
}

fn labels_of(json: &str) -> Result<Labels, StoreError> {
    serde_json::from_str(json).map_err(|_| StoreError::damaged("the labels of a series are no JSON object of texts"))
}

/// What a series is called.
#[derive(Clone)]
pub(super) struct SeriesName {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) component: String,
    pub(super) labels: Labels,
}

pub(super) fn series_name(reading: &Reading<'_>, id: i64) -> Result<SeriesName, StoreError> {
    let mut statement = reading.prepare("SELECT name, kind, component, labels FROM series WHERE id = ?1")?;
    let mut rows = statement.query([id])?;
    let Some(row) = rows.next()? else { return Err(StoreError::damaged("a series is missing that others refer to")) };
    let labels = labels_of(row.get_ref(3)?.as_str().unwrap_or_default())?;
    Ok(SeriesName { name: row.get(0)?, kind: row.get(1)?, component: row.get(2)?, labels })
}

/// Runs that a filter is about.
pub(super) struct Runs {
    /// Ascending.
    pub(super) ids: Vec<i64>,
}

impl Runs {
    /// `None` when all are meant.
    pub(super) fn find(
        reading: &Reading<'_>,
        run: Option<&str>,
        service: Option<&str>,
    ) -> Result<Option<Runs>, StoreError> {
        if run.is_none() && service.is_none() {
            return Ok(None);
        }
        let sql = "SELECT id FROM instances
            WHERE (?1 IS NULL OR run = ?1) AND (?2 IS NULL OR service = ?2) ORDER BY id";
        let mut statement = reading.prepare(sql)?;
        let mut rows = statement.query((run, service))?;
        let mut runs = Runs { ids: Vec::new() };
        while let Some(row) = rows.next()? {
            runs.ids.push(row.get(0)?);
        }
        Ok(Some(runs))
    }

    pub(super) fn has(&self, id: i64) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// The bits of `record_blocks.instances`.
    pub(super) fn bits(&self) -> i64 {
        self.ids.iter().fold(0, |bits, id| bits | 1_i64 << (id & 63))
    }
}

/// Texts of one table by id, each read once.
#[derive(Default)]
pub(super) struct Texts {
    known: HashMap<i64, String>,
}

impl Texts {
    /// By a statement that gives the text of `?1`.
    pub(super) fn text(&mut self, reading: &Reading<'_>, sql: &str, id: i64) -> Result<String, StoreError> {
        if let Some(text) = self.known.get(&id) {
            return Ok(text.clone());
        }
        let mut statement = reading.prepare(sql)?;
        let mut rows = statement.query([id])?;
        let Some(row) = rows.next()? else { return Err(StoreError::damaged("a text is missing that others refer to")) };
        let text: String = row.get(0)?;
        // A page has 1,000 entries with a few texts each at most, so this is bounded.
        self.known.insert(id, text.clone());
        Ok(text)
    }
}

pub(super) const RUN: &str = "SELECT run FROM instances WHERE id = ?1";
pub(super) const STRING: &str = "SELECT text FROM strings WHERE id = ?1";

/// The id of an interned text; `None` if nothing has it.
pub(super) fn string_id(reading: &Reading<'_>, text: &str) -> Result<Option<i64>, StoreError> {
    let mut statement = reading.prepare("SELECT id FROM strings WHERE text = ?1")?;
    let mut rows = statement.query([text])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?)
}
