//! Return types: is one a `Result`, is it a boxed future, which is the output of the future in it?

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::ptr;

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

/// Asks of a value behind which a `?` stands whether it leaves a function that returns `R`.
pub struct Question<'r, R, V> {
    /// What the function returns.
    pub returns: &'r Return<R>,
    /// The value before the `?`.
    pub value: V,
}

impl<T, E, U, F: From<E>> Question<'_, Result<U, F>, Result<T, E>> {
    /// The value, or what the function returns instead: the error, changed as `?` changes it.
    ///
    /// # Errors
    /// What the function returns.
    // A conversion that looks where it was called from is to see the caller, as it does below `?`.
    #[inline]
    #[track_caller]
    pub fn ask(self) -> Result<Result<T, E>, Result<U, F>> {
        match self.value {
            Ok(value) => Ok(Ok(value)),
            Err(error) => Err(Err(F::from(error))),
        }
    }
}

/// [`Question::ask`] of everything else: the `?` itself decides.
pub trait AskOther<R, V> {
    /// The value.
    ///
    /// # Errors
    /// None.
    fn ask(self) -> Result<V, R>;
}

impl<R, V> AskOther<R, V> for Question<'_, R, V> {
    #[inline]
    fn ask(self) -> Result<V, R> {
        Ok(self.value)
    }
}

/// A place that a value passes, and that tells the compiler what is expected of it.
///
/// A closure without parameter types takes its signature from what is expected where it stands. `let _: *const dyn
/// Fn(&str) = passing.shaped(value)` expects `dyn Fn(&str)` of the value in looking at it, but asks in the end only that
/// the value's own type can become one.
pub struct Passing<T>(Cell<Option<T>>);

impl<T> Passing<T> {
    /// An empty place.
    #[expect(clippy::new_without_default, reason = "only the attribute's expansion makes one")]
    #[must_use]
    pub const fn new() -> Self {
        Self(Cell::new(None))
    }

    /// Takes the value in. The pointer is null, and there for its type only.
    #[inline]
    pub fn shaped(&self, value: T) -> *const T {
        self.0.set(Some(value));
        ptr::null()
    }

    /// The value.
    #[inline]
    #[expect(clippy::unreachable, reason = "the expansion puts a value in first")]
    pub fn passed(self) -> T {
        self.0.into_inner().unwrap_or_else(|| unreachable!("the attribute puts a value in first"))
    }
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
