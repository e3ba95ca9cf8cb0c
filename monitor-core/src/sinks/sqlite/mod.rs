//! History in a SQLite file.
//!
//! | file | owns |
//! |---|---|
//! | `connection` | opening a file and what each connection is set to |
//! | `error` | what goes wrong, and what helps |
//! | `migrations`, `schema_*.sql`, `views_*.sql` | the tables and views, version by version |
//! | `blob` | histograms as blobs |
//! | `reader` | connections that read, and how long they may |
//! | `read_operations`, `read_blocks`, `id_lists`, `grade` | individual records by filter: which indexes answer it |
//! | `read_records`, `read_series` | rows as records; which series and runs are meant |
//! | `read_rollups`, `spans` | figures of a range; how it is made of steps |
//! | `paging` | pages of tables that are sorted by a time and an id |
//! | `read_errors`, `read_others`, `read_dashboard` | groups of errors; runs, transitions, jobs, queues; the first screen |

#![allow(dead_code, reason = "being built")]

mod blob;
mod connection;
mod error;
mod grade;
mod id_lists;
mod migrations;
mod paging;
#[cfg(test)]
mod plans;
mod read_blocks;
mod read_dashboard;
mod read_errors;
mod read_operations;
mod read_others;
mod read_records;
mod read_rollups;
mod read_series;
pub(crate) mod reader;
mod spans;
