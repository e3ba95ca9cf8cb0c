//! A state machine whose states are the values of an enum: the same machine, seen through the enum.

use std::fmt;
use std::marker::PhantomData;
use std::time::{Duration, SystemTime};

use super::builder::StateMachineBuilder;
use super::entity::{Entity, Transition};
use super::error::TransitionError;
use super::machine::StateMachine;
use super::spec::{Limit, MonitorState, StateSpec};
use crate::base::error::Error;
use crate::record::recorder::RecorderRef;
use crate::store::states::{GuardContext, NEVER, Wanted};

/// The state machine of an enum, to be built: [`Monitor::state_machine_builder_of`](crate::Monitor::state_machine_builder_of).
#[must_use = "a state machine is made with `build`"]
pub struct StateMachineBuilderOf<S> {
    builder: StateMachineBuilder,
    states: PhantomData<fn() -> S>,
}

impl<S: MonitorState> StateMachineBuilderOf<S> {
    pub(crate) fn new(recorder: RecorderRef) -> Self {
        let mut builder = StateMachineBuilder::new(recorder, S::NAME.to_owned());
        builder = builder.stuck_after(S::STUCK_AFTER.unwrap_or(NEVER));
        let initial = S::initial().index();
        for (index, state) in S::STATES.iter().enumerate() {
            builder = builder.add_state(state.name.to_owned(), index == initial, state.terminal);
            if let Limit::Own(limit) = state.stuck_after {
                builder = builder.limit(state.name, limit);
            }
            if S::from_index(index).is_none_or(|value| value.index() != index) {
                builder =
                    builder.fault(|| format!("from_index({index}) does not give the state whose index is {index}"));
            }
        }
        if initial >= S::STATES.len() {
            builder = builder.fault(|| format!("the initial state has the index {initial}, which is none"));
        }
        for state in S::STATES {
            for transition in state.transitions {
                let Some(to) = S::STATES.get(transition.to) else {
                    builder = builder.fault(|| {
                        format!("a transition of {:?} leads to the index {}, which is none", state.name, transition.to)
                    });
                    continue;
                };
                builder = builder.transition(state.name, to.name);
                if let Some(trigger) = transition.trigger {
                    builder = builder.on(trigger);
                }
            }
        }
        Self { builder, states: PhantomData }
    }

    /// A condition on the transitions from one state to another, whatever their triggers:
    /// see [`StateMachineBuilder::guard`].
    #[expect(clippy::needless_pass_by_value, reason = "states are words; a reference to one would be in the way")]
    pub fn guard(
        mut self,
        from: S,
        to: S,
        guard: impl Fn(&GuardContext<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let name = |state: &S| S::STATES.get(state.index()).map_or("", |state: &StateSpec| state.name);
        self.builder = self.builder.guard_between(name(&from), name(&to), guard);
        self
    }

    /// Entities that may be alive at one time: see [`StateMachineBuilder::max_entities`].
    pub fn max_entities(mut self, entities: usize) -> Self {
        self.builder = self.builder.max_entities(entities);
        self
    }

    /// The machine: see [`StateMachineBuilder::build`].
    ///
    /// # Errors
    /// Those of [`StateMachineBuilder::build`].
    pub fn build(self) -> Result<StateMachineOf<S>, Error> {
        Ok(StateMachineOf { machine: self.builder.build()?, states: PhantomData })
    }
}

impl<S> fmt::Debug for StateMachineBuilderOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.builder.fmt(f)
    }
}

/// The state machine of an enum: [`Monitor::state_machine_of`](crate::Monitor::state_machine_of).
///
/// It is a handle; clones are the same machine. [`machine`](Self::machine) is the same by names, with all that can be
/// read of it.
pub struct StateMachineOf<S> {
    machine: StateMachine,
    states: PhantomData<fn() -> S>,
}

impl<S: MonitorState> StateMachineOf<S> {
    /// The entity of that id. If none is alive it begins now, in the initial state.
    ///
    /// # Errors
    /// Those of [`StateMachine::entity`].
    pub fn entity(&self, id: &str) -> Result<EntityOf<S>, Error> {
        Ok(EntityOf { entity: self.machine.entity(id)?, states: PhantomData })
    }

    /// The entity of that id, if one is alive.
    #[must_use]
    pub fn existing(&self, id: &str) -> Option<EntityOf<S>> {
        self.machine.existing(id).map(|entity| EntityOf { entity, states: PhantomData })
    }

