//! What two writers, wrong clocks and unusual files must not lead to.

use super::part::Way;
use super::*;
use crate::sinks::sqlite::migrations::migrate;
use crate::sinks::sqlite::spans::SECOND;

const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Some day.
const NOW: i64 = 20_000 * DAY;

fn file() -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection).unwrap();
    connection.pragma_update(None, "foreign_keys", true).unwrap();
    connection
}

fn one(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// So many numbers, as `n.i`.
fn numbers(count: i64) -> String {
    format!("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})")
}

/// A group with samples of that severity and time.
fn samples(connection: &Connection, (first, count): (i64, i64), severity: i64, at_ns: i64) {
    let sql = format!(
        "INSERT OR IGNORE INTO error_groups (id, fingerprint, kind, place, pattern, component, severity, first_seen_at_ns,
            last_seen_at_ns, count) VALUES (1, 'f', 'k', 'p', 'p', '', {severity}, {at_ns}, {at_ns}, 1);
         {} INSERT INTO error_samples (id, group_id, instance_id, seen_at_ns, severity, kind, message, sources, context)
            SELECT {first} + i - 1, 1, 1, {at_ns}, {severity}, 'k', 'm', '[]', '[]' FROM n",
        numbers(count)
    );
    connection.execute_batch(&sql).unwrap();
}

fn records(connection: &Connection, count: i64, at_ns: i64) {
    let sql = format!(
        "{} INSERT INTO records (instance_id, series_id, outcome, started_at_ns, duration_ns, span_id, trace_id_high, polls,
            items, bytes) SELECT 1, 1, 0, {at_ns} + i, 1, i, 1, 0, 0, 0 FROM n;
         INSERT OR REPLACE INTO record_blocks SELECT id >> 10, min(started_at_ns), max(started_at_ns), 0, 1, 31, -1
            FROM records GROUP BY 1",
        numbers(count)
    );
    connection.execute_batch(&sql).unwrap();
}

fn finish(keeper: &mut Keeper, connection: &mut Connection, now_ns: i64) {
    keeper.work(connection, now_ns).unwrap();
    while keeper.unfinished > 0 {
        keeper.work(connection, now_ns).unwrap();
    }
}

#[test]
fn a_sample_that_has_got_the_id_of_one_that_went_stays() {
    let mut connection = file();
    samples(&connection, (1, 5_000), 0, NOW - 40 * DAY);
    let mut task = Task::new(Part::ErrorSamples(0), NOW - 30 * DAY);
    assert!(task.go_on(&mut connection).unwrap());
    // Another writer removes what is left, and stores new ones.
    connection.execute("DELETE FROM error_samples", []).unwrap();
    samples(&connection, (1, 2_000), 0, NOW);
    while task.go_on(&mut connection).unwrap() {}
    assert_eq!(one(&connection, "SELECT count(*) FROM error_samples"), 2_000);
}

#[test]
fn a_group_that_has_become_worse_stays_as_long_as_its_new_severity() {
    let mut connection = file();
    let sql = format!(
        "{} INSERT INTO error_groups (id, fingerprint, kind, place, pattern, component, severity, first_seen_at_ns,
            last_seen_at_ns, count) SELECT i, i, 'k', 'p', 'p', '', 0, 0, 0, 1 FROM n",
        numbers(10_000)
    );
    connection.execute_batch(&sql).unwrap();
    let mut task = Task::new(Part::ErrorGroups(0), NOW);
    assert!(task.go_on(&mut connection).unwrap());
    let left = one(&connection, "SELECT count(*) FROM error_groups");
    // By a batch that was delayed.
    connection.execute("UPDATE error_groups SET severity = 3", []).unwrap();
    while task.go_on(&mut connection).unwrap() {}
    assert_eq!((one(&connection, "SELECT count(*) FROM error_groups"), left > 0), (left, true));
}

