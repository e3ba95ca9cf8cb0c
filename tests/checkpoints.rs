//! Checkpoints of jobs: saved and resumed, and every way in which that can go wrong.
//!
//! Over 600 lines, since each place that misbehaves stands beside the test that it is for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use monitor_core::{
    CheckpointErrorKind as Kind, Checkpoints, FileCheckpoints, ManualClock, MemoryCheckpoints, Monitor, Progress,
    ProgressState, SqliteCheckpoints,
};
use serde::{Deserialize, Serialize, Serializer};

/// A folder that goes away with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("checkpoints-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn local() -> Monitor {
    Monitor::builder().clock(&ManualClock::new()).build().unwrap()
}

/// A place of each sort that lasts beyond one job, with what it is called.
struct Place {
    sort: &'static str,
    folder: Folder,
    memory: MemoryCheckpoints,
}

fn places() -> [Place; 3] {
    ["memory", "file", "sqlite"].map(|sort| Place { sort, folder: Folder::new(), memory: MemoryCheckpoints::new() })
}

impl Place {
    /// Opens it anew, as the next run of a program does.
    fn open(&self) -> Arc<dyn Checkpoints> {
        match self.sort {
            "memory" => Arc::new(self.memory.clone()),
            "file" => Arc::new(FileCheckpoints::new(&self.folder.0)),
            _ => Arc::new(SqliteCheckpoints::open(self.folder.0.join("jobs.db")).unwrap()),
        }
    }

    fn job(&self, name: &str) -> Progress {
        local().progress(name).total(1_000).checkpoints(self.open()).start()
    }
}

