//! The entities of one machine, and their way from state to state.
//!
//! One lock holds all of them: a transition changes the entity, two states and a count, and a reader that saw one of
//! these without the others would see entities that are nowhere or twice. What is done under it is a few stores; no
//! guard and no other code of the host runs there. Numbers that name nothing cannot come up; where the types allow
//! them, nothing is done.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;
use parking_lot::Mutex;

use super::cell::{EntityCell, Status};
use super::definition::{Declared, Definition, Wanted};
use crate::base::clock::Clock;
use crate::model::{Histogram, Refusal};

/// Transitions in the history of an entity.
pub(crate) const HISTORY: usize = 32;
/// Ended entities that a machine remembers.
pub(super) const ENDED: usize = 256;
/// Transitions of all entities that a machine remembers.
pub(super) const RECENT: usize = 64;

pub(crate) struct Machine {
    pub(crate) definition: Arc<Definition>,
    pub(super) inner: Mutex<Inner>,
    refused: [AtomicU64; Refusal::ALL.len()],
    pub(crate) guards_panicked: AtomicU64,
    pub(super) entities_refused: AtomicU64,
}

/// One transition that was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Its number in the definition.
    pub(crate) transition: u16,
    /// Reading of the clock.
    pub(crate) at: u64,
    /// Time in the state that was left.
    pub(crate) stayed_ns: u64,
}

/// What became of a transition that was asked for.
pub(crate) enum Stepped {
    Made(Step),
    /// A guard has to be asked first.
    Guarded,
    /// Not made, by an entity that is in this state.
    Refused(u8, Refusal),
}

pub(super) struct Inner {
    pub(super) slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: HashMap<Arc<str>, u32, RandomState>,
    pub(super) ended: VecDeque<Ended>,
    pub(super) recent: VecDeque<(Arc<str>, Step)>,
    pub(super) figures: Figures,
    /// The latest reading of the clock: two threads may come here in another order than they read it.
    latest: u64,
}

/// The sums of a machine; copied for a reader.
#[derive(Clone, Default)]
pub(super) struct Figures {
    pub(super) states: Vec<StateFigures>,
    /// How often each transition was made.
    pub(super) made: Vec<u64>,
    pub(super) begun: u64,
    pub(super) ended: u64,
    pub(super) removed: u64,
    pub(super) history_dropped: u64,
    pub(super) ended_dropped: u64,
}

#[derive(Clone, Default)]
pub(super) struct StateFigures {
    pub(super) entered: u64,
    pub(super) left: u64,
    pub(super) removed: u64,
    pub(super) total_ns: u64,
    pub(super) durations: Histogram,
}

/// The place of one entity. Small, and without its history: a reader goes through all of them under the lock.
pub(super) struct Slot {
    /// `None`: free.
    pub(super) cell: Option<Arc<EntityCell>>,
    pub(super) begun: u64,
    pub(super) since: u64,
    pub(super) transitions: u64,
    pub(super) state: u8,
    #[expect(
        clippy::box_collection,
        reason = "one word in a list that is gone through; made with the first transition"
    )]
    history: Option<Box<VecDeque<Step>>>,
}

/// An entity that reached a terminal state.
#[derive(Clone)]
pub(super) struct Ended {
    pub(super) cell: Arc<EntityCell>,
    pub(super) begun: u64,
    pub(super) at: u64,
    pub(super) lifetime_ns: u64,
    pub(super) transitions: u64,
    pub(super) history: VecDeque<Step>,
}

impl Machine {
    pub(super) fn new(definition: Definition) -> Machine {
        let figures = Figures {
            states: vec![StateFigures::default(); definition.states.len()],
            made: vec![0; definition.transitions.len()],
            ..Figures::default()
        };
        let inner = Inner {
            slots: Vec::new(),
            free: Vec::new(),
            by_id: HashMap::default(),
            ended: VecDeque::new(),
            recent: VecDeque::with_capacity(RECENT),
            figures,
            latest: 0,
        };
        Machine {
            definition: Arc::new(definition),
            inner: Mutex::new(inner),
            refused: Default::default(),
            guards_panicked: AtomicU64::new(0),
            entities_refused: AtomicU64::new(0),
        }
    }

    /// The entity of that id, which begins now if there is none; `None` if there are as many as may be.
    pub(crate) fn entity(&self, id: &str, now: u64) -> Option<Arc<EntityCell>> {
        let mut inner = self.inner.lock();
        if let Some(known) = inner.find(id) {
            return Some(known);
        }
        if inner.by_id.len() >= self.definition.max_entities {
            drop(inner);
            self.entities_refused.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        inner.begin(id, self.definition.initial, now)
    }

    /// The entity of that id, if one is alive.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<EntityCell>> {
        self.inner.lock().find(id)
    }

    /// Gives up the entity of that id; whether there was one.
    pub(crate) fn remove(&self, id: &str) -> bool {
        self.inner.lock().remove(id)
    }

    /// Makes a transition that no guard has to be asked about.
    pub(crate) fn step(&self, cell: &EntityCell, wanted: Wanted<'_>, clock: &Clock, now: u64) -> Stepped {
        let definition = &*self.definition;
        let mut inner = self.inner.lock();
        let status = cell.status();
        let state = status.state();
        if let Some(gone) = status.gone() {
            return Stepped::Refused(state, gone);
        }
        let Some((number, declared)) = definition.candidates(state, wanted).next() else {
            drop(inner);
            let reason = match wanted {
                Wanted::Unknown(_) => Refusal::UnknownState,
                Wanted::Trigger(trigger) if !definition.has_trigger(trigger) => Refusal::UnknownTrigger,
                _ => Refusal::Undeclared,
            };
            return Stepped::Refused(state, reason);
        };
        if declared.guard.is_some() {
            return Stepped::Guarded;
        }
        inner
            .make(definition, cell, number, declared, clock, now)
            .map_or(Stepped::Refused(state, Refusal::Removed), Stepped::Made)
    }

