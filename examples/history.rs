//! Asks a history file: the slowest calls, what fails, percentiles over time with a line drawn of blocks, groups of errors.
//!
//! ```sh
//! cargo run --release --example quickstart           # makes a file, the first time
//! cargo run --release --example history [FILE] [HOURS]
//! ```
//!
//! The file may be in use meanwhile: it is only read. Default: what `quickstart` keeps, of the last 24 hours.

#![expect(clippy::print_stderr, reason = "a program for the terminal")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};
use std::{env, io};

use monitor_core::{
    ErrorFilter, Figure, History, OperationFilter, PageRequest, Selection, SqliteHistory, StoredRecord, TimeRange,
};

/// Operations, calls and groups that are shown.
const SHOWN: u32 = 5;

const DEADLINE: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next().map_or_else(|| env::temp_dir().join("monitor-quickstart.db"), PathBuf::from);
    let hours = arguments.next().map_or(Some(24), |text| text.to_str().and_then(|text| text.parse().ok()));
    let Some(hours) = hours.filter(|hours| (1..=10_000).contains(hours)) else {
        eprintln!("usage: history [FILE] [HOURS], 1 to 10000 hours");
        return ExitCode::from(2);
    };
    let shown = SqliteHistory::open(&file).map_err(Into::into).and_then(|history| show(&history, hours));
    match shown {
        Ok(text) => match io::Write::write_all(&mut io::stdout(), text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::FAILURE,
            _ => ExitCode::SUCCESS,
        },
        Err(error) => {
            eprintln!("history: {}: {error}", file.display());
            ExitCode::FAILURE
        }
    }
}

fn show(history: &impl History, hours: u64) -> Result<String, Box<dyn Error>> {
    let now = SystemTime::now();
    let since = now.checked_sub(Duration::from_secs(hours * 3_600)).ok_or("that is before 1970")?;
    let range = TimeRange::since(since).until(now);
    let few = PageRequest::new().limit(SHOWN);
    let mut out = String::new();

    let runs = history.instances(&TimeRange::all(), &PageRequest::new().limit(1_000))?.entries;
    let cut_off = runs.iter().filter(|run| run.interrupted).count();
    writeln!(out, "{} runs, {cut_off} of them interrupted", runs.len())?;

    let summary = history.summary(&Selection::new(range), &few)?;
    writeln!(out, "\nlargest total time of the last {hours} h")?;
    for operation in &summary.operations {
        let p99 = Selection::new(range).name(&operation.name);
        let step = Duration::from_secs((hours * 3_600 / 48).div_ceil(60) * 60);
        let line = history.series(&p99, Figure::Percentile(0.99), step, DEADLINE)?;
        writeln!(
            out,
            "  {:34} {:>8} calls  {:>8.1?} p50  {:>8.1?} p99  {}",
            operation.name,
            operation.finished(),
            operation.percentile(0.5),
            operation.percentile(0.99),
            sparkline(&line.points.iter().map(|point| point.value).collect::<Vec<_>>()),
        )?;
    }

    // The limit is lowered until there are some: the slowest of those that are recorded individually.
    let mut limit = summary.total.max();
    let slowest = loop {
        let filter = OperationFilter::new().range(range).min_duration(limit);
        let found = history.operations(&filter, &few)?.entries;
        if found.len() >= SHOWN as usize || limit < Duration::from_micros(1) {
            break found;
        }
        limit /= 2;
    };
    records(&mut out, "slow calls", &slowest)?;
    let failed = history.operations(&OperationFilter::new().range(range).not_succeeded(), &few)?.entries;
    records(&mut out, "failed calls", &failed)?;

    writeln!(out, "\nerrors")?;
    for found in history.errors(&ErrorFilter::new().range(range), &few)?.entries {
        let group = &found.group;
        writeln!(out, "  {:>6} × {} in {}: {}", found.count_in_range, group.kind, group.place, group.pattern)?;
    }
    Ok(out)
}

fn records(out: &mut String, title: &str, records: &[StoredRecord]) -> Result<(), Box<dyn Error>> {
    writeln!(out, "\n{title}, the last first")?;
    for StoredRecord { record, .. } in records {
        let ago = record.started_at.elapsed().unwrap_or_default().as_secs();
        let why = record.error.as_ref().map_or("", |error| error.message.as_str());
        let trace = record.trace_id.map_or_else(String::new, |id| id.to_string());
        writeln!(out, "  {:34} {:>9.1?} {ago:>7} s ago  {trace}  {why}", record.name, record.duration)?;
    }
    Ok(())
}

/// A line of blocks, the highest for the largest value; a dot where there is none.
fn sparkline(values: &[Option<f64>]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let block = |value: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
        let height = (value / most * 7.0).round().clamp(0.0, 7.0) as usize;
        BLOCKS[height]
    };
    values.iter().map(|value| value.map_or('·', |value| if most > 0.0 { block(value) } else { '▁' })).collect()
}
