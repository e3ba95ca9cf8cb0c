//! Pages of tables that are sorted by a time and an id.

use std::fmt::Write;

use rusqlite::{Row, ToSql};

use super::error::StoreError;
use super::reading::Reading;
use crate::model::{Page, PageKey, PageRequest, SortOrder};

/// What is read: `sql` begins with `SELECT` and the two columns that it is sorted by, and ends in a condition.
pub(super) struct Listing<'a> {
    pub(super) sql: String,
    pub(super) parameters: Vec<&'a dyn ToSql>,
    /// The columns as they stand in the statement.
    pub(super) sort: &'a str,
    pub(super) id: &'a str,
}

impl Listing<'_> {
    /// Reads a page. An entry that `read` has nothing for is passed over.
    pub(super) fn page<T>(
        mut self,
        reading: &Reading<'_>,
        page: &PageRequest,
        mut read: impl FnMut(&Row<'_>) -> Result<Option<T>, StoreError>,
    ) -> Result<Page<T>, StoreError> {
        let (comparison, direction) = match page.order {
            SortOrder::NewestFirst => ("<", "DESC"),
            SortOrder::OldestFirst => (">", "ASC"),
        };
        let (sort, id) = (self.sort, self.id);
        let (key_sort, key_id) = page.after.map_or((0, 0), |key| (key.sort(), key.id()));
        let mut parameters: Vec<&dyn ToSql> = self.parameters;
        if page.after.is_some() {
            let _ = write!(self.sql, " AND ({sort}, {id}) {comparison} (?, ?)");
            parameters.extend::<[&dyn ToSql; 2]>([&key_sort, &key_id]);
        }
        let _ = write!(self.sql, " ORDER BY {sort} {direction}, {id} {direction}");
        let mut statement = reading.prepare(&self.sql)?;
        let mut rows = statement.query(&*parameters)?;
        let mut found = Page::empty();
        let mut last = None;
        while let Some(row) = rows.next()? {
            let Some(entry) = read(row)? else { continue };
            if found.entries.len() >= page.limit as usize {
                found.next = last;
                break;
            }
            found.entries.push(entry);
            last = Some(PageKey::new(page.order, row.get(0)?, row.get(1)?));
        }
        Ok(found)
    }
}
