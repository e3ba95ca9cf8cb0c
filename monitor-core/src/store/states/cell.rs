//! What is known of an entity without the lock of its machine: one word.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::Refusal;

/// What a handle and the machine share of an entity. Written under the machine's lock, read without.
pub(crate) struct EntityCell {
    pub(crate) id: Arc<str>,
    /// Its place in the machine, as long as it is alive.
    pub(super) slot: u32,
    /// A [`Status`].
    status: AtomicU64,
}

/// State, end and number of transitions of an entity in one word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status(u64);

impl Status {
    const ENDED: u64 = 1 << 8;
    const REMOVED: u64 = 1 << 9;
    const VERSION: u32 = 16;

    pub(super) fn alive(state: u8, transitions: u64) -> Status {
        Status(transitions << Self::VERSION | u64::from(state))
    }

    pub(super) fn ended(self) -> Status {
        Status(self.0 | Self::ENDED)
    }

    pub(super) fn removed(self) -> Status {
        Status(self.0 | Self::REMOVED)
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low byte is the state")]
    pub(crate) fn state(self) -> u8 {
        self.0 as u8
    }

    /// Why it takes no transition any more.
    pub(crate) fn gone(self) -> Option<Refusal> {
        if self.0 & Self::ENDED != 0 {
            Some(Refusal::Ended)
        } else if self.0 & Self::REMOVED != 0 {
            Some(Refusal::Removed)
        } else {
            None
        }
    }
}

impl EntityCell {
    pub(super) fn new(id: Arc<str>, slot: u32, initial: u8) -> EntityCell {
        EntityCell { id, slot, status: AtomicU64::new(Status::alive(initial, 0).0) }
    }

    pub(crate) fn status(&self) -> Status {
        Status(self.status.load(Ordering::Acquire))
    }

    pub(super) fn set(&self, status: Status) {
        self.status.store(status.0, Ordering::Release);
    }
}
