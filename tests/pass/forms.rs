//! Every form of a function that the attribute takes, under the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs, unused_qualifications, unreachable_pub)]
#![forbid(unsafe_code)]

use std::collections::HashMap;
use std::fmt::{Debug, Display};
use std::pin::Pin;
use std::sync::Arc;

use monitor_core::track_operation;

/// Nothing in, nothing out.
#[track_operation]
fn nothing() {}

#[track_operation]
fn empty_tuple() -> ((), ()) {
    ((), ())
}

/// A public function with documentation, and attributes of its own.
#[track_operation]
#[must_use]
#[inline]
pub fn documented(a: u32) -> u32 {
    a + 1
}

#[inline(never)]
#[track_operation()]
#[cfg(not(any()))]
pub(crate) fn configured(#[cfg(any())] gone: u8, kept: u8) -> u8 {
    kept
}

#[track_operation]
#[cfg(any())]
fn configured_away() -> NoSuchType {}

#[track_operation]
fn with_inner_attributes(a: u8) -> u8 {
    #![allow(clippy::let_and_return)]
    #![allow(non_snake_case)]
    let B = a;
    let c = B;
    c
}

#[track_operation]
fn patterns(
    (a, mut b): (u32, u32),
    Point { x, y: [first, ..] }: Point,
    _: String,
    _unused: &str,
    mut c: Vec<u32>,
) -> u32 {
    b += 1;
    c.push(a);
    x + first + b + u32::from(c.is_empty())
}

struct Point {
    x: u32,
    y: [u32; 2],
}

#[track_operation]
fn generic<T: Debug + Clone, U, const N: usize>(values: [T; N], other: &U) -> Vec<String>
where
    U: Display + ?Sized,
{
    values.into_iter().map(|value| format!("{:?} {other}", value.clone())).collect()
}

#[track_operation]
fn returns_generic<R: Default>() -> R {
    R::default()
}

#[track_operation]
fn returns_projection<I: Iterator>(mut iterator: I) -> Option<I::Item> {
    iterator.next()
}

#[track_operation]
fn projection_itself<I: Iterator>(mut iterator: I) -> I::Item
where
    I::Item: Default,
{
    iterator.next().unwrap_or_default()
}

#[track_operation]
fn higher_ranked<F>(f: F) -> usize
where
    F: for<'a> Fn(&'a str) -> &'a str,
{
    f("text").len()
}

#[track_operation]
fn longest<'a>(a: &'a str, b: &'a str) -> &'a str {
    if a.len() > b.len() {
        return a;
    }
    b
}

#[track_operation]
fn elided(map: &HashMap<String, String>) -> Option<&str> {
    Some(map.get("a")?)
}

#[track_operation]
fn mutable_part(values: &mut [u32]) -> &mut u32 {
    let last = values.len() - 1;
    &mut values[last]
}

#[track_operation]
fn walks(mut node: &mut Node) -> &mut Node {
    while node.next.is_some() {
        node = node.next.as_mut().map_or_else(|| unreachable!(), |next| &mut **next);
    }
    node
}

#[derive(Default)]
struct Node {
    next: Option<Box<Node>>,
}

#[track_operation]
#[expect(
    clippy::needless_pass_by_value,
    clippy::unnecessary_wraps,
    reason = "it is so, and seen through the attribute"
)]
fn out_of_an_array(pair: [&mut u32; 2]) -> Option<&mut u32> {
    Some(&mut *pair[0])
}

#[track_operation]
fn into_slice<'a>(text: &'a str, into: &mut Vec<&'a str>) {
    into.extend(text.split(' '));
}

#[track_operation]
fn impl_in(values: impl IntoIterator<Item = u32>, show: &dyn Fn(u32) -> String) -> String {
    values.into_iter().map(show).collect()
}

#[track_operation]
fn impl_out(n: u32) -> impl Iterator<Item = u32> + Clone {
    if n > 100 {
        return 0..100;
    }
    0..n
}

#[track_operation]
fn impl_out_borrowed(values: &[u32]) -> impl Iterator<Item = &u32> {
    values.iter().filter(|value| **value > 0)
}

#[track_operation]
fn impl_error() -> Result<impl Iterator<Item = u8>, impl Debug> {
    if false {
        return Err("no");
    }
    Ok([1, 2].into_iter())
}

#[track_operation]
fn returns_closure(a: u32) -> impl Fn(u32) -> u32 {
    move |b| a + b
}

