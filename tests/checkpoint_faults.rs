//! Checkpoints when the disk is full and when the process is killed. A program of its own: limits and signals are of the
//! whole process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

#[cfg(unix)]
mod cases {
    use std::fs;
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Stdio};

    use monitor_core::{CheckpointErrorKind as Kind, FileCheckpoints, Monitor, Progress, SqliteCheckpoints};
    use tests::mount::Tmpfs;

    /// Tells the program to be the one that is killed, and where it works.
    pub(super) const VICTIM: &str = "CHECKPOINT_VICTIM";

    /// In which sort of place.
    pub(super) const SORT: &str = "CHECKPOINT_SORT";

    const SORTS: [&str; 2] = ["file", "sqlite"];

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("checkpoint-faults-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
        }

        /// Nothing is left beside the checkpoint.
        fn check(&self, sort: &str) {
            let files = self.files();
            match sort {
                "file" => assert_eq!(files, ["job-import.checkpoint"]),
                _ => assert!(files.iter().all(|file| file.starts_with("jobs.db")), "{files:?}"),
            }
        }

        fn files(&self) -> Vec<String> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn job(folder: &Path, sort: &str) -> Progress {
        let local = Monitor::builder().build().unwrap();
        let job = local.progress("import");
        match sort {
            "file" => job.checkpoints(FileCheckpoints::new(folder)).start(),
            _ => job.checkpoints(SqliteCheckpoints::open(folder.join("jobs.db")).unwrap()).start(),
        }
    }

    /// A small checkpoint fits and a large one does not; the small one stays, and all is well when there is room again.
    fn no_room_for_the_second(
        folder: &Folder,
        sort: &str,
        kind: Kind,
        take_room: impl FnOnce(),
        make_room: impl FnOnce(),
    ) {
        let job = job(&folder.0, sort);
        job.checkpoint(&"small").unwrap();
        take_room();
        for _ in 0..3 {
            let error = job.checkpoint(&"large".repeat(500_000)).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert_eq!(error.to_string().contains("make room and try again"), kind == Kind::StorageFull, "{error}");
            assert_eq!(job.resume::<String>().unwrap().as_deref(), Some("small"));
            folder.check(sort);
        }
        make_room();
        job.checkpoint(&"large".repeat(500_000)).unwrap();
        assert_eq!(job.resume::<String>().unwrap().map(|state| state.len()), Some(2_500_000));
        job.finish();
        assert_eq!(job.resume::<String>().unwrap(), None);
    }

    fn limit_file_size(bytes: libc::rlim_t) {
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the pointers are to a variable of this function; a write over the limit is to fail, not to kill.
        unsafe {
            libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
            assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
            limit.rlim_cur = bytes.min(limit.rlim_max);
            assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
        }
    }

    fn a_file_that_may_not_grow_leaves_the_checkpoint_from_before() {
        for (sort, kind) in SORTS.into_iter().zip([Kind::StorageFull, Kind::Io]) {
            // SQLite does not say why it could not write.
            let (limit, no_limit) = (|| limit_file_size(1 << 20), || limit_file_size(libc::RLIM_INFINITY));
            no_room_for_the_second(&Folder::new(&format!("limit-{sort}")), sort, kind, limit, no_limit);
        }
    }

    fn a_full_disk_leaves_the_checkpoint_from_before() {
        for sort in SORTS {
            a_full_disk(sort);
        }
    }

    fn a_full_disk(sort: &str) {
        let folder = Folder::new(&format!("full-{sort}"));
        let Some(mount) = Tmpfs::mount(&folder.0, "size=2m") else { return };
        let filler = || {
            // To the last byte. A file beside the other one needs room by itself, and is to find some.
            if sort == "sqlite" {
                let mut file = fs::File::create(folder.0.join("jobs.db-filler")).unwrap();
                while file.write_all(&[0; 4_096]).is_ok() {}
            }
        };
        no_room_for_the_second(&folder, sort, Kind::StorageFull, filler, || assert!(mount.remount("size=32m")));
    }

    /// Saves one checkpoint after the other, and says so of each when it is there.
    pub(super) fn victim(folder: &Path, sort: &str) {
        let job = job(folder, sort);
        let mut next = job.resume::<(u64, String)>().unwrap().map_or(0, |(next, _)| next);
        loop {
            next += 1;
            job.inc(1);
            job.checkpoint(&(next, "x".repeat(50_000))).unwrap();
            println!("{next}");
            std::io::stdout().flush().unwrap();
        }
    }

    fn a_killed_process_has_lost_no_checkpoint_that_it_was_told_of() {
        for sort in SORTS {
            loses_nothing_when_killed(sort);
        }
    }

    fn loses_nothing_when_killed(sort: &str) {
        let folder = Folder::new(&format!("killed-{sort}"));
        let mut last = 0;
        for round in 1..=8_u64 {
            let program = std::env::current_exe().unwrap();
            let mut child = Command::new(program);
            let mut child = child.env(VICTIM, &folder.0).env(SORT, sort).stdout(Stdio::piped()).spawn().unwrap();
            let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            for _ in 0..round * 3 {
                last = told.next().expect("the victim goes on").parse().unwrap();
            }
            child.kill().unwrap();
            // What it had said before it was killed counts, too.
            last = told.last().map_or(last, |line| line.parse().unwrap());
            child.wait().unwrap();
            let job = job(&folder.0, sort);
            let (next, state) = job.resume::<(u64, String)>().unwrap().expect("there is one");
            assert!(next == last || next == last + 1, "{next} after {last}");
            assert_eq!((state.len(), job.stats().done), (50_000, next));
            folder.check(sort);
        }
    }

    pub(super) const ALL: &[(&str, fn())] = &[
        (
            "a_file_that_may_not_grow_leaves_the_checkpoint_from_before",
            a_file_that_may_not_grow_leaves_the_checkpoint_from_before,
        ),
        ("a_full_disk_leaves_the_checkpoint_from_before", a_full_disk_leaves_the_checkpoint_from_before),
        (
            "a_killed_process_has_lost_no_checkpoint_that_it_was_told_of",
            a_killed_process_has_lost_no_checkpoint_that_it_was_told_of,
        ),
    ];
}

fn main() {
    #[cfg(unix)]
    {
        if let Some(folder) = std::env::var_os(cases::VICTIM) {
            return cases::victim(folder.as_ref(), &std::env::var(cases::SORT).expect("said by the one who starts it"));
        }
        let failed: Vec<_> = cases::ALL.iter().filter(|(_, case)| std::panic::catch_unwind(case).is_err()).collect();
        for (name, _) in cases::ALL {
            let ended = if failed.iter().any(|(other, _)| other == name) { "FAILED" } else { "ok" };
            println!("test {name} ... {ended}");
        }
        assert!(failed.is_empty(), "{} of {} failed", failed.len(), cases::ALL.len());
    }
}
