//! Audit entries.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::audit_chain::{self, BOUNDED_COLUMNS};
use super::error::StoreError;
use super::paging::Listing;
use super::reading::Reading;
use crate::model::units::from_unix_ns;
use crate::model::{AuditEntry, AuditFilter, Page, PageRequest};

/// What stands for a text that is none, or too large to be one of an entry. Somebody put it there by hand.
const UNREADABLE: &str = "(unreadable)";

/// So many entries of one column are many.
const ENOUGH: i64 = 10_000;

pub(super) fn entries(
    reading: &Reading<'_>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, StoreError> {
    let (since, until) = filter.range.bounds_ns();
    let AuditFilter { actor, action, target, .. } = filter;
    let wanted = [("target", target), ("actor", actor), ("action", action)];
    let wanted: Vec<_> = wanted.into_iter().filter_map(|(column, text)| Some((column, text.as_ref()?))).collect();
    let index = match best(reading, &wanted, (since, until))? {
        Some(column) => format!("audit_by_{column}"),
        None => "audit_by_time".to_owned(),
    };
    let mut listing = Listing {
        sql: format!("SELECT at_ns, {BOUNDED_COLUMNS} FROM audit INDEXED BY {index} WHERE at_ns >= ?"),
        parameters: vec![&since],
        sort: "at_ns",
        id: "id",
    };
    // Without an end there is none: an entry with the last time that a row can have is not hidden.
    if filter.range.until.is_some() {
        listing.sql += " AND at_ns < ?";
        listing.parameters.push(&until);
    }
    for (column, text) in wanted {
        listing.sql.extend([" AND ", column, " = ?"]);
        listing.parameters.push(text);
    }
    listing.page(reading, page, |row| entry(row).map(Some))
}

/// The column by which the fewest entries are found, so far as that is worth knowing.
fn best<'a>(
    reading: &Reading<'_>,
    wanted: &[(&'a str, &String)],
    (since, until): (i64, i64),
) -> Result<Option<&'a str>, StoreError> {
    if let [] | [_] = wanted {
        return Ok(wanted.first().map(|(column, _)| *column));
    }
    let mut best: Option<(i64, &str)> = None;
    for (column, text) in wanted {
        let sql = format!(
            "SELECT count(*) FROM (SELECT 1 FROM audit INDEXED BY audit_by_{column}
             WHERE {column} = ?1 AND at_ns >= ?2 AND at_ns <= ?3 LIMIT ?4)"
        );
        let count = reading.prepare(&sql)?.query_row((text, since, until, ENOUGH), |row| row.get(0))?;
        if best.is_none_or(|(fewest, _)| count < fewest) {
            best = Some((count, column));
        }
    }
    Ok(best.map(|(_, column)| column))
}

/// An entry as it is found. One that somebody changed is shown as far as it goes: `verify` is there to judge it.
fn entry(row: &Row<'_>) -> Result<AuditEntry, StoreError> {
    let text = |column: usize| -> Result<String, StoreError> {
        Ok(match row.get_ref(column)? {
            ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
            _ => UNREADABLE.to_owned(),
        })
    };
    let details = text(9)?;
    let details = serde_json::from_str::<BTreeMap<String, String>>(&details)
        .unwrap_or_else(|_| BTreeMap::from([(UNREADABLE.to_owned(), details)]));
    let hash = match row.get_ref(4)? {
        ValueRef::Blob(hash) => hash.try_into().map_or_else(|_| String::new(), |hash| audit_chain::hex(&hash)),
        _ => String::new(),
    };
    Ok(AuditEntry {
        id: row.get(1)?,
        at: from_unix_ns(row.get_ref(0)?.as_i64().unwrap_or(0)),
        actor: text(5)?,
        action: text(6)?,
        target: text(7)?,
        source: text(8)?,
        details,
        hash,
    })
}
