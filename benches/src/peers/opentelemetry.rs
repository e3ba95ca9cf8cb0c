//! `opentelemetry_sdk`: a histogram of durations and a counter by outcome, read every minute by an exporter that throws
//! the figures away.

use super::{BUCKETS, outcome, peer};
use crate::contender::{BodyError, Contender, body, repeat};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram, MeterProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ResourceMetrics, ScopeMetrics, SumDataPoint};
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::metrics::{PeriodicReader, SdkMeterProvider, Temporality};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub(super) fn contenders() -> Vec<Contender> {
    let exported = Arc::new(AtomicU64::new(0));
    let exporter = CallsExporter { exported: Arc::clone(&exported) };
    let provider = SdkMeterProvider::builder().with_reader(PeriodicReader::builder(exporter).build()).build();
    let meter = provider.meter("bench");
    let duration = meter.f64_histogram("bench.duration").with_unit("s").with_boundaries(BUCKETS.to_vec()).build();
    let calls = meter.u64_counter("bench.calls").build();
    let row = peer("opentelemetry_sdk", "opentelemetry_sdk: histogram and counter", move |n| {
        repeat(n, |x| recorded(&duration, &calls, x));
    });
    // The provider lives in here: instruments of one that is gone record nothing.
    vec![row.recorded(move || {
        provider.force_flush()?;
        Ok(exported.load(Ordering::Relaxed))
    })]
}

#[inline(never)]
fn recorded(duration: &Histogram<f64>, calls: &Counter<u64>, x: u64) -> Result<u64, BodyError> {
    let start = Instant::now();
    let result = body(x);
    let operation = KeyValue::new("operation", "body");
    duration.record(start.elapsed().as_secs_f64(), std::slice::from_ref(&operation));
    calls.add(1, &[operation, KeyValue::new("outcome", outcome(&result))]);
    result
}

/// Keeps the counter's latest total and forgets the rest.
struct CallsExporter {
    exported: Arc<AtomicU64>,
}

impl PushMetricExporter for CallsExporter {
    async fn export(&self, metrics: &ResourceMetrics) -> OTelSdkResult {
        for metric in metrics.scope_metrics().flat_map(ScopeMetrics::metrics) {
            if let AggregatedMetrics::U64(MetricData::Sum(sum)) = metric.data() {
                let calls = sum.data_points().map(SumDataPoint::value).sum();
                self.exported.store(calls, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }

    fn temporality(&self) -> Temporality {
        Temporality::Cumulative
    }
}
