//! What a checkpoint looks like, what can go wrong with one, and two places that keep them.
//!
//! | file | owns |
//! |---|---|
//! | `envelope` | the text around the state: format version, job, checksum, counts |
//! | `crc64` | the checksum |
//! | `error` | what can go wrong, as a value that callers can match on |
//! | `memory` | a place in memory |
//! | `file`, `file_name` | a place in a folder; names of jobs as names of files |
//!
//! Nothing here knows what a job is doing, nor which thread asks.

mod crc64;
pub(crate) mod envelope;
pub(crate) mod error;
pub(crate) mod file;
pub(crate) mod file_name;
pub(crate) mod memory;

/// The largest checkpoint, envelope and all.
pub(crate) const MAX_BYTES: usize = 64 << 20;
