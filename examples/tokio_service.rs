//! The monitor in a Tokio program: a server that works on jobs, some of which time out, fail, lose a race or panic.
//!
//! ```sh
//! cargo run --release --example tokio_service
//! ```
//!
//! What a job does follows from its number, so every count is known beforehand and is checked at the end.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod active;

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::time::Duration;
use std::{fmt, panic};

use monitor_core::testing::assert_operation;
use monitor_core::{Snapshot, TrackFuture, monitor, track_operation};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet, yield_now};
use tokio::time::timeout;

const JOBS: u32 = 60;
/// Jobs that are worked on at the same time, and jobs that wait before their sender has to.
const AT_ONCE: usize = 8;
/// How long a payment may take.
const PATIENCE: Duration = Duration::from_millis(20);

#[derive(Debug)]
enum JobError {
    TimedOut,
    Declined { number: u32 },
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JobError::TimedOut => f.write_str("no answer in time"),
            JobError::Declined { number } => write!(f, "payment {number} was declined"),
        }
    }
}

impl Error for JobError {}

/// How the jobs ended, as the server itself counts.
#[derive(Debug, Default, PartialEq)]
struct Tally {
    done: u64,
    failed: u64,
    panicked: u64,
}

impl Tally {
    fn add(&mut self, ended: &Result<Result<(), JobError>, JoinError>) {
        match ended {
            Ok(Ok(())) => self.done += 1,
            Ok(Err(_)) => self.failed += 1,
            Err(_) => self.panicked += 1,
        }
    }
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let (beats, has_begun) = oneshot::channel();
    let heartbeat = tokio::spawn(heartbeat(beats));
    has_begun.await?;

    // One job panics: a line is enough, the usual message with its backtrace would look like a mistake.
    panic::set_hook(Box::new(|panic| eprintln!("contained in its task: {panic}\n")));
    let (sender, jobs) = mpsc::channel(AT_ONCE);
    let ((), (tally, half_way)) = tokio::join!(send(sender), serve(jobs));
    drop(panic::take_hook());

    // It never ends by itself. Dropped before it is ready, it counts as cancelled.
    heartbeat.abort();
    let ended: Result<Infallible, JoinError> = heartbeat.await;
    assert!(ended.is_err_and(|error| error.is_cancelled()));

    let snapshot = monitor().snapshot();
    let mut running = String::new();
    active::write(&mut running, &half_way)?;
    println!("{snapshot}\n\nhalf-way there ran\n{running}");
    check(&snapshot, &half_way, &tally);
    let Tally { done, failed, panicked } = tally;
    println!("{JOBS} jobs: {done} done, {failed} failed, {panicked} panicked; every count is as expected");
    Ok(())
}

#[track_operation]
async fn heartbeat(begins: oneshot::Sender<()>) -> Infallible {
    // Nobody waits for it any more if this fails, and then there is nobody to tell.
    let _ = begins.send(());
    pending().await
}

#[track_operation(items = JOBS)]
async fn send(jobs: mpsc::Sender<u32>) {
    for number in 0..JOBS {
        if jobs.send(number).await.is_err() {
            return;
        }
    }
}

/// Works on all jobs, a few at a time, each in a task of its own, and looks half-way at what runs.
#[track_operation(items_from = |(tally, _)| tally.done)]
async fn serve(mut jobs: mpsc::Receiver<u32>) -> (Tally, Snapshot) {
    let (mut tally, mut half_way) = (Tally::default(), monitor().snapshot());
    let mut running = JoinSet::new();
    while let Some(number) = jobs.recv().await {
        if running.len() >= AT_ONCE
            && let Some(ended) = running.join_next().await
        {
            tally.add(&ended);
        }
        running.spawn(job(number));
        if number == JOBS / 2 {
            half_way = monitor().snapshot();
        }
    }
    while let Some(ended) = running.join_next().await {
        tally.add(&ended);
    }
    (tally, half_way)
}

/// One job. What it is about is a label: few values, each with statistics of its own. Its number is a field: it stands
/// in the individual records.
#[track_operation(labels(task = task(number)), fields(number))]
async fn job(number: u32) -> Result<(), JobError> {
    match task(number) {
        "thumbnail" => {
            thumbnail(number, &[7; 4_096]);
        }
        "report" => report().await,
        "look-up" => look_up().await,
        _ => pay(number).await?,
    }
    Ok(())
}

