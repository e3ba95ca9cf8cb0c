//! The host's own metrics: families under names of its own, made safe and kept apart.

use std::collections::{BTreeMap, HashSet};

use super::families::{self, host_labels};
use super::lines::{Kind, Lines, Sum, label};
use super::settings::Exposition;
use crate::model::{MetricKind, MetricStats, MetricValue, Snapshot};

/// What samples get, and what tells metrics apart whose names have become the same.
const OWN_LABELS: [&str; 3] = ["le", "quantile", NAME];

/// The name that the host gave, where that of the family is another one and several metrics are in it.
const NAME: &str = "metric_name";

/// Metrics with one name and kind.
pub(super) struct CustomFamily<'a> {
    name: String,
    kind: Kind,
    unit: &'a str,
    help: &'a str,
    pub(super) metrics: Vec<&'a MetricStats>,
    /// Not all of them have the same name in the host.
    is_mixed: bool,
}

pub(super) fn custom<'a>(settings: &Exposition, snapshot: &'a Snapshot) -> Vec<CustomFamily<'a>> {
    let mut by_name: BTreeMap<(String, MetricKind), Vec<&MetricStats>> = BTreeMap::new();
    for metric in snapshot.metrics() {
        by_name.entry((safe_name(metric), metric.kind())).or_default().push(metric);
    }
    // Names of samples: two families must not have one in common.
    let mut taken: HashSet<String> = HashSet::new();
    for family in families::all() {
        let name = [settings.prefix(), "_", family.name].concat();
        taken.extend(all_names(&name, family.kind));
    }
    let families = by_name.into_iter().map(|((name, kind), metrics)| {
        let kind = match kind {
            MetricKind::Counter => Kind::Counter,
            MetricKind::Gauge => Kind::Gauge,
            MetricKind::Histogram => Kind::Histogram,
        };
        let name = free_name(name, kind, &taken);
        taken.extend(all_names(&name, kind));
        let first = metrics[0];
        let said = |of: fn(&MetricStats) -> &str| metrics.iter().map(|metric| of(metric)).find(|text| !text.is_empty());
        CustomFamily {
            kind,
            unit: said(|metric| &metric.unit).unwrap_or_default(),
            help: said(|metric| &metric.description).unwrap_or(NO_HELP),
            is_mixed: metrics.iter().any(|metric| metric.name != first.name),
            name,
            metrics,
        }
    });
    families.collect()
}

impl CustomFamily<'_> {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn unit(&self) -> &str {
        self.unit
    }

    pub(super) fn help(&self) -> &str {
        self.help
    }

    pub(super) fn begin(&self, lines: &mut Lines) {
        lines.family(&self.name, self.kind, self.unit, self.help);
    }

    pub(super) fn write(&self, lines: &mut Lines, settings: &Exposition, item: usize) {
        let metric = self.metrics[item];
        let mut labels = String::new();
        host_labels(&metric.labels, &OWN_LABELS, &mut labels);
        if self.is_mixed {
            label(NAME, &metric.name, &mut labels);
        }
        match &metric.value {
            MetricValue::Counter(count) => lines.integer(&labels, *count),
            MetricValue::Gauge(value) => lines.float(&labels, *value),
            MetricValue::Histogram(values) => {
                let bounds = settings.values_of(&metric.name, self.unit);
                let count = lines.buckets_of(&labels, bounds, |_| "", |counts| bounds.values(values, counts));
                lines.sum_and_count(&labels, Sum::Number(values.sum()), count);
            }
        }
    }
}

/// What is said of a metric that nobody described.
const NO_HELP: &str = "A metric of the program.";

/// A name in the form `[a-zA-Z_][a-zA-Z0-9_]*`: what does not fit becomes `_`; colons are for rules of Prometheus. Without
/// the ending that counters get, and others must not have.
fn safe_name(metric: &MetricStats) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut name: String = metric.name.chars().map(|letter| if fits(letter) { letter } else { '_' }).collect();
    while let Some(rest) = name.strip_suffix("_total") {
        name.truncate(rest.len());
    }
    if name.is_empty() || name.starts_with(|first: char| first.is_ascii_digit()) {
        name.insert(0, '_');
    }
    name
}

/// The family's name and those of its samples.
fn all_names(name: &str, kind: Kind) -> impl Iterator<Item = String> {
    [""].iter().chain(kind.endings()).map(move |ending| [name, ending].concat())
}

/// The name, or the first of it with a number behind it that no other family has.
fn free_name(name: String, kind: Kind, taken: &HashSet<String>) -> String {
    let is_free = |name: &str| !all_names(name, kind).any(|name| taken.contains(&name));
    if is_free(&name) {
        return name;
    }
    let mut numbered = (2_u64..).map(|number| format!("{name}_{number}"));
    numbered.find(|name| is_free(name)).unwrap_or(name)
}
