//! One tracked call from its beginning to its end: the hot path.
//!
//! What is known of a call that runs lies in its frame on the stack; the guard in the host's code holds a word. The
//! straight way (same thread, on top of the stack, success, nothing remarkable) is [`begin`] and [`succeed_timed`]; all else
//! goes to [`end_elsewhere`], which knows every case.

use std::panic::{RefUnwindSafe, UnwindSafe};

use super::cell::{Cell, Recording};
use super::context::{lineage_above_all, lineage_from_outside};
use super::lineage::Lineage;
use super::local::{cell_of, current, is_current, with_borrowed};
use super::note::{Ended, Extras, Parent, note};
use super::quiet::quietly;
use super::recorder::{Holder, RecorderRef, Shard};
use super::registry::{Cap, Identity};
use super::roster::Seat;
use super::stack::{Below, GROUND, Popped, SavedFrame, Stack};
use super::tasks::TaskSlot;
use crate::model::Outcome;

/// What is held of a call that runs, in one word: the id of its frame, or the address of a [`Loose`] call, or zero for a
/// call that is not recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token(u64);

/// A call without a frame: nested too deep, or begun on a shard that its thread does not hold for longer.
#[derive(Debug)]
struct Loose {
    /// The shard that it began on.
    seat: *const Seat<Shard>,
    cell: *const Cell,
    id: u64,
    since: u64,
    weight: u64,
    /// Whether it lies within a call that has a frame, and in whose time its own is contained.
    nested: bool,
    /// Makes it visible among what is active.
    slot: Option<TaskSlot>,
    lineage: Lineage,
}

/// Ids are odd and addresses of `Loose` even, which tells the two apart.
const ID_BIT: u64 = 1;

impl Token {
    pub(super) const INERT: Self = Self(0);

    #[inline(always)]
    fn framed(id: u64) -> Self {
        Self(id)
    }

    #[cold]
    #[inline(never)]
    fn of_loose(loose: Loose) -> Self {
        // Nothing may be recorded while memory is asked for.
        let address = quietly(|| Box::into_raw(Box::new(loose)).expose_provenance());
        address.map_or(Self::INERT, |address| Self(address as u64))
    }

    #[inline(always)]
    pub(super) fn is_inert(self) -> bool {
        self.0 == 0
    }

    /// The id of the call; zero if it is not recorded.
    pub(super) fn id(self) -> u64 {
        if self.is_loose() {
            // SAFETY: null, or a `Loose` that lives until its call ends, which takes the token.
            unsafe { self.loose().as_ref() }.map_or(0, |loose| loose.id)
        } else {
            self.0
        }
    }

    fn is_loose(self) -> bool {
        self.0 & ID_BIT == 0
    }

    #[expect(clippy::cast_possible_truncation, reason = "it was made from an address")]
    fn loose(self) -> *mut Loose {
        std::ptr::with_exposed_provenance_mut(self.0 as usize)
    }
}

/// A call that runs and may end on another thread: with the shard that it began on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    pub(super) token: Token,
    pub(super) seat: *const Seat<Shard>,
}

// As for a `RecorderRef`.
impl UnwindSafe for Call {}
impl RefUnwindSafe for Call {}

impl Call {
    /// A call that has just begun on this thread, or on a shard that was borrowed for it.
    #[inline(always)]
    pub(super) fn new(token: Token) -> Self {
        Self { token, seat: current().map_or(std::ptr::null(), |holder| std::ptr::from_ref(holder.seat())) }
    }
}

/// Begins a timed call on the thread's own shard.
#[inline(always)]
pub(super) fn begin(holder: Holder<'_>, cell: &Cell) -> Token {
    begin_weighted(holder, cell, 1)
}

/// Begins a call of which one in about `sample` is timed.
///
/// The gaps are random, even from 1 to `2 * sample - 1`, so that a load with a period of its own is not always met in
/// the same phase. A timed call stands for the calls of the gap before it: each call is then expected to be counted
/// once in sums and percentiles, whatever the gaps (the Horvitz-Thompson estimator).
#[inline]
pub(super) fn begin_sampled(holder: Holder<'_>, cell: &Cell, sample: u32) -> Token {
    begin_weighted(holder, cell, next_weight(holder, cell, sample))
}

/// Begins a call of a sampled operation, unless it is one to be timed.
#[inline(always)]
pub(super) fn begin_untimed(holder: Holder<'_>, cell: &Cell) -> Option<Token> {
    passes_untimed(cell).then(|| begin_weighted(holder, cell, 0))
}

/// Whether the next call of a sampled operation passes untimed, which is then counted.
#[inline(always)]
fn passes_untimed(cell: &Cell) -> bool {
    let skip = cell.skip.get();
    if skip > 0 {
        cell.skip.set(skip - 1);
    }
    skip > 0
}

