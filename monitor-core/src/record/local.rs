//! The way from a thread to its shard: one thread-local read, and what happens where there is no shard yet or no more.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::Cell;
use super::fork;
use super::lineage;
use super::quiet::{self, quietly, quietly_or_not};
use super::recorder::{self, Holder, Recorder, RecorderRef, Shard};
use super::roster::Seat;
use super::scope::{lineages_above, take_lineage};
use super::stack::GROUND;

type Slot = *const Seat<Shard>;

thread_local! {
    /// The shard of the process's recorder, given back when the thread ends.
    static OF_PROCESS: RefCell<Claimed> = const { RefCell::new(Claimed(None)) };
}

/// The shard that this thread records into now.
#[inline(always)]
pub(crate) fn current<'a>() -> Option<Holder<'a>> {
    let seat: Slot = quiet::current().cast();
    // SAFETY: it is null or a seat that this thread has claimed, of a recorder that lives: that of the process for
    // ever, others as long as the scope that put them there. Nobody else sets it.
    unsafe { seat.as_ref().map(|seat| Holder::new(seat)) }
}

/// Whether this thread records into a certain shard now.
#[inline(always)]
pub(crate) fn is_current(seat: Slot) -> bool {
    quiet::current() == seat.cast()
}

fn set_current(seat: Slot) -> Slot {
    quiet::replace_current(seat.cast()).cast()
}

/// The recorder that this thread records into now.
#[inline(always)]
pub(crate) fn current_recorder() -> RecorderRef {
    match current() {
        Some(holder) => RecorderRef::to(holder.recorder()),
        None => RecorderRef::of_process(),
    }
}

/// A seat that is given back when dropped.
struct Claimed(Option<(RecorderRef, Slot)>);

impl Claimed {
    fn new(recorder: &RecorderRef) -> Self {
        watch_forks();
        let seat = recorder.shards.claim(|number| Shard::new(number, &**recorder, &recorder.clock, recorder.tsc));
        recorder.pass_on_switch(seat);
        Self(Some((recorder.clone(), seat)))
    }

    fn slot(&self) -> Slot {
        self.0.as_ref().map_or(std::ptr::null(), |(_, seat)| *seat)
    }
}

impl Drop for Claimed {
    fn drop(&mut self) {
        let Some((recorder, seat)) = self.0.take() else { return };
        if is_current(seat) {
            set_current(std::ptr::null());
        }
        if !recorder.is_inherited() {
            // SAFETY: the handle beside it keeps the recorder alive, and with it the seat.
            let seat = unsafe { &*seat };
            // Guards that are still held somewhere find their frames among the parked ones.
            quietly_or_not(|| {
                let mut lineages = lineages_above(&seat.stack, GROUND);
                seat.stack.take_all(|frame, id, below| {
                    recorder.parked.park(frame, id, below, false, take_lineage(&mut lineages, id));
                });
            });
            seat.release();
        }
    }
}

/// Gives this thread a shard of the process's recorder. `None` inside the recorder's own slow paths, and at the end
/// of the thread when its thread-locals are gone.
#[cold]
#[inline(never)]
pub(crate) fn attach<'a>() -> Option<Holder<'a>> {
    let attached = quietly(|| {
        let recorder = RecorderRef::of_process();
        OF_PROCESS.try_with(|claimed| {
            let mut claimed = claimed.try_borrow_mut().ok()?;
            let claim = Claimed::new(&recorder);
            let slot = claim.slot();
            *claimed = claim;
            name_holder(slot);
            Some(slot)
        })
    })?;
    set_current(attached.ok()??);
    current()
}

/// Name of this thread, or its number.
pub(crate) fn thread_name() -> Arc<str> {
    let thread = std::thread::current();
    thread.name().map_or_else(|| Arc::from(format!("{:?}", thread.id())), Arc::from)
}

fn name_holder(slot: Slot) {
    let name = thread_name();
    // SAFETY: the caller has just claimed the seat on this thread, and nothing can reach it until the thread's shard is set.
    unsafe { Holder::new(&*slot).set_thread(name) }
}

/// Whether a tracked call that finds no shard is one made from within the recorder, which is counted.
pub(crate) fn is_reentrant() -> bool {
    let quiet = quiet::is_quiet();
    if quiet {
        count_reentrant();
    }
    quiet
}

#[cold]
fn count_reentrant() {
    if let Some(recorder) = recorder::existing_process() {
        recorder.counts.reentrant_calls.fetch_add(1, Ordering::Relaxed);
    }
}

/// Runs `f` with a shard of a recorder that this thread does not record into at the moment.
#[cold]
#[inline(never)]
pub(crate) fn with_borrowed<R>(recorder: &RecorderRef, f: impl FnOnce(Holder<'_>) -> R) -> Option<R> {
    if recorder.is_inherited() {
        return None;
    }
    let claimed = quietly(|| Claimed::new(recorder))?;
    // SAFETY: just claimed on this thread, and the handle keeps the recorder alive.
    let result = f(unsafe { Holder::new(&*claimed.slot()) });
    Some(result)
}

/// Whether this thread records into a certain recorder now.
pub(crate) fn is_in(recorder: &Recorder) -> bool {
    current().is_some_and(|holder| std::ptr::eq(holder.recorder(), recorder))
}

/// Runs `f` with the shard of this thread, or, if it records into another recorder, with one that is borrowed.
pub(crate) fn on_a_shard<R>(recorder: &RecorderRef, f: impl FnOnce(Holder<'_>) -> R) -> Option<R> {
    let here = || current().filter(|holder| std::ptr::eq(holder.recorder(), &raw const **recorder));
    let holder = here().or_else(|| {
        if current().is_none() {
            attach()?;
        }
        here()
    });
    match holder {
        Some(holder) => Some(f(holder)),
        None => with_borrowed(recorder, f),
    }
}

/// Runs `f` with everything that this thread records going to a certain recorder.
pub(crate) fn scope<R>(recorder: &Recorder, f: impl FnOnce() -> R) -> R {
    struct Leave {
        before: Slot,
        generation: usize,
        _claimed: Claimed,
    }

    impl Drop for Leave {
        fn drop(&mut self) {
            // In a child that was forked inside the scope the shard of before belongs to the parent.
            let forked = self.generation != fork::generation();
            set_current(if forked { std::ptr::null() } else { self.before });
        }
    }

    if recorder.is_inherited() || is_in(recorder) {
        return f();
    }
    let recorder = RecorderRef::to(recorder);
    let Some(claimed) = quietly(|| {
        let claimed = Claimed::new(&recorder);
        name_holder(claimed.slot());
        claimed
    }) else {
        return f();
    };
    let slot = claimed.slot();
    let _leave = Leave { before: set_current(slot), generation: fork::generation(), _claimed: claimed };
    f()
}

/// Sees to it that forked children are told from their parent, before anything is kept that a child must not touch.
pub(crate) fn watch_forks() {
    fork::watch(begin_clean);
}

/// Lets a forked child begin with a recorder of its own: forgets the process's, and this thread's shard of it.
fn begin_clean() {
    recorder::forget_process();
    lineage::forget_keys();
    set_current(std::ptr::null());
}

/// The cell of a series on a shard, made now if need be.
pub(super) fn cell_of(holder: Holder<'_>, series: u32) -> Option<&Cell> {
    holder.cell_of_series(series).or_else(|| {
        let known = holder.recorder().series(series)?;
        // SAFETY: inside `quietly`.
        quietly(|| unsafe { holder.meet_series(&known) })
    })
}
