//! How SQLite goes about each statement of the readers: a test that none reads a large table whole.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;

use super::connection::{Durability, open_to_write};
use super::reader::SqliteHistory;
use crate::model::{
    AuditFilter, ErrorFilter, Figure, Fingerprint, OperationFilter, Outcome, PageRequest, ProgressFilter, Selection,
    SortOrder, TimeRange, TraceId, TransitionFilter,
};
use crate::ports::history::History;

thread_local! {
    static PLANS: RefCell<BTreeSet<(String, String)>> = const { RefCell::new(BTreeSet::new()) };
}

/// Keeps the plan of a statement that this thread is about to run.
pub(super) fn note(connection: &Connection, sql: &str) {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = explain.raw_query();
    while let Some(row) = rows.next().unwrap() {
        let step: String = row.get(3).unwrap();
        PLANS.with_borrow_mut(|plans| plans.insert((step, sql.to_owned())));
    }
}

/// A file in which everything that a filter names is there, so that no search ends before its statements.
fn file() -> PathBuf {
    let path = std::env::temp_dir().join(format!("monitor-plans-{}.db", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let connection = open_to_write(&path, Durability::Process).unwrap();
    connection
        .execute_batch(
            "INSERT INTO instances (id, run, service, host, program, pid, started_at_ns, last_seen_at_ns)
                VALUES (1, 'run', 'api', '', '', 1, 0, 1000000);
             INSERT INTO strings VALUES (1, 'user', 0), (2, 'mail', 0);
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
                INSERT INTO series SELECT i, 'name' || i, 'kind', 'part', '{}', 0 FROM n;
             WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                INSERT INTO records (instance_id, series_id, outcome, started_at_ns, duration_ns, span_id, trace_id_high, polls,
                    items, bytes) SELECT 1, 1 + i % 40, i % 5, i, 1000000, i, 7, 0, 0, 0 FROM n;
             INSERT INTO record_blocks SELECT id >> 10, min(started_at_ns), max(started_at_ns), 0, 2000000, 31, -1
                FROM records GROUP BY 1;
             INSERT INTO record_fields SELECT 1, 'x', id FROM records;
             INSERT INTO audit SELECT id, id, 'x', 'x', 'x', '', '{}', zeroblob(32), randomblob(32) FROM records WHERE id < 9;
             INSERT INTO rollups SELECT 10, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, x'010101';",
        )
        .unwrap();
    path
}

#[test]
fn no_question_reads_records_or_rollups_whole() {
    let path = file();
    let history = SqliteHistory::open(&path).unwrap();
    let at = |ns| SystemTime::UNIX_EPOCH + Duration::from_nanos(ns);
    let range = TimeRange::since(at(5)).until(at(90_000_000_000));
    ask_for_operations(&history, range);
    let (page, deadline) = (PageRequest::new(), Duration::from_secs(5));
    for selection in [
        Selection::new(range),
        Selection::new(range).name("name1"),
        Selection::new(range).kind("kind").service("api"),
        Selection::new(TimeRange::since(at(5))).name_prefix("name").label("a", "b"),
    ] {
        history.summary(&selection, &page).unwrap();
        history.figures(&selection, deadline).unwrap();
        let bounded = Selection { range, ..selection };
        for figure in [Figure::Calls, Figure::Percentile(0.5)] {
            history.series(&bounded, figure, Duration::from_mins(1), deadline).unwrap();
        }
    }
    history.errors(&ErrorFilter::new().range(range).kind("x"), &page).unwrap();
    history.error_samples(Fingerprint::given("x"), &page).unwrap();
    for filter in
        [TransitionFilter::new(), TransitionFilter::new().machine("mail"), TransitionFilter::new().entity("x")]
    {
        history.transitions(&filter, &page).unwrap();
    }
    for filter in [ProgressFilter::new(), ProgressFilter::new().running(), ProgressFilter::new().name("x")] {
        history.progress(&filter, &page).unwrap();
    }
    let audit = AuditFilter::new;
    for filter in [
        audit(),
        audit().range(range),
        audit().actor("x"),
        audit().action("x"),
        audit().target("x").action("x").actor("x"),
    ] {
        for order in [SortOrder::NewestFirst, SortOrder::OldestFirst] {
            let page = PageRequest::new().order(order).limit(1);
            if let Some(next) = history.audit(&filter, &page).unwrap().next {
                history.audit(&filter, &page.after(next)).unwrap();
            }
        }
    }
    history.queues(Some("mail"), &range, &page).unwrap();
    history.queues(None, &range, &page).unwrap();
    history.operation_by_id("x", deadline).unwrap();
    history.dashboard_summary(deadline).unwrap();
    drop(history);
    let plans = PLANS.take();
    assert!(plans.len() > 40, "{}", plans.len());
    // What is open is a step or two of each run.
    let large = [
        "records",
        "rollups",
        "rollups_of_all",
        "record_fields",
        "transitions",
        "queue_samples",
        "error_samples",
        "progress",
        "audit",
    ];
    let whole: Vec<_> = plans
        .iter()
        .filter(|(step, sql)| {
            let table = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            let is_open = step.ends_with("USING INDEX rollups_open");
            let sorts = step.contains("TEMP B-TREE FOR ORDER BY");
            table.is_some_and(|table| large.contains(&table) && !is_open) || sorts && !sql.contains("FROM series ")
        })
        .collect();
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", path.display()));
    }
    assert!(whole.is_empty(), "{whole:#?}");
}

/// By each way that there is, a first and a second page.
fn ask_for_operations(history: &SqliteHistory, range: TimeRange) {
    let f = OperationFilter::new;
    let (ms, us) = (Duration::from_millis(1), Duration::from_micros(999));
    let filters = [
        f(),
        f().range(range),
        f().name("name1"),
        f().name_prefix("name"),
        f().kind("kind").component("part"),
        f().not_succeeded(),
        f().outcome(Outcome::Cancelled).min_duration(us).max_duration(2 * ms),
        f().min_duration(us),
        f().name("name1").min_duration(us),
        f().name_prefix("name").outcome(Outcome::Interrupted),
        f().trace_id(TraceId::new(7 << 64 | 5).unwrap()),
        f().trace_id(TraceId::new(7 << 64 | 5).unwrap()).name("name1"),
        f().field("user", "x").name("name1"),
        f().field("user", "x").outcome(Outcome::Failure).range(range),
        f().field("user", "x").min_duration(us).max_duration(us),
        f().service("api").run("run"),
    ];
    for filter in &filters {
        for order in [SortOrder::NewestFirst, SortOrder::OldestFirst] {
            let page = PageRequest::new().order(order);
            if let Some(next) = history.operations(filter, &page).unwrap().next {
                history.operations(filter, &page.after(next)).unwrap();
            }
        }
    }
}
