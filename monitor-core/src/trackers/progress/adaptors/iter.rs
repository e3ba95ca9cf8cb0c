//! Iterators.

use std::iter::FusedIterator;

use super::super::Progress;
use super::Progressed;

/// Lets the items of an iterator be counted for a job.
///
/// An item counts as done with success when the consumer comes back for the next one, so the last one of a loop that is
/// left early does not count. If the job has no total and the iterator knows its length exactly, that becomes the total,
/// with what is done already; an iterator that comes to its end says so likewise. Everything else of the iterator stays
/// as it is: its length, its other end, and the way in which it is folded.
///
/// ```
/// use monitor_core::{Monitor, TrackProgress};
///
/// let local = Monitor::builder().build()?;
/// let job = local.progress("squares").start();
/// let sum: u64 = (1..=100_u64).track_progress(&job).map(|n| n * n).sum();
/// assert_eq!(sum, 338_350);
/// assert_eq!((job.stats().done, job.stats().total), (100, Some(100)));
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub trait TrackProgress: Iterator + Sized {
    /// Counts each item for the job.
    fn track_progress(self, progress: &Progress) -> Progressed<Self> {
        Progressed::<Self>::expect(progress, self.size_hint());
        Progressed::new(self, progress)
    }
}

impl<I: Iterator> TrackProgress for I {}

impl<I: Iterator> Progressed<I> {
    fn came_back(&mut self) {
        Self::count_given(&mut self.given, &self.progress);
    }

    fn gives(&mut self, item: Option<I::Item>, skipped: u64) -> Option<I::Item> {
        self.given = skipped.saturating_add(u64::from(item.is_some()));
        if item.is_none() {
            self.at_end();
        }
        item
    }

    fn at_end(&mut self) {
        self.came_back();
        self.progress.expect(0);
    }
}

impl<I: Iterator> Iterator for Progressed<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        self.came_back();
        let item = self.inner.next();
        self.gives(item, 0)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }

    /// Items that are jumped over count as well; at the end their number is known only if the length was.
    fn nth(&mut self, n: usize) -> Option<I::Item> {
        self.came_back();
        let before = self.inner.size_hint();
        let item = self.inner.nth(n);
        let skipped = if item.is_some() { n } else { before.1.filter(|high| *high == before.0).unwrap_or(0) };
        self.gives(item, skipped as u64)
    }

    fn fold<B, F: FnMut(B, I::Item) -> B>(mut self, init: B, mut f: F) -> B {
        self.came_back();
        let progress = self.progress;
        let result = self.inner.fold(init, |sum, item| {
            let sum = f(sum, item);
            progress.inc(1);
            sum
        });
        progress.expect(0);
        result
    }
}

impl<I: DoubleEndedIterator> DoubleEndedIterator for Progressed<I> {
    fn next_back(&mut self) -> Option<I::Item> {
        self.came_back();
        let item = self.inner.next_back();
        self.gives(item, 0)
    }

    fn rfold<B, F: FnMut(B, I::Item) -> B>(mut self, init: B, mut f: F) -> B {
        self.came_back();
        let progress = self.progress;
        let result = self.inner.rfold(init, |sum, item| {
            let sum = f(sum, item);
            progress.inc(1);
            sum
        });
        progress.expect(0);
        result
    }
}

impl<I: ExactSizeIterator> ExactSizeIterator for Progressed<I> {
    fn len(&self) -> usize {
        self.inner.len()
    }
}

impl<I: FusedIterator> FusedIterator for Progressed<I> {}