#[inline(always)]
fn begin_weighted(holder: Holder<'_>, cell: &Cell, weight: u64) -> Token {
    cell.started.add(1);
    match holder.stack.push(cell, holder.next_number(), weight, || start_of(holder, weight)) {
        Some(id) => Token::framed(id),
        None => begin_too_deep(holder, cell, weight),
    }
}

/// The clock's reading for a call that is timed. For others the last one that is known: no clock is read.
#[inline(always)]
pub(super) fn start_of(holder: Holder<'_>, weight: u64) -> u64 {
    if weight == 0 { holder.last_tick.get() } else { holder.now() }
}

/// The number of calls that the next one stands for; zero if it is not timed. See [`begin_sampled`].
#[inline]
pub(super) fn next_weight(holder: Holder<'_>, cell: &Cell, sample: u32) -> u64 {
    if passes_untimed(cell) {
        return 0;
    }
    let weight = cell.gap.get();
    let gap = 1 + holder.random_below(2 * u64::from(sample.max(1)) - 1);
    cell.gap.set(gap);
    cell.skip.set(gap - 1);
    weight
}

#[cold]
#[inline(never)]
fn begin_too_deep(holder: Holder<'_>, cell: &Cell, weight: u64) -> Token {
    holder.losses.stack_overflows.add(1);
    let (seat, id, since) = (std::ptr::from_ref(holder.seat()), holder.next_number(), start_of(holder, weight));
    let lineage = lineage_above_all(holder, id);
    Token::of_loose(Loose { seat, cell, id, since, weight, nested: true, slot: None, lineage })
}

/// Begins a call of an identity on the thread's own shard. `site` remembers it under a call site.
#[inline(always)]
pub(super) fn begin_identified(
    holder: Holder<'_>,
    identity: &Identity<'_>,
    recording: Recording,
    site: Option<usize>,
    sample: u32,
) -> Token {
    if holder.is_off() {
        return Token::INERT;
    }
    match meet(holder, identity, recording, site) {
        Some(cell) if sample > 1 => begin_sampled(holder, cell, sample),
        Some(cell) => begin(holder, cell),
        None => Token::INERT,
    }
}

/// Begins a call of a recorder that this thread does not record into.
#[cold]
#[inline(never)]
pub(super) fn begin_outside(recorder: &RecorderRef, identity: &Identity<'_>, recording: Recording) -> Token {
    let begun = with_borrowed(recorder, |holder| {
        let cell = if holder.is_off() { None } else { meet(holder, identity, recording, None) };
        cell.map(|cell| begin_borrowed(holder, cell))
    });
    begun.flatten().unwrap_or(Token::INERT)
}

/// Begins a call on a shard that is given back at once.
fn begin_borrowed(holder: Holder<'_>, cell: &Cell) -> Token {
    cell.started.add(1);
    let (id, since) = (holder.next_number(), holder.now());
    let lineage = lineage_above_all(holder, id);
    let slot = quietly(|| holder.tasks.claim(id, cell.series, since, GROUND, Some(lineage.clone()))).flatten();
    Token::of_loose(Loose { seat: holder.seat(), cell, id, since, weight: 1, nested: false, slot, lineage })
}

/// Ends a call with success, if it is a timed one on top of this thread's stack.
#[inline(always)]
pub(super) fn succeed_timed(holder: Holder<'_>, token: Token, extras: Extras<'_>) -> bool {
    let id = token.0;
    let Some(popped) = holder.stack.top_two(id) else { return false };
    let weight = popped.frame.weight();
    if weight == 0 {
        return false;
    }
    // SAFETY: a frame above the ground has a cell of this shard.
    let cell = unsafe { &*popped.frame.cell() };
    let now = holder.now();
    holder.stack.pop(id, popped.frame);
    let ns = holder.clock.nanos_between(popped.frame.since(), now);
    let parent = tell_parent(cell, &popped, ns, weight);
    cell.add_time(ns, ns.wrapping_sub(popped.frame.children_ns()), weight);
    add_extras(cell, &extras);
    cell.succeeded.add_published(1);
    holder.last_tick.set(now);
    if cell.is_notable(ns, now) {
        let ended = Ended { id, timed: true, ns, now, parent, outcome: Outcome::Success, lineage: None };
        note(holder, cell, &ended, extras);
    }
    true
}

/// Ends a call with success, if it is one on top of this thread's stack that is not timed.
#[inline(always)]
pub(super) fn succeed_untimed(holder: Holder<'_>, token: Token) -> bool {
    let id = token.0;
    let Some(frame) = holder.stack.top_of(id).filter(|frame| frame.weight() == 0) else { return false };
    // SAFETY: a frame above the ground has a cell of this shard.
    let cell = unsafe { &*frame.cell() };
    holder.stack.pop(id, frame);
    cell.succeeded.add_published(1);
    true
}

