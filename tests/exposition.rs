//! Pages for Prometheus, read by a parser that knows the formats and not the writer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]
#![allow(clippy::float_cmp, reason = "numbers come back the same")]

#[path = "exposition/parser.rs"]
mod parser;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use metrics::{Key, KeyName, Label, Level, Metadata, Recorder, Unit, with_local_recorder};
use monitor_core::{Exposition, ManualClock, Monitor, TextFormat};
use parser::{Page, parse};
use proptest::prelude::*;

const META: Metadata<'static> = Metadata::new("tests", Level::INFO, None);

const FORMATS: [TextFormat; 2] = [TextFormat::Prometheus, TextFormat::OpenMetrics];
const MS: Duration = Duration::from_millis(1);

fn pages(monitor: &Monitor) -> [Page; 2] {
    let snapshot = monitor.snapshot();
    FORMATS.map(|format| parse(&Exposition::new().text(&snapshot, format), format))
}

#[test]
fn what_the_snapshot_knows_is_on_the_page() {
    let clock = ManualClock::new();
    let local = Monitor::builder().service("shop").clock(&clock).build().unwrap();
    let call = |ms: u32, table: &str| {
        let mut call = local.operation("db.fetch").kind("database").component("store").label("table", table).start();
        clock.advance(MS * ms);
        call.add_items(3);
        call.add_bytes(7);
        call
    };
    for ms in [1, 2, 40, 700] {
        call(ms, "users").succeed();
    }
    call(5, "orders").fail(&std::fmt::Error);
    call(5, "orders").cancel();
    let _runs = call(90, "users");
    clock.advance(MS * 10);
    let job = local.progress("import").total(10).start();
    job.inc(4);
    let queue = local.queue("mail");
    let waits = queue.enqueue(());
    clock.advance(MS * 20);
    waits.start().1.succeed();
    let cache = local.cache("users");
    cache.hit();
    cache.kind("exists").miss();
    let [page, open] = pages(&local);
    for page in [&page, &open] {
        let users = [("operation", "db.fetch"), ("kind", "database"), ("component", "store"), ("table", "users")];
        let orders = [("operation", "db.fetch"), ("table", "orders")];
        let with = |labels: &[(&'static str, &'static str)], key, value| [labels, &[(key, value)]].concat();
        let value = |name: &str, labels: &[(&str, &str)]| page.value(&format!("monitor_{name}"), labels);
        assert_eq!(value("operations_started_total", &users), 5.0);
        assert_eq!(value("operations_total", &with(&users, "outcome", "success")), 4.0);
        assert_eq!(value("operations_total", &with(&orders, "outcome", "failure")), 1.0);
        assert_eq!(value("operations_total", &with(&orders, "outcome", "cancelled")), 1.0);
        assert_eq!(value("operations_total", &with(&orders, "outcome", "panicked")), 0.0);
        assert_eq!(value("operation_duration_seconds_sum", &users), 0.743);
        for (bound, count) in
            [("0.0005", 0.0), ("0.005", 2.0), ("0.05", 3.0), ("0.5", 3.0), ("1.0", 4.0), ("+Inf", 4.0)]
        {
            assert_eq!(value("operation_duration_seconds_bucket", &with(&users, "le", bound)), count, "{bound}");
        }
        assert_eq!(value("operation_items_total", &users), 12.0);
        assert_eq!(value("operation_bytes_total", &orders), 14.0);
        assert_eq!(value("operations_in_flight", &users), 1.0);
        assert_eq!(value("operation_oldest_active_seconds", &users), 0.12);
        assert_eq!(value("operation_oldest_active_seconds", &orders), 0.0);
        assert_eq!(value("errors_total", &[("severity", "medium")]), 1.0);
        assert_eq!(value("job_done", &[("job_name", "import")]), 4.0);
        assert_eq!(value("job_expected", &[("job_name", "import")]), 10.0);
        assert_eq!(value("job_state", &[("job_name", "import"), ("state", "running")]), 1.0);
        assert_eq!(value("job_state", &[("job_name", "import"), ("state", "failed")]), 0.0);
        assert_eq!(value("queue_enqueued_total", &[("queue", "mail")]), 1.0);
        assert_eq!(value("queue_waiting_seconds_sum", &[("queue", "mail")]), 0.02);
        assert_eq!(value("cache_lookups_total", &[("cache", "users"), ("kind", "exists"), ("result", "miss")]), 1.0);
        assert_eq!(value("build_info", &[("service", "shop")]), 1.0);
    }
    assert_eq!(
        (&*open.family("monitor_operation_duration_seconds").unit, &*open.family("monitor_build").kind),
        ("seconds", "info")
    );
    assert_eq!(page.family("monitor_operations_total").help, open.family("monitor_operations").help);
}

