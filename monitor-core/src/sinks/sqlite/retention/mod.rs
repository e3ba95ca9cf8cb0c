//! Retention: what is too old, or too much, is removed, and the file given back its room.
//!
//! The sink's thread does it between batches, a little each second: in transactions that are over before another process
//! has waited long for the lock, with pauses in which others get it. What is to be removed is looked up without a lock.
//! A kill at any moment leaves what was committed; nothing depends on being finished.
//!
//! | file | owns |
//! |---|---|
//! | `pace` | transactions that hold the lock for a short time |
//! | `part` | the parts of a history: how the old end of each is found |
//! | `task` | removing everything of a part that is before a time |
//! | `unused` | texts, series and runs that no row has any more |
//! | `room` | how large the file is, what goes first when it is too large, and giving pages back |

mod pace;
mod part;
mod room;
mod task;
mod unused;

use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension};

use self::pace::Pace;
use self::part::Part;
pub(super) use self::part::figures_kept_since;
use self::task::Task;
use super::error::StoreError;
use super::values::duration;
use crate::base::fork_gate;
use crate::model::Retention;

/// How often it is looked whether something is too old.
const BETWEEN_LOOKS: Duration = Duration::from_mins(1);

/// How often texts, series and runs are looked for that nothing has any more.
const BETWEEN_SWEEPS: Duration = Duration::from_hours(1);

/// An instance that ends looks, unless somebody did so short a time ago: many live too shortly to do it otherwise.
const LOOKED_LONG_AGO: Duration = Duration::from_mins(10);

/// The least pause between two transactions.
const PAUSE: Duration = Duration::from_millis(2);

/// How long it may work in each second: as a rule, and while the file is too large or that was too little for so long.
const SHARE: Duration = Duration::from_millis(100);
const LARGE_SHARE: Duration = Duration::from_millis(300);
const HURRY: u32 = 10;

/// Removes what is too old or too much.
#[derive(Debug)]
pub(super) struct Keeper {
    retention: Retention,
    pace: Pace,
    vacuum_pace: Pace,
    /// What is to be done, the next last.
    tasks: Vec<Task>,
    /// The monotonic clock stands still while the machine sleeps, so both count.
    looked: Option<(Instant, i64)>,
    swept: Option<(Instant, i64)>,
    /// The file gives back pages until few are free.
    gives_back: bool,
    /// Shares in a row after which there was more to do.
    unfinished: u32,
}

impl Keeper {
    pub(super) fn new(retention: Retention) -> Keeper {
        let (pace, vacuum_pace) = (Pace::default(), Pace::default());
        Keeper {
            retention,
            pace,
            vacuum_pace,
            tasks: Vec::new(),
            looked: None,
            swept: None,
            gives_back: false,
            unfinished: 0,
        }
    }

    /// Does a share of the work, if there is any. Returns whether ids of texts and series may have gone.
    pub(super) fn work(&mut self, connection: &mut Connection, now_ns: i64) -> Result<bool, StoreError> {
        if is_over(self.looked, BETWEEN_LOOKS, now_ns) {
            self.looked = Some((Instant::now(), now_ns));
            self.look(connection, now_ns)?;
        }
        let hurry = self.unfinished >= HURRY || room::used_bytes(connection)? > self.retention.max_bytes;
        let until = Instant::now() + if hurry { LARGE_SHARE } else { SHARE };
        let mut removed_ids = false;
        self.unfinished += 1;
        while Instant::now() < until && !fork_gate::is_waited_for() {
            let began = Instant::now();
            if !self.go_on(connection, now_ns, &mut removed_ids)? {
                self.unfinished = 0;
                break;
            }
            thread::sleep(began.elapsed().clamp(PAUSE, 5 * PAUSE));
        }
        Ok(removed_ids)
    }

