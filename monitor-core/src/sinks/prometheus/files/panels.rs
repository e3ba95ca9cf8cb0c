//! Which panels there are, row by row.

/// A row of a dashboard.
pub(super) struct Row {
    pub(super) title: &'static str,
    pub(super) has: Has,
    pub(super) panels: &'static [Panel],
}

/// What a program must have for the row to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    Anything,
    Jobs,
    States,
    Queues,
    Caches,
}

/// How something is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// One number.
    Stat,
    /// Curves.
    Curves,
    /// Curves on top of each other.
    Stack,
    /// How many there are of each duration, over time.
    Heatmap,
    /// A bar for each, from none to all.
    Gauge,
}

pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) help: &'static str,
    pub(super) look: Look,
    /// As Grafana names units.
    pub(super) unit: &'static str,
    /// In 24ths of the width.
    pub(super) width: u32,
    /// Queries, see [`Queries`](super::query::Queries), and what their curves are called.
    pub(super) queries: &'static [(&'static str, &'static str)],
    /// From which value on it is a warning, and from which on an alarm; below them, if the first is the larger one.
    pub(super) limits: Option<(f64, f64)>,
}

macro_rules! panel {
    (
        $title:literal, $help:literal, $look:ident, $unit:literal, $width:literal, $queries:expr $(, $limits:expr)?
    ) => {
        Panel {
            title: $title,
            help: $help,
            look: Look::$look,
            unit: $unit,
            width: $width,
            queries: &$queries,
            // The limits, if there are any.
            limits: [$(Some($limits),)? None][0],
        }
    };
}