#[test]
fn the_host_s_own_metrics_stand_under_their_own_names() {
    let local = Monitor::builder().build().unwrap();
    with_local_recorder(&local.metrics_recorder(), || {
        metrics::describe_counter!("http_requests_total", Unit::Count, "Requests.\n\"All\" of them.");
        metrics::counter!("http_requests_total", "path" => "/a\"b\\c\n<script>").increment(7);
        metrics::gauge!("temperature.celsius").set(f64::NAN);
        metrics::gauge!("temperature_celsius").set(-4.5);
        metrics::describe_histogram!("work_seconds", Unit::Seconds, "");
        metrics::histogram!("work_seconds", "le" => "mine").record(0.3);
        // The monitor has one of that name; and another kind has the name, too.
        metrics::counter!("monitor_operations_total").increment(3);
        metrics::gauge!("http_requests_total").set(1.0);
    });
    for page in &pages(&local) {
        assert_eq!(page.value("http_requests_total", &[("path", "/a\"b\\c\n<script>")]), 7.0);
        assert!(page.value("temperature_celsius", &[("metric_name", "temperature.celsius")]).is_nan());
        assert_eq!(page.value("temperature_celsius", &[("metric_name", "temperature_celsius")]), -4.5);
        assert_eq!(page.value("work_seconds_bucket", &[("label_le", "mine"), ("le", "0.25")]), 0.0);
        assert_eq!(page.value("work_seconds_bucket", &[("label_le", "mine"), ("le", "0.5")]), 1.0);
        assert_eq!(page.value("monitor_operations_2_total", &[]), 3.0);
        assert_eq!(page.value("http_requests_2", &[]), 1.0);
    }
    assert_eq!(pages(&local)[1].family("http_requests").help, "Requests.\n\"All\" of them.");
}

#[test]
fn nothing_is_missing_before_the_first_call_and_nothing_goes() {
    #[monitor_core::track_operation(name = "declared")]
    fn declared() {}
    let local = Monitor::builder().build().unwrap();
    local.scope(declared);
    let [before, _] = pages(&local);
    assert_eq!(before.value("monitor_operations_total", &[("operation", "declared"), ("outcome", "panicked")]), 0.0);
    let names = |page: &Page| -> Vec<_> {
        page.families.iter().flat_map(|family| &family.samples).map(|s| (s.name.clone(), s.labels.clone())).collect()
    };
    let known = names(&before);
    local.scope(|| local.track("another", |_| ()));
    let after = names(&pages(&local)[0]);
    assert!(known.iter().all(|series| after.contains(series)));
}

