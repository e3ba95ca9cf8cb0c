//! Frames of calls that run and are on no stack: of guards that a suspended future holds, and of guards that outlive
//! the thread or the scope that they began in.
//!
//! A frame moves between a stack and this table with the lock of its part of the table held. So whoever looks for a
//! call under that lock finds it in one place or the other, and takes it there: a call ends once.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::lineage::Lineage;
use super::stack::{Below, Frame, SavedFrame};
use crate::base::padded::Padded;

/// Parts of the table, each with a lock of its own.
const PARTS: usize = 16;

/// A frame without a stack.
#[derive(Clone, Debug)]
pub(crate) struct ParkedFrame {
    pub(crate) frame: SavedFrame,
    /// Whether it waits with a future; else the call goes on somewhere.
    pub(crate) suspended: bool,
    pub(crate) lineage: Lineage,
}

type Part = HashMap<u64, ParkedFrame>;

pub(crate) struct Parked {
    parts: [Padded<Mutex<Part>>; PARTS],
}

impl Parked {
    pub(crate) fn new() -> Self {
        Self { parts: std::array::from_fn(|_| Padded(Mutex::new(Part::new()))) }
    }

    fn part(&self, id: u64) -> &Mutex<Part> {
        // The product's high bits, because the low ones of an id are its position.
        let hash = id.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 60;
        &self.parts[hash as usize % PARTS]
    }

    /// Takes a call's frame off its stack. False if the call has ended meanwhile.
    ///
    /// The table has no bound of its own: it holds as many frames as the host holds guards, and loses none. A guard that
    /// was given to `mem::forget` keeps its entry, as it keeps its call in flight.
    pub(crate) fn park(
        &self,
        frame: &Frame,
        id: u64,
        parent: Option<Below>,
        suspended: bool,
        lineage: Lineage,
    ) -> bool {
        let mut part = self.part(id).lock();
        let Some(frame) = frame.take(id) else { return false };
        part.insert(id, ParkedFrame { frame: SavedFrame { parent, ..frame }, suspended, lineage });
        true
    }

    /// The frame of a parked call, left where it is.
    pub(crate) fn peek(&self, id: u64) -> Option<SavedFrame> {
        self.part(id).lock().get(&id).map(|parked| parked.frame)
    }

    /// Puts a call's frame back on a stack by `push`, unless the call has ended meanwhile.
    pub(crate) fn unpark(&self, id: u64, push: impl FnOnce(&ParkedFrame) -> bool) {
        let mut part = self.part(id).lock();
        let unparked = if part.get(&id).is_some_and(push) { part.remove(&id) } else { None };
        drop(part);
        drop(unparked);
    }

    /// Takes a call out for good; if it is not here, `elsewhere` looks for it while no frame of this part can move.
    pub(crate) fn take(
        &self,
        id: u64,
        elsewhere: impl FnOnce() -> Option<(SavedFrame, Lineage)>,
    ) -> Option<(SavedFrame, Lineage)> {
        let mut part = self.part(id).lock();
        part.remove(&id).map(|parked| (parked.frame, parked.lineage)).or_else(elsewhere)
    }

    /// All parked calls.
    pub(crate) fn read(&self) -> Vec<ParkedFrame> {
        self.parts.iter().flat_map(|part| part.lock().values().cloned().collect::<Vec<_>>()).collect()
    }
}
