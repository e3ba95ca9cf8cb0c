//! An entity as the program moves it on.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::error::TransitionError;
use super::guards;
use crate::base::names::truncated;
use crate::model::{Refusal, TransitionRecord};
use crate::record::listener::{Moved, Topic};
use crate::record::quiet::quietly;
use crate::record::recorder::RecorderRef;
use crate::store::states::{Declared, EntityCell, Machine, Step, Stepped, Wanted};

/// How often a guarded transition is tried when other threads move the entity in between.
const TRIES: usize = 8;

/// Longest text of several guards together in bytes; what is longer is cut.
const MAX_SAID_BYTES: usize = 1_024;

/// A thing that a state machine follows: [`StateMachine::entity`](crate::StateMachine::entity).
///
/// It is a handle; clones, and what the machine gives for the same id, are the same entity. Dropping it does not end
/// the entity: a terminal state does, or [`StateMachine::remove`](crate::StateMachine::remove). A handle on an entity
/// that has ended goes on telling its last state, and refuses every transition.
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// let machine = local.state_machine("order").state("new").state("paid").terminal("shipped")
///     .transition("new", "paid").on("payment").transition("paid", "shipped").build()?;
/// let order = machine.entity("A-17")?;
/// assert_eq!(order.state(), "new");
/// assert_eq!(order.trigger("payment").unwrap().to(), "paid");
/// order.to("shipped").unwrap();
/// assert!(order.has_ended());
/// let way: Vec<_> = order.history().iter().map(ToString::to_string).collect();
/// assert_eq!(way, ["new → paid (payment)", "paid → shipped"]);
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Entity {
    recorder: RecorderRef,
    machine: Arc<Machine>,
    cell: Arc<EntityCell>,
}

impl Entity {
    pub(super) fn new(recorder: RecorderRef, machine: Arc<Machine>, cell: Arc<EntityCell>) -> Entity {
        Entity { recorder, machine, cell }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.cell.id
    }

    /// Name of its machine.
    #[must_use]
    pub fn machine(&self) -> &str {
        &self.machine.definition.name
    }

    /// The state it is in; of an entity that has ended or was removed, the last one. Takes no lock.
    #[must_use]
    pub fn state(&self) -> &str {
        self.machine.definition.state_name(self.state_number())
    }

    pub(super) fn state_number(&self) -> u8 {
        self.cell.status().state()
    }

