//! A call that its owner may send from thread to thread: what guards are made of.

use std::mem::ManuallyDrop;

use super::call::{Call, Token, begin, begin_identified, begin_outside, end_elsewhere, succeed_timed, succeed_untimed};
use super::call_site::RecordPolicy;
use super::cell::Recording;
use super::failure::Failure;
use super::local::{attach, current};
use super::note::Extras;
use super::recorder::{Holder, Recorder, RecorderRef};
use super::registry::Identity;
use crate::model::{FieldValue, Outcome};

/// The fields of a call: one word when there are none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(
    #[expect(clippy::box_collection, reason = "one word in the guard, which hardly ever has it")]
    Option<Box<Vec<(&'static str, FieldValue)>>>,
);

impl Fields {
    pub(crate) fn push(&mut self, key: &'static str, value: FieldValue) {
        self.0.get_or_insert_default().push((key, value));
    }

    #[inline(always)]
    fn as_slice(&self) -> &[(&'static str, FieldValue)] {
        match &self.0 {
            Some(fields) => fields,
            None => &[],
        }
    }
}

/// A call that keeps its recorder alive. Dropped, it ends: with success, unless a panic that began while it ran is what
/// drops it.
pub(crate) struct OpenCall {
    call: Call,
    /// Keeps alive what the call points to.
    recorder: RecorderRef,
    pub(crate) items: u64,
    pub(crate) bytes: u64,
    pub(crate) fields: Fields,
    /// A panic that began before the call is not the call's.
    was_panicking: bool,
}

// SAFETY: the pointers of a call are used as its recorder allows, whichever thread has it: `end_elsewhere` writes to
// the shard of the thread that it runs on, and touches the frame of the other one with a compare-exchange.
unsafe impl Send for OpenCall {}
// SAFETY: a shared reference gives no way to use them.
unsafe impl Sync for OpenCall {}

impl OpenCall {
    /// Begins a call of an operation that is known by its name.
    #[inline(always)]
    pub(crate) fn begin(
        recorder: RecorderRef,
        identity: &Identity<'_>,
        recording: Recording,
        sample: u32,
        (items, bytes, fields): (u64, u64, Fields),
    ) -> Self {
        let call = Call::new(begin_named(&recorder, identity, recording, sample));
        Self { call, recorder, items, bytes, fields, was_panicking: std::thread::panicking() }
    }

    /// Begins a call of an operation of which nothing but the name was given.
    #[inline(always)]
    pub(crate) fn begin_bare(recorder: RecorderRef, name: &str) -> Self {
        let call = begin_bare(&recorder, name);
        Self { call, recorder, items: 0, bytes: 0, fields: Fields::default(), was_panicking: std::thread::panicking() }
    }

    /// From now on the call is ended in any case unless a panic prevents it.
    #[inline(always)]
    pub(crate) fn ends_surely(&mut self) {
        self.was_panicking = false;
    }

    /// The id of the call; zero if it is not recorded.
    pub(crate) fn id(&self) -> u64 {
        self.call.token.id()
    }

    /// Ends the call.
    #[inline(always)]
    pub(crate) fn end(self, outcome: Outcome, error: Option<&dyn Failure>) {
        let this = ManuallyDrop::new(self);
        let (call, items, bytes) = (this.call, this.items, this.bytes);
        // Each part by itself, and never the whole: a copy of the guard would be read sixteen bytes at a time before
        // the eight-byte stores that made it have reached the cache, and wait for them.
        // SAFETY: `this` is not used again, so each of the two is dropped once, here.
        let (fields, _recorder) =
            unsafe { (std::ptr::read(&raw const this.fields), std::ptr::read(&raw const this.recorder)) };
        end(call, outcome, error, items, bytes, &fields);
    }
}

#[inline(always)]
fn end(call: Call, outcome: Outcome, error: Option<&dyn Failure>, items: u64, bytes: u64, fields: &Fields) {
    if call.token.is_inert() {
        return;
    }
    let simple = fields.0.is_none() && items | bytes == 0;
    if outcome == Outcome::Success && simple {
        leave(call);
    } else {
        leave_with(call, outcome, error, items, bytes, fields);
    }
}

#[inline(never)]
fn leave(call: Call) {
    let straight = |holder| succeed_timed(holder, call.token, Extras::default()) || succeed_untimed(holder, call.token);
    if !on_own_shard(call).is_some_and(straight) {
        end_elsewhere(call, Outcome::Success, Extras::default());
    }
}

#[inline(never)]
fn leave_with(call: Call, outcome: Outcome, error: Option<&dyn Failure>, items: u64, bytes: u64, fields: &Fields) {
    let extras = Extras { items, bytes, fields: fields.as_slice(), error, ..Extras::default() };
    let straight = |holder| outcome == Outcome::Success && succeed_timed(holder, call.token, extras);
    if !on_own_shard(call).is_some_and(straight) {
        end_elsewhere(call, outcome, extras);
    }
}

/// The shard of this thread, if it is the one that the call began on.
#[inline(always)]
fn on_own_shard<'a>(call: Call) -> Option<Holder<'a>> {
    current().filter(|holder| std::ptr::eq(holder.seat(), call.seat))
}

impl Drop for OpenCall {
    #[inline]
    fn drop(&mut self) {
        let panicked = !self.was_panicking && std::thread::panicking();
        let outcome = if panicked { Outcome::Panicked } else { Outcome::Success };
        end(self.call, outcome, None, self.items, self.bytes, &self.fields);
    }
}

#[inline(never)]
fn begin_bare(recorder: &Recorder, name: &str) -> Call {
    let here = current().filter(|holder| std::ptr::eq(holder.recorder(), recorder) && !holder.is_off());
    match here.and_then(|holder| Some((holder, holder.cell_of_bare_name(name)?))) {
        Some((holder, cell)) => Call { token: begin(holder, cell), seat: holder.seat() },
        None => begin_bare_new(recorder, name),
    }
}

#[cold]
#[inline(never)]
fn begin_bare_new(recorder: &Recorder, name: &str) -> Call {
    let recording = RecordPolicy::Auto.recording();
    Call::new(begin_named(&RecorderRef::to(recorder), &Identity::bare(name), recording, 1))
}

#[inline(never)]
fn begin_named(recorder: &RecorderRef, identity: &Identity<'_>, recording: Recording, sample: u32) -> Token {
    if !cfg!(feature = "enabled") {
        return Token::INERT;
    }
    match current().filter(|holder| std::ptr::eq(holder.recorder(), &raw const **recorder)) {
        Some(holder) => begin_identified(holder, identity, recording, None, sample),
        None => begin_elsewhere(recorder, identity, recording, sample),
    }
}

/// Begins a call of a recorder that this thread does not record into, or does so for the first time.
#[cold]
#[inline(never)]
fn begin_elsewhere(recorder: &RecorderRef, identity: &Identity<'_>, recording: Recording, sample: u32) -> Token {
    if recorder.is_inherited() {
        return begin_named(&RecorderRef::of_process(), identity, recording, sample);
    }
    if current().is_none() && attach().is_some() {
        return begin_named(recorder, identity, recording, sample);
    }
    begin_outside(recorder, identity, recording)
}
