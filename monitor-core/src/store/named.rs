//! Things of one sort that are found by name: made when they are first asked for, never taken away, bounded in number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

/// What everything over the cap goes to.
pub(crate) const OVERFLOW: &str = "(overflow)";

/// Something with a name.
pub(crate) trait HasName {
    fn name(&self) -> &str;
}

/// Up to `MOST` things, and one for all names that come later.
///
/// Places are filled in order and read without a lock; who adds one holds a lock, so that two threads never make one
/// name twice and nobody ever waits in a `OnceLock`. Names are compared one after the other: some nanoseconds for the few
/// that a program has, a microsecond or two for hundreds. Handles keep what they found.
pub(crate) struct Named<T, const MOST: usize> {
    places: [OnceLock<Arc<T>>; MOST],
    overflow: OnceLock<Arc<T>>,
    adding: Mutex<()>,
    over: AtomicU64,
}

/// It asks for no memory: the recorder of a process is made where none may be asked for.
impl<T, const MOST: usize> Default for Named<T, MOST> {
    fn default() -> Self {
        Self {
            places: [const { OnceLock::new() }; MOST],
            overflow: OnceLock::new(),
            adding: Mutex::new(()),
            over: AtomicU64::new(0),
        }
    }
}

impl<T: HasName, const MOST: usize> Named<T, MOST> {
    /// The one of that name, with its number. A new name over the cap is counted and leads to the one for all of those.
    pub(crate) fn find_or_add(&self, name: &str, make: impl Fn(&str) -> T) -> (Arc<T>, usize) {
        self.find(name).or_else(|| self.add(name, &make)).unwrap_or_else(|| {
            if name != OVERFLOW {
                self.over.fetch_add(1, Ordering::Relaxed);
            }
            (self.overflow(&make), MOST)
        })
    }

    fn find(&self, name: &str) -> Option<(Arc<T>, usize)> {
        let mut taken = self.places.iter().map_while(OnceLock::get).enumerate();
        taken.find(|(_, one)| one.name() == name).map(|(number, one)| (Arc::clone(one), number))
    }

    /// `None` if there is no place left for it.
    fn add(&self, name: &str, make: &impl Fn(&str) -> T) -> Option<(Arc<T>, usize)> {
        if name == OVERFLOW {
            return None;
        }
        if self.places.last().is_none_or(|last| last.get().is_some()) {
            // Another thread may just have taken the last place, for this very name.
            return self.find(name);
        }
        // Made before the lock is taken, since it asks for memory, and freed after it if another thread was faster.
        let made = Arc::new(make(name));
        let adding = self.adding.lock();
        let found = self.find(name).or_else(|| {
            let (number, place) = self.places.iter().enumerate().find(|(_, place)| place.get().is_none())?;
            place.set(Arc::clone(&made)).ok()?;
            Some((Arc::clone(&made), number))
        });
        drop(adding);
        found
    }

    fn overflow(&self, make: &impl Fn(&str) -> T) -> Arc<T> {
        if let Some(known) = self.overflow.get() {
            return Arc::clone(known);
        }
        let made = Arc::new(make(OVERFLOW));
        let adding = self.adding.lock();
        let unused = self.overflow.set(Arc::clone(&made)).err();
        drop(adding);
        drop(unused);
        self.overflow.get().map_or(made, Arc::clone)
    }

    /// The one of that number.
    #[inline(always)]
    pub(crate) fn get(&self, number: usize) -> Option<&Arc<T>> {
        self.places.get(number).unwrap_or(&self.overflow).get()
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> Vec<&Arc<T>> {
        let taken = self.places.iter().map_while(OnceLock::get);
        let mut all: Vec<_> = taken.chain(self.overflow.get()).collect();
        all.sort_by(|a, b| a.name().cmp(b.name()));
        all
    }

    /// How often a name over the cap was asked for.
    pub(crate) fn over(&self) -> u64 {
        self.over.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl HasName for String {
        fn name(&self) -> &str {
            self
        }
    }

    #[test]
    fn a_name_is_made_once_and_found_again_by_number() {
        let named = Named::<String, 3>::default();
        let (first, number) = named.find_or_add("b", str::to_owned);
        let (again, same) = named.find_or_add("b", |_| unreachable!("it is known"));
        assert!(Arc::ptr_eq(&first, &again) && number == same);
        named.find_or_add("a", str::to_owned);
        assert_eq!(named.get(number).map(|one| one.as_str()), Some("b"));
        assert_eq!(named.all(), [&Arc::new("a".to_owned()), &Arc::new("b".to_owned())]);
        assert!(named.get(2).is_none());
    }

    #[test]
    fn names_over_the_cap_share_one_and_are_counted() {
        let named = Named::<String, 2>::default();
        for name in ["a", "b", "c", "d", "a", OVERFLOW] {
            let (found, number) = named.find_or_add(name, str::to_owned);
            let expected = if ["a", "b"].contains(&name) { name } else { OVERFLOW };
            assert_eq!(found.as_str(), expected);
            assert_eq!(named.get(number), Some(&found));
        }
        assert_eq!((named.over(), named.all().len()), (2, 3));
    }

    #[test]
    fn threads_that_ask_at_once_get_the_same_one() {
        let named = Named::<String, 8>::default();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..12).for_each(|n| _ = named.find_or_add(&format!("name {n}"), str::to_owned)));
            }
        });
        let names: std::collections::BTreeSet<_> = named.all().into_iter().cloned().collect();
        assert_eq!((names.len(), named.all().len()), (9, 9));
        assert_eq!(named.over(), 8 * 4);
    }

    #[test]
    fn the_last_place_is_found_by_all_who_ask_for_its_name_at_once() {
        for _ in 0..2_000 {
            let named = Named::<String, 1>::default();
            let all_here = std::sync::Barrier::new(2);
            let ask = || {
                all_here.wait();
                named.find_or_add("last", str::to_owned).1
            };
            std::thread::scope(|scope| {
                let other = scope.spawn(ask);
                assert_eq!((ask(), other.join().unwrap(), named.over()), (0, 0, 0));
            });
        }
    }
}
