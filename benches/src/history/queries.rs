//! Questions of a screen each, and how long they take.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use monitor_core::{
    ErrorFilter, Figure, Fingerprint, History, HistoryError, OperationFilter, Outcome, PageKey, PageRequest, Selection,
    SortOrder, SqliteHistory, TimeRange, TraceId,
};

use super::file::{BEGIN_NS, END_NS, HistoryFile};
use crate::BenchResult;

const DEADLINE: Duration = Duration::from_mins(1);

/// How long a question takes.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What was asked.
    pub question: String,
    /// The first time, when nothing of it is in the memory of the connection.
    pub first: Duration,
    /// The shortest of the next times.
    pub least: Duration,
    /// The median of the next times.
    pub median: Duration,
    /// The worst of the next times.
    pub worst: Duration,
}

/// One of the groups that questions are in.
#[derive(Clone, Debug)]
pub struct Group {
    /// What the questions are.
    pub what: &'static str,
    /// What was measured of each.
    pub taken: Vec<Taken>,
}

impl Group {
    /// The question with the largest median.
    #[must_use]
    pub fn slowest(&self) -> Option<&Taken> {
        self.taken.iter().max_by_key(|taken| taken.median)
    }

    /// The longest that any question took, the first times left out.
    #[must_use]
    pub fn worst(&self) -> Duration {
        self.taken.iter().map(|taken| taken.worst).max().unwrap_or_default()
    }

    /// The longest that any question took the first time.
    #[must_use]
    pub fn worst_first(&self) -> Duration {
        self.taken.iter().map(|taken| taken.first).max().unwrap_or_default()
    }
}

/// Asks everything, so many times each.
///
/// # Errors
///
/// When a question is answered by an error.
pub fn ask_all(file: &HistoryFile, times: usize) -> BenchResult<Vec<Group>> {
    let mut first_pages = Vec::new();
    let mut second_pages = Vec::new();
    let mut deep_pages = Vec::new();
    for (name, filter) in filters(file) {
        for (direction, order) in [("newest first", SortOrder::NewestFirst), ("oldest first", SortOrder::OldestFirst)] {
            let page = PageRequest::new().order(order).deadline(DEADLINE);
            let question = format!("{name}, {direction}");
            let ask = |history: &SqliteHistory, page: &PageRequest| {
                let answer = history.operations(&filter, page)?;
                Ok::<_, HistoryError>((answer.entries.len(), answer.next))
            };
            let (taken, next) = timed(file, &question, times, |history| ask(history, &page))?;
            first_pages.push(taken);
            if let Some(next) = next {
                let page = page.clone().after(next);
                second_pages.push(timed(file, &question, times, |history| ask(history, &page))?.0);
                for (part, of) in [(1, 4), (2, 4), (3, 4)] {
                    let direction = if order == SortOrder::NewestFirst { 'n' } else { 'o' };
                    let after: PageKey = format!("{direction}0-{:x}", file.records / of * part).parse()?;
                    let page = page.clone().after(after);
                    let question = format!("{question}, {part}/{of} of the way");
                    deep_pages.push(timed(file, &question, times, |history| ask(history, &page))?.0);
                }
            }
        }
    }
    Ok(vec![
        Group { what: "screenful", taken: screens(file, times)? },
        Group { what: "first page of records", taken: first_pages },
        Group { what: "second page", taken: second_pages },
        Group { what: "page in the midst", taken: deep_pages },
    ])
}

fn timed<T>(
    file: &HistoryFile,
    question: &str,
    times: usize,
    mut ask: impl FnMut(&SqliteHistory) -> Result<(usize, T), HistoryError>,
) -> BenchResult<(Taken, T)> {
    let history = SqliteHistory::open(&file.path)?;
    let mut once = || {
        let start = Instant::now();
        let answer = black_box(ask(&history));
        (start.elapsed(), answer)
    };
    let (first, answer) = once();
    let (entries, value) = answer.map_err(|error| format!("{question}: {error}"))?;
    let mut taken: Vec<_> = (0..times).map(|_| once().0).collect();
    taken.sort_unstable();
    let median = taken.get(taken.len() / 2).copied().unwrap_or(first);
    let least = taken.first().copied().unwrap_or(first);
    let worst = taken.last().copied().unwrap_or(first);
    Ok((Taken { question: format!("{question} ({entries})"), first, least, median, worst }, value))
}

fn at(ns: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(ns.unsigned_abs())
}

fn hours(from: i64, until: i64) -> TimeRange {
    let hour = 3_600_000_000_000;
    TimeRange::since(at(BEGIN_NS + from * hour)).until(at(BEGIN_NS + until * hour))
}

