//! `metrics` with the recorder of `metrics-exporter-prometheus`: a histogram of durations and a counter by outcome.
//!
//! The recorder keeps every sample until it is rendered or its upkeep runs. Its own exporter runs the upkeep every five
//! seconds; here it runs after every measurement, and its CPU is counted.

use super::{BUCKETS, outcome, peer, samples};
use crate::BenchResult;
use crate::contender::{BodyError, Contender, body, for_each_value, repeat};
use metrics::{Counter, Histogram, counter, histogram};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::hint::black_box;
use std::time::Instant;

pub(super) fn contenders() -> BenchResult<Vec<Contender>> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.install_recorder()?;
    let kept = Kept {
        duration: histogram!("bench_duration_seconds", "operation" => "kept"),
        success: counter!("bench_calls_total", "operation" => "kept", "outcome" => "success"),
        failure: counter!("bench_calls_total", "operation" => "kept", "outcome" => "failure"),
    };
    let operation = String::from("runtime");
    let rows = [
        ("kept", peer("metrics_kept", "metrics: handles kept", move |n| repeat(n, |x| with_kept(&kept, x)))),
        ("macros", peer("metrics_macros", "metrics: macros", |n| repeat(n, with_macros))),
        (
            "runtime",
            peer("metrics_macros_label", "metrics: macros, label given at run time", move |n| {
                repeat(n, |x| with_label(&operation, x));
            }),
        ),
    ];
    let with_recorder = |(operation, row): (&str, Contender)| {
        let (upkeep, reader, label) = (recorder.clone(), recorder.clone(), format!("operation=\"{operation}\""));
        row.after(move || upkeep.run_upkeep())
            .recorded(move || samples(&reader.render(), "bench_duration_seconds_count{", &label))
    };
    Ok(rows.into_iter().map(with_recorder).collect())
}

/// Kept handles alone, with a recorder that is not installed. The upkeep is in the CPU time, as above.
///
/// # Errors
///
/// When the library refuses its set-up.
pub fn kept_handles() -> BenchResult<Vec<Contender>> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
    let (handle, upkeep) = (recorder.handle(), recorder.handle());
    let (counter, gauge, histogram) = metrics::with_local_recorder(&recorder, || {
        (counter!("bench_counter"), metrics::gauge!("bench_gauge"), histogram!("bench_values"))
    });
    let counting = move |calls| (0..calls).for_each(|_| black_box(&counter).increment(black_box(1)));
    let adding = move |calls| (0..calls).for_each(|_| black_box(&gauge).increment(black_box(1.5)));
    let recording = move |calls| for_each_value(calls, |value| black_box(&histogram).record(value));
    Ok(vec![
        peer("prometheus_counter", "metrics-exporter-prometheus: counter", counting)
            .recorded(move || samples(&handle.render(), "bench_counter ", "")),
        peer("prometheus_gauge_add", "metrics-exporter-prometheus: gauge, increment", adding),
        peer("prometheus_histogram", "metrics-exporter-prometheus: histogram", recording)
            .after(move || upkeep.run_upkeep()),
    ])
}

struct Kept {
    duration: Histogram,
    success: Counter,
    failure: Counter,
}

#[inline(never)]
fn with_kept(kept: &Kept, x: u64) -> Result<u64, BodyError> {
    let start = Instant::now();
    let result = body(x);
    kept.duration.record(start.elapsed());
    if result.is_ok() { &kept.success } else { &kept.failure }.increment(1);
    result
}

#[inline(never)]
fn with_macros(x: u64) -> Result<u64, BodyError> {
    let start = Instant::now();
    let result = body(x);
    histogram!("bench_duration_seconds", "operation" => "macros").record(start.elapsed());
    match result {
        Ok(_) => counter!("bench_calls_total", "operation" => "macros", "outcome" => "success").increment(1),
        Err(_) => counter!("bench_calls_total", "operation" => "macros", "outcome" => "failure").increment(1),
    }
    result
}

#[inline(never)]
fn with_label(operation: &str, x: u64) -> Result<u64, BodyError> {
    let start = Instant::now();
    let result = body(x);
    histogram!("bench_duration_seconds", "operation" => operation.to_owned()).record(start.elapsed());
    let outcome = outcome(&result);
    counter!("bench_calls_total", "operation" => operation.to_owned(), "outcome" => outcome).increment(1);
    result
}
