//! Who waits, in the order in which they came: so the oldest is known at every moment, whoever leaves first.

/// Items whose time is kept in one line, at most.
pub(super) const MOST: usize = 32_768;
/// Room that a line keeps when nobody waits any more.
const KEPT: usize = 1_024;
/// Room that a line begins with.
const FIRST: usize = 16;

const NOBODY: u32 = u32::MAX;

/// A list in both directions in one piece of memory, 16 bytes an item. It never asks for memory by itself, since its
/// owner holds a lock then.
#[derive(Debug)]
pub(super) struct Line {
    places: Vec<Place>,
    first: u32,
    last: u32,
    /// The first of the places that were left; each knows the next one.
    free: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    since: u64,
    before: u32,
    after: u32,
}

/// Room for a line, or what is left over of it.
pub(super) type Room = Vec<Place>;

/// What becomes of an item that comes to wait.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Joined {
    /// It has this place.
    At(u32),
    /// There is no room; give so much.
    NeedsRoom(usize),
    /// There is no room, and there may be no more.
    Full,
}

impl Line {
    pub(super) const fn new() -> Line {
        Line { places: Vec::new(), first: NOBODY, last: NOBODY, free: NOBODY }
    }

    /// Takes over more room. What is left over is to be freed by who has no lock.
    #[must_use]
    pub(super) fn give(&mut self, mut room: Room) -> Room {
        if room.capacity() > self.places.capacity() {
            room.clear();
            room.extend_from_slice(&self.places);
            std::mem::swap(&mut self.places, &mut room);
        }
        room
    }

    /// Adds an item at the end. Its time is that of the one before it, should that be later.
    #[inline(always)]
    pub(super) fn join(&mut self, now: u64) -> (Joined, u64) {
        let since = self.place(self.last).map_or(now, |last| last.since.max(now));
        let place = Place { since, before: self.last, after: NOBODY };
        let number = if let Some(free) = self.place(self.free) {
            let number = std::mem::replace(&mut self.free, free.after);
            self.set(number, |there| *there = place);
            number
        } else if self.places.len() < self.places.capacity() {
            self.places.push(place);
            // At most `MOST`.
            u32::try_from(self.places.len() - 1).unwrap_or(NOBODY)
        } else if self.places.len() < MOST {
            return (Joined::NeedsRoom((self.places.len() * 2).clamp(FIRST, MOST)), since);
        } else {
            return (Joined::Full, since);
        };
        if self.last == NOBODY {
            self.first = number;
        } else {
            self.set(self.last, |last| last.after = number);
        }
        self.last = number;
        (Joined::At(number), since)
    }

    /// Takes an item out. Room that is no longer needed is to be freed by who has no lock.
    #[inline(always)]
    #[must_use]
    pub(super) fn leave(&mut self, number: u32) -> Room {
        let Some(Place { before, after, .. }) = self.place(number) else { return Room::new() };
        if before == NOBODY {
            self.first = after;
        } else {
            self.set(before, |place| place.after = after);
        }
        if after == NOBODY {
            self.last = before;
        } else {
            self.set(after, |place| place.before = before);
        }
        if self.first == NOBODY && self.places.capacity() > KEPT {
            return std::mem::replace(self, Line::new()).places;
        }
        let free = self.free;
        self.set(number, |place| place.after = free);
        self.free = number;
        Room::new()
    }

    /// Since when the first one waits.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.place(self.first).map(|place| place.since)
    }

    #[inline(always)]
    fn place(&self, number: u32) -> Option<Place> {
        self.places.get(number as usize).copied()
    }

    #[inline(always)]
    fn set(&mut self, number: u32, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places.get_mut(number as usize) {
            change(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn join(line: &mut Line, now: u64) -> Option<u32> {
        loop {
            match line.join(now).0 {
                Joined::At(number) => return Some(number),
                Joined::NeedsRoom(room) => _ = line.give(Room::with_capacity(room)),
                Joined::Full => return None,
            }
        }
    }

    proptest! {
        /// Whoever leaves, in whatever order: the oldest is the oldest.
        #[test]
        fn the_oldest_is_known_whoever_leaves(acts in prop::collection::vec(any::<Option<prop::sample::Index>>(), 0..300)) {
            let mut line = Line::new();
            let mut model: Vec<(u32, u64)> = Vec::new();
            for (now, act) in acts.into_iter().enumerate() {
                match act {
                    Some(who) if !model.is_empty() => {
                        let (number, _) = model.remove(who.index(model.len()));
                        let _ = line.leave(number);
                    }
                    _ => model.push((join(&mut line, now as u64).unwrap(), now as u64)),
                }
                prop_assert_eq!(line.oldest(), model.first().map(|(_, since)| *since));
            }
        }
    }

    #[test]
    fn it_is_bounded_and_gives_its_room_back() {
        let mut line = Line::new();
        let all: Vec<_> = (0..MOST as u64).map(|now| join(&mut line, now).unwrap()).collect();
        assert_eq!((join(&mut line, 7), line.places.capacity()), (None, MOST));
        let left: usize = all.into_iter().map(|number| line.leave(number).capacity()).sum();
        assert_eq!((left, line.places.capacity(), line.oldest()), (MOST, 0, None));
    }

    #[test]
    fn who_read_the_clock_earlier_and_came_later_is_younger() {
        let mut line = Line::new();
        join(&mut line, 10);
        let _ = line.give(Room::with_capacity(4));
        assert_eq!(line.join(9), (Joined::At(1), 10));
    }
}
