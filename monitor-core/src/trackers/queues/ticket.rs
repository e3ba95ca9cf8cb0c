//! Items that wait: the tickets that travel with them.

use std::fmt;
use std::time::Duration;

use super::processing::Processing;
use super::queue_of;
use crate::record::recorder::RecorderRef;
use crate::store::queues::Waiting;

/// The ticket of an item that waits, from [`Queue::enqueued`](super::Queue::enqueued). It travels with the item, to whatever thread.
///
/// [`start`](Self::start) it when the item is taken out to be processed. Dropped before that, its item was thrown away,
/// which counts as discarded.
#[must_use = "a ticket that is dropped says that its item was thrown away"]
pub struct Queued {
    recorder: RecorderRef,
    queue: u32,
    /// `None` if the item was not counted, and when the ticket has been used.
    waiting: Option<Waiting>,
}

impl Queued {
    #[inline(always)]
    pub(super) fn new(recorder: RecorderRef, queue: u32, waiting: Option<Waiting>) -> Queued {
        Queued { recorder, queue, waiting }
    }

    /// The item is processed from now on. The time that it waited is counted.
    #[inline]
    pub fn start(mut self) -> Processing {
        let started = self.waiting.take().and_then(|waiting| {
            let queue = queue_of(&self.recorder, self.queue)?;
            Some(queue.start(waiting, &self.recorder.clock))
        });
        Processing::new(self.recorder.clone(), self.queue, started)
    }

    /// How long the item has been waiting; zero if it is not counted, because the monitor was switched off.
    #[must_use]
    pub fn waited(&self) -> Duration {
        let clock = &self.recorder.clock;
        let waited = self.waiting.map(|waiting| clock.nanos_between(waiting.since(), clock.ticks()));
        Duration::from_nanos(waited.unwrap_or(0))
    }

    /// The item is thrown away. The same as dropping the ticket.
    pub fn discard(self) {}
}

impl Drop for Queued {
    #[inline]
    fn drop(&mut self) {
        if let Some(waiting) = self.waiting.take()
            && let Some(queue) = queue_of(&self.recorder, self.queue)
        {
            queue.discard(waiting, &self.recorder.clock);
        }
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued").field("waited", &self.waited()).finish_non_exhaustive()
    }
}

/// An item with its ticket, from [`Queue::enqueue`](super::Queue::enqueue). Dropped, the item was thrown away.
#[must_use = "an item that is dropped was thrown away"]
pub struct QueuedItem<T> {
    ticket: Queued,
    item: T,
}

impl<T> QueuedItem<T> {
    #[inline(always)]
    pub(super) fn new(ticket: Queued, item: T) -> QueuedItem<T> {
        QueuedItem { ticket, item }
    }

    /// Takes the item out; it is processed from now on.
    #[inline]
    pub fn start(self) -> (T, Processing) {
        (self.item, self.ticket.start())
    }

    /// Takes the item out without processing it: it counts as discarded.
    pub fn discard(self) -> T {
        self.item
    }

    /// The item.
    #[must_use]
    pub fn item(&self) -> &T {
        &self.item
    }

    /// The item, to change it.
    #[must_use]
    pub fn item_mut(&mut self) -> &mut T {
        &mut self.item
    }

    /// How long it has been waiting, see [`Queued::waited`].
    #[must_use]
    pub fn waited(&self) -> Duration {
        self.ticket.waited()
    }
}

/// Without the item: its `Debug` is code of the host that nobody asked for.
impl<T> fmt::Debug for QueuedItem<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueuedItem").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
