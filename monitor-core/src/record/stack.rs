//! The stack of operations that run on a thread right now.
//!
//! It gives parents, self time and the list of what is active. The thread that holds the shard pushes and pops; any
//! thread may read; and a thread that ends a call which began elsewhere marks its frame dead from outside.
//!
//! A frame is live while its id is not zero. The owner clears the id when the call ends and sets it last when a new
//! call takes the frame, so a reader that finds the same id before and after it read the rest has one call's frame
//! and not parts of two.

use super::cell::Cell;
use super::counter::Counter;
use super::sync::{AtomicPtr, AtomicUsize, Ordering, fence};

/// Frames of a stack: for 63 nested calls, and for the ground. What is nested deeper is counted and
/// timed as ever, but has no parent, and its time stays the own time of the deepest frame.
#[cfg(not(loom))]
pub(crate) const DEPTH: usize = 64;
// The model checker walks all interleavings: a small stack keeps them few.
#[cfg(loom)]
pub(crate) const DEPTH: usize = 4;

/// How often a reader tries to meet a stack while no frame is moved.
const READS: usize = if cfg!(loom) { 1 } else { 64 };

/// The id of the ground, which every stack stands on and which never ends.
pub(crate) const GROUND: u64 = u64::MAX;

/// An id is odd; the bits above say at which position its frame was put first; the rest tells it from others.
const POSITION_SHIFT: u32 = 1;
const POSITION_BITS: u32 = DEPTH.trailing_zeros();
const _: () = assert!(DEPTH.is_power_of_two());

/// The lowest number that can be made an id, and the distance of those that follow.
pub(crate) const FIRST_NUMBER: u64 = 1;
pub(crate) const NUMBER_STEP: u64 = 1 << (POSITION_SHIFT + POSITION_BITS);

#[inline(always)]
fn position_in(id: u64) -> usize {
    (id >> POSITION_SHIFT) as usize & (DEPTH - 1)
}

/// Whether an id is not that of a call but of a frame that [stands in](Stack::push_stand_in) for one.
#[inline(always)]
pub(crate) fn is_stand_in(id: u64) -> bool {
    id & FIRST_NUMBER == 0
}

/// One call that runs.
pub(crate) struct Frame {
    /// Of the call; zero: dead. Written by the owner, and cleared by whoever ends the call.
    id: Counter,
    cell: AtomicPtr<Cell>,
    since: Counter,
    /// Calls that this one stands for in sums of time; zero: it is counted and not timed.
    weight: Counter,
    /// Time of the children that ended, each weighted with the calls it stands for.
    children_ns: Counter,
    /// The call that this one's trace began with, if that ended earlier; and which call this is said of, so that no call
    /// has to take it back.
    root: Counter,
    root_of: Counter,
}

impl Frame {
    fn new(id: u64) -> Self {
        Self {
            id: Counter::new(id),
            cell: AtomicPtr::new(std::ptr::null_mut()),
            since: Counter::new(0),
            weight: Counter::new(0),
            children_ns: Counter::new(0),
            root: Counter::new(0),
            root_of: Counter::new(0),
        }
    }

    /// The call that the trace of this one began with, if this one is the outermost that is left of it.
    pub(crate) fn root(&self) -> u64 {
        let id = self.id();
        if self.root_of.acquire() == id { self.root.get() } else { id }
    }

    /// As [`root`](Self::root), from any thread: of a call that was seen here a moment ago.
    fn root_as_seen(&self, id: u64) -> u64 {
        if self.root_of.acquire() == id { self.root.get() } else { id }
    }

    /// Has the call of this id remember what its trace began with. If the frame is another call's by now, it says nothing
    /// of that one.
    fn set_root(&self, id: u64, root: u64) {
        self.root.set(root);
        self.root_of.publish(id);
    }

    /// Writes all but the id. A reader that sees any of it sees that the frame was dead before.
    fn fill(&self, cell: *const Cell, weight: u64, since: u64, children_ns: u64) {
        self.cell.store(cell.cast_mut(), Ordering::Release);
        self.weight.publish(weight);
        self.children_ns.set(children_ns);
        self.since.publish(since);
    }

    #[inline(always)]
    pub(crate) fn id(&self) -> u64 {
        self.id.get()
    }

