//! What is asked of a history in a SQLite file, and what it answers.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod history_support;

use std::time::Duration;

use history_support::{DAY, File, Record, SECOND, at};
use monitor_core::{
    ErrorFilter, ErrorState, Figure, Fingerprint, History, OperationFilter, Outcome, PageRequest, ProgressFilter,
    Selection, Severity, SortOrder, SqliteHistory, TimeRange, TraceId, TransitionFilter,
};

const MS: i64 = 1_000_000;
const FIVE: Duration = Duration::from_secs(5);

fn page() -> PageRequest {
    PageRequest::new()
}

/// Two runs, four series, 3,000 records, in three blocks.
fn filled() -> File {
    let file = File::new();
    file.instance(1, "api", DAY, DAY + 4_000 * SECOND);
    file.instance(2, "worker", DAY, DAY + 4_000 * SECOND);
    file.series(1, "db.fetch", "database", r#"{"table":"users"}"#);
    file.series(2, "db.fetch", "database", r#"{"table":"rows"}"#);
    file.series(3, "db.store", "database", "{}");
    file.series(4, "parse", "function", "{}");
    file.string(1, "user");
    file.string(2, "tenant");
    file.sql.execute_batch("BEGIN").unwrap();
    for id in 1..=3_000 {
        let mut record =
            Record { series: 1 + id % 4, instance: 1 + id / 5 % 2, trace_high: id / 3 + 1, ..Record::new(id) };
        record.duration_ns = (id % 500 + 1) * MS;
        record.outcome = i64::from(id % 100 == 7) + 2 * i64::from(id == 1_500);
        if id % 10 == 0 {
            record.fields = vec![(1, (id % 70).to_string()), (2, "acme".into())];
        }
        file.record(&record);
    }
    file.sql.execute_batch("COMMIT").unwrap();
    file
}

/// Ids that fit, all pages together, in both orders and with pages of two sizes.
fn ids(history: &SqliteHistory, filter: &OperationFilter) -> Vec<u64> {
    let all = |request: PageRequest| {
        let (mut ids, mut request) = (Vec::new(), request);
        loop {
            let found = history.operations(filter, &request).unwrap();
            assert!(found.entries.len() <= request.limit as usize);
            ids.extend(found.entries.iter().map(|record| record.id));
            match found.next {
                Some(next) => request = request.after(next),
                None => return ids,
            }
        }
    };
    let mut newest_first = all(page().limit(7));
    newest_first.reverse();
    let oldest_first = all(page().order(SortOrder::OldestFirst).limit(1_000));
    let first_difference = newest_first.iter().zip(&oldest_first).find(|(newest, oldest)| newest != oldest);
    assert!(newest_first.len() == oldest_first.len() && first_difference.is_none(), "{first_difference:?} {filter:?}");
    oldest_first
}

#[test]
fn each_filter_finds_what_fits_and_nothing_else() {
    let file = filled();
    let history = file.history();
    let f = OperationFilter::new;
    let of = |fits: &dyn Fn(i64) -> bool| -> Vec<u64> {
        (1..=3_000).filter(|&id| fits(id)).map(i64::cast_unsigned).collect()
    };
    let duration = |id: i64| id % 500 + 1;
    let ms = Duration::from_millis;
    let cases: Vec<(OperationFilter, Vec<u64>)> = vec![
        (f(), of(&|_| true)),
        (f().name("parse"), of(&|id| id % 4 == 3)),
        (f().name("db.fetch"), of(&|id| id % 4 < 2)),
        (f().name_prefix("db."), of(&|id| id % 4 < 3)),
        (f().name_prefix("db.").name("db.store"), of(&|id| id % 4 == 2)),
        (f().kind("database").component("storage"), of(&|id| id % 4 < 3)),
        (f().component("none such"), vec![]),
        (f().outcome(Outcome::Failure), of(&|id| id % 100 == 7)),
        (f().not_succeeded(), of(&|id| id % 100 == 7 || id == 1_500)),
        (f().outcome(Outcome::Success).name("parse"), of(&|id| id % 4 == 3 && id % 100 != 7)),
        (f().outcome(Outcome::Panicked), of(&|id| id == 1_500)),
        (f().outcome(Outcome::Cancelled), vec![]),
        (f().min_duration(ms(499)), of(&|id| duration(id) >= 499)),
        (f().min_duration(ms(501)), vec![]),
        (f().max_duration(ms(2)), of(&|id| duration(id) <= 2)),
        (
            f().min_duration(ms(70)).max_duration(ms(80)).name("parse"),
            of(&|id| id % 4 == 3 && (70..=80).contains(&duration(id))),
        ),
        (f().min_duration(ms(350)).outcome(Outcome::Failure), of(&|id| id % 100 == 7 && duration(id) >= 350)),
        (f().field("user", 60), of(&|id| id % 10 == 0 && id % 70 == 60)),
        (
            f().field("user", 60).field("tenant", "acme").name("db.store"),
            of(&|id| id % 10 == 0 && id % 70 == 60 && id % 4 == 2),
        ),
        (f().field("tenant", "acme").not_succeeded(), of(&|id| id == 1_500)),
        (f().field("tenant", "other"), vec![]),
        (f().field("nowhere", 1), vec![]),
        (f().service("worker"), of(&|id| id / 5 % 2 == 1)),
        (f().run(format!("{:032x}", 1)).name("parse"), of(&|id| id / 5 % 2 == 0 && id % 4 == 3)),
        (f().run("no such run"), vec![]),
        (
            f().range(TimeRange::since(at(DAY + 1_000 * SECOND)).until(at(DAY + 1_010 * SECOND))),
            of(&|id| (1_000..1_010).contains(&id)),
        ),
        (f().range(TimeRange::all().until(at(DAY))), vec![]),
        (f().range(TimeRange::since(at(DAY + 2_900 * SECOND))).outcome(Outcome::Failure), of(&|id| id == 2_907)),
        (f().trace_id(TraceId::new(0x64_0000_0000_0000_012a).unwrap()), of(&|id| id == 298)),
    ];
    for (filter, expected) in cases {
        assert!(ids(&history, &filter) == expected, "{filter:?}");
    }
}

#[test]
fn a_record_comes_back_whole() {
    let file = filled();
    file.sql.execute("UPDATE records SET parent_span_id = 9, parent_series_id = 4, thread_id = 2, busy_ns = 5, polls = 3,
        detail = '{\"fields\":[[\"user\",{\"u64\":7}]],\"context\":[[\"tenant\",{\"text\":\"acme\"}]],\"error\":{\"kind\":\"Io\",\"message\":\"refused\",\"sources\":[\"x\"]}}'
        WHERE id = 107", ()).unwrap();
    let history = file.history();
    let found = history
        .operations(&OperationFilter::new().outcome(Outcome::Failure), &page().order(SortOrder::OldestFirst))
        .unwrap();
    let record = &found.entries[1];
    assert_eq!((record.id, record.name.as_str(), record.kind.as_str()), (107, "parse", "function"));
    assert_eq!((record.parent, record.parent_name.as_deref()), (Some(9), Some("parse")));
    assert_eq!(record.trace_id.unwrap().get(), (36 << 64) | 9);
    assert_eq!((record.thread.as_deref(), record.polls), (Some("tenant"), 3));
    assert_eq!((record.duration, record.started_at), (Duration::from_millis(108), at(DAY + 107 * SECOND)));
    assert_eq!(record.error.as_ref().unwrap().to_string(), "Io: refused: x");
    assert_eq!((record.fields[0].1.to_string(), record.context[0].1.to_string()), ("7".into(), "acme".into()));
    assert_eq!(record.run, format!("{:032x}", 2));
    let json = serde_json::to_string(record).unwrap();
    assert_eq!(&serde_json::from_str::<monitor_core::StoredRecord>(&json).unwrap(), record);
}

#[test]
fn what_is_not_allowed_is_an_error_that_says_what_is() {
    let file = filled();
    let history = file.history();
    let f = OperationFilter::new;
    let now = at(DAY);
    let before = at(DAY - 1);
    let refused = |filter: OperationFilter, page: PageRequest, text: &str| {
        let error = history.operations(&filter, &page).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains(text), "{error}");
    };
    refused(f(), page().limit(0), "limit is 0; allowed is 1 to 1000");
    refused(f(), page().limit(1_001), "limit is 1001");
    refused(f(), page().deadline(Duration::ZERO), "deadline is 0ns");
    refused(f(), page().deadline(Duration::MAX), "1 ms to 10 minutes");
    refused(f().range(TimeRange::since(now).until(before)), page(), "an end after the beginning");
    refused(f().range(TimeRange::since(now).until(now)), page(), "an end after the beginning");
    refused(f().name("x".repeat(201)), page(), "201 bytes long");
    refused(f().name(""), page(), "name is an empty text");
    refused(f().field("user", "x".repeat(1_025)), page(), "1 to 1024 bytes");
    refused(f().min_duration(FIVE).max_duration(Duration::ZERO), page(), "at least min_duration");
    refused((0..9).fold(f(), |filter, key| filter.field(key.to_string(), 1)), page(), "at most 8");
    let key = history.operations(&f(), &page().limit(1)).unwrap().next.unwrap();
    refused(f(), page().order(SortOrder::OldestFirst).after(key), "in the same order");
    let all = Selection::new(TimeRange::since(before));
    for (figure, step, text) in [
        (Figure::Percentile(1.1), 10, "0.0 to 1.0"),
        (Figure::Percentile(f64::NAN), 10, "the quantile is NaN"),
        (Figure::Calls, 0, "a multiple of 10 s"),
        (Figure::Calls, 15, "a multiple of 10 s"),
        (Figure::Calls, u64::MAX, "up to a year"),
    ] {
        let error = history.series(&all, figure, Duration::from_secs(step), FIVE).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains(text), "{error}");
    }
    let long = Selection::new(TimeRange::since(now).until(at(DAY + 100_020 * SECOND)));
    let error = history.series(&long, Figure::Calls, Duration::from_secs(10), FIVE).unwrap_err();
    assert!(error.to_string().contains("at most 10000"), "{error}");
    let error = history.series(&Selection::default(), Figure::Calls, Duration::from_secs(10), FIVE).unwrap_err();
    assert!(error.to_string().contains("one with a beginning"), "{error}");
    assert!(history.summary(&all, &page().after(key)).unwrap_err().is_invalid());
    assert!(history.operation_by_id("", FIVE).unwrap_err().is_invalid());
}

#[test]
fn what_cannot_be_opened_says_why() {
    let missing = SqliteHistory::open("/no/such/file.db").unwrap_err();
    assert!(missing.is_unavailable() && missing.to_string().contains("/no/such/file.db"), "{missing}");
    let file = File::new();
    file.sql.execute_batch("PRAGMA user_version = 99").unwrap();
    let newer = SqliteHistory::open(&file.path).unwrap_err().to_string();
    assert!(newer.contains("version 99"), "{newer}");
}

#[test]
fn an_empty_file_answers_everything_with_nothing() {
    let file = File::new();
    let history = file.history();
    assert!(history.operations(&OperationFilter::new(), &page()).unwrap().entries.is_empty());
    assert!(history.operations(&OperationFilter::new().min_duration(FIVE), &page()).unwrap().entries.is_empty());
    let summary = history.summary(&Selection::default(), &page()).unwrap();
    assert_eq!((summary.operations.len(), summary.total.started), (0, 0));
    assert_eq!(history.figures(&Selection::default(), FIVE).unwrap().figures.started, 0);
    assert!(history.errors(&ErrorFilter::new(), &page()).unwrap().entries.is_empty());
    assert!(history.error_samples(Fingerprint::given("x"), &page()).unwrap().entries.is_empty());
    assert!(history.transitions(&TransitionFilter::new().machine("x"), &page()).unwrap().entries.is_empty());
    assert!(history.progress(&ProgressFilter::new(), &page()).unwrap().entries.is_empty());
    assert!(history.queues(None, &TimeRange::all(), &page()).unwrap().entries.is_empty());
    assert!(history.instances(&TimeRange::all(), &page()).unwrap().entries.is_empty());
    assert_eq!(history.operation_by_id("x", FIVE).unwrap(), None);
    let dashboard = history.dashboard_summary(FIVE).unwrap();
    assert_eq!((dashboard.calls, dashboard.instances_running), (0, 0));
}

#[test]
fn it_reads_while_another_connection_writes_and_sees_what_is_committed() {
    let file = filled();
    let history = file.history();
    file.sql.execute_batch("BEGIN IMMEDIATE").unwrap();
    file.record(&Record::new(3_001));
    assert_eq!(history.operations(&OperationFilter::new(), &page().limit(1)).unwrap().entries[0].id, 3_000);
    file.sql.execute_batch("COMMIT").unwrap();
    assert_eq!(history.operations(&OperationFilter::new(), &page().limit(1)).unwrap().entries[0].id, 3_001);
}

#[test]
fn past_the_deadline_a_search_is_broken_off() {
    let file = File::new();
    file.instance(1, "api", DAY, DAY + 10_000_000 * SECOND);
    file.series(1, "busy", "function", "{}");
    // A long search: no index has what is asked for, and each row must be looked at.
    let sql = "WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
        INSERT INTO rollups SELECT 10, ?1 + i * 10000000000, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, x'010101' FROM n";
    file.sql.execute(sql, [DAY]).unwrap();
    let range = TimeRange::since(at(DAY)).until(at(DAY + 100_000 * SECOND));
    let error = file.history().series(
        &Selection::new(range),
        Figure::Percentile(0.5),
        Duration::from_secs(10),
        Duration::from_millis(1),
    );
    let error = error.map(|series| series.points.len()).unwrap_err();
    assert!(error.is_deadline() && error.to_string().contains("within 1ms"), "{error}");
}

#[test]
fn a_damaged_histogram_is_an_error_and_not_a_wrong_figure() {
    let file = File::new();
    file.instance(1, "api", DAY, DAY);
    file.series(1, "busy", "function", "{}");
    file.rollup(10, DAY, 1, true, &[5], 0);
    file.sql.execute("UPDATE rollups SET durations = x'0180'", ()).unwrap();
    let error = file.history().figures(&Selection::default(), FIVE).unwrap_err();
    assert!(error.is_damaged(), "{error}");
}

/// Three hours of one call each 10 s, folded but for the last 10 s.
fn with_rollups() -> File {
    let file = File::new();
    file.instance(1, "api", DAY, DAY + 3 * 3_600 * SECOND);
    file.series(1, "db.fetch", "database", r#"{"table":"users"}"#);
    file.series(2, "db.fetch", "database", r#"{"table":"rows"}"#);
    file.series(3, "parse", "function", "{}");
    file.sql.execute_batch("BEGIN").unwrap();
    let steps = 3 * 360;
    for series in 1..=3 {
        let ns = |step: i64| (step * 1_000 + series).cast_unsigned();
        for step in 0..steps {
            let failed = u64::from(step % 60 == 0);
            file.rollup(10, DAY + step * 10 * SECOND, series, step == steps - 1, &[ns(step)], failed);
        }
        for (tier, length) in [(60, 6), (3_600, 360), (86_400, 8_640)] {
            for start in (0..steps).step_by(length) {
                let folded: Vec<_> = (start..(start + i64::try_from(length).unwrap()).min(steps - 1)).map(ns).collect();
                let failed = (start..steps - 1).take(length).filter(|step| step % 60 == 0).count() as u64;
                file.rollup(tier, DAY + start * 10 * SECOND, series, false, &folded, failed);
            }
        }
    }
    file.sql.execute_batch("COMMIT").unwrap();
    file
}

#[test]
fn a_summary_has_each_operation_with_its_label_sets_and_kinds() {
    let file = with_rollups();
    let history = file.history();
    let summary = history.summary(&Selection::default(), &page()).unwrap();
    let counts: Vec<_> = summary.operations.iter().map(|o| (o.name.as_str(), o.started, o.series.len())).collect();
    assert_eq!(counts, [("db.fetch", 2_160, 2), ("parse", 1_080, 0)]);
    assert_eq!(summary.operations[0].failed, 36);
    assert_eq!(summary.total.started, 3_240);
    assert_eq!((summary.kinds[0].kind.as_str(), summary.kinds[0].started), ("database", 2_160));
    assert_eq!(summary.covered, TimeRange::since(at(DAY)).until(at(DAY + 10_800 * SECOND)));
    let one = history.summary(&Selection::default(), &page().limit(1)).unwrap();
    assert_eq!((one.operations.len(), one.operations_left_out, one.total.started), (1, 1, 3_240));
}

#[test]
fn a_range_is_rounded_outwards_and_says_so() {
    let file = with_rollups();
    let history = file.history();
    let range = TimeRange::since(at(DAY + 1_805 * SECOND)).until(at(DAY + 5_401 * SECOND));
    let figures = history.figures(&Selection::new(range).name("parse"), FIVE).unwrap();
    assert_eq!(figures.covered, TimeRange::since(at(DAY + 1_800 * SECOND)).until(at(DAY + 5_410 * SECOND)));
    assert_eq!((figures.figures.started, figures.figures.window), (361, Duration::from_secs(3_610)));
    let users = history.figures(&Selection::new(range).label("table", "users"), FIVE).unwrap();
    assert_eq!(users.figures.started, 361);
    let other = history.figures(&Selection::new(range).service("other"), FIVE).unwrap();
    assert_eq!(other.figures.started, 0);
}

#[test]
fn what_is_only_kept_coarsely_is_read_coarsely() {
    let file = with_rollups();
    file.sql.execute("DELETE FROM rollups WHERE step_s = 10 AND start_ns < ?1", [DAY + 7_200 * SECOND]).unwrap();
    file.sql
        .execute("INSERT INTO kept_since (part, since_ns) VALUES ('figures of 10 s', ?1)", [DAY + 7_200 * SECOND])
        .unwrap();
    let history = file.history();
    let range = TimeRange::since(at(DAY + 1_805 * SECOND)).until(at(DAY + 1_900 * SECOND));
    let figures = history.figures(&Selection::new(range).name("parse"), FIVE).unwrap();
    assert_eq!(figures.covered, TimeRange::since(at(DAY + 1_800 * SECOND)).until(at(DAY + 1_920 * SECOND)));
    assert_eq!(figures.figures.started, 12);
}

#[test]
fn a_series_has_every_step_and_its_sums_are_those_of_the_summary() {
    let file = with_rollups();
    let history = file.history();
    let range = TimeRange::since(at(DAY - 3_600 * SECOND)).until(at(DAY + 4 * 3_600 * SECOND));
    let of = |figure, step| history.series(&Selection::new(range), figure, Duration::from_secs(step), FIVE).unwrap();
    for step in [10, 60, 600, 3_600] {
        let calls = of(Figure::Calls, step);
        assert_eq!(calls.points.len() as u64, 5 * 3_600 / step);
        assert_eq!(calls.points[0].start, at(DAY - 3_600 * SECOND));
        let sum: f64 = calls.points.iter().filter_map(|point| point.value).sum();
        assert!((sum - 3_240.0).abs() < 1e-9, "{step}: {sum}");
    }
    let rate = of(Figure::FailureRate, 3_600);
    assert_eq!(
        rate.points.iter().map(|point| point.value.is_some()).collect::<Vec<_>>(),
        [false, true, true, true, false]
    );
    assert!((rate.points[1].value.unwrap() - 6.0 / 360.0).abs() < 1e-12);
    let max = of(Figure::Max, 3_600).points[1].value.unwrap();
    assert!((max - 359_003e-9).abs() < 1e-12, "{max}");
    let p100 = of(Figure::Percentile(1.0), 3_600).points[1].value.unwrap();
    assert!((p100 - max).abs() < 1e-12);
    assert!((of(Figure::Items, 3_600).points[1].value.unwrap() - 1_080.0).abs() < 1e-9);
    assert!((of(Figure::Bytes, 3_600).points[1].value.unwrap() - 3_240.0).abs() < 1e-9);
    let mean = of(Figure::Mean, 3_600).points[1].value.unwrap();
    assert!((mean - 179_502e-9).abs() < 1e-12, "{mean}");
    assert!((of(Figure::BusyTime, 3_600).points[1].value.unwrap() - 1_080.0 * 179_502e-9).abs() < 1e-9);
}

#[test]
fn errors_are_counted_in_the_range_and_have_their_state() {
    let file = File::new();
    let now = DAY + 48 * 3_600 * SECOND;
    file.instance(1, "api", DAY, now);
    let group =
        "INSERT INTO error_groups VALUES (?1, ?2, ?3, 'db.fetch', 'Refused by <n>', 'storage', ?4, ?5, ?6, ?7, 100)";
    let of = |name: &str| Fingerprint::given(name).to_string();
    let hours = |hours: i64| now - hours * 3_600 * SECOND;
    let none = None::<i64>;
    file.sql.execute(group, (1, of("new"), "Io", 1, now - 60 * SECOND, now - 60 * SECOND, none)).unwrap();
    file.sql.execute(group, (2, of("ongoing"), "Io", 3, hours(40), hours(2), none)).unwrap();
    file.sql.execute(group, (3, of("resolved"), "Timeout", 0, hours(47), hours(30), none)).unwrap();
    file.sql.execute(group, (4, of("regressed"), "Io", 2, hours(47), now - SECOND, Some(now - SECOND))).unwrap();
    for (group, start, count) in
        [(1, hours(1), 5), (2, hours(3), 7), (2, hours(40), 9), (3, hours(31), 2), (4, hours(1), 1)]
    {
        file.sql.execute("INSERT INTO error_hours VALUES (?1, ?2, 1, ?3)", (start, group, count)).unwrap();
    }
    let history = file.history();
    let all = history.errors(&ErrorFilter::new(), &page()).unwrap().entries;
    let states: Vec<_> = all.iter().map(|found| (found.group.state, found.count_in_range)).collect();
    assert_eq!(
        states,
        [(ErrorState::Regressed, 1), (ErrorState::New, 5), (ErrorState::Ongoing, 16), (ErrorState::Resolved, 2)]
    );
    let last_day = ErrorFilter::new().range(TimeRange::since(at(hours(24))));
    let day = history.errors(&last_day, &page()).unwrap().entries;
    assert_eq!(day.iter().map(|found| found.count_in_range).collect::<Vec<_>>(), [1, 5, 7]);
    assert!((day[2].rate_per_hour - 7.0 / 24.0).abs() < 1e-9, "{}", day[2].rate_per_hour);
    let count = |filter: ErrorFilter| history.errors(&filter, &page()).unwrap().entries.len();
    assert_eq!(count(ErrorFilter::new().min_severity(Severity::High)), 2);
    assert_eq!(count(ErrorFilter::new().kind("Timeout")), 1);
    assert_eq!(count(ErrorFilter::new().text("refused BY")), 4);
    assert_eq!(count(ErrorFilter::new().text("accepted")), 0);
    assert_eq!(count(ErrorFilter::new().component("other")), 0);
    let first = history.errors(&ErrorFilter::new(), &page().limit(3)).unwrap();
    let rest = history.errors(&ErrorFilter::new(), &page().after(first.next.unwrap())).unwrap();
    assert_eq!((rest.entries.len(), rest.next), (1, None));
}

#[test]
fn samples_transitions_jobs_queues_and_ids_come_back() {
    let file = File::new();
    file.instance(1, "api", DAY, DAY + 100 * SECOND);
    for (id, text) in [(1, "orders"), (2, "open"), (3, "paid"), (4, "card"), (5, "mail")] {
        file.string(id, text);
    }
    let fingerprint = Fingerprint::given("declined");
    file.sql.execute_batch(&format!(
        "INSERT INTO error_groups VALUES (1, '{fingerprint}', 'Io', 'p', 'm', '', 1, {DAY}, {DAY}, NULL, 1);
         INSERT INTO error_samples VALUES (1, 1, 1, {DAY}, 2, 'Io', 'refused', '[\"cause\"]', 'db.fetch', 9, 1, NULL, 'a.rs:1:2', 'main', '[[\"user\",{{\"u64\":7}}]]', NULL);
         INSERT INTO transitions VALUES (1, 1, 1, 'order-1', 2, 3, 4, {DAY}, 5), (2, 1, 1, 'order-2', 3, 2, NULL, {DAY} + 1, 6);
         INSERT INTO progress (instance_id, job_id, name, state, total, done, already_done, succeeded, failed, skipped, bytes, message, started_at_ns, updated_at_ns, elapsed_ns, idle_ns)
            VALUES (1, 1, 'import', 'running', 10, 5, 0, 5, 0, 0, 0, '', {DAY}, {DAY}, 7, 0), (1, 2, 'copy', 'interrupted', 10, 5, 0, 5, 0, 0, 0, '', {DAY}, {DAY}, 7, 0);
         INSERT INTO operations_by_id (id, name, kind, component, labels, fields, steps, begun_by, started_at_ns, items, bytes) VALUES ('n-1', 'backup', 'batch', '', '{{}}', '[]', '[]', 1, {DAY}, 0, 0);
         INSERT INTO queue_samples VALUES ({DAY}, 5, 1, 4, 1, 9, 8, 3, 1, 0, 0, 77, x'01'), ({DAY} + 10000000000, 5, 1, 6, 1, NULL, 8, 3, 1, 0, 0, 77, x'01');"
    )).unwrap();
    let history = file.history();
    let sample = &history.error_samples(fingerprint, &page()).unwrap().entries[0];
    assert_eq!((sample.error.to_string().as_str(), sample.severity), ("Io: refused: cause", Severity::High));
    assert_eq!((sample.trace_id.unwrap().get(), sample.operation_id), ((1 << 64) | 9, Some(9)));
    let transitions = |filter: TransitionFilter| history.transitions(&filter, &page()).unwrap().entries;
    let all = transitions(TransitionFilter::new());
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].transition.transition.to_string(), "open → paid (card)");
    assert_eq!(all[1].transition.machine, "orders");
    for (filter, count) in [
        (TransitionFilter::new().machine("orders"), 2),
        (TransitionFilter::new().entity("order-2"), 1),
        (TransitionFilter::new().machine("orders").entity("order-3"), 0),
        (TransitionFilter::new().machine("doors"), 0),
        (TransitionFilter::new().range(TimeRange::since(at(DAY + 1))), 1),
    ] {
        assert_eq!(transitions(filter.clone()).len(), count, "{filter:?}");
    }
    let jobs = |filter| history.progress(&filter, &page()).unwrap().entries;
    assert_eq!(jobs(ProgressFilter::new()).iter().map(|job| job.interrupted).collect::<Vec<_>>(), [true, false]);
    assert_eq!(jobs(ProgressFilter::new().running())[0].progress.fraction(), Some(0.5));
    assert_eq!(jobs(ProgressFilter::new().name("copy")).len(), 1);
    let running = history.operation_by_id("n-1", FIVE).unwrap().unwrap();
    assert!(running.is_running() && running.duration == Duration::from_secs(100));
    let samples = history.queues(Some("mail"), &TimeRange::all(), &page().limit(1)).unwrap();
    assert_eq!((samples.entries[0].depth, samples.entries[0].oldest), (6, None));
    let rest = history.queues(None, &TimeRange::all(), &page().after(samples.next.unwrap())).unwrap();
    assert_eq!((rest.entries.len(), rest.entries[0].depth), (1, 4));
    assert_eq!(history.instances(&TimeRange::all(), &page()).unwrap().entries[0].instance.service, "api");
}

#[test]
fn the_first_screen_is_one_value_that_round_trips() {
    let file = with_rollups();
    let history = file.history();
    let dashboard = history.dashboard_summary(FIVE).unwrap();
    assert_eq!((dashboard.calls, dashboard.failures, dashboard.instances_running), (3_240, 54, 1));
    assert_eq!((dashboard.operations[0].name.as_str(), dashboard.operations[0].calls), ("db.fetch", 2_160));
    let json = serde_json::to_value(&dashboard).unwrap();
    assert!(json["p99_ns"].as_u64().unwrap() > 0);
    assert_eq!(serde_json::from_value::<monitor_core::DashboardSummary>(json).unwrap(), dashboard);
}

#[test]
fn five_ask_at_once_and_all_are_answered() {
    let file = filled();
    let history = file.history();
    std::thread::scope(|scope| {
        for _ in 0..5 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let found = history
                        .operations(&OperationFilter::new().name("parse"), &page().deadline(Duration::from_mins(1)));
                    assert_eq!(found.unwrap().entries.len(), 100);
                }
            });
        }
    });
}
