//! In which state each thing is, and how it came there.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::units::{duration_ns, optional_duration_ns, system_time_ns};
use super::{Histogram, Refusal};

/// One state machine with all its entities, from [`Snapshot::state_machines`](crate::Snapshot::state_machines).
///
/// All of it is read at one moment, so it adds up: `begun = entities + ended + removed`, and in each state that does
/// not end an entity `entered = left + removed + entities`.
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// let machine = local.state_machine("door").state("open").state("shut")
///     .transition("open", "shut").transition("shut", "open").build()?;
/// let front = machine.entity("front")?;
/// front.to("shut").unwrap();
/// assert!(front.to("shut").is_err());
///
/// let snapshot = local.snapshot();
/// let door = snapshot.state_machine("door").unwrap();
/// assert_eq!((door.entities, door.transition_count(), door.refused_count()), (1, 1, 1));
/// assert_eq!(door.state("shut").unwrap().entities, 1);
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateMachineStats {
    /// Name of the machine.
    pub name: String,
    /// Entities alive: begun, and neither ended nor removed.
    pub entities: u64,
    /// Entities that began.
    pub begun: u64,
    /// Entities that reached a terminal state.
    pub ended: u64,
    /// Entities that were removed without one.
    pub removed: u64,
    /// Entities that were refused because as many were alive as the machine allows.
    pub entities_refused: u64,
    /// The states, in the order in which they were declared.
    pub states: Vec<StateStats>,
    /// The declared transitions, in the order in which they were declared, those that were never made included.
    pub transitions: Vec<TransitionStats>,
    /// Transitions that were refused, by the word of their [`Refusal`]; none that is 0.
    pub refused: BTreeMap<String, u64>,
    /// Guards that panicked; each refused its transition.
    pub guards_panicked: u64,
    /// Transitions that made room for newer ones in the history of their entity.
    pub history_dropped: u64,
    /// Ended entities that made room for later ones in the list of those that ended last.
    pub ended_dropped: u64,
    /// Entities that were in their state for longer than allowed.
    pub stuck_entities: u64,
    /// Those of them that have been there for longest, that one first; at most 100.
    pub stuck: Vec<EntityStats>,
    /// The entities alive that began first, the oldest first; at most 100.
    pub oldest: Vec<EntityStats>,
    /// The last transitions of all entities, the oldest first; at most 64.
    pub recent: Vec<TransitionRecord>,
}

impl StateMachineStats {
    /// The figures of a state.
    #[must_use]
    pub fn state(&self, name: &str) -> Option<&StateStats> {
        self.states.iter().find(|state| state.name == name)
    }

    /// How often entities went from one state to another, on whatever trigger.
    #[must_use]
    pub fn transitions_between(&self, from: &str, to: &str) -> u64 {
        let between = self.transitions.iter().filter(|made| made.from == from && made.to == to);
        between.fold(0, |sum, made| sum.saturating_add(made.count))
    }

    /// Transitions made, of all kinds.
    #[must_use]
    pub fn transition_count(&self) -> u64 {
        self.transitions.iter().fold(0, |sum, made| sum.saturating_add(made.count))
    }

    /// Transitions refused, for whatever reason.
    #[must_use]
    pub fn refused_count(&self) -> u64 {
        self.refused.values().fold(0, |sum, &count| sum.saturating_add(count))
    }

    /// Transitions refused for one reason.
    #[must_use]
    pub fn refused_as(&self, reason: Refusal) -> u64 {
        self.refused.get(reason.as_str()).copied().unwrap_or(0)
    }

    /// The counts and times after `earlier`; who is where, and the last transitions, as they are here.
    fn since(&self, earlier: &StateMachineStats) -> StateMachineStats {
        let refused = self.refused.iter().map(|(reason, &count)| {
            let before = earlier.refused.get(reason).copied().unwrap_or(0);
            (reason.clone(), count.saturating_sub(before))
        });
        StateMachineStats {
            begun: self.begun.saturating_sub(earlier.begun),
            ended: self.ended.saturating_sub(earlier.ended),
            removed: self.removed.saturating_sub(earlier.removed),
            entities_refused: self.entities_refused.saturating_sub(earlier.entities_refused),
            states: self.states.iter().map(|state| state.since(earlier.state(&state.name))).collect(),
            transitions: self.transitions.iter().map(|made| made.since(&earlier.transitions)).collect(),
            refused: refused.filter(|&(_, count)| count > 0).collect(),
            guards_panicked: self.guards_panicked.saturating_sub(earlier.guards_panicked),
            history_dropped: self.history_dropped.saturating_sub(earlier.history_dropped),
            ended_dropped: self.ended_dropped.saturating_sub(earlier.ended_dropped),
            ..self.clone()
        }
    }
}

/// The difference machine by machine; one that was not there before is whole.
pub(crate) fn all_since(later: &[StateMachineStats], earlier: &[StateMachineStats]) -> Vec<StateMachineStats> {
    let difference = later.iter().map(|machine| {
        let before = earlier.iter().find(|before| before.name == machine.name);
        before.map_or_else(|| machine.clone(), |before| machine.since(before))
    });
    difference.collect()
}

