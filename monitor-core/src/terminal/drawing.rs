//! The thread that draws.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::desk::{Desk, directly};
use super::lines;
use super::screen::Screen;
use super::signals;
use crate::model::ProgressStats;
use crate::monitor::Monitor;

/// Between two looks at the jobs on a terminal, and where there is none.
const LOOK_EVERY: Duration = Duration::from_millis(100);
const LOOK_PLAIN_EVERY: Duration = Duration::from_secs(1);

/// `None` if no thread is to be had.
pub(super) fn start(monitor: &Monitor, desk: &Arc<Desk>, plain_every: Duration) -> Option<JoinHandle<()>> {
    let (monitor, desk) = (monitor.clone(), Arc::clone(desk));
    let show = if desk.is_plain() { Show::Plain(Plain::new(plain_every)) } else { Show::Bars(Box::default()) };
    // What had ended before is not news.
    let ended = monitor.jobs().iter().filter(|job| job.is_ended()).map(|job| job.id).collect();
    let run = move || {
        let mut drawing = Drawing { monitor, ended, show };
        // A fault in here must not take the program's output with it.
        let fault = catch_unwind(AssertUnwindSafe(|| drawing.run(&desk))).is_err();
        desk.abandon();
        if fault && !desk.is_plain() {
            // Nor may it keep the program from being ended.
            signals::disarm();
            if let Some(signal) = signals::received() {
                signals::end_by(signal);
            }
        }
    };
    thread::Builder::new().name("monitor-bars".to_owned()).spawn(run).ok()
}

struct Drawing {
    monitor: Monitor,
    /// Jobs of which it is known that they ended.
    ended: HashSet<u64>,
    show: Show,
}

enum Show {
    Bars(Box<Screen>),
    Plain(Plain),
}

impl Drawing {
    fn run(&mut self, desk: &Desk) {
        let every = if desk.is_plain() { LOOK_PLAIN_EVERY } else { LOOK_EVERY };
        let mut look_at = Instant::now();
        loop {
            let work = desk.next(look_at);
            let signal = signals::received();
            let away = work.held || work.stop || signal.is_some();
            self.show.print(&work.text, away);
            desk.finish(&work);
            if Instant::now() >= look_at || work.stop {
                look_at = Instant::now() + every;
                let jobs = self.monitor.jobs();
                self.tell_ends(&jobs, away);
                if !away {
                    self.show.update(&jobs);
                }
            }
            if let Some(signal) = signal {
                signals::end_by(signal);
            }
            if work.stop {
                return;
            }
        }
    }

    /// A line for each job that ended since the last look; of steps, only if they did not finish.
    fn tell_ends(&mut self, jobs: &[ProgressStats], away: bool) {
        let ended: Vec<_> = jobs.iter().filter(|job| job.is_ended()).collect();
        for job in ended.iter().rev().filter(|job| !self.ended.contains(&job.id)) {
            if let Some(line) = lines::end(job) {
                self.show.print(&(line + "\n"), away);
            }
        }
        self.ended = ended.iter().map(|job| job.id).collect();
    }
}

impl Show {
    fn update(&mut self, jobs: &[ProgressStats]) {
        match self {
            Show::Bars(screen) => screen.update(jobs),
            Show::Plain(plain) => plain.update(jobs),
        }
    }

    fn print(&mut self, text: &str, away: bool) {
        match self {
            Show::Bars(screen) => screen.print(text, away),
            Show::Plain(_) => directly(text),
        }
    }
}

/// Plain lines at intervals.
struct Plain {
    every: Duration,
    next: Instant,
    begun: HashSet<u64>,
}

impl Plain {
    fn new(every: Duration) -> Self {
        Self { every, next: after(every), begun: HashSet::new() }
    }

    fn update(&mut self, jobs: &[ProgressStats]) {
        let all = Instant::now() >= self.next;
        if all {
            self.next = after(self.every);
        }
        let running: Vec<_> = jobs.iter().filter(|job| !job.is_ended()).collect();
        let mut text = String::new();
        for job in running.iter().filter(|job| all || !self.begun.contains(&job.id)) {
            text.push_str(&lines::plain(job));
            text.push('\n');
        }
        self.begun = running.iter().map(|job| job.id).collect();
        directly(&text);
    }
}

/// A time far away is as good as never.
fn after(time: Duration) -> Instant {
    Instant::now() + time.min(Duration::from_hours(24 * 365))
}
