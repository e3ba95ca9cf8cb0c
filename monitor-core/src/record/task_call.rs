//! One tracked future from its first poll to its end.
//!
//! A future carries its own frame: each poll puts it on the stack of the thread that polls, and takes it off again,
//! together with what the guards inside left there. So what runs inside finds the right parent on any thread. Its
//! total time is that from the first poll to the end; its busy time is what its polls took; its own (self) time is the
//! busy time less what tracked calls inside took, since time spent waiting is nobody's work.

use std::task::Poll;

use super::call::{add_extras, count_outcome, meet, next_weight, parent_of, sorted, start_of};
use super::call_site::CallSite;
use super::cell::{Cell, Recording};
use super::context::{lineage_above_all, park_above, unpark};
use super::failure::Failure;
use super::lineage::Lineage;
use super::local::{attach, cell_of, current, is_current, scope, with_borrowed};
use super::note::{Ended, Extras, Parent, note};
use super::quiet::quietly;
use super::recorder::{Holder, RecorderRef, Shard};
use super::registry::Identity;
use super::roster::Seat;
use super::scope::{Scope, lineage_of};
use super::stack::SavedFrame;
use super::tasks::TaskSlot;
use crate::model::{FieldValue, Outcome};

/// What a future is tracked as.
#[derive(Debug)]
pub(crate) enum Origin {
    /// A place that the attribute marked, with labels known only at run time.
    Site(&'static CallSite, Vec<(&'static str, String)>),
    /// A name given at run time.
    Named(Box<Name>),
}

/// An identity that is kept until the first poll.
#[derive(Debug)]
pub(crate) struct Name {
    pub(crate) text: String,
    pub(crate) kind: String,
    pub(crate) component: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) recording: Recording,
    pub(crate) sample: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Never polled: nothing is recorded.
    New,
    Running,
    Done,
}

/// The tracking of one future.
pub(crate) struct TaskCall {
    state: State,
    origin: Origin,
    recorder: Option<RecorderRef>,
    series: u32,
    id: u64,
    since: u64,
    weight: u64,
    /// The call that the first poll was made in.
    parent: Option<Parent>,
    /// Known after the first poll, if that was not the last one.
    lineage: Option<Lineage>,
    polls: u64,
    busy_ns: u64,
    children_ns: u64,
    slot: Option<TaskSlot>,
    /// Calls above this one when it was suspended.
    parked: Vec<u64>,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) fields: Vec<(&'static str, FieldValue)>,
}

/// The end of a future, for whoever read its output to say how it ended. Dropped unsaid: success.
pub struct TaskEnd<'a> {
    task: &'a mut TaskCall,
    stay: Option<Stay>,
}

impl TaskEnd<'_> {
    /// Adds items that the future worked on.
    #[inline]
    pub fn add_items(&mut self, items: u64) {
        self.task.items = self.task.items.saturating_add(items);
    }

    /// The future succeeded.
    #[inline]
    pub fn succeed(self) {}

    /// The future failed.
    pub fn fail(mut self, error: &dyn Failure) {
        self.end(Outcome::Failure, Some(error));
    }

    /// The future failed, and nothing is known of why.
    pub fn fail_plain(mut self) {
        self.end(Outcome::Failure, None);
    }

    #[inline]
    fn end(&mut self, outcome: Outcome, error: Option<&dyn Failure>) {
        if let Some(stay) = self.stay.take() {
            self.task.end(stay, outcome, error);
        }
    }
}

impl Drop for TaskEnd<'_> {
    #[inline]
    fn drop(&mut self) {
        self.end(Outcome::Success, None);
    }
}

/// One stay of the future on a thread's stack.
#[derive(Clone, Copy)]
struct Stay {
    seat: *const Seat<Shard>,
    /// Its frame; zero if there was no room for it.
    frame: u64,
    entered: u64,
}

impl TaskCall {
    pub(crate) fn new(origin: Origin) -> Self {
        Self {
            state: if cfg!(feature = "enabled") { State::New } else { State::Done },
            origin,
            recorder: None,
            series: 0,
            id: 0,
            since: 0,
            weight: 1,
            parent: None,
            lineage: None,
            polls: 0,
            busy_ns: 0,
            children_ns: 0,
            slot: None,
            parked: Vec::new(),
            items: 0,
            bytes: 0,
            fields: Vec::new(),
        }
    }

    pub(crate) fn origin_mut(&mut self) -> &mut Origin {
        &mut self.origin
    }

    /// Polls the future with its frame on this thread's stack. `read` says how it ended.
    #[inline]
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> Poll<T>, read: impl FnOnce(&T, TaskEnd<'_>)) -> Poll<T> {
        if self.state == State::Done {
            return poll();
        }
        self.on_own_recorder(|task| match task.enter() {
            None => poll(),
            Some(stay) => {
                task.polls += 1;
                let scope = task.scope(stay);
                let mut unwinding = Unwinding { task, stay: Some(stay) };
                let polled = match scope {
                    None => poll(),
                    Some(scope) => scope.with(poll),
                };
                unwinding.stay = None;
                let task = &mut *unwinding.task;
                match &polled {
                    Poll::Pending => task.suspend(stay),
                    Poll::Ready(value) => read(value, TaskEnd { task, stay: Some(stay) }),
                }
                polled
            }
        })
    }

