//! What is asked of a history, and what it answers.
//!
//! | file | what |
//! |---|---|
//! | `page` | how much is wanted at once, in which order, and where it goes on |
//! | `range` | a span of time |
//! | `operations` | individual records: which, and as they are found |
//! | `figures` | which operations' figures, which figure; summaries, series |
//! | `audit` | audit entries |
//! | `errors`, `others` | groups of errors; runs, transitions, jobs, queues |
//! | `dashboard` | the one value for a first screen |

mod audit;
mod dashboard;
mod errors;
mod figures;
mod operations;
mod others;
mod page;
mod range;

pub use audit::AuditFilter;
pub use dashboard::{DashboardErrors, DashboardJob, DashboardOperation, DashboardQueue, DashboardSummary};
pub use errors::{ErrorFilter, StoredErrorGroup};
pub use figures::{Figure, HistoryFigures, HistorySummary, Selection, Series, SeriesPoint};
pub use operations::{OperationFilter, StoredRecord};
pub use others::{ProgressFilter, QueueSample, StoredInstance, StoredProgress, StoredTransition, TransitionFilter};
pub use page::{Page, PageKey, PageRequest, ParsePageKeyError, SortOrder};
pub use range::TimeRange;
