//! Operations by id as they are told from process to process: what a ledger is given and what it gives back.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::units::{optional_duration_ns, optional_system_time_ns, system_time_ns};
use super::{ByIdDetail, FieldValue, Labels, OperationStatus, Outcome, SpanId, StepTiming, TraceId};

/// Steps of an operation by id that are kept apart.
pub(crate) const STEPS: usize = 64;

/// What is over [`STEPS`] is together in one step of this name.
pub(crate) const STEPS_OVER: &str = "(overflow)";

/// An operation by id as it begins: what an [`OperationLedger`](crate::OperationLedger) is told of it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerBegin {
    /// The id that the program gave it: 1 to 200 bytes.
    pub id: String,
    /// Name of the operation.
    pub name: String,
    /// Its kind.
    pub kind: String,
    /// Component of the program it belongs to; empty when none was given.
    pub component: String,
    /// Its labels.
    pub labels: Labels,
    /// Who works on it, if that was said.
    pub worker: Option<String>,
    /// Size of what goes in, in bytes, if that was said.
    pub input_bytes: Option<u64>,
    /// What was said of it for its individual record: at most 32.
    pub fields: Vec<(String, FieldValue)>,
    /// The fields of the [`Context`](crate::Context) in which it begins.
    pub context: Vec<(String, FieldValue)>,
    /// The trace that it belongs to; `None` while the monitor is switched off.
    pub trace_id: Option<TraceId>,
    /// Its span, which no other operation of its process has; `None` while the monitor is switched off.
    pub span_id: Option<SpanId>,
    /// The span on whose behalf it is done.
    pub parent_span_id: Option<SpanId>,
    /// When it begins, by the wall clock.
    #[serde(rename = "started_at_ns", with = "system_time_ns")]
    pub started_at: SystemTime,
}

/// An operation by id as it ends: what an [`OperationLedger`](crate::OperationLedger) is told of it.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEnd {
    /// How it ends.
    pub outcome: Outcome,
    /// Pieces of work it did.
    pub items: u64,
    /// Bytes of work it did.
    pub bytes: u64,
    /// Size of what came out, in bytes, if that was said.
    pub output_bytes: Option<u64>,
    /// When it ends, by the wall clock.
    #[serde(rename = "at_ns", with = "system_time_ns")]
    pub at: SystemTime,
    /// How long it took by the monotonic clock, where the process that began it ends it.
    #[serde(rename = "duration_ns", with = "optional_duration_ns")]
    pub duration: Option<Duration>,
}

/// What is told to an [`OperationLedger`](crate::OperationLedger) afterwards, because it could not be reached in time.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerWrite {
    /// An operation began.
    Begin(LedgerBegin),
    /// An operation went on to a step.
    Step {
        /// Id of the operation.
        id: String,
        /// Name of the step.
        name: String,
        /// When, by the wall clock.
        #[serde(rename = "at_ns", with = "system_time_ns")]
        at: SystemTime,
    },
    /// An operation ended.
    End {
        /// Id of the operation.
        id: String,
        /// How it ended.
        end: LedgerEnd,
    },
}

/// The last run of an operation by id, as an [`OperationLedger`](crate::OperationLedger) knows it.
///
/// A ledger of your own keeps these, and changes them by [`begin`](Self::begin), [`step`](Self::step) and
/// [`end`](Self::end): times, the bound of steps and the sums are then as everywhere.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// As it began.
    pub begun: LedgerBegin,
    /// [`Instance::run`](crate::Instance::run) of the process that began it.
    pub begun_by: String,
    /// That of the process that ended it.
    pub ended_by: Option<String>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// When it ended, by the wall clock; never before it began.
    #[serde(rename = "ended_at_ns", with = "optional_system_time_ns")]
    pub ended_at: Option<SystemTime>,
    /// Pieces of work it did.
    pub items: u64,
    /// Bytes of work it did.
    pub bytes: u64,
    /// Size of what came out, in bytes, if that was said.
    pub output_bytes: Option<u64>,
    /// Its steps. That of the one it is in has the time of none yet.
    pub steps: Vec<StepTiming>,
    /// How many steps are together in the last one.
    pub steps_over: u64,
    /// When the step began that it is in, by the wall clock.
    #[serde(rename = "step_since_ns", with = "optional_system_time_ns")]
    pub step_since: Option<SystemTime>,
}

