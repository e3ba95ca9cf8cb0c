//! The parts of a history: how the old end of each is found, and removed.

use rusqlite::{CachedStatement, Connection, OptionalExtension};

use crate::sinks::sqlite::error::StoreError;
use crate::sinks::sqlite::spans::TIERS;

/// What is removed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Records,
    /// Steps of so many seconds.
    Figures(i64),
    /// Sums of all series together in steps of so many seconds: after those of each.
    Together(i64),
    /// Of that severity.
    ErrorSamples(i64),
    /// Of that severity, with all that belongs to them.
    ErrorGroups(i64),
    ErrorHours,
    Transitions,
    /// Those that have ended, here and in the next two.
    Progress,
    OperationsById,
    Alerts,
    QueueSamples,
    /// From the oldest one on, as long as none was changed.
    Audit,
    /// Texts, series and runs that nothing has that is left.
    Strings,
    Series,
    Instances,
}

/// How to find rows by time, and how to remove them.
pub(super) enum Way {
    /// In the order of an index.
    AtOnce(AtOnce),
    /// By the audit trail itself, which must stay whole.
    Audit,
    /// Where finding them means to pass over others: a statement that gives time and id (before when; after which time
    /// and id; something of the part's own; how many), and what is done for each id.
    Listed(&'static str),
}

/// Two statements. Parameters of both: before when; not before when; something of the part's own.
pub(super) struct AtOnce {
    /// The time of the first row. Asked without a lock: there may be many before it that stay.
    pub(super) first: &'static str,
    /// Removes some from there on: how many is the fourth parameter.
    pub(super) remove: &'static str,
}

/// Of rows of a table, by which index, with that key, in the order of that time, if they fit.
macro_rules! at_once {
    ($table:literal, $index:literal, $key:literal, $time:literal, $fits:literal) => {
        AtOnce {
            first: concat!("SELECT ", $time, at_once!(in_order $table, $index, $time, $fits), "1"),
            remove: concat!(
                "DELETE FROM ", $table, " WHERE (", $key, ") IN (SELECT ", $key,
                at_once!(in_order $table, $index, $time, $fits), "?4)"
            ),
        }
    };
    (in_order $table:literal, $index:literal, $time:literal, $fits:literal) => {
        concat!(
            " FROM ", $table, $index, " WHERE ", $time, " < ?1 AND ", $time, " >= ?2 AND ", $fits, " ORDER BY ", $time,
            " LIMIT "
        )
    };
}

impl Part {
    /// As it stands in `kept_since`. Without a name it does not.
    pub(super) fn name(self) -> Option<&'static str> {
        Some(match self {
            Part::Records => "records",
            Part::Figures(10) => "figures of 10 s",
            Part::Figures(60) => "figures of 60 s",
            Part::Figures(3_600) => "figures of 3600 s",
            Part::Figures(_) => "figures of 86400 s",
            Part::ErrorSamples(0) => "errors, low",
            Part::ErrorSamples(1) => "errors, medium",
            Part::ErrorSamples(2) => "errors, high",
            Part::ErrorSamples(_) => "errors, critical",
            Part::ErrorHours => "errors by hour",
            Part::Transitions => "transitions",
            Part::Progress => "progress",
            Part::OperationsById => "operations by id",
            Part::Alerts => "alerts",
            Part::QueueSamples => "queues",
            Part::Audit => "audit",
            Part::Together(_) | Part::ErrorGroups(_) | Part::Strings | Part::Series | Part::Instances => return None,
        })
    }

    /// The length of its steps, at whose beginning it can be cut.
    pub(super) fn step_s(self) -> i64 {
        match self {
            Part::Figures(step_s) | Part::Together(step_s) => step_s,
            Part::QueueSamples => 10,
            Part::ErrorHours => 3_600,
            _ => 0,
        }
    }

    pub(super) fn own(self) -> i64 {
        match self {
            Part::Figures(step_s) | Part::Together(step_s) => step_s,
            Part::ErrorSamples(severity) | Part::ErrorGroups(severity) => severity,
            _ => 0,
        }
    }

