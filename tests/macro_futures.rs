//! Futures under the attribute: in every form it is the work that is tracked, and each call once.

use std::future::Future;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::task::{Context, Waker};

use monitor_core::{track_operation, track_operations};
use tests::{block_on, yield_once};

use macro_support::{Later, Silent, counts, recorded, single};

mod macro_support;

#[track_operation(name = "future")]
async fn native(fails: bool) -> Result<u32, Silent> {
    yield_once().await;
    if fails { Err(Silent) } else { Ok(1) }
}

#[track_operation(name = "future")]
fn as_impl(fails: bool) -> impl Future<Output = Result<u32, Silent>> {
    native_untracked(fails)
}

async fn native_untracked(fails: bool) -> Result<u32, Silent> {
    yield_once().await;
    if fails {
        return Err(Silent);
    }
    Ok(1)
}

#[track_operation(name = "future")]
fn as_box(fails: bool) -> Pin<Box<dyn Future<Output = Result<u32, Silent>> + Send>> {
    let turned = !fails;
    Box::pin(async move { native_untracked(!turned).await })
}

#[track_operation(name = "future")]
fn as_box_elsewhere(fails: bool) -> Pin<Box<dyn Future<Output = Result<u32, Silent>>>> {
    if fails {
        return Box::pin(native_untracked(true));
    }
    Box::pin(async move { native_untracked(false).await })
}

#[track_operation(name = "future")]
fn as_alias(fails: bool) -> Later<Result<u32, Silent>> {
    Box::pin(native_untracked(fails))
}

struct Service;

impl Service {
    fn make(&self, fails: bool) -> <Self as Calls>::Future {
        self.call(fails)
    }
}

trait Calls {
    type Future;

    fn call(&self, fails: bool) -> Self::Future;
}

impl Calls for Service {
    type Future = Later<Result<u32, Silent>>;

    #[track_operation(name = "future")]
    fn call(&self, fails: bool) -> Self::Future {
        Box::pin(native_untracked(fails))
    }
}

#[track_operation(name = "future")]
fn as_box_of_call(fails: bool) -> Pin<Box<dyn Future<Output = Result<u32, Silent>>>> {
    Box::pin(native_untracked(fails))
}

/// The output does not live as long as the box.
#[track_operation(name = "future")]
fn as_box_of_shorter(fails: &bool) -> Pin<Box<dyn Future<Output = Result<&u32, Silent>>>> {
    let fails = *fails;
    Box::pin(async move { native_untracked(fails).await.map(|_| &1) })
}

#[async_trait::async_trait]
trait Remote {
    async fn fetch(&self, fails: bool) -> Result<u32, Silent>;
}

struct Inner;
struct Outer;

#[async_trait::async_trait]
impl Remote for Inner {
    #[track_operation(name = "future")]
    async fn fetch(&self, fails: bool) -> Result<u32, Silent> {
        native_untracked(fails).await
    }
}

#[track_operations]
#[async_trait::async_trait]
impl Remote for Outer {
    #[track_operation(name = "future")]
    async fn fetch(&self, fails: bool) -> Result<u32, Silent> {
        native_untracked(fails).await
    }
}

type Made = Pin<Box<dyn Future<Output = Result<u32, Silent>>>>;

#[test]
fn futures_of_every_form_are_timed_as_the_work() {
    let forms: [fn(bool) -> Made; 10] = [
        |fails| Box::pin(native(fails)),
        |fails| Box::pin(as_impl(fails)),
        |fails| as_box(fails),
        as_box_elsewhere,
        as_box_of_call,
        |fails| Box::pin(async move { as_box_of_shorter(&fails).await.copied() }),
        |fails| as_alias(fails),
        |fails| Service.make(fails),
        |fails| Box::pin(async move { Inner.fetch(fails).await }),
        |fails| Box::pin(async move { Outer.fetch(fails).await }),
    ];
    for (form, make) in forms.iter().enumerate() {
        let stats = single(|| {
            assert!(block_on(make(false)).is_ok() && block_on(make(true)).is_err());
            let mut dropped = make(false);
            assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        });
        assert_eq!(counts(&stats), [3, 1, 1, 0, 1], "form {form}");
        assert_eq!(stats.polls, 5, "form {form}");
        let (snapshot, _) = recorded(|| drop(make(false)));
        assert_eq!(snapshot.operation("future").map_or(0, |stats| stats.started), 0, "form {form}: never polled");
    }
}

#[track_operation(name = "closure")]
async fn gives_closure(limit: usize) -> impl Fn(&str) -> usize {
    yield_once().await;
    assert!(limit == 0, "on purpose");
    move |text| text.len() + limit
}

#[test]
fn a_future_that_gives_a_closure_is_timed_as_the_work() {
    let stats = single(|| {
        assert_eq!(block_on(gives_closure(0))("ab"), 2);
        assert!(catch_unwind(|| block_on(gives_closure(1))("ab")).is_err());
        let mut dropped = Box::pin(gives_closure(0));
        assert!(dropped.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    });
    assert_eq!((counts(&stats), stats.polls), ([3, 1, 0, 1, 1], 5));
}

#[track_operation]
fn recursive(n: u64) -> u64 {
    if n < 2 { n } else { recursive(n - 1) + recursive(n - 2) }
}

#[track_operation]
async fn recursive_later(n: u64) -> Result<u64, Silent> {
    if n == 0 {
        return Ok(0);
    }
    yield_once().await;
    Ok(Box::pin(recursive_later(n - 1)).await? + 1)
}

#[async_recursion::async_recursion]
#[track_operation]
async fn recursive_inside(n: u64) -> Result<u64, Silent> {
    if n == 0 { Err(Silent) } else { recursive_inside(n - 1).await }
}

#[track_operation]
#[async_recursion::async_recursion]
async fn recursive_outside(n: u64) -> Result<u64, Silent> {
    if n == 0 { Err(Silent) } else { recursive_outside(n - 1).await }
}

#[test]
fn each_call_of_a_recursion_is_counted_once() {
    assert_eq!(counts(&single(|| assert_eq!(recursive(5), 5))), [15, 15, 0, 0, 0]);
    assert_eq!(counts(&single(|| assert!(block_on(recursive_later(3)).is_ok()))), [4, 4, 0, 0, 0]);
    assert_eq!(counts(&single(|| assert!(block_on(recursive_inside(3)).is_err()))), [4, 0, 4, 0, 0]);
    assert_eq!(counts(&single(|| assert!(block_on(recursive_outside(3)).is_err()))), [4, 0, 4, 0, 0]);
}

#[tokio::main(flavor = "current_thread")]
#[track_operation(name = "main")]
async fn main_first(fails: bool) -> Result<(), String> {
    tokio::task::yield_now().await;
    if fails { Err("no".to_owned()) } else { Ok(()) }
}

#[track_operation(name = "main")]
#[tokio::main(flavor = "current_thread")]
async fn main_last(fails: bool) -> Result<(), String> {
    tokio::task::yield_now().await;
    if fails { Err("no".to_owned()) } else { Ok(()) }
}

#[test]
fn tokio_main_works_in_both_orders() {
    for main in [main_first, main_last] {
        let stats = single(|| assert!(main(false).is_ok() && main(true).is_err()));
        assert_eq!(counts(&stats), [2, 1, 1, 0, 0]);
    }
}
