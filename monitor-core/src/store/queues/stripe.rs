//! The items of a queue that came from one group of threads, for all of their life.

use super::line::{Joined, Line, Room};
use super::waits::{Octave, Waits};
use crate::base::buckets::STEPS;
use crate::store::slices::{Slices, Slicing};

/// What an item has behind it when it leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Processed,
    Failed,
}

/// How many items are where. Every change keeps
/// `enqueued == depth + in_process + processed + failed + discarded`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) depth: u64,
    pub(super) in_process: u64,
    pub(super) enqueued: u64,
    pub(super) processed: u64,
    pub(super) failed: u64,
    pub(super) discarded: u64,
    pub(super) requeued: u64,
}

impl Counts {
    /// What is told of the last minutes: came, were worked off, were discarded.
    pub(super) fn sums(&self) -> [u64; 3] {
        [self.enqueued, self.processed.saturating_add(self.failed), self.discarded]
    }
}

/// Where an item waits in its stripe, and since when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) number: u32,
    pub(super) since: u64,
}

/// The number of an item that has no place in the line, which was full.
const NO_PLACE: u32 = u32::MAX;

/// Memory that a stripe needs before it can go on. It is made while no lock is held.
#[derive(Debug, Clone, Copy)]
pub(super) enum Need {
    Room(usize),
    Octave(usize),
}

/// Memory made for a stripe, or left over by it: to be freed while no lock is held.
#[derive(Debug)]
pub(super) enum Memory {
    Room(Room),
    Octave(usize, Box<Octave>),
}

impl Need {
    pub(super) fn make(self) -> Memory {
        match self {
            Need::Room(room) => Memory::Room(Room::with_capacity(room)),
            Need::Octave(number) => Memory::Octave(number, Box::new([0; STEPS])),
        }
    }
}

#[derive(Debug)]
pub(super) struct Stripe {
    pub(super) counts: Counts,
    line: Line,
    /// Items that wait without a place in the line, and since when the first of them did.
    pub(super) unplaced: u64,
    unplaced_since: u64,
    pub(super) waits: Waits,
    pub(super) slices: Slices<3>,
}

impl Stripe {
    pub(super) fn new(slicing: Slicing) -> Stripe {
        Stripe {
            counts: Counts::default(),
            line: Line::new(),
            unplaced: 0,
            unplaced_since: 0,
            waits: Waits::new(),
            slices: Slices::new(slicing),
        }
    }

    pub(super) fn give(&mut self, memory: Memory) -> Option<Memory> {
        match memory {
            Memory::Room(room) => Some(Memory::Room(self.line.give(room))),
            Memory::Octave(number, octave) => {
                self.waits.give(number, octave).map(|octave| Memory::Octave(number, octave))
            }
        }
    }

    #[inline(always)]
    pub(super) fn turn(&mut self, now: u64) {
        let counts = &self.counts;
        self.slices.turn(now, || counts.sums());
    }

    #[inline(always)]
    pub(super) fn enqueue(&mut self, now: u64) -> Result<Place, Need> {
        let place = self.wait(now)?;
        self.turn(now);
        self.counts.enqueued += 1;
        Ok(place)
    }

    #[inline(always)]
    fn wait(&mut self, now: u64) -> Result<Place, Need> {
        let (joined, since) = self.line.join(now);
        let number = match joined {
            Joined::At(number) => number,
            Joined::NeedsRoom(room) => return Err(Need::Room(room)),
            Joined::Full => return Ok(self.wait_untimed(since)),
        };
        self.counts.depth += 1;
        Ok(Place { number, since })
    }

    fn wait_untimed(&mut self, since: u64) -> Place {
        if self.unplaced == 0 {
            self.unplaced_since = since;
        }
        self.unplaced += 1;
        self.counts.depth += 1;
        Place { number: NO_PLACE, since }
    }

    #[inline(always)]
    fn leave(&mut self, place: Place) -> Room {
        self.counts.depth = self.counts.depth.saturating_sub(1);
        if place.number == NO_PLACE {
            self.unplaced = self.unplaced.saturating_sub(1);
            return Room::new();
        }
        self.line.leave(place.number)
    }

    /// Begins to process an item that has waited so long.
    #[inline(always)]
    pub(super) fn start(&mut self, place: Place, waited_ns: u64) -> Result<Room, Need> {
        if let Some(octave) = self.waits.missing(waited_ns) {
            return Err(Need::Octave(octave));
        }
        self.waits.record(waited_ns);
        Ok(self.start_unmeasured(place))
    }

    /// Without the time that it has waited: there is no memory to be had for it.
    #[inline(always)]
    pub(super) fn start_unmeasured(&mut self, place: Place) -> Room {
        self.counts.in_process += 1;
        self.leave(place)
    }

    /// Begins to process an item that has waited elsewhere.
    pub(super) fn receive(&mut self, now: u64, waited_ns: u64) -> Result<(), Need> {
        if let Some(octave) = self.waits.missing(waited_ns) {
            return Err(Need::Octave(octave));
        }
        self.turn(now);
        self.waits.record(waited_ns);
        self.counts.enqueued += 1;
        self.counts.in_process += 1;
        Ok(())
    }

    #[inline(always)]
    pub(super) fn end(&mut self, end: End, now: u64) {
        self.turn(now);
        self.counts.in_process = self.counts.in_process.saturating_sub(1);
        match end {
            End::Processed => self.counts.processed += 1,
            End::Failed => self.counts.failed += 1,
        }
    }

    pub(super) fn requeue(&mut self, now: u64) -> Result<Place, Need> {
        let place = self.wait(now)?;
        self.leave_processing_for_the_line();
        Ok(place)
    }

    /// Without a place in the line: there is no memory to be had for it.
    pub(super) fn requeue_untimed(&mut self, now: u64) -> Place {
        self.leave_processing_for_the_line();
        self.wait_untimed(now)
    }

    fn leave_processing_for_the_line(&mut self) {
        self.counts.in_process = self.counts.in_process.saturating_sub(1);
        self.counts.requeued += 1;
    }

    pub(super) fn discard(&mut self, place: Place, now: u64) -> Room {
        self.turn(now);
        self.counts.discarded += 1;
        self.leave(place)
    }

    /// Since when the item waits that waits longest. Of items without a place no one can be older than the first one was.
    pub(super) fn oldest(&self) -> Option<u64> {
        let unplaced = (self.unplaced > 0).then_some(self.unplaced_since);
        self.line.oldest().into_iter().chain(unplaced).min()
    }
}