#[inline(always)]
pub(super) fn add_extras(cell: &Cell, extras: &Extras<'_>) {
    if extras.items | extras.bytes != 0 {
        cell.items.add_saturating(extras.items);
        cell.bytes.add_saturating(extras.bytes);
    }
}

/// Tells the parent of the time its child took, and the child who called.
#[inline(always)]
fn tell_parent(cell: &Cell, popped: &Popped<'_>, ns: u64, weight: u64) -> Parent {
    popped.parent.add_child(ns.wrapping_mul(weight));
    let parent = parent_of(popped);
    if let Some(caller) = parent.series {
        cell.edges.record(caller, weight, ns.wrapping_mul(weight));
    }
    parent
}

#[inline(always)]
pub(super) fn parent_of(popped: &Popped<'_>) -> Parent {
    // SAFETY: a frame of this thread's stack has a cell of this shard, or none on the ground.
    let series = unsafe { popped.parent.cell().as_ref() }.map(|caller| caller.series);
    Parent { id: popped.parent.id(), series }
}

/// Ends a call that did not go the straight way: not a success, on another thread, out of order, on a full stack,
/// at the end of a thread, in a forked child.
#[cold]
#[inline(never)]
pub(super) fn end_elsewhere(call: Call, outcome: Outcome, extras: Extras<'_>) {
    let mut seat = call.seat;
    if call.token.is_loose() {
        // SAFETY: as in `Token::id`.
        let Some(loose) = (unsafe { call.token.loose().as_ref() }) else { return };
        seat = loose.seat;
    }
    // SAFETY: a call is recorded by a recorder that lives, by the scope that a `SyncCall` lies in or by the handle in an
    // `OpenCall`, and with it live all its shards. Null where a thread's shard is gone: in a forked child.
    let Some(seat) = (unsafe { seat.as_ref() }) else { return };
    let recorder = seat.recorder();
    if recorder.is_inherited() {
        return;
    }
    let now = recorder.clock.ticks();
    let call = Call { seat, ..call };
    match current() {
        Some(holder) if std::ptr::eq(holder.recorder(), recorder) => end_on(holder, call, outcome, now, extras),
        _ => {
            with_borrowed(&RecorderRef::to(recorder), |holder| end_on(holder, call, outcome, now, extras));
        }
    }
}

fn end_on(holder: Holder<'_>, call: Call, outcome: Outcome, now: u64, extras: Extras<'_>) {
    let Some(running) = take_running(holder, call) else { return };
    let Some(cell) = cell_of(holder, running.series) else { return };
    let Running { id, since, weight, .. } = running;
    let timed = weight > 0;
    let ns = if timed { holder.clock.nanos_between(since, now) } else { 0 };
    let parent = match &running.popped {
        Some(popped) if timed => tell_parent(cell, popped, ns, weight),
        Some(popped) => parent_of(popped),
        None => running.parent.map_or(Parent::NONE, |below| Parent { id: below.id, series: Some(below.series) }),
    };
    if let (true, None, Some(caller)) = (timed, &running.popped, parent.series) {
        cell.edges.record(caller, weight, ns.wrapping_mul(weight));
    }
    if timed {
        let self_ns = if running.nested { 0 } else { ns.wrapping_sub(running.children_ns) };
        cell.add_time(ns, self_ns, weight);
        holder.last_tick.set(now);
    }
    add_extras(cell, &extras);
    count_outcome(cell, outcome);
    note(holder, cell, &Ended { id, timed, ns, now, parent, outcome, lineage: running.lineage.as_ref() }, extras);
}

/// What is known of a call that is about to end, wherever it was kept.
struct Running<'a> {
    series: u32,
    id: u64,
    since: u64,
    weight: u64,
    children_ns: u64,
    nested: bool,
    popped: Option<Popped<'a>>,
    /// Of a call that was taken from elsewhere.
    parent: Option<Below>,
    lineage: Option<Lineage>,
}

