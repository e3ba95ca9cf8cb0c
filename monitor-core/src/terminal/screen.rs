//! The bars on a terminal. One thread alone has them, so `indicatif` never waits for a lock.
//!
//! All bars together are the text of one bar of `indicatif`: it is drawn whole or not at all, in one go at each look. What
//! `indicatif` does is the difficult part: it keeps them below what is printed, over lines that wrap and terminals of any
//! size.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use console::{Term, measure_text_width, truncate_str};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::desk::directly;
use super::lines;
use crate::model::{ProgressStats, in_tree_order};

/// Bars shown, at the most.
const SHOWN: usize = 16;
/// Steps of a bar.
const BAR: usize = 24;

pub(super) struct Screen {
    terminal: Term,
    bars: MultiProgress,
    text: ProgressBar,
    /// Whether there are bars on the screen.
    drawn: bool,
}

impl Default for Screen {
    fn default() -> Self {
        let terminal = Term::buffered_stderr();
        // Drawn at each look and each print, and those come in no greater number than the thread lets them.
        let target = ProgressDrawTarget::term_like(Box::new(OwnLines::new(terminal.clone())));
        let bars = MultiProgress::with_draw_target(target);
        let text = bars.add(ProgressBar::no_length());
        if let Ok(style) = ProgressStyle::with_template("{msg}") {
            text.set_style(style);
        }
        Self { terminal, bars, text, drawn: false }
    }
}

impl Screen {
    /// Shows the jobs that run as they are now.
    pub(super) fn update(&mut self, jobs: &[ProgressStats]) {
        let text = rendered(jobs, usize::from(self.terminal.size().1));
        if text.is_empty() {
            self.take_away();
            return;
        }
        self.drawn = true;
        if self.text.message() == text {
            self.text.tick();
        } else {
            self.text.set_message(text);
        }
    }

    /// Prints lines above the bars, or with the bars away.
    pub(super) fn print(&mut self, text: &str, away: bool) {
        if away {
            self.take_away();
        }
        if text.is_empty() {
            return;
        }
        // Without bars on the screen there is nothing to keep whole.
        if !self.drawn || self.bars.println(text.strip_suffix('\n').unwrap_or(text)).is_err() {
            directly(text);
        }
    }

    fn take_away(&mut self) {
        if std::mem::take(&mut self.drawn) {
            let _ = self.bars.clear();
        }
    }
}

/// The bars of the jobs that run, a line each, in so many columns at the most.
fn rendered(jobs: &[ProgressStats], columns: usize) -> String {
    let mut running: Vec<_> = in_tree_order(jobs).into_iter().filter(|(job, _)| !job.is_ended()).collect();
    let more = running.len().saturating_sub(SHOWN);
    running.truncate(SHOWN);
    let names: Vec<_> = running.iter().map(|(job, depth)| lines::indented(job, *depth)).collect();
    let widest = names.iter().map(|name| measure_text_width(name)).max().unwrap_or(0);
    let line = |((job, _), name): (&(&ProgressStats, usize), &String)| {
        let padding = widest.saturating_sub(measure_text_width(name));
        let bar = job.fraction().map_or_else(String::new, |fraction| lines::bar(fraction, BAR) + " ");
        format!("{name}{:padding$} {bar}{}", "", lines::beside_bar(job))
    };
    let mut shown: Vec<_> = running.iter().zip(&names).map(line).collect();
    if more > 0 {
        shown.push(format!("… and {more} more"));
    }
    // The last column stays free: terminals differ in what they do when it is written to.
    let cut = |line: &String| truncate_str(line, columns.saturating_sub(1), "…").into_owned();
    shown.iter().map(cut).collect::<Vec<_>>().join("\n")
}

/// A terminal on which lines end where their text ends, and the cursor waits at the beginning of the last one.
///
/// `indicatif` fills each line with blanks up to the edge and lets the terminal wrap. Lines that are copied, or that the
/// terminal breaks anew when it is resized, then run together; and a `^C` that the terminal echoes behind the last bar
/// begins a new line, so that the bars are taken away one line too low.
#[derive(Debug)]
struct OwnLines {
    terminal: Term,
    /// Whether what was written last is the text of a line, and whether that line is to be ended before the next one.
    in_line: AtomicBool,
    ends: AtomicBool,
}

impl OwnLines {
    fn new(terminal: Term) -> Self {
        Self { terminal, in_line: AtomicBool::new(false), ends: AtomicBool::new(false) }
    }

    /// The cursor goes elsewhere.
    fn leave(&self) -> &Term {
        self.in_line.store(false, Ordering::Relaxed);
        self.ends.store(false, Ordering::Relaxed);
        &self.terminal
    }
}

impl TermLike for OwnLines {
    fn width(&self) -> u16 {
        self.terminal.size().1
    }

    fn height(&self) -> u16 {
        self.terminal.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.leave().move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.leave().move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.leave().move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.leave().move_cursor_left(n)
    }

    fn write_line(&self, line: &str) -> io::Result<()> {
        self.leave().write_line(line)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        if self.in_line.swap(false, Ordering::Relaxed) && text.bytes().all(|byte| byte == b' ') {
            self.ends.store(true, Ordering::Relaxed);
            return Ok(());
        }
        if self.ends.swap(false, Ordering::Relaxed) {
            self.terminal.write_str("\r\n")?;
        }
        self.in_line.store(true, Ordering::Relaxed);
        self.terminal.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.leave().clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.leave().write_str("\r")?;
        self.terminal.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProgressState;

    fn job(id: u64, parent: Option<u64>, name: &str) -> ProgressStats {
        let state = ProgressState::Running;
        ProgressStats { state, parent, total: Some(4), done: 1, ..ProgressStats::unknown(id, name) }
    }

    #[test]
    fn jobs_are_lines_with_their_steps_below_and_ended_ones_are_not_shown() {
        let ended = ProgressStats { state: ProgressState::Finished, ..job(4, None, "ended") };
        let unknown = ProgressStats { total: None, ..job(5, None, "進捗") };
        let text = rendered(&[job(1, None, "one"), job(2, None, "two"), job(3, Some(1), "copy"), ended, unknown], 120);
        let bar = "[=====>                  ] 1/4  25.0 %  time left unknown";
        let expected = [
            format!("one    {bar}"),
            format!("  copy {bar}"),
            format!("two    {bar}"),
            "進捗   1 done  time left unknown".to_owned(),
        ];
        assert_eq!(text.lines().collect::<Vec<_>>(), expected);
        assert_eq!(rendered(&[], 120), "");
    }

    #[test]
    fn lines_fit_any_width_and_their_number_is_bounded() {
        let jobs: Vec<_> = (1..=40).map(|id| job(id, None, &"名前".repeat(20))).collect();
        for columns in [0, 1, 2, 10, 57, 200] {
            let text = rendered(&jobs, columns);
            assert!(text.lines().all(|line| measure_text_width(line) < columns.max(2)), "{columns}: {text}");
            assert_eq!(text.split('\n').count(), SHOWN + 1);
        }
        assert!(rendered(&jobs, 200).ends_with("\n… and 24 more"));
    }
}
