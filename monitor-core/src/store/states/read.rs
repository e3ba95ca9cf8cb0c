//! A machine as plain values.
//!
//! Under the lock a reader copies sums, times and shared ids; names are written and lists sorted when it is gone.

use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::cell::EntityCell;
use super::definition::Definition;
use super::machine::{Ended, Machine, Slot, Step};
use crate::base::clock::Anchor;
use crate::model::{EndedEntity, EntityStats, StateMachineStats, StateStats, TransitionRecord, TransitionStats};

/// Entities in each list of a snapshot.
const LISTED: usize = 100;

/// What is copied of an entity under the lock.
struct Copied {
    cell: Arc<EntityCell>,
    state: u8,
    begun: u64,
    since: u64,
    transitions: u64,
}

impl Slot {
    fn copied(&self) -> Option<Copied> {
        let Slot { state, begun, since, transitions, .. } = *self;
        self.cell.as_ref().map(|cell| Copied { cell: cell.clone(), state, begun, since, transitions })
    }
}

/// The places with the earliest readings, no more than are listed.
struct Earliest(BinaryHeap<(u64, usize)>);

impl Earliest {
    fn new() -> Earliest {
        Earliest(BinaryHeap::with_capacity(LISTED + 1))
    }

    fn offer(&mut self, reading: u64, slot: usize) {
        if self.0.len() < LISTED {
            self.0.push((reading, slot));
        } else if let Some(mut latest) = self.0.peek_mut()
            && (reading, slot) < *latest
        {
            *latest = (reading, slot);
        }
    }

    fn copied(&self, slots: &[Slot], into: &mut Vec<Copied>) {
        into.extend(self.0.iter().filter_map(|&(_, slot)| slots.get(slot)?.copied()));
    }
}

impl Machine {
    /// All figures of the machine at this moment.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> StateMachineStats {
        let definition = &*self.definition;
        let limits: Vec<Duration> = definition.states.iter().map(|s| s.stuck_after.unwrap_or(Duration::MAX)).collect();
        let (mut stuck, mut oldest) = (Earliest::new(), Earliest::new());
        let (mut stuck_copied, mut oldest_copied) = (Vec::with_capacity(LISTED), Vec::with_capacity(LISTED));
        let mut stuck_entities = 0;

        let inner = self.inner.lock();
        for (at, slot) in inner.slots.iter().enumerate().filter(|(_, slot)| slot.cell.is_some()) {
            oldest.offer(slot.begun, at);
            if limits.get(usize::from(slot.state)).is_some_and(|&limit| anchor.age(slot.since) > limit) {
                stuck_entities += 1;
                stuck.offer(slot.since, at);
            }
        }
        stuck.copied(&inner.slots, &mut stuck_copied);
        oldest.copied(&inner.slots, &mut oldest_copied);
        let figures = inner.figures.clone();
        let recent = inner.recent.clone();
        drop(inner);

