//! Two files that cannot be indexed, so that there are failures to look at in any folder.

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

/// A temporary folder; it is removed at the end.
pub(crate) struct Trouble {
    folder: PathBuf,
}

impl Trouble {
    /// A folder with a file that is not UTF-8, and the paths of that file and of one that is not there: found by a
    /// walk and deleted since, as happens in a folder that is in use.
    ///
    /// # Errors
    /// That of the file system.
    pub(crate) fn make() -> io::Result<(Self, [PathBuf; 2])> {
        let folder = env::temp_dir().join(format!("quickstart-{}", process::id()));
        fs::create_dir(&folder)?;
        // From here on the folder is removed, whatever happens.
        let trouble = Self { folder };
        let latin_1 = trouble.path().join("latin-1.txt");
        fs::write(&latin_1, b"caf\xe9 cr\xe8me")?;
        let deleted = trouble.path().join("deleted.txt");
        Ok((trouble, [latin_1, deleted]))
    }

    fn path(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Trouble {
    fn drop(&mut self) {
        // Nothing depends on it: what stays behind is in the system's temporary folder.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
