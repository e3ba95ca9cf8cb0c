//! The monitor at real work: an indexer that reads, hashes and counts the words of every file of a folder on several
//! threads, and then shows what ran, how often, how it ended and how long it took.
//!
//! ```sh
//! cargo run --release --example quickstart [PATH]
//! ```
//!
//! The tracked code is in `quickstart/indexer.rs` and `quickstart/walk.rs`. `monitor()` works from the first call on; what
//! is set up in `main` is its history, in a file among the temporary ones, with which a second run compares itself with the
//! first. A file is read into memory as a whole.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod active;
#[path = "quickstart/history.rs"]
mod history;
#[path = "quickstart/indexer.rs"]
mod indexer;
#[path = "quickstart/mailbox.rs"]
mod mailbox;
#[path = "quickstart/screen.rs"]
mod screen;
#[path = "quickstart/trouble.rs"]
mod trouble;
#[path = "quickstart/walk.rs"]
mod walk;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use std::{env, io, thread};

use indexer::{Work, index};
use monitor_core::terminal::Bars;
use monitor_core::{Installed, Monitor, monitor};
use trouble::Trouble;
use walk::walk;

const USAGE: &str = "\
usage: quickstart [PATH]

Indexes the files below PATH (default: the workspace of this example, without `target` and `.git`), and shows what the
monitor has seen of it.";

fn main() -> ExitCode {
    let root = match root(env::args_os().skip(1).collect()) {
        Ok(Some(root)) => root,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("quickstart: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let installed = Monitor::builder().service(history::SERVICE).sqlite(history::path()).install();
    let installed = match installed {
        Ok(installed) => installed,
        Err(error) => {
            eprintln!("quickstart: {error}");
            return ExitCode::FAILURE;
        }
    };
    match run(&root, &installed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {}: {error}", root.display());
            ExitCode::FAILURE
        }
    }
}

/// The folder to index; `None` if help was asked for.
fn root(mut arguments: Vec<OsString>) -> Result<Option<PathBuf>, String> {
    if arguments.iter().any(|argument| argument == "--help" || argument == "-h") {
        return Ok(None);
    }
    let root = match (arguments.pop(), arguments.is_empty()) {
        (None, _) => Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
        (Some(option), _) if option.to_string_lossy().starts_with('-') => {
            return Err(format!("unknown option `{}`", option.display()));
        }
        (Some(path), true) => PathBuf::from(path),
        (Some(_), false) => return Err("one PATH at most".to_owned()),
    };
    match root.canonicalize() {
        Ok(found) if found.is_dir() => Ok(Some(found)),
        Ok(_) => Err(format!("`{}` is not a folder", root.display())),
        Err(error) => Err(format!("`{}`: {error}", root.display())),
    }
}

fn run(root: &Path, installed: &Installed) -> io::Result<()> {
    let mut files = walk(root)?;
    let (_trouble, paths) = Trouble::make()?;
    files.extend(paths);

    let threads = thread::available_parallelism().map_or(2, |cores| cores.get().clamp(2, 8));
    // On a terminal a bar that is gone when the work is done, or given up by Ctrl-C; else a line when it begins and one when it ends.
    let bars = Bars::builder(&monitor()).clear_on_signals().start();
    let work = Work::new(files.len());
    let index = index(&files, threads, &work)?;
    drop(bars);

    let mut out = String::new();
    screen::write(&mut out, (root, threads), &index, &work).map_err(io::Error::other)?;
    // What this run did is in the file when it is asked for.
    installed.shutdown(Duration::from_secs(10)).map_err(io::Error::other)?;
    history::write(&mut out).map_err(|error| io::Error::other(error.to_string()))?;
    out.push_str(
        "\nnext: the code is in examples/quickstart/indexer.rs, the first steps for your own are in README.md\n",
    );
    match io::stdout().write_all(out.as_bytes()) {
        // Whoever reads has seen enough, as `head` does.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
