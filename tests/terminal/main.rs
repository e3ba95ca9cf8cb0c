//! Bars in a real terminal, by way of tmux: whole beside the output of eight threads, and nothing left behind however the
//! program ends. A program of its own; where there is no tmux it says so and tests the plain lines alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

mod victim;

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// This program, which is its own victim when it is told how to end.
fn program() -> PathBuf {
    std::env::current_exe().unwrap()
}

/// A terminal with a shell in it that runs the program and then waits.
struct Terminal {
    name: String,
}

impl Terminal {
    fn run(end: &str, columns: u32) -> Self {
        let name = format!("monitor-{}-{end}-{columns}", std::process::id());
        let terminal = Self { name };
        // The shell outlives the signal, and the program gets it as usual.
        let script = format!(
            "trap : INT; {} {end} {name}; echo status $?; tmux wait-for -S ended; tmux wait-for never",
            program().display(),
            name = terminal.name,
        );
        let size = ["-x", &columns.to_string(), "-y", "24"].map(str::to_owned);
        let mut new = terminal.tmux(&["-f", "/dev/null", "new-session", "-d", "-s", "t"]);
        assert!(new.args(size).arg(format!("sh -c '{script}'")).status().unwrap().success());
        terminal
    }

    fn tmux(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.name]).args(arguments).env_remove("TMUX").stdin(Stdio::null());
        command
    }

    /// Where the program says which process it is.
    fn pid_file(&self) -> PathBuf {
        std::env::temp_dir().join(format!("{}.pid", self.name))
    }

    /// Waits until the program, or the shell, says so.
    fn wait_for(&self, channel: &str) {
        assert!(self.tmux(&["wait-for", channel]).status().unwrap().success());
    }

    fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", "-t", "t", key]).status().unwrap().success());
    }

    /// What is on the screen and above it; lines that wrapped are one.
    fn lines(&self) -> Vec<String> {
        let output = self.tmux(&["capture-pane", "-p", "-J", "-t", "t", "-S", "-1000"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]).status();
        let _ = std::fs::remove_file(self.pid_file());
    }
}

/// The lines that the threads write, sorted.
fn written() -> Vec<String> {
    let at =
        |n| move |thread| [format!(" INFO terminal::victim: logged {thread}.{n}"), format!("printed {thread}.{n}")];
    let mut lines: Vec<_> = [0, 25, 50, 75].into_iter().flat_map(|n| (0..8).flat_map(at(n))).collect();
    lines.sort();
    lines
}

/// Takes out of lines those that the threads wrote, which must all be there, whole and once.
#[track_caller]
fn others(lines: Vec<String>) -> Vec<String> {
    let (mut of_threads, others): (Vec<_>, _) =
        lines.into_iter().partition(|line| line.starts_with("printed ") || line.starts_with(" INFO "));
    of_threads.sort();
    assert_eq!(of_threads, written());
    others
}

fn is_bar(line: impl AsRef<str>) -> bool {
    let line = line.as_ref();
    line.contains("[=") || line.contains("[>") || line.contains("[ ")
}

fn bars_are_whole_beside_what_eight_threads_print_and_gone_at_the_end() {
    for columns in [120, 60] {
        let terminal = Terminal::run("finish", columns);
        terminal.wait_for("ended");
        let rest = others(terminal.lines());
        assert!(!rest.iter().any(is_bar), "{rest:#?}");
        assert!(rest[0].starts_with("progress last: finished after ") && rest[0].contains(", 5 of 10"), "{rest:#?}");
        assert!(rest[1].starts_with("progress whole: finished after ") && rest[1].contains(", 8 of 8"), "{rest:#?}");
        assert_eq!(rest[2..], ["done", "status 0"]);
    }
}

fn a_panic_has_its_message_above_the_bars() {
    let terminal = Terminal::run("panic", 120);
    terminal.wait_for("ready");
    let rest = others(terminal.lines());
    let message = rest.iter().position(|line| line == "on purpose").expect("the message is there");
    assert!(rest[message - 1].contains("panicked at"), "{rest:#?}");
    let bars: Vec<_> = rest.iter().filter(|line| is_bar(line)).collect();
    assert_eq!(bars.len(), 2, "{rest:#?}");
    assert!(rest[rest.len() - 2].starts_with("whole [========================] 8/8  100 %"), "{rest:#?}");
    assert!(rest[rest.len() - 1].starts_with("last  [===========>            ] 5/10  50.0 %"), "{rest:#?}");
    terminal.press("C-c");
    terminal.wait_for("ended");
    let rest = others(terminal.lines());
    assert!(!rest.iter().any(is_bar), "{rest:#?}");
}

