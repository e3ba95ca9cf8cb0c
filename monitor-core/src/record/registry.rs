//! Which series there are: names, kinds, components and label sets, with their caps.
//!
//! A thread asks here once for each series that it meets and keeps the answer in its shard. Past the caps it asks each
//! time, under a read lock, and gets the overflow series.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::cell::Recording;
use crate::base::names::{bounded_name, bounded_value, label_key};

/// What names that came after the cap are counted under, and the kind they get.
pub(crate) const OVERFLOW: &str = "(overflow)";

/// What tells series apart, as the caller gives it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identity<'a> {
    pub(crate) name: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) component: &'a str,
    /// Sorted by key, each key once.
    pub(crate) labels: &'a [(&'a str, &'a str)],
}

/// Kind of an operation whose kind was not given.
pub(crate) const DEFAULT_KIND: &str = "function";

impl<'a> Identity<'a> {
    /// What is known of an operation by its name alone.
    #[inline(always)]
    pub(crate) fn bare(name: &'a str) -> Self {
        Self { name, kind: DEFAULT_KIND, component: "", labels: &[] }
    }
}

impl Identity<'_> {
    #[inline]
    pub(crate) fn hash(&self, state: &FixedState) -> u64 {
        let mut hasher = state.build_hasher();
        for text in [self.name, self.kind, self.component] {
            hasher.write(text.as_bytes());
            hasher.write_usize(text.len());
        }
        for (key, value) in self.labels {
            hasher.write(key.as_bytes());
            hasher.write(value.as_bytes());
            hasher.write_usize(key.len());
            hasher.write_usize(value.len());
        }
        hasher.finish()
    }
}

impl Identity<'_> {
    /// A number that is likely the same when the same texts are met at the same place again: made of their addresses.
    #[inline(always)]
    pub(crate) fn place(&self) -> usize {
        let mut place = self.name.as_ptr().addr() ^ self.name.len() << 24;
        for (_, value) in self.labels {
            place = place.rotate_left(21) ^ value.as_ptr().addr() ^ value.len() << 24;
        }
        // The high bits of a product by an odd constant hang on all bits of the factor (Fibonacci hashing).
        ((place as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
    }
}

/// One operation with one label set.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) number: u32,
    pub(crate) name: Box<str>,
    pub(crate) kind: Box<str>,
    pub(crate) component: Box<str>,
    pub(crate) labels: Box<[(Box<str>, Box<str>)]>,
    pub(crate) recording: Recording,
    /// The cap that this series takes the overflow of.
    pub(crate) cap: Cap,
    /// Whether it is known by its name alone: see [`Identity::bare`].
    bare: bool,
}

impl Series {
    /// Whether it is the series of a bare name.
    #[inline(always)]
    pub(crate) fn is_bare(&self, name: &str) -> bool {
        self.bare && same(&self.name, name)
    }

    #[inline]
    pub(crate) fn is(&self, identity: &Identity<'_>) -> bool {
        same(&self.name, identity.name)
            && same(&self.kind, identity.kind)
            && same(&self.component, identity.component)
            && self.labels.len() == identity.labels.len()
            && (identity.labels.is_empty() || self.has_labels(identity.labels))
    }

    fn has_labels(&self, labels: &[(&str, &str)]) -> bool {
        self.labels.iter().zip(labels).all(|((k, v), (key, value))| same(k, key) && same(v, value))
    }
}

/// Whether two texts are the same, quickly for the short ones that names are.
///
/// The usual way calls `memcmp`, which takes longer than the comparison itself; and for an empty text, whose address
/// may be anything, glibc's reads there with all bytes masked off, which on some processors takes some hundred cycles
/// when nothing is mapped at the address.
#[inline(always)]
fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    a.len() == b.len()
        && match a.len() {
            0 => true,
            1..4 => a.iter().eq(b),
            4..8 => same_ends::<4>(a, b),
            8..16 => same_ends::<8>(a, b),
            16..=32 => same_ends::<16>(a, b),
            _ => a == b,
        }
}

/// Whether the first and the last `N` bytes are the same: all, if there are no more than twice as many.
#[inline(always)]
fn same_ends<const N: usize>(a: &[u8], b: &[u8]) -> bool {
    a.first_chunk::<N>() == b.first_chunk::<N>() && a.last_chunk::<N>() == b.last_chunk::<N>()
}

