//! The way from a thread to its shard: one thread-local read, and what happens where there is no shard yet or no more.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::fork;
use super::recorder::{self, Recorder, RecorderRef};
use super::roster::Seat;
use super::shard::{Holder, Shard};

type Slot = *const Seat<Shard>;

thread_local! {
    /// The shard that this thread records into; null when it has none, or must not be reached just now. It has no
    /// destructor, so it can be read until the very end of the thread.
    static CURRENT: Cell<Slot> = const { Cell::new(std::ptr::null()) };

    /// Whether this thread is inside the recorder's own slow paths.
    static QUIET: Cell<bool> = const { Cell::new(false) };

    /// The shard of the process's recorder, given back when the thread ends.
    static OF_PROCESS: RefCell<Claimed> = const { RefCell::new(Claimed(None)) };
}

/// The shard that this thread records into now.
#[inline(always)]
pub(crate) fn current<'a>() -> Option<Holder<'a>> {
    // SAFETY: `CURRENT` holds null or a seat that this thread has claimed, of a recorder that lives: that of the
    // process for ever, others as long as the scope that put them there.
    CURRENT.with(|current| unsafe { current.get().as_ref().map(|seat| Holder::new(seat)) })
}

/// Whether this thread records into a certain shard now.
#[inline(always)]
pub(crate) fn is_current(seat: Slot) -> bool {
    CURRENT.with(Cell::get) == seat
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
        fork::watch(begin_clean);
        let seat = recorder.shards.claim(|number| Shard::new(number, recorder));
        // A switch may have been turned while the shard was made, or while nobody held it.
        seat.set_off(!recorder.is_enabled());
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
            CURRENT.set(std::ptr::null());
        }
        if !recorder.is_inherited() {
            // SAFETY: the handle beside it keeps the recorder alive, and with it the seat.
            let seat = unsafe { &*seat };
            // Guards that are still held somewhere find their frames among the parked ones.
            quietly_or_not(|| seat.stack.take_all(|frame, id| _ = recorder.parked.park(frame, id, false)));
            seat.release();
        }
    }
}

/// Gives this thread a shard of the process's recorder. `None` inside the recorder's own slow paths, and at the end
/// of the thread when its thread-locals are gone.
#[cold]
#[inline(never)]
pub(crate) fn attach<'a>() -> Option<Holder<'a>> {
    let recorder = RecorderRef::of_process_unless_quiet()?;
    let attached = quietly(|| {
        OF_PROCESS.try_with(|claimed| {
            let mut claimed = claimed.try_borrow_mut().ok()?;
            let claim = Claimed::new(&recorder);
            let slot = claim.slot();
            *claimed = claim;
            name_holder(slot);
            Some(slot)
        })
    })?;
    CURRENT.set(attached.ok()??);
    current()
}

fn name_holder(slot: Slot) {
    let thread = std::thread::current();
    let name = thread.name().map_or_else(|| Arc::from(format!("{:?}", thread.id())), Arc::from);
    // SAFETY: the caller has just claimed the seat on this thread, and nothing can reach it until `CURRENT` is set.
    unsafe { Holder::new(&*slot).set_thread(name) }
}

impl RecorderRef {
    /// The process's recorder, or `None` and a count where asking for it could recurse.
    fn of_process_unless_quiet() -> Option<Self> {
        if QUIET.get() {
            return None;
        }
        quietly(Self::of_process)
    }
}

/// Runs a slow path of the recorder with this thread's shard out of reach, so that a tracked call made from within
/// (by a tracked allocator, say) neither recurses nor meets data that is being changed. Such calls are not recorded.
/// `None` if this thread is in such a path already.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> Option<R> {
    struct Restore(Slot);

    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
            QUIET.set(false);
        }
    }

    if QUIET.replace(true) {
        return None;
    }
    let _restore = Restore(CURRENT.replace(std::ptr::null()));
    Some(f())
}

/// As [`quietly`], but runs `f` in any case: for readers, which touch nothing that only a holder may.
pub(crate) fn quietly_or_not<R>(f: impl FnOnce() -> R) -> R {
    let mut f = Some(f);
    let result = quietly(|| f.take().map(|f| f()));
    match (result.flatten(), f) {
        (Some(result), _) => result,
        (None, Some(f)) => f(),
        (None, None) => unreachable!("it ran, so there is a result"),
    }
}

/// Whether a tracked call that finds no shard is one made from within the recorder, which is counted.
pub(crate) fn is_reentrant() -> bool {
    let quiet = QUIET.get();
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
            CURRENT.set(if forked { std::ptr::null() } else { self.before });
        }
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
    let _leave =
        Leave { before: CURRENT.replace(slot), generation: fork::generation(), _claimed: claimed };
    f()
}

/// Lets a forked child begin with a recorder of its own: forgets the process's, and this thread's shard of it.
fn begin_clean() {
    recorder::forget_process();
    if current().is_some_and(|holder| holder.recorder().is_inherited()) {
        CURRENT.set(std::ptr::null());
    }
}
