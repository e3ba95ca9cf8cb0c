//! Exemplars: a trace that stands for a bucket or an outcome.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::bounds::Bounds;
use super::lines::push_seconds;
use crate::model::{OperationRecord, Outcome};

/// Of one series the newest call with a trace in each bucket, and with each outcome: as they stand behind a value.
#[derive(Default)]
pub(super) struct Exemplars {
    of_buckets: Vec<(usize, String)>,
    of_outcomes: Vec<(Outcome, String)>,
}

impl Exemplars {
    /// Takes in a call, if there is none yet in its bucket or with its outcome.
    pub(super) fn add(&mut self, record: &OperationRecord, bounds: &Bounds) {
        let bucket = bounds.bucket(record.duration);
        let is_new_bucket = self.of_bucket(bucket).is_empty();
        let is_new_outcome = self.of_outcome(record.outcome).is_empty();
        if is_new_bucket || is_new_outcome {
            let Some(texts) = texts(record) else { return };
            if is_new_bucket {
                self.of_buckets.push((bucket, texts.with_duration));
            }
            if is_new_outcome {
                self.of_outcomes.push((record.outcome, texts.with_one));
            }
        }
    }

    /// Empty if there is none.
    pub(super) fn of_bucket(&self, bucket: usize) -> &str {
        self.of_buckets.iter().find(|(of, _)| *of == bucket).map_or("", |(_, text)| text)
    }

    /// Likewise.
    pub(super) fn of_outcome(&self, outcome: Outcome) -> &str {
        self.of_outcomes.iter().find(|(of, _)| *of == outcome).map_or("", |(_, text)| text)
    }
}

/// An exemplar with the call's duration as its value, and one with 1, for what is counted.
struct Texts {
    with_duration: String,
    with_one: String,
}

fn texts(record: &OperationRecord) -> Option<Texts> {
    let mut labels = format!(" # {{trace_id=\"{}\"", record.trace_id?);
    if let Some(span) = record.span_id {
        let _ = write!(labels, ",span_id=\"{span}\"");
    }
    labels.push_str("} ");
    let mut ended = String::from(" ");
    let ended_at = record.started_at.checked_add(record.duration)?;
    push_seconds(ended_at.duration_since(SystemTime::UNIX_EPOCH).ok()?, &mut ended);
    let mut with_duration = labels.clone();
    push_seconds(record.duration, &mut with_duration);
    Some(Texts { with_duration: with_duration + &ended, with_one: labels + "1" + &ended })
}
