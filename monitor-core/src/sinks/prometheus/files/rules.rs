//! Recorded series and alerts.

use std::fmt::Write as _;

use super::PrometheusFiles;
use super::catalogue::{ALERTS, Alert, GROUPS, RECORDED};
use super::query::yaml;
use crate::model::Snapshot;

/// Operations that get a line of their own for what is slow; further ones are for whoever edits the file.
const MOST_OPERATIONS: usize = 500;

/// What is slow for an operation of a kind unless somebody knows better, in seconds.
fn objective(kind: &str) -> &'static str {
    match kind {
        "cache" => "0.05",
        "database" => "0.5",
        "bulk" | "batch" => "600",
        _ => "1",
    }
}

/// Names and kinds of operations, sorted.
fn operations(snapshot: &Snapshot) -> Vec<(&str, &str)> {
    let mut all: Vec<_> = snapshot.operations().iter().map(|stats| (&*stats.name, &*stats.kind)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

pub(super) fn write(files: &PrometheusFiles<'_>) -> String {
    let queries = files.queries();
    let mut text = String::from(
        "# Alerts for Prometheus, and the series that they have in common. What is right for one program is wrong for\n\
         # another: change what does not fit.\n\
         groups:\n",
    );
    let namespace = &queries.namespace;
    let _ = writeln!(text, "  - name: {}\n    rules:", yaml(&format!("{namespace} recorded")));
    for (name, expression) in RECORDED {
        let _ = writeln!(
            text,
            "      - record: {}\n        expr: {}",
            yaml(&format!("{namespace}:{name}")),
            yaml(&queries.of(expression))
        );
    }
    let operations = operations(files.snapshot);
    let _ = writeln!(
        text,
        "\n  # How long an operation may take at the 99th percentile, in seconds, by its kind for a start.\n  \
         - name: {}\n    rules:",
        yaml(&format!("{namespace} objectives"))
    );
    // There is always one, so that the series exists.
    let unknown = if operations.is_empty() { Some(("(none)", "function")) } else { None };
    for (name, kind) in operations.iter().copied().take(MOST_OPERATIONS).chain(unknown) {
        let _ = writeln!(
            text,
            "      - record: {}\n        expr: {}\n        labels: {{job: {}, operation: {}, kind: {}}}",
            yaml(&format!("{namespace}:operation_latency_objective_seconds")),
            yaml(&format!("vector({})", objective(kind))),
            yaml(files.job()),
            yaml(name),
            yaml(kind)
        );
    }
    if operations.len() > MOST_OPERATIONS {
        let _ = writeln!(text, "      # {} further operations have none.", operations.len() - MOST_OPERATIONS);
    }
    for group in GROUPS {
        let _ = writeln!(text, "\n  - name: {}\n    rules:", yaml(&format!("{namespace} {group}")));
        for alert in ALERTS.iter().filter(|alert| alert.group == *group) {
            let Alert { name, expression, lasts, severity, summary, description, .. } = alert;
            let _ = writeln!(
                text,
                "      - alert: {name}\n        expr: {}\n        for: {lasts}\n        labels: {{severity: {}}}\n        \
                 annotations:\n          summary: {}\n          description: {}\n          runbook_url: {}",
                yaml(&queries.of(expression)),
                severity.as_str(),
                yaml(summary),
                yaml(description),
                yaml(&files.runbook_url_of(name))
            );
        }
    }
    text
}