fn filters(file: &HistoryFile) -> Vec<(&'static str, OperationFilter)> {
    let f = OperationFilter::new;
    let (us, ms, s) = (Duration::from_micros, Duration::from_millis, Duration::from_secs);
    let trace = |n: u64| TraceId::new(u128::from(0x5DEE_CE66_D1CE_4E5B_u64.wrapping_add(n)) << 64 | 1);
    let run = |id: i64| format!("{id:032x}");
    let mut filters = vec![
        ("everything", f()),
        ("an hour", f().range(hours(300, 301))),
        ("an hour, failed", f().range(hours(300, 301)).outcome(Outcome::Failure)),
        ("before there was anything", f().range(hours(-100, -1))),
        ("frequent name", f().name("part0.op0")),
        ("seldom name", f().name("part4.op190")),
        ("name of the first hours", f().name("part4.op199")),
        ("unknown name", f().name("nowhere")),
        ("prefix", f().name_prefix("part3.")),
        ("prefix of all", f().name_prefix("part")),
        ("kind", f().kind("database")),
        ("kind and component", f().kind("database").component("part4")),
        ("kind, in an hour", f().kind("database").range(hours(300, 301))),
        ("not succeeded", f().not_succeeded()),
        ("panicked", f().outcome(Outcome::Panicked)),
        ("interrupted", f().outcome(Outcome::Interrupted)),
        ("interrupted, frequent name", f().outcome(Outcome::Interrupted).name("part0.op1")),
        ("failed, name that never fails", f().outcome(Outcome::Failure).name("part0.op10")),
        ("failed, kind with few failures", f().outcome(Outcome::Panicked).kind("database")),
        ("succeeded or panicked", f().outcome(Outcome::Success).outcome(Outcome::Panicked)),
        ("at least 1 ms", f().min_duration(ms(1))),
        ("at least 1 s", f().min_duration(s(1))),
        ("at least 4 s", f().min_duration(s(4))),
        ("at least 12 s", f().min_duration(s(12))),
        ("at least 20 min, the first hours alone", f().min_duration(s(1_200))),
        ("at least 2 h, which nothing took", f().min_duration(s(7_200))),
        ("at most 8 µs", f().max_duration(us(8))),
        ("at most 4 µs", f().max_duration(us(4))),
        ("at most 1 ns", f().max_duration(Duration::from_nanos(1))),
        ("1.50 to 1.5001 ms", f().min_duration(us(1_500)).max_duration(Duration::from_nanos(1_500_100))),
        ("1.50 to 1.51 ms", f().min_duration(us(1_500)).max_duration(us(1_510))),
        ("30 to 40 ms", f().min_duration(ms(30)).max_duration(ms(40))),
        ("a nanosecond of many", f().min_duration(us(100)).max_duration(us(100))),
        ("frequent name, at least 100 ms", f().name("part0.op0").min_duration(ms(100))),
        ("frequent name, at least 1.3 ms", f().name("part0.op0").min_duration(us(1_300))),
        ("frequent name, at least 2 h", f().name("part0.op0").min_duration(s(7_200))),
        ("seldom name, at least its 99th", f().name("part4.op190").min_duration(ms(5))),
        ("kind, at least 4 s", f().kind("http").min_duration(s(4))),
        ("kind, 1.50 to 1.51 ms", f().kind("http").min_duration(us(1_500)).max_duration(us(1_510))),
        (
            "component, 1.50 to 1.5001 ms",
            f().component("part4").min_duration(us(1_500)).max_duration(Duration::from_nanos(1_500_100)),
        ),
        ("failed, at least 4 s", f().outcome(Outcome::Failure).min_duration(s(4))),
        ("failed, 1.50 to 1.51 ms", f().outcome(Outcome::Failure).min_duration(us(1_500)).max_duration(us(1_510))),
        ("panicked, at least 1 s", f().outcome(Outcome::Panicked).min_duration(s(1))),
        ("an hour, at least 1 s", f().range(hours(300, 301)).min_duration(s(1))),
        ("first day, 1.50 to 1.51 ms", f().range(hours(0, 24)).min_duration(us(1_500)).max_duration(us(1_510))),
        ("run", f().run(run(7))),
        ("run, at least 1 s", f().run(run(7)).min_duration(s(1))),
        (
            "run, 1.50 to 1.5001 ms",
            f().run(run(7)).min_duration(us(1_500)).max_duration(Duration::from_nanos(1_500_100)),
        ),
        ("service of three runs", f().service("nightly")),
        ("service, seldom name, failed", f().service("nightly").name("part4.op189").outcome(Outcome::Failure)),
        ("field that few have", f().field("user", "u5")),
        ("field that many have", f().field("region", "r2")),
        ("both fields", f().field("region", "r2").field("user", "u5")),
        ("field that none has", f().field("user", "nobody")),
        ("field, seldom name", f().field("region", "r2").name("part4.op190")),
        ("field, interrupted", f().field("region", "r2").outcome(Outcome::Interrupted)),
        ("field, at least 4 s", f().field("region", "r2").min_duration(s(4))),
        ("field, 1.50 to 1.51 ms", f().field("region", "r2").min_duration(us(1_500)).max_duration(us(1_510))),
        (
            "field, kind, failed, a day",
            f().field("region", "r1").kind("http").outcome(Outcome::Failure).range(hours(48, 72)),
        ),
        ("prefix, failed, at least 1 s", f().name_prefix("part2.").outcome(Outcome::Failure).min_duration(s(1))),
    ];
    for (name, at) in [("trace", file.records / 8), ("trace that is not", u64::MAX / 2)] {
        if let Some(trace) = trace(at) {
            filters.push((name, f().trace_id(trace)));
        }
    }
    filters
}

