//! What ran when a snapshot was taken, as lines for a terminal.

use std::fmt::{self, Write};

use monitor_core::{ActiveOperation, Snapshot};

const LINES: usize = 8;

/// A line for each call that has none inside it: where it is (its thread, or `suspended` for a future that waits), and
/// the calls that it was made in, the outermost first, each with its age.
pub(crate) fn write(out: &mut impl Write, snapshot: &Snapshot) -> fmt::Result {
    let active = snapshot.active();
    let is_innermost = |call: &&ActiveOperation| !active.iter().any(|other| other.parent == Some(call.id));
    let innermost: Vec<_> = active.iter().filter(is_innermost).collect();
    for call in innermost.iter().take(LINES) {
        let mut chain = described(call);
        let mut inside = call.parent;
        while let Some(parent) = active.iter().find(|other| Some(other.id) == inside) {
            chain = format!("{} › {chain}", described(parent));
            inside = parent.parent;
        }
        writeln!(out, "  {:<16} {chain}", call.thread.as_deref().unwrap_or(call.state.as_str()))?;
    }
    match innermost.len().checked_sub(LINES) {
        Some(more @ 1..) => writeln!(out, "  and {more} more"),
        _ => Ok(()),
    }
}

/// Name without the module, labels, age.
fn described(call: &ActiveOperation) -> String {
    let name = call.name.rsplit("::").next().unwrap_or_default();
    let labels = call.labels.values().map(String::as_str);
    let words: Vec<_> = [name].into_iter().chain(labels).collect();
    format!("{} {:.1?}", words.join(" "), call.age)
}