    /// Gives up the entity of that id: see [`StateMachine::remove`].
    #[allow(clippy::must_use_candidate, reason = "as there")]
    pub fn remove(&self, id: &str) -> bool {
        self.machine.remove(id)
    }

    /// The machine by names.
    #[must_use]
    pub fn machine(&self) -> &StateMachine {
        &self.machine
    }
}

impl<S> Clone for StateMachineOf<S> {
    fn clone(&self) -> Self {
        Self { machine: self.machine.clone(), states: PhantomData }
    }
}

impl<S> fmt::Debug for StateMachineOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.machine.fmt(f)
    }
}

/// An entity whose states are the values of an enum: [`StateMachineOf::entity`]. Otherwise as [`Entity`].
pub struct EntityOf<S> {
    entity: Entity,
    states: PhantomData<fn() -> S>,
}

impl<S: MonitorState> EntityOf<S> {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.entity.id()
    }

    /// The state it is in; of an entity that has ended or was removed, the last one. Takes no lock.
    #[must_use]
    pub fn state(&self) -> S {
        value(self.entity.state_number())
    }

    /// Whether it has reached a terminal state. Takes no lock.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.entity.has_ended()
    }

    /// Goes to a state, by a transition that is declared without a trigger.
    ///
    /// # Errors
    /// As [`Entity::to`].
    #[expect(clippy::needless_pass_by_value, reason = "states are words; a reference to one would be in the way")]
    pub fn to(&self, state: S) -> Result<TransitionOf<'_, S>, TransitionError> {
        // A place that is none can only come from an `index` written by hand.
        let index =
            Some(state.index()).filter(|&index| index < S::STATES.len()).and_then(|index| u8::try_from(index).ok());
        let wanted = index.map_or(Wanted::Unknown("(no such index)"), Wanted::State);
        Ok(TransitionOf { transition: self.entity.attempt(wanted)?, states: PhantomData })
    }

    /// Does what is declared for a trigger in the state that the entity is in.
    ///
    /// # Errors
    /// As [`Entity::trigger`].
    pub fn trigger(&self, trigger: &str) -> Result<TransitionOf<'_, S>, TransitionError> {
        Ok(TransitionOf { transition: self.entity.trigger(trigger)?, states: PhantomData })
    }

    /// The last transitions it has made: see [`Entity::history`].
    #[must_use]
    pub fn history(&self) -> Vec<TransitionOf<'_, S>> {
        let history = self.entity.history().into_iter();
        history.map(|transition| TransitionOf { transition, states: PhantomData }).collect()
    }

    /// How long it has been in its state; `None` when it has ended or was removed.
    #[must_use]
    pub fn time_in_state(&self) -> Option<Duration> {
        self.entity.time_in_state()
    }

    /// The entity by names.
    #[must_use]
    pub fn entity(&self) -> &Entity {
        &self.entity
    }
}

impl<S> Clone for EntityOf<S> {
    fn clone(&self) -> Self {
        Self { entity: self.entity.clone(), states: PhantomData }
    }
}

impl<S> fmt::Debug for EntityOf<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entity.fmt(f)
    }
}

/// A transition between values of an enum. Otherwise as [`Transition`].
pub struct TransitionOf<'a, S> {
    transition: Transition<'a>,
    states: PhantomData<fn() -> S>,
}

impl<'a, S: MonitorState> TransitionOf<'a, S> {
    /// The state it left.
    #[must_use]
    pub fn from(&self) -> S {
        value(self.transition.source())
    }

    /// The state it came to.
    #[must_use]
    pub fn to(&self) -> S {
        value(self.transition.target())
    }

    /// The trigger that caused it, if it was one.
    #[must_use]
    pub fn trigger(&self) -> Option<&'a str> {
        self.transition.trigger()
    }

    /// How long the entity had been in the state it left.
    #[must_use]
    pub fn time_in_state(&self) -> Duration {
        self.transition.time_in_state()
    }

    /// When it was made, by the wall clock.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.transition.at()
    }

    /// The transition by names.
    #[must_use]
    pub fn transition(&self) -> Transition<'a> {
        self.transition
    }
}

impl<S> Clone for TransitionOf<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for TransitionOf<'_, S> {}

impl<S> fmt::Display for TransitionOf<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transition.fmt(f)
    }
}

impl<S> fmt::Debug for TransitionOf<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transition.fmt(f)
    }
}

/// The value of a state. Every number has one, which was checked when the machine was built.
fn value<S: MonitorState>(number: u8) -> S {
    S::from_index(usize::from(number)).unwrap_or_else(S::initial)
}
