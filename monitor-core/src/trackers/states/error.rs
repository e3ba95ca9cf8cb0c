//! Why a transition was not made.

use std::fmt;
use std::sync::Arc;

use crate::base::names::{MAX_NAME_BYTES, truncated};
use crate::model::Refusal;
use crate::store::states::{Definition, Wanted};

/// A transition that was refused: which entity, from where, to where, why, and what is allowed instead.
///
/// Nothing has changed, and the refusal is counted with the machine.
///
/// ```
/// use monitor_core::{Monitor, Refusal};
///
/// let local = Monitor::builder().build()?;
/// let machine = local.state_machine("order").state("new").state("paid").terminal("shipped")
///     .transition("new", "paid").on("payment").transition("paid", "shipped").build()?;
///
/// let error = machine.entity("A-17")?.to("shipped").unwrap_err();
/// assert_eq!((error.entity(), error.from(), error.to()), ("A-17", "new", Some("shipped")));
/// assert_eq!(error.reason(), Refusal::Undeclared);
/// assert_eq!(error.allowed().collect::<Vec<_>>(), [("paid", Some("payment"))]);
/// assert_eq!(
///     error.to_string(),
///     "entity \"A-17\" of state machine \"order\" cannot go from \"new\" to \"shipped\": no such transition is \
///      declared; from \"new\" it may go to \"paid\" on \"payment\""
/// );
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub struct TransitionError {
    // One word: it stands in the `Result` of every transition.
    refused: Box<Refused>,
}

struct Refused {
    definition: Arc<Definition>,
    entity: Arc<str>,
    from: u8,
    wanted: Target,
    reason: Refusal,
    guard: Option<String>,
}

/// What was asked for.
enum Target {
    State(u8),
    Unknown(String),
    Trigger(String),
}

impl TransitionError {
    pub(super) fn new(
        definition: &Arc<Definition>,
        entity: &Arc<str>,
        from: u8,
        wanted: Wanted<'_>,
        reason: Refusal,
    ) -> TransitionError {
        let wanted = match wanted {
            Wanted::State(state) => Target::State(state),
            Wanted::Unknown(name) => Target::Unknown(bounded(name)),
            Wanted::Trigger(trigger) => Target::Trigger(bounded(trigger)),
        };
        let (definition, entity) = (definition.clone(), entity.clone());
        Self { refused: Box::new(Refused { definition, entity, from, wanted, reason, guard: None }) }
    }

    pub(super) fn with_guard(mut self, said: String) -> TransitionError {
        self.refused.guard = Some(said);
        self
    }

    /// Name of the machine.
    #[must_use]
    pub fn machine(&self) -> &str {
        &self.refused.definition.name
    }

    /// Id of the entity.
    #[must_use]
    pub fn entity(&self) -> &str {
        &self.refused.entity
    }

    /// The state that it was in, and still is unless another thread moves it.
    #[must_use]
    pub fn from(&self) -> &str {
        self.refused.definition.state_name(self.refused.from)
    }

    /// The state that was asked for; `None` when a trigger was, since no transition says where that leads.
    #[must_use]
    pub fn to(&self) -> Option<&str> {
        match &self.refused.wanted {
            Target::State(state) => Some(self.refused.definition.state_name(*state)),
            Target::Unknown(name) => Some(name),
            Target::Trigger(_) => None,
        }
    }

    /// The trigger that was given, if it was one.
    #[must_use]
    pub fn trigger(&self) -> Option<&str> {
        match &self.refused.wanted {
            Target::Trigger(trigger) => Some(trigger),
            Target::State(_) | Target::Unknown(_) => None,
        }
    }

    /// The transitions that are declared from the state: where they lead, and on which trigger. None from a terminal
    /// state.
    pub fn allowed(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let definition = &self.refused.definition;
        let leaving = definition.leaving(self.refused.from);
        leaving.map(|(_, declared)| (definition.state_name(declared.to), declared.trigger.as_deref()))
    }

    /// Why it was refused.
    #[must_use]
    pub fn reason(&self) -> Refusal {
        self.refused.reason
    }

    /// What the guard said that refused it, at most 256 bytes of it; of several guards what each said, at most 1,024
    /// bytes in all.
    #[must_use]
    pub fn guard(&self) -> Option<&str> {
        self.refused.guard.as_deref()
    }
}

fn bounded(name: &str) -> String {
    truncated(name, MAX_NAME_BYTES).into_owned()
}

impl fmt::Display for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names are quoted as `Debug` does it: they come from anywhere, and a log line must stay one.
        let (machine, entity, from) = (self.machine(), self.entity(), self.from());
        write!(f, "entity {entity:?} of state machine {machine:?} cannot go from {from:?}")?;
        match (&self.refused.wanted, self.to()) {
            (Target::Trigger(trigger), _) => write!(f, " on {trigger:?}: ")?,
            (_, to) => write!(f, " to {:?}: ", to.unwrap_or_default())?,
        }
        match self.reason() {
            Refusal::Undeclared => f.write_str("no such transition is declared")?,
            Refusal::UnknownState => f.write_str("the machine has no such state")?,
            Refusal::UnknownTrigger => f.write_str("the machine has no such trigger")?,
            Refusal::Guard => return write!(f, "its guard refused: {}", self.guard().unwrap_or_default()),
            Refusal::Ended => return f.write_str("it has ended; ask the machine for a new entity of that id"),
            Refusal::Removed => return f.write_str("it was removed; ask the machine for a new entity of that id"),
            Refusal::Changed => return f.write_str("others moved it each time its guard had agreed; try again"),
            Refusal::Reentrant => {
                return f
                    .write_str("asked for from inside the monitor, or by guards that ask for transitions without end");
            }
            Refusal::Inherited => {
                return f.write_str("it belongs to the parent process; define the machine anew after a fork");
            }
        }
        write!(f, "; from {from:?} it may go to ")?;
        for (at, (to, trigger)) in self.allowed().enumerate() {
            write!(f, "{}{to:?}", if at > 0 { ", " } else { "" })?;
            trigger.iter().try_for_each(|trigger| write!(f, " on {trigger:?}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for TransitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TransitionError")
            .field("machine", &self.machine())
            .field("entity", &self.entity())
            .field("from", &self.from())
            .field("to", &self.to())
            .field("trigger", &self.trigger())
            .field("reason", &self.reason())
            .field("guard", &self.guard())
            .finish_non_exhaustive()
    }
}

impl std::error::Error for TransitionError {}