fn job_in(folder: &Path, name: &str) -> Progress {
    local().progress(name).total(1_000).checkpoints(FileCheckpoints::new(folder)).start()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct State {
    next: u64,
    seen: BTreeMap<String, Option<f64>>,
    part: Part,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Part {
    Reading,
    Writing { to: String, bytes: Vec<u8> },
}

fn state(next: u64) -> State {
    let seen = [("a\n\"b\"".to_owned(), Some(0.1)), (String::new(), None)].into();
    State { next, seen, part: Part::Writing { to: "ü".into(), bytes: vec![0, 255] } }
}

#[test]
fn a_second_run_goes_on_from_the_last_checkpoint_of_the_first() {
    for place in &places() {
        let start = || {
            let clock = ManualClock::new();
            let local = Monitor::builder().clock(&clock).build().unwrap();
            (local.progress("import").total(1_000).checkpoints(place.open()).start(), clock)
        };
        let place = place.sort;
        let (first, _) = start();
        assert_eq!(first.resume::<State>().unwrap(), None, "{place}");
        first.inc(400);
        first.inc_failed(12);
        first.add_bytes(77);
        first.checkpoint(&state(1)).unwrap();
        first.checkpoint(&state(412)).unwrap();
        first.inc(5);
        drop(first);

        let (second, clock) = start();
        assert_eq!(second.resume().unwrap(), Some(state(412)), "{place}");
        let stats = second.stats();
        assert_eq!((stats.done, stats.already_done, stats.succeeded, stats.bytes), (412, 412, 0, 77), "{place}");
        assert_eq!((stats.rate, stats.eta), (None, None), "earlier work is no evidence of speed");
        clock.advance(Duration::from_secs(10));
        second.inc(80);
        assert_eq!(second.stats().rate, Some(8.0));
        second.checkpoint(&state(500)).unwrap();
        drop(second);

        let (third, _) = start();
        assert_eq!(third.resume().unwrap(), Some(state(500)), "{place}");
        assert_eq!(third.stats().done, 492);
        third.finish();
        assert_eq!((third.stats().state, third.stats().error), (ProgressState::Finished, None));
        assert_eq!(start().0.resume::<State>().unwrap(), None, "{place}: a finished job begins anew");
    }
}

#[test]
fn a_finished_job_leaves_no_file() {
    let folder = Folder::new();
    let job = job_in(&folder.0, "import");
    job.checkpoint(&1).unwrap();
    job.finish();
    assert_eq!(folder.files(), Vec::<String>::new());
}

#[test]
fn any_value_that_serde_can_write_is_a_state() {
    let job = local().progress("any").checkpoints(MemoryCheckpoints::new()).start();
    job.checkpoint("text").unwrap();
    assert_eq!(job.resume::<String>().unwrap().as_deref(), Some("text"));
    job.checkpoint(&[1, 2, 3][..]).unwrap();
    assert_eq!(job.resume::<Vec<u8>>().unwrap(), Some(vec![1, 2, 3]));
    job.checkpoint(&()).unwrap();
    assert_eq!(job.resume::<()>().unwrap(), Some(()));
    job.checkpoint(&None::<u8>).unwrap();
    assert_eq!(job.resume::<Option<u8>>().unwrap(), Some(None), "a state that is nothing is still a state");
}

#[test]
fn a_job_that_was_not_finished_keeps_its_checkpoint() {
    places().iter().for_each(keeps_the_checkpoint_of_a_job_that_was_not_finished);
}

fn keeps_the_checkpoint_of_a_job_that_was_not_finished(place: &Place) {
    let start = || local().progress("job").total(2).checkpoints(place.open()).start();
    let ends: [fn(Progress); 4] = [
        |job| job.fail("disk full"),
        |job| job.cancel(),
        drop,
        |job| {
            job.inc(2);
            drop(job);
        },
    ];
    for end in ends {
        let job = start();
        job.checkpoint(&7).unwrap();
        end(job);
        assert_eq!(start().resume::<i32>().unwrap(), Some(7));
    }
    let job = start();
    job.fail("first");
    job.finish();
    assert_eq!(start().resume::<i32>().unwrap(), Some(7), "a second end changes nothing");
    start().clear_checkpoint().unwrap();
    start().clear_checkpoint().unwrap();
    assert_eq!(start().resume::<i32>().unwrap(), None);
}

/// Saves a checkpoint, changes its file, and gives what resuming says then.
#[track_caller]
fn resumed_after(change: impl FnOnce(&Path)) -> (Kind, String) {
    let folder = Folder::new();
    let job = job_in(&folder.0, "import");
    job.inc(3);
    job.checkpoint(&state(3)).unwrap();
    let path = folder.0.join("job-import.checkpoint");
    change(&path);
    let before = fs::read(&path).ok();
    let next = job_in(&folder.0, "import");
    let error = next.resume::<State>().unwrap_err();
    assert_eq!(fs::read(&path).ok(), before, "what cannot be read stays as it is");
    assert_eq!(next.stats().done, 0);
    assert_eq!(error.is_unreadable(), error.kind() != Kind::Io);
    (error.kind(), error.to_string())
}

fn replace(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{text}");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_checkpoint_that_cannot_be_read_is_an_error_that_says_why() {
    for keep in [0, 1, 20, 50, 100] {
        let (kind, message) = resumed_after(|path| {
            fs::OpenOptions::new().write(true).open(path).unwrap().set_len(keep).unwrap();
        });
        assert_eq!(kind, Kind::CutShort, "{keep} bytes");
        assert!(message.contains("job-import.checkpoint` is cut short"), "{message}");
    }
    let (kind, message) = resumed_after(|path| replace(path, "checkpoint v1", "checkpoint v7"));
    assert_eq!(kind, Kind::OtherVersion);
    assert!(message.contains("is of version 7 of the format, and only version 1 is known here"), "{message}");
    assert!(message.contains("a newer program wrote it"), "{message}");
    let (kind, message) = resumed_after(|path| replace(path, "\"next\":3", "\"next\":4"));
    assert_eq!((kind, message.contains("checksum")), (Kind::Damaged, true), "{message}");
    let (kind, _) = resumed_after(|path| fs::write(path, "something else").unwrap());
    assert_eq!(kind, Kind::NotACheckpoint);
    let (kind, message) = resumed_after(|path| {
        let folder = path.parent().unwrap();
        job_in(folder, "export").checkpoint(&state(3)).unwrap();
        fs::rename(folder.join("job-export.checkpoint"), path).unwrap();
    });
    assert_eq!(kind, Kind::OtherJob);
    assert!(message.contains("is of job `export`, not of `import`"), "{message}");
    let (kind, message) = resumed_after(|path| job_in(path.parent().unwrap(), "import").checkpoint(&1).unwrap());
    assert_eq!(kind, Kind::OtherType);
    assert!(message.contains("is not a `checkpoints::State`: invalid type: integer `1`"), "{message}");
    let (kind, _) = resumed_after(|path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    });
    assert_eq!(kind, Kind::Io);
    let (kind, message) = resumed_after(|path| fs::remove_dir_all(path.parent().unwrap()).unwrap());
    assert_eq!(kind, Kind::Io, "a folder that is gone is no fresh start");
    assert!(message.contains("does not exist; create it first"), "{message}");
    let (kind, _) = resumed_after(|path| {
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(65 << 20).unwrap();
    });
    assert_eq!(kind, Kind::TooLarge);
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_nowhere_is_not_a_job_without_a_checkpoint() {
    let folder = Folder::new();
    let job = job_in(&folder.0, "import");
    std::os::unix::fs::symlink("/nowhere/at/all", folder.0.join("job-import.checkpoint")).unwrap();
    assert_eq!(job.resume::<i32>().unwrap_err().kind(), Kind::Io);
}

#[test]
fn a_missing_folder_is_said_when_saving_too() {
    let folder = Folder::new();
    let job = job_in(&folder.0.join("missing"), "import");
    let error = job.checkpoint(&1).unwrap_err();
    assert_eq!(error.kind(), Kind::Io);
    assert!(error.to_string().contains("missing` does not exist; create it first"), "{error}");
    job.finish();
    assert!(job.stats().error.unwrap().contains("could not be removed"));
}

#[test]
fn names_of_all_kinds_are_told_apart() {
    let long = "long/".repeat(200);
    let names =
        ["", "a", "A", "ä", "a b", "../a", "..", ".", "a.b", "con", "a%2fb", "a/b", "a\0b", "a\nb", &long, &long[1..]];
    let places = places();
    for place in &places {
        for (n, name) in names.iter().enumerate() {
            place.job(name).checkpoint(&n).unwrap();
        }
        for (n, name) in names.iter().enumerate() {
            assert_eq!(place.job(name).resume::<usize>().unwrap(), Some(n), "{}: {name:?}", place.sort);
        }
    }
    let files = places[1].folder.files();
    let folded: HashSet<_> = files.iter().map(|file| file.to_lowercase()).collect();
    assert_eq!((files.len(), folded.len()), (names.len(), names.len()));
    assert!(files.iter().all(|file| file.len() < 255 && file.starts_with("job-")), "{files:?}");
}

#[test]
fn checkpoints_of_many_threads_are_whole_and_the_newest_wins() {
    places().iter().for_each(keeps_whole_checkpoints_of_many_threads);
}

fn keeps_whole_checkpoints_of_many_threads(place: &Place) {
    let job = place.job("import");
    thread::scope(|threads| {
        for thread in 0..8_u64 {
            let job = job.clone();
            threads.spawn(move || {
                for n in 0..20 {
                    job.checkpoint(&vec![thread * 100 + n; 1_000]).unwrap();
                    let read = place.job("import").resume::<Vec<u64>>().unwrap().unwrap();
                    assert!(read.len() == 1_000 && read.iter().all(|n| *n == read[0]), "torn");
                }
            });
        }
    });
    job.checkpoint(&vec![7_777_u64; 3]).unwrap();
    assert_eq!(place.job("import").resume::<Vec<u64>>().unwrap(), Some(vec![7_777; 3]));
    if place.sort == "file" {
        assert_eq!(place.folder.files(), ["job-import.checkpoint"]);
    }
}

/// A place that writes slowly: a save waits until the test lets it go.
#[derive(Default)]
struct Slow {
    kept: MemoryCheckpoints,
    begun: AtomicU64,
    let_go: AtomicU64,
}

impl Checkpoints for Slow {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mine = self.begun.fetch_add(1, Ordering::SeqCst);
        while self.let_go.load(Ordering::SeqCst) <= mine {
            thread::yield_now();
        }
        self.kept.save(name, bytes)
    }
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.kept.load(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.kept.remove(name)
    }
}

#[test]
fn of_those_that_wait_for_a_slow_place_only_the_newest_is_written() {
    let place = Arc::new(Slow::default());
    let job = local().progress("job").checkpoints(Arc::clone(&place)).start();
    let waiting = AtomicU64::new(0);
    thread::scope(|threads| {
        threads.spawn(|| job.checkpoint(&0).unwrap());
        while place.begun.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        // Each begins when the one before has its number: the numbers are in the order of the values.
        for value in 1..=5_u64 {
            let (job, waiting) = (&job, &waiting);
            threads.spawn(move || job.checkpoint(&Announces { value, waiting }).unwrap());
            while waiting.load(Ordering::SeqCst) < value {
                thread::yield_now();
            }
        }
        place.let_go.store(u64::MAX, Ordering::SeqCst);
    });
    assert_eq!(job.resume::<u64>().unwrap(), Some(5));
    assert!((2..=6).contains(&place.begun.load(Ordering::SeqCst)));
}

/// Says that it is being written, which is after its checkpoint was numbered.
struct Announces<'a> {
    value: u64,
    waiting: &'a AtomicU64,
}

