//! Every argument, under the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs)]
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::io;

use monitor_core::track_operation;

struct Plain;

#[track_operation(
    name = "db.fetch_user",
    kind = "database",
    component = "storage",
    labels(table = "users", region = region, shard = shard % 4),
    fields(user_id, attempt = shard + 1, plain = Plain, first = rows.first()),
    items = rows.len(),
    bytes = body.len(),
    items_from = |users| users.len(),
    sample = 32,
    record = "errors",
    error_if = |r| r.is_err(),
    crate = monitor_core,
)]
fn everything(user_id: u64, region: &str, shard: u16, rows: &[u8], body: Vec<u8>) -> io::Result<Vec<u8>> {
    if user_id == 0 {
        return Err(io::Error::other("nobody"));
    }
    Ok(rows.iter().copied().chain(body).collect())
}

#[track_operation(
    name = "db.fetch_user_later",
    labels(region = region, kind = "x"),
    fields(user_id, r#type = 1, body),
    items = rows.len(),
    bytes = body.len(),
    items_from = |users| users.len(),
    sample = 1_000_000,
    record = "slow(250ms)",
    error_if = |r| r.as_ref().err().filter(|error| error.kind() != io::ErrorKind::NotFound)
)]
async fn everything_later(user_id: u64, region: String, rows: &[u8], body: Vec<u8>) -> io::Result<Vec<u8>> {
    if user_id == 0 {
        return Err(io::Error::other("nobody"));
    }
    drop(region);
    std::future::ready(()).await;
    Ok(rows.iter().copied().chain(body).collect())
}

type Later<T> = std::pin::Pin<Box<dyn Future<Output = T> + Send>>;

#[track_operation(labels(a = a), fields(a), items = 1, bytes = 2, items_from = |n| *n, error_if = |n| *n > 5)]
fn alias(a: u32) -> Later<u32> {
    Box::pin(std::future::ready(a))
}

#[track_operation(labels(a = a), fields(a), items = 1, bytes = 2, items_from = |n| *n, error_if = |n| *n > 5)]
fn no_future(a: u32) -> Number {
    a.into()
}

type Number = u64;

#[track_operation(labels(a = a), fields(a), items = 1, bytes = 2, items_from = |n| *n, error_if = |n| *n > 5)]
fn boxed(a: u32) -> Later<u32> {
    Box::pin(async move { a })
}

#[track_operation(labels(a = a), fields(a), items = 1, bytes = 2, items_from = |n| *n, error_if = |n| *n > 5)]
fn impl_future(a: u32) -> impl Future<Output = u32> {
    std::future::ready(a)
}

#[track_operation(error_if = is_odd)]
fn by_path(a: u32) -> u32 {
    a
}

#[allow(clippy::trivially_copy_pass_by_ref)]
fn is_odd(value: &u32) -> bool {
    value % 2 == 1
}

#[track_operation(items_from = |found| found.clone().count(), error_if = |found| found.clone().next().is_none())]
fn opaque(a: u32) -> impl Iterator<Item = u32> + Clone {
    0..a
}

#[track_operation(error_if = |text| (text.len() > 3).then_some("too long"), items_from = |text| text.len())]
fn reference(text: &str) -> &str {
    text.trim()
}

#[track_operation(items_from = |()| 1)]
fn unit_items() {}

#[track_operation(labels(a = a, b = b, c = c, d = d, e = true), fields(a, b, c, d, e = Some(1.5)))]
#[allow(clippy::ptr_arg)]
fn values(a: &Cow<'_, str>, b: &str, c: char, d: i8) -> (bool, usize) {
    (a.is_empty() || b.is_empty() || c == 'c' || d > 0, a.len())
}

#[track_operation(record = "auto", sample = 1, fields(), labels())]
fn empty_lists() {}

#[track_operation(record = "slow(1s)")]
fn trailing_comma() {}

#[track_operation(record = "all")]
fn all() {}

#[track_operation(record = "none")]
fn none() {}

/// The same crate by another name.
pub mod renamed {
    pub(crate) use monitor_core as other;
}

#[renamed::other::track_operation(crate = crate::renamed::other, record = "slow(5us)", fields(a), labels(a = a))]
#[expect(clippy::unnecessary_wraps, reason = "it is so, and seen through the attribute")]
fn elsewhere(a: u8) -> Result<u8, ()> {
    Ok(a)
}

struct Holder {
    id: u64,
}

impl Holder {
    #[track_operation(fields(id = self.id), items = self.id, labels(half = self.id / 2))]
    fn method(self) -> Result<u64, Plain> {
        Err(Plain)
    }

    #[track_operation(fields(id = self.id), items = self.id)]
    async fn later(self, other: &mut u64) -> Result<u64, Plain> {
        *other = std::future::ready(self.id).await;
        Ok(*other)
    }
}

fn main() {
    assert!(everything(0, "eu", 5, &[], vec![]).is_err());
    assert_eq!(everything(1, "eu", 5, &[1], vec![2]).unwrap_or_default(), [1, 2]);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    let mut later = std::pin::pin!(everything_later(1, "eu".to_owned(), &[1], vec![2]));
    assert!(later.as_mut().poll(&mut cx).is_ready());
    assert!(alias(1).as_mut().poll(&mut cx).is_ready());
    assert!(boxed(1).as_mut().poll(&mut cx).is_ready());
    assert!(std::pin::pin!(impl_future(1)).poll(&mut cx).is_ready());
    assert_eq!(no_future(1), 1);
    assert_eq!(by_path(1), 1);
    assert_eq!(opaque(2).count(), 2);
    assert_eq!(reference(" a "), "a");
    unit_items();
    assert!(values(&"a".into(), "b", 'c', 1).0);
    empty_lists();
    trailing_comma();
    all();
    none();
    assert_eq!(elsewhere(1), Ok(1));
    assert!(Holder { id: 1 }.method().is_err());
    let mut other = 0;
    assert!(std::pin::pin!(Holder { id: 1 }.later(&mut other)).poll(&mut cx).is_ready());
}
