//! What travels with the items of a queue: tickets while they wait, then the processing, and how that ends.

use std::error::Error;
use std::fmt::{self, Display};
use std::panic::Location;
use std::time::Duration;

use super::queue_of;
use crate::model::Severity;
use crate::record::errors::{Place, Report, report};
use crate::record::failure::Failure;
use crate::record::recorder::RecorderRef;
use crate::store::named::HasName as _;
use crate::store::queues::{End, Started, Waiting};
use crate::trackers::outcome::{Caused, Displayed};

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

/// An item that is being processed, from [`Queued::start`].
///
/// It ends with [`succeed`](Self::succeed) or [`fail`](Self::fail), or when it is dropped: then the item was processed with
/// success, unless a panic that began meanwhile is what drops it, which is a failure. Or it goes back to wait:
/// [`requeue`](Self::requeue).
///
/// How long the processing takes is not measured here: that is an operation, see
/// [`Monitor::operation`](crate::Monitor::operation).
#[must_use = "processing that is not kept in a variable ends at once"]
pub struct Processing {
    recorder: RecorderRef,
    queue: u32,
    started: Option<Started>,
    /// Whether it began in a destructor that a panic runs: that panic is not its own.
    began_in_panic: bool,
}

impl Processing {
    #[inline(always)]
    pub(super) fn new(recorder: RecorderRef, queue: u32, started: Option<Started>) -> Processing {
        Processing { recorder, queue, started, began_in_panic: std::thread::panicking() }
    }

    /// The item was processed with success.
    #[inline]
    pub fn succeed(mut self) {
        self.end(End::Processed);
    }

    /// The processing failed. The error is recorded as by [`Monitor::error`](crate::Monitor::error), with the name of the
    /// queue as context.
    ///
    /// Where the work is an operation of its own, that one has recorded the error: use [`set_failed`](Self::set_failed).
    #[track_caller]
    pub fn fail<E: Error + ?Sized>(self, error: &E) {
        self.fail_because(&Caused(error), Location::caller());
    }

    /// The processing failed, with a message or anything else that can be displayed.
    #[track_caller]
    pub fn fail_with<E: Display + ?Sized>(self, message: &E) {
        self.fail_because(&Displayed(message), Location::caller());
    }

    /// The processing failed. That is counted, and no error is recorded.
    pub fn set_failed(mut self) {
        self.end(End::Failed);
    }

    /// The item goes back and waits once more, from now on: it is to be tried again. It is still one item.
    ///
    /// ```
    /// # let local = monitor_core::Monitor::builder().build()?;
    /// let mail = local.queue("mail");
    /// let again = mail.enqueued().start().requeue();
    /// again.start().succeed();
    /// let stats = mail.stats();
    /// assert_eq!((stats.enqueued, stats.requeued, stats.processed, stats.waiting.count()), (1, 1, 1, 2));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn requeue(mut self) -> Queued {
        let waiting = self.started.take().and_then(|started| {
            let queue = queue_of(&self.recorder, self.queue)?;
            queue.requeue(started, &self.recorder.clock)
        });
        Queued::new(self.recorder.clone(), self.queue, waiting)
    }

    #[inline(always)]
    fn end(&mut self, end: End) {
        if let Some(started) = self.started.take()
            && let Some(queue) = queue_of(&self.recorder, self.queue)
        {
            queue.end(started, end, &self.recorder.clock);
        }
    }

    #[cold]
    fn fail_because(mut self, error: &dyn Failure, location: &Location<'_>) {
        // Not counted as it came: recording was off.
        if self.started.is_none() {
            return;
        }
        self.end(End::Failed);
        let Some(queue) = queue_of(&self.recorder, self.queue) else { return };
        let place = Place { file: location.file(), line: location.line(), column: location.column() };
        let found = Report {
            error,
            kind: None,
            severity: Severity::default(),
            component: "",
            fingerprint: None,
            context: &[("queue", queue.name().into())],
            place,
            here: None,
        };
        report(&self.recorder, &found);
    }
}

impl Drop for Processing {
    #[inline]
    fn drop(&mut self) {
        if self.started.is_some() {
            let failed = std::thread::panicking() && !self.began_in_panic;
            self.end(if failed { End::Failed } else { End::Processed });
        }
    }
}

impl fmt::Debug for Processing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Processing").finish_non_exhaustive()
    }
}
