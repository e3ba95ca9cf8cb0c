//! What the program prints.

use std::fmt::{self, Write};
use std::path::Path;

use monitor_core::{Outcome, Snapshot, monitor};

use crate::active;
use crate::indexer::{Index, Work};

/// Failed files that are named.
const FAILURES_SHOWN: usize = 3;

/// One screen: what was done, the table, what ran half-way, what failed.
pub(crate) fn write(out: &mut impl Write, (root, threads): (&Path, usize), index: &Index, done: &Work) -> fmt::Result {
    let words: u64 = index.words.values().sum();
    writeln!(
        out,
        "{}: {} files indexed on {threads} threads, {} different; {words} words, {} different; {} not indexed",
        root.display(),
        index.files,
        index.contents.len(),
        index.words.len(),
        index.not_indexed,
    )?;
    let snapshot = monitor().snapshot();
    extensions(out, &snapshot)?;
    writeln!(out, "\n{snapshot}")?;
    writeln!(out)?;
    failures(out)?;
    if let Some(then) = done.half_way() {
        writeln!(out, "\nhalf-way, with {} files done, there ran", done.half())?;
        active::write(out, then)?;
    }
    Ok(())
}

/// One operation by its label, the five largest. `{:#}` of a snapshot has the whole table with each label set.
fn extensions(out: &mut impl Write, snapshot: &Snapshot) -> fmt::Result {
    let Some(files) = snapshot.operation("quickstart::indexer::index_file") else { return Ok(()) };
    write!(out, "files by extension (p50):")?;
    for series in files.series.iter().take(5) {
        let extension = series.labels.get("extension").map_or("", String::as_str);
        write!(out, "  {extension} {} ({:.0?})", series.started, series.percentile(0.5))?;
    }
    writeln!(out)
}

/// The files that failed last. Individual records are kept of calls that went wrong, within a budget; the errors below
/// `index_file` have records of their own, but no path.
fn failures(out: &mut impl Write) -> fmt::Result {
    let records = monitor().recent(usize::MAX);
    let failed = records.iter().filter(|record| record.outcome == Outcome::Failure);
    let paths = failed.filter_map(|record| Some((record, record.fields.iter().find(|(key, _)| key == "path")?)));
    for (record, (_, path)) in paths.take(FAILURES_SHOWN) {
        let error = record.error.as_ref();
        let why = error.map_or("", |error| error.message.as_str());
        let cause = error.and_then(|error| error.sources.first()).map_or("", String::as_str);
        writeln!(out, "failed: {path}: {why}: {cause}")?;
    }
    Ok(())
}