fn take_running(holder: Holder<'_>, call: Call) -> Option<Running<'_>> {
    if call.token.is_loose() {
        // SAFETY: `Token::of_loose` made it with `Box::into_raw`, and a call ends once: whoever ends it owns it.
        let loose = unsafe { Box::from_raw(call.token.loose()) };
        let Loose { cell, id, since, weight, nested, slot, lineage, .. } = *loose;
        if let Some(slot) = slot {
            slot.release();
        }
        // SAFETY: a cell of a shard of this recorder, which lives.
        let series = unsafe { &*cell }.series;
        let (popped, parent, lineage) = (None, None, Some(lineage));
        return Some(Running { series, id, since, weight, children_ns: 0, nested, popped, parent, lineage });
    }
    let id = call.token.0;
    // On this thread's stack, out of order or taken along by a future; else parked, or on another thread's stack.
    if let Some(popped) = stack_of_thread(holder).and_then(|stack| stack.remove(id)) {
        let frame = popped.frame;
        // SAFETY: a frame above the ground has a cell of a shard of this recorder.
        let series = unsafe { &*frame.cell() }.series;
        let (since, weight, children_ns) = (frame.since(), frame.weight(), frame.children_ns());
        return Some(Running {
            series,
            id,
            since,
            weight,
            children_ns,
            nested: false,
            popped: Some(popped),
            parent: None,
            lineage: None,
        });
    }
    let recorder = holder.recorder();
    let on_any_stack = || {
        // SAFETY: as in `end_elsewhere`.
        let began_on = unsafe { &*call.seat };
        let kill = |shard: &Shard| {
            let lineage = lineage_from_outside(recorder, shard, id);
            // Never that of the thread that ends it here, also not if the other stack could not be read.
            let known = |saved: &SavedFrame| Lineage::Root(saved.parent.map_or(id, |parent| parent.id));
            shard.stack.kill(id).map(|saved| (saved, lineage.unwrap_or_else(|| known(&saved))))
        };
        kill(began_on).or_else(|| recorder.shards.iter().find_map(|shard| kill(shard)))
    };
    let (saved, lineage) = quietly(|| recorder.parked.take(id, on_any_stack)).flatten()?;
    let (series, since, weight, children_ns) = (saved.series, saved.since, saved.weight, saved.children_ns);
    let parent = saved.parent;
    let lineage = Some(lineage);
    Some(Running { series, id, since, weight, children_ns, nested: false, popped: None, parent, lineage })
}

/// The stack, if this is the shard that the thread records into: a shard that is borrowed for a moment has none.
fn stack_of_thread(holder: Holder<'_>) -> Option<&Stack> {
    is_current(holder.seat()).then_some(&holder.seat().stack)
}

/// The cell of an identity on a shard, made now if need be. `site` remembers it under a call site.
#[inline]
pub(super) fn meet<'a>(
    holder: Holder<'a>,
    identity: &Identity<'_>,
    recording: Recording,
    site: Option<usize>,
) -> Option<&'a Cell> {
    if site.is_none()
        && let Some(cell) = holder.cell_at_place(identity)
    {
        return Some(cell);
    }
    // SAFETY: inside `quietly`.
    quietly(|| unsafe { meet_new(holder, identity, recording, site) })
}

/// # Safety
/// As for the methods of [`Holder`] that it calls: inside [`quietly`].
#[cold]
unsafe fn meet_new<'a>(
    holder: Holder<'a>,
    identity: &Identity<'_>,
    recording: Recording,
    site: Option<usize>,
) -> &'a Cell {
    let recorder = holder.recorder();
    if let Some(site) = site {
        let found = recorder.find_series(identity, recording);
        // SAFETY: the caller sees to it.
        let cell = unsafe { holder.meet_series(&found.series) };
        // SAFETY: the caller sees to it.
        unsafe { holder.remember_site(site, cell) };
        return cell;
    }
    let hash = identity.hash(&recorder.hash_state);
    let (series, cell) = if let Some(known) = holder.cell_of_name(hash, identity) {
        known
    } else {
        let found = recorder.find_series(identity, recording);
        // SAFETY: the caller sees to it.
        let cell = unsafe { holder.meet_series(&found.series) };
        if found.cap != Cap::Within || found.changed {
            // What is over a cap has no bound, so it is not remembered; nor is a name that would never be met again in
            // the form that is kept.
            return cell;
        }
        (found.series, cell)
    };
    // SAFETY: the caller sees to it.
    unsafe { holder.remember_name(hash, identity, series, cell) };
    cell
}

pub(super) fn count_outcome(cell: &Cell, outcome: Outcome) {
    let counter = match outcome {
        Outcome::Success => &cell.succeeded,
        Outcome::Failure => &cell.failed,
        Outcome::Panicked => &cell.panicked,
        Outcome::Cancelled | Outcome::Interrupted => &cell.cancelled,
    };
    counter.add_published(1);
}

/// Labels in the order of their keys, each key once: of two with one key the later one counts.
pub(crate) fn sorted<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
) -> smallvec::SmallVec<[(&'a str, &'a str); 4]> {
    let mut labels: smallvec::SmallVec<[_; 4]> = labels.collect();
    if labels.len() > 1 {
        labels.reverse();
        labels.sort_by_key(|(key, _)| *key);
        labels.dedup_by_key(|(key, _)| *key);
    }
    labels
}
