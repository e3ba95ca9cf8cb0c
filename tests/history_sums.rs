//! Sums of all series together, held against those of each.
#![allow(clippy::unwrap_used, reason = "the helpers of tests fail as tests do")]

mod sqlite_support;

use std::time::{Duration, SystemTime};

use monitor_core::{
    Figure, History as _, HistoryFigures, Retention, Selection, SeriesPoint, Sink as _, SqliteHistory, SqliteOptions,
    SqliteSink, TimeRange,
};
use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};
use sqlite_support::{Folder, SECOND, T0, batch, instance, keep_at, rollup};

const LONG: Duration = Duration::from_secs(30);

const FIGURES: [Figure; 12] = [
    Figure::Calls,
    Figure::Failures,
    Figure::FailureRate,
    Figure::Mean,
    Figure::Max,
    Figure::Percentile(0.0),
    Figure::Percentile(0.5),
    Figure::Percentile(0.99),
    Figure::Items,
    Figure::Bytes,
    Figure::BusyTime,
    Figure::SelfTime,
];

/// Calls of a series in a step of ten seconds of a run.
#[derive(Clone, Debug)]
struct Calls {
    run: usize,
    series: u8,
    step: i64,
    durations: Vec<u64>,
    /// How many of them did not succeed, of each sort as far as there are so many.
    outcomes: [usize; 3],
    amounts: [u32; 4],
    /// The run dies after it, and the next of its calls are those of another one.
    dies: bool,
}

fn calls() -> impl Strategy<Value = Vec<Calls>> {
    // Close to each other, and over some days.
    let step = prop_oneof![4 => 0_i64..40, 2 => 0_i64..2_000, 1 => 0_i64..25_000];
    let series = prop_oneof![0_u8..3, 0_u8..30];
    let what = (0_usize..3, series, step, prop::bool::weighted(0.1));
    let durations = prop::collection::vec(prop_oneof![1_u64..2_000, 1_u64..10_000_000_000], 0..4);
    let one = (what, durations, prop::array::uniform3(0_usize..2), prop::array::uniform4(0_u32..5_000));
    let one = one.prop_map(|((run, series, step, dies), durations, outcomes, amounts)| Calls {
        run,
        series,
        step,
        durations,
        outcomes,
        amounts,
        dies,
    });
    let sorted = (prop::collection::vec(one, 1..50), any::<bool>()).prop_map(|(mut calls, sorted)| {
        // Else some come after their step was folded.
        if sorted {
            calls.sort_by_key(|calls| calls.step);
        }
        calls
    });
    sorted.boxed()
}

fn at(ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns.unsigned_abs())
}

impl Calls {
    fn start_ns(&self) -> i64 {
        T0 + self.step * 10 * SECOND
    }

    fn rollup(&self) -> Value {
        let mut rollup = rollup(&format!("op{}", self.series), self.start_ns(), &self.durations);
        let mut left = self.durations.len();
        let [failed, panicked, cancelled] = self.outcomes.map(|wanted| {
            let taken = wanted.min(left);
            left -= taken;
            taken
        });
        let [items, bytes, busy, own] = self.amounts;
        let figures = json!({
            "succeeded": left, "failed": failed, "panicked": panicked, "cancelled": cancelled, "items": items,
            "bytes": bytes, "busy_time_ns": busy, "self_time_ns": own,
        });
        let (Some(into), Value::Object(figures)) = (rollup["figures"].as_object_mut(), figures) else { return rollup };
        into.extend(figures);
        rollup
    }
}

fn open(folder: &Folder, run: &str) -> SqliteSink {
    let mut sink = SqliteSink::new(folder.file());
    sink.open(&instance(run)).unwrap();
    sink
}

/// Writes calls, by runs that live at the same time. Those that are left alive have open steps.
fn write(folder: &Folder, sinks: &mut [Option<SqliteSink>; 3], calls: &[Calls], first_number: usize) {
    for (number, calls) in (first_number..).zip(calls) {
        let sink = &mut sinks[calls.run];
        let open = sink.get_or_insert_with(|| open(folder, &format!("run{number}")));
        open.write(&batch(calls.start_ns() + SECOND, json!({ "rollups": [calls.rollup()] }))).unwrap();
        if calls.dies {
            // Without `close`, as at the end of a process that is killed. Who opens the file next finds it dead.
            *sink = None;
        }
    }
}

