//! The history file: how this run did beside the one before.

use std::error::Error;
use std::fmt::Write;
use std::path::PathBuf;
use std::time::Duration;

use monitor_core::{
    Figures, History, HistorySummary, OperationStats, PageRequest, Selection, SqliteHistory, StoredInstance, TimeRange,
};

/// The name under which runs are found again.
pub(crate) const SERVICE: &str = "quickstart";

/// Operations that are compared.
const COMPARED: usize = 5;

/// Where the file is: with what the system may throw away.
pub(crate) fn path() -> PathBuf {
    std::env::temp_dir().join("monitor-quickstart.db")
}

/// Compares this run, which has been delivered, with the last one that ended in order.
pub(crate) fn write(out: &mut String) -> Result<(), Box<dyn Error>> {
    let path = path();
    let history = SqliteHistory::open(&path)?;
    let runs = history.instances(&TimeRange::all(), &PageRequest::new())?.entries;
    let mut runs = runs.into_iter().filter(|run| run.instance.service == SERVICE && !run.interrupted);
    let mine = |run: &StoredInstance| run.instance.pid == std::process::id();
    let this = runs.find(mine).ok_or("this run is not in the file")?;
    let Some(last) = runs.find(|run| run.ended_at.is_some()) else {
        writeln!(out, "\nhistory: kept in {}; a second run compares itself with this one", path.display())?;
        return Ok(());
    };
    let of = |run: &StoredInstance| {
        let selection = Selection::new(TimeRange::all()).run(run.instance.run.as_str());
        history.summary(&selection, &PageRequest::new())
    };
    let (now, before) = (of(&this)?, of(&last)?);
    writeln!(out, "\nthis run / last run, from {}", path.display())?;
    writeln!(out, "{:36} {:>19} {:>23} {:>13}", "", "calls", "p99", "failures")?;
    for operation in now.operations.iter().take(COMPARED) {
        line(out, &operation.name, operation.figures(), figures_of(&before, &operation.name))?;
    }
    line(out, "all", &now.total, Some(&before.total))?;
    Ok(())
}

fn figures_of<'a>(summary: &'a HistorySummary, name: &str) -> Option<&'a Figures> {
    summary.operations.iter().find(|operation| operation.name == name).map(OperationStats::figures)
}

fn line(out: &mut String, name: &str, now: &Figures, before: Option<&Figures>) -> std::fmt::Result {
    let failures = |figures: &Figures| figures.finished() - figures.succeeded;
    let pair =
        |read: &dyn Fn(&Figures) -> String| format!("{} / {}", read(now), before.map_or_else(|| "-".to_owned(), read));
    let calls = pair(&|figures| figures.finished().to_string());
    let p99 = pair(&|figures| rounded(figures.percentile(0.99)));
    let failed = pair(&|figures| failures(figures).to_string());
    writeln!(out, "{name:36} {calls:>19} {p99:>23} {failed:>13}")
}

fn rounded(duration: Duration) -> String {
    format!("{duration:.1?}")
}
