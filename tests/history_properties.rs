//! What holds for whatever is in a history.

#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod history_support;

use std::time::Duration;

use history_support::{DAY, File, Record, SECOND, at};
use monitor_core::{
    Figure, Histogram, History, OperationFilter, Outcome, PageRequest, Selection, SortOrder, TimeRange,
};
use proptest::prelude::*;

const FIVE: Duration = Duration::from_secs(5);

/// Records that are like each other in many ways, with ids that leave gaps over several blocks and segments.
fn records() -> impl Strategy<Value = Vec<Record>> {
    let gap = prop_oneof![30 => 1_i64..60, 1 => 30_000_i64..150_000];
    let one = (gap, 1_i64..4, 1_i64..5, 0_i64..5, 0_i64..200, 0_u32..12, 0_i64..6, proptest::bool::ANY);
    proptest::collection::vec(one, 1..120).prop_map(|parts| {
        let mut id = 0;
        let record = |(gap, instance, series, outcome, late, magnitude, trace, field)| {
            id += gap;
            let outcome = if outcome < 3 { 0 } else { outcome };
            Record {
                instance,
                series,
                outcome,
                started_at_ns: DAY + (id - late) * SECOND,
                duration_ns: 10_i64.pow(magnitude) * 15,
                trace_high: trace,
                fields: if field { vec![(1, (id % 3).to_string())] } else { vec![] },
                ..Record::new(id)
            }
        };
        parts.into_iter().map(record).collect()
    })
}

#[derive(Clone, Debug)]
struct Asked {
    name: Option<usize>,
    outcome: Option<Outcome>,
    min: Option<u64>,
    max: Option<u64>,
    field: Option<u8>,
    run: Option<i64>,
    since: Option<i64>,
    until: Option<i64>,
    oldest_first: bool,
    limit: u32,
}

fn asked() -> impl Strategy<Value = Asked> {
    use proptest::option::weighted;
    let outcomes = prop_oneof![Just(Outcome::Success), Just(Outcome::Panicked), Just(Outcome::Cancelled)];
    (
        (weighted(0.4, 0_usize..4), weighted(0.3, outcomes), weighted(0.3, 0_u32..12), weighted(0.3, 0_u32..12)),
        (weighted(0.3, 0_u8..3), weighted(0.3, 1_i64..4), weighted(0.3, 0_i64..2_000), weighted(0.3, 1_i64..2_000)),
        (proptest::bool::ANY, 1_u32..20),
    )
        .prop_map(|((name, outcome, low, high), (field, run, since, length), (oldest_first, limit))| {
            // At a class's end, inside of a class, or neither.
            let min = low.map(|magnitude| 10_u64.pow(magnitude) * 12);
            let max = high.map(|magnitude| 10_u64.pow(magnitude) * 20 + min.unwrap_or(0));
            let until = length.map(|length| since.unwrap_or(0) + length);
            Asked { name, outcome, min, max, field, run, since, until, oldest_first, limit }
        })
}

const NAMES: [&str; 4] = ["a.one", "a.two", "b.one", "b.two"];

impl Asked {
    fn filter(&self) -> OperationFilter {
        let mut filter = OperationFilter::new();
        if let Some(name) = self.name {
            filter = filter.name(NAMES[name]);
        }
        if let Some(outcome) = self.outcome {
            filter = filter.outcome(outcome);
        }
        if let Some(min) = self.min {
            filter = filter.min_duration(Duration::from_nanos(min));
        }
        if let Some(max) = self.max {
            filter = filter.max_duration(Duration::from_nanos(max));
        }
        if let Some(value) = self.field {
            filter = filter.field("key", value);
        }
        if let Some(run) = self.run {
            filter = filter.run(format!("{run:032x}"));
        }
        let mut range = TimeRange::all();
        range.since = self.since.map(|seconds| at(DAY + seconds * SECOND));
        range.until = self.until.map(|seconds| at(DAY + seconds * SECOND));
        filter.range(range)
    }

    fn fits(&self, record: &Record) -> bool {
        let duration = record.duration_ns.unsigned_abs();
        self.name.is_none_or(|name| record.series == i64::try_from(name).unwrap() + 1)
            && self.outcome.is_none_or(|outcome| Outcome::ALL[usize::try_from(record.outcome).unwrap()] == outcome)
            && self.min.is_none_or(|min| duration >= min)
            && self.max.is_none_or(|max| duration <= max)
            && self.field.is_none_or(|value| record.fields.iter().any(|(_, has)| *has == value.to_string()))
            && self.run.is_none_or(|run| record.instance == run)
            && self.since.is_none_or(|since| record.started_at_ns >= DAY + since * SECOND)
            && self.until.is_none_or(|until| record.started_at_ns < DAY + until * SECOND)
    }

