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

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    /// Runs `f` while a thread takes what is handed over, and gives what that was: texts, and whether the bars were to be
    /// away.
    fn drawn(f: impl FnOnce(&Arc<Desk>)) -> Vec<(String, bool)> {
        let desk = Arc::new(Desk::new(false));
        let drawing = thread::spawn({
            let desk = Arc::clone(&desk);
            move || {
                let mut seen = Vec::new();
                loop {
                    // Far away, but no test waits for it.
                    let work = desk.next(Instant::now() + Duration::from_mins(1));
                    desk.finish(&work);
                    if work.stop {
                        desk.abandon();
                        return seen;
                    }
                    seen.push((work.text, work.held));
                }
            }
        });
        desk.drawn_by(drawing.thread().id());
        f(&desk);
        assert!(desk.stop());
        drawing.join().unwrap()
    }

    #[test]
    fn lines_of_all_threads_are_whole_and_there_when_the_call_returns() {
        let seen = drawn(|desk| {
            thread::scope(|scope| {
                for thread in 0..8 {
                    scope.spawn(move || (0..50).for_each(|n| desk.print(&format!("{thread} {n}"))));
                }
            });
        });
        let text: String = seen.into_iter().map(|(text, _)| text).collect();
        let mut lines: Vec<_> = text.lines().collect();
        lines.sort_unstable();
        let mut expected: Vec<_> = (0..8).flat_map(|thread| (0..50).map(move |n| format!("{thread} {n}"))).collect();
        expected.sort_unstable();
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_held_is_away_until_it_is_let_go() {
        let seen = drawn(|desk| {
            desk.print("before");
            let hold = desk.hold();
            assert!(hold.is_some());
            desk.print("while");
            drop(hold);
            desk.print("after");
        });
        let seen: Vec<_> = seen.iter().map(|(text, held)| (text.as_str(), *held)).collect();
        assert_eq!(seen, [("before\n", false), ("", true), ("while\n", true), ("after\n", false)]);
    }

    #[test]
    fn without_somebody_who_draws_nobody_waits() {
        let desk = Desk::new(false);
        desk.abandon();
        assert!(!desk.hand_over("text") && !desk.is_drawn());
        assert!(desk.hold().is_some() && desk.stop());
        let plain = Desk::new(true);
        assert!(plain.hold().is_none());
        let own = Desk::new(false);
        own.drawn_by(thread::current().id());
        assert!(own.hold().is_none() && !own.stop());
    }

    #[test]
    fn a_writer_hands_over_whole_lines_and_the_rest_when_it_is_dropped() {
        use std::io::Write as _;
        let seen = drawn(|desk| {
            let mut writer = crate::terminal::LineWriter { desk: Arc::clone(desk), line: Vec::new() };
            for piece in ["a", "b\nc", "d\ne\n\u{1b}[31m", "rest"] {
                writer.write_all(piece.as_bytes()).unwrap();
            }
            writer.write_all(&vec![b'x'; 70 << 10]).unwrap();
            writer.write_all(b"end").unwrap();
        });
        let texts: Vec<_> = seen.iter().map(|(text, _)| text.as_str()).collect();
        assert_eq!((texts[0], texts[1], texts[3]), ("ab\n", "cd\ne\n", "end\n"));
        assert!(texts[2].starts_with("\u{1b}[31mrestxxx") && texts.len() == 4);
    }
}
