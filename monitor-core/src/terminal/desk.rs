//! What other threads hand over to the one that draws: text to print, and the wish that the bars be away for a while.
//!
//! Who hands something over waits until it is done, for a second at the most. The lock is held for moments; the terminal
//! is touched outside of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::OnceLock;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::record::fork;

/// Text that waits, in bytes, at the most.
const MOST: usize = 1 << 20;
/// How long a thread waits for the terminal.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Desk {
    plain: bool,
    generation: usize,
    drawer: OnceLock<ThreadId>,
    tray: Mutex<Tray>,
    /// For the thread that draws.
    work: Condvar,
    /// For those who wait for it.
    done: Condvar,
}

#[derive(Default)]
struct Tray {
    text: String,
    /// What was handed over is numbered; everything up to `shown` is done.
    asked: u64,
    shown: u64,
    /// How many want the bars to be away.
    holds: usize,
    dropped_lines: u64,
    stop: bool,
    /// The thread that draws is no more.
    abandoned: bool,
}

/// What is to be done now.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) text: String,
    pub(super) held: bool,
    pub(super) stop: bool,
    upto: u64,
}

impl Desk {
    pub(super) fn new(plain: bool) -> Self {
        Self {
            plain,
            generation: fork::generation(),
            drawer: OnceLock::new(),
            tray: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    pub(super) fn is_plain(&self) -> bool {
        self.plain
    }

    pub(super) fn drawn_by(&self, drawer: ThreadId) {
        let _ = self.drawer.set(drawer);
    }

    /// Whether there is somebody who draws.
    pub(super) fn is_drawn(&self) -> bool {
        self.generation == fork::generation() && self.tray.try_lock().is_none_or(|tray| !tray.abandoned && !tray.stop)
    }

    /// Whether this thread must not wait for the one that draws: it is that thread, or one of a forked child.
    fn is_alone(&self) -> bool {
        self.generation != fork::generation() || self.drawer.get() == Some(&std::thread::current().id())
    }

    /// Prints lines.
    pub(super) fn print(&self, text: &str) {
        if self.plain || self.is_alone() || !self.hand_over(text) {
            directly(text);
        }
    }

    /// `false` if there is nobody to do it.
    fn hand_over(&self, text: &str) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let mut tray = self.tray.lock();
        while !tray.abandoned && tray.text.len() + text.len() > MOST && !tray.text.is_empty() {
            if self.done.wait_until(&mut tray, deadline).timed_out() {
                tray.dropped_lines = tray.dropped_lines.saturating_add(text.lines().count() as u64);
                return true;
            }
        }
        if tray.abandoned {
            return false;
        }
        tray.text.push_str(text);
        if !text.ends_with('\n') {
            tray.text.push('\n');
        }
        self.ask(tray, deadline);
        true
    }

    /// Asks for what lies in the tray and waits until it is done.
    fn ask(&self, mut tray: MutexGuard<'_, Tray>, deadline: Instant) {
        tray.asked += 1;
        let number = tray.asked;
        self.work.notify_one();
        while tray.shown < number && !tray.abandoned {
            if self.done.wait_until(&mut tray, deadline).timed_out() {
                return;
            }
        }
    }

    /// Has the bars away until the guard is dropped. `None` where that cannot be waited for.
    pub(super) fn hold(&self) -> Option<Hold<'_>> {
        if self.plain || self.is_alone() {
            return None;
        }
        let deadline = Instant::now() + PATIENCE / 2;
        // Not for ever: this is called by the panic hook.
        let mut tray = self.tray.try_lock_until(deadline)?;
        tray.holds += 1;
        self.ask(tray, deadline);
        Some(Hold(self))
    }

    /// Has everything shown and the thread that draws end. Whether it did in good time.
    pub(super) fn stop(&self) -> bool {
        if self.is_alone() {
            return false;
        }
        let deadline = Instant::now() + 2 * PATIENCE;
        let mut tray = self.tray.lock();
        tray.stop = true;
        self.work.notify_one();
        while !tray.abandoned {
            if self.done.wait_until(&mut tray, deadline).timed_out() {
                return false;
            }
        }
        true
    }

    /// Waits for work, until then at the most.
    pub(super) fn next(&self, until: Instant) -> Work {
        let mut tray = self.tray.lock();
        while tray.asked == tray.shown && !tray.stop {
            if self.work.wait_until(&mut tray, until).timed_out() {
                break;
            }
        }
        let mut text = std::mem::take(&mut tray.text);
        let dropped = std::mem::take(&mut tray.dropped_lines);
        if dropped > 0 {
            let _ = writeln!(text, "! {dropped} lines were dropped: the terminal was too slow");
        }
        Work { text, held: tray.holds > 0, stop: tray.stop, upto: tray.asked }
    }

    /// Says that work is done.
    pub(super) fn finish(&self, work: &Work) {
        self.tray.lock().shown = work.upto;
        self.done.notify_all();
    }

    /// From now on nobody draws; whoever waits need not.
    pub(super) fn abandon(&self) {
        let text = {
            let mut tray = self.tray.lock();
            tray.abandoned = true;
            std::mem::take(&mut tray.text)
        };
        self.done.notify_all();
        directly(&text);
    }
}

/// The bars are away as long as there is one.
pub(super) struct Hold<'a>(&'a Desk);

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut tray = self.0.tray.lock();
        tray.holds = tray.holds.saturating_sub(1);
    }
}

/// Writes lines to standard error in one go. Nobody can be told that it failed.
pub(super) fn directly(text: &str) {
    if text.is_empty() {
        return;
    }
    let end = if text.ends_with('\n') { "" } else { "\n" };
    let _ = std::io::stderr().write_all(format!("{text}{end}").as_bytes());
}
