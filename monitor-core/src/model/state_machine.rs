//! In which state each thing is, and how it came there.

use serde::{Deserialize, Serialize};

/// One state machine with all its entities.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StateMachineStats {
    /// Name of the machine.
    pub name: String,
}
