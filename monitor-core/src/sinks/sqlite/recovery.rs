//! Files that are damaged, moved or removed under a living connection.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::values::utc;

/// Which file a path leads to: it changes when the file is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileIdentity(u64, u64);

impl FileIdentity {
    /// `None` when there is no such file.
    pub(super) fn of(path: &Path) -> Option<FileIdentity> {
        Some(FileIdentity::from(&fs::metadata(path).ok()?))
    }

    /// Of a file that is open.
    pub(super) fn of_file(file: &File) -> Option<FileIdentity> {
        Some(FileIdentity::from(&file.metadata().ok()?))
    }

    fn from(metadata: &Metadata) -> FileIdentity {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt as _;
            FileIdentity(metadata.dev(), metadata.ino())
        }
        #[cfg(not(unix))]
        {
            // An open file cannot be replaced there; that it is there is enough.
            let _ = metadata;
            FileIdentity(0, 0)
        }
    }
}

/// The path with something at its end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(end);
    path.into()
}

/// Renames a damaged database together with its write-ahead log. Returns the new path.
pub(super) fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let base = beside(path, &format!(".damaged-{}", utc(SystemTime::now())));
    let taken = |aside: &Path| ["", "-wal", "-shm"].iter().any(|end| beside(aside, end).exists());
    let mut aside = base.clone();
    let mut number = 2;
    while taken(&aside) && number < 100 {
        aside = beside(&base, &format!("-{number}"));
        number += 1;
    }
    // The log first: a database that is there without its log would be opened as it is, and seem whole.
    for end in ["-wal", "-shm", ""] {
        match fs::rename(beside(path, end), beside(&aside, end)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}