    #[inline(always)]
    pub(crate) fn cell(&self) -> *const Cell {
        self.cell.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(crate) fn since(&self) -> u64 {
        self.since.get()
    }

    #[inline(always)]
    pub(crate) fn children_ns(&self) -> u64 {
        self.children_ns.get()
    }

    #[inline(always)]
    pub(crate) fn weight(&self) -> u64 {
        self.weight.get()
    }

    /// The cell, if it is that of a call which runs here. (A dead frame is told by the same bit as one that stands in.)
    #[cfg(feature = "alloc")]
    #[inline(always)]
    fn live_cell(&self) -> Option<&Cell> {
        // SAFETY: a frame has a cell of a shard of its recorder, which lives as long as the recorder, or none.
        if is_stand_in(self.id()) { None } else { unsafe { self.cell().as_ref() } }
    }

    #[inline(always)]
    pub(crate) fn add_child(&self, ns: u64) {
        self.children_ns.add(ns);
    }
}

impl Frame {
    /// The frame as that of the call below another one, from any thread. `None` for the ground, and when the frame
    /// changes meanwhile.
    fn as_below(&self) -> Option<Below> {
        let id = self.id.acquire();
        let cell = self.cell.load(Ordering::Acquire);
        fence(Ordering::Acquire);
        if id == 0 || id != self.id.get() {
            return None;
        }
        let id = if is_stand_in(id) { self.since() } else { id };
        // SAFETY: a frame has a cell of a shard of its recorder, which lives as long as the recorder, or none.
        unsafe { cell.as_ref() }.map(|cell| Below { id, series: cell.series })
    }

    /// What is in the frame, which is dead afterwards. `None` if it is another call's by now.
    pub(crate) fn take(&self, id: u64) -> Option<SavedFrame> {
        let saved = self.save(id);
        // An exchange and not a store, because its owner may put another call there at this moment.
        self.id.shared().compare_exchange(id, 0, Ordering::AcqRel, Ordering::Acquire).ok()?;
        Some(saved)
    }

    fn save(&self, id: u64) -> SavedFrame {
        // SAFETY: a frame with an id has a cell of a shard of its recorder, which lives as long as the recorder. (In
        // the tests of the stack alone there are none.)
        let series = unsafe { self.cell().as_ref() }.map_or(0, |cell| cell.series);
        let (since, weight, children_ns) = (self.since(), self.weight(), self.children_ns());
        SavedFrame { id, series, since, weight, children_ns, parent: None }
    }
}

/// A frame as another thread saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameView {
    pub(crate) id: u64,
    pub(crate) cell: *const Cell,
    pub(crate) since: u64,
    /// The id of the live frame below or of the call that it stands for, [`GROUND`] if there is none.
    pub(crate) parent: u64,
    /// As [`Frame::root`].
    pub(crate) root: u64,
}

/// A frame taken off a stack: to be put on another one later, or because its call ended elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SavedFrame {
    pub(crate) id: u64,
    pub(crate) series: u32,
    pub(crate) since: u64,
    pub(crate) weight: u64,
    pub(crate) children_ns: u64,
    /// The call that it was nested in, if any.
    pub(crate) parent: Option<Below>,
}

/// The call below another one on a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Below {
    pub(crate) id: u64,
    pub(crate) series: u32,
}

/// The two frames that matter when a call ends on the stack that it began on: its own, which is dead now, and the
/// nearest live one below, or the ground.
#[derive(Clone, Copy)]
pub(crate) struct Popped<'a> {
    pub(crate) frame: &'a Frame,
    pub(crate) parent: &'a Frame,
}

pub(crate) struct Stack {
    /// Frames in use, the ground included; more than there are while the stack is [sealed](Self::seal). Written by the
    /// owner.
    depth: AtomicUsize,
    /// How often it is sealed. Written by the owner.
    seals: Counter,
    /// Odd while frames are moved, and another one with every call that comes back to a stack. Written by the owner.
    moves: Counter,
    /// Calls that remember what their trace began with: mostly none ever.
    handed_down: Counter,
    frames: [Frame; DEPTH],
}

impl Stack {
    pub(crate) fn new() -> Self {
        Self {
            depth: AtomicUsize::new(1),
            seals: Counter::new(0),
            moves: Counter::new(0),
            handed_down: Counter::new(0),
            frames: std::array::from_fn(|i| Frame::new(if i == 0 { GROUND } else { 0 })),
        }
    }

