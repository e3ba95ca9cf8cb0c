//! The audit trail: who did what, when and from where, and whether anybody changed it afterwards.
//!
//! | file | what |
//! |---|---|
//! | `entry` | an entry as it is kept, and one that is to be kept |
//! | `report` | the end of a trail, and what checking it has found |
//! | `error` | why an entry was not kept, or a trail not checked |

mod entry;
mod error;
mod report;

pub use entry::{AuditDraft, AuditEntry};
pub use error::AuditError;
pub use report::{AuditFault, AuditHead, AuditReport, ParseAuditHeadError};