    /// A share of the work for an instance that ends, if nobody has looked for long.
    pub(super) fn work_at_end(&mut self, connection: &mut Connection, now_ns: i64) -> Result<(), StoreError> {
        let sql = "SELECT at_ns FROM upkeep WHERE task = 'retention'";
        let looked: Option<i64> = connection.query_row(sql, [], |row| row.get(0)).optional()?;
        let recent = now_ns.saturating_sub(duration(LOOKED_LONG_AGO));
        if self.looked.is_some() || looked.is_some_and(|at_ns| (recent..=now_ns).contains(&at_ns)) {
            return Ok(());
        }
        self.work(connection, now_ns).map(drop)
    }

    /// One transaction. Returns whether there may be more to do.
    fn go_on(&mut self, connection: &mut Connection, now_ns: i64, removed_ids: &mut bool) -> Result<bool, StoreError> {
        if let Some(task) = self.tasks.last_mut() {
            *removed_ids |= task.removes_ids();
            let went_on = task.go_on(connection, &mut self.pace);
            if !matches!(went_on, Ok(true)) {
                // One that cannot be done must not keep the others from being done.
                self.tasks.pop();
            }
            return went_on.map(|_| true);
        }
        if room::used_bytes(connection)? > self.retention.max_bytes
            && let Some(task) = room::most_dispensable(connection, now_ns)?
        {
            self.tasks.push(task);
            return Ok(true);
        }
        self.gives_back = room::is_to_be_given_back(connection, self.gives_back, self.retention.max_bytes)?;
        if self.gives_back {
            room::give_back(connection, &mut self.vacuum_pace)?;
        }
        Ok(self.gives_back)
    }

    fn look(&mut self, connection: &mut Connection, now_ns: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO upkeep (task, at_ns) VALUES ('retention', ?1)
            ON CONFLICT (task) DO UPDATE SET at_ns = excluded.at_ns";
        connection.execute(sql, [now_ns])?;
        self.tasks.clear();
        if is_over(self.swept, BETWEEN_SWEEPS, now_ns) {
            self.swept = Some((Instant::now(), now_ns));
            self.tasks = unused::tasks(connection, now_ns)?;
        }
        let old = too_old(&self.retention).filter(|&(_, age)| age < Duration::MAX);
        self.tasks.extend(old.map(|(part, age)| Task::new(part, now_ns.saturating_sub(duration(age)))));
        Ok(())
    }
}

/// Whether a pause is over, by one clock or the other.
fn is_over(since: Option<(Instant, i64)>, pause: Duration, now_ns: i64) -> bool {
    since.is_none_or(|(then, then_ns)| then.elapsed() >= pause || now_ns.saturating_sub(then_ns) >= duration(pause))
}

/// The parts and their ages; what is removed first comes last.
fn too_old(retention: &Retention) -> impl Iterator<Item = (Part, Duration)> {
    let severities = (0_i64..).zip(retention.errors);
    let longest = retention.errors.into_iter().max().unwrap_or(Duration::MAX);
    // The longest steps come first, so they are removed last: there is no moment in which longer ones are missing.
    let figures = [86_400, 3_600, 60, 10].into_iter().zip(retention.figures.into_iter().rev());
    let others = [
        (Part::Audit, retention.audit),
        (Part::Alerts, retention.alerts),
        (Part::OperationsById, retention.operations_by_id),
        (Part::Progress, retention.progress),
        (Part::Transitions, retention.transitions),
        (Part::QueueSamples, retention.queue_samples),
        (Part::ErrorHours, longest),
    ];
    let errors = severities
        .flat_map(|(severity, age)| [(Part::ErrorGroups(severity), age), (Part::ErrorSamples(severity), age)]);
    let together =
        figures.clone().filter(|&(step_s, _)| step_s > 10).map(|(step_s, age)| (Part::Together(step_s), age));
    let figures = figures.map(|(step_s, age)| (Part::Figures(step_s), age));
    others.into_iter().chain(errors).chain(together).chain(figures).chain([(Part::Records, retention.records)])
}
