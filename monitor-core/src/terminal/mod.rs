//! Progress bars on a terminal, and plain lines where there is none. With the feature `terminal`.
//!
//! [`Bars`] shows the jobs of a monitor on standard error, each with a bar, its steps below it. What the program prints
//! through [`Bars::println`] or [`Bars::writer`] stands above the bars and leaves them whole, from any number of threads.
//!
//! One thread of ours draws, because it was asked for; it alone touches the terminal. Threads that print hand their text
//! over and wait until it is there, as they would wait for the terminal itself.
//!
//! | file | owns |
//! |---|---|
//! | `mod` | [`Bars`], its builder, the writer |
//! | `desk` | what other threads hand over to the one that draws |
//! | `screen` | the bars themselves, through `indicatif` |
//! | `lines` | a job as a line of text |
//! | `drawing` | the thread that draws |
//! | `hook`, `signals` | what clears the bars when a thread panics, when the program is told to end |

mod desk;
mod drawing;
mod hook;
mod lines;
mod screen;
mod signals;

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crate::monitor::Monitor;
use crate::record::local::watch_forks;
use desk::Desk;

/// Between two looks at the jobs where there is no terminal, unless said otherwise.
const PLAIN_EVERY: Duration = Duration::from_secs(10);

/// Shows how far the jobs of a monitor are, as long as it is held.
///
/// On a terminal each job has a bar. Where standard error is none (a file, a pipe), or `TERM` is unset or `dumb`, plain
/// lines are written instead: when a job begins, when it ends, and every 10 s. No colours are used, so there is nothing
/// for `NO_COLOR` to switch off. A job that ended leaves a line; a step does so only if it did not finish.
///
/// When a thread panics the bars are taken away before its message is written, by a panic hook that calls the one from
/// before. With [`BarsBuilder::clear_on_signals`] the same is done when the program is told to end.
///
/// Print through this while it is held: [`println`](Self::println), [`writer`](Self::writer). The macro `println!` knows
/// nothing of the bars and writes into them. While one `Bars` is on the terminal, a second one shows nothing, and what is
/// printed through it goes to the first.
///
/// ```
/// use monitor_core::{Monitor, terminal::Bars};
///
/// let local = Monitor::builder().build()?;
/// let bars = Bars::start(&local);
/// let job = local.progress("import").total(1_000).start();
/// for n in 0..1_000 {
///     if n % 500 == 0 {
///         bars.println(format!("row {n}"));
///     }
///     job.inc(1);
/// }
/// job.finish();
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// With `tracing`: `tracing_subscriber::fmt().with_writer(bars.writer()).init()`.
#[must_use = "the bars are there as long as this is held"]
pub struct Bars {
    desk: Arc<Desk>,
    drawing: Option<JoinHandle<()>>,
    /// Whether signals take these bars away, and not those of another one.
    armed: bool,
}

impl Bars {
    /// Shows the jobs of a monitor with everything as it is by default.
    pub fn start(monitor: &Monitor) -> Self {
        Self::builder(monitor).start()
    }

    /// Settings, to be followed by [`BarsBuilder::start`].
    pub fn builder(monitor: &Monitor) -> BarsBuilder<'_> {
        BarsBuilder { monitor, plain: false, plain_every: PLAIN_EVERY, clear_on_signals: false }
    }

    /// Writes lines above the bars. They are there when this returns, unless the terminal is stuck: after a second it
    /// returns in any case. Up to 1 MiB waits for a terminal that is slow; what is over is dropped, and said later.
    pub fn println(&self, text: impl AsRef<str>) {
        self.desk.print(text.as_ref());
    }

    /// Makes writers that write whole lines above the bars; for `tracing_subscriber::fmt().with_writer(..)`, and for
    /// `writeln!` by way of a call.
    ///
    /// It outlives the bars: afterwards, and in a forked child, lines go to standard error as they are.
    ///
    /// ```
    /// use std::io::Write;
    ///
    /// # let local = monitor_core::Monitor::builder().build()?;
    /// let bars = monitor_core::terminal::Bars::start(&local);
    /// let writer = bars.writer();
    /// writeln!(writer(), "row {}", 17)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn writer(&self) -> impl Fn() -> LineWriter + Clone + Send + Sync + 'static {
        let desk = Arc::clone(&self.desk);
        move || LineWriter { desk: Arc::clone(&desk), line: Vec::new() }
    }

    /// Whether there are bars, and not plain lines.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        !self.desk.is_plain()
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        let Some(drawing) = self.drawing.take() else { return };
        if self.armed {
            signals::disarm();
        }
        // A terminal that is stuck must not hold up the program: the thread is then left to itself.
        if self.desk.stop() {
            let _ = drawing.join();
        }
    }
}