#[track_operation]
fn returns_higher_ranked() -> impl for<'a> Fn(&'a str) -> &'a str {
    |s| s
}

#[track_operation]
fn returns_closure_among_others(limit: u32) -> (impl Fn(&str) -> usize, u32) {
    (|text| text.len(), limit)
}

#[track_operation]
fn returns_boxed_closure<'a>(a: &'a str) -> Box<dyn Fn(&str) -> String + 'a> {
    if a.is_empty() {
        return Box::new(str::to_owned);
    }
    Box::new(move |b| format!("{a}{b}"))
}

#[track_operation]
fn two_types(a: bool) -> Box<dyn Display> {
    if a {
        return Box::new(1);
    }
    Box::new("text")
}

#[track_operation]
fn dyn_error(text: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    if text.is_empty() {
        return Err("empty".into());
    }
    let number = text.parse::<u32>()?;
    Ok(number)
}

#[track_operation]
fn coerced(a: &[u8; 4]) -> Option<&[u8]> {
    if a[0] == 0 {
        return None;
    }
    Some(a)
}

#[track_operation]
fn function_pointer(a: bool) -> fn(u32) -> u32 {
    if a { documented } else { |b| b }
}

#[track_operation]
fn tuple(a: u8) -> (u8, &'static str, [u8; 2]) {
    (a, "b", [a; 2])
}

#[track_operation]
fn loops(limit: u32) -> Option<u32> {
    'outer: for start in 0..limit {
        for a in start.. {
            if a == 3 {
                break 'outer;
            }
            if a == 7 {
                return Some(a);
            }
            if a > limit / 2 {
                continue 'outer;
            }
        }
    }
    let found = 'found: {
        if limit == 1 {
            break 'found None;
        }
        Some(limit)
    };
    found.filter(|found| *found > 0)
}

#[track_operation]
fn nested(n: u64) -> u64 {
    #[track_operation]
    fn inner(n: u64) -> u64 {
        if n < 2 { n } else { inner(n - 1) + nested(n - 2) }
    }
    inner(n)
}

#[track_operation]
fn shadows() -> u32 {
    let __monitor_value = 1;
    let __monitor_call = 2;
    let __monitor_return = 3;
    __monitor_value + __monitor_call + __monitor_return
}

#[track_operation]
fn stops() -> ! {
    std::process::exit(0)
}

#[track_operation]
fn panics_only() {
    unimplemented_part();
}

fn unimplemented_part() {}

macro_rules! made {
    ($visibility:vis $name:ident, $ty:ty, $body:block, $value:expr) => {
        #[track_operation(name = "made", fields(a = $value))]
        $visibility fn $name(_: $ty) -> $ty $body
    };
}

made!(pub(crate) made_by_macro, u32, { 5 }, 1 + 1);

macro_rules! passed {
    ($item:item) => {
        #[track_operation]
        $item
    };
}

passed! {
    fn passed_through(a: u32) -> u32 {
        a
    }
}

/// Receivers.
#[derive(Debug, Clone, Default)]
pub struct Thing<T> {
    value: T,
    name: String,
}

impl<T: Clone + Default> Thing<T> {
    /// New.
    #[track_operation]
    pub fn new(value: T) -> Self {
        Self { value, name: String::new() }
    }

    #[track_operation]
    fn by_ref(&self) -> &str {
        &self.name
    }

    #[track_operation]
    fn by_mut(&mut self) -> &mut T {
        &mut self.value
    }

    #[track_operation]
    fn by_value(self) -> (T, String) {
        (self.value, self.name)
    }

    #[track_operation]
    #[expect(clippy::assigning_clones, reason = "it is so, and seen through the attribute")]
    fn by_mut_value(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self
    }

    #[track_operation]
    fn by_arc(self: Arc<Self>) -> T {
        self.value.clone()
    }

    #[track_operation]
    #[expect(clippy::boxed_local, reason = "it is so, and seen through the attribute")]
    fn by_box(self: Box<Self>) -> T {
        self.value
    }

    #[track_operation]
    #[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
    fn by_pin(self: Pin<&mut Self>) -> Result<T, Self>
    where
        T: Unpin,
    {
        Ok(std::mem::take(&mut self.get_mut().value))
    }

    #[track_operation]
    fn by_mut_pin(mut self: Pin<&mut Self>) -> Pin<&mut Self>
    where
        T: Unpin,
    {
        self.as_mut().get_mut().name.clear();
        self
    }

    #[track_operation]
    #[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
    fn tuple_of_self(&self) -> Option<(Self, Self)> {
        Some((self.clone(), self.clone()))
    }
}