    /// Drops the future, with its frame on this thread's stack if it had begun: then it was cancelled.
    pub(crate) fn cancel(&mut self, drop_future: impl FnOnce()) {
        if self.state != State::Running {
            return drop_future();
        }
        self.on_own_recorder(|task| {
            let Some(stay) = task.enter() else {
                drop_future();
                return task.end_outside(Outcome::Cancelled);
            };
            let scope = task.scope(stay);
            let mut unwinding = Unwinding { task, stay: Some(stay) };
            match scope {
                None => drop_future(),
                Some(scope) => scope.with(drop_future),
            }
            unwinding.stay = None;
            unwinding.task.end(stay, Outcome::Cancelled, None);
        });
    }

    /// Runs `f` with this thread recording into the recorder that the future began with.
    #[inline(always)]
    fn on_own_recorder<R>(&mut self, f: impl FnOnce(&mut Self) -> R) -> R {
        match &self.recorder {
            None if current().is_some() || attach().is_some() => f(self),
            // The thread is at its end, its thread-locals are gone.
            None => scope(&RecorderRef::of_process(), || f(self)),
            // `scope` does nothing if the thread is there already.
            Some(recorder) => scope(&recorder.clone(), || f(self)),
        }
    }

    /// Puts the frame on this thread's stack. `None` where nothing can be recorded.
    #[inline]
    fn enter(&mut self) -> Option<Stay> {
        let holder = current().or_else(attach)?;
        if self.state == State::New {
            return self.begin(holder);
        }
        if self.recorder.as_ref().is_some_and(|recorder| recorder.is_inherited()) {
            return None;
        }
        let cell = cell_of(holder, self.series)?;
        let (id, series, since, weight) = (self.id, self.series, self.since, self.weight);
        let saved = SavedFrame { id, series, since, weight, children_ns: 0, parent: None };
        let frame = if holder.stack.restore(cell, saved, id) { id } else { 0 };
        if !self.parked.is_empty() {
            unpark(holder, std::mem::take(&mut self.parked));
        }
        let entered = if self.weight == 0 { 0 } else { holder.now() };
        Some(Stay { seat: holder.seat(), frame, entered })
    }

    /// The context that the future began in, for a poll that is not its first one.
    #[inline]
    fn scope(&self, stay: Stay) -> Option<Scope> {
        let lineage = self.lineage.clone()?;
        // SAFETY: `enter` has just put the frame there; the recorder, which this call or the thread keeps, lives.
        let stack = unsafe { stay.seat.as_ref() }.map(|seat| &seat.stack);
        Some(Scope::new(Some(lineage), stay.frame, stack))
    }

    #[inline]
    fn begin(&mut self, holder: Holder<'_>) -> Option<Stay> {
        if holder.is_off() {
            self.state = State::Done;
            return None;
        }
        let (cell, sample) = match &self.origin {
            Origin::Site(site, labels) if labels.is_empty() => match holder.cell_of_site(site.number()) {
                Some(cell) => (cell, site.spec().sample),
                None => self.meet_new(holder)?,
            },
            _ => self.meet_new(holder)?,
        };
        self.weight = if sample > 1 { next_weight(holder, cell, sample) } else { 1 };
        self.state = State::Running;
        self.recorder = Some(RecorderRef::to(holder.recorder()));
        self.series = cell.series;
        cell.started.add(1);
        let number = holder.next_number();
        let mut since = 0;
        let id = holder.stack.push(cell, number, self.weight, || {
            since = start_of(holder, self.weight);
            since
        });
        if id.is_none() {
            holder.losses.stack_overflows.add(1);
            since = start_of(holder, self.weight);
        }
        self.id = id.unwrap_or(number);
        self.since = since;
        Some(Stay { seat: holder.seat(), frame: id.unwrap_or(0), entered: since })
    }

