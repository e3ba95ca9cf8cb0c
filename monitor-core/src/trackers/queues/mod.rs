//! Handles on queues, and what travels with their items.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | [`Queue`]: items that come, what is said of a queue elsewhere |
//! | `items` | [`Queued`], [`QueuedItem`]: items that wait; [`Processing`]: items that are being processed |

mod items;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub use items::{Processing, Queued, QueuedItem};

use crate::base::names::bounded_name;
use crate::model::QueueStats;
use crate::record::local::watch_forks;
use crate::record::recorder::RecorderRef;
use crate::store::named::HasName as _;
use crate::store::queues;

/// A queue: what waits in it, for how long, and what becomes of it.
///
/// From [`Monitor::queue`](crate::Monitor::queue). It is a handle: clones, and all handles of one name, are the same
/// queue. It holds no items: put a [ticket](Queue::enqueued) beside each item into the channel, deque or list that the
/// program has, or let [`enqueue`](Queue::enqueue) join the two.
///
/// A ticket carries the time at which its item came. [Started](Queued::start) it becomes a [`Processing`], dropped before
/// that its item has been thrown away. Any thread may do any of it; none waits for another but for moments, when both
/// handle items that came from one thread.
///
/// Cost: some 20 to 30 ns for each of the three steps of an item, most of them for reading the clock and for one lock that
/// is free. Memory: 16 bytes for each item that waits, at most 512 KB for each group of threads (of which there are
/// four a processor, 8 to 64); the time of further items is not kept, see [`QueueStats::untimed`]. A queue takes 1 to 8 KB,
/// and some 3 to 10 KB for each group of threads that puts items into it. A monitor has up to 256 queues; names over that
/// share one named `(overflow)`, see [`MonitorStats::overflow_queues`](crate::MonitorStats::overflow_queues).
///
/// While the monitor is switched off new tickets are not counted; those that are out are counted to their end. In a forked
/// child inherited handles and tickets do nothing. Used inside the host's global allocator, an item that comes while its
/// thread asks for memory for a queue is not counted, or without its time, and that is counted in
/// [`MonitorStats::reentrant_calls`](crate::MonitorStats::reentrant_calls).
///
/// ```
/// use monitor_core::Monitor;
/// use std::sync::mpsc;
///
/// let local = Monitor::builder().build()?;
/// let mail = local.queue("mail");
/// let (sender, receiver) = mpsc::channel();
/// for to in ["ada", "grace", "nobody"] {
///     sender.send(mail.enqueue(to)).unwrap();
/// }
/// for item in receiver.try_iter().take(2) {
///     let (to, processing) = item.start();
///     if to == "ada" { processing.succeed() } else { processing.fail_with("mailbox full") }
/// }
///
/// let stats = mail.stats();
/// assert_eq!((stats.depth, stats.enqueued, stats.processed, stats.failed), (1, 3, 1, 1));
/// assert_eq!(local.snapshot().errors()[0].pattern, "mailbox full");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Queue {
    recorder: RecorderRef,
    stored: Arc<queues::Queue>,
    /// Its number in the store, by which tickets find it: they have no count of their own on the queue, which would be a
    /// cache line that all threads write.
    number: u32,
}

impl Queue {
    pub(crate) fn new(recorder: RecorderRef, name: &str) -> Queue {
        let bounded = bounded_name(name);
        if *bounded != *name {
            recorder.counts.names_changed.fetch_add(1, Ordering::Relaxed);
        }
        watch_forks();
        let clock = &recorder.clock;
        let (stored, number) = recorder.stores.queues.find_or_add(&bounded, |name| queues::Queue::new(name, clock));
        // At most `MAX_QUEUES`.
        Queue { recorder, stored, number: u32::try_from(number).unwrap_or(u32::MAX) }
    }

    /// Its name: `(overflow)` for all that are over the cap.
    #[must_use]
    pub fn name(&self) -> &str {
        self.stored.name()
    }

    #[inline(always)]
    fn is_on(&self) -> bool {
        cfg!(feature = "enabled") && self.recorder.is_enabled() && !self.recorder.is_inherited()
    }

    fn unless_inherited(&self, f: impl FnOnce()) {
        if cfg!(feature = "enabled") && !self.recorder.is_inherited() {
            f();
        }
    }
}

/// # Items
impl Queue {
    /// Counts an item that comes, and gives the ticket that travels with it.
    #[inline]
    pub fn enqueued(&self) -> Queued {
        let waiting = if self.is_on() { self.stored.enqueue(&self.recorder.clock) } else { None };
        Queued::new(self.recorder.clone(), self.number, waiting)
    }

    /// Counts an item that comes, and joins it with its ticket.
    #[inline]
    pub fn enqueue<T>(&self, item: T) -> QueuedItem<T> {
        QueuedItem::new(self.enqueued(), item)
    }

    /// Counts an item that has been waiting for so long in a place where it had no ticket, such as a broker or a table, and
    /// is processed from now on.
    ///
    /// ```
    /// use monitor_core::Monitor;
    /// use std::time::Duration;
    ///
    /// let local = Monitor::builder().build()?;
    /// let orders = local.queue("orders");
    /// let processing = orders.received(Duration::from_secs(4)); // by the time in the message
    /// processing.succeed();
    /// assert_eq!(orders.stats().max_waiting(), Duration::from_secs(4));
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn received(&self, waited: Duration) -> Processing {
        let started = if self.is_on() { self.stored.receive(waited, &self.recorder.clock) } else { None };
        Processing::new(self.recorder.clone(), self.number, started)
    }
}

/// # A queue that lives elsewhere
///
/// In a broker, a table, another process: nobody here has tickets for what waits there. What the program says is shown in
/// place of what tickets tell, each of the two by itself, until it says something else; `None` goes back to the tickets.
/// It counts also while the monitor is switched off, so that no old figure stays.
impl Queue {
    /// How many items wait.
    ///
    /// ```
    /// # let local = monitor_core::Monitor::builder().build()?;
    /// let jobs = local.queue("jobs");
    /// jobs.set_depth(1_200); // SELECT count(*) ..
    /// assert_eq!((jobs.stats().depth, jobs.stats().depth_reported), (1_200, true));
    /// jobs.set_depth(None);
    /// assert_eq!(jobs.stats().depth, 0);
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    pub fn set_depth(&self, items: impl Into<Option<u64>>) {
        let items = items.into();
        self.unless_inherited(|| self.stored.report_depth(items));
    }

    /// How long the item has been waiting by now that waits longest. Until the next call it grows with the time.
    pub fn set_oldest(&self, age: impl Into<Option<Duration>>) {
        let age = age.into();
        self.unless_inherited(|| self.stored.report_oldest(age, &self.recorder.clock));
    }
}

/// # Reading
impl Queue {
    /// How it stands now; some microseconds, with the lock of each group of threads held for a fraction of one. In a forked child an inherited handle has nothing to tell but the name.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        let clock = &self.recorder.clock;
        if self.recorder.is_inherited() {
            return queues::Queue::new(self.name(), clock).read(&clock.anchor());
        }
        self.stored.read(&clock.anchor())
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The queue of a ticket; `None` where nothing may be done with it.
#[inline(always)]
fn queue_of(recorder: &RecorderRef, number: u32) -> Option<&Arc<queues::Queue>> {
    if recorder.is_inherited() { None } else { recorder.stores.queues.get(number as usize) }
}
