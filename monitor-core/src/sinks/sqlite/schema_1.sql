-- Version 1. Tables, columns and units are described in docs/schema.md; a column is never changed, only added by a later
-- version.

-- Texts that many rows have: names of threads, machines, states, queues. Who writes a row with one of them sees to it that
-- it is not said to have been used more than a day before: retention removes those that are older than every row.
CREATE TABLE strings (
    id         INTEGER PRIMARY KEY,
    text       TEXT NOT NULL UNIQUE,
    used_at_ns INTEGER NOT NULL
) STRICT;

-- One run of one program. Only what is removed with it refers to it by a constraint: with others, SQLite would have to
-- look through all of their rows.
CREATE TABLE instances (
    id              INTEGER PRIMARY KEY,
    run             TEXT NOT NULL UNIQUE,
    service         TEXT NOT NULL,
    host            TEXT NOT NULL,
    program         TEXT NOT NULL,
    pid             INTEGER NOT NULL,
    started_at_ns   INTEGER NOT NULL,
    last_seen_at_ns INTEGER NOT NULL,
    ended_at_ns     INTEGER,
    ended           TEXT CHECK (ended IN ('shutdown', 'interrupted')),
    CHECK ((ended_at_ns IS NULL) = (ended IS NULL))
) STRICT;

-- From when on everything of a part of the history is here. Of a part without a row nothing was removed yet.
CREATE TABLE kept_since (
    part     TEXT PRIMARY KEY,
    since_ns INTEGER NOT NULL,
    -- While the clock is behind, or after it was ahead: since_ns from that time on again.
    was_ns   INTEGER
) STRICT, WITHOUT ROWID;

