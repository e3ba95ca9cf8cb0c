//! One tracked call from its beginning to its end: the hot path.
//!
//! What is known of a call that runs lies in its frame on the stack; the guard in the host's code holds two words. The
//! straight way (same thread, on top of the stack, success, nothing remarkable) is [`begin`] and [`succeed`]; all else
//! goes to [`end_elsewhere`], which knows every case.

use super::cell::Cell;
use super::local::{self, current, quietly, with_borrowed};
use super::note::{Ended, Extras, Parent, note};
use super::recorder::RecorderRef;
use super::registry::Identity;
use super::roster::Seat;
use super::shard::{Holder, Shard};
use super::stack::{GROUND, Popped};
use super::tasks::TaskSlot;
use crate::model::Outcome;
use crate::record::cell::Recording;

/// A call that runs, in two words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Call {
    /// The shard that it began on; null: the call is not recorded.
    seat: *const Seat<Shard>,
    /// The id of its frame as an address, or the address of a [`Loose`] call.
    token: *const Loose,
}

/// A call without a frame: nested too deep, or begun on a shard that its thread does not hold for longer.
#[derive(Debug)]
struct Loose {
    cell: *const Cell,
    id: u64,
    since: u64,
    weight: u64,
    /// Whether it lies within a call that has a frame, and in whose time its own is contained.
    nested: bool,
    /// Makes it visible among what is active.
    slot: Option<TaskSlot>,
}

/// Ids are odd and addresses of `Loose` even, which tells the two apart.
const ID_BIT: usize = 1;

impl Call {
    pub(super) const INERT: Self = Self { seat: std::ptr::null(), token: std::ptr::null() };

    #[inline(always)]
    fn framed(holder: Holder<'_>, id: u64) -> Self {
        Self { seat: holder.seat(), token: std::ptr::without_provenance(id as usize) }
    }

    #[cold]
    #[inline(never)]
    fn loose(holder: Holder<'_>, loose: Loose) -> Self {
        // Nothing may be recorded while memory is asked for.
        let token = quietly(|| Box::into_raw(Box::new(loose)).cast_const());
        token.map_or(Self::INERT, |token| Self { seat: holder.seat(), token })
    }

    #[inline(always)]
    pub(super) fn is_inert(self) -> bool {
        self.seat.is_null()
    }

    /// The id of the call; zero if it is not recorded.
    pub(super) fn id(self) -> u64 {
        if self.is_loose() {
            // SAFETY: a `Loose` lives until its call ends, which takes the call.
            unsafe { self.token.as_ref() }.map_or(0, |loose| loose.id)
        } else {
            self.token.addr() as u64
        }
    }

    fn is_loose(self) -> bool {
        self.token.addr() & ID_BIT == 0
    }
}

/// Begins a timed call on the thread's own shard.
#[inline(always)]
pub(super) fn begin(holder: Holder<'_>, cell: &Cell) -> Call {
    begin_weighted(holder, cell, 1)
}

/// Begins a call of which one in about `sample` is timed.
///
/// The gaps are random, even from 1 to `2 * sample - 1`, so that a load with a period of its own is not always met in
/// the same phase. A timed call stands for the calls of the gap before it: each call is then expected to be counted
/// once in sums and percentiles, whatever the gaps (the Horvitz-Thompson estimator).
#[inline(always)]
pub(super) fn begin_sampled(holder: Holder<'_>, cell: &Cell, sample: u32) -> Call {
    let skip = cell.skip.get();
    if skip == 0 {
        return begin_timed_sample(holder, cell, sample);
    }
    cell.skip.set(skip - 1);
    begin_weighted(holder, cell, 0)
}

/// Apart, so that the calls that are not timed need not save the registers that this one wants.
#[inline(never)]
fn begin_timed_sample(holder: Holder<'_>, cell: &Cell, sample: u32) -> Call {
    begin_weighted(holder, cell, next_weight(holder, cell, sample))
}

#[inline(always)]
fn begin_weighted(holder: Holder<'_>, cell: &Cell, weight: u64) -> Call {
    cell.started.add(1);
    let id = holder.next_id();
    if holder.stack.push(cell, id, weight, || start_of(holder, weight)) {
        Call::framed(holder, id)
    } else {
        begin_too_deep(holder, cell, id, weight)
    }
}