    fn page(&self) -> PageRequest {
        let order = if self.oldest_first { SortOrder::OldestFirst } else { SortOrder::NewestFirst };
        PageRequest::new().limit(self.limit).order(order)
    }
}

fn file_with(records: &[Record]) -> File {
    let file = File::new();
    for run in 1..4 {
        file.instance(run, "api", DAY - 200 * SECOND, DAY + 100_000 * SECOND);
    }
    for (id, name) in (1..).zip(NAMES) {
        file.series(id, name, "function", "{}");
    }
    file.string(1, "key");
    file.sql.execute_batch("BEGIN").unwrap();
    for record in records {
        file.record(record);
    }
    file.sql.execute_batch("COMMIT").unwrap();
    file
}

/// Some segments have a duration nearly everywhere, others a few times or not at all.
#[test]
fn durations_are_found_where_many_have_them_and_where_few_do() {
    let file = file_with(&[]);
    file.sql
        .execute_batch(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200000)
             INSERT INTO records (id, instance_id, series_id, outcome, started_at_ns, duration_ns, span_id, trace_id_high, polls,
                items, bytes) SELECT i, 1, 1 + i % 4, (i % 101 = 0), i, CASE WHEN i / 65536 = 1 AND i % 3 > 0 THEN 1500000
                WHEN i % 997 = 0 THEN 1500000 + i % 2 ELSE 1000000 + i % 1000 END, i, 1, 0, 0, 0 FROM n;
             INSERT INTO record_blocks SELECT id >> 10, min(started_at_ns), max(started_at_ns), min(duration_ns),
                max(duration_ns), 31, -1 FROM records GROUP BY 1;
             INSERT INTO record_fields SELECT 1, 'often', id FROM records WHERE id % 7 = 0;
             INSERT INTO record_fields SELECT 1, 'always', id FROM records;
             INSERT INTO record_fields SELECT 1, 'late', id FROM records WHERE id > 180000",
        )
        .unwrap();
    let history = file.history();
    let exactly = Duration::from_micros(1_500);
    let between = OperationFilter::new().min_duration(exactly).max_duration(exactly);
    let few = OperationFilter::new().min_duration(Duration::from_nanos(1_000_500));
    let few = few.max_duration(Duration::from_nanos(1_000_502));
    let (many_in_one, in_each) = ("duration_ns = 1500000", "duration_ns BETWEEN 1000500 AND 1000502");
    for (filter, durations, condition) in [
        (between.clone(), many_in_one, "true"),
        (between.clone().name("a.two"), many_in_one, "series_id = 2"),
        (between.clone().not_succeeded(), many_in_one, "outcome = 1"),
        (between.clone().name("b.one").outcome(Outcome::Failure), many_in_one, "series_id = 3 AND outcome = 1"),
        // A field that many have, and something that fewer have, or more.
        (few.clone().field("key", "often"), in_each, "id % 7 = 0"),
        (few.clone().field("key", "always"), in_each, "true"),
        (few.clone().field("key", "late"), in_each, "id > 180000"),
        (few.clone().field("key", "often").field("key", "late"), in_each, "id % 7 = 0 AND id > 180000"),
        (few.name("a.two").field("key", "often"), in_each, "series_id = 2 AND id % 7 = 0"),
        (between.clone().field("key", "often"), many_in_one, "id % 7 = 0"),
        (between.clone().name("a.two").field("key", "often"), many_in_one, "series_id = 2 AND id % 7 = 0"),
        (between.not_succeeded().field("key", "late"), many_in_one, "outcome = 1 AND id > 180000"),
    ] {
        let sql = format!("SELECT id FROM records WHERE {durations} AND {condition} ORDER BY id");
        let mut statement = file.sql.prepare(&sql).unwrap();
        let mut expected: Vec<u64> = statement
            .query_map([], |row| row.get::<_, i64>(0))
            .unwrap()
            .map(|id| id.unwrap().cast_unsigned())
            .collect();
        for order in [SortOrder::OldestFirst, SortOrder::NewestFirst] {
            let mut page = PageRequest::new().limit(1_000).order(order);
            let mut found = Vec::new();
            loop {
                let answer = history.operations(&filter, &page).unwrap();
                found.extend(answer.entries.iter().map(|record| record.id));
                let Some(next) = answer.next else { break };
                page = page.after(next);
            }
            assert!(found == expected, "{durations} AND {condition}: {} of {}", found.len(), expected.len());
            expected.reverse();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Every record that fits and is there all the time comes once and in order, whatever comes or goes between pages.
    #[test]
    fn paging_neither_repeats_nor_leaves_out(
        records in records(),
        asked in asked(),
        removed in proptest::collection::vec(proptest::bool::weighted(0.1), 120),
        added_at in 0_usize..120,
    ) {
        let start = records.len() - added_at.min(records.len() - 1);
        let file = file_with(&records[..start]);
        let mut later = records[start..].iter();
        let mut removed_ids: Vec<i64> = Vec::new();
        let mut candidates = records[..start].iter().zip(removed).filter(|(_, gone)| *gone).map(|(record, _)| record.id);
        let history = file.history();
        let (filter, mut page) = (asked.filter(), asked.page());
        let mut found: Vec<i64> = Vec::new();
        loop {
            let answer = history.operations(&filter, &page).unwrap();
            prop_assert!(answer.entries.len() <= asked.limit as usize);
            found.extend(answer.entries.iter().map(|record| record.id.cast_signed()));
            if let Some(record) = later.next() {
                file.record(record);
            }
            if let Some(id) = candidates.next() {
                file.sql.execute("DELETE FROM records WHERE id = ?1", [id]).unwrap();
                file.sql.execute("DELETE FROM record_fields WHERE record_id = ?1", [id]).unwrap();
                removed_ids.push(id);
            }
            let Some(next) = answer.next else { break };
            // The key goes through its text, as it does between a page and a browser.
            page = page.after(next.to_string().parse().unwrap());
        }
        let in_order = found.is_sorted_by(|a, b| if asked.oldest_first { a < b } else { a > b });
        prop_assert!(in_order, "{found:?}");
        for record in &records {
            let seen = found.contains(&record.id);
            if !asked.fits(record) {
                prop_assert!(!seen, "{record:?} does not fit");
            } else if records[..start].iter().any(|first| first.id == record.id) && !removed_ids.contains(&record.id) {
                prop_assert!(seen, "{record:?} is missing among {found:?}");
            }
        }
    }

    /// Percentiles of a range are those of one histogram of all values in it, exactly, and series add up to figures.
    #[test]
    fn figures_of_any_range_are_those_of_all_values_in_it(
        calls in proptest::collection::vec((0_i64..9_000, 0_i64..2, 1_u64..10_000_000_000), 1..200),
        (since, length) in (0_i64..90_000, 1_i64..90_000),
        q in 0.0_f64..=1.0,
    ) {
        let file = File::new();
        file.instance(1, "api", DAY, DAY + 86_400 * SECOND);
        file.series(1, "a", "function", "{}");
        file.series(2, "b", "function", "{}");
        // The last step is open: in no coarser one.
        let last = calls.iter().map(|(step, ..)| *step).max().unwrap();
        for tier in [10, 60, 3_600, 86_400] {
            let mut rows = std::collections::BTreeMap::<(i64, i64), Vec<u64>>::new();
            for &(step, series, ns) in &calls {
                if tier == 10 || step < last {
                    rows.entry((step * 10 / tier * tier, series)).or_default().push(ns);
                }
            }
            for ((start, series), values) in rows {
                file.rollup(tier, DAY + start * SECOND, series + 1, tier == 10 && start == last * 10, &values, 0);
            }
        }
        let history = file.history();
        let range = TimeRange::since(at(DAY + since * SECOND)).until(at(DAY + (since + length) * SECOND));
        let answer = history.figures(&Selection::new(range), FIVE).unwrap();
        let covers = |step: i64| {
            let start = at(DAY + step * 10 * SECOND);
            answer.covered.since.unwrap() <= start && start < answer.covered.until.unwrap()
        };
        let mut all = Histogram::new();
        let inside: Vec<_> = calls.iter().filter(|(step, ..)| covers(*step)).collect();
        for (_, _, ns) in &inside {
            all.record(*ns);
        }
        prop_assert_eq!(&answer.figures.durations, &all);
        prop_assert_eq!(answer.figures.durations.percentile(q), all.percentile(q));
        prop_assert_eq!(answer.figures.started, inside.len() as u64);
        prop_assert_eq!(answer.figures.total_time.as_nanos(), inside.iter().map(|call| u128::from(call.2)).sum::<u128>());
        // What was asked for is in it, whatever it was rounded to.
        for (step, ..) in &calls {
            let asked = (since..since + length).contains(&(step * 10));
            prop_assert!(!asked || covers(*step), "{step}: {:?}", answer.covered);
        }
        let day = Selection::new(TimeRange::since(at(DAY)).until(at(DAY + 172_800 * SECOND)));
        let summary = history.summary(&day, &PageRequest::new()).unwrap();
        for step in [3_600, 86_400] {
            let series = history.series(&day, Figure::Calls, Duration::from_secs(step), FIVE).unwrap();
            let sum: f64 = series.points.iter().filter_map(|point| point.value).sum();
            let calls = u32::try_from(summary.total.finished()).unwrap();
            prop_assert!((sum - f64::from(calls)).abs() < 0.5);
        }
        let parts: u64 = summary.operations.iter().map(|operation| operation.started).sum();
        prop_assert_eq!(parts, calls.len() as u64);
    }
}
