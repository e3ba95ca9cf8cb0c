//! A backup that can be killed: a state machine says where it is, progress says how far, checkpoints let the next run
//! copy only the rest, and a file that cannot be read is an error and not the end.
//!
//! ```sh
//! cargo run --release --example backup_states [SOURCE TARGET]
//! ```
//!
//! Without arguments it saves this workspace to a temporary folder, which it removes at the end. Kill it while it
//! copies, start it again with the same folders, and it goes on where it was.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "backup_states/backup.rs"]
mod backup;
#[path = "backup_states/copy.rs"]
mod copy;
#[path = "backup_states/screen.rs"]
mod screen;

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs, process};

use backup::Backup;
use monitor_core::monitor;

const USAGE: &str = "\
usage: backup_states [--pause-after N] [SOURCE TARGET]

Copies the files below SOURCE to TARGET, which is made if it is not there. A run that was cut off is resumed by the next
one. Without folders: this workspace, to a temporary folder that is removed at the end.

  --pause-after N    stop after N files until a line comes in, so that a test can kill it there";

/// What the command line asks for.
struct Arguments {
    source: PathBuf,
    target: PathBuf,
    /// The target is there for this run only.
    temporary: bool,
    pause_after: Option<u64>,
}

fn main() -> ExitCode {
    let arguments = match arguments(env::args_os().skip(1)) {
        Ok(Some(arguments)) => arguments,
        Ok(None) => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("backup_states: {message}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let result = run(&arguments);
    if arguments.temporary {
        // What stays behind is in the system's temporary folder.
        let _ = fs::remove_dir_all(&arguments.target);
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("backup_states: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` if help was asked for.
fn arguments(words: impl Iterator<Item = OsString>) -> Result<Option<Arguments>, String> {
    let (mut folders, mut pause_after) = (Vec::new(), None);
    let mut words = words;
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--help" | "-h") => return Ok(None),
            Some("--pause-after") => {
                let number = words.next().and_then(|number| number.to_str()?.parse().ok());
                pause_after = Some(number.ok_or("--pause-after wants a number of files")?);
            }
            Some(option) if option.starts_with('-') => return Err(format!("unknown option `{option}`")),
            _ => folders.push(PathBuf::from(word)),
        }
    }
    let (source, target, temporary) = match <[PathBuf; 2]>::try_from(folders) {
        Ok([source, target]) => (source, target, false),
        Err(none) if none.is_empty() => {
            let target = env::temp_dir().join(format!("backup_states-{}", process::id()));
            (Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), target, true)
        }
        Err(_) => return Err("both SOURCE and TARGET, or neither".to_owned()),
    };
    let source = source.canonicalize().map_err(|error| format!("`{}`: {error}", source.display()))?;
    if !source.is_dir() {
        return Err(format!("`{}` is not a folder", source.display()));
    }
    Ok(Some(Arguments { source, target, temporary, pause_after }))
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let Arguments { source, target, pause_after, .. } = arguments;
    fs::create_dir_all(target).map_err(|error| format!("`{}`: {error}", target.display()))?;
    let target = target.canonicalize()?;
    if target.starts_with(source) {
        return Err("TARGET lies within SOURCE: the backup would save itself".into());
    }
    let result = Backup::new(source, &target, *pause_after)?.run();
    print!("{}", screen::text(&monitor().snapshot()));
    result
}
