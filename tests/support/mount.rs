//! A small file system of a test's own, to be filled or made read-only.
#![expect(clippy::print_stdout, reason = "a test that is skipped says so")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file system in memory, mounted on a folder until it is dropped.
#[derive(Debug)]
pub struct Tmpfs(PathBuf);

impl Tmpfs {
    /// Mounts one with these options; `None`, and a word about it, where this process may not.
    #[must_use]
    pub fn mount(folder: &Path, options: &str) -> Option<Tmpfs> {
        if run("mount", &["-t", "tmpfs", "-o", options, "tmpfs"], folder) {
            return Some(Tmpfs(folder.to_owned()));
        }
        println!("(skipped: no tmpfs may be mounted here)");
        None
    }

    /// Changes its options. Returns whether that went.
    #[must_use]
    pub fn remount(&self, options: &str) -> bool {
        run("mount", &["-o", &format!("remount,{options}")], &self.0)
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        // Also while something in it is open.
        run("umount", &["-l"], &self.0);
    }
}

fn run(command: &str, arguments: &[&str], folder: &Path) -> bool {
    let run = Command::new(command).args(arguments).arg(folder).stderr(Stdio::null()).status();
    run.is_ok_and(|status| status.success())
}
