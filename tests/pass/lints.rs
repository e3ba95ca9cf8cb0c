//! Lints that look at a function from outside find through the attribute what they would find without it, and nothing
//! seems unused that only the attribute's arguments use.
//!
//! What is to be found is expected here: were the attribute to hide it from clippy, the expectation would not be met,
//! which is a warning, which is denied.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs, unused_qualifications, unreachable_pub)]
#![forbid(unsafe_code)]

use std::future::{Future, ready};
use std::io;
use std::pin::Pin;

use monitor_core::track_operation;

#[track_operation]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn always_some(a: u32) -> Option<u32> {
    Some(a)
}

#[track_operation(kind = "database", sample = 8)]
#[expect(clippy::unused_async, reason = "it is so, and seen through the attribute")]
async fn nothing_awaited() {}

#[track_operation(name = "forms.manual_async")]
#[expect(clippy::manual_async_fn, reason = "it is so, and seen through the attribute")]
fn manual_async() -> impl Future<Output = u32> {
    async { 1 }
}

#[track_operation]
#[expect(clippy::needless_pass_by_value, reason = "it is so, and seen through the attribute")]
fn takes_by_value(text: String, mut left: usize) -> usize {
    left += text.len();
    left
}

#[track_operation]
#[track_caller]
#[expect(clippy::needless_return, reason = "it is so, and seen through the attribute")]
fn returns_needlessly(a: u32) -> u32 {
    return a + 1;
}

#[track_operation]
#[cfg_attr(clippy, expect(unconditional_recursion, reason = "the compiler alone does not see it"))]
fn calls_itself() {
    calls_itself();
}

// With arguments that use something of the program.

/// What only arguments use.
mod used_by_arguments {
    pub(super) const LIMIT: usize = 3;
    pub(super) static WEIGHT: u64 = 2;

    pub(super) fn amount(items: &[u8]) -> usize {
        items.len() + 1
    }

    pub(super) fn is_none<T, E>(value: &Result<Option<T>, E>) -> bool {
        matches!(value, Ok(None))
    }

    pub(super) use monitor_core as monitor;
}

use used_by_arguments::{LIMIT, WEIGHT, amount, is_none};

struct Reply<'a>(&'a str);

type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[track_operation(fields(only_in_fields, limit = LIMIT), items = amount(only_in_items), bytes = WEIGHT)]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn wraps(only_in_fields: u32, only_in_items: &[u8]) -> Option<u32> {
    Some(1)
}

#[track_operation(labels(computed = computed.trim()))]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn wraps_labelled(computed: &str, value: u32) -> Result<u32, io::Error> {
    Ok(value)
}

#[track_operation(crate = used_by_arguments::monitor)]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn wraps_elsewhere(value: u32) -> Option<u32> {
    Some(value)
}

#[track_operation(items_from = |reply| reply.0.len(), error_if = |reply| reply.as_ref().is_ok_and(|reply| reply.0 == stop))]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn wraps_judged<'a>(text: &'a str, stop: &str) -> Result<Reply<'a>, io::Error> {
    Ok(Reply(text))
}

#[track_operation(error_if = is_none)]
#[track_caller]
#[expect(clippy::unnecessary_wraps, clippy::needless_return, reason = "it is so, and seen through the attribute")]
fn wraps_located(value: Option<u32>) -> Result<Option<u32>, io::Error> {
    return Ok(value);
}

#[track_operation(items_from = |found| found.len())]
#[expect(clippy::needless_lifetimes, reason = "it is so, and seen through the attribute")]
fn names_a_lifetime<'a>(text: &'a str) -> &'a str {
    text.trim()
}

#[track_operation(fields(length = text.len()), items = *left)]
#[expect(clippy::needless_pass_by_value, reason = "it is so, and seen through the attribute")]
fn takes_by_value_beside_a_reference(text: String, left: &mut usize) {
    *left += text.len();
}

#[track_operation(fields(a), error_if = |found| found.is_none(), items_from = |found| found.map_or(0, u64::from))]
#[expect(clippy::unused_async, reason = "it is so, and seen through the attribute")]
async fn nothing_awaited_of(a: u32) -> Option<u32> {
    a.checked_add(1)
}

#[track_operation(fields(a), labels(text = text))]
#[expect(clippy::manual_async_fn, reason = "it is so, and seen through the attribute")]
fn manual_async_of(a: u32, text: &str) -> impl Future<Output = usize> {
    async move { ready(a).await as usize + text.len() }
}

#[track_operation(items = WEIGHT)]
#[expect(clippy::manual_async_fn, reason = "it is so, and seen through the attribute")]
fn manual_async_of_nothing() -> impl Future<Output = u32> {
    async { 1 }
}

