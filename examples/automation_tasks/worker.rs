//! A worker: a process of its own that does what it reads from standard input, task by task.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::io::{self, BufRead, Write as _};
use std::path::Path;
use std::time::Duration;
use std::{env, fs, thread};

use monitor_core::{Monitor, Severity, monitor};

use crate::Failure;

/// Variables that tell a process that it is a worker: its name, and the file of the history.
pub(crate) const NAME: &str = "AUTOMATION_TASKS_WORKER";
pub(crate) const FILE: &str = "AUTOMATION_TASKS_FILE";

/// The id of the task in whose middle this worker is to hang.
pub(crate) const HANGS_IN: &str = "AUTOMATION_TASKS_HANGS_IN";

/// Counts words until there are no more tasks.
pub(crate) fn run(name: &str) -> Result<(), Failure> {
    let file = env::var_os(FILE).ok_or("a worker needs the file of the history")?;
    let hangs_in = env::var(HANGS_IN).ok();
    let installed = Monitor::builder().service(name).sqlite(file).install()?;
    // As long as it works: of one that is killed, the file tells what it left.
    let shift = format!("shift-{name}");
    monitor().begin(&shift, "shift").worker(name).start()?;
    let mut tasks: u64 = 0;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some((id, path)) = line.split_once('\t') else { continue };
        let answer = match count(id, Path::new(path), hangs_in.as_deref() == Some(id)) {
            Ok(words) => format!("counted\t{words}"),
            Err(error) => format!("failed\t{error}"),
        };
        tasks += 1;
        println!("{answer}");
        io::stdout().flush()?;
    }
    monitor().end(&shift).success().items(tasks).finish()?;
    installed.shutdown(Duration::from_secs(5))?;
    Ok(())
}

/// One task, which the dispatcher began.
fn count(id: &str, path: &Path, hangs: bool) -> Result<u64, Failure> {
    monitor().step(id, "read")?;
    let text = match fs::read(path).map_err(TaskError::Unreadable).and_then(text) {
        Ok(text) => text,
        Err(error) => {
            monitor().error(&error).severity(error.severity()).component("inbox").context("task", id).record();
            monitor().end(id).failure(&error).finish()?;
            return Err(error.into());
        }
    };
    monitor().step(id, "count")?;
    if hangs {
        // Until it is killed; not for ever, as the one that is to do it may be killed itself.
        thread::sleep(Duration::from_secs(30));
    }
    let mut words: BTreeMap<&str, u64> = BTreeMap::new();
    for word in text.split_whitespace() {
        *words.entry(word).or_default() += 1;
    }
    if words.is_empty() {
        let error = TaskError::Empty;
        monitor().error(&error).severity(error.severity()).component("inbox").context("task", id).record();
    }
    monitor().step(id, "write")?;
    let mut table = String::new();
    for (word, count) in &words {
        writeln!(table, "{word},{count}")?;
    }
    fs::write(result(path), &table)?;
    let all = words.values().sum();
    monitor().end(id).success().items(all).bytes(text.len() as u64).output_bytes(table.len() as u64).finish()?;
    Ok(all)
}

/// Where the counts of a text go.
fn result(path: &Path) -> std::path::PathBuf {
    let inbox = path.parent().unwrap_or(Path::new("."));
    inbox.with_file_name("counts").join(path.file_name().unwrap_or_default()).with_extension("csv")
}

fn text(bytes: Vec<u8>) -> Result<String, TaskError> {
    String::from_utf8(bytes).map_err(|error| TaskError::NotText { at: error.utf8_error().valid_up_to() })
}

/// What can be wrong with a text.
#[derive(Debug)]
enum TaskError {
    Unreadable(io::Error),
    NotText { at: usize },
    Empty,
}

impl TaskError {
    fn severity(&self) -> Severity {
        match self {
            TaskError::Unreadable(_) => Severity::High,
            TaskError::NotText { .. } => Severity::Medium,
            TaskError::Empty => Severity::Low,
        }
    }
}

impl fmt::Display for TaskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TaskError::Unreadable(_) => f.write_str("the text cannot be read"),
            TaskError::NotText { at } => write!(f, "byte {at} is not text"),
            TaskError::Empty => f.write_str("there is no word in the text"),
        }
    }
}

impl std::error::Error for TaskError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            TaskError::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}
