//! In which state each thing is.
//!
//! A monitor has machines, found by name; a machine has a [`Definition`], which never changes, and the entities that
//! are alive. Knows nothing of handles, of threads or of who asks; guards are kept here and called from above, since no
//! code of the host may run under a lock.

mod cell;
mod definition;
mod draft;
mod machine;
mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use parking_lot::RwLock;

pub(crate) use self::cell::EntityCell;
pub use self::definition::GuardContext;
pub(crate) use self::definition::{Declared, Definition, Guard, Wanted};
pub(crate) use self::draft::{Draft, DraftState, DraftTransition, NEVER};
pub(crate) use self::machine::{Machine, Step, Stepped};
use crate::base::clock::Anchor;
use crate::model::StateMachineStats;

/// Machines of one monitor, at most.
pub(crate) const MAX_MACHINES: usize = 256;

/// The state machines of one monitor.
#[derive(Default)]
pub(crate) struct StateMachines {
    machines: RwLock<Vec<Arc<Machine>>>,
}

/// Why a definition could not be registered.
pub(crate) enum NotRegistered {
    /// There is one of the same name that differs from it, in what is said here.
    Different(&'static str),
    /// There are as many machines as a monitor may have.
    Full,
}

impl StateMachines {
    /// The machine of that definition: a new one, or the one that was registered with an equal definition.
    pub(crate) fn register(&self, definition: Definition) -> Result<Arc<Machine>, NotRegistered> {
        // Made before the lock is taken: it asks for memory.
        let machine = Arc::new(Machine::new(definition));
        let mut machines = self.machines.write();
        if let Some(known) = machines.iter().find(|known| known.definition.name == machine.definition.name) {
            let (known, difference) = (known.clone(), known.definition.difference(&machine.definition));
            // The host's guards in the definition that is not needed are dropped after the lock is gone.
            drop(machines);
            return difference.map_or(Ok(known), |what| Err(NotRegistered::Different(what)));
        }
        if machines.len() >= MAX_MACHINES {
            drop(machines);
            return Err(NotRegistered::Full);
        }
        machines.push(machine.clone());
        Ok(machine)
    }

    /// All machines by name.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> Vec<StateMachineStats> {
        let mut machines = self.machines.read().clone();
        machines.sort_by(|a, b| a.definition.name.cmp(&b.definition.name));
        machines.iter().map(|machine| machine.read(anchor)).collect()
    }
}
