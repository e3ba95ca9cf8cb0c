
-- Ready views, for people and programs that speak SQL. docs/views.md describes them. They use nothing but what the plain
-- sqlite3 command line has, and only indexes that the tables have anyway. "Now" is when anything was written last.

CREATE VIEW v_operations AS
SELECT
    records.id,
    strftime('%Y-%m-%dT%H:%M:%fZ', records.started_at_ns / 1e9, 'unixepoch') AS started_at,
    instances.service,
    series.name,
    series.kind,
    series.component,
    series.labels,
    CASE records.outcome
        WHEN 0 THEN 'success' WHEN 1 THEN 'failure' WHEN 2 THEN 'panicked' WHEN 3 THEN 'cancelled' ELSE 'interrupted'
    END AS outcome,
    records.duration_ns / 1e6 AS duration_ms,
    records.busy_ns / 1e6 AS busy_ms,
    records.polls,
    records.items,
    records.bytes,
    json_extract(records.detail, '$.error.kind') AS error_kind,
    json_extract(records.detail, '$.error.message') AS error_message,
    json_extract(records.detail, '$.fields') AS fields,
    json_extract(records.detail, '$.context') AS context,
    printf('%016x%016x', records.trace_id_high,
        coalesce(records.trace_id_low, records.parent_span_id, records.span_id)) AS trace_id,
    printf('%016x', records.span_id) AS span_id,
    CASE WHEN records.parent_span_id IS NOT NULL THEN printf('%016x', records.parent_span_id) END AS parent_span_id,
    parents.name AS parent_name,
    strings.text AS thread,
    instances.run,
    records.started_at_ns,
    records.duration_ns
FROM records
JOIN series ON series.id = records.series_id
JOIN instances ON instances.id = records.instance_id
LEFT JOIN series AS parents ON parents.id = records.parent_series_id
LEFT JOIN strings ON strings.id = records.thread_id;

CREATE VIEW v_realtime_processing_status AS
SELECT
    'operation' AS what,
    series.name,
    active_operations.state,
    strftime('%Y-%m-%dT%H:%M:%fZ', active_operations.started_at_ns / 1e9, 'unixepoch') AS started_at,
    max(0, instances.last_seen_at_ns - active_operations.started_at_ns) / 1e6 AS running_ms,
    NULL AS done,
    NULL AS total,
    NULL AS percent,
    NULL AS items_per_second,
    NULL AS eta_ms,
    active_operations.thread AS detail,
    instances.service,
    instances.host,
    instances.pid,
    instances.run
FROM active_operations
JOIN instances ON instances.id = active_operations.instance_id
JOIN series ON series.id = active_operations.series_id
WHERE instances.ended_at_ns IS NULL
UNION ALL
SELECT
    'job',
    progress.name,
    progress.state,
    strftime('%Y-%m-%dT%H:%M:%fZ', progress.started_at_ns / 1e9, 'unixepoch'),
    progress.elapsed_ns / 1e6,
    progress.done,
    progress.total,
    CASE WHEN progress.total > 0 THEN min(100.0, 100.0 * progress.done / progress.total) WHEN progress.total = 0 THEN 100.0 END,
    progress.rate,
    progress.eta_ns / 1e6,
    progress.message,
    instances.service,
    instances.host,
    instances.pid,
    instances.run
FROM progress
JOIN instances ON instances.id = progress.instance_id
WHERE progress.state IN ('running', 'stalled') AND instances.ended_at_ns IS NULL;

CREATE VIEW v_operations_by_id AS
SELECT
    operations_by_id.id,
    operations_by_id.name,
    operations_by_id.kind,
    operations_by_id.component,
    operations_by_id.labels,
    CASE operations_by_id.outcome
        WHEN 0 THEN 'success' WHEN 1 THEN 'failure' WHEN 2 THEN 'panicked' WHEN 3 THEN 'cancelled' WHEN 4 THEN 'interrupted'
        ELSE 'running'
    END AS status,
    operations_by_id.worker,
    json_extract(operations_by_id.steps, '$[#-1].name') AS last_step,
    strftime('%Y-%m-%dT%H:%M:%fZ', operations_by_id.started_at_ns / 1e9, 'unixepoch') AS started_at,
    max(0, coalesce(operations_by_id.ended_at_ns, (SELECT max(last_seen_at_ns) FROM instances))
        - operations_by_id.started_at_ns) / 1e6 AS duration_ms,
    operations_by_id.input_bytes,
    operations_by_id.output_bytes,
    operations_by_id.items,
    operations_by_id.bytes,
    operations_by_id.steps,
    operations_by_id.fields,
    beginners.pid AS begun_by_pid,
    beginners.run AS begun_by_run,
    enders.pid AS ended_by_pid,
    enders.run AS ended_by_run,
    operations_by_id.started_at_ns
