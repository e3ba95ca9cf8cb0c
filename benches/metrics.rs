//! What a kept handle of the `metrics` facade costs when 1, 2 and 8 threads write through it: with our recorder, with ours
//! beside another one, one shared atomic and, with the feature `peers`, the recorder of `metrics-exporter-prometheus`.
//!
//! `cargo bench -p benches --features peers --bench metrics`

#![forbid(unsafe_code)]

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::contender::{Contender, Family};
use benches::floor::UNIT;
use benches::options::Options;
use benches::rounds::Row;
use benches::{BenchResult, floor};
use metrics::{Counter, Gauge, Histogram, Recorder, counter, gauge, histogram, with_local_recorder};
use monitor_core::{Distribution, Monitor, MonitorStats};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const COUNTER: &str = "ours_counter";
const HISTOGRAM: &str = "ours_histogram";

fn main() -> BenchResult {
    let mut contenders = ours()?;
    contenders.extend(floor::contenders().into_iter().filter(|row| row.name == UNIT));
    contenders.push(shared_atomic());
    #[cfg(feature = "peers")]
    contenders.extend(benches::peers::metrics::kept_handles()?);
    let heading = "A kept handle of the `metrics` facade (`metrics`)";
    Comparison { name: "metrics", heading, contenders, verdicts, others: None }.run(&Options::from_env()?)
}

fn ours() -> BenchResult<Vec<Contender>> {
    let (local, other) = (Monitor::builder().build()?, Monitor::builder().build()?);
    let recorder = local.metrics_recorder();
    let both = local.metrics_recorder().beside(other.metrics_recorder());
    let by_macro = local.metrics_recorder();
    let rows = vec![
        counting(COUNTER, "ours: counter", kept_counter(&recorder, "bench.counter")).recorded(counted(
            &local,
            "bench.counter",
            &[],
        )),
        setting("ours_gauge_set", "ours: gauge, set", kept_gauge(&recorder, "bench.gauge")),
        adding("ours_gauge_add", "ours: gauge, increment", kept_gauge(&recorder, "bench.sum")),
        recording(HISTOGRAM, "ours: histogram", kept_histogram(&recorder, "bench.values")).recorded(counted(
            &local,
            "bench.values",
            &[],
        )),
        counting("ours_counter_beside", "ours beside ours: counter", kept_counter(&both, "bench.both"))
            .recorded(counted(&other, "bench.both", &[])),
        Contender::new(Family::Ours, "ours_counter_macro", "ours: counter!, looked up each time", move |calls| {
            with_local_recorder(&by_macro, || {
                (0..calls).for_each(|_| counter!("bench.macro", "route" => "/users").increment(black_box(1)));
            });
        })
        .recorded(counted(&local, "bench.macro", &[("route", "/users")])),
    ];
    let MonitorStats { overflow_metrics: 0, .. } = local.snapshot().monitor() else {
        return Err("a metric of the bench is over a cap".into());
    };
    Ok(rows)
}

/// What a monitor says of a counter, or of the count of a histogram.
fn counted(
    monitor: &Monitor,
    name: &'static str,
    labels: &'static [(&'static str, &'static str)],
) -> impl Fn() -> BenchResult<u64> + Send + Sync + 'static {
    let monitor = monitor.clone();
    move || {
        let snapshot = monitor.snapshot();
        let metric = snapshot.metric(name, labels).ok_or("the metric is not there")?;
        Ok(metric.counter().or_else(|| metric.histogram().map(Distribution::count)).unwrap_or(0))
    }
}

fn kept_counter(recorder: &dyn Recorder, name: &'static str) -> Counter {
    with_local_recorder(recorder, || counter!(name))
}

fn kept_gauge(recorder: &dyn Recorder, name: &'static str) -> Gauge {
    with_local_recorder(recorder, || gauge!(name))
}

fn kept_histogram(recorder: &dyn Recorder, name: &'static str) -> Histogram {
    with_local_recorder(recorder, || histogram!(name))
}

fn counting(name: &'static str, title: &'static str, counter: Counter) -> Contender {
    let run = move |calls| (0..calls).for_each(|_| black_box(&counter).increment(black_box(1)));
    Contender::new(Family::Ours, name, title, run)
}

fn setting(name: &'static str, title: &'static str, gauge: Gauge) -> Contender {
    let run = move |calls| (0..calls).for_each(|_| black_box(&gauge).set(black_box(1.5)));
    Contender::new(Family::Ours, name, title, run)
}

fn adding(name: &'static str, title: &'static str, gauge: Gauge) -> Contender {
    let run = move |calls| (0..calls).for_each(|_| black_box(&gauge).increment(black_box(1.5)));
    Contender::new(Family::Ours, name, title, run)
}

/// Values over four octaves, as those of one quantity are.
fn recording(name: &'static str, title: &'static str, histogram: Histogram) -> Contender {
    let run = move |calls: u64| benches::contender::for_each_value(calls, |value| black_box(&histogram).record(value));
    Contender::new(Family::Ours, name, title, run)
}

/// What a counter costs that all threads share.
fn shared_atomic() -> Contender {
    let count = Arc::new(AtomicU64::new(0));
    let run = move |calls| {
        (0..calls).for_each(|_| {
            black_box(&count).fetch_add(black_box(1), Ordering::Relaxed);
        });
    };
    Contender::new(Family::Floor, "shared_atomic", "one atomic, shared", run)
}

/// CPU time: what threads do to each other's cache lines is in it, and what other programs do to the processors is not.
fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let cost = |name: &str, threads| {
        let row = rows.iter().find(|row| row.name == name)?;
        row.cost(threads).map(|cost| cost.cpu_ns)
    };
    let names = [
        (COUNTER, 1, 10.0, "counter_1_thread", "kept counter on 1 thread, CPU"),
        (COUNTER, 2, 10.0, "counter_2_threads", "kept counter on 2 threads at once, CPU"),
        (HISTOGRAM, 1, 15.0, "histogram_1_thread", "kept histogram on 1 thread, CPU"),
        (HISTOGRAM, 2, 15.0, "histogram_2_threads", "kept histogram on 2 threads at once, CPU"),
    ];
    let costs = names.into_iter().filter_map(|(row, threads, limit, name, what)| {
        Some(Verdict { name, what, limit, measured: cost(row, threads)?, unit: "ns" })
    });
    let flat = [
        (COUNTER, "counter_flat", "kept counter, two threads to one"),
        (HISTOGRAM, "histogram_flat", "kept histogram, two threads to one"),
    ];
    let flat = flat.into_iter().filter_map(|(row, name, what)| {
        Some(Verdict { name, what, limit: 1.1, measured: cost(row, 2)? / cost(row, 1)?, unit: "" })
    });
    costs.chain(flat).collect()
}
