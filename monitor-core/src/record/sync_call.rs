//! The guard of a function that the attribute was put on.
//!
//! It is one word while the body runs, and the code at the place of the call is small: look at the switch, call
//! [`enter`], and later [`leave`]. That keeps the host's functions small and their registers free.

use super::call::{
    Call, Token, begin, begin_identified, begin_outside, begin_sampled, begin_untimed, end_elsewhere, sorted,
    succeed_timed, succeed_untimed,
};
use super::call_site::CallSite;
use super::cell::Cell;
use super::failure::Failure;
use super::local::{self, attach, current};
use super::note::Extras;
use super::quiet::quietly;
use super::recorder::{Holder, RecorderRef};
use crate::model::{FieldValue, Outcome};

/// A call inside a function that the attribute was put on. Dropped without a verdict: the function panicked.
#[must_use]
pub struct SyncCall<'a> {
    token: Token,
    items: u64,
    bytes: u64,
    fields: &'a [(&'static str, FieldValue)],
    in_place: Option<InPlace>,
    /// Known where the guard is made, so the branch on it is gone after inlining.
    sampled: bool,
}

/// How a call ends that is left without a verdict and without unwinding, by a `return` that the attribute could not
/// see.
#[derive(Clone, Copy)]
struct InPlace {
    fails: bool,
    /// A panic that began before the call is not the call's.
    was_panicking: bool,
}

impl<'a> SyncCall<'a> {
    /// Begins a call; every one is timed.
    #[inline(always)]
    pub fn enter(site: &'static CallSite) -> Self {
        Self::enter_by(site, enter)
    }

    /// Begins a call of which one in about `sample` of the site is timed.
    #[inline(always)]
    pub fn enter_sampled(site: &'static CallSite) -> Self {
        // The calls that are not timed are so short that a call to a function would be a good part of them.
        let mut this = Self::enter_by(site, |holder, site| match holder.cell_of_site(site.number()) {
            Some(cell) => begin_untimed(holder, cell).unwrap_or_else(|| enter_timed_sample(holder, cell, site)),
            None => enter_new(site, &[]),
        });
        this.sampled = true;
        this
    }

    /// Begins a call with labels whose values are known only now.
    #[inline]
    pub fn enter_labelled(site: &'static CallSite, labels: &[(&'static str, &str)]) -> Self {
        Self::new(enter_new(site, labels))
    }

    #[inline(always)]
    fn enter_by(site: &'static CallSite, enter: impl FnOnce(Holder<'_>, &'static CallSite) -> Token) -> Self {
        Self::new(match current() {
            _ if !cfg!(feature = "enabled") => Token::INERT,
            Some(holder) if holder.is_off() => Token::INERT,
            Some(holder) => enter(holder, site),
            None => enter_new(site, &[]),
        })
    }

    #[inline(always)]
    fn new(token: Token) -> Self {
        Self { token, items: 0, bytes: 0, fields: &[], in_place: None, sampled: false }
    }

    /// Sets the fields that a record of the call will have.
    #[inline(always)]
    pub fn set_fields(&mut self, fields: &'a [(&'static str, FieldValue)]) {
        self.fields = fields;
    }

    /// Adds items that the call worked on.
    #[inline(always)]
    pub fn add_items(&mut self, items: u64) {
        self.items = self.items.saturating_add(items);
    }

    /// Adds bytes that the call worked on.
    #[inline(always)]
    pub fn add_bytes(&mut self, bytes: u64) {
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// The body stands in the function itself and may leave it unseen, which is then a failure or a success.
    #[inline(always)]
    pub fn in_place(&mut self, fails: bool) {
        self.in_place = Some(InPlace { fails, was_panicking: std::thread::panicking() });
    }

    /// Ends the call with success.
    #[inline(always)]
    pub fn succeed(self) {
        let (token, sampled, items, bytes, fields) = (self.token, self.sampled, self.items, self.bytes, self.fields);
        std::mem::forget(self);
        if !token.is_inert() {
            end_well(token, sampled, items, bytes, fields);
        }
    }

    /// Ends the call with a failure.
    #[inline]
    pub fn fail(self, error: &dyn Failure) {
        self.end(Outcome::Failure, Some(error));
    }

    /// Ends the call with a failure of which nothing is known.
    #[inline]
    pub fn fail_plain(self) {
        self.end(Outcome::Failure, None);
    }

    #[inline(always)]
    fn end(self, outcome: Outcome, error: Option<&dyn Failure>) {
        let (token, items, bytes, fields) = (self.token, self.items, self.bytes, self.fields);
        std::mem::forget(self);
        end_here(token, outcome, Extras { items, bytes, fields, error, ..Extras::default() });
    }
}

