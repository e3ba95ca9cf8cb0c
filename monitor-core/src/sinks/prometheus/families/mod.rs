//! Which families there are under the namespace, and what each has of a snapshot.

mod operations;
mod own;
mod parts;

use std::collections::BTreeMap;

use super::lines::{Kind, Lines, label};
use super::settings::Exposition;
use crate::model::{ErrorGroup, ProgressStats, Severity, Snapshot};

use operations::OperationSeries;
pub(super) use operations::host_labels;

/// A family: what it is, how many items of the page it is about, and the lines of one of them.
pub(super) struct Family {
    /// Without the namespace and without an ending.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) items: fn(&Source<'_>) -> usize,
    pub(super) write: fn(&mut Lines, &Source<'_>, usize),
}

/// All families, in the order in which they stand on a page.
pub(super) fn all() -> impl Iterator<Item = &'static Family> {
    [operations::FAMILIES, parts::FAMILIES, own::FAMILIES].into_iter().flatten()
}

/// Errors of one kind, severity and component.
type ErrorKey<'a> = (&'a str, Severity, &'a str);

/// A snapshot, looked through once for all families.
pub(super) struct Source<'a> {
    snapshot: &'a Snapshot,
    settings: &'a Exposition,
    operations: Vec<OperationSeries<'a>>,
    errors: Vec<(ErrorKey<'a>, u64)>,
    /// Of several jobs of one name the one that began last.
    jobs: Vec<&'a ProgressStats>,
}

impl<'a> Source<'a> {
    pub(super) fn new(settings: &'a Exposition, snapshot: &'a Snapshot) -> Source<'a> {
        let mut errors: BTreeMap<ErrorKey<'_>, u64> = BTreeMap::new();
        for ErrorGroup { kind, severity, component, count, .. } in snapshot.errors() {
            let sum = errors.entry((kind, *severity, component)).or_default();
            *sum = sum.saturating_add(*count);
        }
        let mut jobs: BTreeMap<&str, &ProgressStats> = BTreeMap::new();
        for job in snapshot.progress() {
            let newest = jobs.entry(&job.name).or_insert(job);
            if newest.id < job.id {
                *newest = job;
            }
        }
        Source {
            snapshot,
            settings,
            operations: operations::series(settings, snapshot),
            errors: errors.into_iter().collect(),
            jobs: jobs.into_values().collect(),
        }
    }
}

/// Labels as they stand in a line.
fn labels(pairs: &[(&str, &str)]) -> String {
    let mut labels = String::new();
    for (key, value) in pairs {
        label(key, value, &mut labels);
    }
    labels
}
