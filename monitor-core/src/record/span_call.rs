//! One span of another library (`tracing`) as a call: created here, entered and left again and again, on any thread and
//! on several at once, and closed somewhere.
//!
//! Each stay puts the span's frame on the stack of the thread, and takes it off at its end: so what runs inside finds
//! the right parent. Total time runs from the first enter to the last exit: a handle that is kept long after that
//! changes no figure. Busy time is the stays, added up over threads; own (self) time is busy time less that of tracked
//! calls inside.
//!
//! Whoever has a span call sees to it that one thread at a time gets at it.

use smallvec::SmallVec;

use super::call::{add_extras, count_outcome, meet, sorted};
use super::call_site::RecordPolicy;
use super::cell::Cell;
use super::context::here;
use super::failure::Failure;
use super::lineage::Lineage;
use super::local::{attach, cell_of, current, with_borrowed};
use super::note::{Ended, Extras, Parent, Telling, note};
use super::quiet::quietly;
use super::recorder::{Holder, Recorder, RecorderRef};
use super::scope::{KeptScope, Scope, innermost, this_thread};
use super::span::{Said, SpanCaller, SpanParent, SpanSite};
use super::stack::{GROUND, SavedFrame};
use super::tasks::TaskSlot;
use crate::model::Outcome;

/// One stay of the span on a thread.
#[derive(Debug)]
struct Stay {
    /// What tells the thread from others that live.
    thread: usize,
    /// Address of the shard that has the frame; zero: none has.
    seat: usize,
    entered: u64,
    /// How often it was entered here and not left.
    depth: usize,
    /// A panic that began before is not the span's.
    was_panicking: bool,
    /// The context of the span, where that is not the one that the thread was in.
    _scope: Option<KeptScope>,
}

/// A span from its making to its close.
pub(crate) struct SpanCall {
    recorder: RecorderRef,
    series: u32,
    id: u64,
    parent: Parent,
    lineage: Lineage,
    since: u64,
    last_exit: u64,
    /// Stays so far; zero: nothing is recorded yet.
    enters: u64,
    busy_ns: u64,
    children_ns: u64,
    stays: SmallVec<[Stay; 1]>,
    slot: Option<TaskSlot>,
    panicked: bool,
    ended: bool,
    said: Option<Box<Said>>,
}

/// The shard of this thread, if it records into a certain recorder.
fn own_shard<'a>(recorder: &Recorder) -> Option<Holder<'a>> {
    current().or_else(attach).filter(|holder| std::ptr::eq(holder.recorder(), recorder))
}

/// Whether this thread's stack, or a context, says where a span of that recorder is made. If not, the thread records
/// elsewhere, or is on the bare ground: it has just begun to record, or has left the context that a span was entered in.
fn is_somewhere(own: Option<Holder<'_>>) -> bool {
    own.is_some_and(|holder| {
        holder.stack.top().id() != GROUND || innermost().is_some_and(|scope| !scope.has_mark_on(&holder.stack))
    })
}

/// Whether this thread knows itself where in the calls of a recorder it is.
pub(crate) fn knows_where(recorder: &Recorder) -> bool {
    is_somewhere(own_shard(recorder))
}

/// The call that this thread is in, and its lineage.
fn here_as_parent(recorder: &Recorder) -> (Parent, Option<Lineage>) {
    let here = here();
    let caller = here.caller_in(recorder.address());
    (caller.map_or(Parent::NONE, |call| Parent { id: call.id, series: Some(call.series) }), here.lineage)
}

fn address_of(holder: Holder<'_>) -> usize {
    std::ptr::from_ref(holder.seat()).addr()
}

impl SpanCall {
    /// A span that was made just now. `None` if nothing is to be recorded.
    ///
    /// Where this thread does not record into that recorder it has no stack of it, and where it has just begun to that is
    /// empty; `outside` is the parent then.
    pub(crate) fn new(
        recorder: &RecorderRef,
        parent: SpanParent,
        outside: impl FnOnce() -> Option<SpanCaller>,
    ) -> Option<Box<Self>> {
        if !cfg!(feature = "enabled") || !recorder.is_enabled() || recorder.is_inherited() {
            return None;
        }
        let own = own_shard(recorder);
        let new_id = |holder: Holder<'_>| holder.stack.id_above_top(holder.next_number());
        let id = own.map_or_else(|| with_borrowed(recorder, new_id), |holder| Some(new_id(holder)))?;
        let (parent, lineage) = match parent {
            SpanParent::Nobody => (Parent::NONE, None),
            SpanParent::Call(caller) => caller.into_parent(),
            SpanParent::Here => {
                let of_span = if is_somewhere(own) { None } else { outside() };
                of_span.map_or_else(|| here_as_parent(recorder), SpanCaller::into_parent)
            }
        };
        // In a box from the start: it is handed on several times.
        Some(Box::new(Self {
            recorder: recorder.clone(),
            series: 0,
            id,
            parent,
            lineage: lineage.unwrap_or(Lineage::Root(id)),
            since: 0,
            last_exit: 0,
            enters: 0,
            busy_ns: 0,
            children_ns: 0,
            stays: SmallVec::new(),
            slot: None,
            panicked: false,
            ended: false,
            said: None,
        }))
    }

