//! Tracked futures.

use std::fmt::{self, Display};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::outcome::{Displayed, failure_in};
use crate::model::FieldValue;
use crate::record::call_site::{CallSite, RecordPolicy};
use crate::record::registry::DEFAULT_KIND;
use crate::record::task_call::{Name, Origin, TaskCall, TaskEnd};

pin_project! {
    /// A future that is tracked as an operation: [`TrackFuture::tracked`].
    ///
    /// Nothing is recorded before its first poll. Dropped before it is ready, it counts as cancelled. Its total time is
    /// that from the first poll to the end, `busy_time` what its polls took, and `self_time` the busy time without that
    /// of the tracked calls inside it. It records into the monitor that is current at its first poll.
    ///
    /// The methods are to be called before the first poll; later they change nothing but the record of the call.
    #[must_use = "futures do nothing unless polled"]
    pub struct Tracked<F, V> {
        // `None` once it was dropped: as the last thing that is tracked of it.
        #[pin]
        future: Option<F>,
        read: Option<V>,
        call: TaskCall,
    }

    impl<F, V> PinnedDrop for Tracked<F, V> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            this.call.cancel(|| this.future.set(None));
        }
    }
}

impl<F: Future, V: FnOnce(&F::Output, TaskEnd<'_>)> Tracked<F, V> {
    fn new(origin: Origin, future: F, read: V) -> Self {
        Self { future: Some(future), read: Some(read), call: TaskCall::new(origin) }
    }
}

impl<F, V> Tracked<F, V> {
    fn change_name(mut self, change: impl FnOnce(&mut Name)) -> Self {
        if let Origin::Named(name) = self.call.origin_mut() {
            change(name);
        }
        self
    }

    /// As [`OperationBuilder::kind`](crate::OperationBuilder::kind).
    pub fn kind(self, kind: impl Into<String>) -> Self {
        self.change_name(|name| name.kind = kind.into())
    }

    /// As [`OperationBuilder::component`](crate::OperationBuilder::component).
    pub fn component(self, component: impl Into<String>) -> Self {
        self.change_name(|name| name.component = component.into())
    }

    /// As [`OperationBuilder::label`](crate::OperationBuilder::label).
    pub fn label(self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.change_name(|name| name.labels.push((key.into(), value.into())))
    }

    /// As [`OperationBuilder::record`](crate::OperationBuilder::record).
    pub fn record(self, policy: RecordPolicy) -> Self {
        self.change_name(|name| name.recording = policy.recording())
    }

    /// As [`OperationBuilder::sample`](crate::OperationBuilder::sample): an untimed call's polls are not timed either.
    pub fn sample(self, one_in: u32) -> Self {
        self.change_name(|name| name.sample = one_in)
    }

    /// As [`OperationBuilder::field`](crate::OperationBuilder::field).
    pub fn field(mut self, key: &'static str, value: impl Into<FieldValue>) -> Self {
        self.call.fields.push((key, value.into()));
        self
    }

    /// As [`OperationBuilder::items`](crate::OperationBuilder::items).
    pub fn items(self, items: u64) -> Self {
        self.with_items(items)
    }

    /// As [`OperationBuilder::bytes`](crate::OperationBuilder::bytes).
    pub fn bytes(self, bytes: u64) -> Self {
        self.with_bytes(bytes)
    }

    #[doc(hidden)]
    pub fn with_labels(mut self, labels: &[(&'static str, &str)]) -> Self {
        if let Origin::Site(_, more) = self.call.origin_mut() {
            more.extend(labels.iter().map(|(key, value)| (*key, (*value).to_owned())));
        }
        self
    }

    #[doc(hidden)]
    pub fn with_fields(mut self, fields: Vec<(&'static str, FieldValue)>) -> Self {
        self.call.fields = fields;
        self
    }

    #[doc(hidden)]
    pub fn with_items(mut self, items: u64) -> Self {
        self.call.items = items;
        self
    }

    #[doc(hidden)]
    pub fn with_bytes(mut self, bytes: u64) -> Self {
        self.call.bytes = bytes;
        self
    }
}

impl<F: Future, V: FnOnce(&F::Output, TaskEnd<'_>)> Future for Tracked<F, V> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let (future, read) = (&mut this.future, this.read);
        this.call.poll(
            || match future.as_mut().as_pin_mut() {
                Some(future) => future.poll(cx),
                None => Poll::Pending,
            },
            |value, end| {
                if let Some(read) = read.take() {
                    read(value, end);
                }
            },
        )
    }
}

impl<F, V> fmt::Debug for Tracked<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}

/// Tracks a future that begins at a place which the attribute marked.
#[doc(hidden)]
#[inline]
pub fn track_future<F: Future, V: FnOnce(&F::Output, TaskEnd<'_>)>(
    site: &'static CallSite,
    future: F,
    read: V,
) -> Tracked<F, V> {
    Tracked::new(Origin::Site(site, Vec::new()), future, read)
}

/// How a [`Tracked`] future reads its output.
pub type ReadOutput<T> = fn(&T, TaskEnd<'_>);

/// Makes any future an operation.
///
/// ```
/// use monitor_core::{Monitor, TrackFuture};
/// # fn block_on<F: Future>(future: F) -> F::Output {
/// #     let mut future = std::pin::pin!(future);
/// #     let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// #     loop {
/// #         if let std::task::Poll::Ready(value) = future.as_mut().poll(&mut cx) { return value; }
/// #     }
/// # }
///
/// async fn download(url: &str) -> Result<usize, String> {
///     if url.is_empty() { Err("no address".into()) } else { Ok(url.len()) }
/// }
///
/// let local = Monitor::builder().build()?;
/// local.scope(|| {
///     block_on(async {
///         let _ = download("https://example.org").tracked("download").kind("network").await;
///         let _ = download("").try_tracked("download").kind("network").await;
///     });
/// });
/// let snapshot = local.snapshot();
/// let stats = snapshot.operation("download").unwrap();
/// assert_eq!((stats.succeeded, stats.failed, stats.polls), (1, 1, 2));
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub trait TrackFuture: Future + Sized {
    /// Tracks the future under a name. The outcome is read from the output: an `Err` is a failure, of which the type
    /// is kept; everything else is a success.
    fn tracked(self, name: impl Into<String>) -> Tracked<Self, ReadOutput<Self::Output>> {
        Tracked::new(named(name.into()), self, |value, end| match failure_in(value) {
            None => end.succeed(),
            Some(error) => end.fail(&error),
        })
    }

    /// Tracks a future that gives a `Result`, and keeps the text of its error.
    fn try_tracked<T, E: Display>(self, name: impl Into<String>) -> Tracked<Self, ReadOutput<Result<T, E>>>
    where
        Self: Future<Output = Result<T, E>>,
    {
        Tracked::new(named(name.into()), self, |value, end| match value {
            Ok(_) => end.succeed(),
            Err(error) => end.fail(&Displayed(error)),
        })
    }
}

impl<F: Future> TrackFuture for F {}

fn named(name: String) -> Origin {
    Origin::Named(Box::new(Name {
        text: name,
        kind: DEFAULT_KIND.to_owned(),
        component: String::new(),
        labels: Vec::new(),
        recording: RecordPolicy::Auto.recording(),
        sample: 1,
    }))
}
