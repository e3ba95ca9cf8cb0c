//! What a collector fetches from a recorder: records since the last time, and sums of all series.

use std::sync::Arc;
use std::time::Duration;

use super::errors;
use super::reader::{Figures, active, record};
use super::recorder::Recorder;
use super::registry::Series;
use crate::model::{ActiveOperation, ErrorGroup, Fingerprint, OperationRecord, Totals};

/// Records that are put into words before the lock is given back for a moment.
const PORTION: usize = 128;

/// Moves what is in the rings, and what waits beside them, on to `into`, up to `most` records. True if there may be more.
pub(crate) fn records(recorder: &Recorder, into: &mut Vec<OperationRecord>, most: usize) -> bool {
    {
        let mut recent = recorder.recent.lock();
        for shard in recorder.shards.iter() {
            shard.drain(|ring| recent.take_in(ring));
        }
    }
    let anchor = recorder.clock.anchor();
    while into.len() < most {
        let mut recent = recorder.recent.lock();
        let portion = PORTION.min(most - into.len());
        if recent.collect(portion, |raw| into.push(record(recorder, raw, &anchor))) < portion {
            return false;
        }
    }
    true
}

/// Records that were made and lost, by reason.
pub(crate) fn lost(recorder: &Recorder) -> [(&'static str, u64); 2] {
    let ring_full = recorder.shards.iter().map(|shard| shard.losses.ring_full.get()).sum();
    [("ring_full", ring_full), ("collector_full", recorder.recent.lock().uncollected)]
}

/// All series, and the sums of each.
pub(crate) fn totals(recorder: &Recorder) -> (Vec<Arc<Series>>, Vec<Totals>) {
    let (series, _) = recorder.registered();
    let figures = Figures::read(recorder, series.len());
    (series, figures.totals)
}

/// Groups of errors that are `wanted` by their fingerprint and by how many there were, of these without being looked at.
pub(crate) fn error_groups(recorder: &Recorder, wanted: impl Fn(Fingerprint, u64, u64) -> bool) -> Vec<ErrorGroup> {
    errors::read(recorder, &recorder.clock.anchor(), wanted).groups
}

/// What has been running for some time, the oldest first.
pub(crate) fn active_for(recorder: &Recorder, age: Duration, most: usize) -> Vec<ActiveOperation> {
    let (series, _) = recorder.registered();
    let mut active = active(recorder, &recorder.clock.anchor(), &series, age);
    active.sort_by_key(|operation| std::cmp::Reverse(operation.age));
    active.truncate(most);
    active
}
