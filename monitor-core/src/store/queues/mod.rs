//! The queues of a monitor: what waits, for how long, what became of it.
//!
//! | file | owns |
//! |---|---|
//! | `line` | who waits, in the order in which they came |
//! | `waits` | how long those have waited that are no longer waiting |
//! | `stripe` | the items of one group of threads: how many are where |
//!
//! Here: the queues by name, and one queue of several stripes. An item belongs to the stripe of the thread that enqueued
//! it until it leaves, so under the lock of a stripe its figures agree with each other; so do their sums, although the
//! stripes are read one after the other. A stripe takes its memory when its threads first enqueue something.

mod line;
mod stripe;
mod waits;

use std::panic::RefUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use self::stripe::End;
use self::stripe::{Counts, Memory, Need, Place, Stripe};
use self::waits::Copied;
use super::named::{HasName, Named};
use super::reentry::unless_inside;
use super::slices::{FIVE_MINUTES, MINUTE, Slicing};
use crate::base::clock::{Anchor, Clock};
use crate::base::lane::lane;
use crate::base::padded::Padded;
use crate::base::stripes::stripes;
use crate::model::units::to_ns;
use crate::model::{Histogram, QueueRecent, QueueStats};

/// Queues of one monitor, at most.
pub(crate) const MAX_QUEUES: usize = 256;

/// The queues of a monitor, by name.
pub(crate) type Queues = Named<Queue, MAX_QUEUES>;

impl Queues {
    /// All of them, by name.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> Vec<QueueStats> {
        self.all().into_iter().map(|queue| queue.read(anchor)).collect()
    }

    /// How often a queue was used from within its asking for memory, which counts less.
    pub(crate) fn reentrant(&self) -> u64 {
        self.all().into_iter().fold(0, |sum, queue| sum.saturating_add(queue.reentrant.load(Ordering::Relaxed)))
    }
}

/// A stripe under its lock; `None` before it is first used.
type Held = Mutex<Option<Box<Stripe>>>;

#[derive(Debug)]
pub(crate) struct Queue {
    name: Box<str>,
    made: u64,
    slicing: Slicing,
    stripes: Box<[Padded<Held>]>,
    /// A power of two less one.
    mask: usize,
    reported: Mutex<Reported>,
    /// Items that came from the host's allocator while their thread asked it for memory for a queue: not counted, or
    /// without their time.
    reentrant: AtomicU64,
}

/// What the program says of a queue that lives elsewhere.
#[derive(Debug, Default, Clone, Copy)]
struct Reported {
    depth: Option<u64>,
    /// The age of the oldest item, and the reading of the clock when it was told.
    oldest: Option<(Duration, u64)>,
}

/// What it has inside is whole whenever code of the host runs, also code that panics: no lock is held then.
impl RefUnwindSafe for Queue {}

/// An item that waits: its stripe and its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waiting {
    stripe: u32,
    place: Place,
}

/// An item that is being processed: its stripe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Started {
    stripe: u32,
}

impl Waiting {
    /// The reading of the clock when it came.
    pub(crate) fn since(&self) -> u64 {
        self.place.since
    }
}

impl HasName for Queue {
    fn name(&self) -> &str {
        &self.name
    }
}

impl Queue {
    pub(crate) fn new(name: &str, clock: &Clock) -> Queue {
        let (made, stripes) = (clock.ticks(), stripes());
        Queue {
            name: name.into(),
            made,
            slicing: Slicing::new(clock, made),
            stripes: (0..stripes).map(|_| Padded(Mutex::new(None))).collect(),
            mask: stripes - 1,
            reported: Mutex::new(Reported::default()),
            reentrant: AtomicU64::new(0),
        }
    }

    #[inline(always)]
    fn own_stripe(&self) -> u32 {
        // There are at most 64.
        u32::try_from(lane() & self.mask).unwrap_or(0)
    }

    /// Does something under the lock of a stripe. What needs memory is done again when there is some. `None` if it needs
    /// some and is called by the host's allocator, which is just making it.
    #[inline(always)]
    fn with<R>(&self, stripe: u32, mut act: impl FnMut(&mut Stripe) -> Result<R, Need>) -> Option<R> {
        let place = self.stripes.get(stripe as usize)?;
        loop {
            let mut held = place.lock();
            let need = match held.as_deref_mut().map(&mut act) {
                Some(Ok(done)) => return Some(done),
                Some(Err(need)) => Some(need),
                None => None,
            };
            drop(held);
            if unless_inside(|| self.provide(place, need)).is_none() {
                self.reentrant.fetch_add(1, Ordering::Relaxed);
                return None;
            }
        }
    }

    /// Makes the memory that a stripe needs, or the stripe itself, while no lock is held.
    #[cold]
    #[inline(never)]
    fn provide(&self, place: &Held, need: Option<Need>) {
        let mut unused: (Option<Box<Stripe>>, Option<Memory>) = (None, None);
        match need {
            None => {
                let made = Some(Box::new(Stripe::new(self.slicing)));
                let mut held = place.lock();
                // If another thread was faster, that one's stays.
                if held.is_none() { *held = made } else { unused.0 = made }
            }
            Some(need) => {
                let memory = need.make();
                let mut held = place.lock();
                unused.1 = match held.as_deref_mut() {
                    Some(stripe) => stripe.give(memory),
                    None => Some(memory),
                };
            }
        }
        drop(unused);
    }

