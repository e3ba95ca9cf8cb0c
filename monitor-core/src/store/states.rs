//! In which state each thing is.

use crate::base::clock::Anchor;
use crate::model::StateMachineStats;

/// The state machines of one monitor.
#[derive(Default)]
pub(crate) struct StateMachines {}

impl StateMachines {
    pub(crate) fn read(&self, _anchor: &Anchor<'_>) -> Vec<StateMachineStats> {
        Vec::new()
    }
}