    pub(super) fn way(self) -> Way {
        Way::AtOnce(match self {
            Part::Figures(_) => {
                at_once!(
                    "rollups",
                    "",
                    "step_s, start_ns, series_id, instance_id",
                    "start_ns",
                    "step_s = ?3 AND open = 0"
                )
            }
            // Of what is not said to have gone they are read.
            Part::Together(_) => at_once!(
                "rollups_of_all",
                "",
                "step_s, start_ns, instance_id",
                "start_ns",
                "step_s = ?3
                    AND start_ns < (SELECT since_ns FROM kept_since WHERE part = 'figures of ' || ?3 || ' s')"
            ),
            Part::ErrorHours => at_once!("error_hours", "", "start_ns, group_id, instance_id", "start_ns", "?3 = 0"),
            Part::Transitions => at_once!("transitions", "", "id", "at_ns", "?3 = 0"),
            Part::QueueSamples => {
                at_once!("queue_samples", "", "start_ns, queue_id, instance_id", "start_ns", "?3 = 0")
            }
            Part::Progress => at_once!(
                "progress",
                " INDEXED BY progress_ended",
                "id",
                "updated_at_ns",
                "state NOT IN ('running', 'stalled') AND ?3 = 0"
            ),
            Part::OperationsById => {
                at_once!("operations_by_id", " INDEXED BY operations_by_id_ended", "id", "ended_at_ns", "?3 = 0")
            }
            Part::Alerts => at_once!("alerts", "", "id", "started_at_ns", "ended_at_ns < ?1 AND ?3 = 0"),
            Part::Audit => return Way::Audit,
            Part::Records => {
                return Way::Listed(
                    "SELECT 0, block FROM record_blocks WHERE first_started_at_ns < ?1 AND (0, block) > (?2, ?3)
                        AND ?4 = 0 ORDER BY block LIMIT ?5",
                );
            }
            Part::ErrorSamples(_) => {
                return Way::Listed(
                    "SELECT seen_at_ns, id FROM error_samples WHERE seen_at_ns < ?1 AND seen_at_ns >= ?2
                        AND (seen_at_ns, id) > (?2, ?3) AND severity = ?4 ORDER BY seen_at_ns, id LIMIT ?5",
                );
            }
            Part::ErrorGroups(_) => {
                return Way::Listed(
                    "SELECT last_seen_at_ns, id FROM error_groups WHERE last_seen_at_ns < ?1 AND last_seen_at_ns >= ?2
                        AND (last_seen_at_ns, id) > (?2, ?3) AND severity = ?4 ORDER BY last_seen_at_ns, id LIMIT ?5",
                );
            }
            Part::Strings => {
                return Way::Listed(
                    "SELECT 0, id FROM strings WHERE used_at_ns < ?1 AND (0, id) > (?2, ?3) AND ?4 = 0
                        ORDER BY id LIMIT ?5",
                );
            }
            Part::Series => {
                return Way::Listed(
                    "SELECT 0, id FROM series WHERE used_at_ns < ?1 AND (0, id) > (?2, ?3) AND ?4 = 0
                        ORDER BY id LIMIT ?5",
                );
            }
            Part::Instances => {
                return Way::Listed(
                    "SELECT 0, id FROM instances WHERE last_seen_at_ns < ?1 AND ended IS NOT NULL
                        AND (0, id) > (?2, ?3) AND ?4 = 0 ORDER BY id LIMIT ?5",
                );
            }
        })
    }

    /// The oldest of it that there is.
    pub(super) fn oldest_ns(self, connection: &Connection) -> Result<Option<i64>, StoreError> {
        let sql = match self {
            // The time up to which those of one block are. Not of the first one: it may have one of a clock that was ahead.
            Part::Records => {
                "SELECT last_started_at_ns FROM record_blocks WHERE ?1 = 0 ORDER BY last_started_at_ns LIMIT 1"
            }
            Part::ErrorSamples(_) => {
                "SELECT seen_at_ns FROM error_samples WHERE severity = ?1 ORDER BY seen_at_ns LIMIT 1"
            }
            _ => {
                let Way::AtOnce(AtOnce { first, .. }) = self.way() else { return Ok(None) };
                let every = (i64::MAX, i64::MIN, self.own());
                return Ok(connection.prepare_cached(first)?.query_row(every, |row| row.get(0)).optional()?);
            }
        };
        Ok(connection.prepare_cached(sql)?.query_row([self.own()], |row| row.get(0)).optional()?)
    }
}

/// From when on the steps of each of [`TIERS`] are complete.
pub(in super::super) fn figures_kept_since<'a>(
    prepare: impl FnOnce(&str) -> Result<CachedStatement<'a>, StoreError>,
) -> Result<[i64; TIERS.len()], StoreError> {
    let mut statement = prepare("SELECT since_ns FROM kept_since WHERE part = ?1")?;
    let mut kept_since = [i64::MIN; TIERS.len()];
    let mut coarser_ns = i64::MIN;
    for (since_ns, step_s) in kept_since.iter_mut().zip(TIERS) {
        let found = statement.query_row([Part::Figures(step_s).name()], |row| row.get(0));
        // Short steps alone are of no use: a range is made of long ones, and of short ones at its edges.
        coarser_ns = found.optional()?.unwrap_or(i64::MIN).max(coarser_ns);
        *since_ns = coarser_ns;
    }
    Ok(kept_since)
}
