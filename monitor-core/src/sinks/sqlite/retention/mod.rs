//! Retention: what is too old, or too much, is removed, and the file given back its room.
//!
//! The sink's thread does it between batches, a little each second: in transactions that are over before another process
//! has waited long for the lock, with pauses in which others get it. What is to be removed is looked up without a lock.
//! A kill at any moment leaves what was committed; nothing depends on being finished.
//!
//! | file | owns |
//! |---|---|
//! | `clock` | which time it is believed to be |
//! | `pace` | transactions that hold the lock for a short time |
//! | `part` | the parts of a history: how the old end of each is found |
//! | `task` | removing everything of a part that is before a time |
//! | `unused` | texts, series and runs that no row has any more |
//! | `room` | how large the file is, what goes first when it is too large, and giving pages back |

mod clock;
mod pace;
mod part;
mod room;
mod task;
#[cfg(test)]
mod tests;
mod unused;

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

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

/// How long it may work in each second: as a rule; while the file is too large, or that was too little for so long; and while
/// the file grows nevertheless, for a disk that is full is worse than a sink that is behind.
const SHARE: Duration = Duration::from_millis(100);
const LARGE_SHARE: Duration = Duration::from_millis(300);
const HURRY: u32 = 10;
const LARGEST_SHARE: Duration = Duration::from_millis(900);

/// A file that is too large, and larger than it has been by one of so many parts, grows.
const GROWS: u64 = 8;

/// It has its turn after a batch when it had none for so long: a program that is busy may leave no time between batches.
const LONGEST_WITHOUT: Duration = Duration::from_secs(10);

/// Shares after a batch while the file grows. The next batches wait, or are dropped and counted.
const MOST_SHARES: u32 = 5;

/// Removes what is too old or too much.
#[derive(Debug)]
pub(super) struct Keeper {
    retention: Retention,
    vacuum_pace: Pace,
    /// What is to be done, the next first.
    tasks: VecDeque<Task>,
    /// The monotonic clock stands still while the machine sleeps, so both count.
    looked: Option<(Instant, i64)>,
    swept: Option<(Instant, i64)>,
    /// How much of the time at the last look was not believed.
    disbelieved_ns: i64,
    /// The file gives back pages until few are free.
    gives_back: bool,
    /// Shares in a row after which there was more to do.
    unfinished: u32,
    /// The fewest bytes of the file since it was opened.
    fewest_bytes: Option<u64>,
    /// What the connection had changed when something was last taken from a file that is too large.
    trimmed: Option<u64>,
}

/// How much larger the file is than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    None,
    Some,
    Grows,
}

impl Keeper {
    pub(super) fn new(retention: Retention) -> Keeper {
        Keeper {
            retention,
            vacuum_pace: Pace::default(),
            tasks: VecDeque::new(),
            looked: None,
            swept: None,
            disbelieved_ns: 0,
            gives_back: false,
            unfinished: 0,
            fewest_bytes: None,
            trimmed: None,
        }
    }

    /// Whether it is to work after a batch, of which it was so long ago that it last did, and that it already did so often.
    pub(super) fn is_due(&mut self, connection: &Connection, since: Duration, times: u32) -> Result<bool, StoreError> {
        Ok(match self.excess(connection)? {
            Excess::None => since >= LONGEST_WITHOUT,
            Excess::Some => times == 0,
            Excess::Grows => times < MOST_SHARES,
        })
    }

    /// Does a share of the work, if there is any. Returns whether ids of texts and series may have gone.
    pub(super) fn work(&mut self, connection: &mut Connection, now_ns: i64) -> Result<bool, StoreError> {
        if is_over(self.looked, BETWEEN_LOOKS, now_ns) {
            self.look(connection, now_ns)?;
        }
        let clock_ns = now_ns.saturating_sub(self.disbelieved_ns);
        let share = match self.excess(connection)? {
            Excess::Grows => LARGEST_SHARE,
            Excess::None if self.unfinished < HURRY => SHARE,
            _ => LARGE_SHARE,
        };
        let until = Instant::now() + share;
        let mut removed_ids = false;
        self.unfinished += 1;
        while Instant::now() < until && !fork_gate::is_waited_for() {
            let began = Instant::now();
            if !self.go_on(connection, clock_ns, &mut removed_ids)? {
                self.unfinished = 0;
                break;
            }
            thread::sleep(began.elapsed().clamp(PAUSE, 5 * PAUSE));
        }
        if self.unfinished > 0 && !self.tasks.is_empty() {
            // The others next: what takes hours must not keep them waiting.
            self.tasks.rotate_left(1);
        }
        Ok(removed_ids)
    }

    /// A share of the work for an instance that ends, if nobody has looked for long.
    pub(super) fn work_at_end(&mut self, connection: &mut Connection, now_ns: i64) -> Result<(), StoreError> {
        let looked = clock::looked_at(connection)?;
        let recent = now_ns.saturating_sub(duration(LOOKED_LONG_AGO));
        if self.looked.is_some() || looked.is_some_and(|at_ns| (recent..=now_ns).contains(&at_ns)) {
            return Ok(());
        }
        self.work(connection, now_ns).map(drop)
    }