impl LedgerEntry {
    /// An operation that began just now, in the process with that [run](crate::Instance::run).
    #[must_use]
    pub fn begin(begun: LedgerBegin, run: impl Into<String>) -> LedgerEntry {
        LedgerEntry {
            begun,
            begun_by: run.into(),
            ended_by: None,
            outcome: None,
            ended_at: None,
            items: 0,
            bytes: 0,
            output_bytes: None,
            steps: Vec::new(),
            steps_over: 0,
            step_since: None,
        }
    }

    /// Whether it has been begun and neither ended nor been interrupted.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.outcome.is_none()
    }

    /// Whether somebody ended it, so that it cannot end once more. What was interrupted can.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        !matches!(self.outcome, None | Some(Outcome::Interrupted))
    }

    /// Ends the step that it is in, and begins another one. What was interrupted runs again, and is of that
    /// [run](crate::Instance::run) now.
    pub fn step(&mut self, name: &str, at: SystemTime, run: &str) {
        if self.outcome == Some(Outcome::Interrupted) {
            (self.outcome, self.ended_at) = (None, None);
            run.clone_into(&mut self.begun_by);
        }
        if self.steps.len() > STEPS {
            self.steps_over = self.steps_over.saturating_add(1);
            return;
        }
        let at = self.moment(at);
        self.end_step(at);
        let over = self.steps.len() == STEPS;
        self.steps_over = self.steps_over.saturating_add(u64::from(over));
        self.steps.push(StepTiming::new(if over { STEPS_OVER } else { name }, 0));
        self.step_since = Some(at);
    }

    /// Ends it.
    pub fn end(&mut self, end: &LedgerEnd, run: impl Into<String>) {
        let at = match end.duration {
            Some(duration) => self.begun.started_at.checked_add(duration).unwrap_or(end.at),
            None => end.at,
        };
        let at = self.moment(at);
        self.end_step(at);
        self.step_since = None;
        self.ended_by = Some(run.into());
        self.outcome = Some(end.outcome);
        self.ended_at = Some(at);
        (self.items, self.bytes, self.output_bytes) = (end.items, end.bytes, end.output_bytes);
    }

    /// How it is doing at that moment, or how it ended.
    #[must_use]
    pub fn status(&self, now: SystemTime) -> OperationStatus {
        let now = self.moment(now);
        let until = self.ended_at.unwrap_or(now);
        let mut steps = self.steps.clone();
        if let (Some(since), Some(last)) = (self.step_since, steps.last_mut()) {
            last.duration = until.duration_since(since).unwrap_or_default();
        }
        OperationStatus {
            name: self.begun.name.clone(),
            kind: self.begun.kind.clone(),
            component: self.begun.component.clone(),
            outcome: self.outcome,
            started_at: self.begun.started_at,
            duration: until.duration_since(self.begun.started_at).unwrap_or_default(),
            items: self.items,
            bytes: self.bytes,
            by_id: ByIdDetail {
                id: self.begun.id.clone(),
                worker: self.begun.worker.clone(),
                input_bytes: self.begun.input_bytes,
                output_bytes: self.output_bytes,
                steps,
                steps_over: self.steps_over,
            },
        }
    }

    /// The moment of a change: clocks of two processes differ, and nothing lasts less than no time.
    fn moment(&self, at: SystemTime) -> SystemTime {
        at.max(self.step_since.unwrap_or(self.begun.started_at))
    }

    fn end_step(&mut self, at: SystemTime) {
        if let (Some(since), Some(last)) = (self.step_since, self.steps.last_mut()) {
            last.duration = at.duration_since(since).unwrap_or_default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: SystemTime = SystemTime::UNIX_EPOCH;

    fn at(seconds: u64) -> SystemTime {
        EPOCH + Duration::from_secs(seconds)
    }

    fn begun() -> LedgerEntry {
        let begun = LedgerBegin {
            id: "a".into(),
            name: "job".into(),
            kind: "batch".into(),
            component: String::new(),
            labels: Labels::new(),
            worker: Some("w1".into()),
            input_bytes: Some(u64::MAX),
            fields: vec![("key".into(), FieldValue::Bool(true))],
            context: Vec::new(),
            trace_id: TraceId::new(7),
            span_id: SpanId::new(9),
            parent_span_id: None,
            started_at: at(10),
        };
        LedgerEntry::begin(begun, "first")
    }

    fn end(at: SystemTime, duration: Option<Duration>) -> LedgerEnd {
        LedgerEnd { outcome: Outcome::Success, items: 1, bytes: 2, output_bytes: Some(3), at, duration }
    }

    #[test]
    fn times_are_those_between_the_changes_and_never_negative() {
        let mut entry = begun();
        entry.step("one", at(12), "first");
        assert_eq!(entry.status(at(15)).by_id.steps[0].duration, Duration::from_secs(3));
        // A process whose clock is behind.
        entry.step("two", at(5), "first");
        entry.step("three", at(20), "first");
        entry.end(&end(at(1), None), "second");
        let status = entry.status(at(100));
        let steps: Vec<_> = status.by_id.steps.iter().map(|step| step.duration.as_secs()).collect();
        assert_eq!((steps, status.duration.as_secs()), (vec![0, 8, 0], 10));
        assert!(entry.has_ended() && status.items == 1 && entry.ended_by.as_deref() == Some("second"));
    }

    #[test]
    fn whoever_began_it_knows_best_how_long_it_took() {
        let mut entry = begun();
        entry.end(&end(at(1_000), Some(Duration::from_secs(7))), "first");
        assert_eq!(entry.status(at(0)).duration, Duration::from_secs(7));
        let mut entry = begun();
        entry.end(&end(at(11), Some(Duration::MAX)), "first");
        assert_eq!(entry.status(at(0)).duration, Duration::from_secs(1));
    }

    #[test]
    fn steps_are_bounded() {
        let mut entry = begun();
        for step in 0..100 {
            entry.step(&step.to_string(), at(20 + step), "first");
        }
        let status = entry.status(at(200));
        let last = status.by_id.steps.last().unwrap();
        assert_eq!((status.by_id.steps.len(), last.name.as_str(), status.by_id.steps_over), (65, "(overflow)", 36));
        assert_eq!(last.duration, Duration::from_secs(200 - 20 - 64));
    }

    #[test]
    fn they_round_trip_with_their_units_in_the_names() {
        let mut entry = begun();
        entry.step("one", at(12), "first");
        let json = serde_json::to_value(&entry).unwrap();
        assert_eq!(
            (&json["begun"]["started_at_ns"], &json["step_since_ns"]),
            (&10_000_000_000_u64.into(), &12_000_000_000_u64.into())
        );
        assert_eq!(serde_json::from_value::<LedgerEntry>(json).unwrap(), entry);
        for write in [
            LedgerWrite::Begin(entry.begun.clone()),
            LedgerWrite::Step { id: "a".into(), name: "one".into(), at: at(12) },
            LedgerWrite::End { id: "a".into(), end: end(at(13), Some(Duration::from_nanos(1))) },
        ] {
            let json = serde_json::to_string(&write).unwrap();
            assert_eq!(serde_json::from_str::<LedgerWrite>(&json).unwrap(), write);
        }
    }
}