    /// The call, as the parent of another one.
    pub(crate) fn caller(&self) -> SpanCaller {
        let series = (self.enters > 0).then_some(self.series);
        SpanCaller { id: self.id, series, home: self.recorder.address(), lineage: self.lineage.clone() }
    }

    /// What is said of it.
    pub(crate) fn said(&mut self) -> &mut Said {
        self.said.get_or_insert_default()
    }

    /// A label. Only before the first enter: the operation's series is chosen then.
    pub(crate) fn set_label(&mut self, key: &'static str, value: String) {
        if self.enters == 0 {
            self.said().set_label(key, value);
        }
    }

    /// The span is entered on this thread.
    pub(crate) fn enter(&mut self, site: &SpanSite) {
        if self.recorder.is_inherited() {
            return;
        }
        let thread = this_thread();
        if let Some(stay) = self.stays.iter_mut().find(|stay| stay.thread == thread) {
            stay.depth += 1;
            return;
        }
        if let Some(holder) = own_shard(&self.recorder) {
            self.enter_on(holder, site, thread, true);
        } else {
            let recorder = self.recorder.clone();
            with_borrowed(&recorder, |holder| self.enter_on(holder, site, thread, false));
        }
    }

    /// `own`: the shard is this thread's, so that the frame can be put on its stack.
    fn enter_on(&mut self, holder: Holder<'_>, site: &SpanSite, thread: usize, own: bool) {
        let first = self.enters == 0;
        let cell = if first { self.meet(holder, site) } else { cell_of(holder, self.series) };
        let Some(cell) = cell else { return };
        let entered = holder.now();
        if first {
            self.series = cell.series;
            cell.started.add(1);
            (self.since, self.last_exit) = (entered, entered);
        }
        self.enters += 1;
        let mut scope = None;
        if own {
            let foreign = !self.belongs_here(holder);
            let (id, series, since) = (self.id, self.series, self.since);
            let saved = SavedFrame { id, series, since, weight: 1, children_ns: 0, parent: None };
            let framed = holder.stack.restore(cell, saved, self.lineage.root_for(id));
            if !framed {
                holder.losses.stack_overflows.add(1);
            }
            // Above a full stack its own trace is not to be seen.
            if foreign && framed {
                let (lineage, stack) = (Some(self.lineage.clone()), &holder.seat().stack);
                scope = quietly(|| KeptScope::enter(Scope::new(lineage, id, Some(stack))));
            }
            // Readers would take what is below on this stack for its parent, and that one's trace for its own.
            if foreign && first {
                self.take_slot(holder);
            }
        } else if first {
            self.take_slot(holder);
        }
        let seat = if own { address_of(holder) } else { 0 };
        let was_panicking = std::thread::panicking();
        self.stays.push(Stay { thread, seat, entered, depth: 1, was_panicking, _scope: scope });
    }

    /// Whether what is on top of this thread's stack is the parent, and so its trace that of the span.
    fn belongs_here(&self, holder: Holder<'_>) -> bool {
        let top = holder.stack.top().id();
        if top == self.parent.id && (top != GROUND || innermost().is_none()) {
            return true;
        }
        let here = here();
        let parent = here.caller_in(self.recorder.address()).map_or(GROUND, |caller| caller.id);
        parent == self.parent.id && here.lineage.unwrap_or(Lineage::Root(self.id)).is(&self.lineage)
    }

