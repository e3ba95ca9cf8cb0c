//! The dispatcher: begins tasks, hands them to workers, and sees to those of a worker that dies.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use monitor_core::{Monitor, OperationIdError, Queued, monitor};

use crate::inbox::Task;
use crate::{Failure, worker};

const WORKERS: [&str; 3] = ["w1", "w2", "w3"];

/// The worker that is killed, and the task that it is killed in.
pub(crate) const VICTIM: &str = "w2";
pub(crate) const CUT_OFF: &str = "report-0017";

/// What became of all tasks, as this process counted it.
#[derive(Default)]
pub(crate) struct Done {
    pub(crate) counted: u64,
    pub(crate) failed: u64,
    pub(crate) words: u64,
    pub(crate) requeued: u64,
}

/// What waits and what was done, for all threads.
struct Desk {
    waiting: Mutex<VecDeque<(Task, Queued)>>,
    done: Mutex<Done>,
    /// Tasks that are not done, those included that somebody is at.
    left: AtomicUsize,
    /// What no other worker mends, the first of it: nobody waits any more.
    failure: Mutex<Option<Failure>>,
}

impl Desk {
    /// The next task, for as long as there may be one: somebody may put one back.
    fn next(&self) -> Option<(Task, Queued)> {
        loop {
            if self.failure.lock().ok()?.is_some() {
                return None;
            }
            let next = self.waiting.lock().ok()?.pop_front();
            if next.is_some() || self.left.load(Ordering::SeqCst) == 0 {
                return next;
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Has all tasks done by three workers.
pub(crate) fn run(file: &Path, tasks: Vec<Task>) -> Result<Done, Failure> {
    let installed = Monitor::builder().service("dispatcher").sqlite(file).install()?;
    let queue = monitor().queue("tasks");
    let words: u64 = tasks.iter().filter_map(|task| task.words).sum();
    let count = tasks.len();
    let (cut_off, others): (Vec<_>, Vec<_>) = tasks.into_iter().partition(|task| task.id == CUT_OFF);
    // The one in which the worker is killed goes to that worker, and so it is not among those that wait.
    let cut_off: Vec<_> = cut_off.into_iter().map(|task| (task, queue.enqueued())).collect();
    let waiting = others.into_iter().map(|task| (task, queue.enqueued())).collect();
    let left = AtomicUsize::new(count);
    let desk = Desk { waiting: Mutex::new(waiting), done: Mutex::default(), left, failure: Mutex::default() };
    println!("{count} tasks for {} workers", WORKERS.len());

    let mut own = Some(cut_off);
    thread::scope(|threads| {
        for name in WORKERS {
            let first = if name == VICTIM { own.take().unwrap_or_default() } else { Vec::new() };
            let desk = &desk;
            threads.spawn(move || {
                if let Err(error) = serve(name, file, first, desk) {
                    desk.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            });
        }
    });
    if let Some(error) = desk.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error);
    }
    let left = desk.left.into_inner();
    if left > 0 {
        return Err(format!("no worker is left, and {left} tasks are not done").into());
    }
    let done = desk.done.into_inner().unwrap_or_else(PoisonError::into_inner);
    println!(
        "{} counted, {} failed, {} put back because its worker was gone; {} words in all",
        done.counted, done.failed, done.requeued, done.words
    );
    assert_eq!(done.words, words, "all words that there are");
    installed.shutdown(Duration::from_secs(5))?;
    Ok(done)
}

/// Gives tasks to one worker until there are none, or it is gone.
fn serve(name: &str, file: &Path, first: Vec<(Task, Queued)>, desk: &Desk) -> Result<(), Failure> {
    let mut worker = Worker::start(name, file)?;
    let mut first = VecDeque::from(first);
    loop {
        let Some((task, ticket)) = first.pop_front().or_else(|| desk.next()) else { break };
        let processing = ticket.start();
        begin(&task, name)?;
        if task.id == CUT_OFF && name == VICTIM {
            worker.send(&task)?;
            worker.kill_in_the_middle(&task.id)?;
        }
        let answer = worker.send(&task).and_then(|()| worker.answer());
        let mut done = desk.done.lock().map_err(|_| "a thread panicked")?;
        match answer {
            Ok(Answer::Counted(words)) => {
                processing.succeed();
                done.counted += 1;
                done.words += words;
                desk.left.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(Answer::Failed(why)) => {
                println!("  {}: {why}", task.id);
                // The worker has recorded why.
                processing.set_failed();
                done.failed += 1;
                desk.left.fetch_sub(1, Ordering::SeqCst);
            }
            // Gone, and what it was at is for another one.
            Err(_) => {
                println!("  {name} was killed while it counted {}; another one goes on with it", task.id);
                let ticket = processing.requeue();
                done.requeued += 1;
                desk.waiting.lock().map_err(|_| "a thread panicked")?.push_back((task, ticket));
                return Ok(());
            }
        }
    }
    worker.stop()
}

/// Begins a task, unless it has begun with a worker that is gone.
fn begin(task: &Task, worker: &str) -> Result<(), OperationIdError> {
    let begun = monitor().begin(&task.id, "count_words").kind("task").worker(worker).input_bytes(task.bytes).start();
    match begun {
        Err(OperationIdError::AlreadyRunning { .. }) => Ok(()),
        begun => begun,
    }
}

enum Answer {
    Counted(u64),
    Failed(String),
}

/// A worker process and its pipes.
struct Worker {
    process: Child,
    answers: BufReader<std::process::ChildStdout>,
}

impl Worker {
    /// Starts this program once more.
    fn start(name: &str, file: &Path) -> Result<Worker, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.env(worker::NAME, name).env(worker::FILE, file).stdin(Stdio::piped()).stdout(Stdio::piped());
        if name == VICTIM {
            command.env(worker::HANGS_IN, CUT_OFF);
        }
        let mut process = command.spawn()?;
        let answers = BufReader::new(process.stdout.take().ok_or("the pipe was not made")?);
        Ok(Worker { process, answers })
    }

    fn send(&mut self, task: &Task) -> Result<(), Failure> {
        let input = self.process.stdin.as_mut().ok_or("the pipe was not made")?;
        writeln!(input, "{}\t{}", task.id, task.path.display())?;
        Ok(())
    }

    fn answer(&mut self) -> Result<Answer, Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        match line.trim_end().split_once('\t') {
            Some(("counted", words)) => Ok(Answer::Counted(words.parse()?)),
            Some(("failed", why)) => Ok(Answer::Failed(why.to_owned())),
            _ => Err("the worker is gone".into()),
        }
    }

    /// Kills it (`kill -9`) as soon as it says, by the file that both write to, that it counts.
    fn kill_in_the_middle(&mut self, id: &str) -> Result<(), Failure> {
        let mut looks = 0;
        while monitor().operation_by_id(id).is_none_or(|status| status.step() != Some("count")) {
            looks += 1;
            if looks > 1_000 {
                return Err(
                    format!("{VICTIM} did not begin to count {id}; can the file of the history be written?").into()
                );
            }
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("{VICTIM} ended by itself: {status}").into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }

    /// Tells it that there is nothing more to do, and waits for its end.
    fn stop(mut self) -> Result<(), Failure> {
        drop(self.process.stdin.take());
        let status = self.process.wait()?;
        if status.success() { Ok(()) } else { Err(format!("a worker ended with {status}").into()) }
    }
}

/// None is left behind, whatever went wrong.
impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
