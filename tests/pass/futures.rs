//! Futures in every form, under the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs)]
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::error::Error;
use std::fmt::Display;
use std::future::{Future, ready};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use monitor_core::track_operation;

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[track_operation]
async fn plain(a: u32) -> u32 {
    ready(a).await
}

#[track_operation]
async fn nothing() {
    ready(()).await;
}

/// Public, documented.
///
/// # Errors
/// When it is not a number.
#[track_operation(fields(text), items = text.len())]
pub async fn fallible(text: &str) -> Result<u32, Box<dyn Error + Send + Sync>> {
    if text.is_empty() {
        return Err("empty".into());
    }
    let number = ready(text.parse::<u32>()).await?;
    Ok(number)
}

#[track_operation]
async fn two_types(a: bool) -> Box<dyn Display> {
    if a {
        return Box::new(1);
    }
    ready(()).await;
    Box::new("text")
}

#[track_operation]
async fn borrows<'a, T: AsRef<str> + ?Sized>(a: &'a T, b: &str, mut c: Vec<u32>) -> &'a str {
    c.push(1);
    ready(b.len() + c.len()).await;
    a.as_ref()
}

#[track_operation]
async fn patterns((a, b): (u32, u32), _: String, [c, ..]: [u32; 3]) -> u32 {
    ready(a + b + c).await
}

#[track_operation]
async fn not_send(shared: Rc<RefCell<u32>>) -> Rc<RefCell<u32>> {
    *shared.borrow_mut() += 1;
    ready(()).await;
    shared
}

#[track_operation]
async fn forever() -> ! {
    loop {
        std::future::pending::<()>().await;
    }
}

#[track_operation]
async fn recursive(n: u32) -> u32 {
    if n == 0 {
        return 0;
    }
    Box::pin(recursive(n - 1)).await + 1
}

#[track_operation]
async fn gives_closure(a: u32) -> impl Fn(u32) -> u32 {
    ready(()).await;
    move |b| a + b
}

#[track_operation]
async fn gives_inferred_closure(limit: usize) -> impl Fn(&str) -> usize + Send + 'static {
    if ready(limit).await == 0 {
        return move |text| text.len() + limit;
    }
    unreachable!()
}

#[track_operation(fields(given))]
async fn gives_inferred_at_the_end<'a, T: Clone>(given: &'a str, made: T) -> impl FnMut(&T, &mut Vec<T>) -> &'a str {
    ready(()).await;
    {
        let given = given.trim();
        move |more, all| {
            all.extend([made.clone(), more.clone()]);
            given
        }
    }
}

#[track_operation]
async fn gives_inferred_once(text: String) -> impl for<'b> FnOnce(&'b str) -> (&'b str, String) {
    ready(()).await;
    |more| (more.trim(), text)
}

#[track_operation]
async fn gives_callable_that_is_no_closure(a: bool) -> (impl Fn(&str) -> usize, bool) {
    (str::len, ready(a).await)
}

#[track_operation]
async fn gives_inferred_among_others(limit: usize) -> (impl Fn(&str) -> usize, usize) {
    let limit = ready(limit).await;
    (move |text| text.len() + limit, limit)
}

#[track_operation]
async fn gives_function() -> impl Fn(&str) -> usize + Copy {
    ready(()).await;
    str::len
}

#[track_operation]
async fn gives_iterator(values: &[u32]) -> Result<impl Iterator<Item = &u32>, String> {
    if values.is_empty() {
        return Err("none".to_owned());
    }
    Ok(ready(values).await.iter())
}

#[track_operation]
#[expect(clippy::manual_async_fn, reason = "it is so, and seen through the attribute")]
fn impl_future(a: u32) -> impl Future<Output = u32> {
    async move { ready(a).await }
}

#[track_operation]
fn impl_future_bounds(a: &str) -> impl Future<Output = Outcome<u32>> + Send + '_ {
    let b = a.trim();
    async move {
        if b.is_empty() {
            Err("empty")?;
        }
        Ok(ready(b).await.parse()?)
    }
}

