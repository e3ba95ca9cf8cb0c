//! The recorder of an embeddable monitor: what runs in a program, how often, how fast, how it ends.
//!
//! Put [`#[track_operation]`](track_operation) on a function, hold a guard for a block, or call `.tracked("name")` on a
//! future; read exact statistics at any moment. There is nothing to set up, no thread is started, nothing listens.
//!
//! ```
//! use monitor_core::{TrackFuture, monitor, track_operation};
//!
//! #[track_operation(kind = "parser", items_from = |words| words.len())]
//! fn words(text: &str) -> Result<Vec<&str>, String> {
//!     if text.is_empty() { Err("nothing to read".into()) } else { Ok(text.split_whitespace().collect()) }
//! }
//!
//! let _ = words("to be or not");
//! let _ = words("");
//!
//! let mut import = monitor().operation("import").kind("batch").start(); // a guard, for a block
//! import.add_items(1_000);
//! import.succeed(); // dropped without a word it also counts as a success
//!
//! let sum: i32 = monitor().track("sum", |_| (1..=10).sum()); // a closure
//! let download = async { Ok::<_, String>(sum) }.tracked("download"); // a future: recorded from its first poll on
//! # drop(download);
//!
//! let snapshot = monitor().snapshot();
//! let import = snapshot.operation("import").unwrap();
//! assert_eq!((import.started, import.succeeded, import.in_flight(), import.items), (1, 1, 0, 1_000));
//! println!("{snapshot}"); // a table
//! println!("{}", snapshot.summary()); // a line for a log
//! ```
//!
//! # Errors
//!
//! A call that fails records its error; [`Monitor::error`] does so by hand, and after [`record_panics`] so does every
//! panic. Errors of one kind, place and message (but for numbers, paths and the like) are a group:
//!
//! ```
//! use monitor_core::{Monitor, Severity};
//!
//! let local = Monitor::builder().build()?;
//! for port in [5432, 5433] {
//!     local.operation("connect").start().fail_with(&format!("port {port} refused"));
//! }
//! local.error_with("cache is cold").severity(Severity::Low).record();
//! let snapshot = local.snapshot();
//! let group = &snapshot.errors()[0];
//! assert_eq!((group.pattern.as_str(), group.count), ("port <n> refused", 2));
//! # Ok::<(), monitor_core::Error>(())
//! ```
//!
//! # What a call costs
//!
//! About as much as the two clock readings that time it: on the thread's own counters, without a lock, a locked
//! instruction or a cache line that other threads write. `benches` measures it beside other libraries. A sampled call
//! (`sample = 32`) costs less than one clock reading, and one that is switched off by [`Monitor::set_enabled`] a
//! nanosecond or two. A call that fails costs about twice as much: in a storm its error is counted and not put into
//! words. Without the feature `enabled` there is nothing left of it. A transition of a state machine costs some 50 ns.
//!
//! # What is exact, and what is bounded
//!
//! Counts, outcomes and sums are exact, whoever reads and whatever is lost of individual records. Percentiles are within
//! 1.6 % ([`Histogram`]). Names, label sets, records and nesting are bounded; what is over a bound is counted in
//! [`MonitorStats`], what is over one of a [`StateMachine`] in its [`StateMachineStats`]. Sampled operations count every
//! call and time some, without bias.
//!
//! # Where to go from here
//!
//! | for | see |
//! |---|---|
//! | all arguments of the attribute | [`track_operation`], [`track_operations`] |
//! | operations begun here and ended there, by id | [`Monitor::begin`], [`Monitor::end`], [`OperationStatus`], [`OperationIdError`] |
//! | begun in this process and ended in another | `SqliteOperations`, [`OperationLedger`], [`MonitorBuilder::operation_ledger`] |
//! | guards, builders, futures | [`Operation`], [`OperationBuilder`], [`TrackFuture`] |
//! | one trace through threads, tasks and programs; fields for all that is done for a request | [`Context`], [`InContext`], [`TraceParent`] |
//! | errors | [`ErrorGroup`], [`ErrorBuilder`], [`record_panics`] |
//! | long jobs: how far, how fast, when done; checkpoints | [`Progress`], [`ProgressBuilder`], `FileCheckpoints`, `SqliteCheckpoints` |
//! | iterators, streams, readers and writers that count for a job | [`TrackProgress`], [`Progress::wrap_read`] |
//! | progress bars on a terminal | `terminal` |
//! | reading | [`Snapshot`], [`OperationStats`], [`Figures`], [`ActiveOperation`], [`OperationRecord`] |
//! | queues: how many wait, for how long, what becomes of them | [`Queue`], [`Queued`], [`QueueStats`] |
//! | caches: hits and misses by kind, how large they are | [`Cache`], [`CacheKind`], [`CacheStats`] |
//! | in which state each thing is | [`StateMachine`], [`StateMachineBuilder`], [`MonitorState`](trait@MonitorState), [`Entity`], [`StateMachineStats`] |
//! | a program that has spans of `tracing` | `tracing::MonitorLayer`, `tracing::TracingEventsBuilder`, `tracing::WithIds` |
//! | counters, gauges and histograms of your own, by the `metrics` facade | `MetricsRecorder`, [`MetricStats`], [`Distribution`] |
//! | memory that operations ask for | `alloc::TrackedAllocator`, [`Figures::allocated_bytes`] |
//! | what was: records, figures and errors of all runs that share a file | [`History`], `SqliteHistory`, [`OperationFilter`], [`Selection`] |
//! | a monitor of its own for a test, and settings | [`Monitor`], [`MonitorBuilder`], [`ManualClock`] |
//! | the same as text for Prometheus | `Exposition`, `TextFormat` |
//! | history in a file, for later runs and other programs | `MonitorBuilder::sqlite`, `SqliteSink`, `SqliteOptions`, `Retention` |
//! | who did what, when and from where, in a trail that shows whether anybody changed it | [`Monitor::audit`], `AuditLog`, [`AuditEntry`], [`AuditReport`], [`AuditTrail`] |
//! | everything to a database, a file, another program | [`Sink`], [`MonitorBuilder::sink`], [`Batch`], [`SinkStats`] |
//! | assertions in your own tests | [`testing`] |
//! | two versions of this crate in one program | [`copies`] |
//!
//! # Features
//!
//! | feature | default | brings |
//! |---|---|---|
//! | `enabled` | yes | recording; without it everything compiles and does nothing, but that state machines go on judging |
//! | `macros` | yes | the attributes, `#[derive(MonitorState)]` |
//! | `checkpoints` | no | [`Progress`]: checkpoints in memory and in files; brings `serde_json` |
//! | `metrics` | no | a recorder for the `metrics` facade; brings `metrics` and `once_cell` |
//! | `prometheus` | no | the figures of a snapshot as text for Prometheus, with its configuration, alerts and a dashboard; brings `itoa` and `serde_json` |
//! | `sqlite` | no | history in a SQLite file, and asking it; brings `rusqlite` with SQLite itself, `sha2`, and `checkpoints` |
//! | `stream` | no | streams whose items count for a job; brings `futures-core` |
//! | `tracing` | no | spans as operations, what the monitor sees as events, ids in log lines: `monitor_core::tracing`; brings `tracing-subscriber` |
//! | `alloc` | no | an allocator that counts the memory which each operation asks for |
//! | `terminal` | no | progress bars; brings `indicatif` and `signal-hook` |
// Allowed in `record` alone.
#![deny(unsafe_code)]
// What lies on the way of every tracked call is inlined or kept apart by hand; `benches` shows what it is worth.
#![allow(clippy::inline_always)]
#![cfg_attr(loom, allow(dead_code, unused_imports, reason = "the model checker gets the recording structures alone"))]