/// Removes what is older than that, of one sort of steps.
fn remove(folder: &Folder, now_ns: i64, tier: usize, age: Duration) {
    let never = Duration::MAX;
    let retention = match tier {
        0 => Retention::forever().figures(age, never, never),
        1 => Retention::forever().figures(age, age, never),
        _ => Retention::forever().figures(age, age, age),
    };
    let mut sink = SqliteSink::with(SqliteOptions::new(folder.file()).retention(retention));
    sink.open(&instance("keeper")).unwrap();
    keep_at(&mut sink, &folder.file(), now_ns);
    sink.close().unwrap();
}

/// The same without a word about series, and with one that all of them fit: that is read from each.
fn both(history: &SqliteHistory, selection: &Selection, figure: Figure, step: Duration) -> [Vec<SeriesPoint>; 2] {
    [selection.clone(), selection.clone().name_prefix("op")]
        .map(|selection| history.series(&selection, figure, step, LONG).unwrap().points)
}

fn both_whole(history: &SqliteHistory, selection: &Selection) -> [HistoryFigures; 2] {
    [selection.clone(), selection.clone().name_prefix("op")].map(|selection| history.figures(&selection, LONG).unwrap())
}

fn selections(folder: &Folder, range: TimeRange) -> Vec<Selection> {
    let sql = Connection::open(folder.file()).unwrap();
    let mut statement = sql.prepare("SELECT run FROM instances LIMIT 3").unwrap();
    let runs = statement.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let of_runs = runs.map(|run| Selection::new(range).run(run.unwrap()));
    [Selection::new(range), Selection::new(range).service("api"), Selection::new(range).service("nowhere")]
        .into_iter()
        .chain(of_runs)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn sums_of_all_series_are_those_of_each_together(
        first in calls(),
        second in calls(),
        kept in proptest::option::of((0_usize..3, 0_i64..70)),
        sums_stay in any::<bool>(),
        (since, length) in (0_i64..30_000, 1_i64..9_000),
    ) {
        let folder = Folder::new("sums");
        let path = folder.file();
        let mut sinks = [None, None, None];
        write(&folder, &mut sinks, &first, 0);
        if let Some((tier, hours)) = kept {
            let old = folder.path().join("old.db");
            let sql = Connection::open(&path).unwrap();
            sql.execute("VACUUM INTO ?1", [old.to_str()]).unwrap();
            let newest = first.iter().map(Calls::start_ns).max().unwrap();
            remove(&folder, newest + SECOND, tier, Duration::from_secs(hours.unsigned_abs() * 3_600 + 30));
            if sums_stay {
                // As where the process ended before it came to them.
                sql.execute("ATTACH ?1 AS old", [old.to_str()]).unwrap();
                sql.execute("INSERT OR IGNORE INTO rollups_of_all SELECT * FROM old.rollups_of_all", []).unwrap();
            }
        }
        // Some come for steps that are folded, or gone.
        write(&folder, &mut sinks, &second, first.len());
        let history = SqliteHistory::open(&path).unwrap();
        for (seconds, range) in [
            (60, [since / 2, since / 2 + length]),
            (300, [since, since + 10 * length]),
            (3_600, [0, 250_000]),
            (86_400, [0, 250_000]),
        ] {
            let [since, until] = range.map(|seconds| at(T0 + seconds * SECOND));
            let range = TimeRange::since(since).until(until);
            for selection in selections(&folder, range) {
                let [together, each] = both_whole(&history, &selection);
                prop_assert_eq!(together, each, "{:?}", selection);
                for figure in FIGURES {
                    let [together, each] = both(&history, &selection, figure, Duration::from_secs(seconds));
                    prop_assert_eq!(together, each, "{:?} by {} s, {:?}", figure, seconds, selection);
                }
            }
        }
        drop(sinks);
    }
}
