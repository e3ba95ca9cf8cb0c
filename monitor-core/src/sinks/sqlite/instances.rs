//! The row of a run: whoever of it comes first makes it.

use rusqlite::{Connection, OptionalExtension};

use super::error::StoreError;
use crate::model::Instance;
use crate::model::units::unix_ns;

/// Registers an instance, also when it is there already: it is alive.
pub(super) fn register(connection: &Connection, instance: &Instance) -> Result<i64, StoreError> {
    let started_ns = unix_ns(instance.started_at);
    // Whoever took it for dead was wrong: its file was removed by somebody.
    let sql = "INSERT INTO instances (run, service, host, program, pid, started_at_ns, last_seen_at_ns)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)
        ON CONFLICT (run) DO UPDATE SET ended = NULL, ended_at_ns = NULL RETURNING id";
    let Instance { run, service, host, program, pid, .. } = instance;
    Ok(connection.query_row(sql, (run, service, host, program, pid, started_ns), |row| row.get(0))?)
}

/// The id of an instance, which is registered if it is not there.
pub(super) fn id_of(connection: &Connection, instance: &Instance) -> Result<i64, StoreError> {
    let sql = "SELECT id FROM instances WHERE run = ?1";
    let found = connection.prepare_cached(sql)?.query_row([&instance.run], |row| row.get(0)).optional()?;
    found.map_or_else(|| register(connection, instance), Ok)
}

/// A run that was seen so short a time before is not seen again.
const SEEN_LATELY_NS: i64 = 1_000_000_000;

/// Says that an instance was alive at that time.
pub(super) fn see(connection: &Connection, id: i64, at_ns: i64) -> Result<(), StoreError> {
    let sql = "UPDATE instances SET last_seen_at_ns = ?2 WHERE id = ?1 AND last_seen_at_ns < ?2 - ?3";
    connection.prepare_cached(sql)?.execute((id, at_ns, SEEN_LATELY_NS))?;
    Ok(())
}
