//! What Prometheus is to scrape.

use std::fmt::Write as _;
use std::time::Duration;

use super::query::yaml;
use super::{Credentials, PrometheusFiles};

/// Prometheus' own default; it must not be above the interval.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn write(files: &PrometheusFiles<'_>) -> String {
    let (interval, timeout) = (duration(files.interval), duration(files.interval.min(TIMEOUT)));
    let mut text = format!(
        "# Where Prometheus finds the program, and its rules.\n\
         global:\n  scrape_interval: {interval}\n  scrape_timeout: {timeout}\n  evaluation_interval: {interval}\n\n\
         rule_files:\n  - {}\n\n\
         scrape_configs:\n  - job_name: {}\n",
        yaml(&files.rules_name()),
        yaml(files.job())
    );
    match &files.credentials {
        None => {}
        Some(Credentials::Bearer { file }) => {
            let _ = writeln!(text, "    authorization: {{type: Bearer, credentials_file: {}}}", yaml(file));
        }
        Some(Credentials::Basic { user, file }) => {
            let _ = writeln!(text, "    basic_auth: {{username: {}, password_file: {}}}", yaml(user), yaml(file));
        }
    }
    text.push_str("    static_configs:\n      - targets:\n");
    let default = [super::TARGET.to_owned()];
    let targets = if files.targets.is_empty() { &default[..] } else { &files.targets };
    for target in targets {
        let _ = writeln!(text, "          - {}", yaml(target));
    }
    text
}

/// As Prometheus reads durations: whole milliseconds.
pub(super) fn duration(time: Duration) -> String {
    let millis = time.as_millis();
    if millis.is_multiple_of(1_000) { format!("{}s", millis / 1_000) } else { format!("{millis}ms") }
}
