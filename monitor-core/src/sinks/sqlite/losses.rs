//! What is not in the file, by reason.

use rusqlite::Connection;

use super::error::StoreError;
use super::values::size;

pub(super) fn add(connection: &Connection, instance: i64, reason: &str, count: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO losses (instance_id, reason, count) VALUES (?1, ?2, ?3) ON CONFLICT (instance_id, reason)
        DO UPDATE SET count = CASE WHEN count > 9223372036854775807 - excluded.count THEN 9223372036854775807
            ELSE count + excluded.count END";
    connection.prepare_cached(sql)?.execute((instance, reason, size(count)))?;
    Ok(())
}
