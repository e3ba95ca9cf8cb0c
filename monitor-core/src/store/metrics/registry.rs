//! Which metrics there are, and the caps on their number and on that of their label sets.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use foldhash::fast::FixedState;
use smallvec::SmallVec;

use super::{Description, Handle};
use crate::base::names::{bounded_name, bounded_value, label_key};
use crate::model::MetricKind;

/// What names over the cap are counted under.
pub(super) const OVERFLOW: &str = "(overflow)";

/// Labels as somebody asks for them.
pub(crate) type LabelRefs<'a> = SmallVec<[(&'a str, &'a str); 8]>;

#[derive(Default)]
pub(super) struct Registry {
    pub(super) series: Vec<Arc<Series>>,
    /// Series by the hash of their identity; more than one where hashes collide.
    by_hash: HashMap<u64, SmallVec<[usize; 1]>>,
    /// Label sets of each metric.
    pub(super) label_sets: HashMap<(MetricKind, Box<str>), usize>,
    /// Said before a metric is there, or after.
    pub(super) descriptions: HashMap<(MetricKind, Box<str>), Arc<Description>>,
}

pub(super) struct Series {
    pub(super) kind: MetricKind,
    pub(super) name: Box<str>,
    pub(super) labels: Box<[(Box<str>, Box<str>)]>,
    pub(super) handle: Handle,
}

/// What tells series apart. Labels are sorted by key, each key once.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    pub(super) kind: MetricKind,
    pub(super) name: &'a str,
    pub(super) labels: &'a [(&'a str, &'a str)],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cap {
    Metrics,
    LabelSets,
}

pub(super) struct Found {
    pub(super) handle: Handle,
    /// The cap that kept it from having a series of its own.
    pub(super) cap: Option<Cap>,
    pub(super) changed: bool,
}

impl Registry {
    /// The series of an identity that needs no change, or the overflow series that it belongs to for good.
    pub(super) fn find(&self, state: &FixedState, identity: Identity<'_>, limits: (usize, usize)) -> Option<Found> {
        if let Some(handle) = self.lookup(state, identity) {
            return Some(Found { handle, cap: None, changed: false });
        }
        identity.with_bounded(|bounded, changed| {
            if let Some(handle) = self.lookup(state, bounded) {
                return Some(Found { handle, cap: None, changed });
            }
            let cap = self.cap_of(bounded, limits)?;
            let handle = self.lookup(state, bounded.overflow(cap))?;
            Some(Found { handle, cap: Some(cap), changed })
        })
    }

    pub(super) fn find_or_insert(
        &mut self,
        state: &FixedState,
        identity: Identity<'_>,
        limits: (usize, usize),
    ) -> Found {
        if let Some(found) = self.find(state, identity, limits) {
            return found;
        }
        identity.with_bounded(|bounded, changed| {
            let cap = self.cap_of(bounded, limits);
            let handle = match cap {
                None => self.insert(state, bounded, true),
                Some(cap) => self.insert(state, bounded.overflow(cap), false),
            };
            Found { handle, cap, changed }
        })
    }

    fn lookup(&self, state: &FixedState, identity: Identity<'_>) -> Option<Handle> {
        let candidates = self.by_hash.get(&identity.hash(state))?;
        let mut found = candidates.iter().filter_map(|number| self.series.get(*number));
        found.find(|series| identity.is_of(series)).map(|series| series.handle.clone())
    }

    fn cap_of(&self, identity: Identity<'_>, (metrics, label_sets): (usize, usize)) -> Option<Cap> {
        match self.label_sets.get(&(identity.kind, identity.name.into())) {
            Some(sets) if *sets >= label_sets => Some(Cap::LabelSets),
            None if self.label_sets.len() >= metrics => Some(Cap::Metrics),
            _ => None,
        }
    }

    fn insert(&mut self, state: &FixedState, identity: Identity<'_>, counts_for_caps: bool) -> Handle {
        let handle = Handle::new(identity.kind);
        let number = self.series.len();
        self.series.push(Arc::new(Series {
            kind: identity.kind,
            name: identity.name.into(),
            labels: identity.labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
            handle: handle.clone(),
        }));
        self.by_hash.entry(identity.hash(state)).or_default().push(number);
        if counts_for_caps {
            *self.label_sets.entry((identity.kind, identity.name.into())).or_default() += 1;
        }
        handle
    }
}

impl<'a> Identity<'a> {
    fn hash(&self, state: &FixedState) -> u64 {
        let mut hasher = state.build_hasher();
        hasher.write_u8(self.kind as u8);
        hasher.write(self.name.as_bytes());
        hasher.write_usize(self.name.len());
        for (key, value) in self.labels {
            hasher.write(key.as_bytes());
            hasher.write(value.as_bytes());
            hasher.write_usize(key.len());
            hasher.write_usize(value.len());
        }
        hasher.finish()
    }

    fn is_of(&self, series: &Series) -> bool {
        let labels =
            || series.labels.iter().zip(self.labels).all(|((k, v), (key, value))| **k == **key && **v == **value);
        self.kind == series.kind && *self.name == *series.name && self.labels.len() == series.labels.len() && labels()
    }

    /// With names and labels that can be kept, and whether that changed any.
    fn with_bounded<R>(self, f: impl FnOnce(Identity<'_>, bool) -> R) -> R {
        let name = bounded_name(self.name);
        let labels: SmallVec<[_; 8]> = self.labels.iter().map(|(k, v)| (label_key(k), bounded_value(v))).collect();
        let mut labels: LabelRefs<'_> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        // Keys that differed may be the same now.
        sort_labels(&mut labels);
        let changed = *name != *self.name || *labels != *self.labels;
        f(Identity { kind: self.kind, name: &name, labels: &labels }, changed)
    }

    /// What stands for all those over a cap.
    fn overflow(self, cap: Cap) -> Identity<'a> {
        match cap {
            Cap::LabelSets => Identity { labels: &[("overflow", "true")], ..self },
            Cap::Metrics => Identity { name: OVERFLOW, labels: &[], ..self },
        }
    }
}

/// Sorts by key; of several with one key the first stays.
pub(super) fn sort_labels(labels: &mut LabelRefs<'_>) {
    labels.sort_by(|a, b| a.0.cmp(b.0));
    labels.dedup_by(|later, first| later.0 == first.0);
}