impl Serialize for Announces<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.waiting.store(self.value, Ordering::SeqCst);
        serializer.serialize_u64(self.value)
    }
}

#[test]
fn what_a_killed_process_left_half_written_is_removed() {
    let folder = Folder::new();
    let left = folder.0.join(".job-import.checkpoint.4711-0.tmp");
    let in_use = folder.0.join(".job-import.checkpoint.4712-0.tmp");
    fs::write(&left, "half").unwrap();
    let held = fs::File::create(&in_use).unwrap();
    held.lock().unwrap();
    fs::write(folder.0.join(".other.tmp"), "of somebody else").unwrap();
    job_in(&folder.0, "import").checkpoint(&1).unwrap();
    assert_eq!(folder.files(), [".job-import.checkpoint.4712-0.tmp", ".other.tmp", "job-import.checkpoint"]);
}

#[test]
fn files_beside_of_another_process_with_the_same_id_are_left_alone() {
    // In two containers that share a folder, each program may be process 1.
    let folder = Folder::new();
    let job = job_in(&folder.0, "import");
    job.checkpoint(&1).unwrap();
    let process = std::process::id();
    let beside: Vec<_> =
        (0..1_000).map(|n| folder.0.join(format!(".job-import.checkpoint.{process}-{n}.tmp"))).collect();
    for path in &beside {
        fs::write(path, "half written").unwrap();
    }
    for n in 2..5 {
        job.checkpoint(&n).unwrap();
        assert_eq!(job.resume::<i32>().unwrap(), Some(n));
        assert!(beside.iter().all(|path| fs::read(path).unwrap() == b"half written"));
    }
}

