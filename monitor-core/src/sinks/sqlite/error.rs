//! What goes wrong with a file, and what can be done about it.

use std::fmt;

use rusqlite::ErrorCode;

/// Why the file could not be opened, read or written.
#[derive(Debug)]
pub(crate) struct StoreError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sqlite(rusqlite::Error),
    Foreign,
    Newer { found: usize, known: usize },
    Older { found: usize, known: usize },
    Damaged(&'static str),
    Busy,
    Forked,
    ForkedWhileInUse,
    Tampered(&'static str),
}

/// What is to be done after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cure {
    /// It may pass: wait and try again.
    Wait,
    /// The file is damaged: put it aside and begin a new one.
    Replace,
    /// Nothing helps but a change by the user.
    None,
}

impl StoreError {
    pub(crate) fn foreign() -> Self {
        Self { kind: Kind::Foreign }
    }

    pub(crate) fn newer(found: usize, known: usize) -> Self {
        Self { kind: Kind::Newer { found, known } }
    }

    pub(crate) fn older(found: usize, known: usize) -> Self {
        Self { kind: Kind::Older { found, known } }
    }

    pub(crate) fn damaged(what: &'static str) -> Self {
        Self { kind: Kind::Damaged(what) }
    }

    /// Other threads of this process have the connection for longer than anybody waits.
    pub(crate) fn busy() -> Self {
        Self { kind: Kind::Busy }
    }

    /// The connection is that of the process that this one was forked from.
    pub(crate) fn forked() -> Self {
        Self { kind: Kind::Forked }
    }

    /// The process was forked off while another thread used a file: what SQLite knows of files is cut in two.
    pub(crate) fn forked_while_in_use() -> Self {
        Self { kind: Kind::ForkedWhileInUse }
    }

    /// Somebody changed the audit trail by hand.
    pub(crate) fn tampered(what: &'static str) -> Self {
        Self { kind: Kind::Tampered(what) }
    }

    /// Whether somebody changed the audit trail by hand.
    pub(crate) fn is_tampered(&self) -> bool {
        matches!(self.kind, Kind::Tampered(_))
    }

    /// Whether there was no room.
    pub(crate) fn is_full(&self) -> bool {
        use rusqlite::ffi::{SQLITE_FULL, SQLITE_IOERR_SHMSIZE};
        matches!(self.extended_code(), Some(SQLITE_FULL | SQLITE_IOERR_SHMSIZE))
    }

    /// SQLite's code of it, with its refinement.
    pub(crate) fn extended_code(&self) -> Option<i32> {
        match &self.kind {
            Kind::Sqlite(error) => error.sqlite_error().map(|error| error.extended_code),
            _ => None,
        }
    }

    /// Whether the connection is that of another process.
    pub(crate) fn is_forked(&self) -> bool {
        matches!(self.kind, Kind::Forked)
    }

    /// Whether the file is of another version of this library.
    pub(crate) fn is_version(&self) -> bool {
        matches!(self.kind, Kind::Newer { .. } | Kind::Older { .. })
    }

    /// Whether somebody else had the file, or a table of it, for too long.
    pub(crate) fn is_lock(&self) -> bool {
        match &self.kind {
            Kind::Sqlite(error) => {
                matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
            }
            Kind::Busy => true,
            _ => false,
        }
    }

    /// Whether what was read cannot be understood.
    pub(crate) fn is_damaged(&self) -> bool {
        matches!(self.kind, Kind::Damaged(_))
    }

    /// Whether a statement was broken off from outside.
    pub(crate) fn is_interrupted(&self) -> bool {
        matches!(&self.kind, Kind::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::OperationInterrupted))
    }

    /// What helps.
    pub(crate) fn cure(&self) -> Cure {
        match &self.kind {
            Kind::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Cure::Replace,
                _ => Cure::Wait,
            },
            Kind::Damaged(_) => Cure::Replace,
            Kind::Busy => Cure::Wait,
            Kind::Forked
            | Kind::ForkedWhileInUse
            | Kind::Foreign
            | Kind::Newer { .. }
            | Kind::Older { .. }
            | Kind::Tampered(_) => Cure::None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self { kind: Kind::Sqlite(error) }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Sqlite(error) => write!(f, "{error}"),
            Kind::Damaged(what) | Kind::Tampered(what) => f.write_str(what),
            Kind::Busy => f.write_str("other threads of this program have the file for too long; try again"),
            Kind::Forked => f.write_str(
                "the file was opened before a fork and cannot be used in the child by the same handle; open it anew there",
            ),
            Kind::Foreign => f.write_str(
                "the file is a database of another program and was not touched; give the monitor a file of its own",
            ),
            Kind::ForkedWhileInUse => f.write_str(
                "this process was forked off while another thread of its parent used a history, so it cannot open any; \
                 fork again, or start it by `exec`",
            ),
            Kind::Newer { found, known } => write!(
                f,
                "the file has version {found}, and this program knows versions up to {known}; it was not touched; \
                 use a newer version of this library, or another file"
            ),
            Kind::Older { found, known } => write!(
                f,
                "the file has version {found}, and this program reads version {known}; open it once for writing, \
                 which brings it up to date"
            ),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Sqlite(error) => Some(error),
            _ => None,
        }
    }
}
