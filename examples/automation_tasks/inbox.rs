//! The texts whose words are counted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Texts, those that are not there included.
const TASKS: u32 = 40;

const WORDS: [&str; 7] = ["order ", "paid ", "invoice ", "late ", "reminder ", "customer ", "sum "];

/// The one that is missing, the one that is not text, and those without a word.
const MISSING: u32 = 7;
const NOT_TEXT: u32 = 13;
const EMPTY: [u32; 2] = [21, 29];

/// A text to be counted.
#[derive(Clone)]
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    /// Words there are, for the check at the end; `None` where nothing can be counted.
    pub(crate) words: Option<u64>,
}

/// Writes the texts, of 2 to 60 KB.
pub(crate) fn fill(folder: &Path) -> io::Result<Vec<Task>> {
    fs::create_dir_all(folder)?;
    (1..=TASKS).map(|number| task(folder, number)).collect()
}

fn task(folder: &Path, number: u32) -> io::Result<Task> {
    let id = format!("report-{number:04}");
    let path = folder.join(format!("{id}.txt"));
    let words = if EMPTY.contains(&number) { 0 } else { 300 + u64::from(number * 7_919 % 9_000) };
    let mut text: Vec<u8> = (0..words).flat_map(|word| WORDS[(word * 31 % 7) as usize].bytes()).collect();
    if number == NOT_TEXT {
        text.insert(100, 0xff);
    }
    if number != MISSING {
        fs::write(&path, &text)?;
    }
    let can_be_counted = number != MISSING && number != NOT_TEXT;
    let bytes = if number == MISSING { 0 } else { text.len() as u64 };
    Ok(Task { id, path, bytes, words: can_be_counted.then_some(words) })
}