        let states = definition.states.iter().zip(figures.states).map(|(state, figures)| StateStats {
            name: state.name.to_string(),
            terminal: state.terminal,
            stuck_after: state.stuck_after,
            // In a terminal state they have ended.
            entities: if state.terminal { 0 } else { figures.entered.saturating_sub(figures.left + figures.removed) },
            entered: figures.entered,
            left: figures.left,
            removed: figures.removed,
            total_time: Duration::from_nanos(figures.total_ns),
            durations: figures.durations,
        });
        let transitions = definition.transitions.iter().zip(figures.made).map(|(declared, count)| TransitionStats {
            from: definition.state_name(declared.from).to_owned(),
            to: definition.state_name(declared.to).to_owned(),
            trigger: declared.trigger.as_deref().map(str::to_owned),
            count,
        });
        let refused = self.refusals().filter(|&(_, count)| count > 0);
        sort_by(&mut stuck_copied, |entity| entity.since);
        sort_by(&mut oldest_copied, |entity| entity.begun);
        StateMachineStats {
            name: definition.name.to_string(),
            entities: figures.begun.saturating_sub(figures.ended + figures.removed),
            begun: figures.begun,
            ended: figures.ended,
            removed: figures.removed,
            entities_refused: self.entities_refused.load(Ordering::Relaxed),
            states: states.collect(),
            transitions: transitions.collect(),
            refused: refused.map(|(reason, count)| (reason.as_str().to_owned(), count)).collect(),
            guards_panicked: self.guards_panicked.load(Ordering::Relaxed),
            history_dropped: figures.history_dropped,
            ended_dropped: figures.ended_dropped,
            stuck_entities,
            stuck: stuck_copied.iter().map(|entity| entity.stats(definition, anchor)).collect(),
            oldest: oldest_copied.iter().map(|entity| entity.stats(definition, anchor)).collect(),
            recent: recent.iter().map(|(id, step)| step.record(definition, id, anchor)).collect(),
        }
    }

    /// All entities that are alive, those that began first before the others.
    pub(crate) fn entities(&self, anchor: &Anchor<'_>) -> Vec<EntityStats> {
        // Room is made before the lock is taken; entities that begin in between are few.
        let expected = self.inner.lock().slots.len();
        let mut copied: Vec<Copied> = Vec::with_capacity(expected);
        copied.extend(self.inner.lock().slots.iter().filter_map(Slot::copied));
        sort_by(&mut copied, |entity| entity.begun);
        copied.iter().map(|entity| entity.stats(&self.definition, anchor)).collect()
    }

    /// The entities that ended last, the newest first.
    pub(crate) fn ended(&self, anchor: &Anchor<'_>) -> Vec<EndedEntity> {
        let ended = self.inner.lock().ended.clone();
        ended.iter().rev().map(|entity| entity.told(&self.definition, anchor)).collect()
    }
}

/// The earliest first; those of one moment by id.
fn sort_by(entities: &mut [Copied], reading: impl Fn(&Copied) -> u64) {
    entities.sort_by(|a, b| reading(a).cmp(&reading(b)).then_with(|| a.cell.id.cmp(&b.cell.id)));
}

impl Copied {
    fn stats(&self, definition: &Definition, anchor: &Anchor<'_>) -> EntityStats {
        EntityStats {
            id: self.cell.id.to_string(),
            state: definition.state_name(self.state).to_owned(),
            begun_at: anchor.wall_time(self.begun),
            since: anchor.wall_time(self.since),
            time_in_state: anchor.age(self.since),
            stuck_after: definition.states.get(usize::from(self.state)).and_then(|state| state.stuck_after),
            transitions: self.transitions,
        }
    }
}

impl Ended {
    fn told(&self, definition: &Definition, anchor: &Anchor<'_>) -> EndedEntity {
        EndedEntity {
            id: self.cell.id.to_string(),
            state: definition.state_name(self.cell.status().state()).to_owned(),
            begun_at: anchor.wall_time(self.begun),
            ended_at: anchor.wall_time(self.at),
            lifetime: Duration::from_nanos(self.lifetime_ns),
            transitions: self.transitions,
            history: self.history.iter().map(|step| step.record(definition, &self.cell.id, anchor)).collect(),
        }
    }
}

impl Step {
    pub(crate) fn record(&self, definition: &Definition, entity: &str, anchor: &Anchor<'_>) -> TransitionRecord {
        let declared = definition.transition(self.transition);
        let name = |state: Option<u8>| state.map_or("", |state| definition.state_name(state)).to_owned();
        TransitionRecord {
            entity: entity.to_owned(),
            from: name(declared.map(|declared| declared.from)),
            to: name(declared.map(|declared| declared.to)),
            trigger: declared.and_then(|declared| declared.trigger.as_deref()).map(str::to_owned),
            at: anchor.wall_time(self.at),
            time_in_state: Duration::from_nanos(self.stayed_ns),
        }
    }
}