FROM operations_by_id
JOIN instances AS beginners ON beginners.id = operations_by_id.begun_by
LEFT JOIN instances AS enders ON enders.id = operations_by_id.ended_by;

CREATE VIEW v_error_summary AS
WITH now (ns) AS (SELECT max(last_seen_at_ns) FROM instances),
day AS MATERIALIZED (
    SELECT error_hours.group_id, sum(error_hours.count) AS count
    FROM error_hours, now
    WHERE error_hours.start_ns > now.ns - 86400000000000
    GROUP BY error_hours.group_id
)
SELECT
    error_groups.fingerprint,
    CASE error_groups.severity WHEN 0 THEN 'low' WHEN 1 THEN 'medium' WHEN 2 THEN 'high' ELSE 'critical' END AS severity,
    CASE
        WHEN now.ns - error_groups.last_seen_at_ns >= 86400000000000 THEN 'resolved'
        WHEN now.ns - error_groups.regressed_at_ns < 3600000000000 THEN 'regressed'
        WHEN now.ns - error_groups.first_seen_at_ns < 3600000000000 THEN 'new'
        ELSE 'ongoing'
    END AS state,
    error_groups.kind,
    error_groups.place,
    error_groups.pattern,
    error_groups.component,
    error_groups.count,
    coalesce(day.count, 0) AS count_last_day,
    strftime('%Y-%m-%dT%H:%M:%fZ', error_groups.first_seen_at_ns / 1e9, 'unixepoch') AS first_seen_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', error_groups.last_seen_at_ns / 1e9, 'unixepoch') AS last_seen_at
FROM error_groups
JOIN now
LEFT JOIN day ON day.group_id = error_groups.id;

