//! The tables of the file, version by version.
//!
//! `user_version` of the file says which steps it has seen. Steps are only appended, and each is made in one immediate
//! transaction together with its number, so that of two processes that open an old file one makes it and the other
//! finds it made, and a process that is killed leaves the file as it was or as it is to be.

use rusqlite::{Connection, TransactionBehavior};

use super::error::StoreError;

/// `MoNi` as the file's `application_id`: a file with tables and another one belongs to another program.
pub(crate) const APPLICATION_ID: i32 = 0x4D6F_4E69;

/// Steps from version to version: the first makes version 1 of an empty file.
const STEPS: &[&str] = &[concat!(include_str!("schema_1.sql"), include_str!("views_1.sql"))];

/// The version that this library writes.
pub(crate) const VERSION: usize = STEPS.len();

/// Refuses a file of another program, and one that a newer version of this library wrote.
pub(crate) fn check_owner(connection: &Connection) -> Result<(), StoreError> {
    // Of one moment: another process may be making the tables, and then they would be there and its mark not yet.
    let moment = connection.unchecked_transaction()?;
    let (application, version) = identity(&moment)?;
    let tables: i64 = moment.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    moment.finish()?;
    if application != APPLICATION_ID && tables > 0 {
        return Err(StoreError::foreign());
    }
    if application == APPLICATION_ID && version > VERSION {
        return Err(StoreError::newer(version, VERSION));
    }
    Ok(())
}

/// As [`check_owner`], and refuses a file whose tables have not been brought up to date.
pub(crate) fn check_readable(connection: &Connection) -> Result<(), StoreError> {
    check_owner(connection)?;
    let (_, version) = identity(connection)?;
    if version < VERSION { Err(StoreError::older(version, VERSION)) } else { Ok(()) }
}

/// Brings the tables up to date.
pub(crate) fn migrate(connection: &mut Connection) -> Result<(), StoreError> {
    while identity(connection)?.1 < VERSION {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have been here between the look and the lock.
        let (_, version) = identity(&step)?;
        if version > VERSION {
            return Err(StoreError::newer(version, VERSION));
        }
        if let Some(sql) = STEPS.get(version) {
            step.execute_batch(sql)?;
            step.pragma_update(None, "application_id", APPLICATION_ID)?;
            step.pragma_update(None, "user_version", i64::try_from(version + 1).unwrap_or(i64::MAX))?;
        }
        step.commit()?;
    }
    Ok(())
}

fn identity(connection: &Connection) -> Result<(i32, usize), StoreError> {
    let application = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application, usize::try_from(version).unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let mut connection = memory();
        let schema = |connection: &Connection| -> Vec<String> {
            let mut rows = connection.prepare("SELECT name FROM sqlite_schema ORDER BY 1").unwrap();
            rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
        };
        let before = schema(&connection);
        migrate(&mut connection).unwrap();
        assert_eq!(before, schema(&connection));
        assert!(before.iter().any(|name| name == "records"));
    }

    #[test]
    fn a_newer_file_and_one_of_another_program_are_refused() {
        let newer = memory();
        newer.pragma_update(None, "user_version", 1_000).unwrap();
        let error = check_owner(&newer).unwrap_err().to_string();
        assert!(error.contains("version 1000"), "{error}");
        let foreign = Connection::open_in_memory().unwrap();
        foreign.execute_batch("CREATE TABLE mine (x)").unwrap();
        let error = check_owner(&foreign).unwrap_err().to_string();
        assert!(error.contains("another program"), "{error}");
    }
}