#[track_operation]
fn impl_future_captures<T: Clone + Send>(a: &T) -> impl Future<Output = T> + use<'_, T> + Send {
    ready(a.clone())
}

#[track_operation]
fn ready_future(a: bool) -> impl Future<Output = Result<(), String>> + Unpin {
    if a {
        return ready(Ok(()));
    }
    ready(Err("no".to_owned()))
}

#[track_operation]
fn boxed(a: &str) -> Pin<Box<dyn Future<Output = Outcome<usize>> + Send + '_>> {
    Box::pin(async move {
        if a.is_empty() {
            return Err("empty".into());
        }
        ready(()).await;
        Ok(a.len())
    })
}

#[track_operation]
fn boxed_after_statements(a: &str) -> Pin<Box<dyn Future<Output = usize>>> {
    let len = a.len();
    Box::pin(async move { ready(len).await })
}

#[track_operation]
fn boxed_two_ways(a: Option<u32>) -> Pin<Box<dyn Future<Output = Result<u32, String>> + Send + Sync>> {
    let Some(a) = a else {
        return Box::pin(ready(Err("none".to_owned())));
    };
    Box::pin(async move { Ok(ready(a).await) })
}

#[track_operation]
fn boxed_shorter_output<'a, 'b: 'a>(
    text: &'b &'a str,
    fails: bool,
) -> Pin<Box<dyn Future<Output = &'a str> + Send + 'b>> {
    Box::pin(async move {
        if fails {
            return "";
        }
        ready(*text).await
    })
}

#[track_operation(items_from = |text| text.len())]
fn boxed_static_of_shorter(_: &str) -> Pin<Box<dyn Future<Output = Result<&str, String>> + Send>> {
    Box::pin(async move { ready(Err("none".to_owned())).await })
}

async fn nothing_of<'a>() -> Option<&'a str> {
    ready(None).await
}

#[track_operation]
fn boxed_static_elsewhere(_: &str) -> Pin<Box<dyn Future<Output = Option<&str>> + Send>> {
    let wait = ready(());
    Box::pin(
        async move {
            wait.await;
            None
        }
        .then_nothing(),
    )
}

trait ThenNothing: Future + Sized {
    fn then_nothing(self) -> Self {
        self
    }
}

impl<F: Future> ThenNothing for F {}

#[track_operation]
fn boxed_call() -> Pin<Box<dyn Future<Output = Option<&'static str>>>> {
    Box::pin(nothing_of())
}

#[track_operation]
fn boxed_by_alias(a: &u32) -> Boxed<'_, u32> {
    Box::pin(async move { ready(*a).await })
}

#[track_operation]
fn boxed_by_alias_elsewhere(a: &u32) -> Boxed<'_, u32> {
    boxed_by_alias(a)
}

#[track_operation]
fn boxed_recursive(n: u32) -> Boxed<'static, u32> {
    Box::pin(async move { if n == 0 { 0 } else { boxed_recursive(n - 1).await + 1 } })
}

#[track_operation]
fn boxed_impl(a: u32) -> Pin<Box<impl Future<Output = u32>>> {
    Box::pin(ready(a))
}

trait Service {
    type Future: Future<Output = Outcome<u32>>;

    fn call(&mut self, request: u32) -> Self::Future;
}

struct Doubler;

impl Service for Doubler {
    type Future = Pin<Box<dyn Future<Output = Outcome<u32>> + Send>>;

    #[track_operation]
    fn call(&mut self, request: u32) -> Self::Future {
        Box::pin(async move { Ok(ready(request).await * 2) })
    }
}

trait Store {
    /// Reads.
    fn read(&self, key: &str) -> impl Future<Output = Option<String>> + Send;

    async fn write(&mut self, key: String) -> Result<(), String>;

    #[track_operation]
    async fn both(&mut self, key: &str) -> Option<String> {
        self.write(key.to_owned()).await.ok()?;
        self.read(key).await
    }
}