#[test]
fn a_state_that_serde_cannot_write_leaves_the_one_before() {
    struct Refuses;
    impl Serialize for Refuses {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("not today"))
        }
    }
    struct Panics;
    impl Serialize for Panics {
        fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("on purpose")
        }
    }
    let local = local();
    let job = local.scope(|| local.progress("job").checkpoints(MemoryCheckpoints::new()).start());
    job.checkpoint(&1).unwrap();
    let error = job.checkpoint(&Refuses).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("not today")), (Kind::Unwritable, true));
    let error = local.scope(|| job.checkpoint(&Panics).unwrap_err());
    assert_eq!((error.kind(), local.snapshot().monitor().callbacks_panicked), (Kind::Panicked, 1));
    assert_eq!(job.checkpoint(&vec![0_u8; 40 << 20]).unwrap_err().kind(), Kind::TooLarge);
    assert_eq!(job.resume::<i32>().unwrap(), Some(1));
}

/// A place that fails or panics when it is told to.
#[derive(Default)]
struct Moody {
    kept: MemoryCheckpoints,
    mood: AtomicU64,
}

impl Moody {
    fn ask(&self) -> io::Result<()> {
        match self.mood.load(Ordering::Relaxed) {
            0 => Ok(()),
            1 => Err(io::ErrorKind::QuotaExceeded.into()),
            _ => panic!("on purpose"),
        }
    }
}

