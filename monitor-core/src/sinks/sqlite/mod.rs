//! History in a SQLite file.
//!
//! | file | owns |
//! |---|---|
//! | `connection` | opening a file and what each connection is set to |
//! | `link` | a connection that a fork does not cut in two |
//! | `turns` | what threads take in turn |
//! | `durable` | a connection for what must not be lost |
//! | `error` | what goes wrong, and what helps |
//! | `migrations`, `schema_*.sql`, `views_*.sql` | the tables and views, version by version |
//! | `blob` | histograms as blobs |
//! | `reader`, `reading` | connections that read, and how long they may; one question being answered |
//! | `wanted` | what is asked for of individual records, in the terms of the tables |
//! | `read_operations`, `read_blocks`, `id_lists`, `places`, `grade` | individual records by filter: which indexes answer it |
//! | `read_records`, `read_series` | rows as records; which series and runs are meant |
//! | `read_rollups`, `read_points`, `spans` | figures of a range; how it is made of steps |
//! | `paging` | pages of tables that are sorted by a time and an id |
//! | `read_errors`, `read_others`, `read_dashboard` | groups of errors; runs, transitions, jobs, queues; the first screen |
//! | `audit`, `audit_chain`, `audit_verify`, `audit_remove`, `read_audit` | the audit trail: added to, hashed, checked, its old end removed, read |
//! | `checkpoints` | checkpoints of jobs |
//! | `trouble` | errors of the sink as those who feed it are told them |
//! | `sink`, `options` | the sink, and what can be set of it |
//! | `session` | a connection of a running instance: batches, its end |
//! | `write_*`, `losses` | rows of batches |
//! | `intern`, `values` | ids of texts and series; numbers as the tables have them |
//! | `operations`, `operation_rows` | operations by id: what each process is told of them, and their rows |
//! | `instances` | the row of a run |
//! | `presence` | which runs are alive, and what becomes of those that are not |
//! | `retention` | removing what is too old or too much |
//! | `recovery`, `wal` | damaged, moved and removed files; the size of the log |

pub(crate) mod audit;
mod audit_chain;
#[cfg_attr(not(test), allow(dead_code, reason = "for retention"))]
mod audit_remove;
mod audit_verify;
mod blob;
pub(crate) mod checkpoints;
mod connection;
mod durable;
mod error;
mod grade;
mod id_lists;
mod instances;
mod intern;
mod link;
mod losses;
mod migrations;
mod operation_rows;
pub(crate) mod operations;
pub(crate) mod options;
mod paging;
mod places;
#[cfg(test)]
mod plans;
mod presence;
mod read_audit;
mod read_blocks;
mod read_dashboard;
mod read_errors;
mod read_operations;
mod read_others;
mod read_points;
mod read_records;
mod read_rollups;
mod read_series;
pub(crate) mod reader;
mod reading;
mod recovery;
mod retention;
mod session;
pub(crate) mod sink;
mod spans;
mod trouble;
mod turns;
mod values;
mod wal;
mod wanted;
mod write_errors;
mod write_others;
mod write_records;
mod write_rollups;
