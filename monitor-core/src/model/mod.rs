//! Plain data that the monitor gives out: snapshots, statistics, records.
//!
//! Values only, for reading, comparing and sending elsewhere: nothing here records, reads a clock or knows where the
//! values come from. Every public type serialises with serde and has room to grow (`non_exhaustive`).
//!
//! | file | what |
//! |---|---|
//! | `histogram` | durations on the log-linear scale: percentiles, merge, difference |
//! | `distribution` | numbers of any unit on the same scale: a histogram of the host |
//! | `totals` | the recorder's sums of one operation, and how they add and subtract |
//! | `figures` | those sums as users read them: counts, times, rates |
//! | `operation`, `kind`, `edge` | figures of an operation, of a kind, of the calls from one operation to another |
//! | `active` | what runs now |
//! | `by_id` | operations that are begun in one place and ended in another |
//! | `ledger` | the same as they are told from process to process |
//! | `error_group`, `progress`, `state_machine` | errors by group, how far long jobs are, in which state each thing is |
//! | `queue`, `cache`, `metric` | queues, caches, the host's own metrics |
//! | `record`, `field`, `outcome` | one call that ended, what it carried, how it ended |
//! | `trace` | ids of traces and spans, the header that carries them |
//! | `instance`, `batch` | one run of a program; what it hands to sinks at once, and how they are doing |
//! | `history` | what is asked of a history, and what it answers |
//! | `retention` | how long a history keeps what |
//! | `audit` | who did what: entries, and what checking them has found |
//! | `own` | the monitor's figures of itself |
//! | `snapshot` | all of these at one moment, and the difference of two moments |
//! | `refusal` | why a transition of a state machine was not made |
//! | `table`, `sections`, `grid`, `text` | the snapshot as a table for people; its layout; how numbers are written |
//! | `errors_section` | the groups of errors in the table of a snapshot |
//! | `state_machine_section` | the state machines in the table of a snapshot |
//! | `queue_section`, `cache_section`, `metric_section`, `sink_section` | likewise |
//! | `units` | nanoseconds to and from `Duration` and `SystemTime`, in memory and in serde's form |

mod active;
pub(crate) mod audit;
mod batch;
mod by_id;
mod cache;
mod cache_section;
mod distribution;
mod edge;
mod error_group;
mod errors_section;
mod field;
mod figures;
mod grid;
mod histogram;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for those that implement `History`"))]
pub(crate) mod history;
mod instance;
mod kind;
pub(crate) mod ledger;
mod metric;
mod metric_section;
mod operation;
mod outcome;
mod own;
mod progress;
mod queue;
mod queue_section;
mod record;
mod refusal;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for histories"))]
mod retention;
mod sections;
mod sink_section;
mod snapshot;
mod state_machine;
mod state_machine_section;
mod table;
pub(crate) mod text;
mod totals;
mod trace;
pub(crate) mod units;

pub use active::{ActiveOperation, ActiveState};
pub use audit::{AuditDraft, AuditEntry, AuditError, AuditFault, AuditHead, AuditReport, ParseAuditHeadError};
pub use batch::{Batch, MachineTransition, Rollup, SinkState, SinkStats};
pub use by_id::{ByIdDetail, OperationStatus, StepTiming};
#[cfg(test)]
pub(crate) use cache::example as cache_example;
pub use cache::{CacheKindStats, CacheLookups, CacheStats};
pub use distribution::Distribution;
pub use edge::CallEdge;
pub(crate) use error_group::FRESH;
pub use error_group::{ErrorCount, ErrorGroup, ErrorSample, ErrorState, Fingerprint, ParseFingerprintError, Severity};
pub use field::FieldValue;
pub use figures::Figures;
pub use histogram::Histogram;
pub use history::{
    AuditFilter, DashboardErrors, DashboardJob, DashboardOperation, DashboardQueue, DashboardSummary, ErrorFilter,
    Figure, HistoryFigures, HistorySummary, OperationFilter, Page, PageKey, PageRequest, ParsePageKeyError,
    ProgressFilter, QueueSample, Selection, Series, SeriesPoint, SortOrder, StoredErrorGroup, StoredInstance,
    StoredProgress, StoredRecord, StoredTransition, TimeRange, TransitionFilter,
};
pub use instance::Instance;
pub use kind::KindStats;
#[cfg(feature = "sqlite")]
pub(crate) use kind::by_kind;
pub use ledger::{LedgerBegin, LedgerEnd, LedgerEntry, LedgerWrite};
#[cfg(all(test, feature = "metrics"))]
pub(crate) use metric::example as example_metric;
#[cfg(feature = "metrics")]
pub(crate) use metric::sort as sort_metrics;
pub use metric::{MetricKind, MetricStats, MetricValue};
pub(crate) use operation::Identity;
#[cfg(feature = "sqlite")]
pub(crate) use operation::sort_by_total_time;
pub use operation::{Labels, OperationStats};
pub use outcome::Outcome;
pub use own::MonitorStats;
#[cfg(feature = "terminal")]
pub(crate) use progress::in_tree_order;
pub use progress::{ProgressState, ProgressStats};
pub(crate) use queue::all_since as queues_since;
#[cfg(test)]
pub(crate) use queue::example as queue_example;
pub use queue::{QueueRecent, QueueStats};
pub use record::{ErrorText, OperationRecord};
pub use refusal::Refusal;
pub use retention::Retention;
pub use snapshot::Snapshot;
pub(crate) use snapshot::SnapshotParts;
pub use state_machine::{EndedEntity, EntityStats, StateMachineStats, StateStats, TransitionRecord, TransitionStats};
pub(crate) use totals::Totals;
pub use trace::{ParseTraceError, SpanId, TraceId, TraceParent};
