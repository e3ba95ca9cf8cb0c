//! How far the long jobs are.

use crate::base::clock::Anchor;
use crate::model::ProgressStats;

/// The progress of everything that runs, and of what ended last.
#[derive(Default)]
pub(crate) struct ProgressBoard {}

impl ProgressBoard {
    pub(crate) fn read(&self, _anchor: &Anchor<'_>) -> Vec<ProgressStats> {
        Vec::new()
    }
}
