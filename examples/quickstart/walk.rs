//! Finds the files below a folder.

use std::fs::{self, DirEntry};
use std::io;
use std::path::{Path, PathBuf};

use monitor_core::track_operation;

/// Folders that hold nothing to read: build output and the version control's own files.
const LEFT_OUT: [&str; 2] = ["target", ".git"];

/// The files below `root`, in order. A folder that cannot be listed is left out; its failure is in the statistics.
///
/// # Errors
/// That of listing `root` itself.
#[track_operation(kind = "disk", items_from = |files| files.len())]
pub(crate) fn walk(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = Vec::new();
    list(root, &mut files, &mut folders)?;
    while let Some(folder) = folders.pop() {
        let _ = list(&folder, &mut files, &mut folders);
    }
    files.sort();
    Ok(files)
}

/// Lists one folder; the number of its entries is what the operation counts as items.
#[track_operation(kind = "disk", items_from = |entries| *entries)]
fn list(folder: &Path, files: &mut Vec<PathBuf>, folders: &mut Vec<PathBuf>) -> io::Result<u64> {
    let mut entries = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        entries += 1;
        // The entry's own type: links are not followed, so there are no circles, and pipes and devices are left alone.
        let file_type = entry.file_type()?;
        if file_type.is_dir() && !is_left_out(&entry) {
            folders.push(entry.path());
        } else if file_type.is_file() {
            files.push(entry.path());
        }
    }
    Ok(entries)
}

fn is_left_out(folder: &DirEntry) -> bool {
    LEFT_OUT.iter().any(|name| folder.file_name() == *name)
}
