//! Streams.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::{FusedStream, Stream};

use super::super::Progress;
use super::Progressed;

/// Lets the items of a stream be counted for a job. With the feature `stream`.
///
/// As [`TrackProgress`](crate::TrackProgress) for iterators: an item counts as done with success when the consumer polls
/// for the next one.
///
/// ```
/// # use std::pin::{Pin, pin};
/// # use std::task::{Context, Poll, Waker};
/// # use futures_core::Stream;
/// # struct Numbers(std::ops::Range<u32>);
/// # impl Stream for Numbers {
/// #     type Item = u32;
/// #     fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> { Poll::Ready(self.0.next()) }
/// # }
/// # fn numbers() -> Numbers { Numbers(0..3) }
/// use monitor_core::{Monitor, TrackProgressStream};
///
/// let local = Monitor::builder().build()?;
/// let job = local.progress("pages").total(3).start();
/// let mut pages = pin!(numbers().track_progress(&job));
/// # let mut context = Context::from_waker(Waker::noop());
/// // while let Some(page) = pages.next().await { .. }
/// # while let Poll::Ready(Some(_)) = pages.as_mut().poll_next(&mut context) {}
/// assert_eq!(job.stats().done, 3);
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub trait TrackProgressStream: Stream + Sized {
    /// Counts each item for the job.
    fn track_progress(self, progress: &Progress) -> Progressed<Self> {
        Progressed::<Self>::expect(progress, self.size_hint());
        Progressed::new(self, progress)
    }
}

impl<S: Stream> TrackProgressStream for S {}

impl<S: Stream> Stream for Progressed<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        Self::count_given(this.given, this.progress);
        let item = ready!(this.inner.poll_next(cx));
        match &item {
            Some(_) => *this.given = 1,
            None => this.progress.expect(0),
        }
        Poll::Ready(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<S: FusedStream> FusedStream for Progressed<S> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}