/// The clock's reading for a call that is timed. For others the last one that is known: no clock is read.
#[inline(always)]
pub(super) fn start_of(holder: Holder<'_>, weight: u64) -> u64 {
    if weight == 0 { holder.last_tick.get() } else { holder.clock.ticks() }
}

/// The number of calls that the next one stands for; zero if it is not timed. See [`begin_sampled`].
#[inline]
pub(super) fn next_weight(holder: Holder<'_>, cell: &Cell, sample: u32) -> u64 {
    let skip = cell.skip.get();
    if skip > 0 {
        cell.skip.set(skip - 1);
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
fn begin_too_deep(holder: Holder<'_>, cell: &Cell, id: u64, weight: u64) -> Call {
    holder.losses.stack_overflows.add(1);
    Call::loose(holder, Loose { cell, id, since: start_of(holder, weight), weight, nested: true, slot: None })
}

/// Begins a call on a shard that is given back at once.
#[cold]
pub(super) fn begin_borrowed(holder: Holder<'_>, cell: &Cell) -> Call {
    cell.started.add(1);
    let (id, since) = (holder.next_id(), holder.clock.ticks());
    let slot = quietly(|| holder.tasks.claim(id, cell.series, since, GROUND)).flatten();
    Call::loose(holder, Loose { cell, id, since, weight: 1, nested: false, slot })
}

/// Ends a call with success.
#[inline(always)]
pub(super) fn succeed(call: Call, extras: Extras<'_>) {
    match on_top(call) {
        Some((holder, popped)) => succeed_timed(holder, popped, popped.frame.weight(), extras),
        None => end_elsewhere(call, Outcome::Success, extras),
    }
}

/// Ends a call, which may not be a timed one, with success.
#[inline(always)]
pub(super) fn succeed_sampled(call: Call, extras: Extras<'_>) {
    let Some((holder, popped)) = on_top(call) else { return end_elsewhere(call, Outcome::Success, extras) };
    let weight = popped.frame.weight();
    if weight > 0 {
        return succeed_timed_apart(holder, popped, weight, extras);
    }
    // SAFETY: a frame above the ground has a cell of this shard.
    let cell = unsafe { &*popped.frame.cell() };
    holder.stack.pop(popped);
    add_extras(cell, &extras);
    cell.succeeded.add_published(1);
}

/// The shard and the frames of a call, if this thread records into the shard that it began on and it is on top there.
#[inline(always)]
fn on_top<'a>(call: Call) -> Option<(Holder<'a>, Popped<'a>)> {
    if !local::is_current(call.seat) || call.is_inert() {
        return None;
    }
    // SAFETY: it is the seat in `CURRENT`, see `local::current`.
    let seat = unsafe { &*call.seat };
    // SAFETY: as above: this thread holds what is in `CURRENT`.
    let holder = unsafe { Holder::new(seat) };
    Some((holder, seat.stack.top_two(call.token.addr() as u64)?))
}

#[inline(always)]
fn succeed_timed(holder: Holder<'_>, popped: Popped<'_>, weight: u64, extras: Extras<'_>) {
    // SAFETY: a frame above the ground has a cell of this shard.
    let cell = unsafe { &*popped.frame.cell() };
    let id = popped.frame.id();
    let now = holder.clock.ticks();
    holder.stack.pop(popped);
    let ns = holder.clock.nanos_between(popped.frame.since(), now);
    let parent = tell_parent(cell, &popped, ns, weight);
    cell.add_time(ns, ns.wrapping_sub(popped.frame.children_ns()), weight);
    add_extras(cell, &extras);
    cell.succeeded.add_published(1);
    holder.last_tick.set(now);
    if cell.is_notable(ns, now) {
        note(holder, cell, &Ended { id, timed: true, ns, now, parent, outcome: Outcome::Success }, extras);
    }
}

/// Apart for the same reason as [`begin_timed_sample`].
#[inline(never)]
fn succeed_timed_apart(holder: Holder<'_>, popped: Popped<'_>, weight: u64, extras: Extras<'_>) {
    succeed_timed(holder, popped, weight, extras);
}

#[inline(always)]
pub(super) fn add_extras(cell: &Cell, extras: &Extras<'_>) {
    if extras.items | extras.bytes != 0 {
        cell.items.add(extras.items);
        cell.bytes.add(extras.bytes);
    }
}

/// Tells the parent of the time its child took, and the child who called.
#[inline(always)]
fn tell_parent(cell: &Cell, popped: &Popped<'_>, ns: u64, weight: u64) -> Parent {
    let parent = popped.parent;
    parent.add_child(ns.wrapping_mul(weight));
    // SAFETY: a frame of this thread's stack has a cell of this shard, or none on the ground.
    let series = unsafe { parent.cell().as_ref() }.map(|caller| caller.series);
    if let Some(caller) = series {
        cell.edges.record(caller, weight, ns.wrapping_mul(weight));
    }
    Parent { id: parent.id(), series }
}

/// Ends a call that did not go the straight way: not a success, on another thread, out of order, on a full stack,
/// at the end of a thread, in a forked child.
#[cold]
#[inline(never)]
pub(super) fn end_elsewhere(call: Call, outcome: Outcome, extras: Extras<'_>) {
    // SAFETY: null for a call that is not recorded; else the recorder lives, by the scope that a `SyncCall` lies in,
    // or by the handle in an `OpenCall`, and with it all its shards.
    let Some(seat) = (unsafe { call.seat.as_ref() }) else { return };
    let recorder = seat.recorder();
    if recorder.is_inherited() {
        return;
    }
    let now = recorder.clock.ticks();
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
    let mut parent = Parent::NONE;
    if let Some(popped) = &running.popped {
        parent = if timed { tell_parent(cell, popped, ns, weight) } else { Parent::NONE };
    }
    if timed {
        let self_ns = if running.nested { 0 } else { ns.wrapping_sub(running.children_ns) };
        cell.add_time(ns, self_ns, weight);
        holder.last_tick.set(now);
    }
    add_extras(cell, &extras);
    count_outcome(cell, outcome);
    note(holder, cell, &Ended { id, timed, ns, now, parent, outcome }, extras);
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
}

fn take_running(holder: Holder<'_>, call: Call) -> Option<Running<'_>> {
    if call.is_loose() {
        // SAFETY: `Call::loose` made it with `Box::into_raw`, and a call ends once: whoever ends it owns it.
        let loose = unsafe { Box::from_raw(call.token.cast_mut()) };
        let Loose { cell, id, since, weight, nested, slot } = *loose;
        if let Some(slot) = slot {
            slot.release();
        }
        // SAFETY: a cell of a shard of this recorder, which lives.
        let series = unsafe { &*cell }.series;
        return Some(Running { series, id, since, weight, children_ns: 0, nested, popped: None });
    }
    let id = call.token.addr() as u64;
    // On this thread's stack, out of order or taken along by a future; else on that of the thread where it began.
    if let Some(popped) = holder.stack_of_thread().and_then(|stack| stack.remove(id)) {
        let frame = popped.frame;
        // SAFETY: a frame above the ground has a cell of a shard of this recorder.
        let series = unsafe { &*frame.cell() }.series;
        let (since, weight, children_ns) = (frame.since(), frame.weight(), frame.children_ns());
        return Some(Running { series, id, since, weight, children_ns, nested: false, popped: Some(popped) });
    }
    // SAFETY: as in `end_elsewhere`.
    let saved = unsafe { &*call.seat }.stack.kill(id)?;
    let (series, since, weight, children_ns) = (saved.series, saved.since, saved.weight, saved.children_ns);
    Some(Running { series, id, since, weight, children_ns, nested: false, popped: None })
}

/// The cell of a series on a shard, made now if need be.
pub(super) fn cell_of(holder: Holder<'_>, series: u32) -> Option<&Cell> {
    holder.cell_of_series(series).or_else(|| {
        let known = holder.recorder().series(series)?;
        // SAFETY: inside `quietly`.
        quietly(|| unsafe { holder.meet_series(&known) })
    })
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
    quietly(|| unsafe { holder.meet(identity, recording, site) })
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
