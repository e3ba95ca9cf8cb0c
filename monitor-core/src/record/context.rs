//! The context that a thread works in, and the trace of what runs there.
//!
//! Where a thread enters a context, its stack of operations gets a frame that
//! [stands in](super::stack::Stack::push_stand_in) for the call on whose behalf the work is done: so what runs above finds
//! its parent, and the list and the stack can be read together.
//!
//! A future that is polled again enters the context that it began in; its own frame marks the place.

use std::sync::Arc;

use super::lineage::{Caller, ContextData, Lineage, span_of, span_without_call, trace_of};
use super::local::{attach, cell_of, current, is_current};
use super::parked::ParkedFrame;
use super::quiet::quietly;
use super::recorder::{Holder, Recorder, Shard};
use super::scope::{Scope, innermost, lineage_of, lineages_above, take_lineage};
use super::stack::{FrameView, GROUND, is_stand_in};
use crate::model::{FieldValue, SpanId, TraceId};

/// Takes the guards above a frame off the stack. They wait, if what is below is suspended: then their ids are given, for
/// [`unpark`]. If it has ended, they have gone elsewhere and end there. `lineage` is theirs, if the thread is out of the
/// context already.
#[cold]
pub(super) fn park_above(holder: Holder<'_>, id: u64, suspended: bool, lineage: Option<&Lineage>) -> Vec<u64> {
    let mut waiting = Vec::new();
    quietly(|| {
        let mut lineages = if lineage.is_none() { lineages_above(&holder.stack, id) } else { Vec::new() };
        holder.stack.take_above(id, |frame, id, below| {
            let lineage = lineage.cloned().unwrap_or_else(|| take_lineage(&mut lineages, id));
            if holder.recorder().parked.park(frame, id, below, suspended, lineage) && suspended {
                waiting.push(id);
            }
        });
    });
    waiting
}

/// Puts guards back on the stack, those that have not ended meanwhile.
#[cold]
pub(super) fn unpark(holder: Holder<'_>, waiting: Vec<u64>) {
    let recorder = holder.recorder();
    for id in waiting {
        let saved = quietly(|| recorder.parked.peek(id)).flatten();
        if let Some(cell) = saved.and_then(|saved| cell_of(holder, saved.series)) {
            let put = |parked: &ParkedFrame| holder.stack.restore(cell, parked.frame, parked.lineage.root_for(id));
            quietly(|| recorder.parked.unpark(id, put));
        }
    }
}

/// Runs `f` with this thread in a context; `None`: in none.
pub(crate) fn run_in<R>(data: Option<&Arc<ContextData>>, f: impl FnOnce() -> R) -> R {
    run(data, &mut Vec::new(), f, |_| false)
}

/// As [`run_in`], for a poll of a future or its drop: if it is `suspended` afterwards, the guards that it leaves there are
/// kept in `waiting` and put back the next time.
pub(crate) fn poll_in<R>(
    data: Option<&Arc<ContextData>>,
    waiting: &mut Vec<u64>,
    f: impl FnOnce() -> R,
    suspended: impl FnOnce(&R) -> bool,
) -> R {
    run(data, waiting, f, suspended)
}

fn run<R>(
    data: Option<&Arc<ContextData>>,
    parked: &mut Vec<u64>,
    f: impl FnOnce() -> R,
    suspended: impl FnOnce(&R) -> bool,
) -> R {
    struct Leave<'a> {
        holder: Option<Holder<'a>>,
        mark: u64,
        suspended: bool,
        parked: &'a mut Vec<u64>,
    }

    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            // Not in a child that was forked inside, and not if the thread is at its end: the shard is another's then.
            let Some(holder) = self.holder.filter(|holder| self.mark != 0 && is_current(holder.seat())) else { return };
            if !holder.stack.is_on_top(self.mark) {
                // Guards that began in the context go on out of it.
                *self.parked = park_above(holder, self.mark, self.suspended, None);
            }
            holder.stack.pop_stand_in(self.mark);
            drop(quietly(|| holder.leave_context(self.mark)));
        }
    }

    let lineage = data.cloned().map(Lineage::Context);
    let holder = if cfg!(feature = "enabled") { current().or_else(attach) } else { None };
    let mark = holder.map_or(0, |holder| {
        let caller = data.and_then(|data| data.caller_in(holder.recorder().address()));
        let cell = caller.and_then(|caller| cell_of(holder, caller.series));
        let cell = cell.map_or(std::ptr::null(), std::ptr::from_ref);
        let parent = caller.map_or(GROUND, |caller| caller.id);
        let mark = holder.stack.push_stand_in(cell, holder.next_number(), parent).unwrap_or_else(|| {
            holder.losses.stack_overflows.add(1);
            0
        });
        if let (Some(data), true) = (data, mark != 0) {
            quietly(|| holder.enter_context(mark, Arc::clone(data)));
        }
        mark
    });
    if let Some(holder) = holder.filter(|_| !parked.is_empty()) {
        unpark(holder, std::mem::take(parked));
    }
    let stack = holder.as_ref().map(|holder| &holder.stack);
    Scope::new(lineage, mark, stack).with(|| {
        // Left before the scope is, which says where these guards began.
        let mut leave = Leave { holder, mark, suspended: false, parked };
        let result = f();
        leave.suspended = suspended(&result);
        result
    })
}

