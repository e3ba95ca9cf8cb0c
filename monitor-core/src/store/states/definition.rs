//! What a machine allows: its states and the transitions between them. Checked when it is made, then fixed.

use std::sync::Arc;
use std::time::Duration;

/// A condition of the host on a transition: `Err` with the reason why it must not be made.
pub(crate) type Guard = Arc<dyn Fn(&GuardContext<'_>) -> Result<(), String> + Send + Sync>;

/// The transition that a guard is asked about.
///
/// ```
/// use monitor_core::{GuardContext, Monitor};
///
/// let local = Monitor::builder().build()?;
/// let machine = local.state_machine("order").state("new").terminal("paid").terminal("cancelled")
///     .transition("new", "paid").on("payment").guard(|context: &GuardContext<'_>| {
///         if context.entity().starts_with("test-") { Err("a test order is not paid".into()) } else { Ok(()) }
///     })
///     .transition("new", "cancelled")
///     .build()?;
/// let error = machine.entity("test-1")?.trigger("payment").unwrap_err();
/// assert_eq!(error.guard(), Some("a test order is not paid"));
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct GuardContext<'a> {
    pub(crate) machine: &'a str,
    pub(crate) entity: &'a str,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) trigger: Option<&'a str>,
}

impl<'a> GuardContext<'a> {
    /// Name of the machine.
    #[must_use]
    pub fn machine(&self) -> &'a str {
        self.machine
    }

    /// Id of the entity.
    #[must_use]
    pub fn entity(&self) -> &'a str {
        self.entity
    }

    /// The state it is in.
    #[must_use]
    pub fn from(&self) -> &'a str {
        self.from
    }

    /// The state it would come to.
    #[must_use]
    pub fn to(&self) -> &'a str {
        self.to
    }

    /// The trigger that would cause it, if it is one.
    #[must_use]
    pub fn trigger(&self) -> Option<&'a str> {
        self.trigger
    }
}

/// What an entity is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Wanted<'a> {
    /// Come to this state.
    State(u8),
    /// Come to a state that the machine does not have.
    Unknown(&'a str),
    /// Do what is declared for this trigger.
    Trigger(&'a str),
}

/// The definition of a machine. Numbers in it are places in its own lists, and always valid.
pub(crate) struct Definition {
    pub(crate) name: Box<str>,
    pub(crate) states: Vec<State>,
    pub(crate) transitions: Vec<Declared>,
    /// For each state the transitions that leave it, in the order of their declaration.
    pub(super) outgoing: Vec<Vec<u16>>,
    pub(crate) initial: u8,
    pub(crate) max_entities: usize,
}

pub(crate) struct State {
    pub(crate) name: Box<str>,
    pub(crate) terminal: bool,
    /// `None`: never.
    pub(crate) stuck_after: Option<Duration>,
}

/// A declared transition.
pub(crate) struct Declared {
    pub(crate) from: u8,
    pub(crate) to: u8,
    pub(crate) trigger: Option<Box<str>>,
    pub(crate) guard: Option<Guard>,
}

impl Declared {
    fn is_wanted(&self, wanted: Wanted<'_>) -> bool {
        match (wanted, &self.trigger) {
            (Wanted::State(to), None) => self.to == to,
            (Wanted::Trigger(given), Some(trigger)) => **trigger == *given,
            _ => false,
        }
    }
}

impl Definition {
    pub(crate) fn state_name(&self, state: u8) -> &str {
        self.states.get(usize::from(state)).map_or("", |state| &state.name)
    }

    pub(crate) fn state_named(&self, name: &str) -> Option<u8> {
        let at = self.states.iter().position(|state| *state.name == *name)?;
        u8::try_from(at).ok()
    }

    pub(crate) fn is_terminal(&self, state: u8) -> bool {
        self.states.get(usize::from(state)).is_some_and(|state| state.terminal)
    }

    pub(crate) fn transition(&self, number: u16) -> Option<&Declared> {
        self.transitions.get(usize::from(number))
    }

    /// The transitions that leave a state, with their numbers.
    pub(crate) fn leaving(&self, state: u8) -> impl Iterator<Item = (u16, &Declared)> {
        let numbers = self.outgoing.get(usize::from(state)).map(Vec::as_slice).unwrap_or_default();
        numbers.iter().filter_map(|&number| Some((number, self.transition(number)?)))
    }

    /// Those of them that answer what is wanted. The first whose guard agrees is to be made.
    pub(crate) fn candidates<'a>(
        &'a self,
        state: u8,
        wanted: Wanted<'a>,
    ) -> impl Iterator<Item = (u16, &'a Declared)> + 'a {
        self.leaving(state).filter(move |(_, declared)| declared.is_wanted(wanted))
    }

    pub(crate) fn has_trigger(&self, trigger: &str) -> bool {
        self.transitions.iter().any(|declared| declared.trigger.as_deref() == Some(trigger))
    }

    /// In what another definition of the same name differs. Of guards only where they are: two closures cannot be
    /// compared.
    pub(super) fn difference(&self, other: &Definition) -> Option<&'static str> {
        let names = |this: &Definition| -> Vec<_> {
            this.states.iter().map(|state| (state.name.clone(), state.terminal)).collect()
        };
        let times = |this: &Definition| -> Vec<_> { this.states.iter().map(|state| state.stuck_after).collect() };
        let arrows = |this: &Definition| -> Vec<_> {
            let all = this.transitions.iter();
            all.map(|declared| (declared.from, declared.to, declared.trigger.clone())).collect()
        };
        let guards = |this: &Definition| -> Vec<_> {
            this.transitions.iter().map(|declared| declared.guard.is_some()).collect()
        };
        if names(self) != names(other) {
            Some("states")
        } else if self.initial != other.initial {
            Some("initial state")
        } else if arrows(self) != arrows(other) {
            Some("transitions")
        } else if guards(self) != guards(other) {
            Some("guarded transitions")
        } else if times(self) != times(other) {
            Some("times after which an entity is stuck")
        } else if self.max_entities != other.max_entities {
            Some("max_entities")
        } else {
            None
        }
    }
}
