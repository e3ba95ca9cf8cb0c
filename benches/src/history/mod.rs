//! Histories in SQLite files: a large one to ask, and what writing one costs.
//!
//! | module | owns |
//! |---|---|
//! | [`mod@file`], `model` | a file of millions of records and 30 days of rollups, made once and kept |
//! | [`random`] | numbers that come the same each time |
//! | [`queries`] | questions of a screen each, and how long they take |
//! | [`writing`] | storing records, beside a loop that inserts the same rows |
//! | [`calls`] | a tracked call with a history: CPU of the process, and while the file does not do |
//! | [`opening`] | opening a large file |
//! | [`retention`] | removing a million records |

pub mod calls;
pub mod file;
mod model;
pub mod opening;
pub mod queries;
pub mod random;
pub mod retention;
pub mod writing;

use std::path::Path;

/// Removes a file and what SQLite keeps beside it.
pub(crate) fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
}

/// Operations, by name `part<n / 40>.op<n>`; every tenth never fails.
pub const OPERATIONS: u64 = 200;
