//! A monitor whose clock stands still, under a subscriber with its layer.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]
#![allow(dead_code, reason = "no suite uses all of it")]

use std::time::Duration;

use monitor_core::tracing::MonitorLayer;
use monitor_core::{ManualClock, Monitor};
use tracing::{Dispatch, dispatcher};
use tracing_subscriber::prelude::*;

pub(crate) const MS: Duration = Duration::from_millis(1);

/// A monitor whose clock stands still, and a subscriber with its layer.
pub(crate) struct Stage {
    pub(crate) local: Monitor,
    pub(crate) clock: ManualClock,
    pub(crate) dispatch: Dispatch,
}

impl Stage {
    pub(crate) fn new(set: impl FnOnce(MonitorLayer) -> MonitorLayer) -> Stage {
        let clock = ManualClock::new();
        let local = Monitor::builder().clock(&clock).build().unwrap();
        let dispatch = Dispatch::new(tracing_subscriber::registry().with(set(local.tracing_layer())));
        Stage { local, clock, dispatch }
    }

    pub(crate) fn plain() -> Stage {
        Stage::new(|layer| layer)
    }

    /// On a thread that records into the monitor.
    pub(crate) fn run<R>(&self, f: impl FnOnce() -> R) -> R {
        dispatcher::with_default(&self.dispatch, || self.local.scope(f))
    }

    /// Where the time goes by in whole milliseconds.
    pub(crate) fn pass(&self, ms: u32) {
        self.clock.advance(ms * MS);
    }

    /// Total, busy and self time of an operation in milliseconds.
    pub(crate) fn times(&self, name: &str) -> (u128, u128, i128) {
        let snapshot = self.local.snapshot();
        let stats = snapshot.operation(name).unwrap();
        let own = i128::try_from(stats.self_time.as_millis()).unwrap();
        (stats.total_time.as_millis(), stats.busy_time.as_millis(), own)
    }
}

pub(crate) fn counts(local: &Monitor, name: &str) -> (u64, u64, u64, u64) {
    let snapshot = local.snapshot();
    let stats = snapshot.operation(name).unwrap_or_else(|| panic!("no operation {name}"));
    (stats.started, stats.succeeded, stats.failed, stats.panicked)
}