    /// The cell of an operation that this shard has not met.
    #[cold]
    fn meet_new<'a>(&self, holder: Holder<'a>) -> Option<(&'a Cell, u32)> {
        match &self.origin {
            Origin::Site(site, more) => {
                quietly(|| site.make_name());
                let spec = site.spec();
                let more_labels = more.iter().map(|(key, value)| (*key, value.as_str()));
                let labels = sorted(spec.labels.iter().copied().chain(more_labels));
                let number = more.is_empty().then(|| site.numbered());
                let identity = site.identity(&labels);
                Some((meet(holder, &identity, spec.record.recording(), number)?, spec.sample))
            }
            Origin::Named(name) => {
                let labels = sorted(name.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())));
                let identity =
                    Identity { name: &name.text, kind: &name.kind, component: &name.component, labels: &labels };
                Some((meet(holder, &identity, name.recording, None)?, name.sample))
            }
        }
    }

    /// Takes the frame off the stack and adds up this stay. Gives the shard that the future is on, or `None` if this
    /// thread does not hold it any more, and the moment.
    #[inline]
    fn leave<'a>(&mut self, stay: Stay, suspended: bool) -> Option<(Holder<'a>, u64)> {
        let holder = current().filter(|_| is_current(stay.seat))?;
        if !holder.stack.is_on_top(self.id) {
            self.parked = park_above(holder, self.id, suspended, self.lineage.as_ref());
        }
        let timed = self.weight > 0;
        let now = start_of(holder, self.weight);
        let ns = if timed { holder.clock.nanos_between(stay.entered, now) } else { 0 };
        self.busy_ns += ns;
        let popped = match holder.stack.top_two(self.id) {
            Some(popped) => {
                holder.stack.pop(self.id, popped.frame);
                Some(popped)
            }
            None => holder.stack.remove(self.id),
        };
        if let Some(popped) = popped {
            self.children_ns = self.children_ns.wrapping_add(popped.frame.children_ns());
            popped.parent.add_child(ns.wrapping_mul(self.weight));
            self.parent.get_or_insert_with(|| parent_of(&popped));
        }
        if timed {
            holder.last_tick.set(now);
        }
        Some((holder, now))
    }

    /// After a poll that was not ready: on no stack until the next one.
    fn suspend(&mut self, stay: Stay) {
        let Some((holder, _)) = self.leave(stay, true) else { return };
        if self.slot.is_none() && self.polls == 1 {
            let lineage = match self.parent {
                Some(parent) => lineage_of(&holder.stack, parent.id, self.id),
                None => lineage_above_all(holder, self.id),
            };
            let parent = self.parent.get_or_insert(Parent::NONE);
            parent.id = parent.id_in(&lineage, holder.recorder().address());
            let (id, series, since, parent) = (self.id, self.series, self.since, parent.id);
            // A call that begins its trace has the lineage that its slot has without one.
            let above = Some(&lineage).filter(|lineage| !lineage.is(&Lineage::Root(id))).cloned();
            self.slot = quietly(|| holder.tasks.claim(id, series, since, parent, above)).flatten();
            self.lineage = Some(lineage);
            if self.slot.is_none() {
                holder.losses.task_overflows.add(1);
            }
        }
        if let Some(slot) = &self.slot {
            slot.task().polls.publish(self.polls);
            slot.task().busy_ns.publish(self.busy_ns);
        }
    }

    fn end(&mut self, stay: Stay, outcome: Outcome, error: Option<&dyn Failure>) {
        match self.leave(stay, false) {
            Some((holder, now)) => self.account(holder, now, outcome, error),
            None => self.end_outside(outcome),
        }
    }

    /// Ends the call where its own recorder cannot be entered: at the end of a thread.
    #[cold]
    fn end_outside(&mut self, outcome: Outcome) {
        if let Some(recorder) = self.recorder.clone() {
            with_borrowed(&recorder, |holder| self.account(holder, holder.now(), outcome, None));
        }
        self.close();
    }

    #[inline]
    fn account(&mut self, holder: Holder<'_>, now: u64, outcome: Outcome, error: Option<&dyn Failure>) {
        self.close();
        let Some(cell) = cell_of(holder, self.series) else { return };
        if self.lineage.is_none() && self.parent.is_none() {
            // Ready at its first poll, and there was no room for its frame.
            self.lineage = Some(lineage_above_all(holder, self.id));
        }
        let (parent, timed) = (self.parent.unwrap_or(Parent::NONE), self.weight > 0);
        let ns = if timed { holder.clock.nanos_between(self.since, now) } else { 0 };
        if timed {
            if let Some(caller) = parent.series {
                cell.edges.record(caller, self.weight, ns.wrapping_mul(self.weight));
            }
            cell.add_task_time(ns, self.busy_ns, self.busy_ns.wrapping_sub(self.children_ns), self.weight);
        }
        cell.polls.add(self.polls);
        let (items, bytes, polls, busy_ns) = (self.items, self.bytes, self.polls, self.busy_ns);
        let extras = Extras { items, bytes, fields: &self.fields, error, polls, busy_ns, ..Extras::default() };
        add_extras(cell, &extras);
        count_outcome(cell, outcome);
        if outcome != Outcome::Success || (timed && cell.is_notable(ns, now)) {
            let lineage = self.lineage.as_ref();
            note(holder, cell, &Ended { id: self.id, timed, ns, now, parent, outcome, lineage }, extras);
        }
    }

    fn close(&mut self) {
        self.state = State::Done;
        // In a forked child the slot is the parent's, and so is its lock.
        let inherited = self.recorder.as_ref().is_some_and(|recorder| recorder.is_inherited());
        if let Some(slot) = self.slot.take().filter(|_| !inherited) {
            slot.release();
        }
    }
}

/// The future panicked when this is dropped.
struct Unwinding<'a> {
    task: &'a mut TaskCall,
    stay: Option<Stay>,
}

impl Drop for Unwinding<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(stay) = self.stay.take() {
            self.task.end(stay, Outcome::Panicked, None);
        }
    }
}

impl Drop for TaskCall {
    fn drop(&mut self) {
        // Only when the future around it was forgotten half-way by a panic in its destructor.
        if self.state == State::Running {
            self.end_outside(Outcome::Cancelled);
        }
    }
}
