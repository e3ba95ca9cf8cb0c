//! The states of an enum, as its derive or its author writes them down.

use std::time::Duration;

/// An enum whose values are the states of a machine. `#[derive(MonitorState)]` implements it.
///
/// By hand, for states that come from elsewhere:
///
/// ```
/// use std::time::Duration;
/// use monitor_core::{Monitor, MonitorState, StateSpec, TransitionSpec};
///
/// #[derive(Debug, PartialEq)]
/// enum Door { Open, Shut }
///
/// impl MonitorState for Door {
///     const NAME: &'static str = "door";
///     const STATES: &'static [StateSpec] = &[
///         StateSpec::new("open").transitions(&[TransitionSpec::to(1)]),
///         StateSpec::new("shut").transitions(&[TransitionSpec::to(0).on("knock")]),
///     ];
///     fn initial() -> Self { Door::Open }
///     fn index(&self) -> usize { match self { Door::Open => 0, Door::Shut => 1 } }
///     fn from_index(index: usize) -> Option<Self> { [Door::Open, Door::Shut].into_iter().nth(index) }
/// }
///
/// let local = Monitor::builder().build()?;
/// let front = local.state_machine_of::<Door>()?.entity("front")?;
/// front.to(Door::Shut).unwrap();
/// front.trigger("knock").unwrap();
/// assert_eq!(front.state(), Door::Open);
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub trait MonitorState: Sized + 'static {
    /// Name of the machine.
    const NAME: &'static str;

    /// The states; the place of a value among them is its [`index`](Self::index).
    const STATES: &'static [StateSpec];

    /// How long an entity may stay in a state that says nothing of its own. Default: 15 minutes; `None`: for ever.
    const STUCK_AFTER: Option<Duration> = Some(Duration::from_mins(15));

    /// The state in which entities begin.
    fn initial() -> Self;

    /// The place of this state among [`STATES`](Self::STATES).
    fn index(&self) -> usize;

    /// The state at a place among [`STATES`](Self::STATES); `None` beyond the last.
    fn from_index(index: usize) -> Option<Self>;
}

/// A state of a [`MonitorState`].
#[derive(Debug, Clone, Copy)]
pub struct StateSpec {
    pub(super) name: &'static str,
    pub(super) terminal: bool,
    pub(super) stuck_after: Limit,
    pub(super) transitions: &'static [TransitionSpec],
}

/// How long an entity may stay in a state.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    OfTheMachine,
    Own(Option<Duration>),
}

impl StateSpec {
    /// A state of that name.
    #[must_use]
    pub const fn new(name: &'static str) -> StateSpec {
        StateSpec { name, terminal: false, stuck_after: Limit::OfTheMachine, transitions: &[] }
    }

    /// Makes it terminal: it ends the entity that reaches it.
    #[must_use]
    pub const fn terminal(self) -> StateSpec {
        StateSpec { terminal: true, ..self }
    }

    /// The transitions that leave it.
    #[must_use]
    pub const fn transitions(self, transitions: &'static [TransitionSpec]) -> StateSpec {
        StateSpec { transitions, ..self }
    }

    /// How long an entity may stay in it before it is stuck; `None`: for ever. Default: as the machine says.
    #[must_use]
    pub const fn stuck_after(self, limit: Option<Duration>) -> StateSpec {
        StateSpec { stuck_after: Limit::Own(limit), ..self }
    }
}

/// A transition of a [`MonitorState`].
#[derive(Debug, Clone, Copy)]
pub struct TransitionSpec {
    pub(super) to: usize,
    pub(super) trigger: Option<&'static str>,
}

impl TransitionSpec {
    /// A transition to the state at that place, by naming it.
    #[must_use]
    pub const fn to(index: usize) -> TransitionSpec {
        TransitionSpec { to: index, trigger: None }
    }

    /// Makes it one that a trigger causes, and no longer the naming of the state.
    #[must_use]
    pub const fn on(self, trigger: &'static str) -> TransitionSpec {
        TransitionSpec { trigger: Some(trigger), ..self }
    }
}
