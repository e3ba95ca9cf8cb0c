//! Which families there are under the namespace, and what each has of a snapshot.

mod operations;
mod own;
mod parts;

use std::collections::BTreeMap;

use super::lines::{Kind, Lines, label};
use super::settings::Exposition;
use crate::model::{OperationRecord, ProgressStats, Snapshot};

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

/// A snapshot, looked through once for all families.
pub(super) struct Source<'a> {
    snapshot: &'a Snapshot,
    settings: &'a Exposition,
    operations: Vec<OperationSeries<'a>>,
    /// Of several jobs of one name the one that began last.
    jobs: Vec<&'a ProgressStats>,
}

impl<'a> Source<'a> {
    pub(super) fn new(settings: &'a Exposition, snapshot: &'a Snapshot) -> Source<'a> {
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
            jobs: jobs.into_values().collect(),
        }
    }

    pub(super) fn add_exemplars(&mut self, records: &[OperationRecord]) {
        operations::add_exemplars(&mut self.operations, records);
    }
}

/// What has labels of its own.
trait Labelled {
    /// As they stand in a line.
    fn labels(&self) -> String;
}

/// Labels as they stand in a line.
fn labels(pairs: &[(&str, &str)]) -> String {
    let mut labels = String::new();
    for (key, value) in pairs {
        label(key, value, &mut labels);
    }
    labels
}

/// A family with some lines for each item of a part of a [`Source`], or of the monitor's own figures.
///
/// | form | lines |
/// |---|---|
/// | `part: integer field`, `part: seconds field` | one |
/// | `part: optional field` | one, if there is an integer |
/// | `part: \|lines, settings, labels, item\| …` | any |
/// | `own: \|lines, snapshot\| …` | any, once for all |
macro_rules! family {
    ($name:literal, $kind:ident, $unit:literal, $help:literal, own: |$lines:ident, $snapshot:ident| $write:expr) => {
        $crate::sinks::prometheus::families::Family {
            name: $name,
            kind: $crate::sinks::prometheus::lines::Kind::$kind,
            unit: $unit,
            help: $help,
            items: |_| 1,
            write: |$lines, source, _| {
                let $snapshot = source.snapshot;
                $write;
            },
        }
    };
    (
        $name:literal, $kind:ident, $unit:literal, $help:literal,
        $part:ident: |$lines:ident, $settings:pat_param, $labels:ident, $item:ident| $write:expr
    ) => {
        $crate::sinks::prometheus::families::Family {
            name: $name,
            kind: $crate::sinks::prometheus::lines::Kind::$kind,
            unit: $unit,
            help: $help,
            items: |source| $part(source).len(),
            write: |$lines, source, item| {
                let $item = &$part(source)[item];
                let $settings = source.settings;
                let $labels = &$item.labels();
                $write;
            },
        }
    };
    ($name:literal, $kind:ident, $unit:literal, $help:literal, $part:ident: optional $field:ident) => {
        family!($name, $kind, $unit, $help, $part: |lines, _, labels, item| {
            if let Some(value) = item.$field {
                lines.integer(labels, value);
            }
        })
    };
    ($name:literal, $kind:ident, $unit:literal, $help:literal, $part:ident: $write:ident $field:ident) => {
        family!($name, $kind, $unit, $help, $part: |lines, _, labels, item| lines.$write(labels, item.$field))
    };
}
use family;