mod base;
#[cfg(all(any(feature = "metrics", feature = "tracing"), not(loom)))]
mod bridges;
#[cfg(all(feature = "checkpoints", not(loom)))]
mod checkpoints;
mod model;
#[cfg(not(loom))]
mod ports;
mod record;

#[cfg(not(loom))]
mod collector;
#[cfg(not(loom))]
mod monitor;
#[cfg(not(loom))]
mod sinks;
#[cfg(not(loom))]
mod store;
#[cfg(all(feature = "terminal", not(loom)))]
pub mod terminal;
#[cfg(not(loom))]
pub mod testing;
#[cfg(not(loom))]
mod trackers;

pub use model::{
    ActiveOperation, ActiveState, AuditDraft, AuditEntry, AuditError, AuditFault, AuditFilter, AuditHead, AuditReport,
    Batch, ByIdDetail, CacheKindStats, CacheLookups, CacheStats, CallEdge, DashboardErrors, DashboardJob,
    DashboardOperation, DashboardQueue, DashboardSummary, Distribution, EndedEntity, EntityStats, ErrorCount,
    ErrorFilter, ErrorGroup, ErrorSample, ErrorState, ErrorText, FieldValue, Figure, Figures, Fingerprint, Histogram,
    HistoryFigures, HistorySummary, Instance, KindStats, Labels, LedgerBegin, LedgerEnd, LedgerEntry, LedgerWrite,
    MachineTransition, MetricKind, MetricStats, MetricValue, MonitorStats, OperationFilter, OperationRecord,
    OperationStats, OperationStatus, Outcome, Page, PageKey, PageRequest, ParseAuditHeadError, ParseFingerprintError,
    ParsePageKeyError, ParseTraceError, ProgressFilter, ProgressState, ProgressStats, QueueRecent, QueueSample,
    QueueStats, Refusal, Retention, Rollup, Selection, Series, SeriesPoint, Severity, SinkState, SinkStats, Snapshot,
    SortOrder, SpanId, StateMachineStats, StateStats, StepTiming, StoredErrorGroup, StoredInstance, StoredProgress,
    StoredRecord, StoredTransition, TimeRange, TraceId, TraceParent, TransitionFilter, TransitionRecord,
    TransitionStats,
};