    #[inline(always)]
    pub(crate) fn enqueue(&self, clock: &Clock) -> Option<Waiting> {
        let (stripe, now) = (self.own_stripe(), clock.ticks());
        let place = self.with(stripe, |held| held.enqueue(now))?;
        Some(Waiting { stripe, place })
    }

    #[inline(always)]
    pub(crate) fn start(&self, waiting: Waiting, clock: &Clock) -> Started {
        let Waiting { stripe, place } = waiting;
        let waited_ns = clock.nanos_between(place.since, clock.ticks());
        let started = self.with(stripe, |held| held.start(place, waited_ns));
        // What is left over is freed here, with no lock held.
        drop(started.or_else(|| self.with(stripe, |held| Ok(held.start_unmeasured(place)))));
        Started { stripe }
    }

    /// Counts an item that has waited elsewhere and is now being processed.
    pub(crate) fn receive(&self, waited: Duration, clock: &Clock) -> Option<Started> {
        let (stripe, now, waited_ns) = (self.own_stripe(), clock.ticks(), to_ns(waited));
        self.with(stripe, |held| held.receive(now, waited_ns))?;
        Some(Started { stripe })
    }

    #[inline(always)]
    pub(crate) fn end(&self, started: Started, end: End, clock: &Clock) {
        let now = clock.ticks();
        self.with(started.stripe, |held| {
            held.end(end, now);
            Ok(())
        });
    }

    /// Lets an item wait once more, from now on.
    pub(crate) fn requeue(&self, started: Started, clock: &Clock) -> Option<Waiting> {
        let (stripe, now) = (started.stripe, clock.ticks());
        let waits = self.with(stripe, |held| held.requeue(now));
        let place = waits.or_else(|| self.with(stripe, |held| Ok(held.requeue_untimed(now))))?;
        Some(Waiting { stripe, place })
    }

    pub(crate) fn discard(&self, waiting: Waiting, clock: &Clock) {
        let now = clock.ticks();
        drop(self.with(waiting.stripe, |held| Ok(held.discard(waiting.place, now))));
    }

    pub(crate) fn report_depth(&self, depth: Option<u64>) {
        self.reported.lock().depth = depth;
    }

    pub(crate) fn report_oldest(&self, age: Option<Duration>, clock: &Clock) {
        let now = clock.ticks();
        self.reported.lock().oldest = age.map(|age| (age, now));
    }

    /// How it stands.
    pub(crate) fn read(&self, anchor: &Anchor<'_>) -> QueueStats {
        let mut sum = Sum::default();
        let mut waits = Copied::with_room();
        for stripe in &self.stripes {
            let mut held = stripe.lock();
            let Some(stripe) = held.as_deref_mut() else { continue };
            stripe.turn(anchor.ticks);
            stripe.waits.copy_to(&mut waits);
            sum.add(stripe, anchor.ticks);
            drop(held);
            for (number, counts) in &waits.octaves {
                sum.waiting.add_octave(*number, counts);
            }
        }
        let reported = *self.reported.lock();
        let (counts, window) = (sum.counts, anchor.age(self.made));
        let told = reported.oldest.map(|(age, at)| Duration::from_nanos(to_ns(age.saturating_add(anchor.age(at)))));
        let recent = |counts, whole| QueueRecent::new(self.slicing.recent_time(whole, anchor), counts);
        QueueStats {
            name: self.name.to_string(),
            depth: reported.depth.unwrap_or(counts.depth),
            depth_reported: reported.depth.is_some(),
            in_process: counts.in_process,
            enqueued: counts.enqueued,
            processed: counts.processed,
            failed: counts.failed,
            discarded: counts.discarded,
            requeued: counts.requeued,
            waiting: sum.waiting,
            waiting_time: Duration::from_nanos(sum.waited_ns),
            longest_ns: sum.longest_ns,
            oldest: told.or_else(|| sum.oldest.map(|since| anchor.age(since))),
            untimed: sum.unplaced,
            last_minute: recent(sum.minute, MINUTE),
            last_five_minutes: recent(sum.five_minutes, FIVE_MINUTES),
            window,
        }
    }
}

/// The stripes of a queue added up.
#[derive(Default)]
struct Sum {
    counts: Counts,
    unplaced: u64,
    oldest: Option<u64>,
    waiting: Histogram,
    waited_ns: u64,
    longest_ns: u64,
    minute: [u64; 3],
    five_minutes: [u64; 3],
}

impl Sum {
    /// Copies numbers only: the lock of the stripe is held.
    fn add(&mut self, stripe: &Stripe, now: u64) {
        let (sum, more) = (&mut self.counts, &stripe.counts);
        sum.depth += more.depth;
        sum.in_process += more.in_process;
        sum.enqueued += more.enqueued;
        sum.processed += more.processed;
        sum.failed += more.failed;
        sum.discarded += more.discarded;
        sum.requeued += more.requeued;
        self.unplaced += stripe.unplaced;
        self.oldest = self.oldest.into_iter().chain(stripe.oldest()).min();
        self.waited_ns = self.waited_ns.saturating_add(stripe.waits.sum_ns);
        self.longest_ns = self.longest_ns.max(stripe.waits.longest_ns);
        for (sum, whole) in [(&mut self.minute, MINUTE), (&mut self.five_minutes, FIVE_MINUTES)] {
            let recent = stripe.slices.recent(whole, now, more.sums());
            sum.iter_mut().zip(recent).for_each(|(sum, more)| *sum += more);
        }
    }
}