fn task(number: u32) -> &'static str {
    ["thumbnail", "report", "look-up", "payment"][number as usize % 4]
}

/// A synchronous step. One image has no width: the division panics, and the panic ends that task and nothing else.
#[track_operation(kind = "cpu", bytes = image.len())]
fn thumbnail(number: u32, image: &[u8]) -> usize {
    let width = if number == 20 { 0 } else { 64 };
    (image.len() / width) + image.iter().map(|pixel| usize::from(*pixel)).sum::<usize>()
}

/// Two futures side by side, then a closure.
#[track_operation]
async fn report() {
    let orders = rows(120).tracked("db.orders").kind("database").items(120);
    let customers = rows(30).tracked("db.customers").kind("database").items(30);
    let (orders, customers) = tokio::join!(orders, customers);
    monitor().track("render", |op| op.add_items((orders.len() + customers.len()) as u64));
}

/// A race: who is slower is dropped, and cancelled with that.
#[track_operation]
async fn look_up() {
    tokio::select! {
        biased;
        row = pending::<Vec<u32>>().tracked("db.replica").kind("database") => drop(row),
        row = rows(1).tracked("cache.get").kind("cache") => drop(row),
    }
}

/// A call with a deadline, and one that keeps the text of its error.
async fn pay(number: u32) -> Result<(), JobError> {
    let charged = charge(number).try_tracked("payment.charge").kind("api");
    timeout(PATIENCE, charged).await.map_err(|_| JobError::TimedOut)?
}

/// Of three payments one is never answered, one is declined, one is made.
async fn charge(number: u32) -> Result<(), JobError> {
    yield_now().await;
    match number / 4 % 3 {
        0 => pending().await,
        1 => Err(JobError::Declined { number }),
        _ => Ok(()),
    }
}

/// Stands for a query: gives way to other tasks a few times.
async fn rows(count: u32) -> Vec<u32> {
    let mut rows = Vec::new();
    for row in 0..count {
        if row % 10 == 0 {
            yield_now().await;
        }
        rows.push(row);
    }
    rows
}

/// The counts that follow from the numbers of the jobs.
fn check(snapshot: &Snapshot, half_way: &Snapshot, tally: &Tally) {
    assert_eq!(*tally, Tally { done: 49, failed: 10, panicked: 1 });
    let operation = |name: &str| assert_operation(snapshot, &format!("tokio_service::{name}")).in_flight(0);
    operation("send").calls(1).successes(1).items(60);
    operation("serve").calls(1).successes(1).items(49);
    operation("heartbeat").calls(1).cancelled(1);
    operation("job").calls(60).successes(49).failures(10).panics(1);
    operation("job").series(&[("task", "payment")]).calls(15).successes(5).failures(10);
    operation("job").series(&[("task", "thumbnail")]).calls(15).successes(14).panics(1);
    operation("thumbnail").calls(15).successes(14).panics(1).bytes(15 * 4_096);
    operation("report").calls(15).successes(15);
    operation("look_up").calls(15).successes(15);

    let named = |name: &str| assert_operation(snapshot, name).in_flight(0);
    named("db.orders").calls(15).successes(15).items(15 * 120);
    named("db.customers").calls(15).successes(15).items(15 * 30);
    named("render").calls(15).successes(15).items(15 * 150);
    named("db.replica").calls(15).cancelled(15);
    named("cache.get").calls(15).successes(15);
    named("payment.charge").calls(15).successes(5).failures(5).cancelled(5);

    // Tasks move between threads; what they call is theirs all the same.
    let calls = |caller: &str, callee: &str| {
        let edge = snapshot.edges().iter().find(|edge| edge.caller == caller && edge.callee == callee);
        edge.map_or(0, |edge| edge.calls)
    };
    assert_eq!(calls("tokio_service::job", "payment.charge"), 15);
    assert_eq!(calls("tokio_service::report", "db.orders"), 15);
    assert_eq!(calls("tokio_service::look_up", "db.replica"), 15);
    assert_eq!(calls("tokio_service::job", "tokio_service::thumbnail"), 15);

    for name in ["heartbeat", "serve"] {
        assert!(half_way.active().iter().any(|call| call.name == format!("tokio_service::{name}")), "{name}");
    }
}