#[cfg(all(feature = "prometheus", not(loom)))]
pub use crate::sinks::prometheus::{
    files::PrometheusFiles, format::TextFormat, page::ExpositionPage, settings::Exposition,
};
#[cfg(all(feature = "sqlite", not(loom)))]
pub use crate::sinks::sqlite::{
    audit::AuditLog, checkpoints::SqliteCheckpoints, operations::SqliteOperations, options::SqliteOptions,
    sink::SqliteSink,
};
#[cfg(not(loom))]
pub use crate::{
    base::{Error, ManualClock},
    monitor::{Installed, Monitor, MonitorBuilder, monitor},
    ports::audit::{AuditBuilder, AuditTrail},
    ports::history::History,
    ports::history_error::HistoryError,
    ports::operations::{LedgerError, LedgerNews, OperationLedger},
    ports::sink::{Sink, SinkError},
    record::call_site::RecordPolicy,
    record::copies::copies,
    store::states::GuardContext,
    trackers::by_id::begin::BeginById,
    trackers::by_id::end::EndById,
    trackers::by_id::error::OperationIdError,
    trackers::caches::{Cache, CacheKind},
    trackers::context::{Context, FutureInContext, InContext},
    trackers::errors::ErrorBuilder,
    trackers::future::{ReadOutput, TrackFuture, Tracked},
    trackers::operation::{Operation, OperationBuilder},
    trackers::panics::record_panics,
    trackers::progress::{Progress, ProgressBuilder, ProgressIo, Progressed, TrackProgress},
    trackers::queues::{Processing, Queue, Queued, QueuedItem},
    trackers::states::builder::StateMachineBuilder,
    trackers::states::entity::{Entity, Transition},
    trackers::states::error::TransitionError,
    trackers::states::machine::StateMachine,
    trackers::states::spec::{MonitorState, StateSpec, TransitionSpec},
    trackers::states::typed::{EntityOf, StateMachineBuilderOf, StateMachineOf, TransitionOf},
};

#[cfg(all(feature = "checkpoints", not(loom)))]
pub use crate::{
    checkpoints::error::{CheckpointError, CheckpointErrorKind},
    checkpoints::file::FileCheckpoints,
    checkpoints::memory::MemoryCheckpoints,
    ports::checkpoints::Checkpoints,
};

#[cfg(all(feature = "sqlite", not(loom)))]
pub use crate::sinks::sqlite::reader::SqliteHistory;

#[cfg(all(feature = "metrics", not(loom)))]
pub use crate::bridges::metrics::MetricsRecorder;
#[cfg(all(feature = "tracing", not(loom)))]
pub use crate::bridges::tracing;

#[cfg(all(feature = "stream", not(loom)))]
pub use crate::trackers::progress::TrackProgressStream;

#[cfg(all(feature = "macros", not(loom)))]
pub use monitor_macros::{MonitorState, track_operation, track_operations};

/// An allocator that counts the memory which each operation asks for.
#[cfg(all(feature = "alloc", not(loom)))]
pub mod alloc {
    pub use crate::record::allocations::TrackedAllocator;
}

/// What the attributes expand to. Not for direct use: it may change with any version.
#[cfg(not(loom))]
#[doc(hidden)]
pub mod __private {
    pub use crate::model::{ErrorText, FieldValue};
    pub use crate::record::call_site::{CallSite, RecordPolicy, SiteSpec};
    pub use crate::record::failure::Failure;
    pub use crate::record::sync_call::SyncCall;
    pub use crate::record::task_call::TaskEnd;
    pub use crate::trackers::expansion::{Return, path_of, run};
    pub use crate::trackers::future::{Tracked, track_future};
    pub use crate::trackers::probe::*;
    pub use crate::trackers::states::spec::{MonitorState, StateSpec, TransitionSpec};
}