#[test]
fn pages_are_right_while_threads_record() {
    let local = Monitor::builder().build().unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    local.track("busy", |_| ());
                }
            });
        }
        // The parser looks at `+Inf` and `_count`, and at the order of the buckets.
        let mut last = 0.0;
        for _ in 0..200 {
            if local.snapshot().operation("busy").is_none() {
                continue;
            }
            let [page, _] = pages(&local);
            let calls = page.value("monitor_operations_total", &[("operation", "busy"), ("outcome", "success")]);
            assert!(calls >= last);
            last = calls;
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_large_page_comes_in_chunks_of_whole_lines() {
    let local = Monitor::builder().build().unwrap();
    for n in 0..2_000 {
        local.track(&format!("operation {n}"), |_| ());
    }
    let snapshot = local.snapshot();
    let settings = Exposition::new();
    let mut page = settings.page(&snapshot, TextFormat::OpenMetrics);
    let (mut chunks, mut text) = (0, String::new());
    while let Some(chunk) = page.next_chunk() {
        assert!(chunk.ends_with('\n') && chunk.len() < 80 * 1024, "{}", chunk.len());
        chunks += 1;
        text.push_str(chunk);
    }
    assert!(page.next_chunk().is_none());
    assert!(chunks > 20, "{chunks}");
    let mut written = Vec::new();
    settings.page(&snapshot, TextFormat::OpenMetrics).write_to(&mut written).unwrap();
    assert_eq!(written, text.as_bytes());
    parse(&text, TextFormat::OpenMetrics);
}

#[test]
fn a_bucket_and_an_outcome_have_the_trace_of_their_newest_call() {
    let clock = ManualClock::new();
    let local = Monitor::builder().clock(&clock).build().unwrap();
    let call = |ms: u32, succeeds: bool| {
        let call = local.operation("load").label("table", "users").start();
        clock.advance(MS * ms);
        if succeeds {
            call.succeed();
        } else {
            call.fail_with("refused");
        }
        local.recent(1).remove(0)
    };
    let calls = [call(3, true), call(4, true), call(2_000, false), call(400_000, true)];
    local.operation("elsewhere").start().succeed();
    let (recent, snapshot) = (local.recent(100), local.snapshot());
    let text = |format| {
        let (exposition, mut text) = (Exposition::new(), Vec::new());
        exposition.page(&snapshot, format).exemplars(&recent).write_to(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert!(!text(TextFormat::Prometheus).contains("trace_id"));
    let page = parse(&text(TextFormat::OpenMetrics), TextFormat::OpenMetrics);
    let found = |name: &str, key: &str| {
        let samples = page.families.iter().flat_map(|family| &family.samples);
        let of = samples.filter(|sample| sample.name == name && sample.labels["operation"] == "load");
        let some = of.filter_map(|sample| Some((sample.labels[key].clone(), sample.exemplar.as_ref()?)));
        some.map(|(of, exemplar)| (of, exemplar.labels["trace_id"].clone(), exemplar.value)).collect::<Vec<_>>()
    };
    let of = |word: &str, call: usize, value| (word.to_owned(), calls[call].trace_id.unwrap().to_string(), value);
    assert_eq!(
        found("monitor_operation_duration_seconds_bucket", "le"),
        [of("0.005", 1, 0.004), of("5.0", 2, 2.0), of("+Inf", 3, 400.0)]
    );
    assert_eq!(found("monitor_operations_total", "outcome"), [of("success", 3, 1.0), of("failure", 2, 1.0)]);
    let samples = page.families.iter().flat_map(|family| &family.samples);
    let mut moments = samples.filter_map(|sample| Some(sample.exemplar.as_ref()?.at));
    assert!(moments.all(|at| (at - 1.7e9).abs() < 5e9));
}

#[test]
fn what_is_left_out_is_not_on_the_page_and_all_else_is() {
    let local = Monitor::builder().build().unwrap();
    local.operation("load").start().succeed();
    let snapshot = local.snapshot();
    let names = |exposition: &Exposition| -> Vec<String> {
        let page = parse(&exposition.text(&snapshot, TextFormat::OpenMetrics), TextFormat::OpenMetrics);
        page.families.into_iter().map(|family| family.name).collect()
    };
    let all = names(&Exposition::new());
    let few = names(&Exposition::new().without(&["operation_polls", "operation_duration_seconds"]).unwrap());
    let gone: Vec<_> = all.iter().filter(|name| !few.contains(name)).collect();
    assert_eq!(gone, ["monitor_operation_duration_seconds", "monitor_operation_polls"]);
    let every: Vec<_> = Exposition::families().collect();
    assert_eq!(names(&Exposition::new().without(&every).unwrap()), Vec::<String>::new());
}

/// An error with any text.
#[derive(Debug)]
struct Named(String);

impl std::fmt::Display for Named {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Named {}

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("\"".to_owned()),
        Just("\\".to_owned()),
        Just("\n".to_owned()),
        Just("\0".to_owned()),
        Just("_total".to_owned()),
        Just("<script>".to_owned()),
        Just("😀".to_owned()),
        Just("x".repeat(10_000)),
        Just("le".to_owned()),
        Just("__name__".to_owned()),
        "[a-b_:.]{0,3}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..4).prop_map(|pieces| pieces.concat())
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), 0.0..10.0]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn no_name_spoils_a_page(
        operations in prop::collection::vec((hostile(), hostile(), hostile(), hostile(), hostile()), 0..6),
        metrics in prop::collection::vec((hostile(), 0..3_u8, hostile(), hostile(), number()), 0..10),
        service in hostile(),
    ) {
        let local = Monitor::builder().service(&service).build().unwrap();
        for (name, kind, component, key, value) in &operations {
            local.operation(name).kind(kind).component(component).label(key, value).start().fail(&Named(value.clone()));
            local.progress(name).start().inc(1);
            local.queue(name).set_depth(3);
            local.cache(name).kind(kind).hit();
        }
        let recorder = local.metrics_recorder();
        for (name, kind, key, value, number) in &metrics {
            let metric = Key::from_parts(name.clone(), vec![Label::new(key.clone(), value.clone())]);
            match kind {
                0 => recorder.register_counter(&metric, &META).increment(1),
                1 => recorder.register_gauge(&metric, &META).set(*number),
                _ => recorder.register_histogram(&metric, &META).record(*number),
            }
            recorder.describe_gauge(KeyName::from(name.clone()), None, value.clone().into());
        }
        let snapshot = local.snapshot();
        for format in FORMATS {
            let page = parse(&Exposition::new().text(&snapshot, format), format);
            // Each series of each operation is there, under the name that the snapshot has.
            let series = snapshot.operations().iter().flat_map(|stats| if stats.series.is_empty() { std::slice::from_ref(stats) } else { &stats.series });
            for stats in series {
                let name = stats.name.replace('\0', "\u{fffd}");
                let started = page.families.iter().flat_map(|family| &family.samples).filter(|sample| {
                    sample.name == "monitor_operations_started_total" && sample.labels["operation"] == name
                });
                prop_assert!(started.count() > 0, "{:?}", name);
            }
        }
    }
}
