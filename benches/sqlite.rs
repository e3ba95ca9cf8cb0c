//! A history in a SQLite file: what writing it costs, how large it is, how quickly it answers, and what becomes of calls
//! while the file does not do.
//!
//! `cargo bench -p benches --bench sqlite`, with a word (`write`, `calls`, `queries`, `open`, `retention`, `faults`) for that
//! part alone. The file that is asked is kept in the target folder; `BENCH_RECORDS` says how many records it has.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a bench talks to the terminal")]

use std::path::Path;
use std::time::Duration;

use benches::budgets::Verdict;
use benches::history::file::HistoryFile;
use benches::history::queries::{Group, Taken};
use benches::history::{OPERATIONS, calls, file, opening, queries, retention, writing};
use benches::options::Options;
use benches::rounds::Plan;
use benches::{BenchResult, machine, markdown, table};

/// What the two columns are called, and the rows.
type Table = (&'static str, &'static str, Vec<(String, String)>);

/// What was measured, in words.
#[derive(Default)]
struct Report {
    tables: Vec<Table>,
    verdicts: Vec<Verdict>,
    lines: Vec<String>,
}

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(folder)?;
    let mut report = Report::default();
    if options.wants("write") {
        eprintln!("records stored");
        write(folder, &options, &mut report)?;
    }
    let mut rows = Vec::new();
    if options.wants("calls") {
        let plan = if options.short { Plan::short() } else { Plan::full() };
        rows = calls::cost(folder, &plan, |round| eprintln!("calls: round {round} of {}", plan.rounds))?;
        report.verdicts.extend(calls::verdicts(&rows));
    }
    if ["queries", "open", "retention"].iter().any(|part| options.wants(part)) {
        let file = file::ready(folder, file::wanted(options.short)?, |what| eprintln!("making the file: {what}"))?;
        of_file(folder, &file, &options, &mut report)?;
    }
    if options.wants("faults") {
        eprintln!("files that are full, locked, damaged");
        faults(folder, &options, &mut report)?;
    }
    show(&options, &rows, &report);
    Ok(())
}

fn write(folder: &Path, options: &Options, report: &mut Report) -> BenchResult {
    let (batches, rounds) = if options.short { (4, 2) } else { (40, 5) };
    let written = writing::compare(folder, batches, rounds)?;
    let share = written.bare.as_secs_f64() / written.ours.as_secs_f64();
    let thousands = |took| format!("{:.0},000", written.rate(took) / 1e3);
    let rows = vec![
        ("the sink, in batches of 5,000".to_owned(), thousands(written.ours)),
        ("`rusqlite` alone, the same rows, indexes and transactions".to_owned(), thousands(written.bare)),
    ];
    report.tables.push(("records", "stored a second", rows));
    // As a limit from above, like the others.
    report.verdicts.push(verdict(
        "sqlite_write",
        "the bare loop to the sink, records a second",
        1.0 / 0.7,
        1.0 / share,
        "",
    ));
    report.verdicts.push(verdict("sqlite_bytes", "a record with all indexes", 120.0, written.bytes_each(), "bytes"));
    let (ours, bare) = (written.rate(written.ours), written.rate(written.bare));
    report.lines.push(format!(
        "bench sqlite_write records={} ours_per_s={ours:.0} bare_per_s={bare:.0} share={share:.3} bytes_each={:.1}",
        written.records,
        written.bytes_each()
    ));
    Ok(())
}

