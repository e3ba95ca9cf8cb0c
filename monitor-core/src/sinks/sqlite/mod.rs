//! History in a SQLite file.
//!
//! | file | owns |
//! |---|---|
//! | `connection` | opening a file and what each connection is set to |
//! | `error` | what goes wrong, and what helps |
//! | `migrations`, `schema_*.sql` | the tables, version by version |
//! | `blob` | histograms as blobs |
//! | `sink`, `options` | the sink, and what can be set of it |
//! | `session` | a connection of a running instance: batches, its end |
//! | `write_*`, `losses` | rows of batches |
//! | `intern`, `values` | ids of texts and series; numbers as the tables have them |
//! | `presence` | which runs are alive, and what becomes of those that are not |
//! | `recovery`, `wal` | damaged, moved and removed files; the size of the log |

#![allow(dead_code, reason = "being built")]

mod blob;
mod connection;
mod error;
mod intern;
mod losses;
mod migrations;
pub(crate) mod options;
mod presence;
mod recovery;
mod session;
pub(crate) mod sink;
mod values;
mod wal;
mod write_errors;
mod write_others;
mod write_records;
mod write_rollups;
