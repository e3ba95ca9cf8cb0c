//! Why a transition of a state machine was refused.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why a transition was refused.
#[non_exhaustive]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// No such transition is declared from the state that the entity is in.
    Undeclared,
    /// The machine has no such state.
    UnknownState,
    /// No transition of the machine has such a trigger.
    UnknownTrigger,
    /// A guard said no, or panicked.
    Guard,
    /// The entity has reached a terminal state.
    Ended,
    /// The entity was removed.
    Removed,
    /// Other threads moved the entity on again and again while the guard was asked.
    Changed,
    /// Asked for from inside the monitor itself (by a tracked allocator), or by guards that call each other without
    /// end.
    Reentrant,
    /// The handle came into this process by a fork; the entity is the parent's.
    Inherited,
}

impl Refusal {
    pub(crate) const ALL: [Refusal; 9] = [
        Refusal::Undeclared,
        Refusal::UnknownState,
        Refusal::UnknownTrigger,
        Refusal::Guard,
        Refusal::Ended,
        Refusal::Removed,
        Refusal::Changed,
        Refusal::Reentrant,
        Refusal::Inherited,
    ];

    /// The word for it in serde's form and on screens.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Refusal::Undeclared => "undeclared",
            Refusal::UnknownState => "unknown_state",
            Refusal::UnknownTrigger => "unknown_trigger",
            Refusal::Guard => "guard",
            Refusal::Ended => "ended",
            Refusal::Removed => "removed",
            Refusal::Changed => "changed",
            Refusal::Reentrant => "reentrant",
            Refusal::Inherited => "inherited",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
