//! `hdrhistogram` behind a mutex, with a counter by outcome: the usual monitor of one's own.

use super::peer;
use crate::BenchResult;
use crate::contender::{BodyError, Contender, body, repeat};
use hdrhistogram::Histogram;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// An hour. Three significant digits are the library's usual choice.
const HIGHEST_NS: u64 = 3_600_000_000_000;

pub(super) fn contenders() -> BenchResult<Vec<Contender>> {
    let nanos = Histogram::new_with_bounds(1, HIGHEST_NS, 3)?;
    let shared = Arc::new(Mutex::new(Figures { nanos, succeeded: 0, failed: 0 }));
    let reader = Arc::clone(&shared);
    let row = peer("hdrhistogram_mutex", "hdrhistogram behind a mutex", move |calls| {
        repeat(calls, |x| recorded(&shared, x));
    });
    Ok(vec![row.recorded(move || {
        let figures = reader.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(figures.nanos.len().min(figures.succeeded + figures.failed))
    })])
}

struct Figures {
    nanos: Histogram<u64>,
    succeeded: u64,
    failed: u64,
}

#[inline(never)]
fn recorded(shared: &Mutex<Figures>, x: u64) -> Result<u64, BodyError> {
    let start = Instant::now();
    let result = body(x);
    let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let mut figures = shared.lock().unwrap_or_else(PoisonError::into_inner);
    figures.nanos.saturating_record(nanos);
    match result {
        Ok(_) => figures.succeeded += 1,
        Err(_) => figures.failed += 1,
    }
    drop(figures);
    result
}