#[test]
fn one_that_comes_while_a_clock_is_ahead_does_not_believe_it_because_another_one_saw_it() {
    let mut connection = file();
    let mut first = Keeper::new(Retention::new());
    first.work(&mut connection, NOW).unwrap();
    records(&connection, 10, NOW);
    first.work(&mut connection, NOW + 1_000 * DAY).unwrap();
    let mut second = Keeper::new(Retention::new());
    finish(&mut second, &mut connection, NOW + 1_000 * DAY + 5 * SECOND);
    assert_eq!(one(&connection, "SELECT count(*) FROM records"), 10);
    // Nor one that jumps twice.
    finish(&mut first, &mut connection, NOW + 2_000 * DAY);
    assert_eq!(one(&connection, "SELECT count(*) FROM records"), 10);
    // Many that look one after the other do not get there day by day, nor keep each other from it.
    for second in 1..=90 {
        let mut keeper = Keeper::new(Retention::new());
        finish(&mut keeper, &mut connection, NOW + 2_000 * DAY + second * SECOND);
        assert_eq!(one(&connection, "SELECT count(*) FROM records"), if second < 60 { 10 } else { 0 }, "{second}");
    }
}

#[test]
fn runs_that_are_short_and_rare_believe_the_clock_of_the_one_before() {
    let mut connection = file();
    records(&connection, 10, NOW);
    for week in 0..8 {
        finish(&mut Keeper::new(Retention::new()), &mut connection, NOW + 7 * week * DAY);
        let left = one(&connection, "SELECT count(*) FROM records");
        assert_eq!(left, if week < 6 { 10 } else { 0 }, "{week}");
    }
}

#[test]
fn a_clock_that_is_behind_does_not_make_complete_what_is_not() {
    let mut connection = file();
    let mut keeper = Keeper::new(Retention::new().records(Duration::from_hours(24)));
    records(&connection, 10, NOW - 3 * DAY);
    finish(&mut keeper, &mut connection, NOW);
    let since = |connection: &Connection| one(connection, "SELECT since_ns FROM kept_since WHERE part = 'records'");
    let gone_ns = since(&connection);
    assert!(gone_ns > NOW - 3 * DAY);
    let look = |connection: &mut Connection, now_ns: i64| {
        finish(&mut Keeper::new(Retention::new()), connection, now_ns);
    };
    // For a moment, and for one that is behind with its batches.
    for behind in [20_000 * DAY, 2 * DAY] {
        look(&mut connection, NOW - behind);
        assert_eq!(since(&connection), gone_ns);
        look(&mut connection, NOW + MINUTE);
    }
    // For long: what comes counts meanwhile, and afterwards it is as it was.
    for minute in 0..3 {
        look(&mut connection, minute * MINUTE);
    }
    assert!(since(&connection) <= 2 * MINUTE);
    look(&mut connection, NOW + 2 * MINUTE);
    assert_eq!(since(&connection), gone_ns);
}

#[test]
fn a_file_that_has_become_smaller_may_not_grow_again_to_what_it_was() {
    let connection = file();
    let mut keeper = Keeper::new(Retention::new().max_bytes(1 << 20));
    connection.execute_batch("CREATE TABLE large (a); INSERT INTO large VALUES (zeroblob(8 << 20))").unwrap();
    assert_eq!(keeper.excess(&connection).unwrap(), Excess::Some);
    connection.execute_batch("DELETE FROM large; INSERT INTO large VALUES (zeroblob(2 << 20))").unwrap();
    assert_eq!(keeper.excess(&connection).unwrap(), Excess::Some);
    connection.execute_batch("INSERT INTO large VALUES (zeroblob(1 << 20))").unwrap();
    assert_eq!(keeper.excess(&connection).unwrap(), Excess::Grows);
}

