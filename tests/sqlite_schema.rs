//! The description of the tables, held against the tables.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod sqlite_support;

use std::collections::BTreeMap;

use rusqlite::Connection;

const DOCUMENT: &str = include_str!("../docs/schema.md");

/// Tables by name, each with its columns by name and type.
type Tables = BTreeMap<String, BTreeMap<String, String>>;

fn real() -> Tables {
    let folder = sqlite_support::Folder::new("schema");
    drop(sqlite_support::open(&folder.file(), "a"));
    let connection = Connection::open(folder.file()).unwrap();
    let sql = "SELECT tables.name, columns.name, columns.type FROM sqlite_schema AS tables
        JOIN pragma_table_xinfo(tables.name) AS columns WHERE tables.type = 'table' AND tables.name NOT LIKE 'sqlite_%'";
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))).unwrap();
    let mut tables = Tables::new();
    for row in rows {
        let (table, column, kind): (String, String, String) = row.unwrap();
        // SQLite writes the constraint of a computed column behind its type.
        let kind = kind.split(' ').next().unwrap_or_default().to_lowercase();
        tables.entry(table).or_default().insert(column, kind);
    }
    tables
}

/// A heading with a name in backticks begins a table, each row that begins with such a name is a column.
fn documented() -> Tables {
    let mut tables = Tables::new();
    let mut table = None;
    for line in DOCUMENT.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            table = title.strip_prefix('`').and_then(|name| name.strip_suffix('`')).map(str::to_owned);
            tables.extend(table.clone().map(|name| (name, BTreeMap::new())));
        } else if let (Some(table), Some(row)) = (&table, line.strip_prefix("| `")) {
            let (column, rest) = row.split_once("` | ").unwrap_or_else(|| panic!("{line}"));
            let kind = rest.split([',', ' ']).next().unwrap_or_default().to_owned();
            let twice = tables.entry(table.clone()).or_default().insert(column.to_owned(), kind);
            assert_eq!(twice, None, "{table}.{column}");
        }
    }
    tables
}

#[test]
fn the_document_has_every_table_and_column_with_its_type_and_no_others() {
    assert_eq!(documented(), real());
}
