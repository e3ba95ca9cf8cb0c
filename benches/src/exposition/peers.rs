//! What other libraries make a page of, with the same operations, buckets and values.

use super::{BUCKETS, DURATIONS_US, Maker, Size, common, monitor, names};
use crate::BenchResult;
use metrics::{Key, Label};
use metrics_exporter_prometheus::formatting::{write_help_line, write_metric_line, write_type_line};
use metrics_exporter_prometheus::{LabelSet, PrometheusBuilder};
use monitor_core::{Snapshot, TextFormat};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

const OUTCOMES: [&str; 4] = ["success", "failure", "panicked", "cancelled"];

fn seconds(micros: u64) -> f64 {
    std::time::Duration::from_micros(micros).as_secs_f64()
}

/// All of them.
///
/// # Errors
///
/// When one of them refuses its set-up.
pub fn peers(operations: usize) -> BenchResult<Vec<Maker>> {
    Ok(vec![prometheus_client(operations)?, prometheus(operations)?, metrics(operations)?, helpers(operations)?])
}

fn prometheus_client(operations: usize) -> BenchResult<Maker> {
    type Labels = Vec<(String, String)>;
    let mut registry = prometheus_client::registry::Registry::default();
    let durations = Family::<Labels, Histogram>::new_with_constructor(|| Histogram::new(BUCKETS));
    let (calls, in_flight) = (Family::<Labels, Counter>::default(), Family::<Labels, Gauge>::default());
    registry.register("operation_duration_seconds", "How long the calls took.", durations.clone());
    registry.register("operations", "Calls that ended, by outcome.", calls.clone());
    registry.register("operations_in_flight", "Calls that run now.", in_flight.clone());
    for name in names(operations) {
        let labels = vec![("operation".to_owned(), name)];
        for micros in DURATIONS_US {
            durations.get_or_create(&labels).observe(seconds(micros));
        }
        for outcome in OUTCOMES {
            let labels = [labels.clone(), vec![("outcome".to_owned(), outcome.to_owned())]].concat();
            calls.get_or_create(&labels).inc_by(7);
        }
        in_flight.get_or_create(&labels).set(1);
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    let size = Size::of(&text);
    let make = move || {
        text.clear();
        encode(&mut text, &registry)?;
        Ok(Size { bytes: text.len(), lines: 0 })
    };
    Ok(Maker { name: "prometheus_client", title: "prometheus-client", make: Box::new(make), size })
}

fn prometheus(operations: usize) -> BenchResult<Maker> {
    use prometheus::{
        Encoder as _, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    };
    let registry = Registry::new();
    let options =
        HistogramOpts::new("operation_duration_seconds", "How long the calls took.").buckets(BUCKETS.to_vec());
    let durations = HistogramVec::new(options, &["operation"])?;
    let calls =
        IntCounterVec::new(Opts::new("operations_total", "Calls that ended, by outcome."), &["operation", "outcome"])?;
    let in_flight = IntGaugeVec::new(Opts::new("operations_in_flight", "Calls that run now."), &["operation"])?;
    registry.register(Box::new(durations.clone()))?;
    registry.register(Box::new(calls.clone()))?;
    registry.register(Box::new(in_flight.clone()))?;
    for name in names(operations) {
        for micros in DURATIONS_US {
            durations.with_label_values(&[&name]).observe(seconds(micros));
        }
        for outcome in OUTCOMES {
            calls.with_label_values(&[&*name, outcome]).inc_by(7);
        }
        in_flight.with_label_values(&[&name]).set(1);
    }
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    let size = Size::of(std::str::from_utf8(&text)?);
    let make = move || {
        text.clear();
        TextEncoder::new().encode(&registry.gather(), &mut text)?;
        Ok(Size { bytes: text.len(), lines: 0 })
    };
    Ok(Maker { name: "prometheus", title: "prometheus", make: Box::new(make), size })
}

fn metrics(operations: usize) -> BenchResult<Maker> {
    let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        for name in names(operations) {
            let durations = metrics::histogram!("operation_duration_seconds", "operation" => name.clone());
            for micros in DURATIONS_US {
                durations.record(seconds(micros));
            }
            for outcome in OUTCOMES {
                metrics::counter!("operations_total", "operation" => name.clone(), "outcome" => outcome).increment(7);
            }
            metrics::gauge!("operations_in_flight", "operation" => name).set(1.0);
        }
    });
    handle.run_upkeep();
    let size = Size::of(&handle.render());
    let make = move || Ok(Size { bytes: handle.render().len(), lines: 0 });
    Ok(Maker { name: "metrics_exporter", title: "metrics-exporter-prometheus", make: Box::new(make), size })
}