/// How many names and label sets there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) operations: usize,
    pub(crate) label_sets: usize,
}

/// The series that an identity is counted under.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) series: Arc<Series>,
    pub(crate) cap: Cap,
    /// Whether a name, key or value had to be changed.
    pub(crate) changed: bool,
}

/// Whether a cap kept an identity from having a series of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cap {
    Within,
    Operations,
    LabelSets,
}

#[derive(Debug, Default)]
pub(crate) struct Registry {
    series: Vec<Arc<Series>>,
    /// Series by the hash of their identity; more than one where hashes collide.
    by_hash: HashMap<u64, SmallVec<[u32; 1]>>,
    /// Label sets of each operation.
    label_sets: HashMap<OperationKey, usize>,
}

impl Registry {
    pub(crate) fn series(&self) -> &[Arc<Series>] {
        &self.series
    }

    pub(crate) fn operations(&self) -> usize {
        self.label_sets.len()
    }

    /// The series of an identity that needs no change, or the overflow series that it belongs to for good.
    pub(crate) fn find(&self, state: &FixedState, identity: &Identity<'_>, limits: Limits) -> Option<Found> {
        let within = |series| Found { series, cap: Cap::Within, changed: false };
        if let Some(series) = self.lookup(state, identity) {
            return Some(within(series));
        }
        with_bounded(identity, |bounded, changed| {
            if let Some(series) = self.lookup(state, bounded) {
                return Some(Found { series, cap: Cap::Within, changed });
            }
            let cap = self.cap_of(bounded, limits)?;
            let series = with_overflow(bounded, cap, |overflow| self.lookup(state, overflow))?;
            Some(Found { series, cap, changed })
        })
    }

    /// The series of an identity, made now if there is none yet and the caps allow it.
    pub(crate) fn find_or_insert(
        &mut self,
        state: &FixedState,
        identity: &Identity<'_>,
        recording: Recording,
        limits: Limits,
    ) -> Found {
        if let Some(found) = self.find(state, identity, limits) {
            return found;
        }
        with_bounded(identity, |bounded, changed| match self.cap_of(bounded, limits) {
            None => Found { series: self.insert(state, bounded, recording, Cap::Within), cap: Cap::Within, changed },
            Some(cap) => {
                let series = with_overflow(bounded, cap, |overflow| self.insert(state, overflow, recording, cap));
                Found { series, cap, changed }
            }
        })
    }

    fn lookup(&self, state: &FixedState, identity: &Identity<'_>) -> Option<Arc<Series>> {
        let candidates = self.by_hash.get(&identity.hash(state))?;
        let found = candidates.iter().filter_map(|number| self.series.get(*number as usize));
        found.into_iter().find(|series| series.is(identity)).cloned()
    }

    /// The cap that a new identity meets, if any.
    fn cap_of(&self, identity: &Identity<'_>, limits: Limits) -> Option<Cap> {
        match self.label_sets.get(&operation_key(identity)) {
            Some(sets) if *sets >= limits.label_sets => Some(Cap::LabelSets),
            None if self.label_sets.len() >= limits.operations => Some(Cap::Operations),
            _ => None,
        }
    }

    fn insert(&mut self, state: &FixedState, identity: &Identity<'_>, recording: Recording, cap: Cap) -> Arc<Series> {
        let number = u32::try_from(self.series.len()).unwrap_or(u32::MAX);
        let series = Arc::new(Series {
            number,
            name: identity.name.into(),
            kind: identity.kind.into(),
            component: identity.component.into(),
            labels: identity.labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            recording,
            cap,
            bare: (identity.kind, identity.component) == (DEFAULT_KIND, "") && identity.labels.is_empty(),
        });
        self.series.push(Arc::clone(&series));
        self.by_hash.entry(identity.hash(state)).or_default().push(number);
        if cap == Cap::Within {
            *self.label_sets.entry(operation_key(identity)).or_default() += 1;
        }
        series
    }
}

/// Name, kind and component.
type OperationKey = (Box<str>, Box<str>, Box<str>);

fn operation_key(identity: &Identity<'_>) -> OperationKey {
    (identity.name.into(), identity.kind.into(), identity.component.into())
}

