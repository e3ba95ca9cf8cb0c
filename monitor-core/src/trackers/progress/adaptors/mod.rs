//! Iterators, streams, readers and writers that count for a job as they go.
//!
//! They hold a handle on the job each, so it goes on as long as one of them is there.

pub(super) mod io;
pub(super) mod iter;
#[cfg(feature = "stream")]
pub(super) mod stream;

use pin_project_lite::pin_project;

use super::Progress;

pin_project! {
    /// An iterator or a stream whose items are counted: [`TrackProgress`], and `TrackProgressStream` with the feature
    /// `stream`.
    #[derive(Debug, Clone)]
    #[must_use = "iterators and streams are lazy and do nothing unless consumed"]
    pub struct Progressed<I> {
        #[pin]
        inner: I,
        progress: Progress,
        // Items given out whose consumer has not come back yet.
        given: u64,
    }
}

impl<I> Progressed<I> {
    fn new(inner: I, progress: &Progress) -> Self {
        Self { inner, progress: progress.clone(), given: 0 }
    }

    /// Counts what was given out: the consumer is done with it, for it asks for more.
    fn count_given(given: &mut u64, progress: &Progress) {
        let given = std::mem::take(given);
        if given > 0 {
            progress.inc(given);
        }
    }

    /// Takes note of what the source knows of its length; `None` if nothing.
    fn expect(progress: &Progress, hint: (usize, Option<usize>)) {
        if let (low, Some(high)) = hint
            && low == high
        {
            progress.expect(low as u64);
        }
    }
}