impl Checkpoints for Moody {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.ask()?;
        self.kept.save(name, bytes)
    }
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.ask()?;
        self.kept.load(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.ask()?;
        self.kept.remove(name)
    }
}

#[test]
fn a_place_may_fail_and_panic_and_come_back() {
    let place = Arc::new(Moody::default());
    let job = local().progress("job").checkpoints(Arc::clone(&place)).start();
    job.checkpoint(&1).unwrap();
    for (mood, kind) in [(1, Kind::StorageFull), (2, Kind::Panicked)] {
        place.mood.store(mood, Ordering::Relaxed);
        assert_eq!(job.checkpoint(&2).unwrap_err().kind(), kind);
        assert_eq!(job.resume::<i32>().unwrap_err().kind(), kind);
        assert_eq!(job.clear_checkpoint().unwrap_err().kind(), kind);
        assert!(!job.checkpoint(&2).unwrap_err().is_unreadable());
    }
    place.mood.store(0, Ordering::Relaxed);
    assert_eq!(job.resume::<i32>().unwrap(), Some(1));
    job.checkpoint(&3).unwrap();
    assert_eq!(job.resume::<i32>().unwrap(), Some(3));
}

/// A place that saves a checkpoint of the same job while it saves one.
#[derive(Clone, Default)]
struct Circular(Arc<std::sync::Mutex<Option<Progress>>>);

impl Checkpoints for Circular {
    fn save(&self, _: &str, _: &[u8]) -> io::Result<()> {
        let job = self.0.lock().unwrap().take();
        job.map_or(Ok(()), |job| job.checkpoint(&2).map_err(io::Error::other))
    }
    fn load(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_place_that_goes_in_circles_gets_an_error_and_hangs_nobody() {
    let place = Circular::default();
    let job = local().progress("job").checkpoints(place.clone()).start();
    *place.0.lock().unwrap() = Some(job.clone());
    let error = job.checkpoint(&1).unwrap_err();
    assert!(error.to_string().contains("while it saved one"), "{error}");
    job.checkpoint(&3).unwrap();
}

/// A place whose errors panic when they are put into words.
struct Unspeakable(AtomicU64);

#[derive(Debug)]
struct Unsaid;

impl std::fmt::Display for Unsaid {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose")
    }
}

impl std::error::Error for Unsaid {}

impl Checkpoints for Unspeakable {
    fn save(&self, _: &str, _: &[u8]) -> io::Result<()> {
        if self.0.fetch_add(1, Ordering::Relaxed) == 0 { Err(io::Error::other(Unsaid)) } else { Ok(()) }
    }
    fn load(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Err(io::Error::other(Unsaid))
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Err(io::Error::other(Unsaid))
    }
}

#[test]
fn an_error_of_a_place_that_panics_is_contained_and_hangs_nobody() {
    let job = local().progress("job").checkpoints(Unspeakable(AtomicU64::new(0))).start();
    assert_eq!(job.checkpoint(&1).unwrap_err().kind(), Kind::Panicked);
    assert_eq!(job.resume::<i32>().unwrap_err().kind(), Kind::Panicked);
    thread::scope(|threads| threads.spawn(|| job.checkpoint(&2).unwrap()).join()).unwrap();
    job.finish();
    let stats = job.stats();
    assert_eq!((stats.state, stats.error.is_some()), (ProgressState::Finished, true));
}

/// A place that keeps the error of each save with the job that it belongs to; dropped, the error asks for a checkpoint.
#[derive(Clone, Default)]
struct Clinging(Arc<std::sync::Mutex<Option<Progress>>>);

struct Clings(Clinging);

impl std::fmt::Debug for Clings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clings")
    }
}

