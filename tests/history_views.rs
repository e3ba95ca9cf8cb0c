//! The ready views of a SQLite file.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod history_support;

use std::process::Command;

use history_support::{DAY, File, Record, SECOND};

const VIEWS: [&str; 8] = [
    "v_active_alerts",
    "v_error_summary",
    "v_operations",
    "v_operations_by_id",
    "v_performance_trends",
    "v_queue_performance",
    "v_realtime_processing_status",
    "v_system_health_summary",
];

/// One thing of each sort, an hour and a bit after the beginning of the day.
fn filled() -> File {
    let file = File::new();
    let now = DAY + 4_000 * SECOND;
    file.instance(1, "api", DAY, now);
    file.series(1, "db.fetch", "database", "{}");
    file.string(1, "mail");
    file.record(&Record { outcome: 1, duration_ns: 2_500_000, ..Record::new(255) });
    file.rollup(3_600, DAY, 1, false, &[1_000_000, 3_000_000], 1);
    file.rollup(3_600, DAY + 3_600 * SECOND, 1, false, &[4_000_000], 0);
    file.rollup(10, now - 20 * SECOND, 1, true, &[4_000_000], 0);
    file.sql
        .execute_batch(&format!(
            "INSERT INTO active_operations VALUES (1, 9, 1, {now} - 2000000000, NULL, NULL, NULL, 'main', 'running');
             INSERT INTO operations_by_id (id, name, kind, component, labels, worker, fields, context, steps, steps_over, begun_by, started_at_ns, items, bytes)
                VALUES ('nightly-42', 'backup', 'batch', '', '{{}}', 'w1', '[]', '[]', '[{{\"name\":\"dump\",\"duration_ns\":0}}]', 0, 1, {now} - 3000000000, 0, 0);
             INSERT INTO progress (instance_id, job_id, name, state, total, done, already_done, succeeded, failed, skipped, bytes, message, started_at_ns, updated_at_ns, elapsed_ns, idle_ns)
                VALUES (1, 1, 'import', 'running', 10, 5, 0, 5, 0, 0, 0, 'part 3', {DAY}, {now}, 7000000, 0);
             INSERT INTO error_groups VALUES (1, 'given-0000000000000001', 'Io', 'db.fetch', 'refused', 'storage', 3, {DAY}, {now}, NULL, 12);
             INSERT INTO error_hours VALUES ({DAY}, 1, 1, 12);
             INSERT INTO queue_samples VALUES ({now} - 10000000000, 1, 1, 4, 1, 9000000, 20, 15, 5, 0, 0, 40000000, x'01');
             INSERT INTO alerts (rule, labels, severity, state, value, message, started_at_ns, fired_at_ns)
                VALUES ('too slow', '{{}}', 2, 'firing', 0.5, 'p99 is over 100 ms', {now} - 5000000000, {now});
             INSERT INTO alerts (rule, labels, severity, state, message, started_at_ns, ended_at_ns)
                VALUES ('too slow', '{{}}', 2, 'resolved', 'p99 is over 100 ms', {DAY}, {now});"
        ))
        .unwrap();
    file
}

fn one<T: rusqlite::types::FromSql>(file: &File, sql: &str) -> T {
    file.sql.query_row(sql, (), |row| row.get(0)).unwrap()
}

#[test]
fn each_view_says_what_it_is_there_for() {
    let file = filled();
    let text = |sql: &str| one::<String>(&file, sql);
    let number = |sql: &str| one::<f64>(&file, sql);
    assert_eq!(
        text("SELECT outcome || ' ' || started_at || ' ' || span_id FROM v_operations"),
        "failure 2026-09-17T00:04:15.000Z 00000000000000ff"
    );
    assert_eq!(text("SELECT trace_id FROM v_operations"), "00000000000000ff00000000000000ff");
    assert!((number("SELECT duration_ms FROM v_operations") - 2.5).abs() < 1e-9);
    assert_eq!(
        text("SELECT name FROM v_realtime_processing_status WHERE what = 'operation' AND running_ms = 2000.0"),
        "db.fetch"
    );
    assert!((number("SELECT percent FROM v_realtime_processing_status WHERE what = 'job'") - 50.0).abs() < 1e-9);
    assert_eq!(
        text("SELECT status || ' ' || worker || ' ' || last_step || ' ' || duration_ms FROM v_operations_by_id"),
        "running w1 dump 3000.0"
    );
    assert_eq!(
        text("SELECT severity || ' ' || state || ' ' || count_last_day FROM v_error_summary"),
        "critical ongoing 12"
    );
    assert_eq!(
        text("SELECT status || ' ' || calls_last_5_minutes || ' ' || active_operations FROM v_system_health_summary"),
        "healthy 1 1"
    );
    assert!((number("SELECT mean_waiting_ms FROM v_queue_performance WHERE queue = 'mail'") - 2.0).abs() < 1e-9);
    assert!((number("SELECT failure_rate FROM v_queue_performance") - 0.25).abs() < 1e-9);
    assert!(
        (number("SELECT mean_change_percent FROM v_performance_trends WHERE hour = '2026-09-17T01:00:00Z'") - 100.0)
            .abs()
            < 1e-9
    );
    assert_eq!(text("SELECT rule || ' ' || state || ' ' || severity FROM v_active_alerts"), "too slow firing high");
    assert_eq!(one::<i64>(&file, "SELECT count(*) FROM v_active_alerts"), 1);
}

#[test]
fn a_dead_or_silent_run_is_not_healthy() {
    let file = filled();
    let status = |change: &str| {
        file.sql.execute_batch(change).unwrap();
        one::<String>(&file, "SELECT status FROM v_system_health_summary WHERE service = 'api'")
    };
    assert_eq!(status("UPDATE rollups SET failed = 1, succeeded = 0 WHERE step_s = 10"), "unhealthy");
    assert_eq!(status("UPDATE instances SET ended_at_ns = last_seen_at_ns, ended = 'interrupted'"), "unhealthy");
    assert_eq!(one::<i64>(&file, "SELECT count(*) FROM v_realtime_processing_status"), 0);
    assert_eq!(status("UPDATE instances SET ended = 'shutdown'"), "unknown");
}

/// By the program that administrators have, which has no functions of ours.
#[test]
fn the_views_work_in_the_plain_command_line() {
    let file = filled();
    if Command::new("sqlite3").arg("--version").output().is_err() {
        eprintln!("there is no sqlite3 here: the views were asked through the library alone");
        return;
    }
    for view in VIEWS {
        let output =
            Command::new("sqlite3").arg("-json").arg(&file.path).arg(format!("SELECT * FROM {view}")).output().unwrap();
        assert!(output.status.success(), "{view}: {}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
        assert!(!rows.is_empty(), "{view} shows nothing");
    }
}

#[test]
fn the_document_names_each_view_and_column_and_no_others() {
    let file = filled();
    let text = include_str!("../docs/views.md");
    for view in VIEWS {
        let section = text.split("\n## ").find(|section| section.starts_with(&format!("`{view}`"))).expect(view);
        let described: Vec<_> =
            section.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned).collect();
        let statement = file.sql.prepare(&format!("SELECT * FROM {view}")).unwrap();
        let columns: Vec<_> = statement.column_names().map(str::to_owned).collect();
        assert_eq!(described, columns, "{view}");
    }
    let sections = text.matches("\n## `v_").count();
    let views: i64 = one(&file, "SELECT count(*) FROM sqlite_schema WHERE type = 'view'");
    assert_eq!((sections, views), (VIEWS.len(), i64::try_from(VIEWS.len()).unwrap()));
}
