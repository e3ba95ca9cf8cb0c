//! `hotpath`: `#[measure]` while its guard lives.
//!
//! Every call goes to a queue of its thread. A worker takes up to 65,536 calls from each queue every 50 ms, which is
//! less than comes in here, so it works on for some seconds after a measurement; that CPU is counted. With the guard the
//! library opens a metrics server on the loopback interface, port 6770, which stays idle here
//! (`HOTPATH_METRICS_SERVER_OFF=1` prevents it).

use super::peer;
use crate::contender::{BodyError, Contender, body, repeat};
use hotpath::{Format, HotpathGuardBuilder};
use std::time::Duration;

/// The worker's interval, and a little more.
const BACKLOG_WITHIN: Duration = Duration::from_millis(60);

pub(super) fn contenders() -> Vec<Contender> {
    let guard = HotpathGuardBuilder::new("record").format(Format::None).build();
    let row = peer("hotpath", "hotpath: #[measure]", move |calls| {
        // Dropped with the contender: the guard ends the measuring.
        let _ = &guard;
        repeat(calls, measured);
    });
    vec![row.backlog_within(BACKLOG_WITHIN)]
}

#[inline(never)]
#[hotpath::measure]
fn measured(x: u64) -> Result<u64, BodyError> {
    body(x)
}