#[track_operation(fields(a), error_if = |n| *n > 5, items_from = |n| *n)]
#[expect(clippy::manual_async_fn, reason = "it is so, and seen through the attribute")]
fn manual_async_judged(a: u32) -> impl Future<Output = u32> {
    async move { ready(a).await }
}

#[track_operation(items_from = |n| *n)]
#[expect(clippy::manual_async_fn, reason = "it is so, and seen through the attribute")]
fn manual_async_counted(a: u32) -> impl Future<Output = Result<u32, io::Error>> + Send {
    async move { Ok(ready(a).await) }
}

struct Thing {
    id: u64,
}

impl Thing {
    #[track_operation(fields(id = self.id), items_from = |found: &Option<Self>| found.as_ref().map_or(0, |found| found.id))]
    #[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
    fn wraps(&self, id: u64) -> Option<Self> {
        Some(Self { id })
    }

    #[track_operation(items_from = |n| *n)]
    #[expect(clippy::unused_self, reason = "it is so, and seen through the attribute")]
    fn needs_no_self(&self) -> u64 {
        1
    }
}

// What must still compile, and brings no lint up.

#[track_operation(fields(a), items = LIMIT)]
fn items_first(a: u32) -> u32 {
    const MORE: u32 = 1;
    fn inner(a: u32) -> u32 {
        a + MORE
    }
    inner(a)
}

#[track_operation(fields(a))]
fn inner_attributes_first(a: u32) -> u32 {
    #![allow(clippy::let_and_return)]
    let b = a;
    b
}

/// The block takes neither what only the attribute names nor more of what it does not take whole.
#[track_operation(fields(not_send = not_send.is_null(), id = thing.id))]
#[allow(clippy::manual_async_fn, clippy::needless_pass_by_value)]
fn takes_nothing_more(not_send: *const u8, thing: Thing) -> impl Future<Output = u64> + Send + use<> {
    async move { ready(thing.id).await }
}

#[track_operation(fields(parts))]
#[allow(clippy::manual_async_fn)]
fn takes_a_part(parts: (u64, *const u8)) -> impl Future<Output = u64> + Send {
    async move { ready(parts.0).await }
}

#[track_operation(fields(text), items_from = |n| *n, error_if = |n| *n > 5)]
fn boxed_block(text: &str) -> Later<'_, usize> {
    Box::pin(async move { ready(text.len()).await })
}

#[track_operation(fields(text), items_from = |n| *n, error_if = |n| *n > 5)]
fn boxed_written_out<'a>(text: &'a str) -> Pin<Box<dyn Future<Output = usize> + Send + 'a>> {
    if text.is_empty() {
        return Box::pin(ready(0));
    }
    boxed_block(text)
}

#[track_operation(items_from = |f| f("a").len())]
fn higher_ranked(given: for<'a> fn(&'a str) -> &'a str) -> for<'a> fn(&'a str) -> &'a str {
    given
}

#[track_operation(items_from = |n| n.len(), error_if = |n| n.is_empty())]
fn generic<'a, T: AsRef<str> + ?Sized>(values: &'a [&'a T], more: &mut Vec<&'a T>) -> Vec<&'a T> {
    more.extend(values);
    more.clone()
}

#[track_operation(items = moved.into_iter().filter(|byte| *byte > 0).count())]
fn moves_what_the_body_does_not_use(moved: Vec<u8>) {}

fn main() {
    assert_eq!((always_some(1), takes_by_value("ab".into(), 1), returns_needlessly(1)), (Some(1), 3, 2));
    drop((nothing_awaited(), manual_async()));
    let _: fn() = calls_itself;
    assert_eq!((wraps(1, &[]), wraps_elsewhere(1)), (Some(1), Some(1)));
    assert!(wraps_labelled("a", 1).is_ok() && wraps_judged("a", "b").is_ok() && wraps_located(None).is_ok());
    assert_eq!(names_a_lifetime(" a "), "a");
    let mut left = 1;
    takes_by_value_beside_a_reference("ab".into(), &mut left);
    assert_eq!(left, 3);
    drop((nothing_awaited_of(1), manual_async_of(1, "a"), manual_async_of_nothing()));
    drop((manual_async_judged(1), manual_async_counted(1), takes_nothing_more(std::ptr::null(), Thing { id: 1 })));
    drop(takes_a_part((1, std::ptr::null())));
    let thing = Thing { id: 1 };
    assert_eq!(thing.wraps(2).map(|found| found.id + found.needs_no_self()), Some(3));
    assert_eq!(items_first(1) + inner_attributes_first(1), 3);
    drop((boxed_block("a"), boxed_written_out("a")));
    assert_eq!(higher_ranked(str::trim)(" a "), "a");
    assert_eq!(generic(&["a"], &mut Vec::new()).len(), 1);
    moves_what_the_body_does_not_use(vec![1]);
}
