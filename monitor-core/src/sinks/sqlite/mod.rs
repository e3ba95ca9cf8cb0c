//! History in a SQLite file.
//!
//! | file | owns |
//! |---|---|
//! | `connection` | opening a file and what each connection is set to |
//! | `error` | what goes wrong, and what helps |
//! | `migrations`, `schema_*.sql` | the tables, version by version |

#![allow(dead_code, reason = "being built")]

mod connection;
mod error;
mod migrations;