/// One state of a machine, over all entities.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StateStats {
    /// Name of the state.
    pub name: String,
    /// Whether it ends an entity.
    pub terminal: bool,
    /// How long an entity may stay in it before it is stuck; `None`: for ever.
    #[serde(rename = "stuck_after_ns", with = "optional_duration_ns")]
    pub stuck_after: Option<Duration>,
    /// Entities that are in it. None is in a terminal state: it ends them.
    pub entities: u64,
    /// How often it was entered, beginnings in the initial state included.
    pub entered: u64,
    /// How often it was left by a transition.
    pub left: u64,
    /// Entities that were removed while they were in it. Their stay is not among the durations.
    pub removed: u64,
    /// Time of all stays that ended in a transition, added up; saturates.
    #[serde(rename = "total_time_ns", with = "duration_ns")]
    pub total_time: Duration,
    /// How long those stays took.
    pub durations: Histogram,
}

impl StateStats {
    /// Mean time in the state, over the stays that ended in a transition; zero without one.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let nanos = self.total_time.as_nanos().checked_div(u128::from(self.left)).unwrap_or(0);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Time in the state at quantile `q`, a fraction, within 1.6 %; zero without a stay that ended in a transition.
    #[must_use]
    pub fn percentile(&self, q: f64) -> Duration {
        self.durations.percentile(q).unwrap_or_default()
    }

    fn since(&self, earlier: Option<&StateStats>) -> StateStats {
        let Some(earlier) = earlier else { return self.clone() };
        StateStats {
            entered: self.entered.saturating_sub(earlier.entered),
            left: self.left.saturating_sub(earlier.left),
            removed: self.removed.saturating_sub(earlier.removed),
            total_time: self.total_time.saturating_sub(earlier.total_time),
            durations: self.durations.since(&earlier.durations),
            ..self.clone()
        }
    }
}

/// A declared transition, and how often it was made.
#[non_exhaustive]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransitionStats {
    /// Where it leads from.
    pub from: String,
    /// Where it leads to.
    pub to: String,
    /// What causes it; `None` for one that the program makes by naming the state.
    pub trigger: Option<String>,
    /// How often it was made.
    pub count: u64,
}

impl TransitionStats {
    fn since(&self, earlier: &[TransitionStats]) -> TransitionStats {
        let same = |before: &&TransitionStats| {
            (&before.from, &before.to, &before.trigger) == (&self.from, &self.to, &self.trigger)
        };
        let before = earlier.iter().find(same).map_or(0, |before| before.count);
        TransitionStats { count: self.count.saturating_sub(before), ..self.clone() }
    }
}

/// An entity that is alive.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntityStats {
    /// Its id.
    pub id: String,
    /// The state it is in.
    pub state: String,
    /// When it began, by the wall clock.
    #[serde(rename = "begun_at_ns", with = "system_time_ns")]
    pub begun_at: SystemTime,
    /// When it came into its state, by the wall clock.
    #[serde(rename = "since_ns", with = "system_time_ns")]
    pub since: SystemTime,
    /// How long it has been there, by the monotonic clock: a jump of the wall clock does not change it.
    #[serde(rename = "time_in_state_ns", with = "duration_ns")]
    pub time_in_state: Duration,
    /// How long it may stay there before it is stuck; `None`: for ever.
    #[serde(rename = "stuck_after_ns", default, with = "optional_duration_ns")]
    pub stuck_after: Option<Duration>,
    /// Transitions it has made.
    pub transitions: u64,
}

impl EntityStats {
    /// Whether it has been in its state for longer than allowed.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.stuck_after.is_some_and(|allowed| self.time_in_state > allowed)
    }
}

/// An entity that reached a terminal state.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedEntity {
    /// Its id. Another entity of the same id may have begun since.
    pub id: String,
    /// The terminal state.
    pub state: String,
    /// When it began, by the wall clock.
    #[serde(rename = "begun_at_ns", with = "system_time_ns")]
    pub begun_at: SystemTime,
    /// When it ended, by the wall clock.
    #[serde(rename = "ended_at_ns", with = "system_time_ns")]
    pub ended_at: SystemTime,
    /// How long it lived, by the monotonic clock.
    #[serde(rename = "lifetime_ns", with = "duration_ns")]
    pub lifetime: Duration,
    /// Transitions it made.
    pub transitions: u64,
    /// The last of them, the oldest first; at most 32.
    pub history: Vec<TransitionRecord>,
}

/// One transition that an entity made.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitionRecord {
    /// Id of the entity.
    pub entity: String,
    /// The state it left.
    pub from: String,
    /// The state it came to.
    pub to: String,
    /// The trigger that caused it, if it was one.
    pub trigger: Option<String>,
    /// When, by the wall clock.
    #[serde(rename = "at_ns", with = "system_time_ns")]
    pub at: SystemTime,
    /// How long it had been in the state it left, by the monotonic clock.
    #[serde(rename = "time_in_state_ns", with = "duration_ns")]
    pub time_in_state: Duration,
}

/// `scanning → copying (scanned)`.
impl fmt::Display for TransitionRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.from, self.to)?;
        self.trigger.iter().try_for_each(|trigger| write!(f, " ({trigger})"))
    }
}

#[cfg(test)]
#[path = "state_machine_tests.rs"]
pub(super) mod tests;