impl std::fmt::Display for Clings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("clings")
    }
}

impl std::error::Error for Clings {}

impl Drop for Clings {
    fn drop(&mut self) {
        let job = self.0.0.lock().unwrap().take();
        if let Some(job) = job {
            let _ = job.checkpoint(&3);
        }
    }
}

impl Checkpoints for Clinging {
    fn save(&self, _: &str, _: &[u8]) -> io::Result<()> {
        Err(io::Error::other(Clings(self.clone())))
    }
    fn load(&self, _: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(None)
    }
    fn remove(&self, _: &str) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_a_place_is_dropped_under_no_lock() {
    let place = Clinging::default();
    let job = local().progress("job").checkpoints(place.clone()).start();
    assert_eq!(job.checkpoint(&1).unwrap_err().kind(), Kind::Io);
    *place.0.lock().unwrap() = Some(job.clone());
    assert_eq!(job.checkpoint(&2).unwrap_err().kind(), Kind::Io);
    assert!(place.0.lock().unwrap().is_none(), "the first error was dropped, and saved without waiting for itself");
}

#[test]
fn a_job_that_has_finished_is_not_saved_any_more() {
    let kept = MemoryCheckpoints::new();
    let job = local().progress("job").checkpoints(kept.clone()).start();
    job.checkpoint(&1).unwrap();
    job.finish();
    let error = job.checkpoint(&2).unwrap_err();
    assert_eq!((error.kind(), error.to_string().contains("save before")), (Kind::Finished, true), "{error}");
    assert_eq!(local().progress("job").checkpoints(kept.clone()).start().resume::<i32>().unwrap(), None);
    // One that failed or was cancelled is to be resumed.
    let job = local().progress("job").checkpoints(kept.clone()).start();
    job.cancel();
    job.checkpoint(&3).unwrap();
    assert_eq!(local().progress("job").checkpoints(kept).start().resume::<i32>().unwrap(), Some(3));
}

/// A place that says when it begins to remove, and does so when it may.
#[derive(Default)]
struct Removes {
    kept: MemoryCheckpoints,
    begun: AtomicU64,
    let_go: AtomicU64,
}

impl Checkpoints for Removes {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        self.kept.save(name, bytes)
    }
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        self.kept.load(name)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.begun.store(1, Ordering::SeqCst);
        while self.let_go.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        self.kept.remove(name)
    }
}

#[test]
fn a_save_that_comes_while_a_job_finishes_leaves_nothing() {
    let place = Arc::new(Removes::default());
    let job = local().progress("job").checkpoints(Arc::clone(&place)).start();
    let saved = thread::scope(|threads| {
        threads.spawn(|| job.finish());
        while place.begun.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        let late = threads.spawn(|| job.checkpoint(&1));
        place.let_go.store(1, Ordering::SeqCst);
        late.join().unwrap()
    });
    assert_eq!(saved.unwrap_err().kind(), Kind::Finished);
    assert_eq!(place.kept.load("job").unwrap(), None);
}

#[test]
fn without_a_place_there_is_an_error_and_memory_is_bounded() {
    let job = local().progress("job").start();
    assert_eq!(job.checkpoint(&1).unwrap_err().kind(), Kind::NoPlace);
    assert_eq!(job.resume::<i32>().unwrap_err().kind(), Kind::NoPlace);
    assert_eq!(job.clear_checkpoint().unwrap_err().kind(), Kind::NoPlace);
    let kept = MemoryCheckpoints::new();
    for n in 0..1_024 {
        kept.save(&n.to_string(), b"x").unwrap();
    }
    kept.save("7", b"y").unwrap();
    let job = local().progress("one more").checkpoints(kept).start();
    assert_eq!(job.checkpoint(&1).unwrap_err().kind(), Kind::StorageFull);
}
