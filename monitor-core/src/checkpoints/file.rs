//! Checkpoints in a folder.
//!
//! A checkpoint is written whole to a file beside, flushed to the disk, and renamed into its place; then the folder is
//! flushed. So there is always one that is whole, after a crash or a power cut too. A file beside is locked while it is
//! written: one that can be locked belongs to nobody any more and is removed.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::MAX_BYTES;
use super::file_name::encoded;
use crate::ports::checkpoints::Checkpoints;

/// How often writing begins anew when another process has taken the file beside for a left-over.
const ATTEMPTS: usize = 4;

/// Names of files beside that are passed over, at the most, because there are such files.
const MOST_TAKEN: usize = 10_000;

/// What the names of files beside begin with.
const BESIDE: &str = ".job-";

/// Checkpoints as files in a folder, one for each job.
///
/// The folder must exist: a wrong path is not to look like a job without a checkpoint. A checkpoint is on the disk when
/// [`Progress::checkpoint`](crate::Progress::checkpoint) returns: written to a file beside, flushed, renamed, the folder
/// flushed. When it fails the one from before is as it was. Files are named after the jobs; any name will do. What a
/// killed process left half written is removed when the folder is next used.
///
/// Two processes that run the same job in the same folder overwrite each other's checkpoints, each of which is whole.
///
/// ```
/// use monitor_core::{FileCheckpoints, Monitor};
///
/// # let folder = std::env::temp_dir().join(format!("monitor-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// let local = Monitor::builder().build()?;
/// let job = local.progress("import").checkpoints(FileCheckpoints::new(&folder)).start();
/// let mut next_row = job.resume::<u64>()?.unwrap_or(0);
/// while next_row < 3 {
///     next_row += 1;
///     job.inc(1);
///     job.checkpoint(&next_row)?;
/// }
/// job.finish(); // removes the checkpoint
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct FileCheckpoints {
    folder: PathBuf,
    swept: Arc<AtomicBool>,
}

impl FileCheckpoints {
    /// In that folder. Nothing is read or written yet.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), swept: Arc::default() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("job-{}.checkpoint", encoded(name)))
    }

    /// Makes a file beside that nobody else writes to.
    fn create_beside(&self, name: &str) -> io::Result<(Beside, File)> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let (job, process) = (encoded(name), std::process::id());
        let create = || {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let path = self.folder.join(format!("{BESIDE}{job}.checkpoint.{process}-{number}.tmp"));
            OpenOptions::new().write(true).create_new(true).open(&path).map(|file| (path, file))
        };
        // The number of a process is its own on one machine only, and not in containers that share a folder: what is there
        // already may be written by another one right now.
        let taken = |created: &io::Result<_>| {
            created.as_ref().is_err_and(|error: &io::Error| error.kind() == io::ErrorKind::AlreadyExists)
        };
        let mut created = create();
        for _ in 0..MOST_TAKEN {
            if !taken(&created) {
                break;
            }
            created = create();
        }
        let (path, file) = created?;
        let beside = Beside { path, renamed: false };
        match file.try_lock() {
            // Where files cannot be locked nobody can take it for a left-over either.
            Ok(()) | Err(TryLockError::Error(_)) => Ok((beside, file)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let (mut beside, mut file) = self.create_beside(name)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside.path, self.path(name))?;
        beside.renamed = true;
        sync_folder(&self.folder)
    }

    /// Removes what killed processes left half written, once. Failing to do so hurts nobody: the next process tries again.
    fn sweep(&self) {
        if self.swept.swap(true, Ordering::Relaxed) {
            return;
        }
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_beside(path)) {
            if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
                let _ = fs::remove_file(&path);
            }
        }
    }
}

/// Whether a file is one that stands beside a checkpoint while it is written.
fn is_beside(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    name.starts_with(BESIDE) && name.contains(".checkpoint.") && path.extension() == Some(OsStr::new("tmp"))
}

/// A file beside, removed unless it was renamed.
struct Beside {
    path: PathBuf,
    renamed: bool,
}

impl Drop for Beside {
    fn drop(&mut self) {
        if !self.renamed {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Checkpoints for FileCheckpoints {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.sweep();
        let mut result = self.write(name, bytes);
        for _ in 1..ATTEMPTS {
            // A file beside that is gone was taken for a left-over between its creation and its lock.
            if !result.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) || !self.folder.is_dir() {
                break;
            }
            result = self.write(name, bytes);
        }
        result.map_err(|error| explained(&self.folder, error))
    }

    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.sweep();
        let path = self.path(name);
        // A link that leads nowhere at the moment, as to a disk that is not mounted, is not a job without a checkpoint.
        let is_link = || fs::symlink_metadata(&path).is_ok_and(|file| file.is_symlink());
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.folder.is_dir() && !is_link() => {
                return Ok(None);
            }
            Err(error) => return Err(explained(&self.folder, error)),
        };
        let mut bytes = Vec::new();
        // One byte more than is allowed shows that it is too large.
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.sweep();
        match fs::remove_file(self.path(name)) {
            Ok(()) => sync_folder(&self.folder),
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.folder.is_dir() => Ok(()),
            Err(error) => Err(explained(&self.folder, error)),
        }
    }

    fn location(&self, name: &str) -> String {
        format!("`{}`", self.path(name).display())
    }
}

/// Says so when it is the folder that is missing.
fn explained(folder: &Path, error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound && !folder.is_dir() {
        let folder = folder.display();
        return io::Error::new(error.kind(), format!("the folder `{folder}` does not exist; create it first"));
    }
    error
}

/// Makes a rename or a removal last over a power cut.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Folders cannot be opened on this system; it makes renames last by itself.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}
