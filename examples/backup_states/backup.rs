//! One backup from beginning to end: its states, its progress, its checkpoints.

use std::error::Error;
use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use monitor_core::{EntityOf, FileCheckpoints, MonitorState, Progress, Severity, monitor};
use serde::{Deserialize, Serialize};

use crate::copy::{self, Entry};
use crate::screen;

/// Where a backup is.
#[derive(MonitorState, Clone, Copy, Debug, PartialEq, Eq)]
#[monitor_state(name = "backup", stuck_after = "15m")]
enum State {
    #[state(initial, to(Scanning = "start", Scanning = "resume", Failed))]
    Idle,
    #[state(to(Copying, Failed))]
    Scanning,
    #[state(to(Verifying, Failed))]
    Copying,
    #[state(to(Done, Incomplete, Failed))]
    Verifying,
    /// Everything is saved.
    #[state(terminal)]
    Done,
    /// Everything is saved but for some files that could not be read.
    #[state(terminal)]
    Incomplete,
    #[state(terminal)]
    Failed,
}

/// What a run leaves to the next one. Files are copied in the order of their paths: the last one says it all.
#[derive(Serialize, Deserialize)]
struct Position {
    last: PathBuf,
    /// Files that could not be copied before.
    failed: u64,
}

/// Files between two checkpoints.
const CHECKPOINT_EVERY: u64 = 10;

/// The folder in the target that is not part of the backup.
const OWN_FOLDER: &str = ".backup_states";

pub(crate) struct Backup {
    source: PathBuf,
    target: PathBuf,
    pause_after: Option<u64>,
    state: EntityOf<State>,
    job: Progress,
}

impl Backup {
    pub(crate) fn new(source: &Path, target: &Path, pause_after: Option<u64>) -> Result<Self, Box<dyn Error>> {
        let own = target.join(OWN_FOLDER);
        fs::create_dir_all(&own)?;
        let name = source.file_name().unwrap_or_default().to_string_lossy();
        Ok(Self {
            state: monitor().state_machine_of::<State>()?.entity(&name)?,
            job: monitor().progress("backup").checkpoints(FileCheckpoints::new(own)).start(),
            source: source.to_owned(),
            target: target.to_owned(),
            pause_after,
        })
    }

    /// Saves everything. Whatever goes wrong on the way, the state machine and the job have an end.
    pub(crate) fn run(self) -> Result<(), Box<dyn Error>> {
        let result = self.all();
        if let Err(error) = &result {
            monitor().error_with(error).kind("backup").severity(Severity::Critical).record();
            // From a state that has ended there is nothing to leave.
            let _ = self.state.to(State::Failed);
            self.job.fail(error);
        }
        result
    }

    fn all(&self) -> Result<(), Box<dyn Error>> {
        // A checkpoint that cannot be read is an error, and not a new beginning.
        let position = self.job.resume::<Position>()?;
        self.state.trigger(if position.is_some() { "resume" } else { "start" })?;
        let mut entries = copy::scan(&self.source)?;
        self.job.set_total(Some(entries.len() as u64));
        self.job.set_total_bytes(Some(entries.iter().map(|entry| entry.size).sum()));

        self.state.to(State::Copying)?;
        let mut failed = 0;
        if let Some(position) = &position {
            let before = entries.len();
            entries.retain(|entry| entry.path > position.last);
            failed = position.failed;
            println!("resumed after {} of {before} files", before - entries.len());
        }
        let copied = self.copy(&entries, failed)?;

        self.state.to(State::Verifying)?;
        failed += copied.failed;
        self.verify(&copied.entries)?;
        self.state.to(if failed == 0 { State::Done } else { State::Incomplete })?;
        println!("{} files copied, {failed} could not be read", copied.entries.len());
        self.job.finish();
        Ok(())
    }

    fn copy<'a>(&self, entries: &'a [Entry], failed_before: u64) -> Result<Copied<'a>, Box<dyn Error>> {
        let mut copied = Copied { entries: Vec::new(), failed: 0 };
        let mut tenth = 0;
        for (number, entry) in (1..).zip(entries) {
            self.job.message(entry.path.to_string_lossy());
            match copy::copy(&self.source, &self.target, entry) {
                Ok(bytes) => {
                    self.job.inc(1);
                    self.job.add_bytes(bytes);
                    copied.entries.push(entry);
                }
                // The call that failed has recorded the error; the file's name is what it does not know.
                Err(error) if copy::is_of_source(&error) => {
                    self.job.inc_failed(1);
                    copied.failed += 1;
                }
                Err(error) => return Err(format!("`{}`: {error}", entry.path.display()).into()),
            }
            let pauses = self.pause_after == Some(number);
            if number % CHECKPOINT_EVERY == 0 || number == entries.len() as u64 || pauses {
                let position = Position { last: entry.path.clone(), failed: failed_before + copied.failed };
                self.job.checkpoint(&position)?;
            }
            let stats = self.job.stats();
            let done = stats.total.and_then(|total| (stats.done * 10).checked_div(total)).unwrap_or(0);
            if done > tenth {
                tenth = done;
                println!("{}", screen::progress_line(&stats));
            }
            if pauses {
                println!("paused after {number} files");
                io::stdin().lock().read_line(&mut String::new())?;
            }
        }
        Ok(copied)
    }

    /// Compares what was copied with what is there.
    fn verify(&self, entries: &[&Entry]) -> Result<(), Box<dyn Error>> {
        let step = self.job.step("verify").total(entries.len() as u64).start();
        for entry in entries {
            copy::verify(&self.source, &self.target, entry)
                .map_err(|error| format!("`{}`: {error}", entry.path.display()))?;
            step.inc(1);
        }
        step.finish();
        Ok(())
    }
}

struct Copied<'a> {
    entries: Vec<&'a Entry>,
    failed: u64,
}
