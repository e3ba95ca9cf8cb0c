//! How many errors came from one source on one thread, and which of them are looked at.
//!
//! A source is a type of error in one operation, or one place in the program that records errors by hand. An error that
//! is looked at is asked for its text and filed with its group; the others are counted here, and count for the group of
//! the one that was looked at last. Each source has a budget of looks: what comes in a storm costs an addition.

use super::budget::allowed;
use super::counter::Counter;
use super::list::List;
use super::quiet::quietly_or_not;

/// Types of errors told apart for one operation on one thread; further ones are counted together.
pub(crate) const MAX_KINDS: usize = 32;

/// Places told apart that record errors by hand on one thread, likewise.
pub(crate) const MAX_PLACES: usize = 256;

/// Errors of one source on one thread. Written by the thread that holds the shard.
pub(crate) struct Tally {
    source: Source,
    count: Counter,
    /// Of them those that the groups know.
    filed: Counter,
    /// The number of what the one that was looked at last counts for; zero: none yet.
    account: Counter,
    /// Reading of the clock at the last one.
    last: Counter,
    look_from: Counter,
}

/// What tells sources apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// Of the error, mostly its type.
    pub(crate) key: &'static str,
    /// The place in the program with what the program says of the error, in any form; zero in an operation.
    pub(crate) place: u64,
}

impl Source {
    /// Stands for all sources over the bound.
    const OTHER: Self = Self { key: "(other)", place: u64::MAX };

    #[inline]
    fn is(&self, other: &Self) -> bool {
        // One type has one name, mostly at one address.
        self.place == other.place && (std::ptr::eq(self.key, other.key) || self.key == other.key)
    }
}

/// What of a tally the groups do not know yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unfiled {
    pub(crate) account: u64,
    pub(crate) count: u64,
    pub(crate) last: u64,
}

impl Tally {
    fn new(source: Source) -> Self {
        let zero = || Counter::new(0);
        Self { source, count: zero(), filed: zero(), account: zero(), last: zero(), look_from: zero() }
    }

    /// Whether the budget allows to look at an error now.
    pub(crate) fn may_look(&self, now: u64, interval: u64) -> bool {
        allowed(&self.look_from, now, interval)
    }

    /// Counts an error that is not looked at.
    pub(crate) fn count(&self, now: u64) {
        self.last.set(now);
        self.count.add(1);
    }

    /// Counts an error that was looked at and is filed with a group, and hands over those before it. Under the lock of
    /// the groups, which readers of them hold too: so none is ever counted twice or missed.
    pub(crate) fn settle(&self, account: u64, now: u64) -> Unfiled {
        let before = self.unfiled();
        self.count.add(1);
        self.filed.set(self.count.get());
        self.account.set(account);
        self.last.set(now);
        before
    }

    /// What the groups do not know yet, from any thread that holds their lock.
    pub(crate) fn unfiled(&self) -> Unfiled {
        let filed = self.filed.get();
        Unfiled { account: self.account.get(), count: self.count.get().wrapping_sub(filed), last: self.last.get() }
    }
}

/// Bytes that a tally takes.
pub(crate) const TALLY_BYTES: usize = size_of::<Tally>();

/// The tallies of one operation, or of one thread: `MAX` sources told apart, all further ones counted together.
pub(crate) struct Tallies<const MAX: usize> {
    all: List<Tally>,
}

impl<const MAX: usize> Tallies<MAX> {
    pub(crate) fn new() -> Self {
        Self { all: List::new() }
    }

    /// The tally of a source. Only the thread that holds the shard may call it.
    pub(crate) fn of(&self, source: Source) -> &Tally {
        self.find(&source).unwrap_or_else(|| self.insert(source))
    }

    fn find(&self, source: &Source) -> Option<&Tally> {
        self.all.iter().find(|tally| tally.source.is(source))
    }

    #[cold]
    fn insert(&self, source: Source) -> &Tally {
        let held = self.held();
        if held >= MAX
            && let Some(other) = self.find(&Source::OTHER)
        {
            return other;
        }
        let source = if held >= MAX { Source::OTHER } else { source };
        quietly_or_not(|| self.all.push(Tally::new(source)))
    }

    /// All of them, from any thread.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Tally> {
        self.all.iter()
    }

    pub(crate) fn held(&self) -> usize {
        self.all.iter().count()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart_up_to_a_bound() {
        let tallies = Tallies::<MAX_KINDS>::new();
        let source = |place| Source { key: "Io", place };
        for round in 0..2 {
            for place in 0..100 {
                tallies.of(source(place)).count(round);
            }
        }
        assert_eq!(tallies.held(), MAX_KINDS + 1);
        let counts: Vec<_> = tallies.iter().map(|tally| tally.unfiled().count).collect();
        assert_eq!(counts.iter().sum::<u64>(), 200);
        assert_eq!(counts[0], 2 * (100 - MAX_KINDS as u64), "the newest is that of all others");
    }

    #[test]
    fn what_was_only_counted_is_handed_over_once() {
        let tally = Tally::new(Source::OTHER);
        assert_eq!(tally.settle(3, 10), Unfiled { account: 0, count: 0, last: 0 });
        tally.count(11);
        tally.count(12);
        let unfiled = Unfiled { account: 3, count: 2, last: 12 };
        assert_eq!(tally.unfiled(), unfiled);
        assert_eq!(tally.settle(4, 13), unfiled);
        assert_eq!(tally.unfiled(), Unfiled { account: 4, count: 0, last: 13 });
    }
}
