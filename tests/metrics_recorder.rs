//! The recorder for the `metrics` facade, as a host sees it: what any recorder must do, exact counts under concurrency,
//! caps, other recorders beside it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Label, Metadata, Recorder, SharedString, Unit,
    counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram, with_local_recorder,
};
use monitor_core::testing::assert_metric;
use monitor_core::{Distribution, MetricKind, MetricStats, MetricsRecorder, Monitor, Snapshot};
use tests::{local, panics};

/// A monitor and what the closure tells its recorder.
fn told(f: impl FnOnce()) -> Monitor {
    let local = local();
    with_local_recorder(&local.metrics_recorder(), f);
    local
}

fn counted(snapshot: &Snapshot, name: &str, labels: &[(&str, &str)]) -> Option<u64> {
    snapshot.metric(name, labels).and_then(MetricStats::counter)
}

fn distribution<'a>(snapshot: &'a Snapshot, name: &str) -> &'a Distribution {
    snapshot.metric(name, &[]).and_then(MetricStats::histogram).unwrap()
}

// What a host expects of any recorder.

#[test]
fn a_counter_adds_up_and_absolute_never_lowers_it() {
    let local = told(|| {
        let requests = counter!("requests");
        requests.increment(2);
        requests.increment(0);
        requests.absolute(10);
        requests.absolute(7);
        counter!("requests").increment(1);
    });
    assert_metric(&local.snapshot(), "requests", &[]).kind(MetricKind::Counter).counter(11);
}

#[test]
fn a_gauge_goes_up_and_down_and_takes_what_is_set() {
    let local = told(|| {
        let depth = gauge!("depth");
        depth.increment(5.0);
        depth.decrement(1.5);
        gauge!("set").set(-3.0);
        gauge!("set").set(2.25);
        gauge!("odd").set(f64::NAN);
        gauge!("endless").set(f64::INFINITY);
        gauge!("untouched").increment(0.0);
    });
    let snapshot = local.snapshot();
    for (name, value) in
        [("depth", 3.5), ("set", 2.25), ("odd", f64::NAN), ("endless", f64::INFINITY), ("untouched", 0.0)]
    {
        assert_metric(&snapshot, name, &[]).kind(MetricKind::Gauge).gauge(value);
    }
}

#[test]
fn a_histogram_has_every_value_once_also_many_at_a_time() {
    let local = told(|| {
        let sizes = histogram!("sizes");
        sizes.record(4.0);
        sizes.record_many(2.0, 998);
        sizes.record_many(7.0, 0);
        sizes.record(std::time::Duration::from_millis(500));
    });
    let snapshot = local.snapshot();
    assert_metric(&snapshot, "sizes", &[]).kind(MetricKind::Histogram).count(1_000).max_below(4.01);
    let sizes = distribution(&snapshot, "sizes");
    assert_eq!((sizes.min(), sizes.max(), sizes.sum().to_bits()), (Some(0.5), Some(4.0), 2_000.5_f64.to_bits()));
    assert!((sizes.percentile(0.5).unwrap() - 2.0).abs() <= 2.0 / 64.0);
}

#[test]
fn values_of_every_sort_are_counted_as_it_is_said() {
    let local = told(|| {
        let odd = histogram!("odd");
        for value in [0.0, -0.0, 5e-324, -2.0, f64::MAX, f64::MIN, f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            odd.record(value);
        }
    });
    let snapshot = local.snapshot();
    let odd = distribution(&snapshot, "odd");
    assert_eq!((odd.count(), odd.not_finite()), (6, 3));
    assert_eq!((odd.min(), odd.max()), (Some(f64::MIN), Some(f64::MAX)));
    let buckets: Vec<_> = odd.buckets().map(|(_, _, count)| count).collect();
    assert_eq!(buckets, [1, 1, 3, 1], "the smallest, -2, zero, the largest");
    assert!(snapshot.to_string().contains("3 values of histograms not finite"));
}