    /// Puts a call on the stack and gives its id, or `None` if the stack is full. The clock is read in between, as late
    /// as can be.
    #[inline(always)]
    pub(crate) fn push(&self, cell: *const Cell, number: u64, weight: u64, now: impl FnOnce() -> u64) -> Option<u64> {
        let mut depth = self.depth.load(Ordering::Relaxed);
        if depth >= DEPTH {
            depth = self.compact();
            if depth >= DEPTH {
                return None;
            }
        }
        let id = number | (depth as u64) << POSITION_SHIFT;
        let frame = &self.frames[depth];
        frame.cell.store(cell.cast_mut(), Ordering::Release);
        frame.weight.publish(weight);
        frame.children_ns.set(0);
        frame.since.publish(now());
        frame.id.publish(id);
        self.depth.store(depth + 1, Ordering::Release);
        Some(id)
    }

    /// The id of a call that will likely be put on top of this stack: found fastest if it is.
    #[cfg(feature = "tracing")]
    pub(crate) fn id_above_top(&self, number: u64) -> u64 {
        number | (self.depth.load(Ordering::Relaxed).min(DEPTH - 1) as u64) << POSITION_SHIFT
    }

    /// Puts a frame on the stack that stands for a call which runs elsewhere, `parent`, or for none: what runs above it
    /// is done on behalf of that call. Its id is even, which no call's is; its start is the id of that call. `None` if the
    /// stack is full.
    #[cold]
    pub(crate) fn push_stand_in(&self, cell: *const Cell, number: u64, parent: u64) -> Option<u64> {
        self.push(cell, number & !FIRST_NUMBER, 0, || parent)
    }

    /// Takes such a frame off. The time of the calls above it was spent within the call below.
    #[cold]
    pub(crate) fn pop_stand_in(&self, id: u64) {
        if let Some(Popped { frame, parent }) = self.remove(id) {
            parent.add_child(frame.children_ns());
        }
    }

    /// The live frames from the top down, without the ground. Only for the thread that owns the stack.
    pub(crate) fn top_down(&self) -> impl Iterator<Item = &Frame> {
        let depth = self.depth.load(Ordering::Relaxed).min(DEPTH);
        self.frames[1..depth].iter().rev().filter(|frame| frame.id() != 0)
    }