    /// Whether it has reached a terminal state. Takes no lock.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.cell.status().gone() == Some(Refusal::Ended)
    }

    /// How long it has been in its state; `None` when it has ended or was removed, and in a forked child.
    #[must_use]
    pub fn time_in_state(&self) -> Option<Duration> {
        if self.recorder.is_inherited() {
            return None;
        }
        let since = quietly(|| self.machine.in_state_since(&self.cell)).flatten()?;
        Some(Duration::from_nanos(self.recorder.clock.nanos_between(since, self.recorder.clock.ticks())))
    }

    /// Goes to a state, by a transition that is declared without a trigger.
    ///
    /// Costs about 50 ns without a guard; nothing is allocated once the entity has made a few transitions.
    ///
    /// # Errors
    /// [`TransitionError`], for the reasons that [`Refusal`] lists. The entity stays where it is, and the refusal is
    /// counted.
    pub fn to(&self, state: &str) -> Result<Transition<'_>, TransitionError> {
        let number = self.machine.definition.state_named(state);
        self.attempt(number.map_or(Wanted::Unknown(state), Wanted::State))
    }

    /// Does what is declared for a trigger in the state that the entity is in. Of several transitions on one trigger
    /// the first whose guard agrees is made.
    ///
    /// # Errors
    /// As [`to`](Self::to).
    pub fn trigger(&self, trigger: &str) -> Result<Transition<'_>, TransitionError> {
        self.attempt(Wanted::Trigger(trigger))
    }

    pub(super) fn attempt(&self, wanted: Wanted<'_>) -> Result<Transition<'_>, TransitionError> {
        let made = self.attempt_untold(wanted);
        if let Ok(transition) = &made
            && self.recorder.listeners.hear_moves()
        {
            self.tell(transition);
        }
        made
    }

    /// Tells whoever listens of a transition.
    #[cold]
    fn tell(&self, transition: &Transition<'_>) {
        let source = Arc::as_ptr(&self.machine).addr() as u64;
        for (listener, suppressed) in
            self.recorder.listeners.who_wants(Topic::Transition, source, self.recorder.clock.ticks())
        {
            listener.moved(&Moved {
                machine: self.machine(),
                entity: self.id(),
                from: transition.from(),
                to: transition.to(),
                trigger: transition.trigger(),
                at: transition.step.at,
                time_in_state: transition.time_in_state(),
                suppressed,
            });
        }
    }

    fn attempt_untold(&self, wanted: Wanted<'_>) -> Result<Transition<'_>, TransitionError> {
        if self.recorder.is_inherited() {
            return Err(self.refused(self.state_number(), wanted, Refusal::Inherited));
        }
        let clock = &self.recorder.clock;
        match quietly(|| self.machine.step(&self.cell, wanted, clock, clock.ticks())) {
            Some(Stepped::Made(step)) => Ok(Transition { entity: self, step, at: None }),
            Some(Stepped::Guarded) => self.attempt_guarded(wanted),
            Some(Stepped::Refused(state, reason)) => Err(self.refused(state, wanted, reason)),
            None => Err(self.refused(self.state_number(), wanted, Refusal::Reentrant)),
        }
    }

    /// Asks guards about the state that the entity is seen in, and makes the transition if it is still there then.
    fn attempt_guarded(&self, wanted: Wanted<'_>) -> Result<Transition<'_>, TransitionError> {
        if guards::are_too_deep() {
            return Err(self.refused(self.state_number(), wanted, Refusal::Reentrant));
        }
        let clock = &self.recorder.clock;
        let mut status = self.cell.status();
        for _ in 0..TRIES {
            let mut said = Vec::new();
            let mut agreed = None;
            for (number, declared) in self.machine.definition.candidates(status.state(), wanted) {
                match guards::ask(&self.recorder, &self.machine, declared, &self.cell.id) {
                    Ok(()) => {
                        agreed = Some(number);
                        break;
                    }
                    Err(reason) => said.push((declared, reason)),
                }
            }
            let step = match agreed {
                Some(number) => {
                    quietly(|| self.machine.step_if(&self.cell, status, number, clock, clock.ticks())).flatten()
                }
                // Refused, as far as the entity is still where the guards were asked about it.
                None if !said.is_empty() && self.cell.status() == status && status.gone().is_none() => {
                    let error = self.refused(status.state(), wanted, Refusal::Guard);
                    return Err(error.with_guard(self.joined(said)));
                }
                None => None,
            };
            if let Some(step) = step {
                return Ok(Transition { entity: self, step, at: None });
            }
            // It has moved. Where it is now there may be no guard to ask, or nothing to do at all.
            match quietly(|| self.machine.step(&self.cell, wanted, clock, clock.ticks())) {
                Some(Stepped::Made(step)) => return Ok(Transition { entity: self, step, at: None }),
                Some(Stepped::Refused(state, reason)) => return Err(self.refused(state, wanted, reason)),
                Some(Stepped::Guarded) => status = self.cell.status(),
                None => return Err(self.refused(status.state(), wanted, Refusal::Reentrant)),
            }
        }
        Err(self.refused(self.state_number(), wanted, Refusal::Changed))
    }

    /// What the guards said; with the states they stand before when there is more than one.
    fn joined(&self, mut said: Vec<(&Declared, String)>) -> String {
        match said.pop() {
            Some((_, only)) if said.is_empty() => only,
            Some(last) => {
                said.push(last);
                let name = |declared: &Declared| self.machine.definition.state_name(declared.to).to_owned();
                let all: Vec<_> = said.iter().map(|(to, reason)| format!("{}: {reason}", name(to))).collect();
                truncated(&all.join("; "), MAX_SAID_BYTES).into_owned()
            }
            None => String::new(),
        }
    }

    #[cold]
    fn refused(&self, state: u8, wanted: Wanted<'_>, reason: Refusal) -> TransitionError {
        if reason != Refusal::Inherited {
            self.machine.count_refusal(reason);
        }
        TransitionError::new(&self.machine.definition, &self.cell.id, state, wanted, reason)
    }

    /// The last transitions it has made, at most 32, the oldest first. Of an entity that has ended they are known as
    /// long as it is among the last 256 of its machine that have.
    #[must_use]
    pub fn history(&self) -> Vec<Transition<'_>> {
        if self.recorder.is_inherited() {
            return Vec::new();
        }
        let steps = quietly(|| self.machine.history(&self.cell)).unwrap_or_default();
        let anchor = self.recorder.clock.anchor();
        steps.into_iter().map(|step| Transition { entity: self, step, at: Some(anchor.wall_time(step.at)) }).collect()
    }
}

impl fmt::Debug for Entity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entity")
            .field("machine", &self.machine())
            .field("id", &self.id())
            .field("state", &self.state())
            .finish_non_exhaustive()
    }
}