fn screens(file: &HistoryFile, times: usize) -> BenchResult<Vec<Taken>> {
    let page = PageRequest::new().deadline(DEADLINE);
    let (hour, day) = (Duration::from_hours(1), Duration::from_hours(24));
    let (month, last_day) = (hours(0, 720), hours(696, 720));
    let odd = TimeRange::since(at(BEGIN_NS + 1_234_567_890_123)).until(at(END_NS - 7_654_321_000_000));
    let mut taken = Vec::new();
    let mut ask = |question: &str, ask: &dyn Fn(&SqliteHistory) -> Result<usize, HistoryError>| -> BenchResult {
        taken.push(timed(file, question, times, |history| Ok((ask(history)?, ())))?.0);
        Ok(())
    };
    ask("dashboard", &|history| history.dashboard_summary(DEADLINE).map(|answer| answer.operations.len()))?;
    for (name, range) in
        [("an hour", hours(710, 711)), ("the last day", last_day), ("30 days", month), ("30 days, odd ends", odd)]
    {
        for (of, selection) in [
            ("all", Selection::new(range)),
            ("a kind", Selection::new(range).kind("database")),
            ("an operation", Selection::new(range).name("part0.op1")),
        ] {
            ask(&format!("summary of {name}, {of}"), &|history| {
                history.summary(&selection, &page).map(|answer| answer.operations.len())
            })?;
            ask(&format!("figures of {name}, {of}"), &|history| {
                history.figures(&selection, DEADLINE).map(|answer| usize::from(answer.figures.started > 0))
            })?;
        }
    }
    for (name, figure) in
        [("p99", Figure::Percentile(0.99)), ("calls", Figure::Calls), ("mean", Figure::Mean), ("slowest", Figure::Max)]
    {
        for (of, selection) in [
            ("all", Selection::new(month)),
            ("40 operations", Selection::new(month).kind("database")),
            ("12 operations", Selection::new(month).name_prefix("part0.op1")),
            ("an operation", Selection::new(month).name("part0.op1")),
            ("a service", Selection::new(month).service("nightly")),
        ] {
            ask(&format!("{name} by hour of 30 days, {of}"), &|history| {
                history.series(&selection, figure, hour, DEADLINE).map(|answer| answer.points.len())
            })?;
        }
        let selection = Selection::new(month);
        ask(&format!("{name} by day of 30 days, all"), &|history| {
            history.series(&selection, figure, day, DEADLINE).map(|answer| answer.points.len())
        })?;
        let selection = Selection::new(last_day);
        ask(&format!("{name} by 5 minutes of the last day, all"), &|history| {
            history.series(&selection, figure, Duration::from_mins(5), DEADLINE).map(|answer| answer.points.len())
        })?;
        let selection = Selection::new(hours(710, 711));
        ask(&format!("{name} by 10 s of an hour, all"), &|history| {
            history.series(&selection, figure, Duration::from_secs(10), DEADLINE).map(|answer| answer.points.len())
        })?;
    }
    for (name, filter) in [
        ("errors", ErrorFilter::new()),
        ("errors of the last day", ErrorFilter::new().range(last_day)),
        ("errors by text", ErrorFilter::new().text("failed 19")),
        ("errors by text that none has", ErrorFilter::new().text("nothing")),
    ] {
        ask(name, &|history| history.errors(&filter, &page).map(|answer| answer.entries.len()))?;
    }
    ask("samples of an error", &|history| {
        history.error_samples(Fingerprint::given("7"), &page).map(|answer| answer.entries.len())
    })?;
    ask("runs", &|history| history.instances(&TimeRange::all(), &page).map(|answer| answer.entries.len()))?;
    Ok(taken)
}