#[test]
fn labels_in_any_order_are_one_series_and_other_values_another() {
    let local = told(|| {
        counter!("requests", "route" => "/a", "method" => "GET").increment(1);
        counter!("requests", "method" => "GET", "route" => "/a").increment(2);
        counter!("requests", "route" => "/a", "method" => "PUT").increment(4);
        counter!("requests").increment(8);
        let (one, other) = (Label::new("route", "/a"), Label::new("route", "/never"));
        let key = Key::from_parts("requests", vec![one, Label::new("method", "GET"), other]);
        metrics::with_recorder(|recorder| recorder.register_counter(&key, &METADATA).increment(16));
    });
    let snapshot = local.snapshot();
    assert_eq!(counted(&snapshot, "requests", &[("method", "GET"), ("route", "/a")]), Some(19));
    assert_eq!(counted(&snapshot, "requests", &[("route", "/a"), ("method", "PUT")]), Some(4));
    assert_eq!((counted(&snapshot, "requests", &[]), snapshot.metrics().len()), (Some(8), 3));
}

static METADATA: Metadata<'_> = Metadata::new("tests", metrics::Level::INFO, None);

#[test]
fn descriptions_and_units_are_kept_before_and_after_registration() {
    let local = told(|| {
        describe_counter!("before", Unit::Bytes, "told before");
        counter!("before").increment(1);
        gauge!("after").set(1.0);
        describe_gauge!("after", Unit::Seconds, "told first");
        describe_gauge!("after", Unit::Milliseconds, "told last");
        histogram!("unit_less", "k" => "v").record(1.0);
        describe_histogram!("unit_less", "no unit");
        describe_counter!("never", Unit::Count, "never registered");
        describe_histogram!("before", Unit::Percent, "of another kind");
    });
    let snapshot = local.snapshot();
    assert_metric(&snapshot, "before", &[]).unit("bytes").description("told before");
    assert_metric(&snapshot, "after", &[]).unit("milliseconds").description("told last");
    assert_metric(&snapshot, "unit_less", &[("k", "v")]).unit("").description("no unit");
    assert_eq!(snapshot.metric("never", &[]), None);
}

#[test]
fn an_information_metric_is_a_gauge_of_one_with_labels() {
    let local = told(|| gauge!("build_info", "version" => "1.2.3", "commit" => "abc").set(1.0));
    let snapshot = local.snapshot();
    assert_metric(&snapshot, "build_info", &[("commit", "abc"), ("version", "1.2.3")]).gauge(1.0);
    assert!(snapshot.to_string().contains("build_info commit=abc version=1.2.3"), "{snapshot}");
}

#[test]
fn kinds_that_share_a_name_are_apart() {
    let local = told(|| {
        counter!("x").increment(3);
        gauge!("x").set(4.0);
        histogram!("x").record(5.0);
    });
    let kinds: Vec<_> = local.snapshot().metrics().iter().map(MetricStats::kind).collect();
    assert_eq!(kinds, [MetricKind::Counter, MetricKind::Gauge, MetricKind::Histogram]);
}

#[test]
fn names_with_dots_stay_and_odd_ones_are_bounded_and_counted() {
    let long = "x".repeat(1_000);
    let local = told(|| {
        counter!("http.server.requests").increment(1);
        counter!("").increment(2);
        counter!(long.clone(), "http.method" => "y".repeat(1_000)).increment(4);
    });
    let snapshot = local.snapshot();
    assert_eq!(counted(&snapshot, "http.server.requests", &[]), Some(1));
    assert_eq!(counted(&snapshot, "(unnamed)", &[]), Some(2));
    assert_eq!(counted(&snapshot, &long, &[("http.method", &"y".repeat(1_000))]), Some(4), "asked as it was given");
    assert!(snapshot.metrics().iter().all(|metric| metric.name.len() <= 200));
    assert_eq!(snapshot.monitor().names_changed, 2);
}

// Monitors, handles, switches.

#[test]
fn two_monitors_are_apart() {
    let (first, second) = (told(|| counter!("a").increment(1)), told(|| counter!("a").increment(5)));
    assert_eq!(counted(&first.snapshot(), "a", &[]), Some(1));
    assert_eq!(counted(&second.snapshot(), "a", &[]), Some(5));
    first.scope(|| with_local_recorder(&second.metrics_recorder(), || counter!("a").increment(1)));
    assert_eq!(counted(&second.snapshot(), "a", &[]), Some(6), "it goes to the monitor that it was made from");
}