/// A transition that an entity has made.
#[derive(Clone, Copy)]
pub struct Transition<'a> {
    entity: &'a Entity,
    step: Step,
    at: Option<SystemTime>,
}

impl<'a> Transition<'a> {
    fn declared(&self) -> Option<&'a Declared> {
        self.entity.machine.definition.transition(self.step.transition)
    }

    /// The entity.
    #[must_use]
    pub fn entity(&self) -> &'a Entity {
        self.entity
    }

    /// The state it left.
    #[must_use]
    pub fn from(&self) -> &'a str {
        self.entity.machine.definition.state_name(self.source())
    }

    /// The state it came to.
    #[must_use]
    pub fn to(&self) -> &'a str {
        self.entity.machine.definition.state_name(self.target())
    }

    pub(super) fn source(&self) -> u8 {
        self.declared().map_or(0, |declared| declared.from)
    }

    pub(super) fn target(&self) -> u8 {
        self.declared().map_or(0, |declared| declared.to)
    }

    /// The trigger that caused it, if it was one.
    #[must_use]
    pub fn trigger(&self) -> Option<&'a str> {
        self.declared()?.trigger.as_deref()
    }

    /// How long the entity had been in the state it left.
    #[must_use]
    pub fn time_in_state(&self) -> Duration {
        Duration::from_nanos(self.step.stayed_ns)
    }

    /// When it was made, by the wall clock. Reads the clock, for a transition that does not come from a history.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at.unwrap_or_else(|| self.entity.recorder.clock.anchor().wall_time(self.step.at))
    }

    /// Whether it ended the entity.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.entity.machine.definition.is_terminal(self.target())
    }

    /// The same as a value of its own, for keeping and for serde.
    #[must_use]
    pub fn record(&self) -> TransitionRecord {
        let anchor = self.entity.recorder.clock.anchor();
        let record = self.step.record(&self.entity.machine.definition, self.entity.id(), &anchor);
        TransitionRecord { at: self.at.unwrap_or(record.at), ..record }
    }
}

/// `scanning → copying (scanned)`.
impl fmt::Display for Transition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.from(), self.to())?;
        self.trigger().iter().try_for_each(|trigger| write!(f, " ({trigger})"))
    }
}

impl fmt::Debug for Transition<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transition")
            .field("entity", &self.entity.id())
            .field("from", &self.from())
            .field("to", &self.to())
            .field("trigger", &self.trigger())
            .field("time_in_state", &self.time_in_state())
            .finish_non_exhaustive()
    }
}
