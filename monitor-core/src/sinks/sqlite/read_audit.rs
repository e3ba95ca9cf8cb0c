//! Audit entries.

use std::collections::BTreeMap;

use rusqlite::Row;
use rusqlite::types::ValueRef;

use super::audit_chain::{self, BOUNDED_COLUMNS};
use super::error::StoreError;
use super::paging::Listing;
use super::reader::Reading;
use crate::model::units::from_unix_ns;
use crate::model::{AuditEntry, AuditFilter, Page, PageRequest};

/// What stands for a text that is none, or too large to be one of an entry. Somebody put it there by hand.
const UNREADABLE: &str = "(unreadable)";

pub(super) fn entries(
    reading: &Reading<'_>,
    filter: &AuditFilter,
    page: &PageRequest,
) -> Result<Page<AuditEntry>, StoreError> {
    let (since, until) = filter.range.bounds_ns();
    let AuditFilter { actor, action, target, .. } = filter;
    let index = match (target, actor, action) {
        (Some(_), ..) => "audit_by_target",
        (None, Some(_), _) => "audit_by_actor",
        (None, None, Some(_)) => "audit_by_action",
        (None, None, None) => "audit_by_time",
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
    for (column, wanted) in [("actor", actor), ("action", action), ("target", target)] {
        if let Some(wanted) = wanted {
            listing.sql.extend([" AND ", column, " = ?"]);
            listing.parameters.push(wanted);
        }
    }
    listing.page(reading, page, |row| entry(row).map(Some))
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
