//! Histories in SQLite files: a large one to ask, and what writing one costs.
//!
//! | module | owns |
//! |---|---|
//! | [`file`] | a file of millions of records and 30 days of rollups, made once and kept |
//! | [`random`] | numbers that come the same each time |
//! | [`queries`] | questions of a screen each, and how long they take |

pub mod file;
pub mod queries;
pub mod random;