#[test]
fn a_handle_outlives_its_monitor() {
    let local = local();
    let (a, b, c) =
        with_local_recorder(&local.metrics_recorder(), || (counter!("a"), gauge!("b"), histogram!("c", "k" => "v")));
    drop(local);
    std::thread::scope(|threads| {
        for _ in 0..4 {
            threads.spawn(|| {
                a.increment(1);
                a.absolute(1_000);
                b.increment(1.0);
                c.record(1e9);
            });
        }
    });
}

#[test]
fn metrics_go_on_while_recording_is_switched_off() {
    let local = told(|| ());
    local.set_enabled(false);
    with_local_recorder(&local.metrics_recorder(), || counter!("a").increment(1));
    assert_eq!(counted(&local.snapshot(), "a", &[]), Some(1));
}

#[test]
fn a_second_recorder_is_refused_and_the_first_goes_on() {
    let first = local();
    first.metrics_recorder().install().unwrap();
    let error = local().metrics_recorder().install().unwrap_err();
    assert!(error.is_already_installed() && error.to_string().contains("MetricsRecorder::beside"), "{error}");
    counter!("by_the_process").increment(1);
    std::thread::spawn(|| counter!("by_the_process").increment(1)).join().unwrap();
    assert_eq!(counted(&first.snapshot(), "by_the_process", &[]), Some(2));
}

// Caps.

#[test]
fn what_is_over_a_cap_is_counted_together_and_said() {
    let local = Monitor::builder().max_operations(3).max_label_sets(4).build().unwrap();
    with_local_recorder(&local.metrics_recorder(), || {
        for n in 0..10 {
            counter!(format!("m{n}")).increment(1);
            histogram!("values", "user" => n.to_string()).record(f64::from(n));
        }
    });
    let snapshot = local.snapshot();
    let own = snapshot.monitor();
    assert_eq!((own.metrics, own.overflow_metrics, own.overflow_metric_series), (3, 8, 6));
    assert_eq!(counted(&snapshot, "(overflow)", &[]), Some(8));
    assert_metric(&snapshot, "values", &[("overflow", "true")]).count(6);
    assert_eq!(own.metric_series, 2 + 1 + 4 + 1);
    let table = snapshot.to_string();
    assert!(table.contains("asked for 8 times, counted under (overflow)"), "{table}");
    assert!(table.contains("asked for 6 times, counted under overflow=true"), "{table}");
}

#[test]
fn label_values_without_end_are_as_many_series_as_the_cap_allows() {
    let local = Monitor::builder().max_label_sets(50).build().unwrap();
    with_local_recorder(&local.metrics_recorder(), || {
        (0..100_000).for_each(|n| counter!("requests", "user" => n.to_string()).increment(1));
    });
    let snapshot = local.snapshot();
    assert_eq!(snapshot.metrics().len(), 51);
    assert_eq!(snapshot.metrics().iter().filter_map(MetricStats::counter).sum::<u64>(), 100_000);
}

// Other recorders beside it.

#[test]
fn a_recorder_beside_it_is_told_the_same() {
    let (first, second, third) = (local(), local(), local());
    let both = first.metrics_recorder().beside(second.metrics_recorder()).beside(third.metrics_recorder());
    with_local_recorder(&both, || {
        describe_counter!("a", Unit::Count, "described");
        let a = counter!("a", "k" => "v");
        a.increment(3);
        a.absolute(9);
        describe_gauge!("b", Unit::Bytes, "described too");
        let b = gauge!("b");
        b.set(7.0);
        b.increment(2.0);
        b.decrement(0.5);
        describe_histogram!("c", Unit::Seconds, "and this");
        let c = histogram!("c");
        c.record(1.5);
        c.record_many(0.25, 3);
    });
    assert_metric(&first.snapshot(), "a", &[("k", "v")]).counter(9).unit("count").description("described");
    assert_metric(&first.snapshot(), "b", &[]).gauge(8.5).unit("bytes").description("described too");
    assert_metric(&first.snapshot(), "c", &[]).count(4).unit("seconds").description("and this");
    for other in [second, third] {
        assert_eq!(other.snapshot().metrics(), first.snapshot().metrics());
    }
}

