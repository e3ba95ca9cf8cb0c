//! Return types: is one a `Result`, is it a boxed future, which is the output of the future in it?

use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::model::FieldValue;
use crate::record::call_site::CallSite;
use crate::record::sync_call::SyncCall;
use crate::record::task_call::TaskEnd;
use crate::trackers::expansion::Return;
use crate::trackers::future::{Tracked, track_future};

/// Asks of a return type what it is, before there is a value.
pub struct Shape<'r, R>(pub &'r Return<R>);

impl<T, E> Shape<'_, Result<T, E>> {
    /// Whether the type is a `Result`.
    #[inline]
    #[must_use]
    pub fn is_result(&self) -> bool {
        true
    }
}

/// [`Shape::is_result`] of everything that is none.
pub trait ShapeOther {
    /// Whether the type is a `Result`.
    fn is_result(&self) -> bool;
}

impl<R> ShapeOther for Shape<'_, R> {
    #[inline]
    fn is_result(&self) -> bool {
        false
    }
}

/// What a call carries, for the case that its form (call or future) is decided by its type.
pub struct Options<'a> {
    /// Labels whose values are known only now.
    pub labels: &'a [(&'static str, &'a str)],
    /// Fields of the individual record.
    pub fields: &'a [(&'static str, FieldValue)],
    /// Items of work.
    pub items: u64,
    /// Bytes of work.
    pub bytes: u64,
}

/// A function that returns a boxed future: the future is timed, not its making. It is boxed once more.
pub trait CallBoxed {
    /// The boxed future.
    type Future;
    /// What the future gives.
    type Output;
    /// Makes the future and tracks it.
    fn call(
        &self,
        site: &'static CallSite,
        options: Options<'_>,
        body: impl FnOnce() -> Self::Future,
        read: impl FnOnce(&Self::Output, TaskEnd<'_>) + Send + Sync + 'static,
    ) -> Self::Future;
}

macro_rules! boxed_futures {
    ($($($auto:ident)*;)+) => {
        $(impl<'a, T: 'a> CallBoxed for &Shape<'_, Pin<Box<dyn Future<Output = T> $(+ $auto)* + 'a>>> {
            type Future = Pin<Box<dyn Future<Output = T> $(+ $auto)* + 'a>>;
            type Output = T;

            fn call(
                &self,
                site: &'static CallSite,
                options: Options<'_>,
                body: impl FnOnce() -> Self::Future,
                read: impl FnOnce(&T, TaskEnd<'_>) + Send + Sync + 'static,
            ) -> Self::Future {
                Box::pin(with_options(track_future(site, body(), read), &options))
            }
        })+
    };
}

boxed_futures! {
    ;
    Send;
    Send Sync;
}

fn with_options<F: Future, V: FnOnce(&F::Output, TaskEnd<'_>)>(
    mut tracked: Tracked<F, V>,
    options: &Options<'_>,
) -> Tracked<F, V> {
    if !options.labels.is_empty() {
        tracked = tracked.with_labels(options.labels);
    }
    if !options.fields.is_empty() {
        tracked = tracked.with_fields(options.fields.to_vec());
    }
    tracked.with_items(options.items).with_bytes(options.bytes)
}

/// A function that returns anything else: the call is timed.
pub trait CallPlain<R> {
    /// Runs the body as a tracked call.
    fn call<'a>(
        &self,
        site: &'static CallSite,
        options: Options<'a>,
        body: impl FnOnce() -> R,
        read: impl FnOnce(&R, SyncCall<'a>),
    ) -> R;
}

impl<R> CallPlain<R> for Shape<'_, R> {
    #[inline]
    fn call<'a>(
        &self,
        site: &'static CallSite,
        options: Options<'a>,
        body: impl FnOnce() -> R,
        read: impl FnOnce(&R, SyncCall<'a>),
    ) -> R {
        let mut call = if options.labels.is_empty() {
            SyncCall::enter(site)
        } else {
            SyncCall::enter_labelled(site, options.labels)
        };
        if !options.fields.is_empty() {
            call.set_fields(options.fields);
        }
        if options.items > 0 {
            call.add_items(options.items);
        }
        if options.bytes > 0 {
            call.add_bytes(options.bytes);
        }
        let value = body();
        read(&value, call);
        value
    }
}

/// The value, which is coerced to the return type on its way in.
#[inline]
pub fn same<R>(_: &Return<R>, value: R) -> R {
    value
}

/// A future that is never ready, and of which there is never a value: it stands in dead code, to tell the compiler the
/// output of the future beside it.
pub struct NeverFuture<O>(PhantomData<fn() -> O>);

impl<O> Future for NeverFuture<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<O> {
        Poll::Pending
    }
}

/// Ties the output of a boxed future to `O`.
#[cold]
#[must_use]
pub fn never_boxed<O>(_: &Return<O>) -> Pin<Box<NeverFuture<O>>> {
    Box::pin(NeverFuture(PhantomData))
}

/// The future, whose output is tied to `O`.
#[inline]
pub fn future_of<O, F: Future<Output = O>>(_: &Return<O>, future: F) -> F {
    future
}

/// Ties the output of an `impl Future` to that of the tracked future in it.
#[inline]
#[must_use]
pub fn tracked_type<F: Future, V: FnOnce(&F::Output, TaskEnd<'_>)>(
    _: &Return<F>,
    tracked: Return<Tracked<F, V>>,
) -> Return<Tracked<F, V>> {
    tracked
}
