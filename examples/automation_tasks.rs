//! Tasks that several worker processes do, with one file that all of them write to: begun here, ended there, by id. One worker
//! is killed in the middle of a task, which another one completes. Shows sizes and steps, errors by severity, figures of the
//! queue, and the ready views, read by the `sqlite3` command.
//!
//! ```sh
//! cargo run --release --example automation_tasks [FILE]
//! ```
//!
//! Each task counts the words of a text file. Some files are empty, one is not text, one is missing. With FILE the history is
//! kept there; without, in a folder for such things, and removed at the end.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "automation_tasks/dispatcher.rs"]
mod dispatcher;
#[path = "automation_tasks/inbox.rs"]
mod inbox;
#[path = "automation_tasks/report.rs"]
mod report;
#[path = "automation_tasks/views.rs"]
mod views;
#[path = "automation_tasks/worker.rs"]
mod worker;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    if let Some(name) = env::var_os(worker::NAME) {
        return ended(worker::run(&name.to_string_lossy()));
    }
    let mut arguments = env::args_os().skip(1);
    let file = arguments.next().map(PathBuf::from);
    if arguments.next().is_some() || file.as_ref().is_some_and(|file| file.to_string_lossy().starts_with('-')) {
        eprintln!("usage: automation_tasks [FILE]");
        return ExitCode::from(2);
    }
    let folder = env::temp_dir().join(format!("automation_tasks-{}", std::process::id()));
    let result = run(&folder, file);
    // Whatever became of it; if the folder stays, it is in a place for such things.
    let _ = fs::remove_dir_all(&folder);
    ended(result)
}

fn ended(result: Result<(), Failure>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("automation_tasks: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &Path, file: Option<PathBuf>) -> Result<(), Failure> {
    let tasks = inbox::fill(&folder.join("inbox"))?;
    fs::create_dir_all(folder.join("counts"))?;
    let file = file.unwrap_or_else(|| folder.join("monitor.db"));
    let before = report::Sums::of(&file)?;
    let done = dispatcher::run(&file, tasks)?;
    report::print(&file, before, &done)?;
    views::print(&file);
    println!("\nevery count is as expected");
    Ok(())
}