#[test]
fn whatever_the_file_is_full_of_it_becomes_smaller() {
    let text = "'12345678901234567890123456789012345678901234567890123456789012345678901234567890'";
    let fillings = [
        format!(
            "INSERT INTO operations_by_id (id, name, kind, component, labels, fields, steps, begun_by, started_at_ns,
                ended_at_ns, outcome, items, bytes)
             SELECT i, {text}, '', '', '{{}}', '[]', '[]', 1, {NOW} - {HOUR} + i, {NOW} - {HOUR} + i, 0, 0, 0 FROM n"
        ),
        format!(
            "INSERT INTO progress (instance_id, job_id, name, state, done, already_done, succeeded, failed, skipped, bytes,
                message, started_at_ns, updated_at_ns, elapsed_ns, idle_ns)
             SELECT 1, i, 'job', 'finished', 0, 0, 0, 0, 0, 0, {text}, {NOW} - {HOUR} + i, {NOW} - {HOUR} + i, 0, 0 FROM n"
        ),
        format!(
            "INSERT INTO error_samples (group_id, instance_id, seen_at_ns, severity, kind, message, sources, context)
             SELECT 1, 1, {NOW} - {HOUR} + i, 2, 'k', {text}, '[]', '[]' FROM n"
        ),
        format!(
            "INSERT INTO rollups SELECT 86400, {NOW} - 5 * {DAY} + (i % 4) * {DAY}, i, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0,
                1, 1, 1, 1, 1, x'010101010101010101010101010101010101' FROM n"
        ),
        format!("INSERT INTO error_hours SELECT {NOW} - 40 * {DAY} + (i % 400) * {HOUR}, 1, i, 1 FROM n"),
    ];
    for filling in fillings {
        let mut connection = file();
        samples(&connection, (1, 1), 0, NOW);
        connection.execute_batch(&format!("{} {filling}", numbers(60_000))).unwrap();
        let mut keeper = Keeper::new(Retention::forever().max_bytes(1 << 20));
        assert_eq!(keeper.excess(&connection).unwrap(), Excess::Some);
        finish(&mut keeper, &mut connection, NOW);
        assert_eq!(keeper.excess(&connection).unwrap(), Excess::None, "{filling}");
    }
}

#[test]
fn what_stays_is_not_passed_over_again_with_each_row_that_goes() {
    let mut connection = file();
    let sql = format!(
        "{0} INSERT INTO operations_by_id (id, name, kind, component, labels, fields, steps, begun_by, started_at_ns,
            ended_at_ns, outcome, items, bytes) SELECT i, '', '', '', '{{}}', '[]', '[]', 1, i,
            CASE WHEN i > 50000 THEN i END, CASE WHEN i > 50000 THEN 0 END, 0, 0 FROM n;
         {0} INSERT INTO rollups SELECT 10, i * 10000000000, 1, i, i <= 50000, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1,
            x'010101' FROM n",
        numbers(60_000)
    );
    connection.execute_batch(&sql).unwrap();
    for (part, table) in [(Part::OperationsById, "operations_by_id"), (Part::Figures(10), "rollups")] {
        Task::new(part, NOW).go_on(&mut connection).unwrap();
        let removed = 60_000 - one(&connection, &format!("SELECT count(*) FROM {table}"));
        let Way::AtOnce(way) = part.way() else { panic!("{part:?}") };
        let statement = connection.prepare_cached(way.remove).unwrap();
        let steps = statement.get_status(rusqlite::StatementStatus::VmStep);
        assert!(removed > 0 && i64::from(steps) < 500 * removed, "{part:?}: {steps} for {removed}");
    }
}

#[test]
fn samples_of_another_severity_are_not_passed_over() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    let mut connection = file();
    samples(&connection, (1, 20_000), 3, NOW - 50 * DAY);
    let steps = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&steps);
    let count = move || {
        counter.fetch_add(1, Ordering::Relaxed);
        false
    };
    connection.progress_handler(100, Some(count)).unwrap();
    assert!(!Task::new(Part::ErrorSamples(0), NOW - 30 * DAY).go_on(&mut connection).unwrap());
    assert_eq!(Part::ErrorSamples(0).oldest_ns(&connection).unwrap(), None);
    let hundreds = steps.load(Ordering::Relaxed);
    assert!(hundreds < 20, "{hundreds}");
}

#[test]
fn what_cannot_be_removed_is_not_tried_again_and_again() {
    let mut connection = file();
    records(&connection, 30_000, NOW - HOUR);
    // Narrower than what is in it, as nobody writes it.
    connection.execute_batch("UPDATE record_blocks SET first_started_at_ns = 5, last_started_at_ns = 5").unwrap();
    let mut keeper = Keeper::new(Retention::forever().max_bytes(1 << 20));
    keeper.work(&mut connection, NOW).unwrap();
    keeper.work(&mut connection, NOW).unwrap();
    assert_eq!(keeper.excess(&connection).unwrap(), Excess::Some);
    assert_eq!((keeper.unfinished, keeper.tasks.len()), (0, 0));
}