-- When what is done now and then was done last, by any instance.
CREATE TABLE upkeep (
    task  TEXT PRIMARY KEY,
    at_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What an instance lost, by where and why: what is not in this file.
CREATE TABLE losses (
    instance_id INTEGER NOT NULL REFERENCES instances (id),
    reason      TEXT NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (instance_id, reason)
) STRICT, WITHOUT ROWID;

-- An operation with one label set. Used as `strings` are.
CREATE TABLE series (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    kind       TEXT NOT NULL,
    component  TEXT NOT NULL,
    labels     TEXT NOT NULL,
    used_at_ns INTEGER NOT NULL,
    UNIQUE (name, kind, component, labels)
) STRICT;
CREATE INDEX series_by_kind ON series (kind);
CREATE INDEX series_by_component ON series (component);

-- Calls that were recorded individually. Outcome: 0 success, 1 failure, 2 panicked, 3 cancelled, 4 interrupted.
-- Ids ascend in the order in which calls came to the file: that is the order in which they are shown, and why there is no
-- index by time. Grade is outcome and class of duration in one small number, for the indexes: 24 classes for each outcome,
-- of which the first is below 10 microseconds.
CREATE TABLE records (
    id             INTEGER PRIMARY KEY,
    instance_id    INTEGER NOT NULL,
    series_id      INTEGER NOT NULL,
    outcome        INTEGER NOT NULL,
    started_at_ns  INTEGER NOT NULL,
    duration_ns    INTEGER NOT NULL,
    span_id        INTEGER NOT NULL,
    parent_span_id INTEGER,
    trace_id_high  INTEGER NOT NULL,
    trace_id_low   INTEGER,
    thread_id      INTEGER,
    busy_ns        INTEGER,
    polls          INTEGER NOT NULL,
    items          INTEGER NOT NULL,
    bytes          INTEGER NOT NULL,
    parent_series_id INTEGER,
    detail         TEXT,
    grade INTEGER GENERATED ALWAYS AS (outcome * 24 + CASE
        WHEN duration_ns < 10000 THEN 0
        WHEN duration_ns < 20000 THEN 1
        WHEN duration_ns < 50000 THEN 2
        WHEN duration_ns < 100000 THEN 3
        WHEN duration_ns < 200000 THEN 4
        WHEN duration_ns < 500000 THEN 5
        WHEN duration_ns < 1000000 THEN 6
        WHEN duration_ns < 2000000 THEN 7
        WHEN duration_ns < 5000000 THEN 8
        WHEN duration_ns < 10000000 THEN 9
        WHEN duration_ns < 20000000 THEN 10
        WHEN duration_ns < 50000000 THEN 11
        WHEN duration_ns < 100000000 THEN 12
        WHEN duration_ns < 200000000 THEN 13
        WHEN duration_ns < 500000000 THEN 14
        WHEN duration_ns < 1000000000 THEN 15
        WHEN duration_ns < 2000000000 THEN 16
        WHEN duration_ns < 5000000000 THEN 17
        WHEN duration_ns < 10000000000 THEN 18
        WHEN duration_ns < 30000000000 THEN 19
        WHEN duration_ns < 60000000000 THEN 20
        WHEN duration_ns < 300000000000 THEN 21
        WHEN duration_ns < 3600000000000 THEN 22
        ELSE 23 END) VIRTUAL
) STRICT;
CREATE INDEX records_by_series ON records (series_id, grade);
-- Segments of 65,536 ids, so that what is written at a time stays together, and what is found is not far apart.
CREATE INDEX records_by_duration ON records (id >> 16, duration_ns);
CREATE INDEX records_by_trace ON records (trace_id_high);
CREATE INDEX records_not_succeeded ON records (grade) WHERE outcome <> 0;

-- What is in each 1,024 records by id: lets a search pass over those that cannot match.
CREATE TABLE record_blocks (
    block               INTEGER PRIMARY KEY,
    first_started_at_ns INTEGER NOT NULL,
    last_started_at_ns  INTEGER NOT NULL,
    min_duration_ns     INTEGER NOT NULL,
    max_duration_ns     INTEGER NOT NULL,
    -- Bits 1 << outcome.
    outcomes            INTEGER NOT NULL,
    -- Bits 1 << (instance_id & 63); all of them where nobody keeps them.
    instances           INTEGER NOT NULL DEFAULT -1
) STRICT;

-- Fields and context of records, for finding them.
CREATE TABLE record_fields (
    key_id    INTEGER NOT NULL,
    value     TEXT NOT NULL,
    record_id INTEGER NOT NULL,
    PRIMARY KEY (key_id, value, record_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX record_fields_by_record ON record_fields (record_id);

-- What each series did in each step of time. Steps of 10 s, a minute, an hour and a day, each from finer ones.
CREATE TABLE rollups (
    step_s          INTEGER NOT NULL,
    start_ns        INTEGER NOT NULL,
    series_id       INTEGER NOT NULL,
    instance_id     INTEGER NOT NULL,
    open            INTEGER NOT NULL,
    started         INTEGER NOT NULL,
    succeeded       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    panicked        INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    items           INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    allocations     INTEGER NOT NULL,
    allocated_bytes INTEGER NOT NULL,
    polls           INTEGER NOT NULL,
    total_ns        INTEGER NOT NULL,
    self_ns         INTEGER NOT NULL,
    busy_ns         INTEGER NOT NULL,
    min_ns          INTEGER,
    max_ns          INTEGER,
    durations       BLOB NOT NULL,
    PRIMARY KEY (step_s, start_ns, series_id, instance_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX rollups_by_series ON rollups (series_id, step_s, start_ns);
-- Steps of 10 s that are not in the coarser ones yet.
CREATE INDEX rollups_open ON rollups (instance_id, start_ns) WHERE open = 1;

-- The same of all series of an instance together, in steps of a minute, an hour and a day: what would otherwise be
-- added up again from hundreds of rows for each point of a curve.
CREATE TABLE rollups_of_all (
    step_s          INTEGER NOT NULL,
    start_ns        INTEGER NOT NULL,
    instance_id     INTEGER NOT NULL,
    started         INTEGER NOT NULL,
    succeeded       INTEGER NOT NULL,
    failed          INTEGER NOT NULL,
    panicked        INTEGER NOT NULL,
    cancelled       INTEGER NOT NULL,
    items           INTEGER NOT NULL,
    bytes           INTEGER NOT NULL,
    allocations     INTEGER NOT NULL,
    allocated_bytes INTEGER NOT NULL,
    polls           INTEGER NOT NULL,
    total_ns        INTEGER NOT NULL,
    self_ns         INTEGER NOT NULL,
    busy_ns         INTEGER NOT NULL,
    min_ns          INTEGER,
    max_ns          INTEGER,
    durations       BLOB NOT NULL,
    PRIMARY KEY (step_s, start_ns, instance_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE error_groups (
    id               INTEGER PRIMARY KEY,
    fingerprint      TEXT NOT NULL UNIQUE,
    kind             TEXT NOT NULL,
    place            TEXT NOT NULL,
    pattern          TEXT NOT NULL,
    component        TEXT NOT NULL,
    severity         INTEGER NOT NULL,
    first_seen_at_ns INTEGER NOT NULL,
    last_seen_at_ns  INTEGER NOT NULL,
    -- When it came back after it had been resolved, last.
    regressed_at_ns  INTEGER,
    count            INTEGER NOT NULL
) STRICT;
CREATE INDEX error_groups_by_time ON error_groups (last_seen_at_ns);

-- How many errors of a group came in each hour.
CREATE TABLE error_hours (
    start_ns    INTEGER NOT NULL,
    group_id    INTEGER NOT NULL REFERENCES error_groups (id),
    instance_id INTEGER NOT NULL,
    count       INTEGER NOT NULL,
    PRIMARY KEY (start_ns, group_id, instance_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX error_hours_by_group ON error_hours (group_id);

CREATE TABLE error_samples (
    id             INTEGER PRIMARY KEY,
    group_id       INTEGER NOT NULL REFERENCES error_groups (id),
    instance_id    INTEGER NOT NULL,
    seen_at_ns     INTEGER NOT NULL,
    severity       INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    message        TEXT NOT NULL,
    sources        TEXT NOT NULL,
    operation      TEXT,
    span_id        INTEGER,
    trace_id_high  INTEGER,
    trace_id_low   INTEGER,
    location       TEXT,
    thread         TEXT,
    context        TEXT NOT NULL,
    backtrace      TEXT
) STRICT;
CREATE INDEX error_samples_by_group ON error_samples (group_id, seen_at_ns);
-- Each severity has an age of its own.
CREATE INDEX error_samples_by_time ON error_samples (severity, seen_at_ns);
CREATE INDEX error_samples_by_trace ON error_samples (trace_id_high) WHERE trace_id_high IS NOT NULL;

CREATE TABLE transitions (
    id               INTEGER PRIMARY KEY,
    instance_id      INTEGER NOT NULL,
    machine_id       INTEGER NOT NULL,
    entity           TEXT NOT NULL,
    from_id          INTEGER NOT NULL,
    to_id            INTEGER NOT NULL,
    trigger_id       INTEGER,
    at_ns            INTEGER NOT NULL,
    time_in_state_ns INTEGER NOT NULL
) STRICT;
CREATE INDEX transitions_by_time ON transitions (at_ns);
CREATE INDEX transitions_by_entity ON transitions (entity, at_ns);
CREATE INDEX transitions_by_machine ON transitions (machine_id, at_ns);

-- Long jobs, as they were last seen.
CREATE TABLE progress (
    id            INTEGER PRIMARY KEY,
    instance_id   INTEGER NOT NULL,
    job_id        INTEGER NOT NULL,
    parent_job_id INTEGER,
    name          TEXT NOT NULL,
    state         TEXT NOT NULL,
    total         INTEGER,
    done          INTEGER NOT NULL,
    already_done  INTEGER NOT NULL,
    succeeded     INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    skipped       INTEGER NOT NULL,
    batch_size    INTEGER,
    bytes         INTEGER NOT NULL,
    total_bytes   INTEGER,
    message       TEXT NOT NULL,
    error         TEXT,
    started_at_ns INTEGER NOT NULL,
    updated_at_ns INTEGER NOT NULL,
    elapsed_ns    INTEGER NOT NULL,
    idle_ns       INTEGER NOT NULL,
    rate          REAL,
    bytes_rate    REAL,
    eta_ns        INTEGER,
    UNIQUE (instance_id, job_id)
) STRICT;
CREATE INDEX progress_by_time ON progress (started_at_ns);
CREATE INDEX progress_by_name ON progress (name, started_at_ns);
-- What may go when it is too old.
CREATE INDEX progress_ended ON progress (updated_at_ns) WHERE state NOT IN ('running', 'stalled');
CREATE INDEX progress_running ON progress (started_at_ns) WHERE state IN ('running', 'stalled');

-- What ran when the instance was last seen.
CREATE TABLE active_operations (
    instance_id    INTEGER NOT NULL REFERENCES instances (id),
    span_id        INTEGER NOT NULL,
    series_id      INTEGER NOT NULL,
    started_at_ns  INTEGER NOT NULL,
    parent_span_id INTEGER,
    trace_id_high  INTEGER,
    trace_id_low   INTEGER,
    thread         TEXT,
    state          TEXT NOT NULL,
    PRIMARY KEY (instance_id, span_id)
) STRICT, WITHOUT ROWID;

-- The last run of each operation by id, of all instances.
CREATE TABLE operations_by_id (
    id                TEXT PRIMARY KEY,
    name              TEXT NOT NULL,
    kind              TEXT NOT NULL,
    component         TEXT NOT NULL,
    labels            TEXT NOT NULL,
    worker            TEXT,
    input_bytes       INTEGER,
    output_bytes      INTEGER,
    fields            TEXT NOT NULL,
    context           TEXT NOT NULL DEFAULT '[]',
    steps             TEXT NOT NULL,
    steps_over        INTEGER NOT NULL DEFAULT 0,
    -- When the step began that it is in.
    step_since_ns     INTEGER,
    begun_by          INTEGER NOT NULL,
    ended_by          INTEGER,
    started_at_ns     INTEGER NOT NULL,
    ended_at_ns       INTEGER,
    outcome           INTEGER,
    items             INTEGER NOT NULL,
    bytes             INTEGER NOT NULL,
    trace_id_high     INTEGER,
    trace_id_low      INTEGER,
    span_id           INTEGER,
    parent_span_id    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_by_id_by_time ON operations_by_id (started_at_ns);
-- What may go when it is too old: many that run may be older.
CREATE INDEX operations_by_id_ended ON operations_by_id (ended_at_ns) WHERE ended_at_ns IS NOT NULL;
CREATE INDEX operations_by_id_running ON operations_by_id (begun_by) WHERE outcome IS NULL;

-- For the instance that began an operation by id: another one ended it. Removed when it has taken note of that.
CREATE TABLE operations_ended_elsewhere (
    instance_id INTEGER NOT NULL REFERENCES instances (id),
    id          TEXT NOT NULL,
    span_id     INTEGER,
    PRIMARY KEY (instance_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    name        TEXT PRIMARY KEY,
    state       BLOB NOT NULL,
    saved_at_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE queue_samples (
    start_ns      INTEGER NOT NULL,
    queue_id      INTEGER NOT NULL,
    instance_id   INTEGER NOT NULL,
    depth         INTEGER NOT NULL,
    in_process    INTEGER NOT NULL,
    oldest_age_ns INTEGER,
    enqueued      INTEGER NOT NULL,
    processed     INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    discarded     INTEGER NOT NULL,
    requeued      INTEGER NOT NULL,
    waiting_ns    INTEGER NOT NULL,
    waiting       BLOB NOT NULL,
    PRIMARY KEY (start_ns, queue_id, instance_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX queue_samples_by_queue ON queue_samples (queue_id, start_ns);

-- Who did what. Each entry has the hash of the one before it, so that a change shows.
CREATE TABLE audit (
    id            INTEGER PRIMARY KEY,
    at_ns         INTEGER NOT NULL,
    actor         TEXT NOT NULL,
    action        TEXT NOT NULL,
    target        TEXT NOT NULL,
    source        TEXT NOT NULL,
    details       TEXT NOT NULL,
    previous_hash BLOB NOT NULL,
    hash          BLOB NOT NULL UNIQUE
) STRICT;
CREATE INDEX audit_by_time ON audit (at_ns);
CREATE INDEX audit_by_actor ON audit (actor, at_ns);
CREATE INDEX audit_by_action ON audit (action, at_ns);
CREATE INDEX audit_by_target ON audit (target, at_ns);

-- Where the chain begins and ends: one row, changed in the transaction that adds an entry or removes old ones.
CREATE TABLE audit_head (
    id                  INTEGER PRIMARY KEY CHECK (id = 1),
    first_id            INTEGER NOT NULL,
    first_previous_hash BLOB NOT NULL,
    last_id             INTEGER NOT NULL,
    last_hash           BLOB NOT NULL
) STRICT;
INSERT INTO audit_head VALUES (1, 1, zeroblob(32), 0, zeroblob(32));

-- Alerts, each time that one came.
CREATE TABLE alerts (
    id                 INTEGER PRIMARY KEY,
    instance_id        INTEGER,
    rule               TEXT NOT NULL,
    labels             TEXT NOT NULL,
    -- 0 low, 1 medium, 2 high, 3 critical.
    severity           INTEGER NOT NULL,
    state              TEXT NOT NULL CHECK (state IN ('pending', 'firing', 'resolved')),
    value              REAL,
    message            TEXT NOT NULL,
    started_at_ns      INTEGER NOT NULL,
    fired_at_ns        INTEGER,
    ended_at_ns        INTEGER,
    acknowledged_at_ns INTEGER,
    acknowledged_by    TEXT,
    CHECK ((ended_at_ns IS NULL) = (state <> 'resolved')),
    CHECK ((acknowledged_at_ns IS NULL) = (acknowledged_by IS NULL))
) STRICT;
-- Of one rule and label set one at a time.
CREATE UNIQUE INDEX alerts_not_resolved ON alerts (rule, labels) WHERE state <> 'resolved';
CREATE INDEX alerts_by_time ON alerts (started_at_ns);
