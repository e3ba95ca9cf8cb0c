//! Families of the monitor itself: its sinks, what it keeps and what it lost.

use super::{Family, Source, labels};
use crate::model::{MonitorStats, SinkState};
use crate::sinks::prometheus::lines::{Kind, Lines};

fn one(_: &Source<'_>) -> usize {
    1
}

fn sinks(source: &Source<'_>) -> usize {
    source.snapshot.sinks().len()
}

/// A figure that the monitor has of itself.
macro_rules! own {
    ($name:literal, $kind:ident, $help:literal, $value:expr) => {
        Family {
            name: $name,
            kind: Kind::$kind,
            unit: "",
            help: $help,
            items: one,
            write: |lines, source, _| {
                let value: fn(&MonitorStats) -> u64 = $value;
                lines.integer("", value(source.snapshot.monitor()));
            },
        }
    };
}

pub(super) const FAMILIES: &[Family] = &[
    Family {
        name: "sink_up",
        kind: Kind::Gauge,
        unit: "",
        help: "1 if a sink stores what it gets, 0 if it has trouble.",
        items: sinks,
        write: |lines, source, item| {
            let sink = &source.snapshot.sinks()[item];
            lines.integer(&labels(&[("sink", &sink.name)]), u64::from(sink.state == SinkState::Working));
        },
    },
    Family {
        name: "sink_entries",
        kind: Kind::Counter,
        unit: "",
        help: "Entries for a sink that were stored, or dropped for a reason.",
        items: sinks,
        write: sink_entries,
    },
    Family {
        name: "sink_waiting",
        kind: Kind::Gauge,
        unit: "",
        help: "Entries that wait for a sink.",
        items: sinks,
        write: |lines, source, item| {
            let sink = &source.snapshot.sinks()[item];
            lines.integer(&labels(&[("sink", &sink.name)]), sink.waiting);
        },
    },
    Family {
        name: "sink_failed_writes",
        kind: Kind::Counter,
        unit: "",
        help: "Batches that a sink could not write at once.",
        items: sinks,
        write: |lines, source, item| {
            let sink = &source.snapshot.sinks()[item];
            lines.integer(&labels(&[("sink", &sink.name)]), sink.failed_writes);
        },
    },
    Family {
        name: "records_dropped",
        kind: Kind::Counter,
        unit: "",
        help: "Individual records that were lost, by reason; none is missing from the other figures.",
        items: one,
        write: |lines, source, _| {
            for (reason, &count) in &source.snapshot.monitor().records_dropped {
                lines.integer(&labels(&[("reason", reason)]), count);
            }
        },
    },
    own!("records_kept", Counter, "Individual records that were kept.", |own| own.records_kept),
    own!("operations_known", Gauge, "Operations that the monitor knows.", |own| own.operations),
    own!("series_known", Gauge, "Label sets of operations that the monitor knows.", |own| own.series),
    own!("calls_over_the_cap", Counter, "Calls counted under a common name because there are too many.", |own| {
        own.overflowed()
    }),
    own!("error_groups_replaced", Counter, "Groups of errors that made room for newer ones.", |own| {
        own.error_groups_replaced
    }),
    own!(
        "callbacks_panicked",
        Counter,
        "Functions of the program that panicked when the monitor called them.",
        |own| { own.callbacks_panicked }
    ),
    own!("names_changed", Counter, "Names and labels that were changed to be safe to keep.", |own| own.names_changed),
    own!("threads", Gauge, "Threads that record.", |own| own.threads),
    own!("held_bytes", Gauge, "Memory that the recorder holds.", |own| own.bytes_held),
    Family {
        name: "uptime_seconds",
        kind: Kind::Gauge,
        unit: "seconds",
        help: "How long the monitor has been running.",
        items: one,
        write: |lines, source, _| lines.seconds("", source.snapshot.window()),
    },
    Family {
        name: "build",
        kind: Kind::Info,
        unit: "",
        help: "The service, and the version of the monitor in it.",
        items: one,
        write: |lines, source, _| {
            let labels = labels(&[("service", source.snapshot.service()), ("version", env!("CARGO_PKG_VERSION"))]);
            lines.integer(&labels, 1);
        },
    },
];

fn sink_entries(lines: &mut Lines, source: &Source<'_>, item: usize) {
    let sink = &source.snapshot.sinks()[item];
    lines.integer(&labels(&[("sink", &sink.name), ("fate", "stored")]), sink.stored);
    for (reason, &count) in &sink.dropped {
        lines.integer(&labels(&[("sink", &sink.name), ("fate", "dropped"), ("reason", reason)]), count);
    }
}
