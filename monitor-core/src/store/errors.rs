//! Errors by group.

use crate::base::clock::Anchor;
use crate::model::ErrorGroup;

/// The groups of errors of one monitor.
#[derive(Default)]
pub(crate) struct ErrorGroups {}

impl ErrorGroups {
    pub(crate) fn read(&self, _anchor: &Anchor<'_>) -> Vec<ErrorGroup> {
        Vec::new()
    }
}
