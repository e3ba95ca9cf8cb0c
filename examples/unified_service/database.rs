//! What the shop keeps, in SQLite.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use monitor_core::track_operation;
use rusqlite::{Connection, OptionalExtension as _};
use serde::{Deserialize, Serialize};

/// Items that there are.
pub(crate) const ITEMS: u32 = 200;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Item {
    pub id: u32,
    pub name: String,
    pub pieces: u32,
}

pub(crate) struct Database {
    connection: Mutex<Connection>,
}

/// There are fewer pieces than were asked for.
#[derive(Debug)]
pub(crate) struct SoldOut {
    pub item: u32,
}

impl fmt::Display for SoldOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {} is sold out", self.item)
    }
}

impl std::error::Error for SoldOut {}

impl Database {
    pub(crate) fn open() -> Result<Database, rusqlite::Error> {
        let connection = Connection::open_in_memory()?;
        connection.execute_batch(
            "CREATE TABLE items (id INTEGER PRIMARY KEY, name TEXT NOT NULL, pieces INTEGER NOT NULL)",
        )?;
        for id in 0..ITEMS {
            connection.execute("INSERT INTO items VALUES (?1, ?2, ?3)", (id, format!("item {id}"), 5 + id % 7))?;
        }
        Ok(Database { connection: Mutex::new(connection) })
    }

    fn with<T>(&self, ask: impl FnOnce(&Connection) -> T) -> T {
        ask(&self.connection.lock().unwrap_or_else(PoisonError::into_inner))
    }

    #[track_operation(name = "db.find_item", kind = "database", component = "storage")]
    pub(crate) fn find(&self, id: u32) -> Result<Option<Item>, rusqlite::Error> {
        self.with(|connection| {
            let sql = "SELECT id, name, pieces FROM items WHERE id = ?1";
            let item = |row: &rusqlite::Row<'_>| Ok(Item { id: row.get(0)?, name: row.get(1)?, pieces: row.get(2)? });
            connection.prepare_cached(sql)?.query_row([id], item).optional()
        })
    }

    #[track_operation(name = "db.search", kind = "database", component = "storage", items_from = |found| found.len())]
    pub(crate) fn search(&self, text: &str) -> Result<Vec<Item>, rusqlite::Error> {
        self.with(|connection| {
            let sql = "SELECT id, name, pieces FROM items WHERE name LIKE '%' || ?1 || '%' ORDER BY id LIMIT 20";
            let item = |row: &rusqlite::Row<'_>| Ok(Item { id: row.get(0)?, name: row.get(1)?, pieces: row.get(2)? });
            connection.prepare_cached(sql)?.query_map([text], item)?.collect()
        })
    }

    /// Takes a piece of an item; false if there is none.
    #[track_operation(name = "db.take_piece", kind = "database", component = "storage")]
    pub(crate) fn take(&self, id: u32) -> Result<bool, rusqlite::Error> {
        let sql = "UPDATE items SET pieces = pieces - 1 WHERE id = ?1 AND pieces > 0";
        self.with(|connection| Ok(connection.prepare_cached(sql)?.execute([id])? == 1))
    }

    #[track_operation(name = "db.refill", kind = "database", component = "storage")]
    pub(crate) fn refill(&self, id: u32, pieces: u32) -> Result<(), rusqlite::Error> {
        self.with(|connection| {
            connection.prepare_cached("UPDATE items SET pieces = ?2 WHERE id = ?1")?.execute((id, pieces)).map(drop)
        })
    }
}
