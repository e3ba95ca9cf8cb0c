//! Operations that are begun and ended in different places, by id: which run, and the last that ended.
//!
//! One table under one lock, so that of several that begin or end an id at the same time exactly one does. At most
//! [`RUNNING`] operations run at a time; the last [`ENDED`] that ended are remembered, to tell "has ended" from "was
//! never begun". A reader takes the handles under the lock and the words afterwards.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::base::clock::{Anchor, Clock};
use crate::model::ledger::{STEPS, STEPS_OVER};
use crate::model::{ByIdDetail, FieldValue, OperationStatus, Outcome, StepTiming};

/// Operations by id that may run at a time.
pub(crate) const RUNNING: usize = 10_000;
/// Operations that ended and are remembered.
pub(crate) const ENDED: usize = 1_024;

/// All operations by id of one monitor, `C` being what its recorder knows a call by.
pub(crate) struct OperationsById<C> {
    table: Mutex<Table<C>>,
}

struct Table<C> {
    running: BTreeMap<Arc<str>, Arc<Entry<C>>>,
    /// The last end of each id that is among the last ends of all.
    ended: BTreeMap<Arc<str>, Arc<Entry<C>>>,
    /// In the order in which they ended. An id that ended twice stands here twice.
    order: VecDeque<Arc<Entry<C>>>,
    displaced: u64,
}

/// Why an operation could not be begun, moved to a step or ended.
pub(crate) enum Refused<C> {
    AlreadyRunning(Arc<Entry<C>>),
    NeverBegun,
    AlreadyEnded(Arc<Entry<C>>),
    TooMany,
    /// Asked from within a slow path of the recorder, which may hold the lock.
    Reentrant,
}

/// What the program says of an operation when it begins. Texts are bounded already.
pub(crate) struct Plan {
    pub(crate) id: Arc<str>,
    pub(crate) name: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) component: Box<str>,
    pub(crate) worker: Option<Box<str>>,
    pub(crate) input_bytes: Option<u64>,
    pub(crate) fields: Vec<(&'static str, FieldValue)>,
}

/// What it says when the operation ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) outcome: Outcome,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) output_bytes: Option<u64>,
}

/// One operation, from its beginning on.
pub(crate) struct Entry<C> {
    pub(crate) plan: Plan,
    /// The call that it is recorded as; `None` when the monitor was switched off as it began.
    pub(crate) call: Option<C>,
    pub(crate) since: u64,
    /// Whether other processes know of it.
    pub(crate) shared: bool,
    /// Changed with the lock of the table held, read without it.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    steps: Vec<Step>,
    steps_over: u64,
    end: Option<(End, u64)>,
}

struct Step {
    name: Box<str>,
    since: u64,
    /// Of a step that has ended.
    ns: u64,
}

impl<C> Entry<C> {
    pub(crate) fn new(plan: Plan, call: Option<C>, since: u64, shared: bool) -> Self {
        Self { plan, call, since, shared, state: Mutex::default() }
    }

    /// How long it took; `None` while it runs.
    pub(crate) fn duration_ns(&self) -> Option<u64> {
        self.state.lock().end.map(|(_, ns)| ns)
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.state.lock().end.map(|(end, _)| end.outcome)
    }

    /// Everything about it.
    pub(crate) fn status(&self, anchor: &Anchor<'_>) -> OperationStatus {
        // All of it under the lock once: it may end at any moment.
        let state = self.state.lock();
        let (by_id, end) = (self.detail_in(&state, anchor), state.end);
        // A step may have begun after the anchor was set, and then the ones before it lasted longer than to the anchor.
        let so_far = || anchor.age(self.since).max(by_id.steps.iter().map(|step| step.duration).sum());
        OperationStatus {
            name: self.plan.name.to_string(),
            kind: self.plan.kind.to_string(),
            component: self.plan.component.to_string(),
            outcome: end.map(|(end, _)| end.outcome),
            started_at: anchor.wall_time(self.since),
            duration: end.map_or_else(so_far, |(_, ns)| Duration::from_nanos(ns)),
            items: end.map_or(0, |(end, _)| end.items),
            bytes: end.map_or(0, |(end, _)| end.bytes),
            by_id,
        }
    }

    /// What it has beyond other operations.
    pub(crate) fn detail(&self, anchor: &Anchor<'_>) -> ByIdDetail {
        self.detail_in(&self.state.lock(), anchor)
    }

    fn detail_in(&self, state: &State, anchor: &Anchor<'_>) -> ByIdDetail {
        let mut steps: Vec<_> = state.steps.iter().map(|step| StepTiming::new(&step.name, step.ns)).collect();
        if let (None, Some(running), Some(timing)) = (state.end, state.steps.last(), steps.last_mut()) {
            timing.duration = anchor.age(running.since);
        }
        ByIdDetail {
            id: self.plan.id.to_string(),
            worker: self.plan.worker.as_deref().map(str::to_owned),
            input_bytes: self.plan.input_bytes,
            output_bytes: state.end.and_then(|(end, _)| end.output_bytes),
            steps,
            steps_over: state.steps_over,
        }
    }
}

