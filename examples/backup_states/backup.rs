//! One backup from beginning to end: its states, its progress, its checkpoints.

use std::collections::HashSet;
use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _};
use std::path::{Path, PathBuf};

use monitor_core::{EntityOf, FileCheckpoints, MonitorState, Progress, Severity, monitor};
use serde::{Deserialize, Serialize};

use crate::copy::{self, CopyError, Entry, OWN_FOLDER};
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

/// What a run leaves to the next one. Files are copied in the order of their paths: the last one says how far it was.
///
/// Paths need not be UTF-8, and serde writes a `PathBuf` only if it is.
#[derive(Serialize, Deserialize)]
struct Position {
    source: OsString,
    last: OsString,
}

/// Files between two checkpoints.
const CHECKPOINT_EVERY: u64 = 10;

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
        // An id of 200 bytes at the most, and not an empty one.
        let name: String =
            source.file_name().map_or("/".into(), |name| name.to_string_lossy()).chars().take(50).collect();
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
        if let Some(position) = &position
            && position.source != self.source
        {
            let other = PathBuf::from(&position.source);
            let advice = format!("finish that one, or remove `{OWN_FOLDER}` in TARGET");
            return Err(format!("TARGET has a part of a backup of `{}`: {advice}", other.display()).into());
        }
        let entries = copy::scan(&self.source)?;
        self.job.set_total(Some(entries.len() as u64));
        self.job.set_total_bytes(Some(entries.iter().map(|entry| entry.size).sum()));

        self.state.to(State::Copying)?;
        let mut rest = &entries[..];
        if let Some(position) = &position {
            let before = entries.partition_point(|entry| entry.path <= Path::new(&position.last));
            rest = &entries[before..];
            // Files may have come and gone since.
            self.job.already_done(before as u64, entries[..before].iter().map(|entry| entry.size).sum());
            println!("resumed after {before} of {} files", entries.len());
        }
        let mut copied = self.copy(rest)?;

        self.state.to(State::Verifying)?;
        self.verify(&entries, &mut copied)?;
        let failed = copied.failed.len();
        self.state.to(if failed == 0 { State::Done } else { State::Incomplete })?;
        println!("{} files copied, {failed} could not be read", copied.files);
        self.job.finish();
        Ok(())
    }

    fn copy<'a>(&self, entries: &'a [Entry]) -> Result<Copied<'a>, Box<dyn Error>> {
        let mut copied = Copied { files: 0, failed: HashSet::new() };
        let mut tenth = 0;
        for (number, entry) in (1..).zip(entries) {
            self.job.message(entry.path.to_string_lossy());
            match copy::copy(&self.source, &self.target, entry) {
                Ok(bytes) => {
                    self.job.inc(1);
                    self.job.add_bytes(bytes);
                    copied.files += 1;
                }
                Err(error) => {
                    copied.fail(entry, &error)?;
                    self.job.inc_failed(1);
                }
            }
            let pauses = self.pause_after == Some(number);
            if number % CHECKPOINT_EVERY == 0 || number == entries.len() as u64 || pauses {
                let position = Position { source: self.source.clone().into(), last: entry.path.clone().into() };
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

    /// Compares every file with its copy, also those of earlier runs: one that could not be read then, or has come or
    /// changed since, is copied now.
    fn verify<'a>(&self, entries: &'a [Entry], copied: &mut Copied<'a>) -> Result<(), Box<dyn Error>> {
        let step = self.job.step("verify").total(entries.len() as u64).start();
        for entry in entries {
            if !copied.failed.contains(entry.path.as_path()) {
                match self.made_same(entry) {
                    Ok(anew) => copied.files += u64::from(anew),
                    Err(error) => copied.fail(entry, &error)?,
                }
            }
            step.inc(1);
        }
        step.finish();
        Ok(())
    }

    /// Whether the file had to be copied anew to be the same.
    fn made_same(&self, entry: &Entry) -> Result<bool, CopyError> {
        let (source, target) = (&self.source, &self.target);
        if copy::verify(source, target, entry)? {
            return Ok(false);
        }
        copy::copy(source, target, entry)?;
        if copy::verify(source, target, entry)? {
            return Ok(true);
        }
        Err(CopyError::Target(io::Error::other("the copy differs from the file, also when it is made anew")))
    }
}

/// What this run did.
struct Copied<'a> {
    files: u64,
    failed: HashSet<&'a Path>,
}

impl<'a> Copied<'a> {
    /// A file that cannot be read is left out; where copies cannot be written there is nothing more to do.
    fn fail(&mut self, entry: &'a Entry, error: &CopyError) -> Result<(), String> {
        match error {
            // The call that failed has recorded the error.
            CopyError::Source(_) => _ = self.failed.insert(&entry.path),
            CopyError::Target(why) => return Err(format!("`{}`: {error}: {why}", entry.path.display())),
        }
        Ok(())
    }
}
