//! What the program prints.

use std::fmt::Write as _;

use monitor_core::{ProgressStats, Snapshot};

/// One line: how far, how fast, how long yet.
pub(crate) fn progress_line(stats: &ProgressStats) -> String {
    let mut line = format!("copying {} of {}", stats.done, stats.total.unwrap_or(0));
    let _ = write!(line, " ({:.0} %)", stats.fraction().unwrap_or(0.0) * 100.0);
    if let Some(rate) = stats.rate {
        let _ = write!(line, ", {rate:.0} files/s");
    }
    match stats.eta {
        Some(eta) => line + &format!(", {eta:.1?} left"),
        None => line + ", time left unknown",
    }
}

/// The states with their times, and the errors by group with what is known of the newest.
pub(crate) fn text(snapshot: &Snapshot) -> String {
    let mut text = String::from("\nstates\n");
    for machine in snapshot.state_machines() {
        for state in machine.states.iter().filter(|state| state.entered > 0) {
            let _ = writeln!(text, "  {:<12} entered {}, {:.1?}", state.name, state.entered, state.total_time);
        }
        for made in &machine.recent {
            let trigger = made.trigger.as_deref().map_or_else(String::new, |trigger| format!(" on {trigger:?}"));
            let _ = writeln!(text, "  {}: {} → {}{trigger}", made.entity, made.from, made.to);
        }
    }
    if snapshot.errors().is_empty() {
        text.push_str("\nno errors\n");
        return text;
    }
    text.push_str("\nerrors\n");
    for group in snapshot.errors() {
        let kind = group.kind.rsplit("::").next().unwrap_or(&group.kind);
        let _ = writeln!(text, "  {} × {kind} in {}: {} ({})", group.count, group.place, group.pattern, group.severity);
        for sample in &group.samples {
            let path = sample.context.iter().find(|(key, _)| key == "path").map(|(_, path)| path.to_string());
            let cause = sample.error.sources.first().map_or("", String::as_str);
            let _ = writeln!(text, "      {} {cause}", path.unwrap_or_default());
        }
    }
    text
}
