//! Which alerts there are: when they fire, what they say, and what is to be done.
//!
//! Thresholds of shares come with a least number of calls, so that one failure of one call is no alarm. A counter that
//! begins with its first error has no increase in it: that one is found by its not having been there.

use crate::model::Severity;

/// An alert. Texts with `{{ }}` are templates of Prometheus.
pub(super) struct Alert {
    pub(super) name: &'static str,
    pub(super) group: &'static str,
    /// See [`Queries`](super::query::Queries).
    pub(super) expression: &'static str,
    /// For how long it must be so.
    pub(super) lasts: &'static str,
    pub(super) severity: Severity,
    pub(super) summary: &'static str,
    pub(super) description: &'static str,
    /// What it means, and what to do, for the runbook.
    pub(super) meaning: &'static str,
    pub(super) advice: &'static str,
}

/// In the order in which they stand in the file.
pub(super) const GROUPS: &[&str] =
    &["program", "operations", "errors", "jobs", "queues", "caches", "states", "monitor"];

/// Series that several alerts need: their name behind the namespace, and what they are.
pub(super) const RECORDED: &[(&str, &str)] = &[
    ("operations:increase", "sum by (job, operation, kind, outcome) (increase(@operations_total[$W]))"),
    (
        "operation_failures:ratio",
        "sum by (job, operation, kind) (@:operations:increase{outcome=~\"failure|panicked\"}) \
         / (sum by (job, operation, kind) (@:operations:increase) > 0)",
    ),
    (
        "operation_duration_seconds:p99",
        "histogram_quantile(0.99, sum by (job, operation, kind, le) \
         (rate(@operation_duration_seconds_bucket[$W]))) >= 0",
    ),
    ("cache_lookups:increase", "sum by (job, cache, result) (increase(@cache_lookups_total[$W]))"),
    (
        "cache_hits:ratio",
        "sum by (job, cache) (@:cache_lookups:increase{result=\"hit\"}) \
         / (sum by (job, cache) (@:cache_lookups:increase) > 0)",
    ),
];

