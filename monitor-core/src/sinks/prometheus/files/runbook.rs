//! What to do when an alert fires.

use std::fmt::Write as _;

use super::PrometheusFiles;
use super::catalogue::ALERTS;

pub(super) fn write(files: &PrometheusFiles<'_>) -> String {
    let queries = files.queries();
    let mut text = String::from("# Runbook\n\nWhat each alert means, and what to do when it fires.\n");
    for alert in ALERTS {
        let _ = write!(
            text,
            "\n## {}\n\nSeverity {}, after {}.\n\n**It means:** {}\n\n**What to do:** {}\n\nIts query:\n\n```text\n{}\n```\n",
            alert.name,
            alert.severity,
            alert.lasts,
            alert.meaning,
            alert.advice,
            queries.of(alert.expression)
        );
    }
    text
}