/// Panics wherever it is told something, or in the handles that it gives out.
struct Panics {
    when_asked: bool,
}

impl CounterFn for Panics {
    fn increment(&self, _: u64) {
        panic!("on purpose");
    }

    fn absolute(&self, _: u64) {
        panic!("on purpose");
    }
}

impl Recorder for Panics {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        assert!(!self.when_asked, "on purpose");
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        assert!(!self.when_asked, "on purpose");
        Counter::from_arc(Arc::new(Panics { when_asked: false }))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_recorder_beside_it_that_panics_harms_nobody() {
    let (ours, last) = (local(), local());
    let recorder = ours.metrics_recorder();
    let recorder = recorder.beside(Panics { when_asked: true }).beside(Panics { when_asked: false });
    let recorder = recorder.beside(last.metrics_recorder());
    let panicked = panics(|| {
        with_local_recorder(&recorder, || {
            describe_counter!("a", "described");
            counter!("a").increment(2);
            counter!("a").absolute(5);
        });
    });
    assert!(!panicked);
    for monitor in [&ours, &last] {
        assert_metric(&monitor.snapshot(), "a", &[]).counter(5).description("described");
    }
    // Asked for a description and for two handles, and two writes.
    assert_eq!(ours.snapshot().monitor().callbacks_panicked, 5);
}

/// What a panic may carry: it panics once more when it is dropped.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("on purpose, again");
    }
}

impl GaugeFn for PanicsWhenDropped {
    fn increment(&self, _: f64) {
        std::panic::panic_any(PanicsWhenDropped);
    }

    fn decrement(&self, _: f64) {}

    fn set(&self, _: f64) {}
}

/// Gives out that gauge, and never lets go of it.
struct GivesIt(Arc<PanicsWhenDropped>);

