//! The builder of a state machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::machine::{REENTRANT, StateMachine};
use crate::base::error::Error;
use crate::record::local::watch_forks;
use crate::record::quiet::quietly;
use crate::record::recorder::RecorderRef;
use crate::store::states::{
    Draft, DraftState, DraftTransition, Guard, GuardContext, MAX_MACHINES, NEVER, NotRegistered,
};

/// A state machine that is being defined: [`Monitor::state_machine`](crate::Monitor::state_machine).
///
/// States are declared in any order, before or after the transitions that name them; the first one is the initial state
/// unless [`initial`](Self::initial) declares another. [`build`](Self::build) checks all of it.
///
/// ```
/// use std::time::Duration;
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// let machine = local.state_machine("order")
///     .initial("new").state("paid").terminal("shipped").terminal("cancelled")
///     .transition("new", "paid").on("payment").guard(|_| Ok(()))
///     .transition("new", "cancelled")
///     .transition("paid", "shipped")
///     .stuck_after(Duration::from_hours(1))
///     .stuck_after_in("new", Duration::from_hours(24))
///     .build()?;
/// assert_eq!(machine.entity("A-17")?.state(), "new");
///
/// let error = local.state_machine("lift").state("up").state("down").transition("up", "donw").build().unwrap_err();
/// assert!(error.is_invalid_state_machine());
/// assert_eq!(
///     error.to_string(),
///     "state machine \"lift\" cannot be built: the transition from \"up\" to \"donw\" names the state \"donw\", which is \
///      not declared"
/// );
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[must_use = "a state machine is made with `build`"]
pub struct StateMachineBuilder {
    recorder: RecorderRef,
    draft: Draft,
}

impl StateMachineBuilder {
    pub(crate) fn new(recorder: RecorderRef, name: String) -> StateMachineBuilder {
        StateMachineBuilder { recorder, draft: Draft::new(name) }
    }

    /// Declares a state. At most 64, with names of 1 to 200 bytes.
    pub fn state(self, name: impl Into<String>) -> Self {
        self.add_state(name.into(), false, false)
    }

    /// Declares the state in which entities begin. Without it the first state declared is that.
    pub fn initial(self, name: impl Into<String>) -> Self {
        self.add_state(name.into(), true, false)
    }

    /// Declares a terminal state: it ends the entity that reaches it. A machine may do without one.
    pub fn terminal(self, name: impl Into<String>) -> Self {
        self.add_state(name.into(), false, true)
    }

    pub(super) fn add_state(mut self, name: String, initial: bool, terminal: bool) -> Self {
        self.draft.add_state(DraftState { name, initial, terminal });
        self
    }

    /// Declares a transition, for [`Entity::to`](crate::Entity::to). [`on`](Self::on) and [`guard`](Self::guard) after
    /// it are about it. At most 1,024.
    ///
    /// One from a state to itself begins a new stay there; without one an entity is refused the state it is in.
    pub fn transition(mut self, from: impl Into<String>, to: impl Into<String>) -> Self {
        let (from, to) = (from.into(), to.into());
        self.draft.add_transition(DraftTransition { from, to, trigger: None, guard: None });
        self
    }

    /// The trigger of the transition declared last: it is made by [`Entity::trigger`](crate::Entity::trigger), and no
    /// longer by naming the state. Declare it twice to have both.
    pub fn on(mut self, trigger: impl Into<String>) -> Self {
        match self.draft.transitions.last_mut() {
            Some(last) => last.trigger = Some(trigger.into()),
            None => self.draft.faults.add(|| "on stands before any transition".to_owned()),
        }
        self
    }

    /// A condition on the transition declared last: asked each time, on the thread that wants the transition, and outside
    /// of all locks. `Err` with a reason refuses it; the reason is in the error.
    ///
    /// The transition is made only if the entity is still where the guard saw it; else the guard is asked again, up to
    /// eight times. A guard that panics refuses; the panic is contained and counted.
    pub fn guard(mut self, guard: impl Fn(&GuardContext<'_>) -> Result<(), String> + Send + Sync + 'static) -> Self {
        match self.draft.transitions.last_mut() {
            Some(last) => last.guard = Some(Arc::new(guard)),
            None => self.draft.faults.add(|| "guard stands before any transition".to_owned()),
        }
        self
    }

    /// How long an entity may stay in a state before it is listed as stuck. Default: 15 minutes; `Duration::MAX` for
    /// never.
    pub fn stuck_after(mut self, limit: Duration) -> Self {
        self.draft.stuck_after = limit;
        self
    }

    /// The same for one state. `Duration::MAX` for one in which an entity may wait for ever.
    pub fn stuck_after_in(mut self, state: impl Into<String>, limit: Duration) -> Self {
        self.draft.limit_in(state.into(), limit);
        self
    }

    /// Entities that may be alive at one time; further ones are refused and counted. From 1 to 1,000,000, default
    /// 10,000. A snapshot holds the machine's lock for some 5 ns for each.
    pub fn max_entities(mut self, entities: usize) -> Self {
        self.draft.max_entities = entities;
        self
    }

    /// The machine, new or the one that was defined alike before.
    ///
    /// Two definitions are alike when they differ in nothing but what their guards do; those of the first stay in force.
    ///
    /// # Errors
    /// [`Error::is_invalid_state_machine`] lists all faults: states that are not declared, are declared twice, are never
    /// reached or have no way out, a second initial state or none, transitions that are declared twice, can never be
    /// made or leave a terminal state, a limit for a terminal state, names that are empty or over-long.
    /// [`Error::is_different_state_machine`] when the monitor has another machine of that name.
    /// [`Error::is_too_many`] when the monitor has 256 machines.
    pub fn build(self) -> Result<StateMachine, Error> {
        let StateMachineBuilder { recorder, draft } = self;
        // A builder that came by a fork: the locks behind its recorder may be held by threads that are not here.
        let recorder = if recorder.is_inherited() { RecorderRef::of_process() } else { recorder };
        let definition = draft.check().map_err(|(name, faults)| Error::invalid_state_machine(name, faults))?;
        let name = definition.name.to_string();
        watch_forks();
        let registered = quietly(|| recorder.stores.states.register(definition));
        let Some(registered) = registered else { return Err(Error::not_here("the monitor", REENTRANT)) };
        let machine = registered.map_err(|why| match why {
            NotRegistered::Different(what) => Error::different_state_machine(name, what),
            NotRegistered::Full => Error::too_many(
                "state machines",
                "the monitor".to_owned(),
                MAX_MACHINES,
                "define a machine once for all of its entities, and not one for each",
            ),
        })?;
        Ok(StateMachine::new(recorder, machine))
    }

    /// Puts a guard on the transitions between two states, whatever their triggers.
    pub(super) fn guard_between(
        mut self,
        from: &str,
        to: &str,
        guard: impl Fn(&GuardContext<'_>) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let guard: Guard = Arc::new(guard);
        self.draft.guard_between(from, to, &guard);
        self
    }

    pub(super) fn fault(mut self, fault: impl FnOnce() -> String) -> Self {
        self.draft.faults.add(fault);
        self
    }

    pub(super) fn limit(self, state: &str, limit: Option<Duration>) -> Self {
        self.stuck_after_in(state, limit.unwrap_or(NEVER))
    }
}

impl fmt::Debug for StateMachineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateMachineBuilder").field("name", &self.draft.name).finish_non_exhaustive()
    }
}
