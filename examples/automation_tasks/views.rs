//! The ready views of the file, read by the `sqlite3` command as anybody may do it.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

const QUERIES: [(&str, &str); 5] = [
    ("what runs", "SELECT what, name, state, running_ms, service FROM v_realtime_processing_status"),
    (
        "errors",
        "SELECT severity, count, state, pattern FROM v_error_summary WHERE component = 'inbox' ORDER BY pattern",
    ),
    ("health", "SELECT service, status, run_state, calls_last_5_minutes AS calls, lost FROM v_system_health_summary"),
    (
        "queues",
        "SELECT queue, processed, failed, requeued, round(mean_waiting_ms, 1) AS waited_ms FROM v_queue_performance",
    ),
    (
        "trends",
        "SELECT name, calls, failures, round(mean_ms, 2) AS mean_ms, items, bytes FROM v_performance_trends ORDER BY name",
    ),
];

pub(crate) fn print(file: &Path) {
    println!("\nthe views, as `sqlite3 -readonly` shows them");
    for (title, query) in QUERIES {
        let run = Command::new("sqlite3").args(["-readonly", "-box"]).arg(file).arg(query).output();
        match run {
            Ok(output) if output.status.success() => {
                let text = String::from_utf8_lossy(&output.stdout);
                println!("{title}\n{}", if text.trim().is_empty() { "nothing" } else { text.trim_end() });
            }
            Ok(output) => println!("{title}: {}", String::from_utf8_lossy(&output.stderr).trim_end()),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                println!("the command is not installed (Debian: apt install sqlite3); these are the queries:");
                for (_, query) in QUERIES {
                    println!("  {query};");
                }
                return;
            }
            Err(error) => println!("{title}: the command could not be started: {error}"),
        }
    }
}
