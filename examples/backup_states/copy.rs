//! Finding, copying and comparing files. Every function here is tracked: its calls, times, bytes and errors come out by
//! themselves.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use monitor_core::track_operation;
use sha2::{Digest, Sha256};

/// The folder in the target that is not part of the backup.
pub(crate) const OWN_FOLDER: &str = ".backup_states";

/// Folders that are not saved: build output, the version control's own files, and what other backups have of their own.
const LEFT_OUT: [&str; 3] = ["target", ".git", OWN_FOLDER];

/// A file to save.
pub(crate) struct Entry {
    /// Below the source.
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
}

/// The files below a folder, in the order of their paths. Links to files count as files.
#[track_operation(name = "scan", kind = "disk", items_from = |entries| entries.len())]
pub(crate) fn scan(source: &Path) -> io::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        // What cannot be listed is no part of a backup that says it is one.
        let of_folder = |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", folder.display()));
        for found in fs::read_dir(source.join(&folder)).map_err(of_folder)? {
            let found = found?;
            let (path, kind) = (folder.join(found.file_name()), found.file_type()?);
            if kind.is_dir() && !LEFT_OUT.iter().any(|name| found.file_name() == *name) {
                folders.push(path);
            } else if kind.is_file() || kind.is_symlink() {
                // A link that leads nowhere has no size; copying it says why.
                let size = fs::metadata(source.join(&path)).map_or(0, |data| data.len());
                entries.push(Entry { path, size });
            }
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// Whether it was the file to save that failed, or the place to save it to.
#[derive(Debug)]
pub(crate) enum CopyError {
    Source(io::Error),
    Target(io::Error),
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(_) => "the file cannot be read",
            Self::Target(_) => "the copy cannot be made",
        })
    }
}

impl error::Error for CopyError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Source(error) | Self::Target(error) => Some(error),
        }
    }
}

/// Copies one file: beside its place first, so that a copy under its own name is whole.
#[track_operation(name = "copy", kind = "disk", fields(path = entry.path.to_string_lossy()))]
pub(crate) fn copy(source: &Path, target: &Path, entry: &Entry) -> Result<u64, CopyError> {
    let mut from = File::open(source.join(&entry.path)).map_err(CopyError::Source)?;
    let place = target.join(&entry.path);
    if let Some(folder) = place.parent() {
        fs::create_dir_all(folder).map_err(CopyError::Target)?;
    }
    // Not in the folder of the file: there any name may be that of another one.
    let beside = target.join(OWN_FOLDER).join("part");
    let copied = copy_to(&beside, &mut from)
        .and_then(|copied| fs::rename(&beside, &place).map(|()| copied).map_err(CopyError::Target));
    if copied.is_err() {
        // The next copy begins it anew.
        let _ = fs::remove_file(&beside);
    }
    copied
}

fn copy_to(beside: &Path, from: &mut File) -> Result<u64, CopyError> {
    let mut to = File::create(beside).map_err(CopyError::Target)?;
    let mut buffer = vec![0; 64 * 1024];
    let mut copied = 0;
    loop {
        let len = from.read(&mut buffer).map_err(CopyError::Source)?;
        if len == 0 {
            return Ok(copied);
        }
        io::Write::write_all(&mut to, &buffer[..len]).map_err(CopyError::Target)?;
        copied += len as u64;
    }
}

/// Whether a copy is there and the same as its file.
#[track_operation(name = "verify", kind = "disk")]
pub(crate) fn verify(source: &Path, target: &Path, entry: &Entry) -> Result<bool, CopyError> {
    let copy = match hash(&target.join(&entry.path)) {
        Ok(copy) => copy,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(CopyError::Target(error)),
    };
    Ok(copy == hash(&source.join(&entry.path)).map_err(CopyError::Source)?)
}

fn hash(path: &Path) -> io::Result<[u8; 32]> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            len => hash.update(&buffer[..len]),
        }
    }
}