    /// The frame on top and the one below, if the call is on top and the one below lives, which is nearly always so.
    #[inline(always)]
    pub(crate) fn top_two(&self, id: u64) -> Option<Popped<'_>> {
        let frame = self.top_of(id)?;
        // Masked, so that no bound has to be checked; a call is never at position 0.
        let parent = &self.frames[position_in(id).wrapping_sub(1) & (DEPTH - 1)];
        (parent.id() != 0).then_some(Popped { frame, parent })
    }

    /// The frame on top, if it is that of the call.
    #[inline(always)]
    pub(crate) fn top_of(&self, id: u64) -> Option<&Frame> {
        let position = position_in(id);
        let frame = &self.frames[position];
        (self.depth.load(Ordering::Relaxed) == position + 1 && frame.id() == id).then_some(frame)
    }

    /// Takes the call on top off: after [`top_of`](Self::top_of) found its frame there.
    #[inline(always)]
    pub(crate) fn pop(&self, id: u64, frame: &Frame) {
        frame.id.set(0);
        // Not read from memory and lowered by one: the next call would wait for that.
        self.depth.store(position_in(id), Ordering::Release);
    }

    /// Takes the call out wherever it stands on this stack: ended out of order, or above a dead frame. `None` if it
    /// is not here.
    #[cold]
    pub(crate) fn remove(&self, id: u64) -> Option<Popped<'_>> {
        let depth = self.depth.load(Ordering::Relaxed).min(DEPTH);
        let position = (1..depth).rev().find(|i| self.frames[*i].id() == id)?;
        let frame = &self.frames[position];
        self.hand_down_root(position, id, depth);
        frame.id.set(0);
        self.drop_dead(depth);
        Some(Popped { frame, parent: self.live_below(position) })
    }

    /// Takes a call's frame, from a thread that does not own this stack. `None` if the call is not here.
    #[cold]
    pub(crate) fn kill(&self, id: u64) -> Option<SavedFrame> {
        // From the top down, because `compact` moves frames down, and is in the new place before it leaves the old one.
        (1..DEPTH).rev().filter(|position| self.frames[*position].id.acquire() == id).find_map(|position| {
            let parent = self.live_below(position).as_below();
            // The depth may be changing under the eyes of another thread.
            self.hand_down_root(position, id, DEPTH);
            let saved = self.frames[position].take(id)?;
            Some(SavedFrame { parent, ..saved })
        })
    }

    /// Before a call ends below others: if its trace began with it, the next one above remembers that. There is none at
    /// `depth` and above.
    fn hand_down_root(&self, position: usize, id: u64, depth: usize) {
        if is_stand_in(id) || !self.is_outermost(position) {
            return;
        }
        let mut above = self.frames[position + 1..depth].iter().map(|frame| (frame, frame.id()));
        if let Some((frame, above)) = above.find(|(_, id)| *id != 0)
            && !is_stand_in(above)
        {
            frame.set_root(above, self.frames[position].root_as_seen(id));
            self.handed_down.add(1);
        }
    }

    /// Whether a call at this position is the outermost one of those that the stack says to be of one trace: on the
    /// ground, or in a context of its own.
    fn is_outermost(&self, position: usize) -> bool {
        let below = self.live_below(position).id();
        below == GROUND || is_stand_in(below)
    }

    /// The call that the trace of an outermost one began with, also if that was taken off just now.
    pub(crate) fn root_of(&self, id: u64) -> u64 {
        if self.handed_down.get() == 0 {
            return id;
        }
        self.frames.iter().find(|frame| frame.root_of.acquire() == id).map_or(id, |frame| frame.root.get())
    }

    /// The live frame on top, or the ground. Only for the thread that owns the stack.
    pub(crate) fn top(&self) -> &Frame {
        self.live_below(self.depth.load(Ordering::Relaxed).min(DEPTH))
    }

    /// The cell of the call that runs: of the nearest live frame of one from the top down. Only for the thread that owns
    /// the stack. Of no effect whatever it meets, because an allocator asks.
    #[cfg(feature = "alloc")]
    #[inline(always)]
    pub(crate) fn top_cell(&self) -> Option<&Cell> {
        let depth = self.depth.load(Ordering::Relaxed);
        if depth <= 1 {
            return None;
        }
        // Masked, so that no bound has to be checked.
        self.frames[(depth - 1) & (DEPTH - 1)].live_cell().or_else(|| self.live_cell_below(depth))
    }

    #[cfg(feature = "alloc")]
    #[cold]
    #[inline(never)]
    fn live_cell_below(&self, depth: usize) -> Option<&Cell> {
        self.frames.iter().take(depth).rev().find_map(Frame::live_cell)
    }

    /// Takes off everything above a call, bottom up, by `take`: the guards that a future holds while it is suspended.
    #[cold]
    pub(crate) fn take_above(&self, id: u64, take: impl FnMut(&Frame, u64, Option<Below>)) {
        let depth = self.depth.load(Ordering::Relaxed).min(DEPTH);
        if let Some(position) = (1..depth).find(|i| self.frames[*i].id() == id) {
            self.take_from(position + 1, take);
        }
    }

    /// Takes off everything, by `take`: when the thread ends.
    pub(crate) fn take_all(&self, take: impl FnMut(&Frame, u64, Option<Below>)) {
        self.take_from(1, take);
        self.depth.store(1, Ordering::Release);
    }

    fn take_from(&self, position: usize, mut take: impl FnMut(&Frame, u64, Option<Below>)) {
        let depth = self.depth.load(Ordering::Relaxed).min(DEPTH);
        let mut below = self.live_below(position).as_below();
        for frame in self.frames.iter().take(depth).skip(position) {
            let id = frame.id();
            if id != 0 {
                let this = frame.as_below();
                if !is_stand_in(id) {
                    take(frame, id, below);
                }
                below = this;
                // Whatever became of it, the call is not on this stack any more.
                frame.id.set(0);
            }
        }
        self.drop_dead(depth);
    }

    /// Puts back a frame that was on this or another stack before, with the id that it had: its position may be another
    /// one now, so the call will be looked for when it ends. Its trace began with `root`. False if the stack is full.
    #[cold]
    pub(crate) fn restore(&self, cell: *const Cell, saved: SavedFrame, root: u64) -> bool {
        let mut depth = self.depth.load(Ordering::Relaxed);
        if depth >= DEPTH {
            depth = self.compact();
            if depth >= DEPTH {
                return false;
            }
        }
        let frame = &self.frames[depth];
        frame.fill(cell, saved.weight, saved.since, saved.children_ns);
        if root != saved.id && self.is_outermost(depth) {
            frame.set_root(saved.id, root);
            self.handed_down.add(1);
        }
        // The same id may come to the same place once more, which a reader cannot see by the id alone.
        self.moves.add_published(2);
        frame.id.publish(saved.id);
        self.depth.store(depth + 1, Ordering::Release);
        true
    }

    /// Whether a call is on top.
    #[inline(always)]
    pub(crate) fn is_on_top(&self, id: u64) -> bool {
        self.frames.get(self.depth.load(Ordering::Relaxed).wrapping_sub(1)).is_some_and(|frame| frame.id() == id)
    }

    /// Lowers the depth past dead frames on top and returns it.
    #[cold]
    fn drop_dead(&self, depth: usize) -> usize {
        if self.seals.get() > 0 {
            return DEPTH;
        }
        let live = (1..depth.min(DEPTH)).rev().find(|i| self.frames[*i].id() != 0).unwrap_or(0);
        self.depth.store(live + 1, Ordering::Release);
        live + 1
    }

    /// Has no call put on this stack until [`unseal`](Self::unseal), even if there is room: those that come now are in a
    /// context for whose mark there was none, and would be taken for calls outside of it.
    #[cold]
    pub(crate) fn seal(&self) {
        self.seals.add(1);
        // More than the frames, so that none is found to be on top.
        self.depth.store(DEPTH + 1, Ordering::Release);
    }

    /// Once for each [`seal`](Self::seal).
    #[cold]
    pub(crate) fn unseal(&self) {
        self.seals.set(self.seals.get().saturating_sub(1));
        self.drop_dead(DEPTH);
    }

    /// Moves live frames down over dead ones and returns the new depth. A call that was moved is looked for when it
    /// ends, because its id says another position.
    #[cold]
    fn compact(&self) -> usize {
        if self.seals.get() > 0 {
            return DEPTH;
        }
        self.moves.add_published(1);
        let mut to = 1;
        for from in 1..DEPTH {
            let (frame, id) = (&self.frames[from], self.frames[from].id());
            if id == 0 {
                continue;
            }
            if from != to {
                let target = &self.frames[to];
                target.root.set(frame.root.get());
                target.root_of.publish(frame.root_of.get());
                target.fill(frame.cell(), frame.weight(), frame.since(), frame.children_ns());
                target.id.publish(id);
                // The call is in both places for a moment. If it is ended from outside now, which happens once, it is
                // taken from one of them, and must not live on in the other.
                if frame.take(id).is_none() {
                    target.id.set(0);
                    continue;
                }
            }
            to += 1;
        }
        self.depth.store(to, Ordering::Release);
        self.moves.add_published(1);
        to
    }

    fn live_below(&self, position: usize) -> &Frame {
        self.frames[..position].iter().rev().find(|frame| frame.id() != 0).unwrap_or(&self.frames[0])
    }

    /// The live frames from the bottom up, with those that stand in for a call, from any thread. A frame that changes
    /// meanwhile is left out, and so are all while frames are moved again and again.
    pub(crate) fn read(&self) -> Vec<FrameView> {
        (0..READS).find_map(|_| self.read_once()).unwrap_or_default()
    }

    /// `None` if frames were moved meanwhile: one call may have been seen twice then, or parts of two as one.
    fn read_once(&self) -> Option<Vec<FrameView>> {
        let moves = self.moves.acquire();
        let depth = self.depth.load(Ordering::Acquire).min(DEPTH);
        let mut parent = GROUND;
        let mut views = Vec::new();
        for frame in self.frames.iter().take(depth).skip(1) {
            let id = frame.id.acquire();
            let cell = frame.cell.load(Ordering::Acquire).cast_const();
            let since = frame.since.acquire();
            // Acquired again: whoever sees an id that came back sees that it was moved.
            if id != 0 && frame.id.acquire() == id {
                views.push(FrameView { id, cell, since, parent, root: frame.root_as_seen(id) });
                parent = if is_stand_in(id) { since } else { id };
            }
        }
        (moves & 1 == 0 && self.moves.get() == moves).then_some(views)
    }
}

#[cfg(all(test, not(loom)))]
#[path = "stack_tests.rs"]
mod tests;