impl fmt::Debug for Bars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bars").field("terminal", &self.is_terminal()).finish_non_exhaustive()
    }
}

/// Settings of [`Bars`].
#[must_use = "nothing is shown before `start`"]
pub struct BarsBuilder<'a> {
    monitor: &'a Monitor,
    plain: bool,
    plain_every: Duration,
    clear_on_signals: bool,
}

impl BarsBuilder<'_> {
    /// Plain lines also on a terminal. Default: bars on a terminal that can show them.
    pub fn plain(mut self) -> Self {
        self.plain = true;
        self
    }

    /// Time between two plain lines of a job. Default: 10 s; less than a second is read as one.
    pub fn plain_every(mut self, time: Duration) -> Self {
        self.plain_every = time;
        self
    }

    /// Takes the bars away when the program is told to end by Ctrl-C or by SIGTERM (on Unix also SIGHUP), and then lets it
    /// end as by that signal. A second signal ends it at once.
    ///
    /// Not by default, because these signals may be handled by the program itself: it would be ended all the same. Such a
    /// program drops its `Bars` when it ends. A handler that was there before is called first.
    pub fn clear_on_signals(mut self) -> Self {
        self.clear_on_signals = true;
        self
    }

    /// Shows the jobs from now on. Should no thread be to be had, nothing is shown, and what is printed goes to standard
    /// error as it is.
    pub fn start(self) -> Bars {
        watch_forks();
        let plain = self.plain || !can_show_bars();
        if let Some(desk) = if plain { None } else { hook::current() } {
            return Bars { desk, drawing: None, armed: false };
        }
        let desk = Arc::new(Desk::new(plain));
        let drawing = drawing::start(self.monitor, &desk, self.plain_every.max(Duration::from_secs(1)));
        match &drawing {
            Some(drawing) => desk.drawn_by(drawing.thread().id()),
            None => desk.abandon(),
        }
        let drawn = drawing.is_some() && !plain;
        let armed = drawn && self.clear_on_signals;
        if drawn {
            hook::install(&desk);
        }
        if armed {
            signals::arm();
        }
        Bars { desk, drawing, armed }
    }
}

impl fmt::Debug for BarsBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BarsBuilder").field("plain", &self.plain).finish_non_exhaustive()
    }
}

fn can_show_bars() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// Writes whole lines above the bars: [`Bars::writer`].
///
/// What is written is handed over at the end of a line, and what is left without one when it is dropped.
pub struct LineWriter {
    desk: Arc<Desk>,
    line: Vec<u8>,
}

impl LineWriter {
    fn hand_over(&mut self, until: usize) {
        let rest = self.line.split_off(until);
        let lines = std::mem::replace(&mut self.line, rest);
        if !lines.is_empty() {
            self.desk.print(&String::from_utf8_lossy(&lines));
        }
    }
}

impl Write for LineWriter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        /// A line without an end is cut here.
        const LONGEST: usize = 64 << 10;
        self.line.extend_from_slice(buf);
        match self.line.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => self.hand_over(end + 1),
            None if self.line.len() > LONGEST => self.hand_over(self.line.len()),
            None => {}
        }
        Ok(buf.len())
    }

    /// Lines are handed over when they end; there is nothing more to do.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        self.hand_over(self.line.len());
    }
}

impl fmt::Debug for LineWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineWriter").finish_non_exhaustive()
    }
}