CREATE VIEW v_system_health_summary AS
WITH now (ns) AS (SELECT max(last_seen_at_ns) FROM instances),
seen AS (
    SELECT
        instances.id,
        instances.ended,
        now.ns - instances.last_seen_at_ns AS silent_ns,
        (SELECT coalesce(sum(losses.count), 0) FROM losses WHERE losses.instance_id = instances.id) AS lost,
        (SELECT count(*) FROM progress WHERE progress.state = 'stalled' AND progress.state IN ('running', 'stalled')
            AND progress.instance_id = instances.id) AS stalled_jobs,
        (SELECT count(*) FROM active_operations WHERE active_operations.instance_id = instances.id) AS active_operations
    FROM instances, now
    WHERE instances.ended_at_ns IS NULL OR instances.ended_at_ns > now.ns - 86400000000000
),
calls AS (
    SELECT
        rollups.instance_id,
        sum(rollups.succeeded + rollups.failed + rollups.panicked + rollups.cancelled) AS calls,
        sum(rollups.failed + rollups.panicked + rollups.cancelled) AS failures
    FROM rollups, now
    WHERE rollups.step_s = 10 AND rollups.start_ns > now.ns - 300000000000
    GROUP BY rollups.instance_id
)
SELECT
    CASE
        WHEN seen.ended = 'shutdown' THEN 'unknown'
        WHEN seen.ended = 'interrupted' THEN 'unhealthy'
        WHEN seen.silent_ns > 60000000000 THEN 'unknown'
        WHEN calls.failures * 2 > calls.calls THEN 'unhealthy'
        WHEN calls.failures * 20 > calls.calls OR seen.stalled_jobs > 0 THEN 'degraded'
        ELSE 'healthy'
    END AS status,
    instances.service,
    instances.host,
    instances.program,
    instances.pid,
    coalesce(seen.ended, 'running') AS run_state,
    coalesce(calls.calls, 0) AS calls_last_5_minutes,
    coalesce(calls.failures, 0) AS failures_last_5_minutes,
    seen.active_operations,
    seen.stalled_jobs,
    seen.lost,
    strftime('%Y-%m-%dT%H:%M:%fZ', instances.started_at_ns / 1e9, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', instances.last_seen_at_ns / 1e9, 'unixepoch') AS last_seen_at,
    instances.run
FROM seen
JOIN instances ON instances.id = seen.id
LEFT JOIN calls ON calls.instance_id = seen.id;

CREATE VIEW v_queue_performance AS
WITH now (ns) AS (SELECT max(last_seen_at_ns) FROM instances),
hour AS (
    SELECT
        queue_samples.queue_id,
        queue_samples.instance_id,
        max(queue_samples.start_ns) AS newest_ns,
        max(queue_samples.depth) AS max_depth,
        sum(queue_samples.enqueued) AS enqueued,
        sum(queue_samples.processed) AS processed,
        sum(queue_samples.failed) AS failed,
        sum(queue_samples.discarded) AS discarded,
        sum(queue_samples.requeued) AS requeued,
        sum(queue_samples.waiting_ns) AS waiting_ns,
        count(*) * 10 AS seconds
    FROM queue_samples, now
    WHERE queue_samples.start_ns > now.ns - 3600000000000
    GROUP BY queue_samples.queue_id, queue_samples.instance_id
)
SELECT
    strings.text AS queue,
    newest.depth,
    newest.in_process,
    newest.oldest_age_ns / 1e6 AS oldest_age_ms,
    hour.max_depth,
    hour.enqueued,
    hour.processed,
    hour.failed,
    hour.discarded,
    hour.requeued,
    hour.enqueued * 1.0 / hour.seconds AS enqueued_per_second,
    (hour.processed + hour.failed) * 1.0 / hour.seconds AS processed_per_second,
    CASE WHEN hour.processed + hour.failed > 0 THEN hour.failed * 1.0 / (hour.processed + hour.failed) ELSE 0.0 END AS failure_rate,
    CASE WHEN hour.processed + hour.failed > 0 THEN hour.waiting_ns / 1e6 / (hour.processed + hour.failed) END AS mean_waiting_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', hour.newest_ns / 1e9, 'unixepoch') AS seen_at,
    instances.service,
    instances.run
FROM hour
JOIN queue_samples AS newest ON newest.start_ns = hour.newest_ns AND newest.queue_id = hour.queue_id
    AND newest.instance_id = hour.instance_id
JOIN strings ON strings.id = hour.queue_id
JOIN instances ON instances.id = hour.instance_id;

CREATE VIEW v_performance_trends AS
WITH now (ns) AS (SELECT max(last_seen_at_ns) FROM instances),
hours AS (
    SELECT
        rollups.start_ns,
        series.name,
        series.kind,
        series.component,
        sum(rollups.succeeded + rollups.failed + rollups.panicked + rollups.cancelled) AS calls,
        sum(rollups.failed + rollups.panicked + rollups.cancelled) AS failures,
        sum(rollups.total_ns) AS total_ns,
        min(rollups.min_ns) AS min_ns,
        max(rollups.max_ns) AS max_ns,
        sum(rollups.items) AS items,
        sum(rollups.bytes) AS bytes
    FROM rollups
    JOIN series ON series.id = rollups.series_id
    JOIN now
    WHERE rollups.step_s = 3600 AND rollups.start_ns > now.ns - 604800000000000
    GROUP BY rollups.start_ns, series.name, series.kind, series.component
),
means AS (
    SELECT *, CASE WHEN calls > 0 THEN total_ns / 1e6 / calls END AS mean_ms FROM hours
)
SELECT
    strftime('%Y-%m-%dT%H:00:00Z', start_ns / 1e9, 'unixepoch') AS hour,
    name,
    kind,
    component,
    calls,
    failures,
    CASE WHEN calls > 0 THEN failures * 1.0 / calls ELSE 0.0 END AS failure_rate,
    mean_ms,
    min_ns / 1e6 AS min_ms,
    max_ns / 1e6 AS max_ms,
    items,
    bytes,
    lag(mean_ms) OVER earlier AS mean_ms_before,
    100.0 * (mean_ms / nullif(lag(mean_ms) OVER earlier, 0) - 1.0) AS mean_change_percent
FROM means
WINDOW earlier AS (PARTITION BY name, kind, component ORDER BY start_ns);

CREATE VIEW v_active_alerts AS
WITH now (ns) AS (SELECT max(last_seen_at_ns) FROM instances)
SELECT
    alerts.id,
    alerts.rule,
    alerts.labels,
    CASE alerts.severity WHEN 0 THEN 'low' WHEN 1 THEN 'medium' WHEN 2 THEN 'high' ELSE 'critical' END AS severity,
    alerts.state,
    alerts.value,
    alerts.message,
    strftime('%Y-%m-%dT%H:%M:%fZ', alerts.started_at_ns / 1e9, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', alerts.fired_at_ns / 1e9, 'unixepoch') AS fired_at,
    max(0, now.ns - alerts.started_at_ns) / 1e6 AS active_ms,
    strftime('%Y-%m-%dT%H:%M:%fZ', alerts.acknowledged_at_ns / 1e9, 'unixepoch') AS acknowledged_at,
    alerts.acknowledged_by,
    instances.service
FROM alerts
JOIN now
LEFT JOIN instances ON instances.id = alerts.instance_id
WHERE alerts.state <> 'resolved';