impl Drop for SyncCall<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.token.is_inert() {
            return;
        }
        let (items, bytes, fields) = (self.items, self.bytes, self.fields);
        let outcome = match self.in_place {
            Some(left) if left.was_panicking || !std::thread::panicking() => {
                if !left.fails {
                    return end_well(self.token, self.sampled, items, bytes, fields);
                }
                Outcome::Failure
            }
            _ => Outcome::Panicked,
        };
        end_here(self.token, outcome, Extras { items, bytes, fields, ..Extras::default() });
    }
}

#[inline(never)]
fn enter(holder: Holder<'_>, site: &'static CallSite) -> Token {
    match holder.cell_of_site(site.number()) {
        Some(cell) => begin(holder, cell),
        None => enter_new(site, &[]),
    }
}

#[inline(never)]
fn enter_timed_sample(holder: Holder<'_>, cell: &Cell, site: &'static CallSite) -> Token {
    begin_sampled(holder, cell, site.spec().sample)
}

#[inline(always)]
fn end_well(token: Token, sampled: bool, items: u64, bytes: u64, fields: &[(&'static str, FieldValue)]) {
    if items | bytes != 0 || !fields.is_empty() {
        leave_with(token, items, bytes, fields);
    } else if !(sampled && current().is_some_and(|holder| succeed_untimed(holder, token))) {
        leave(token);
    }
}

#[inline(never)]
fn leave(token: Token) {
    if !current().is_some_and(|holder| succeed_timed(holder, token, Extras::default())) {
        end_here(token, Outcome::Success, Extras::default());
    }
}

#[inline(never)]
fn leave_with(token: Token, items: u64, bytes: u64, fields: &[(&'static str, FieldValue)]) {
    let extras = Extras { items, bytes, fields, ..Extras::default() };
    if !current().is_some_and(|holder| succeed_timed(holder, token, extras)) {
        end_here(token, Outcome::Success, extras);
    }
}

/// A function ends on the thread that it began on, and in the scope that it began in: so its shard is the current one.
#[cold]
#[inline(never)]
fn end_here(token: Token, outcome: Outcome, extras: Extras<'_>) {
    end_elsewhere(Call::new(token), outcome, extras);
}

/// Begins a call on a shard that has not met the site, on a thread without a shard, or with labels of its own.
#[cold]
#[inline(never)]
fn enter_new(site: &'static CallSite, labels: &[(&'static str, &str)]) -> Token {
    if !cfg!(feature = "enabled") || local::is_reentrant() {
        return Token::INERT;
    }
    quietly(|| site.make_name());
    let spec = site.spec();
    let number = labels.is_empty().then(|| site.numbered());
    let labels = sorted(spec.labels.iter().copied().chain(labels.iter().copied()));
    let identity = site.identity(&labels);
    let recording = spec.record.recording();
    match current().or_else(attach) {
        Some(holder) => begin_identified(holder, &identity, recording, number, spec.sample),
        // The thread is at its end, its thread-locals are gone.
        None => begin_outside(&RecorderRef::of_process(), &identity, recording),
    }
}