pub(super) const ROWS: &[Row] = &[
    Row {
        title: "Overview",
        has: Has::Anything,
        panels: &[
            panel!(
                "Targets up",
                "Instances that answer Prometheus.",
                Stat,
                "none",
                4,
                [("sum(@!up)", "up")],
                (1.0, 0.5)
            ),
            panel!(
                "Calls",
                "Calls that ended, a second.",
                Stat,
                "ops",
                4,
                [("sum(rate(#operations_total[$__rate_interval]))", "calls")]
            ),
            panel!(
                "Failures",
                "Share of calls that failed or panicked.",
                Stat,
                "percentunit",
                4,
                [(
                    "sum(rate(#operations_total{outcome=~\"failure|panicked\"}[$__rate_interval])) \
                   / sum(rate(#operations_total[$__rate_interval]))",
                    "failures"
                )],
                (0.01, 0.05)
            ),
            panel!(
                "p99",
                "99 of 100 calls are faster.",
                Stat,
                "s",
                4,
                [(
                    "histogram_quantile(0.99, sum by (le) (rate(#operation_duration_seconds_bucket[$__rate_interval])))",
                    "p99"
                )]
            ),
            panel!("In flight", "Calls that run now.", Stat, "none", 4, [("sum(#operations_in_flight)", "in flight")]),
            panel!("Uptime", "Of the instance that started last.", Stat, "s", 4, [("min(@uptime_seconds)", "uptime")]),
        ],
    },
    Row {
        title: "Operations",
        has: Has::Anything,
        panels: &[
            panel!(
                "Calls by operation",
                "The ten that are called most.",
                Curves,
                "ops",
                12,
                [("topk(10, sum by (operation) (rate(#operations_total[$__rate_interval])))", "{{operation}}")]
            ),
            panel!(
                "Calls by outcome",
                "How calls ended.",
                Stack,
                "ops",
                12,
                [("sum by (outcome) (rate(#operations_total[$__rate_interval]))", "{{outcome}}")]
            ),
            panel!(
                "Failures by operation",
                "Share of calls that failed or panicked.",
                Curves,
                "percentunit",
                12,
                [(
                    "topk(10, sum by (operation) (rate(#operations_total{outcome=~\"failure|panicked\"}[$__rate_interval])) \
                   / (sum by (operation) (rate(#operations_total[$__rate_interval])) > 0))",
                    "{{operation}}"
                )],
                (0.01, 0.05)
            ),
            panel!(
                "Duration",
                "All that are selected together.",
                Curves,
                "s",
                12,
                [
                    (
                        "histogram_quantile(0.5, sum by (le) (rate(#operation_duration_seconds_bucket[$__rate_interval])))",
                        "p50"
                    ),
                    (
                        "histogram_quantile(0.95, sum by (le) (rate(#operation_duration_seconds_bucket[$__rate_interval])))",
                        "p95"
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le) (rate(#operation_duration_seconds_bucket[$__rate_interval])))",
                        "p99"
                    )
                ]
            ),
            panel!(
                "Durations",
                "How many calls took how long.",
                Heatmap,
                "s",
                12,
                [("sum by (le) (increase(#operation_duration_seconds_bucket[$__rate_interval]))", "{{le}}")]
            ),
            panel!(
                "p99 by operation",
                "The ten that are slowest.",
                Curves,
                "s",
                12,
                [(
                    "topk(10, histogram_quantile(0.99, sum by (operation, le) \
                   (rate(#operation_duration_seconds_bucket[$__rate_interval]))))",
                    "{{operation}}"
                )]
            ),
            panel!(
                "In flight by operation",
                "Calls that run.",
                Curves,
                "none",
                12,
                [("topk(10, sum by (operation) (#operations_in_flight))", "{{operation}}")]
            ),
            panel!(
                "Oldest call",
                "How long the call has run that runs longest.",
                Curves,
                "s",
                12,
                [("topk(10, max by (operation) (#operation_oldest_active_seconds))", "{{operation}}")]
            ),
            panel!(
                "Busy",
                "Threads that are busy on average, by kind.",
                Stack,
                "none",
                8,
                [("sum by (kind) (rate(#operation_busy_seconds_total[$__rate_interval]))", "{{kind}}")]
            ),
            panel!(
                "Items",
                "Pieces of work, a second.",
                Curves,
                "ops",
                8,
                [("topk(10, sum by (operation) (rate(#operation_items_total[$__rate_interval])))", "{{operation}}")]
            ),
            panel!(
                "Bytes",
                "Bytes of work, a second.",
                Curves,
                "Bps",
                8,
                [("topk(10, sum by (operation) (rate(#operation_bytes_total[$__rate_interval])))", "{{operation}}")]
            ),
        ],
    },
    Row {
        title: "Errors",
        has: Has::Anything,
        panels: &[
            panel!(
                "Errors by severity",
                "A second.",
                Stack,
                "ops",
                12,
                [("sum by (severity) (rate(@errors_total[$__rate_interval]))", "{{severity}}")]
            ),
            panel!(
                "Errors by kind",
                "The ten most frequent, a second.",
                Curves,
                "ops",
                12,
                [("topk(10, sum by (kind) (rate(@errors_total[$__rate_interval])))", "{{kind}}")]
            ),
        ],
    },
    Row {
        title: "Jobs",
        has: Has::Jobs,
        panels: &[
            panel!(
                "Done",
                "Share of each job's items, where the total is known.",
                Gauge,
                "percentunit",
                8,
                [("max by (job_name) (@job_done / (@job_expected > 0))", "{{job_name}}")]
            ),
            panel!(
                "Time left",
                "At the rate of now.",
                Curves,
                "s",
                8,
                [("max by (job_name) (@job_eta_seconds)", "{{job_name}}")]
            ),
            panel!(
                "Jobs by state",
                "How many jobs are in each state.",
                Stack,
                "none",
                8,
                [("sum by (state) (@job_state)", "{{state}}")]
            ),
        ],
    },
    Row {
        title: "States",
        has: Has::States,
        panels: &[
            panel!(
                "Entities by state",
                "Where things are.",
                Stack,
                "none",
                12,
                [("sum by (machine, state) (@state_entities)", "{{machine}}: {{state}}")]
            ),
            panel!(
                "Transitions",
                "A second, and those that are stuck.",
                Curves,
                "ops",
                12,
                [
                    (
                        "sum by (machine, from, to) (rate(@state_transitions_total[$__rate_interval]))",
                        "{{machine}}: {{from}} to {{to}}"
                    ),
                    ("sum by (machine) (@state_stuck_entities)", "{{machine}}: stuck")
                ]
            ),
        ],
    },
    Row {
        title: "Queues",
        has: Has::Queues,
        panels: &[
            panel!("Waiting", "Items that wait.", Curves, "none", 6, [("sum by (queue) (@queue_depth)", "{{queue}}")]),
            panel!(
                "In and out",
                "Items that come and that are processed, a second.",
                Curves,
                "ops",
                6,
                [
                    ("sum by (queue) (rate(@queue_enqueued_total[$__rate_interval]))", "{{queue}}: in"),
                    ("sum by (queue) (rate(@queue_processed_total[$__rate_interval]))", "{{queue}}: out")
                ]
            ),
            panel!(
                "Time in the queue",
                "19 of 20 items wait for less.",
                Curves,
                "s",
                6,
                [(
                    "histogram_quantile(0.95, sum by (queue, le) (rate(@queue_waiting_seconds_bucket[$__rate_interval])))",
                    "{{queue}}"
                )]
            ),
            panel!(
                "Oldest item",
                "How long it has waited.",
                Curves,
                "s",
                6,
                [("max by (queue) (@queue_oldest_seconds)", "{{queue}}")]
            ),
        ],
    },
    Row {
        title: "Caches",
        has: Has::Caches,
        panels: &[
            panel!(
                "Hit rate",
                "Share of lookups with an answer.",
                Curves,
                "percentunit",
                8,
                [(
                    "sum by (cache) (rate(@cache_lookups_total{result=\"hit\"}[$__rate_interval])) \
                   / (sum by (cache) (rate(@cache_lookups_total[$__rate_interval])) > 0)",
                    "{{cache}}"
                )],
                (0.5, 0.2)
            ),
            panel!(
                "Lookups",
                "A second.",
                Stack,
                "ops",
                8,
                [("sum by (cache, result) (rate(@cache_lookups_total[$__rate_interval]))", "{{cache}}: {{result}}")]
            ),
            panel!(
                "Changes",
                "Entries that came and went, a second.",
                Curves,
                "ops",
                8,
                [("sum by (cache, change) (rate(@cache_changes_total[$__rate_interval]))", "{{cache}}: {{change}}")]
            ),
        ],
    },
    Row {
        title: "The monitor itself",
        has: Has::Anything,
        panels: &[
            panel!(
                "Memory held",
                "By the recorder.",
                Curves,
                "bytes",
                6,
                [("sum by (instance) (@held_bytes)", "{{instance}}")]
            ),
            panel!(
                "Individual records",
                "Kept a second.",
                Curves,
                "ops",
                6,
                [("sum by (instance) (rate(@records_kept_total[$__rate_interval]))", "{{instance}}")]
            ),
            panel!(
                "Names",
                "Operations and label sets that are known.",
                Curves,
                "none",
                6,
                [
                    ("sum by (instance) (@operations_known)", "{{instance}}: operations"),
                    ("sum by (instance) (@series_known)", "{{instance}}: label sets")
                ]
            ),
            panel!(
                "Calls over the cap",
                "Counted together, a second: a label has too many values.",
                Curves,
                "ops",
                6,
                [("sum by (instance) (rate(@calls_over_the_cap_total[$__rate_interval]))", "{{instance}}")],
                (0.001, 1.0)
            ),
        ],
    },
];