    /// Makes a transition whose guard has agreed, if the entity has not moved since; `None` if it has.
    pub(crate) fn step_if(
        &self,
        cell: &EntityCell,
        seen: Status,
        number: u16,
        clock: &Clock,
        now: u64,
    ) -> Option<Step> {
        let declared = self.definition.transition(number)?;
        let mut inner = self.inner.lock();
        // Removed between the two, it has no place any more: that may be another entity's by now.
        if cell.status() != seen || seen.gone().is_some() {
            return None;
        }
        inner.make(&self.definition, cell, number, declared, clock, now)
    }

    /// The last transitions of an entity, the oldest first. Of one that has ended as long as the machine remembers it.
    pub(crate) fn history(&self, cell: &EntityCell) -> Vec<Step> {
        let mut steps = Vec::with_capacity(HISTORY);
        let inner = self.inner.lock();
        if let Some(slot) = inner.slot_of(cell) {
            steps.extend(slot.history.iter().flat_map(|history| history.iter()));
        } else if let Some(ended) = inner.ended.iter().rev().find(|ended| std::ptr::eq(Arc::as_ptr(&ended.cell), cell))
        {
            steps.extend(&ended.history);
        }
        steps
    }

    /// When the entity came into its state, while it is alive.
    pub(crate) fn in_state_since(&self, cell: &EntityCell) -> Option<u64> {
        self.inner.lock().slot_of(cell).map(|slot| slot.since)
    }

    pub(crate) fn count_refusal(&self, reason: Refusal) {
        if let Some(count) = Refusal::ALL.iter().position(|&known| known == reason).and_then(|at| self.refused.get(at))
        {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.refused.iter().map(|count| count.load(Ordering::Relaxed)))
    }
}

impl Inner {
    fn find(&self, id: &str) -> Option<Arc<EntityCell>> {
        let slot = *self.by_id.get(id)?;
        self.slots.get(slot as usize)?.cell.clone()
    }

    fn slot_of(&self, cell: &EntityCell) -> Option<&Slot> {
        cell.status().gone().is_none().then(|| self.slots.get(cell.slot as usize)).flatten()
    }

    fn begin(&mut self, id: &str, initial: u8, now: u64) -> Option<Arc<EntityCell>> {
        let now = self.not_before(now);
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => u32::try_from(self.slots.len()).ok()?,
        };
        let id: Arc<str> = id.into();
        let cell = Arc::new(EntityCell::new(id.clone(), slot, initial));
        let begun =
            Slot { cell: Some(cell.clone()), begun: now, since: now, transitions: 0, state: initial, history: None };
        match self.slots.get_mut(slot as usize) {
            Some(place) => *place = begun,
            None => self.slots.push(begun),
        }
        self.by_id.insert(id, slot);
        self.figures.begun += 1;
        self.figures.states.get_mut(usize::from(initial))?.entered += 1;
        Some(cell)
    }

    fn remove(&mut self, id: &str) -> bool {
        let Some(slot) = self.by_id.remove(id) else { return false };
        let Some(place) = self.slots.get_mut(slot as usize) else { return false };
        let Some(cell) = place.cell.take() else { return false };
        place.history = None;
        cell.set(cell.status().removed());
        self.free.push(slot);
        self.figures.removed += 1;
        if let Some(state) = self.figures.states.get_mut(usize::from(cell.status().state())) {
            state.removed += 1;
        }
        true
    }

    fn not_before(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn make(
        &mut self,
        definition: &Definition,
        cell: &EntityCell,
        number: u16,
        declared: &Declared,
        clock: &Clock,
        now: u64,
    ) -> Option<Step> {
        let at = self.not_before(now);
        let slot = self.slots.get_mut(cell.slot as usize)?;
        let stayed_ns = clock.nanos_between(slot.since, at);
        let step = Step { transition: number, at, stayed_ns };

        let left = self.figures.states.get_mut(usize::from(declared.from))?;
        left.left += 1;
        left.total_ns = left.total_ns.saturating_add(stayed_ns);
        left.durations.record(stayed_ns);
        self.figures.states.get_mut(usize::from(declared.to))?.entered += 1;
        *self.figures.made.get_mut(usize::from(number))? += 1;

        let history = slot.history.get_or_insert_default();
        if history.len() >= HISTORY {
            history.pop_front();
            self.figures.history_dropped += 1;
        }
        history.push_back(step);
        if self.recent.len() >= RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back((cell.id.clone(), step));

        slot.transitions += 1;
        slot.state = declared.to;
        slot.since = at;
        let status = Status::alive(declared.to, slot.transitions);
        if definition.is_terminal(declared.to) {
            cell.set(status.ended());
            self.retire(cell.slot, at, clock);
        } else {
            cell.set(status);
        }
        Some(step)
    }

    /// Moves an entity that has ended to the list of those. Its id is free again.
    fn retire(&mut self, slot: u32, at: u64, clock: &Clock) {
        let Some(place) = self.slots.get_mut(slot as usize) else { return };
        let Some(cell) = place.cell.take() else { return };
        self.by_id.remove(&cell.id);
        self.free.push(slot);
        self.figures.ended += 1;
        if self.ended.len() >= ENDED {
            self.ended.pop_front();
            self.figures.ended_dropped += 1;
        }
        let history = place.history.take().map_or_else(VecDeque::new, |history| *history);
        let Slot { begun, transitions, .. } = *place;
        let lifetime_ns = clock.nanos_between(begun, at);
        self.ended.push_back(Ended { cell, begun, at, lifetime_ns, transitions, history });
    }
}