trait Shape {
    const SIDES: u32;
    type Unit: Default;

    #[track_operation]
    fn sides(&self) -> u32 {
        Self::SIDES
    }

    fn unit(&self) -> Self::Unit;

    fn lines(&self) -> impl Iterator<Item = u32>;
}

impl<T> Shape for Thing<T> {
    const SIDES: u32 = 4;
    type Unit = u8;

    #[track_operation]
    fn unit(&self) -> Self::Unit {
        Self::Unit::default()
    }

    #[track_operation]
    fn lines(&self) -> impl Iterator<Item = u32> {
        0..Self::SIDES
    }
}

impl Drop for Node {
    #[track_operation]
    fn drop(&mut self) {}
}

impl<T> std::ops::Add for Thing<T>
where
    T: std::ops::Add<Output = T>,
{
    type Output = Self;

    #[track_operation]
    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, name: self.name }
    }
}

impl<T: Display> Display for Thing<T> {
    #[track_operation(record = "none")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.value)
    }
}

fn main() {
    nothing();
    assert_eq!(empty_tuple(), ((), ()));
    assert_eq!(documented(1), 2);
    assert_eq!(configured(1), 1);
    assert_eq!(with_inner_attributes(3), 3);
    assert_eq!(patterns((1, 2), Point { x: 3, y: [4, 5] }, String::new(), "", vec![]), 10);
    assert_eq!(generic([1, 2], "a"), ["1 a", "2 a"]);
    assert_eq!(returns_generic::<u8>(), 0);
    assert_eq!(returns_generic::<Option<u8>>(), None);
    assert_eq!(returns_projection([1].into_iter()), Some(1));
    assert_eq!(projection_itself([1].into_iter()), 1);
    assert_eq!(higher_ranked(|text| &text[1..]), 3);
    assert_eq!(longest("a", "bc"), "bc");
    assert_eq!(elided(&HashMap::from([("a".to_owned(), "b".to_owned())])), Some("b"));
    *mutable_part(&mut [1, 2]) = 3;
    walks(&mut Node::default()).next = None;
    let (mut a, mut b) = (1, 2);
    assert_eq!(out_of_an_array([&mut a, &mut b]), Some(&mut 1));
    let mut words = Vec::new();
    into_slice("a b", &mut words);
    assert_eq!(words.len(), 2);
    assert_eq!(impl_in([1, 2], &|n| n.to_string()), "12");
    assert_eq!(impl_out(3).clone().count() + impl_out(200).count(), 103);
    assert_eq!(impl_out_borrowed(&[0, 1]).count(), 1);
    assert_eq!(impl_error().map_or(0, Iterator::count), 2);
    assert_eq!(returns_closure(1)(2), 3);
    assert_eq!(returns_higher_ranked()("a"), "a");
    assert_eq!(returns_closure_among_others(1).0("a"), 1);
    assert_eq!(returns_boxed_closure("a")("b"), "ab");
    assert_eq!(two_types(true).to_string() + &two_types(false).to_string(), "1text");
    assert!(dyn_error("").is_err() && dyn_error("x").is_err() && dyn_error("1").is_ok());
    assert_eq!(coerced(&[1, 2, 3, 4]).map(<[u8]>::len), Some(4));
    assert_eq!(function_pointer(true)(1) + function_pointer(false)(1), 3);
    assert_eq!(tuple(1), (1, "b", [1, 1]));
    assert_eq!(loops(9), Some(9));
    assert_eq!(nested(5), 5);
    assert_eq!(shadows(), 6);
    panics_only();
    assert_eq!(made_by_macro(1) + passed_through(1), 6);

    let mut thing = Thing::new(1);
    assert_eq!(thing.by_ref(), "");
    *thing.by_mut() = 2;
    assert_eq!(thing.clone().by_mut_value("b").by_value(), (2, "b".to_owned()));
    assert_eq!(Arc::new(thing.clone()).by_arc() + Box::new(thing.clone()).by_box(), 4);
    assert!(Pin::new(&mut thing.clone()).by_pin().is_ok());
    assert_eq!(Pin::new(&mut thing).by_mut_pin().value, 2);
    assert!(thing.tuple_of_self().is_some());
    assert_eq!(thing.sides() + u32::from(thing.unit()), 4);
    assert_eq!(thing.lines().count(), 4);
    assert_eq!((thing.clone() + thing).to_string(), "4");
    stops();
}
