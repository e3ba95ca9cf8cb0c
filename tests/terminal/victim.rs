//! The program that is run in a terminal: eight threads print and log while their jobs go on, and then it ends in the way
//! that it is told.

use std::process::Command;
use std::thread;
use std::time::Duration;

use monitor_core::Monitor;
use monitor_core::terminal::Bars;

/// `end` is how it ends; `channel` has the name of the file that its process id goes to.
pub(super) fn run(end: &str, channel: &str) {
    let local = Monitor::builder().build().unwrap();
    let bars = Bars::builder(&local).clear_on_signals().start();
    tracing_subscriber::fmt().with_writer(bars.writer()).with_ansi(false).without_time().init();
    let whole = local.progress("whole").total(8).start();
    thread::scope(|threads| {
        for thread in 0..8 {
            let (bars, whole) = (&bars, &whole);
            threads.spawn(move || {
                let part = whole.step(&format!("part {thread}")).total(100).message("läuft 進捗").start();
                for n in 0..100 {
                    part.inc(1);
                    if n % 25 == 0 {
                        bars.println(format!("printed {thread}.{n}"));
                        tracing::info!("logged {thread}.{n}");
                        // So that bars are drawn in between.
                        thread::sleep(Duration::from_millis(60));
                    }
                }
                whole.inc(1);
                if thread != 7 {
                    part.finish();
                }
            });
        }
    });
    let last = local.progress("last").total(10).start();
    last.inc(5);
    thread::sleep(Duration::from_millis(300));
    match end {
        "finish" => {
            last.finish();
            whole.finish();
            drop(bars);
        }
        "panic" => {
            let _ = thread::spawn(|| panic!("on purpose")).join();
            thread::sleep(Duration::from_millis(300));
            tell(channel);
            thread::park();
        }
        #[cfg(unix)]
        "fork" => bars.println(format!("the child was ended by {}", signal_that_ended_a_child())),
        "exit" => panic!("the end of main"),
        _ => {
            if end == "plain" {
                drop(Bars::builder(&local).plain().start());
            }
            tell(channel);
            loop {
                thread::park();
            }
        }
    }
    println!("done");
}

/// Forks a child that waits for a signal, and tells it once to end: by which signal it did, 0 if it went on.
#[cfg(unix)]
fn signal_that_ended_a_child() -> i32 {
    use std::io::{Read as _, pipe};
    use std::os::fd::AsRawFd as _;

    let (mut reader, writer) = pipe().unwrap();
    // SAFETY: the child of a program with threads does nothing but what is allowed in a signal handler.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: as above; the text and the file are there.
        unsafe {
            // Should nothing end it, this does.
            libc::alarm(10);
            libc::write(writer.as_raw_fd(), b"x".as_ptr().cast(), 1);
            libc::pause();
            // The signal was handled, and that was all.
            libc::_exit(0);
        }
    }
    drop(writer);
    reader.read_exact(&mut [0]).unwrap();
    let mut status = 0;
    // SAFETY: the child is this program's own; the status is a place for one.
    unsafe {
        libc::kill(child, libc::SIGTERM);
        libc::waitpid(child, &raw mut status, 0);
    }
    if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 }
}

/// Lets the test go on, and tells it which process this is.
fn tell(channel: &str) {
    let file = std::env::temp_dir().join(format!("{channel}.pid"));
    std::fs::write(file, std::process::id().to_string()).unwrap();
    Command::new("tmux").args(["wait-for", "-S", "ready"]).status().unwrap();
}