impl State {
    /// The moment at which something changes: not before the last change. A thread reads the clock before it has the lock,
    /// so of two the later one may be the first to change something.
    fn moment(&self, began: u64, now: u64) -> u64 {
        now.max(self.steps.last().map_or(began, |step| step.since))
    }

    fn end_step(&mut self, now: u64, clock: &Clock) {
        if let Some(step) = self.steps.last_mut() {
            step.ns = clock.nanos_between(step.since, now);
        }
    }
}

impl<C> Default for OperationsById<C> {
    fn default() -> Self {
        let table = Table { running: BTreeMap::new(), ended: BTreeMap::new(), order: VecDeque::new(), displaced: 0 };
        Self { table: Mutex::new(table) }
    }
}

impl<C> OperationsById<C> {
    /// Whether an operation of that id could begin at this moment: for whoever has work before it does.
    pub(crate) fn may_begin(&self, id: &str) -> Result<(), Refused<C>> {
        self.table.lock().may_begin(id)
    }

    /// Begins an operation. `count` runs under the lock: whoever ends the operation finds it counted.
    pub(crate) fn begin(&self, entry: Entry<C>, count: impl FnOnce()) -> Result<(), Refused<C>> {
        let entry = Arc::new(entry);
        let mut table = self.table.lock();
        table.may_begin(&entry.plan.id)?;
        count();
        table.running.insert(Arc::clone(&entry.plan.id), Arc::clone(&entry));
        Ok(())
    }

    /// Ends an operation at a reading of the clock.
    pub(crate) fn end(&self, id: &str, end: End, now: u64, clock: &Clock) -> Result<Arc<Entry<C>>, Refused<C>> {
        let mut table = self.table.lock();
        let Some(entry) = table.running.remove(id) else { return Err(table.missing(id)) };
        {
            let mut state = entry.state.lock();
            let now = state.moment(entry.since, now);
            state.end_step(now, clock);
            state.end = Some((end, clock.nanos_between(entry.since, now)));
        }
        let earlier = table.ended.insert(Arc::clone(&entry.plan.id), Arc::clone(&entry));
        table.order.push_back(Arc::clone(&entry));
        let mut displaced = None;
        if table.order.len() > ENDED {
            displaced = table.order.pop_front();
            table.displaced += 1;
            // Unless that id has ended once more since.
            if let Some(old) = &displaced
                && table.ended.get(&old.plan.id).is_some_and(|newest| Arc::ptr_eq(newest, old))
            {
                table.ended.remove(&old.plan.id);
            }
        }
        // What is forgotten is freed when the lock is gone.
        drop(table);
        drop((earlier, displaced));
        Ok(entry)
    }

    /// Ends the step that an operation is in and begins the next one.
    pub(crate) fn step(&self, id: &str, name: Box<str>, now: u64, clock: &Clock) -> Result<(), Refused<C>> {
        let table = self.table.lock();
        let Some(entry) = table.running.get(id) else { return Err(table.missing(id)) };
        let mut state = entry.state.lock();
        if state.steps.len() > STEPS {
            state.steps_over += 1;
            return Ok(());
        }
        let now = state.moment(entry.since, now);
        state.end_step(now, clock);
        let over = state.steps.len() == STEPS;
        state.steps_over += u64::from(over);
        let name = if over { STEPS_OVER.into() } else { name };
        state.steps.push(Step { name, since: now, ns: 0 });
        Ok(())
    }

    /// Takes an operation out that is over without having ended here, if it is the one that is meant.
    pub(crate) fn leave(&self, id: &str, is_meant: impl FnOnce(&Entry<C>) -> bool) -> Option<Arc<Entry<C>>> {
        let mut table = self.table.lock();
        table.running.get(id).is_some_and(|entry| is_meant(entry)).then(|| table.running.remove(id)).flatten()
    }

    /// The operation of an id, if it runs.
    pub(crate) fn find_running(&self, id: &str) -> Option<Arc<Entry<C>>> {
        self.table.lock().running.get(id).cloned()
    }

    /// The operation of an id, if it runs, or else its last end.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Entry<C>>> {
        let table = self.table.lock();
        table.running.get(id).or_else(|| table.ended.get(id)).cloned()
    }

    /// All that run.
    pub(crate) fn running(&self) -> Vec<Arc<Entry<C>>> {
        self.table.lock().running.values().cloned().collect()
    }

    /// Ends that are no longer remembered.
    pub(crate) fn displaced(&self) -> u64 {
        self.table.lock().displaced
    }
}

impl<C> Table<C> {
    fn may_begin(&self, id: &str) -> Result<(), Refused<C>> {
        match self.running.get(id) {
            Some(entry) => Err(Refused::AlreadyRunning(Arc::clone(entry))),
            None if self.running.len() >= RUNNING => Err(Refused::TooMany),
            None => Ok(()),
        }
    }

    /// Why there is nothing to end.
    fn missing(&self, id: &str) -> Refused<C> {
        self.ended.get(id).map_or(Refused::NeverBegun, |entry| Refused::AlreadyEnded(Arc::clone(entry)))
    }
}