    fn excess(&mut self, connection: &Connection) -> Result<Excess, StoreError> {
        let (used, max) = (room::used_bytes(connection)?, self.retention.max_bytes);
        // One that was found large, because it may be less large than it was allowed to be before, takes its time.
        let fewest = self.fewest_bytes.map_or(used, |fewest| fewest.min(used));
        self.fewest_bytes = Some(fewest);
        let largest = max.max(fewest);
        Ok(if used > largest.saturating_add(largest / GROWS) {
            Excess::Grows
        } else if used > max {
            Excess::Some
        } else {
            Excess::None
        })
    }

    /// One transaction. Returns whether there may be more to do.
    fn go_on(
        &mut self,
        connection: &mut Connection,
        clock_ns: i64,
        removed_ids: &mut bool,
    ) -> Result<bool, StoreError> {
        if let Some(task) = self.tasks.front_mut() {
            *removed_ids |= task.removes_ids();
            let went_on = task.go_on(connection);
            if !matches!(went_on, Ok(true)) {
                // One that cannot be done must not keep the others from being done.
                self.tasks.pop_front();
            }
            return went_on.map(|_| true);
        }
        if room::used_bytes(connection)? > self.retention.max_bytes {
            // If nothing has been changed since, it would be the same again.
            let changes = connection.total_changes();
            if self.trimmed.replace(changes) != Some(changes)
                && let Some(task) = room::most_dispensable(connection, clock_ns)?
            {
                self.tasks.push_back(task);
                return Ok(true);
            }
        }
        self.gives_back = room::is_to_be_given_back(connection, self.gives_back, self.retention.max_bytes)?;
        if self.gives_back {
            self.gives_back = room::give_back(connection, &mut self.vacuum_pace)?;
        }
        Ok(self.gives_back)
    }

    fn look(&mut self, connection: &mut Connection, now_ns: i64) -> Result<(), StoreError> {
        let is_first = self.looked.replace((Instant::now(), now_ns)).is_none();
        let clock_ns = clock::look(connection, now_ns, is_first)?;
        self.disbelieved_ns = now_ns.saturating_sub(clock_ns);
        let old = too_old(&self.retention).filter(|&(_, age)| age < Duration::MAX);
        let old = old.map(|(part, age)| Task::new(part, clock_ns.saturating_sub(duration(age))));
        let mut tasks: Vec<Task> = old.collect();
        if is_over(self.swept, BETWEEN_SWEEPS, now_ns) {
            self.swept = Some((Instant::now(), now_ns));
            tasks.extend(unused::tasks(clock_ns));
        }
        for task in tasks {
            // One that is not done goes on from where it is.
            match self.tasks.iter_mut().find(|unfinished| unfinished.is_of_the_same(&task)) {
                Some(unfinished) => unfinished.extend_to(&task),
                None => self.tasks.push_back(task),
            }
        }
        Ok(())
    }
}

/// Whether a pause is over, by one clock or the other.
fn is_over(since: Option<(Instant, i64)>, pause: Duration, now_ns: i64) -> bool {
    since.is_none_or(|(then, then_ns)| then.elapsed() >= pause || now_ns.saturating_sub(then_ns) >= duration(pause))
}

/// The parts and their ages, in the order in which they are removed.
fn too_old(retention: &Retention) -> impl Iterator<Item = (Part, Duration)> {
    let longest = retention.errors.into_iter().max().unwrap_or(Duration::MAX);
    let others = [
        (Part::ErrorHours, longest),
        (Part::QueueSamples, retention.queue_samples),
        (Part::Transitions, retention.transitions),
        (Part::Progress, retention.progress),
        (Part::OperationsById, retention.operations_by_id),
        (Part::Alerts, retention.alerts),
        (Part::Audit, retention.audit),
    ];
    let samples = (0_i64..).zip(retention.errors).map(|(severity, age)| (Part::ErrorSamples(severity), age));
    // A group has the severity of its worst sample, and goes with all of them.
    let of_groups = retention.errors.into_iter().scan(Duration::ZERO, |longest, age| {
        *longest = age.max(*longest);
        Some(*longest)
    });
    let groups = (0_i64..).zip(of_groups).map(|(severity, age)| (Part::ErrorGroups(severity), age));
    let figures = [10, 60, 3_600, 86_400].into_iter().zip(retention.figures);
    let together =
        figures.clone().filter(|&(step_s, _)| step_s > 10).map(|(step_s, age)| (Part::Together(step_s), age));
    let figures = figures.map(|(step_s, age)| (Part::Figures(step_s), age));
    let records = [(Part::Records, retention.records)];
    records.into_iter().chain(figures).chain(together).chain(samples).chain(groups).chain(others)
}