impl Recorder for GivesIt {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        std::panic::panic_any(PanicsWhenDropped);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(Arc::clone(&self.0))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn nor_does_what_a_panic_of_it_carries() {
    let local = local();
    let kept = std::mem::ManuallyDrop::new(Arc::new(PanicsWhenDropped));
    let recorder = local.metrics_recorder().beside(GivesIt(Arc::clone(&kept)));
    let panicked = panics(|| {
        with_local_recorder(&recorder, || {
            describe_gauge!("a", "described");
            gauge!("a").increment(2.0);
        });
    });
    assert!(!panicked);
    assert_metric(&local.snapshot(), "a", &[]).gauge(2.0).description("described");
    assert_eq!(local.snapshot().monitor().callbacks_panicked, 2);
}

/// Uses the facade from within the recorder that is told, as a recorder with metrics of its own does.
struct TellsBack(MetricsRecorder, Arc<Mutex<Vec<String>>>);

impl Recorder for TellsBack {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.0.register_counter(&Key::from_name("told.descriptions"), &METADATA).increment(1);
        self.1.lock().unwrap().push(key.as_str().to_owned());
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        self.0.register_counter(&Key::from_name("told.counters"), &METADATA).increment(1);
        self.1.lock().unwrap().push(key.name().to_owned());
        Counter::noop()
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn a_recorder_beside_it_may_use_the_same_monitor() {
    let (local, names) = (local(), Arc::default());
    let recorder = local.metrics_recorder().beside(TellsBack(local.metrics_recorder(), Arc::clone(&names)));
    with_local_recorder(&recorder, || {
        describe_counter!("a", "described");
        counter!("a").increment(1);
    });
    let snapshot = local.snapshot();
    for name in ["a", "told.descriptions", "told.counters"] {
        assert_eq!(counted(&snapshot, name, &[]), Some(1), "{name}");
    }
    assert_eq!(*names.lock().unwrap(), ["a", "a"]);
}

// Concurrency.

#[test]
fn totals_are_exact_however_many_threads_write_and_read() {
    const THREADS: u32 = 16;
    const ROUNDS: u32 = 2_000;
    let local = local();
    let recorder = local.metrics_recorder();
    let (kept, in_flight, values) =
        with_local_recorder(&recorder, || (counter!("kept"), gauge!("in_flight"), histogram!("values")));
    let last = AtomicU64::new(0);
    std::thread::scope(|threads| {
        for thread in 0..THREADS {
            let (recorder, kept, in_flight, values) = (&recorder, &kept, &in_flight, &values);
            threads.spawn(move || {
                with_local_recorder(recorder, || {
                    for n in 1..=ROUNDS {
                        kept.increment(2);
                        in_flight.increment(1.0);
                        values.record(f64::from(n));
                        counter!("by_macro", "thread" => (thread % 4).to_string()).increment(1);
                        in_flight.decrement(1.0);
                    }
                });
            });
        }
        threads.spawn(|| {
            for _ in 0..200 {
                let snapshot = local.snapshot();
                let now = counted(&snapshot, "kept", &[]).unwrap();
                assert!(now >= last.swap(now, Ordering::Relaxed), "a counter went down");
                let values = distribution(&snapshot, "values");
                assert!(values.is_empty() || (values.min().is_some() && values.max().is_some()));
            }
        });
    });
    let snapshot = local.snapshot();
    let all = u64::from(THREADS * ROUNDS);
    assert_metric(&snapshot, "kept", &[]).counter(2 * all);
    assert_metric(&snapshot, "in_flight", &[]).gauge(0.0);
    let by_macro = snapshot.metrics().iter().filter(|metric| metric.name == "by_macro");
    assert_eq!(by_macro.filter_map(MetricStats::counter).collect::<Vec<_>>(), [all / 4; 4]);
    let values = distribution(&snapshot, "values");
    assert_eq!((values.count(), values.min(), values.max()), (all, Some(1.0), Some(f64::from(ROUNDS))));
    let sum = f64::from(THREADS) * f64::from(ROUNDS * (ROUNDS + 1) / 2);
    assert_eq!(values.sum().to_bits(), sum.to_bits(), "whole numbers add up exactly");
}

// Snapshots.

#[test]
fn a_difference_has_what_came_in_between() {
    let local = local();
    let recorder = local.metrics_recorder();
    let write = |count, value: f64| {
        with_local_recorder(&recorder, || {
            counter!("a").increment(count);
            gauge!("b").set(value);
            histogram!("c").record_many(value, 10);
        });
    };
    write(5, 1.0);
    let earlier = local.snapshot();
    write(2, 8.0);
    with_local_recorder(&recorder, || counter!("new").increment(4));
    let later = local.snapshot();
    let between = later.since(&earlier);
    assert_metric(&between, "a", &[]).counter(2);
    assert_metric(&between, "b", &[]).gauge(8.0);
    assert_metric(&between, "new", &[]).counter(4);
    let values = distribution(&between, "c");
    assert_eq!((values.count(), values.max(), values.sum().to_bits()), (10, Some(8.0), 80.0_f64.to_bits()));
    assert!((values.percentile(0.0).unwrap() - 8.0).abs() <= 8.0 / 64.0 && values.min().unwrap() > 7.0);
    let turned = earlier.since(&later);
    assert_metric(&turned, "a", &[]).counter(0);
    assert_metric(&turned, "c", &[]).count(0);
}

#[test]
fn a_snapshot_with_metrics_comes_back_the_same() {
    let local = told(|| {
        describe_gauge!("odd", Unit::Percent, "a \"description\"\nof two lines");
        counter!("a", "k" => "v").increment(u64::MAX);
        gauge!("odd").set(f64::NAN);
        gauge!("endless").set(f64::NEG_INFINITY);
        gauge!("third").set(1.0 / 3.0);
        (1..100).for_each(|n| histogram!("c").record(1.0 / f64::from(n)));
        histogram!("c").record(f64::NAN);
    });
    let snapshot = local.snapshot();
    let json = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<Snapshot>(&json).unwrap(), snapshot);
}
