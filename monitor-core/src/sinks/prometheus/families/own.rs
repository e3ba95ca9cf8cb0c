//! Families of the monitor itself: its sinks, what it keeps and what it lost.

use super::{Family, Labelled, Source, family, labels};
use crate::model::{SinkState, SinkStats};

fn sinks<'a>(source: &Source<'a>) -> &'a [SinkStats] {
    source.snapshot.sinks()
}

impl Labelled for SinkStats {
    fn labels(&self) -> String {
        labels(&[("sink", &self.name)])
    }
}

/// A figure that the monitor has of itself.
macro_rules! own {
    ($name:literal, $kind:ident, $help:literal, $($value:tt)+) => {
        family!($name, $kind, "", $help, own: |lines, snapshot| lines.integer("", snapshot.monitor().$($value)+))
    };
}

pub(super) const FAMILIES: &[Family] = &[
    family!(
        "sink_up", Gauge, "", "1 if a sink stores what it gets, 0 if it has trouble.",
        sinks: |lines, _, labels, sink| lines.integer(labels, u64::from(sink.state == SinkState::Working))
    ),
    family!(
        "sink_entries", Counter, "", "Entries for a sink that were stored, or dropped for a reason.",
        sinks: |lines, _, labels, sink| {
            lines.integer_with(labels, ("fate", "stored"), sink.stored);
            for (reason, &count) in &sink.dropped {
                let dropped = super::labels(&[("sink", &sink.name), ("fate", "dropped"), ("reason", reason)]);
                lines.integer(&dropped, count);
            }
        }
    ),
    family!("sink_waiting", Gauge, "", "Entries that wait for a sink.", sinks: integer waiting),
    family!(
        "sink_failed_writes", Counter, "", "Batches that a sink could not write at once.",
        sinks: integer failed_writes
    ),
    family!(
        "records_dropped", Counter, "",
        "Individual records that were lost, by reason; none is missing from the other figures.",
        own: |lines, snapshot| for (reason, &count) in &snapshot.monitor().records_dropped {
            lines.integer(&labels(&[("reason", reason)]), count);
        }
    ),
    own!("records_kept", Counter, "Individual records that were kept.", records_kept),
    own!("operations_known", Gauge, "Operations that the monitor knows.", operations),
    own!("series_known", Gauge, "Label sets of operations that the monitor knows.", series),
    own!("calls_over_the_cap", Counter, "Calls counted under a common name because there are too many.", overflowed()),
    own!("error_groups_replaced", Counter, "Groups of errors that made room for newer ones.", error_groups_replaced),
    own!(
        "callbacks_panicked",
        Counter,
        "Functions of the program that panicked when the monitor called them.",
        callbacks_panicked
    ),
    own!("names_changed", Counter, "Names and labels that were changed to be safe to keep.", names_changed),
    own!("threads", Gauge, "Threads that record.", threads),
    own!("held_bytes", Gauge, "Memory that the recorder holds.", bytes_held),
    family!(
        "uptime_seconds", Gauge, "seconds", "How long the monitor has been running.",
        own: |lines, snapshot| lines.seconds("", snapshot.window())
    ),
    family!(
        "build", Info, "", "The service, and the version of the monitor in it.",
        own: |lines, snapshot| {
            let of = [("service", snapshot.service()), ("version", env!("CARGO_PKG_VERSION"))];
            lines.integer(&labels(&of), 1);
        }
    ),
];
