//! Things that threads take in turn, first come, first served.
//!
//! Who takes one has it without a lock, and gives it back by the end of its [`Turn`], also when it panics. Of those
//! that wait the one that came first is next, so that nobody starves who would have had a turn in time: not even when
//! others come round faster than who waits wakes up. The wait is one of the standard library, see [`Watched`]: there
//! may be a fork at any moment of it.

use std::collections::VecDeque;
use std::time::Instant;

use crate::base::watched::Watched;

pub(super) struct Turns<T> {
    line: Watched<Line<T>>,
}

struct Line<T> {
    /// Turns that may be had at a time, less those that are.
    free: usize,
    /// What was given back.
    idle: Vec<T>,
    /// The tickets of those that wait, in the order in which they came: as many as threads.
    waiting: VecDeque<u64>,
    next_ticket: u64,
}

/// A turn, and what was given back by the last one who had it, if anything. What is left here at the end is for the
/// next.
pub(super) struct Turn<'a, T> {
    turns: &'a Turns<T>,
    pub(super) has: Option<T>,
}

impl<T> Turns<T> {
    /// At most so many at a time. Nothing is there yet.
    pub(super) fn new(most: usize) -> Turns<T> {
        // So that giving back asks for no memory under the lock.
        let idle = Vec::with_capacity(most);
        Turns { line: Watched::new(Line { free: most, idle, waiting: VecDeque::new(), next_ticket: 0 }) }
    }

    /// The same with one that is there already.
    pub(super) fn with(most: usize, first: T) -> Turns<T> {
        let turns = Turns::new(most);
        turns.line.lock().idle.push(first);
        turns
    }

    /// Takes a turn, until then at most. Not in a child of the process that made it, where the lock may be held for
    /// ever.
    pub(super) fn take(&self, until: Instant) -> Option<Turn<'_, T>> {
        let mut line = self.line.lock();
        if line.free == 0 || !line.waiting.is_empty() {
            let ticket = line.next_ticket;
            line.next_ticket = ticket.wrapping_add(1);
            line.waiting.push_back(ticket);
            while line.free == 0 || line.waiting.front() != Some(&ticket) {
                let is_late;
                (line, is_late) = self.line.wait_until(line, until);
                let is_next = line.free > 0 && line.waiting.front() == Some(&ticket);
                if is_late && !is_next {
                    line.waiting.retain(|other| *other != ticket);
                    self.tell_next(&line);
                    return None;
                }
            }
            line.waiting.pop_front();
        }
        line.free = line.free.saturating_sub(1);
        self.tell_next(&line);
        let has = line.idle.pop();
        drop(line);
        Some(Turn { turns: self, has })
    }

    /// Takes out one that nobody has or is about to have. Never waits.
    pub(super) fn take_idle(&self) -> Option<T> {
        let mut line = self.line.try_lock()?;
        if line.waiting.is_empty() { line.idle.pop() } else { None }
    }

    /// All who wait look whether they are the first now; they are few.
    fn tell_next(&self, line: &Line<T>) {
        if line.free > 0 && !line.waiting.is_empty() {
            self.line.notify_all();
        }
    }
}

impl<T> Drop for Turn<'_, T> {
    fn drop(&mut self) {
        let mut line = self.turns.line.lock();
        line.idle.extend(self.has.take());
        line.free += 1;
        self.turns.tell_next(&line);
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn late() -> Instant {
        Instant::now() + Duration::from_mins(10)
    }

    fn wait_for_line<T>(turns: &Turns<T>, length: usize) {
        while turns.line.lock().waiting.len() != length {
            thread::yield_now();
        }
    }

    #[test]
    fn who_came_first_is_served_first() {
        let (turns, served) = (Turns::with(1, 'a'), Mutex::new(Vec::new()));
        thread::scope(|threads| {
            let turn = turns.take(late()).unwrap();
            for n in 0..6 {
                let (turns, served) = (&turns, &served);
                threads.spawn(move || {
                    let turn = turns.take(late()).unwrap();
                    assert_eq!(turn.has, Some('a'));
                    served.lock().unwrap().push(n);
                });
                wait_for_line(turns, n + 1);
            }
            drop(turn);
        });
        assert_eq!(*served.lock().unwrap(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn who_comes_late_does_not_hold_up_the_others() {
        let turns: Turns<()> = Turns::new(2);
        let (first, second) = (turns.take(late()).unwrap(), turns.take(late()).unwrap());
        assert!(turns.take(Instant::now()).is_none());
        thread::scope(|threads| {
            for n in 0..2 {
                threads.spawn(|| turns.take(late()).is_some());
                wait_for_line(&turns, n + 1);
            }
            assert!(turns.take(Instant::now()).is_none());
            drop((first, second));
        });
        let line = turns.line.lock();
        assert_eq!((line.free, line.waiting.len()), (2, 0));
    }

    #[test]
    fn a_panic_ends_a_turn() {
        let turns = Turns::with(1, 1);
        let panics = catch_unwind(AssertUnwindSafe(|| {
            let _turn = turns.take(late());
            panic!("in a turn");
        }));
        assert!(panics.is_err());
        assert_eq!(turns.take(Instant::now()).unwrap().has, Some(1));
    }

    #[test]
    fn what_somebody_has_is_not_idle() {
        let turns = Turns::with(1, 1);
        let turn = turns.take(late()).unwrap();
        assert_eq!(turns.take_idle(), None);
        drop(turn);
        assert_eq!((turns.take_idle(), turns.take_idle()), (Some(1), None));
        let line = turns.line.lock();
        assert_eq!(turns.take_idle(), None, "it does not wait for the lock");
        drop(line);
    }
}