/// The lineage of a call without a frame that begins now: above everything on this thread.
pub(super) fn lineage_above_all(holder: Holder<'_>, id: u64) -> Lineage {
    let scope = innermost();
    let lineage = if !is_current(holder.seat()) {
        // A shard that is borrowed for a moment has no stack of this thread.
        scope.and_then(Scope::carried)
    } else if let Some(above) = scope.filter(|scope| scope.is_above_all(&holder.stack)) {
        above.lineage.clone()
    } else {
        Some(lineage_of(&holder.stack, holder.stack.top().id(), id))
    };
    lineage.unwrap_or(Lineage::Root(id))
}

/// The lineage of a call on the stack of another thread. `None` if it is not there any more.
pub(super) fn lineage_from_outside(recorder: &Recorder, shard: &Shard, id: u64) -> Option<Lineage> {
    let task = |id| recorder.shards.iter().find_map(|shard| shard.tasks.read().find(|task| task.id == id));
    let frames = shard.stack.read();
    let at = frames.iter().position(|frame| frame.id == id)?;
    Some(lineage_in(&frames[..=at], shard, |id| task(id).map(|task| task.lineage)))
}

/// The lineage of the last of these frames, which were read from a shard's stack.
pub(super) fn lineage_in(frames: &[FrameView], shard: &Shard, task: impl Fn(u64) -> Option<Lineage>) -> Lineage {
    let mut root = 0;
    for frame in frames.iter().rev() {
        if is_stand_in(frame.id) {
            return shard.context(frame.id).map_or(Lineage::Root(root), Lineage::Context);
        }
        // A future that was polled before has brought its lineage along.
        if let Some(lineage) = task(frame.id) {
            return lineage;
        }
        root = frame.root;
    }
    Lineage::Root(root)
}

/// The context that this thread is in, if any.
pub(crate) fn innermost_context() -> Option<Arc<ContextData>> {
    match innermost()?.lineage.as_ref()? {
        Lineage::Context(data) => Some(Arc::clone(data)),
        Lineage::Root(_) => None,
    }
}

/// Where this thread is.
#[derive(Clone, Debug)]
pub(crate) struct Here {
    pub(crate) lineage: Option<Lineage>,
    /// The innermost call.
    pub(crate) call: Option<Caller>,
}

/// Where this thread is now.
pub(crate) fn here() -> Here {
    let scope = innermost();
    let Some(holder) = current() else {
        return Here { lineage: scope.and_then(|scope| scope.lineage.clone()), call: None };
    };
    if let Some(above) = scope.filter(|scope| scope.is_above_all(&holder.stack)) {
        return Here { lineage: above.lineage.clone(), call: None };
    }
    let (mut call, mut root) = (None, None);
    for frame in holder.stack.top_down() {
        let id = frame.id();
        if !is_stand_in(id) {
            root = Some(frame.root());
            call = call.or_else(|| {
                // SAFETY: a frame of this thread's stack has a cell of this shard.
                let cell = unsafe { frame.cell().as_ref() }?;
                Some(Caller { id, span: span_of(id), series: cell.series, home: holder.recorder().address() })
            });
        }
        if let Some(scope) = scope.filter(|scope| scope.mark == id) {
            return Here { lineage: scope.lineage.clone().or(root.map(Lineage::Root)), call };
        }
    }
    let around = scope.and_then(Scope::carried);
    Here { lineage: around.or(root.map(Lineage::Root)), call }
}

impl Here {
    /// As a context for work elsewhere. `None` outside of any call and context.
    pub(crate) fn into_data(self) -> Option<Arc<ContextData>> {
        match (self.lineage?, self.call) {
            (Lineage::Context(data), None) => Some(data),
            (Lineage::Context(data), parent) => Some(Arc::new(ContextData { parent, remote: None, ..(*data).clone() })),
            (Lineage::Root(root), parent) => Some(Arc::new(ContextData::of_trace(trace_of(root), parent))),
        }
    }

    /// The call that work here is done by or, outside of any, on behalf of; if it is one of this recorder.
    pub(crate) fn caller_in(&self, home: usize) -> Option<Caller> {
        match self.call {
            Some(call) => Some(call).filter(|call| call.home == home),
            None => self.lineage.as_ref().and_then(|lineage| lineage.caller_in(home)),
        }
    }

    /// The span of that call, or that of another program on whose behalf it is done.
    pub(crate) fn span(&self) -> Option<SpanId> {
        let own = self.call.map(|call| call.span);
        own.or_else(|| self.lineage.as_ref().and_then(Lineage::span))
    }
}

impl ContextData {
    const SAMPLED: u8 = 1;

    /// Of a trace that began in this process.
    pub(crate) fn of_trace(trace: TraceId, parent: Option<Caller>) -> Self {
        Self { trace, parent, remote: None, flags: Self::SAMPLED, state: None, fields: Vec::new() }
    }

    /// The span that requests from here are sent by.
    pub(crate) fn sending_span(&self) -> SpanId {
        self.span().unwrap_or_else(|| span_without_call(self.trace))
    }

    /// The value of a field.
    pub(crate) fn field(&self, key: &str) -> Option<&FieldValue> {
        self.fields.iter().find(|(known, _)| known == key).map(|(_, value)| value)
    }
}