struct Memory(Vec<String>);

impl Store for Memory {
    #[track_operation]
    fn read(&self, key: &str) -> impl Future<Output = Option<String>> + Send {
        let found = self.0.iter().find(|have| *have == key).cloned();
        async move { ready(found).await }
    }

    #[track_operation]
    async fn write(&mut self, key: String) -> Result<(), String> {
        ready(()).await;
        self.0.push(key);
        Ok(())
    }
}

struct Client {
    base: String,
}

impl Client {
    #[track_operation(name = "client.get", fields(base = self.base))]
    async fn get(&self, path: &str) -> String {
        ready(format!("{}{path}", self.base)).await
    }

    #[track_operation]
    async fn by_pin(self: Pin<&mut Self>) -> usize {
        ready(self.base.len()).await
    }
}

fn is_send<T: Send>(value: T) -> T {
    value
}

fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut cx) {
            return value;
        }
    }
}

fn main() {
    block_on(async {
        assert_eq!(is_send(plain(1)).await, 1);
        is_send(nothing()).await;
        assert!(is_send(fallible("")).await.is_err() && fallible("x").await.is_err());
        assert_eq!(two_types(true).await.to_string() + &two_types(false).await.to_string(), "1text");
        assert_eq!(is_send(borrows("a", "b", vec![])).await, "a");
        assert_eq!(patterns((1, 2), String::new(), [3; 3]).await, 6);
        assert_eq!(*not_send(Rc::default()).await.borrow(), 1);
        assert_eq!(recursive(5).await, 5);
        assert_eq!(gives_closure(1).await(2), 3);
        assert_eq!(is_send(gives_inferred_closure(0)).await("ab"), 2);
        let mut all = Vec::new();
        assert_eq!((gives_inferred_at_the_end("a", 1).await(&2, &mut all), all), ("a", vec![1, 2]));
        assert_eq!(gives_inferred_once("a".to_owned()).await(" b "), ("b", "a".to_owned()));
        assert_eq!(gives_inferred_among_others(1).await.0("ab"), 3);
        assert_eq!((gives_callable_that_is_no_closure(true).await.0("ab"), gives_function().await("ab")), (2, 2));
        assert_eq!(gives_iterator(&[1, 2]).await.map_or(0, Iterator::count), 2);
        assert_eq!(impl_future(1).await, 1);
        assert!(is_send(impl_future_bounds("1")).await.is_ok() && impl_future_bounds("").await.is_err());
        assert_eq!(is_send(impl_future_captures(&1)).await, 1);
        assert!(Pin::new(&mut ready_future(true)).await.is_ok() && ready_future(false).await.is_err());
        assert!(is_send(boxed("a")).await.is_ok() && boxed("").await.is_err());
        assert_eq!(boxed_after_statements("ab").await, 2);
        assert!(is_send(boxed_two_ways(Some(1))).await.is_ok() && boxed_two_ways(None).await.is_err());
        assert_eq!(is_send(boxed_shorter_output(&"a", false)).await, "a");
        assert!(boxed_static_of_shorter("a").await.is_err() && boxed_static_elsewhere("a").await.is_none());
        assert!(boxed_call().await.is_none());
        assert_eq!(boxed_by_alias(&1).await + boxed_by_alias_elsewhere(&1).await, 2);
        assert_eq!(boxed_recursive(3).await, 3);
        assert_eq!(boxed_impl(3).await, 3);
        assert!(matches!(Doubler.call(2).await, Ok(4)));
        let mut memory = Memory(Vec::new());
        assert_eq!(memory.both("a").await.as_deref(), Some("a"));
        let mut client = Client { base: "a".to_owned() };
        assert_eq!(is_send(client.get("b")).await, "ab");
        assert_eq!(Pin::new(&mut client).by_pin().await, 1);
    });
    let mut never = pin!(forever());
    assert!(never.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}