fn verdict(name: &'static str, what: &'static str, limit: f64, measured: f64, unit: &'static str) -> Verdict {
    Verdict { name, what, limit, measured, unit }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn of_file(folder: &Path, file: &HistoryFile, options: &Options, report: &mut Report) -> BenchResult {
    let megabytes = std::fs::metadata(&file.path)?.len() / 1_000_000;
    report.lines.push(format!("bench sqlite_file records={} megabytes={megabytes}", file.records));
    if options.wants("queries") {
        eprintln!("questions");
        let groups = queries::ask_all(file, if options.short { 1 } else { 7 })?;
        asked(&groups, file, report);
    }
    if options.wants("open") {
        let opened = opening::open(file, 5)?;
        report.verdicts.push(verdict(
            "sqlite_open_read",
            "opening it to read, longest of 5",
            100.0,
            ms(opened.to_read),
            "ms",
        ));
        report.verdicts.push(verdict(
            "sqlite_open_write",
            "opening it to write, longest of 5",
            100.0,
            ms(opened.to_write),
            "ms",
        ));
    }
    if options.wants("retention") {
        eprintln!("retention");
        let removed = retention::measure(folder, file, 1_000_000)?;
        let rows = vec![
            ("the sink's thread at work, pauses included".to_owned(), format!("{:.1} s", removed.worked.as_secs_f64())),
            ("the file before".to_owned(), format!("{} MB", removed.bytes[0] / 1_000_000)),
            ("the file after".to_owned(), format!("{} MB", removed.bytes[1] / 1_000_000)),
        ];
        report.tables.push(("the oldest million records (or half of them) removed", "", rows));
        let longest = ms(removed.longest_lock);
        report.verdicts.push(verdict(
            "sqlite_retention_lock",
            "longest lock while they are removed",
            50.0,
            longest,
            "ms",
        ));
        report.lines.push(format!(
            "bench sqlite_retention records={} longest_lock_ms={longest:.1} worked_s={:.2} before={} after={}",
            removed.records,
            removed.worked.as_secs_f64(),
            removed.bytes[0],
            removed.bytes[1]
        ));
    }
    Ok(())
}

fn asked(groups: &[Group], file: &HistoryFile, report: &mut Report) {
    let mut rows = Vec::new();
    for group in groups {
        let limit = if group.what == "screenful" { 50.0 } else { 20.0 };
        let Some(slowest) = group.slowest() else { continue };
        rows.push((
            format!("{}: {} questions; slowest: {}", group.what, group.taken.len(), slowest.question),
            format!("{:.1} / {:.1} / {:.1} ms", ms(slowest.median), ms(group.worst()), ms(group.worst_first())),
        ));
        let (name, what) = match group.what {
            "screenful" => ("sqlite_screen", "the slowest screenful, median"),
            "first page of records" => ("sqlite_first_page", "the slowest first page of a filter, median"),
            "second page" => ("sqlite_second_page", "the slowest second page, median"),
            _ => ("sqlite_later_page", "the slowest page in the midst, median"),
        };
        report.verdicts.push(verdict(name, what, limit, ms(slowest.median), "ms"));
        for Taken { question, first, least, median, worst } in &group.taken {
            report.lines.push(format!(
                "bench sqlite_query group={:?} question={question:?} first_ms={:.2} least_ms={:.2} median_ms={:.2} worst_ms={:.2}",
                group.what, ms(*first), ms(*least), ms(*median), ms(*worst)
            ));
        }
    }
    for (name, part) in [
        ("percentiles by hour of 40 operations", "p99 by hour of 30 days, 40"),
        ("percentiles by hour of all 200", "p99 by hour of 30 days, all"),
    ] {
        let found = groups.iter().flat_map(|group| &group.taken).find(|taken| taken.question.starts_with(part));
        if let Some(Taken { first, median, worst, .. }) = found {
            rows.push((name.to_owned(), format!("{:.1} / {:.1} / {:.1} ms", ms(*median), ms(*worst), ms(*first))));
        }
    }
    let millions = format!("{:.1} million", f64::from(u32::try_from(file.records).unwrap_or(u32::MAX)) / 1e6);
    rows.insert(
        0,
        (format!("(a file of {millions} records and 30 days of rollups of {OPERATIONS} operations)"), String::new()),
    );
    report.tables.push(("questions", "median / worst / first time", rows));
}

fn faults(folder: &Path, options: &Options, report: &mut Report) -> BenchResult {
    // The sink notices after a second or two, and a locked file after two more.
    let seconds = |short, full| Duration::from_secs(if options.short { short } else { full });
    let (phase, locked) = (seconds(2, 10), seconds(4, 30));
    let mut rows = Vec::new();
    for fault in calls::faults(folder, phase, locked)? {
        let [before, during, after] = fault.slowest.map(|time| time.as_nanos());
        rows.push((
            format!("{}{}", fault.what, if fault.noticed { "" } else { " (not noticed)" }),
            format!("{before} / {during} / {after} ns"),
        ));
        let name = match fault.what.split(' ').next() {
            Some("disk") => "sqlite_full",
            _ if fault.what.contains("locked") => "sqlite_locked",
            _ => "sqlite_damaged",
        };
        let ratio = fault.slowest[1].as_secs_f64() / fault.slowest[0].as_secs_f64();
        report.verdicts.push(verdict(name, fault.what, 2.0, ratio, ""));
        report.lines.push(format!(
            "bench sqlite_fault what={:?} p999_before_ns={before} p999_during_ns={during} p999_after_ns={after} noticed={}",
            fault.what, fault.noticed
        ));
    }
    report.tables.push(("99.9 % of guards take less than", "before / during / after", rows));
    Ok(())
}

fn show(options: &Options, rows: &[benches::rounds::Row], report: &Report) {
    if options.markdown {
        let mut tables = if rows.is_empty() { String::new() } else { markdown::record_table(rows) };
        for (left, right, rows) in &report.tables {
            let rows: Vec<(&str, String)> = rows.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            tables.push('\n');
            tables.push_str(&markdown::pairs(left, right, &rows));
        }
        print!("{}", markdown::section("A history in a file (`sqlite`)", tables.trim_start(), &report.verdicts));
        return;
    }
    println!("{}\n", machine::describe());
    if !rows.is_empty() {
        println!("{}", table::text(rows));
    }
    for (left, right, rows) in &report.tables {
        println!("{left}: {right}");
        for (name, value) in rows {
            println!("  {name:100} {value:>28}");
        }
    }
    println!();
    for verdict in &report.verdicts {
        println!("{verdict}");
    }
    println!();
    print!("{}", table::machine_lines("sqlite", rows));
    for line in &report.lines {
        println!("{line}");
    }
    for verdict in &report.verdicts {
        println!("{}", verdict.machine_line());
    }
}