/// Our snapshot, written with the helpers of `metrics-exporter-prometheus`: what a page would take with them.
fn helpers(operations: usize) -> BenchResult<Maker> {
    let snapshot = monitor(operations)?.snapshot();
    let exposition = common()?;
    let expected = Size::of(&exposition.text(&snapshot, TextFormat::Prometheus));
    let mut text = String::new();
    with_helpers(&snapshot, &mut text);
    let size = Size::of(&text);
    if size.lines != expected.lines {
        return Err(format!("the helpers write {} lines, and ours {}", size.lines, expected.lines).into());
    }
    let make = move || {
        text.clear();
        with_helpers(&snapshot, &mut text);
        Ok(Size { bytes: text.len(), lines: 0 })
    };
    let title = "our snapshot, with the helpers of metrics-exporter-prometheus";
    Ok(Maker { name: "helpers", title, make: Box::new(make), size })
}

fn with_helpers(snapshot: &Snapshot, text: &mut String) {
    let all: Vec<_> = (snapshot.operations().iter())
        .map(|stats| {
            let labels = vec![Label::new("operation", stats.name.clone()), Label::new("kind", stats.kind.clone())];
            (stats, LabelSet::from_key_and_global(&Key::from_parts("x", labels), &nothing()))
        })
        .collect();
    let calls = "monitor_operations_total";
    write_help_line(text, calls, None, None, "Calls that ended, by outcome.");
    write_type_line(text, calls, None, None, "counter");
    for (stats, labels) in &all {
        let counts = [stats.succeeded, stats.failed, stats.panicked, stats.cancelled];
        for (outcome, count) in OUTCOMES.into_iter().zip(counts) {
            write_metric_line(text, calls, None, labels, Some(("outcome", outcome)), count, None);
        }
    }
    let durations = "monitor_operation_duration_seconds";
    write_help_line(text, durations, None, None, "How long the calls took.");
    write_type_line(text, durations, None, None, "histogram");
    for (stats, labels) in &all {
        for bound in BUCKETS {
            let nanos = std::time::Duration::from_secs_f64(bound).as_nanos();
            let count = stats.durations.count_at_most(u64::try_from(nanos).unwrap_or(u64::MAX));
            write_metric_line(text, durations, Some("bucket"), labels, Some(("le", bound)), count, None);
        }
        let count = stats.durations.count();
        write_metric_line(text, durations, Some("bucket"), labels, Some(("le", "+Inf")), count, None);
        write_metric_line::<&str, f64>(
            text,
            durations,
            Some("sum"),
            labels,
            None,
            stats.total_time.as_secs_f64(),
            None,
        );
        write_metric_line::<&str, u64>(text, durations, Some("count"), labels, None, count, None);
    }
    let in_flight = "monitor_operations_in_flight";
    write_help_line(text, in_flight, None, None, "Calls that run now.");
    write_type_line(text, in_flight, None, None, "gauge");
    for (stats, labels) in &all {
        write_metric_line::<&str, u64>(text, in_flight, None, labels, None, stats.in_flight(), None);
    }
}

/// Of a type that this crate has no name for.
fn nothing<T: Default>() -> T {
    T::default()
}