    fn meet<'a>(&self, holder: Holder<'a>, site: &SpanSite) -> Option<&'a Cell> {
        let recording = RecordPolicy::Auto.recording();
        match &self.said {
            Some(said) if !said.labels.is_empty() => {
                let labels = sorted(said.labels.iter().map(|(key, value)| (*key, value.as_str())));
                meet(holder, &site.identity(&labels), recording, None)
            }
            _ => {
                let known = site.number().and_then(|number| holder.cell_of_site(number));
                known.or_else(|| meet(holder, &site.identity(&[]), recording, site.number()))
            }
        }
    }

    /// The span is left on this thread.
    pub(crate) fn exit(&mut self) {
        if self.recorder.is_inherited() {
            return;
        }
        let thread = this_thread();
        let Some(at) = self.stays.iter().position(|stay| stay.thread == thread) else { return };
        let Some(stay) = self.stays.get_mut(at) else { return };
        stay.depth -= 1;
        if stay.depth > 0 {
            return;
        }
        let stay = self.stays.swap_remove(at);
        let own = current().filter(|holder| address_of(*holder) == stay.seat);
        self.leave(&stay, own);
        self.panicked |= !stay.was_panicking && std::thread::panicking();
        if self.stays.is_empty() {
            self.suspend(own);
        }
    }

    /// Adds up a stay and takes its frame off.
    fn leave(&mut self, stay: &Stay, own: Option<Holder<'_>>) {
        let now = own.map_or_else(|| self.recorder.clock.ticks(), |holder| holder.now());
        let ns = self.recorder.clock.nanos_between(stay.entered, now);
        self.busy_ns = self.busy_ns.saturating_add(ns);
        self.last_exit = self.last_exit.max(now);
        let popped = own.and_then(|holder| {
            holder.last_tick.set(now);
            let stack = &holder.seat().stack;
            match stack.top_two(self.id) {
                Some(popped) => {
                    stack.pop(self.id, popped.frame);
                    Some(popped)
                }
                None => stack.remove(self.id),
            }
        });
        let children_ns = match popped {
            Some(popped) => {
                popped.parent.add_child(ns);
                popped.frame.children_ns()
            }
            None if stay.seat != 0 => self.take_frame(stay.seat),
            None => 0,
        };
        self.children_ns = self.children_ns.wrapping_add(children_ns);
    }

    /// Takes the frame of a stay that is not on this thread's stack: the thread has left the monitor's scope, is in one
    /// of another monitor, or at its end.
    #[cold]
    fn take_frame(&self, seat: usize) -> u64 {
        let on_its_stack = || {
            let mut shards = self.recorder.shards.iter();
            let shard = shards.find(|shard| std::ptr::from_ref(*shard).addr() == seat)?;
            Some((shard.stack.kill(self.id)?, self.lineage.clone()))
        };
        let taken = quietly(|| self.recorder.parked.take(self.id, on_its_stack)).flatten();
        taken.map_or(0, |(frame, _)| frame.children_ns)
    }

    /// On no thread until the next enter, if there is one.
    fn suspend(&mut self, own: Option<Holder<'_>>) {
        if self.slot.is_none() {
            if let Some(holder) = own {
                self.take_slot(holder);
            } else {
                let recorder = self.recorder.clone();
                with_borrowed(&recorder, |holder| self.take_slot(holder));
            }
        }
        if let Some(slot) = &self.slot {
            slot.task().polls.publish(self.enters);
            slot.task().busy_ns.publish(self.busy_ns);
        }
    }

    fn take_slot(&mut self, holder: Holder<'_>) {
        let (id, series, since, parent) = (self.id, self.series, self.since, self.parent.id);
        let lineage = Some(&self.lineage).filter(|lineage| !lineage.is(&Lineage::Root(id))).cloned();
        self.slot = quietly(|| holder.tasks.claim(id, series, since, parent, lineage)).flatten();
        if self.slot.is_none() {
            holder.losses.task_overflows.add(1);
        }
    }

    /// The span is closed. One that was never entered is not a call. What listeners are to be told is given back.
    pub(crate) fn end(mut self: Box<Self>) -> Option<Telling> {
        self.finish()
    }

    #[cold]
    #[inline(never)]
    fn end_unseen(&mut self) {
        if let Some(telling) = self.finish() {
            telling.tell();
        }
    }

    fn finish(&mut self) -> Option<Telling> {
        if std::mem::replace(&mut self.ended, true) || self.enters == 0 || self.recorder.is_inherited() {
            return None;
        }
        // Closed while it is entered: its guard was given to `mem::forget`.
        for stay in std::mem::take(&mut self.stays) {
            let own = current().filter(|holder| address_of(*holder) == stay.seat);
            self.leave(&stay, own);
        }
        if let Some(slot) = self.slot.take() {
            slot.release();
        }
        let later = std::cell::Cell::new(None);
        match own_shard(&self.recorder) {
            Some(holder) => self.account(holder, &later),
            None => {
                with_borrowed(&self.recorder, |holder| self.account(holder, &later));
            }
        }
        later.into_inner()
    }

    fn account(&self, holder: Holder<'_>, later: &std::cell::Cell<Option<Telling>>) {
        let Some(cell) = cell_of(holder, self.series) else { return };
        let (now, parent) = (self.last_exit, self.parent);
        let ns = holder.clock.nanos_between(self.since, now);
        if let Some(caller) = parent.series {
            cell.edges.record(caller, 1, ns);
        }
        cell.add_task_time(ns, self.busy_ns, self.busy_ns.wrapping_sub(self.children_ns), 1);
        cell.polls.add(self.enters);
        let said = self.said.as_deref();
        let failure = said.and_then(Said::failure);
        let outcome = match said {
            _ if self.panicked => Outcome::Panicked,
            Some(said) if said.has_failed() => Outcome::Failure,
            _ => Outcome::Success,
        };
        let extras = Extras {
            fields: said.map_or(&[], |said| &said.fields),
            error: failure.as_ref().map(|failure| failure as &dyn Failure),
            filed: said.is_some_and(Said::is_filed),
            polls: self.enters,
            busy_ns: self.busy_ns,
            later: Some(later),
            ..Extras::default()
        };
        add_extras(cell, &extras);
        count_outcome(cell, outcome);
        if outcome != Outcome::Success || cell.is_notable(ns, now) {
            let lineage = Some(&self.lineage);
            note(holder, cell, &Ended { id: self.id, timed: true, ns, now, parent, outcome, lineage }, extras);
        }
    }
}

impl Drop for SpanCall {
    /// Its close was not told: another layer panicked at it, or this one was exchanged.
    fn drop(&mut self) {
        if !self.ended {
            self.end_unseen();
        }
    }
}