pub(super) const ALERTS: &[Alert] = &[
    Alert {
        name: "TargetDown",
        group: "program",
        expression: "@!up == 0",
        lasts: "2m",
        severity: Severity::Critical,
        summary: "{{ $labels.instance }} of {{ $labels.job }} cannot be scraped",
        description: "Prometheus has not got a page from {{ $labels.instance }} for two minutes.",
        meaning: "The program does not run, does not answer, or refuses Prometheus.",
        advice: "Look whether the process runs, then ask for `/livez` on its machine. If that is fine, ask for `/metrics` \
                 with the credentials of the scrape configuration; Prometheus shows its error under Status, Targets.",
    },
    Alert {
        name: "TargetMissing",
        group: "program",
        expression: "absent(@!up)",
        lasts: "5m",
        severity: Severity::Critical,
        summary: "Prometheus does not know {{ $labels.job }}",
        description: "There is no target of the job {{ $labels.job }} at all.",
        meaning: "The job is not in the scrape configuration any more, or has no targets.",
        advice: "Compare `prometheus.yml` with the one that was generated, and check it with `promtool check config`.",
    },
    Alert {
        name: "ProgramRestartsOften",
        group: "program",
        expression: "sum by (job, instance) (resets(@uptime_seconds[30m])) >= 3",
        lasts: "1m",
        severity: Severity::High,
        summary: "{{ $labels.instance }} of {{ $labels.job }} has restarted {{ $value }} times in half an hour",
        description: "The time since its start went back {{ $value }} times.",
        meaning: "The program crashes and is started again, or is killed: by the system for want of memory, by a probe.",
        advice: "Read the end of the log before each start, and the system's log for a killed process.",
    },
    Alert {
        name: "OperationFailureRateHigh",
        group: "operations",
        expression: "@:operation_failures:ratio > 0.05 and on (job, operation, kind) \
                     sum by (job, operation, kind) (@:operations:increase{outcome=~\"failure|panicked\"}) >= 5",
        lasts: "5m",
        severity: Severity::High,
        summary: "{{ $value | humanizePercentage }} of {{ $labels.operation }} fail",
        description: "Of the calls of {{ $labels.operation }} ({{ $labels.kind }}) in {{ $labels.job }} \
                      {{ $value | humanizePercentage }} fail; allowed are 5 %.",
        meaning: "More than one call in twenty fails or panics, and at least five did.",
        advice: "Look at the errors of the operation by kind: one that is new says what changed. If what it calls fails \
                 as well, begin there.",
    },
    Alert {
        name: "OperationFailureRateRising",
        group: "operations",
        expression: "@:operation_failures:ratio > 0.01 \
                     and @:operation_failures:ratio > 3 * (@:operation_failures:ratio offset 1d) \
                     and on (job, operation, kind) \
                     sum by (job, operation, kind) (@:operations:increase{outcome=~\"failure|panicked\"}) >= 5",
        lasts: "10m",
        severity: Severity::Medium,
        summary: "{{ $labels.operation }} fails more than three times as often as a day ago",
        description: "{{ $value | humanizePercentage }} of the calls of {{ $labels.operation }} in {{ $labels.job }} fail.",
        meaning: "The share of failures has tripled since the same time of the day before.",
        advice: "Compare with what was deployed in between, and with what it depends on.",
    },
    Alert {
        name: "OperationPanics",
        group: "operations",
        expression: "sum by (job, operation, kind) (increase(@operations_total{outcome=\"panicked\"}[$W])) > 0",
        lasts: "1m",
        severity: Severity::High,
        summary: "{{ $labels.operation }} panics",
        description: "{{ $value | humanize }} calls of {{ $labels.operation }} in {{ $labels.job }} panicked.",
        meaning: "A call ended by a panic: a mistake in the program, not a failure that it foresaw.",
        advice: "Look for the panic's message and place among the errors and in the log.",
    },
    Alert {
        name: "OperationCancelledOften",
        group: "operations",
        expression: "sum by (job, operation, kind) (@:operations:increase{outcome=\"cancelled\"}) \
                     / (sum by (job, operation, kind) (@:operations:increase) >= 20) > 0.2",
        lasts: "10m",
        severity: Severity::Medium,
        summary: "{{ $value | humanizePercentage }} of {{ $labels.operation }} are cancelled",
        description: "Of the calls of {{ $labels.operation }} in {{ $labels.job }} {{ $value | humanizePercentage }} are \
                      given up before they end.",
        meaning: "Who waits for it gives up: a timeout, a client that went.",
        advice: "Compare how long it takes with the timeout of its callers.",
    },
    Alert {
        name: "OperationSlow",
        group: "operations",
        expression: "@:operation_duration_seconds:p99 > on (job, operation, kind) \
                     @:operation_latency_objective_seconds and on (job, operation, kind) \
                     sum by (job, operation, kind) (@:operations:increase) >= 20",
        lasts: "10m",
        severity: Severity::Medium,
        summary: "{{ $labels.operation }} takes {{ $value | humanizeDuration }}",
        description: "The 99th percentile of {{ $labels.operation }} ({{ $labels.kind }}) in {{ $labels.job }} is \
                      {{ $value | humanizeDuration }}, which is above its objective.",
        meaning: "One call in a hundred takes longer than the operation's line in the group of objectives allows.",
        advice: "If the objective is wrong, change it. Otherwise see which of the calls within it take the time, and \
                 whether they wait or work (busy time).",
    },
    Alert {
        name: "OperationSlowerThanYesterday",
        group: "operations",
        expression: "@:operation_duration_seconds:p99 > 0.01 \
                     and @:operation_duration_seconds:p99 > 2 * (@:operation_duration_seconds:p99 offset 1d) \
                     and on (job, operation, kind) sum by (job, operation, kind) (@:operations:increase) >= 50",
        lasts: "15m",
        severity: Severity::Medium,
        summary: "{{ $labels.operation }} takes more than twice as long as a day ago",
        description: "The 99th percentile of {{ $labels.operation }} in {{ $labels.job }} is \
                      {{ $value | humanizeDuration }}.",
        meaning: "The slowest calls have become twice as slow since the same time of the day before.",
        advice: "Compare load, data and version of the two days; buckets are coarse, so see the histogram itself.",
    },
    Alert {
        name: "OperationStuck",
        group: "operations",
        expression: "max by (job, instance, operation, kind) (@operation_oldest_active_seconds) > 3600 \
                     or (max by (job, instance, operation, kind) (@operation_oldest_active_seconds) > 60 \
                     and max by (job, instance, operation, kind) (@operation_oldest_active_seconds) \
                     > on (job, operation, kind) group_left () (60 * @:operation_latency_objective_seconds))",
        lasts: "5m",
        severity: Severity::High,
        summary: "A call of {{ $labels.operation }} has run for {{ $value | humanizeDuration }}",
        description: "In {{ $labels.instance }} a call of {{ $labels.operation }} does not end.",
        meaning: "A call runs for an hour, or for sixty times what its objective allows: it waits for something that \
                  does not come, or has an endless loop.",
        advice: "See in the snapshot of the program what runs, in which thread and called by what; take its stack.",
    },
    Alert {
        name: "OperationsPileUp",
        group: "operations",
        expression: "sum by (job, operation, kind) (@operations_in_flight) > 20 \
                     and sum by (job, operation, kind) (@operations_in_flight) \
                     > 3 * sum by (job, operation, kind) (avg_over_time(@operations_in_flight[6h]))",
        lasts: "10m",
        severity: Severity::Medium,
        summary: "{{ $value }} calls of {{ $labels.operation }} run at once",
        description: "That is more than three times as many as in the last six hours.",
        meaning: "Calls begin faster than they end.",
        advice: "Look at how long they take, at what they call, and at who calls them.",
    },
    Alert {
        name: "OperationSilent",
        group: "operations",
        expression: "sum by (job, operation, kind) (increase(@operations_started_total[30m])) == 0 \
                     and sum by (job, operation, kind) (increase(@operations_started_total[30m] offset 1d)) >= 60",
        lasts: "15m",
        severity: Severity::Low,
        summary: "{{ $labels.operation }} is not called any more",
        description: "A day ago {{ $labels.operation }} in {{ $labels.job }} was called all the time, and now it is not.",
        meaning: "What calls it has stopped, or it was switched off.",
        advice: "Look at what starts it: a schedule, a queue, clients.",
    },
    Alert {
        name: "ErrorStorm",
        group: "errors",
        expression: "sum by (job, kind, severity, component) (rate(@errors_total{severity!=\"low\"}[$W])) > 1",
        lasts: "5m",
        severity: Severity::High,
        summary: "{{ $value | humanize }} errors a second of the kind {{ $labels.kind }}",
        description: "In {{ $labels.job }}, component `{{ $labels.component }}`, severity {{ $labels.severity }}.",
        meaning: "One kind of error comes more than once a second.",
        advice: "Look at the newest samples of its group; what they have in common is what broke.",
    },
    Alert {
        name: "CriticalError",
        group: "errors",
        expression: "sum by (job, kind, component) (increase(@errors_total{severity=\"critical\"}[$W])) > 0 \
                     or sum by (job, kind, component) (@errors_total{severity=\"critical\"} \
                     unless @errors_total{severity=\"critical\"} offset $W) > 0",
        lasts: "1m",
        severity: Severity::Critical,
        summary: "A critical error of the kind {{ $labels.kind }}",
        description: "In {{ $labels.job }}, component `{{ $labels.component }}`.",
        meaning: "The program recorded an error that keeps it from its work; panics are such errors.",
        advice: "Look at the error's message, sources and trace.",
    },
    Alert {
        name: "JobStalled",
        group: "jobs",
        expression: "@job_state{state=\"stalled\"} == 1",
        lasts: "5m",
        severity: Severity::High,
        summary: "The job {{ $labels.job_name }} does not go on",
        description: "It runs in {{ $labels.instance }}, and has done nothing for longer than its limit.",
        meaning: "The job is not over, and no item of it is done.",
        advice: "See what it does now and what it waits for.",
    },
    Alert {
        name: "JobFailed",
        group: "jobs",
        expression: "@job_state{state=~\"failed|panicked|abandoned\"} == 1",
        lasts: "1m",
        severity: Severity::Medium,
        summary: "The job {{ $labels.job_name }} is {{ $labels.state }}",
        description: "The last job of that name in {{ $labels.instance }} did not finish.",
        meaning: "It ended before all of its items were done. `abandoned` means that nobody said how it ended.",
        advice: "Look at its error; with checkpoints it can go on from the last one.",
    },
    Alert {
        name: "JobItemsFail",
        group: "jobs",
        expression: "@job_failed_items >= 10 and @job_failed_items > 0.1 * @job_done",
        lasts: "5m",
        severity: Severity::Medium,
        summary: "{{ $value }} items of the job {{ $labels.job_name }} failed",
        description: "That is more than a tenth of those that are done, in {{ $labels.instance }}.",
        meaning: "The job goes on, and much of its work fails.",
        advice: "Look at the errors of the operations in it. It may be better to stop it.",
    },
    Alert {
        name: "JobLate",
        group: "jobs",
        expression: "@job_eta_seconds > 600 and @job_eta_seconds > 2 * (@job_eta_seconds offset 30m)",
        lasts: "15m",
        severity: Severity::Low,
        summary: "The job {{ $labels.job_name }} will take another {{ $value | humanizeDuration }}",
        description: "Half an hour ago it was to take less than half of that, in {{ $labels.instance }}.",
        meaning: "The job has become slower, or there is more to do.",
        advice: "Compare how many items it does a second with before.",
    },
    Alert {
        name: "QueueBacklogGrows",
        group: "queues",
        expression: "@queue_depth > 100 and deriv(@queue_depth[15m]) > 0",
        lasts: "15m",
        severity: Severity::Medium,
        summary: "{{ $value }} items wait in the queue {{ $labels.queue }}",
        description: "In {{ $labels.instance }}, and there are more and more of them.",
        meaning: "Items come faster than they are processed.",
        advice: "Look whether more come than usual, or whether each takes longer; add workers, or take in less.",
    },
    Alert {
        name: "QueueWaitsLong",
        group: "queues",
        expression: "@queue_oldest_seconds > 300",
        lasts: "5m",
        severity: Severity::Medium,
        summary: "An item has waited in {{ $labels.queue }} for {{ $value | humanizeDuration }}",
        description: "In {{ $labels.instance }}.",
        meaning: "Either the queue does not move, or some items are passed over.",
        advice: "Look whether others are processed meanwhile.",
    },
    Alert {
        name: "QueueStopped",
        group: "queues",
        expression: "@queue_depth > 0 and sum without (outcome) (increase(@queue_processed_total[10m])) == 0 \
                     and @queue_in_process == 0",
        lasts: "10m",
        severity: Severity::High,
        summary: "Nobody processes the queue {{ $labels.queue }}",
        description: "{{ $value }} items wait in {{ $labels.instance }}, and none was processed for ten minutes.",
        meaning: "There are items and no worker takes one.",
        advice: "Look whether the workers run.",
    },
    Alert {
        name: "QueueItemsFail",
        group: "queues",
        expression: "sum by (job, queue) (increase(@queue_processed_total{outcome=\"failure\"}[$W])) \
                     / (sum by (job, queue) (increase(@queue_processed_total[$W])) >= 10) > 0.1",
        lasts: "5m",
        severity: Severity::Medium,
        summary: "{{ $value | humanizePercentage }} of the items of {{ $labels.queue }} fail",
        description: "In {{ $labels.job }}; allowed are 10 %.",
        meaning: "More than one item in ten fails when it is processed.",
        advice: "Look at the errors of the operations that process them.",
    },
    Alert {
        name: "QueueDiscards",
        group: "queues",
        expression: "sum by (job, queue) (increase(@queue_discarded_total[15m])) > 0",
        lasts: "5m",
        severity: Severity::Low,
        summary: "Items of {{ $labels.queue }} are thrown away",
        description: "{{ $value | humanize }} in a quarter of an hour, in {{ $labels.job }}.",
        meaning: "The program gives up items without processing them.",
        advice: "Look whether the queue is too short, or items are too old when their turn comes.",
    },
    Alert {
        name: "CacheHitRateLow",
        group: "caches",
        expression: "@:cache_hits:ratio < 0.5 and on (job, cache) sum by (job, cache) (@:cache_lookups:increase) >= 100",
        lasts: "15m",
        severity: Severity::Low,
        summary: "The cache {{ $labels.cache }} has {{ $value | humanizePercentage }} of what it is asked for",
        description: "In {{ $labels.job }}; half of it is expected.",
        meaning: "Most lookups find nothing, so the cache costs more than it saves.",
        advice: "Compare entries with capacity, and evictions with insertions; it may be too small or too short-lived.",
    },
    Alert {
        name: "CacheHitRateFell",
        group: "caches",
        expression: "@:cache_hits:ratio < 0.7 * (@:cache_hits:ratio offset 1d) \
                     and on (job, cache) sum by (job, cache) (@:cache_lookups:increase) >= 100",
        lasts: "15m",
        severity: Severity::Medium,
        summary: "The cache {{ $labels.cache }} answers much less than a day ago",
        description: "Now {{ $value | humanizePercentage }} of the lookups in {{ $labels.job }} are hits.",
        meaning: "The hit rate is below seven tenths of that of the day before.",
        advice: "Look whether it was emptied, whether keys have changed, and whether others are asked for.",
    },
    Alert {
        name: "EntitiesStuck",
        group: "states",
        expression: "@state_stuck_entities > 0",
        lasts: "5m",
        severity: Severity::Medium,
        summary: "{{ $value }} of {{ $labels.machine }} are stuck in their state",
        description: "In {{ $labels.instance }}, for longer than the state allows.",
        meaning: "Entities have been in a state for longer than its limit.",
        advice: "The snapshot says which ones, in which state and since when.",
    },
    Alert {
        name: "TransitionsRefused",
        group: "states",
        expression: "sum by (job, machine, reason) (increase(@state_transitions_refused_total[15m])) > 10",
        lasts: "5m",
        severity: Severity::Low,
        summary: "{{ $labels.machine }} refuses transitions: {{ $labels.reason }}",
        description: "{{ $value | humanize }} in a quarter of an hour, in {{ $labels.job }}.",
        meaning: "The program tries steps that its own rules do not allow.",
        advice: "Look at who asks for them, and whether two of them race.",
    },
    Alert {
        name: "SinkDown",
        group: "monitor",
        expression: "@sink_up == 0",
        lasts: "2m",
        severity: Severity::High,
        summary: "The sink {{ $labels.sink }} does not store what it gets",
        description: "In {{ $labels.instance }}. What it cannot take is lost once its queue is full.",
        meaning: "The disk is full, the file is locked or damaged, or a server does not answer.",
        advice: "`/health` says the error, and since when. It goes on by itself when it can.",
    },
    Alert {
        name: "SinkLosesEntries",
        group: "monitor",
        expression: "sum by (job, instance, sink, reason) (increase(@sink_entries_total{fate=\"dropped\"}[15m])) > 0 \
                     or sum by (job, instance, sink, reason) (@sink_entries_total{fate=\"dropped\"} \
                     unless @sink_entries_total{fate=\"dropped\"} offset 15m) > 0",
        lasts: "1m",
        severity: Severity::Medium,
        summary: "The sink {{ $labels.sink }} lost {{ $value | humanize }} entries: {{ $labels.reason }}",
        description: "In {{ $labels.instance }}. Figures of the program itself are complete all the same.",
        meaning: "History has a gap.",
        advice: "See whether the sink is down or too slow for what comes.",
    },
    Alert {
        name: "RecordsLost",
        group: "monitor",
        expression: "sum by (job, instance, reason) (increase(@records_dropped_total[15m])) > 1000",
        lasts: "15m",
        severity: Severity::Low,
        summary: "Individual records are lost: {{ $labels.reason }}",
        description: "{{ $value | humanize }} in a quarter of an hour, in {{ $labels.instance }}. Counts are complete.",
        meaning: "More calls are recorded individually than are fetched in time.",
        advice: "Lower the record policy of the busiest operations, or raise the rings' size.",
    },
    Alert {
        name: "TooManySeries",
        group: "monitor",
        expression: "sum by (job, instance) (increase(@calls_over_the_cap_total[1h])) > 0",
        lasts: "5m",
        severity: Severity::Low,
        summary: "{{ $labels.instance }} has more operations or label sets than it may",
        description: "{{ $value | humanize }} calls of the last hour stand together under `(overflow)`.",
        meaning: "A name or a label has too many different values, such as an id or a path.",
        advice: "Make it a field of the records instead, or raise the cap.",
    },
    Alert {
        name: "CallbacksPanic",
        group: "monitor",
        expression: "sum by (job, instance) (increase(@callbacks_panicked_total[1h])) > 0",
        lasts: "1m",
        severity: Severity::Medium,
        summary: "Functions that the monitor calls panic",
        description: "{{ $value | humanize }} in the last hour, in {{ $labels.instance }}. The panics were contained.",
        meaning: "A `Display` of an error, a guard of a transition or a reading of an outcome panics.",
        advice: "Look for panics in the log that no operation has.",
    },
    Alert {
        name: "ScrapeSlow",
        group: "monitor",
        expression: "@!scrape_duration_seconds > 5",
        lasts: "10m",
        severity: Severity::Low,
        summary: "A page of {{ $labels.instance }} takes {{ $value | humanizeDuration }}",
        description: "Prometheus gives up after the scrape timeout, ten seconds as a rule.",
        meaning: "There are very many series, or the machine is short of time.",
        advice: "Look at the number of series, and at what has so many labels.",
    },
];