fn a_panic_that_ends_the_program_leaves_no_bar() {
    let terminal = Terminal::run("exit", 120);
    terminal.wait_for("ended");
    let rest = others(terminal.lines());
    assert!(!rest.iter().any(is_bar) && rest.contains(&"the end of main".to_owned()), "{rest:#?}");
    assert!(rest.iter().any(|line| line.starts_with("progress last: panicked after ")), "{rest:#?}");
    assert_eq!(rest.last().unwrap(), "status 101");
}

fn ctrl_c_leaves_no_bar_and_ends_the_program_as_usual() {
    for columns in [120, 40] {
        let terminal = Terminal::run("wait", columns);
        terminal.wait_for("ready");
        assert_eq!(others(terminal.lines()).iter().filter(|line| is_bar(line)).count(), 2);
        terminal.press("C-c");
        terminal.wait_for("ended");
        assert_eq!(others(terminal.lines()), ["status 130"]);
    }
}

fn sigterm_leaves_no_bar_and_ends_the_program_as_usual() {
    let terminal = Terminal::run("wait", 120);
    terminal.wait_for("ready");
    let pid = std::fs::read_to_string(terminal.pid_file()).unwrap();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    terminal.wait_for("ended");
    let rest = others(terminal.lines());
    assert!(!rest.iter().any(is_bar), "{rest:#?}");
    assert_eq!(rest.last().unwrap(), "status 143");
}

fn a_forked_child_is_ended_by_its_first_signal() {
    let terminal = Terminal::run("fork", 120);
    terminal.wait_for("ended");
    let rest = others(terminal.lines());
    assert!(rest.contains(&"the child was ended by 15".to_owned()), "{rest:#?}");
}

fn plain_lines_that_end_leave_the_signals_of_the_bars_alone() {
    let terminal = Terminal::run("plain", 120);
    terminal.wait_for("ready");
    terminal.press("C-c");
    terminal.wait_for("ended");
    assert_eq!(others(terminal.lines()), ["status 130"]);
}

fn without_a_terminal_there_are_plain_lines() {
    for term in ["xterm", "dumb"] {
        let output = Command::new(program()).args(["finish", "none"]).env("TERM", term).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(!text.contains('\u{1b}') && !text.contains('\r'), "{text}");
        let rest = others(text.lines().map(str::to_owned).collect());
        assert!(!rest.iter().any(is_bar), "{rest:#?}");
        assert_eq!(rest.iter().filter(|line| line.contains(": finished after ")).count(), 2, "{rest:#?}");
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "done\n");
    }
}

const IN_TERMINAL: &[(&str, fn())] = &[
    (
        "bars_are_whole_beside_what_eight_threads_print_and_gone_at_the_end",
        bars_are_whole_beside_what_eight_threads_print_and_gone_at_the_end,
    ),
    ("a_panic_has_its_message_above_the_bars", a_panic_has_its_message_above_the_bars),
    ("a_panic_that_ends_the_program_leaves_no_bar", a_panic_that_ends_the_program_leaves_no_bar),
    ("ctrl_c_leaves_no_bar_and_ends_the_program_as_usual", ctrl_c_leaves_no_bar_and_ends_the_program_as_usual),
    ("sigterm_leaves_no_bar_and_ends_the_program_as_usual", sigterm_leaves_no_bar_and_ends_the_program_as_usual),
    ("a_forked_child_is_ended_by_its_first_signal", a_forked_child_is_ended_by_its_first_signal),
    (
        "plain_lines_that_end_leave_the_signals_of_the_bars_alone",
        plain_lines_that_end_leave_the_signals_of_the_bars_alone,
    ),
];
const ANYWHERE: &[(&str, fn())] =
    &[("without_a_terminal_there_are_plain_lines", without_a_terminal_there_are_plain_lines)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [end, channel] = &arguments[..]
        && !end.starts_with('-')
    {
        return victim::run(end, channel);
    }
    let with_tmux = Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_ok();
    if !with_tmux {
        println!("(no tmux: the tests in a terminal are skipped)");
    }
    let cases: Vec<_> = IN_TERMINAL.iter().filter(|_| with_tmux).chain(ANYWHERE).collect();
    let mut failed = 0;
    for (name, case) in &cases {
        let ok = std::panic::catch_unwind(case).is_ok();
        failed += usize::from(!ok);
        println!("test {name} ... {}", if ok { "ok" } else { "FAILED" });
    }
    assert_eq!(failed, 0, "{failed} of {} failed", cases.len());
}