/// The identity with names and labels that can be kept, and whether that changed any.
fn with_bounded<R>(identity: &Identity<'_>, f: impl FnOnce(&Identity<'_>, bool) -> R) -> R {
    let name = bounded_name(identity.name);
    let kind = bounded_name(identity.kind);
    let component = if identity.component.is_empty() { "".into() } else { bounded_name(identity.component) };
    let mut labels: SmallVec<[_; 4]> = identity.labels.iter().map(|(k, v)| (label_key(k), bounded_value(v))).collect();
    // Keys that differed may be the same now; the first one stays.
    labels.sort_by(|a, b| a.0.cmp(&b.0));
    labels.dedup_by(|b, a| a.0 == b.0);
    let labels: SmallVec<[(&str, &str); 4]> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
    let bounded = Identity { name: &name, kind: &kind, component: &component, labels: &labels };
    let changed = *name != *identity.name
        || *kind != *identity.kind
        || *component != *identity.component
        || *labels != *identity.labels;
    f(&bounded, changed)
}

/// The identity that stands for all those over a cap.
fn with_overflow<R>(identity: &Identity<'_>, cap: Cap, f: impl FnOnce(&Identity<'_>) -> R) -> R {
    match cap {
        Cap::LabelSets => f(&Identity { labels: &[("overflow", "true")], ..*identity }),
        Cap::Operations | Cap::Within => f(&Identity { name: OVERFLOW, kind: OVERFLOW, component: "", labels: &[] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::call_site::RecordPolicy;

    const LIMITS: Limits = Limits { operations: 3, label_sets: 4 };

    fn get(registry: &mut Registry, state: &FixedState, name: &str, labels: &[(&str, &str)]) -> Found {
        let identity = Identity { name, kind: "function", component: "", labels };
        registry.find_or_insert(state, &identity, RecordPolicy::Auto.recording(), LIMITS)
    }

    #[test]
    fn texts_of_every_length_are_compared_whole() {
        for len in 0..70 {
            let text = "abcdefghijklmnopqrstuvwxyz".repeat(3)[..len].to_owned();
            assert!(same(&text, &text.clone()));
            for at in 0..len {
                let mut other = text.clone();
                other.replace_range(at..=at, "X");
                assert!(!same(&text, &other), "{text} {other}");
            }
            assert!(!same(&text, &format!("{text}a")));
        }
    }

    #[test]
    fn one_identity_is_one_series() {
        let (mut registry, state) = (Registry::default(), FixedState::with_seed(7));
        let a = get(&mut registry, &state, "a", &[]).series.number;
        let b = get(&mut registry, &state, "b", &[("k", "v")]).series.number;
        assert_ne!(a, b);
        assert_eq!(get(&mut registry, &state, "a", &[]).series.number, a);
        assert_eq!(get(&mut registry, &state, "b", &[("k", "v")]).series.number, b);
    }

    #[test]
    fn names_over_the_cap_share_one_series() {
        let (mut registry, state) = (Registry::default(), FixedState::with_seed(7));
        let found: Vec<_> = (0..50).map(|i| get(&mut registry, &state, &format!("op{i}"), &[])).collect();
        assert_eq!(found.iter().filter(|f| f.cap == Cap::Within).count(), 3);
        assert!(found.iter().filter(|f| f.cap == Cap::Operations).all(|f| &*f.series.name == OVERFLOW));
        assert_eq!(registry.series().len(), 4);
    }

    #[test]
    fn label_sets_over_the_cap_share_one_series_of_their_operation() {
        let (mut registry, state) = (Registry::default(), FixedState::with_seed(7));
        for i in 0..50 {
            let found = get(&mut registry, &state, "op", &[("user", &i.to_string())]);
            assert_eq!(found.cap, if i < 4 { Cap::Within } else { Cap::LabelSets }, "{i}");
            assert_eq!(&*found.series.name, "op");
        }
        assert_eq!(registry.series().len(), 5);
    }

    #[test]
    fn a_name_that_had_to_be_cut_is_found_again() {
        let (mut registry, state) = (Registry::default(), FixedState::with_seed(7));
        let long = "x".repeat(1_000);
        let first = get(&mut registry, &state, &long, &[("bad key", "v")]);
        let again = get(&mut registry, &state, &long, &[("bad key", "v")]);
        assert!(first.changed && again.changed);
        assert_eq!(first.series.number, again.series.number);
        assert_eq!(&*first.series.labels[0].0, "bad_key");
    }
}
