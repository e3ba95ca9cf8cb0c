//! A call that its owner may send from thread to thread: what guards are made of.

use super::call::{Call, begin, begin_borrowed, begin_sampled, end_elsewhere, meet, succeed_sampled};
use super::cell::Recording;
use super::local::{attach, current, with_borrowed};
use super::note::Extras;
use super::recorder::RecorderRef;
use super::registry::Identity;
use crate::model::Outcome;

/// A call that keeps its recorder alive.
pub(crate) struct OpenCall {
    call: Call,
    /// Keeps alive what the call points to.
    _recorder: RecorderRef,
}

// SAFETY: the pointers of a call are used as its recorder allows, whichever thread has it: `end_elsewhere` writes to
// the shard of the thread that it runs on, and touches the frame of the other one with a compare-exchange.
unsafe impl Send for OpenCall {}
// SAFETY: a shared reference gives no way to use them.
unsafe impl Sync for OpenCall {}

impl OpenCall {
    /// Begins a call of an operation that is known by its name.
    #[inline(always)]
    pub(crate) fn begin(recorder: RecorderRef, identity: &Identity<'_>, recording: Recording, sample: u32) -> Self {
        Self { call: begin_named(&recorder, identity, recording, sample), _recorder: recorder }
    }

    /// The id of the call; zero if it is not recorded.
    pub(crate) fn id(&self) -> u64 {
        self.call.id()
    }

    /// Ends the call. Further ends do nothing.
    #[inline(always)]
    pub(crate) fn end(&mut self, outcome: Outcome, extras: Extras<'_>) {
        let call = std::mem::replace(&mut self.call, Call::INERT);
        if call.is_inert() {
            return;
        }
        match outcome {
            Outcome::Success if extras.is_empty() => leave_named(call),
            Outcome::Success => leave_named_with(call, extras),
            _ => end_elsewhere(call, outcome, extras),
        }
    }
}

#[inline(never)]
fn begin_named(recorder: &RecorderRef, identity: &Identity<'_>, recording: Recording, sample: u32) -> Call {
    if !cfg!(feature = "enabled") {
        return Call::INERT;
    }
    let Some(holder) = current().filter(|holder| std::ptr::eq(holder.recorder(), &raw const **recorder)) else {
        return begin_outside(recorder, identity, recording, sample);
    };
    if holder.is_off() {
        return Call::INERT;
    }
    match meet(holder, identity, recording, None) {
        Some(cell) if sample > 1 => begin_sampled(holder, cell, sample),
        Some(cell) => begin(holder, cell),
        None => Call::INERT,
    }
}

/// Begins a call of a recorder that this thread does not record into, or does so for the first time.
#[cold]
#[inline(never)]
fn begin_outside(recorder: &RecorderRef, identity: &Identity<'_>, recording: Recording, sample: u32) -> Call {
    if current().is_none() && attach().is_some() {
        return begin_named(recorder, identity, recording, sample);
    }
    let begun = with_borrowed(recorder, |holder| {
        let cell = if holder.is_off() { None } else { meet(holder, identity, recording, None) }?;
        Some(begin_borrowed(holder, cell))
    });
    begun.flatten().unwrap_or(Call::INERT)
}

#[inline(never)]
fn leave_named(call: Call) {
    succeed_sampled(call, Extras::default());
}

#[inline(never)]
fn leave_named_with(call: Call, extras: Extras<'_>) {
    succeed_sampled(call, extras);
}
