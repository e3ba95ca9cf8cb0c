//! `prometheus`: a histogram of durations and a counter by outcome.

use super::{BUCKETS, outcome, peer};
use crate::BenchResult;
use crate::contender::{BodyError, Contender, body, repeat};
use prometheus::{Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry};

pub(super) fn contenders() -> BenchResult<Vec<Contender>> {
    let registry = Registry::new();
    let options = HistogramOpts::new("bench_duration_seconds", "Duration of the body.").buckets(BUCKETS.to_vec());
    let durations = HistogramVec::new(options, &["operation"])?;
    let calls = IntCounterVec::new(Opts::new("bench_calls_total", "Calls of the body."), &["operation", "outcome"])?;
    registry.register(Box::new(durations.clone()))?;
    registry.register(Box::new(calls.clone()))?;
    let kept = Kept {
        duration: durations.with_label_values(&["kept"]),
        success: calls.with_label_values(&["kept", "success"]),
        failure: calls.with_label_values(&["kept", "failure"]),
    };
    let (with_kept_calls, with_labels_calls) = (kept.success.clone(), calls.with_label_values(&["labels", "success"]));
    Ok(vec![
        peer("prometheus_kept", "prometheus: handles kept", move |n| repeat(n, |x| with_kept(&kept, x)))
            .recorded(move || Ok(with_kept_calls.get())),
        peer("prometheus_labels", "prometheus: with_label_values", move |n| {
            repeat(n, |x| with_labels(&durations, &calls, x));
        })
        .recorded(move || Ok(with_labels_calls.get())),
    ])
}

struct Kept {
    duration: Histogram,
    success: IntCounter,
    failure: IntCounter,
}

#[inline(never)]
fn with_kept(kept: &Kept, x: u64) -> Result<u64, BodyError> {
    let timer = kept.duration.start_timer();
    let result = body(x);
    timer.observe_duration();
    if result.is_ok() { &kept.success } else { &kept.failure }.inc();
    result
}

#[inline(never)]
fn with_labels(durations: &HistogramVec, calls: &IntCounterVec, x: u64) -> Result<u64, BodyError> {
    let timer = durations.with_label_values(&["labels"]).start_timer();
    let result = body(x);
    timer.observe_duration();
    calls.with_label_values(&["labels", outcome(&result)]).inc();
    result
}
