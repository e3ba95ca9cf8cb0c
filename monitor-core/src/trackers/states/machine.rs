//! The handle on a state machine.

use std::fmt;
use std::sync::Arc;

use super::entity::Entity;
use crate::base::error::Error;
use crate::base::names::MAX_NAME_BYTES;
use crate::model::{EndedEntity, EntityStats, StateMachineStats};
use crate::record::quiet::quietly;
use crate::record::recorder::RecorderRef;
use crate::store::states::Machine;

/// What the errors of an inherited handle say.
const INHERITED: &str = "it belongs to the parent process; define the machine anew after a fork";
pub(super) const REENTRANT: &str = "it was asked for from inside the monitor itself, by a tracked allocator";

/// A state machine: states, the transitions between them, and the entities that are in these states.
///
/// Made by [`Monitor::state_machine`](crate::Monitor::state_machine), or of an enum by
/// [`Monitor::state_machine_of`](crate::Monitor::state_machine_of). It is a handle; clones are the same machine. Keep it:
/// making it again looks the definition up and compares it.
///
/// A machine judges transitions also while the monitor is switched off, and without the feature `enabled`: it is a rule
/// of the program and not only a record of it.
///
/// Bounds: 256 machines of a monitor, 64 states and 1,024 transitions of a machine, 10,000 entities alive unless
/// [`max_entities`](crate::StateMachineBuilder::max_entities) says otherwise; of each entity the last 32 transitions, of
/// a machine the last 64 and the last 256 entities that ended. An entity takes about 200 bytes, and 24 for each
/// transition in its history. What is over a bound is refused or forgotten, and counted.
#[derive(Clone)]
pub struct StateMachine {
    recorder: RecorderRef,
    machine: Arc<Machine>,
}

impl StateMachine {
    pub(super) fn new(recorder: RecorderRef, machine: Arc<Machine>) -> StateMachine {
        StateMachine { recorder, machine }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.machine.definition.name
    }

    /// The entity of that id. If none is alive it begins now, in the initial state.
    ///
    /// # Errors
    /// [`Error::is_invalid_id`] for an id that is empty or has more than 200 bytes: a cut one could be another's.
    /// [`Error::is_too_many`] when as many entities are alive as the machine allows; that is counted.
    pub fn entity(&self, id: &str) -> Result<Entity, Error> {
        check_id(id)?;
        if self.recorder.is_inherited() {
            return Err(Error::not_here("the state machine", INHERITED));
        }
        let Some(cell) = quietly(|| self.machine.entity(id, self.recorder.clock.ticks())) else {
            return Err(Error::not_here("the state machine", REENTRANT));
        };
        let cell = cell.ok_or_else(|| {
            let (of, most) = (format!("the state machine {:?}", self.name()), self.machine.definition.max_entities);
            let advice = "let entities reach a terminal state, remove those that were given up, or raise max_entities";
            Error::too_many("entities", of, most, advice)
        })?;
        Ok(Entity::new(self.recorder.clone(), self.machine.clone(), cell))
    }

    /// The entity of that id, if one is alive.
    #[must_use]
    pub fn existing(&self, id: &str) -> Option<Entity> {
        if self.recorder.is_inherited() {
            return None;
        }
        let cell = quietly(|| self.machine.find(id)).flatten()?;
        Some(Entity::new(self.recorder.clone(), self.machine.clone(), cell))
    }

    /// Gives up the entity of that id, wherever it is: it is counted as removed, and its id may begin anew. Whether
    /// there was one.
    // Not `must_use`: mostly one removes what may be gone already.
    #[allow(clippy::must_use_candidate)]
    pub fn remove(&self, id: &str) -> bool {
        !self.recorder.is_inherited() && quietly(|| self.machine.remove(id)).unwrap_or(false)
    }

    /// All entities that are alive, those that began first before the others. A snapshot has the first 100 of them.
    #[must_use]
    pub fn entities(&self) -> Vec<EntityStats> {
        if self.recorder.is_inherited() {
            return Vec::new();
        }
        quietly(|| self.machine.entities(&self.recorder.clock.anchor())).unwrap_or_default()
    }

    /// The entities that ended last, with their history, the newest first; at most 256.
    #[must_use]
    pub fn ended(&self) -> Vec<EndedEntity> {
        if self.recorder.is_inherited() {
            return Vec::new();
        }
        quietly(|| self.machine.ended(&self.recorder.clock.anchor())).unwrap_or_default()
    }

    /// The figures of this machine, as in a snapshot.
    #[must_use]
    pub fn stats(&self) -> StateMachineStats {
        if self.recorder.is_inherited() {
            return StateMachineStats::default();
        }
        quietly(|| self.machine.read(&self.recorder.clock.anchor())).unwrap_or_default()
    }
}

fn check_id(id: &str) -> Result<(), Error> {
    if (1..=MAX_NAME_BYTES).contains(&id.len()) { Ok(()) } else { Err(Error::invalid_id(id)) }
}

impl fmt::Debug for StateMachine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMachine").field("name", &self.name()).finish_non_exhaustive()
    }
}
