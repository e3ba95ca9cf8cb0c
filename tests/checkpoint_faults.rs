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

    use monitor_core::{CheckpointErrorKind as Kind, FileCheckpoints, Monitor, Progress};

    /// Tells the program to be the one that is killed, and where it works.
    pub(super) const VICTIM: &str = "CHECKPOINT_VICTIM";

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("checkpoint-faults-{name}-{}", std::process::id()));
            fs::create_dir(&path).unwrap();
            Self(path)
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

    fn job(folder: &Path) -> Progress {
        let local = Monitor::builder().build().unwrap();
        local.progress("import").checkpoints(FileCheckpoints::new(folder)).start()
    }

    /// A small checkpoint fits and a large one does not; the small one stays, and all is well when there is room again.
    fn no_room_for_the_second(folder: &Folder, make_room: impl FnOnce()) {
        let job = job(&folder.0);
        job.checkpoint(&"small").unwrap();
        for _ in 0..3 {
            let error = job.checkpoint(&"large".repeat(100_000)).unwrap_err();
            assert_eq!(error.kind(), Kind::StorageFull, "{error}");
            assert!(error.to_string().contains("make room and try again"), "{error}");
            assert_eq!(job.resume::<String>().unwrap().as_deref(), Some("small"));
            assert_eq!(folder.files(), ["job-import.checkpoint"], "nothing is left beside");
        }
        make_room();
        job.checkpoint(&"large".repeat(100_000)).unwrap();
        assert_eq!(job.resume::<String>().unwrap().map(|state| state.len()), Some(500_000));
        job.finish();
        assert!(folder.files().is_empty());
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
        limit_file_size(64 << 10);
        no_room_for_the_second(&Folder::new("limit"), || limit_file_size(libc::RLIM_INFINITY));
    }

    fn a_full_disk_leaves_the_checkpoint_from_before() {
        let folder = Folder::new("full");
        let mount = |options: &str| {
            let mut mount = Command::new("mount");
            mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(&folder.0).stderr(Stdio::null());
            mount.status().is_ok_and(|status| status.success())
        };
        if !mount("size=64k") {
            println!("(skipped: no tmpfs may be mounted here)");
            return;
        }
        no_room_for_the_second(&folder, || assert!(mount("remount,size=16m")));
        let _ = Command::new("umount").arg(&folder.0).status();
    }

    /// Saves one checkpoint after the other, and says so of each when it is there.
    pub(super) fn victim(folder: &Path) {
        let job = job(folder);
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
        let folder = Folder::new("killed");
        let mut last = 0;
        for round in 1..=8_u64 {
            let program = std::env::current_exe().unwrap();
            let mut child = Command::new(program).env(VICTIM, &folder.0).stdout(Stdio::piped()).spawn().unwrap();
            let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
            for _ in 0..round * 3 {
                last = told.next().expect("the victim goes on").parse().unwrap();
            }
            child.kill().unwrap();
            // What it had said before it was killed counts, too.
            last = told.last().map_or(last, |line| line.parse().unwrap());
            child.wait().unwrap();
            let job = job(&folder.0);
            let (next, state) = job.resume::<(u64, String)>().unwrap().expect("there is one");
            assert!(next == last || next == last + 1, "{next} after {last}");
            assert_eq!((state.len(), job.stats().done), (50_000, next));
            assert_eq!(folder.files(), ["job-import.checkpoint"], "nothing half written is left");
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
            return cases::victim(folder.as_ref());
        }
        let failed: Vec<_> = cases::ALL.iter().filter(|(_, case)| std::panic::catch_unwind(case).is_err()).collect();
        for (name, _) in cases::ALL {
            let ended = if failed.iter().any(|(other, _)| other == name) { "FAILED" } else { "ok" };
            println!("test {name} ... {ended}");
        }
        assert!(failed.is_empty(), "{} of {} failed", failed.len(), cases::ALL.len());
    }
}
