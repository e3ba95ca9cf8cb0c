//! The work that is tracked: files are read, hashed and counted on several threads, and an async step collects what
//! comes out.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::string::FromUtf8Error;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{fmt, fs, io, thread};

use monitor_core::{Progress, Snapshot, monitor, track_operation};
use sha2::{Digest, Sha256};

use crate::mailbox::{Receiver, Sender, block_on, mailbox};

type Hash = [u8; 32];

/// What came out of all files.
#[derive(Default)]
pub(crate) struct Index {
    pub(crate) files: usize,
    pub(crate) not_indexed: usize,
    pub(crate) contents: HashSet<Hash>,
    pub(crate) words: HashMap<String, u64>,
}

/// What came out of one file.
struct Entry {
    hash: Hash,
    words: HashMap<String, u64>,
}

/// Why a file is not in the index.
#[derive(Debug)]
pub(crate) enum IndexError {
    Unreadable(io::Error),
    NotText(FromUtf8Error),
}

impl fmt::Display for IndexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexError::Unreadable(_) => f.write_str("cannot be read"),
            IndexError::NotText(_) => f.write_str("is not UTF-8 text"),
        }
    }
}

impl Error for IndexError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            IndexError::Unreadable(error) => Some(error),
            IndexError::NotText(error) => Some(error),
        }
    }
}

/// The files to do, how many are done, and what the monitor knew half-way.
pub(crate) struct Work {
    all: usize,
    next: AtomicUsize,
    done: AtomicUsize,
    /// The same for whoever looks: a bar, the table.
    job: Progress,
    half_way: OnceLock<Snapshot>,
}

impl Work {
    pub(crate) fn new(all: usize) -> Self {
        Self {
            all,
            next: AtomicUsize::new(0),
            done: AtomicUsize::new(0),
            job: monitor().progress("files").total(all as u64).start(),
            half_way: OnceLock::new(),
        }
    }

    /// Files that are done when half of the work is.
    pub(crate) fn half(&self) -> usize {
        self.all.div_ceil(2)
    }

    pub(crate) fn half_way(&self) -> Option<&Snapshot> {
        self.half_way.get()
    }

    /// A file is done. The worker that comes to the half looks at what runs: itself, in the middle of this file, and
    /// whatever the others are at. They do not wait for it.
    fn step(&self, indexed: bool) {
        if indexed {
            self.job.inc(1);
        } else {
            self.job.inc_failed(1);
        }
        if self.done.fetch_add(1, Ordering::Relaxed) + 1 == self.half() {
            self.half_way.get_or_init(|| monitor().snapshot());
        }
    }
}

/// Indexes all files on so many threads.
///
/// # Errors
/// That of starting a thread.
pub(crate) fn index(files: &[PathBuf], threads: usize, todo: &Work) -> io::Result<Index> {
    // A guard: the operation lasts as long as the variable. Left by `?` it would count as a success, so it is told.
    let mut op = monitor().operation("index").kind("bulk").start();
    let indexed = thread::scope(|scope| {
        let (sender, receiver) = mailbox();
        for n in 1..=threads {
            let sender = sender.clone();
            let worker = thread::Builder::new().name(format!("worker-{n}"));
            worker.spawn_scoped(scope, move || work(files, todo, &sender))?;
        }
        // The workers have the others: when they are done, the receiver is told.
        drop(sender);
        Ok(block_on(collect(receiver)))
    });
    match &indexed {
        Ok(index) => {
            todo.job.finish();
            op.add_items(index.files as u64);
            op.succeed();
        }
        Err(error) => {
            todo.job.fail(error);
            op.fail(error);
        }
    }
    indexed
}

/// One worker: takes the next file until there is none.
#[track_operation]
fn work(files: &[PathBuf], todo: &Work, results: &Sender<Result<Entry, IndexError>>) {
    while let Some(path) = files.get(todo.next.fetch_add(1, Ordering::Relaxed)) {
        results.send(index_file(path, todo));
    }
}

/// One file. The label gives each extension statistics of its own, the field is only in the individual records: paths
/// have too many values for a label.
#[track_operation(labels(extension = extension(path)), fields(path = path.display()))]
fn index_file(path: &Path, todo: &Work) -> Result<Entry, IndexError> {
    let entry = read(path).map_err(IndexError::Unreadable).and_then(|content| {
        let hash = hash(&content);
        Ok(Entry { hash, words: count_words(&decode(content)?) })
    });
    todo.step(entry.is_ok());
    entry
}

/// A guard again, because the number of bytes is only known at the end.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut op = monitor().operation("read").kind("disk").start();
    match fs::read(path) {
        Ok(content) => {
            op.add_bytes(content.len() as u64);
            op.succeed();
            Ok(content)
        }
        Err(error) => {
            op.fail(&error);
            Err(error)
        }
    }
}

#[track_operation(kind = "cpu", bytes = content.len())]
fn hash(content: &[u8]) -> Hash {
    Sha256::digest(content).into()
}

/// A closure: its outcome is read from the result.
fn decode(content: Vec<u8>) -> Result<String, IndexError> {
    monitor()
        .operation("decode")
        .kind("cpu")
        .bytes(content.len() as u64)
        .try_run(|_| String::from_utf8(content).map_err(IndexError::NotText))
}

/// How often each word occurs. The number of different ones is what the operation counts as items.
#[track_operation(kind = "cpu", items_from = |words| words.len())]
fn count_words(text: &str) -> HashMap<String, u64> {
    let mut words = HashMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        *words.entry(word.to_lowercase()).or_insert(0) += 1;
    }
    words
}

/// The async step: takes results in as they come. Its total time includes the waiting, its self time does not.
#[track_operation]
async fn collect(mut results: Receiver<Result<Entry, IndexError>>) -> Index {
    let mut index = Index::default();
    while let Some(result) = results.receive().await {
        match result {
            Ok(entry) => {
                index.files += 1;
                index.contents.insert(entry.hash);
                for (word, count) in entry.words {
                    *index.words.entry(word).or_insert(0) += count;
                }
            }
            Err(_) => index.not_indexed += 1,
        }
    }
    index
}

/// The extension if it is one of a few: a label must not have any number of values.
fn extension(path: &Path) -> &'static str {
    const KNOWN: [&str; 5] = ["rs", "md", "toml", "stderr", "txt"];
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    KNOWN.into_iter().find(|known| *known == extension).unwrap_or("other")
}
