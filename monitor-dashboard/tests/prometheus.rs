//! The real Prometheus and its `promtool`, with pages, rules and a dashboard of a program under load.
//!
//! `tests/prometheus.sh` installs both and runs this; without them it is not run.
#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod client;

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use client::get;
use metrics::with_local_recorder;
use monitor_core::{Exposition, Monitor, PrometheusFiles, Severity, Snapshot, TextFormat};
use monitor_dashboard::Dashboard;
use serde_json::Value;

/// A folder that goes with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("monitor-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const HOSTILE: [&str; 7] = [
    "say \"hi\"",
    "C:\\new\\table",
    "two\nlines",
    "<script>alert(1)</script>",
    "{{ $labels.x }}",
    "é 🎉 \u{202e}",
    "x_total",
];

/// A program that has everything there is to see. `load` is its busy operation.
fn program(builder: monitor_core::MonitorBuilder) -> Monitor {
    let monitor = builder.build().unwrap();
    monitor.scope(|| {
        monitor.operation("load").kind("database").start().succeed();
        for name in HOSTILE.iter().copied().chain([&*"x".repeat(10_000)]) {
            monitor.operation(name).label("table", name).start().fail_with(name);
        }
        monitor.error_with("no room").severity(Severity::Critical).record();
        for (name, value) in [("odd.nan", f64::NAN), ("odd.inf", f64::INFINITY), ("odd.neg.inf", f64::NEG_INFINITY)] {
            with_local_recorder(&monitor.metrics_recorder(), || metrics::gauge!(name).set(value));
        }
    });
    let import = monitor.progress("import").total(10).start();
    import.inc(3);
    // It runs for ever.
    std::mem::forget(import);
    let queue = monitor.queue("mail");
    queue.enqueue(()).start().1.succeed();
    let cache = monitor.cache("users");
    cache.hits(3);
    cache.miss();
    cache.inserted(1);
    let machine =
        monitor.state_machine("order").initial("new").terminal("paid").transition("new", "paid").build().unwrap();
    machine.entity("1").unwrap().to("paid").unwrap();
    monitor
}

fn promtool(folder: &Path, arguments: &[&str], input: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new("promtool");
    command.args(arguments).current_dir(folder).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(input) = input {
        fs::write(folder.join("input"), input).unwrap();
        command.stdin(File::open(folder.join("input")).unwrap());
    }
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code(), text)
}

#[test]
#[ignore = "needs promtool; tests/prometheus.sh installs it"]
fn promtool_takes_every_page() {
    let folder = Folder::new("promtool-pages");
    let monitor = program(Monitor::builder().service("shop \"<script>\""));
    for format in [TextFormat::Prometheus, TextFormat::OpenMetrics] {
        let page = Exposition::new().text(&monitor.snapshot(), format);
        // promtool reads the older format alone.
        if format == TextFormat::Prometheus {
            let (code, said) = promtool(&folder.0, &["check", "metrics"], Some(&page));
            assert!(code == Some(0), "{code:?}: {said}");
        }
    }
}

#[test]
#[ignore = "needs promtool; tests/prometheus.sh installs it"]
fn promtool_takes_every_file_and_alerts_fire_when_they_should() {
    for service in ["shop", "say \"hi\"\n{{x}} \\ <script> 'é'"] {
        let folder = Folder::new("promtool-files");
        let snapshot = program(Monitor::builder().service(service)).snapshot();
        let files = PrometheusFiles::new(&snapshot).target("127.0.0.1:8080").unwrap().target("[::1]:9").unwrap();
        fs::write(folder.0.join("token"), "s3cret").unwrap();
        let all = [files.clone(), files.clone().bearer_token_file("token"), files.basic_auth("it's \"me\"", "token")];
        for files in all {
            files.write_to(&folder.0).unwrap();
            for arguments in [["check", "config", "prometheus.yml"], ["check", "rules", "monitor.rules.yml"]] {
                let (code, said) = promtool(&folder.0, &arguments, None);
                assert_eq!(code, Some(0), "{arguments:?}: {said}");
            }
        }
        if service == "shop" {
            let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/prometheus/rules_test.yml");
            fs::copy(tests, folder.0.join("rules_test.yml")).unwrap();
            let (code, said) = promtool(&folder.0, &["test", "rules", "rules_test.yml"], None);
            assert_eq!(code, Some(0), "{said}");
        }
    }
}

/// A Prometheus that ends with it.
struct Prometheus {
    address: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Prometheus {
    fn start(folder: &Path) -> Prometheus {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = folder.join("log");
        let child = Command::new("prometheus")
            .args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--enable-feature=exemplar-storage"])
            .arg(format!("--web.listen-address={address}"))
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let prometheus = Prometheus { address, child, log };
        prometheus.wait("it is ready", || {
            std::net::TcpStream::connect(address).is_ok() && get(address, "/-/ready").status == 200
        });
        prometheus
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_so() {
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            assert!(began.elapsed() < Duration::from_mins(2), "not within two minutes: {what}\n{log}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn ask(&self, path: &str) -> Value {
        let answer = get(self.address, path);
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{path}: {}", answer.text()));
        assert_eq!(json["status"], "success", "{path}: {json}");
        json["data"].clone()
    }

    /// The series that a query gives now, each with its labels and value.
    fn query(&self, query: &str) -> Vec<(Value, f64)> {
        let data = self.ask(&format!("/api/v1/query?query={}", encoded(query)));
        let series = data["result"].as_array().unwrap_or_else(|| panic!("{query}: {data}")).iter();
        series.map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().parse().unwrap())).collect()
    }

    fn value(&self, query: &str) -> f64 {
        let series = self.query(query);
        assert_eq!(series.len(), 1, "{query}: {series:?}");
        series[0].1
    }

    /// Waits until what was scraped is not older than this moment.
    fn scrape(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
        self.wait("a scrape", || {
            self.query("timestamp(monitor_uptime_seconds)").iter().any(|(_, scraped_at)| *scraped_at > now)
        });
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn encoded(query: &str) -> String {
    let letter = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'.' | b'-' => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    query.bytes().map(letter).collect()
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Files for a Prometheus that asks every second.
fn files(folder: &Folder, monitor: &Monitor, address: SocketAddr) -> Value {
    let snapshot = monitor.snapshot();
    let files = PrometheusFiles::new(&snapshot).target(&address.to_string()).unwrap();
    let files = files.scrape_interval(Duration::from_secs(1)).unwrap();
    files.write_to(&folder.0).unwrap();
    serde_json::from_str(&files.dashboard()).unwrap()
}

/// Every count is that of the snapshot.
fn counts_are_those_of(snapshot: &Snapshot, prometheus: &Prometheus) {
    for operation in snapshot.operations() {
        let of = format!("{{operation={}}}", quoted(&operation.name));
        let count = |name: &str, further: &str| {
            prometheus.value(&format!("sum(monitor_{name}{{operation={}{further}}})", quoted(&operation.name)))
        };
        let expected = [operation.started, operation.succeeded, operation.failed];
        let counted = [
            count("operations_started_total", ""),
            count("operations_total", ",outcome=\"success\""),
            count("operations_total", ",outcome=\"failure\""),
        ];
        #[expect(clippy::cast_precision_loss, reason = "small counts")]
        let expected = expected.map(|count| count as f64);
        assert_eq!(counted.map(f64::to_bits), expected.map(f64::to_bits), "{of}");
    }
    assert!(snapshot.operation("load").unwrap().succeeded > 1_000);
}

/// A quantile is within the bounds of the bucket that the true one is in.
fn quantiles_are_in_their_buckets(snapshot: &Snapshot, prometheus: &Prometheus) {
    let load = snapshot.operation("load").unwrap();
    for quantile in [0.5, 0.95, 0.99, 0.999] {
        let query = format!(
            "histogram_quantile({quantile}, sum by (le) (monitor_operation_duration_seconds_bucket{{operation=\"load\"}}))"
        );
        let (asked, known) = (prometheus.value(&query), load.percentile(quantile).as_secs_f64());
        let bounds = [0.0, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0];
        let bucket = |value: f64| bounds.iter().rposition(|&bound| bound < value).unwrap_or(0);
        // One value may lie on the border of two.
        assert!(
            bucket(asked).abs_diff(bucket(known)) <= usize::from(known < asked * 1.04),
            "{quantile}: {asked} {known}"
        );
    }
}

fn hostile_names_and_numbers_come_back(prometheus: &Prometheus) {
    let named = prometheus.ask("/api/v1/label/operation/values");
    for name in HOSTILE {
        assert!(named.as_array().unwrap().iter().any(|value| value == name), "{name:?} in {named}");
        assert_eq!(prometheus.query(&format!("monitor_operations_started_total{{table={}}}", quoted(name))).len(), 1);
    }
    assert!(prometheus.value("odd_nan").is_nan());
    for (name, value) in [("odd_inf", f64::INFINITY), ("odd_neg_inf", f64::NEG_INFINITY)] {
        assert_eq!(prometheus.value(name).to_bits(), value.to_bits());
    }
}

/// Every query of the dashboard has an answer.
fn every_panel_and_variable_has_something(dashboard: &Value, prometheus: &Prometheus) {
    let mut queries = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            let query = ["$service", "$instance", "$kind", "$operation"]
                .into_iter()
                .fold(query, |query, variable| query.replace(&format!("\"{variable}\""), "\".*\""));
            assert!(!query.contains('$'), "{query}");
            assert!(!prometheus.query(&query).is_empty(), "nothing for {}: {query}", panel["title"]);
            queries += 1;
        }
    }
    assert!(queries >= 30, "{queries}");
    for variable in dashboard["templating"]["list"].as_array().unwrap().iter().skip(1) {
        let query = variable["definition"].as_str().unwrap();
        let inner = query.strip_prefix("label_values(").and_then(|rest| rest.strip_suffix(')')).unwrap();
        let (series, label) = inner.rsplit_once(", ").unwrap();
        let series = ["$service", "$instance", "$kind"]
            .into_iter()
            .fold(series.to_owned(), |series, variable| series.replace(&format!("\"{variable}\""), "\".+\""));
        let values = prometheus.ask(&format!("/api/v1/label/{label}/values?match[]={}", encoded(&series)));
        assert!(!values.as_array().unwrap().is_empty(), "{query}");
    }
}

/// Rules are evaluated without an error, and some fire as they must.
fn rules_are_evaluated(prometheus: &Prometheus) {
    prometheus.wait("all rules are evaluated", || {
        let rules = prometheus.ask("/api/v1/rules");
        let all: Vec<_> =
            rules["groups"].as_array().unwrap().iter().flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(all.iter().all(|rule| rule["health"] != "err"), "{rules}");
        all.len() > 40 && all.iter().all(|rule| rule["health"] == "ok")
    });
    let alerts = prometheus.query("ALERTS");
    assert!(alerts.iter().any(|(labels, _)| labels["alertname"] == "CriticalError"), "{alerts:?}");
}

#[test]
#[ignore = "needs Prometheus; tests/prometheus.sh installs it"]
fn prometheus_has_what_the_program_counted() {
    let folder = Folder::new("prometheus-load");
    let monitor = program(Monitor::builder().service("shop"));
    let server = Dashboard::new(&monitor).serve_at("127.0.0.1:0").unwrap();
    let address = server.address();
    let dashboard = files(&folder, &monitor, address);
    let prometheus = Prometheus::start(&folder.0);

    // Under load, and through two restarts of the endpoint.
    let is_over = AtomicBool::new(false);
    let server = thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                monitor.scope(|| {
                    let (queue, cache) = (monitor.queue("mail"), monitor.cache("users"));
                    let mut number = 0_u32;
                    while !is_over.load(Ordering::Relaxed) {
                        let call = monitor.operation("load").kind("database").start();
                        match number % 100 {
                            0 => thread::sleep(Duration::from_millis(20)),
                            1..10 => thread::sleep(Duration::from_millis(2)),
                            _ => {}
                        }
                        if number.is_multiple_of(50) {
                            call.fail_with("refused");
                        } else {
                            call.succeed();
                        }
                        queue.enqueue(()).start().1.succeed();
                        cache.lookup(number.is_multiple_of(3).then_some(()));
                        number += 1;
                    }
                });
            });
        }
        let mut server = server;
        for _ in 0..2 {
            prometheus.scrape();
            prometheus.scrape();
            assert!(server.shutdown(Duration::from_secs(5)));
            server = Dashboard::new(&monitor).serve_at(address).unwrap();
        }
        prometheus.scrape();
        is_over.store(true, Ordering::Relaxed);
        server
    });
    prometheus.scrape();
    let snapshot = monitor.snapshot();

    counts_are_those_of(&snapshot, &prometheus);
    quantiles_are_in_their_buckets(&snapshot, &prometheus);
    // It was up all the time, and each restart was one between two scrapes.
    assert!((prometheus.value("min_over_time(up{job=\"shop\"}[1h])") - 1.0).abs() < 0.5);
    assert!(prometheus.value("sum_over_time(up{job=\"shop\"}[1h])") >= 5.0);
    hostile_names_and_numbers_come_back(&prometheus);
    every_panel_and_variable_has_something(&dashboard, &prometheus);
    rules_are_evaluated(&prometheus);

    // Traces stand for buckets.
    let query = encoded("monitor_operation_duration_seconds_bucket{operation=\"load\"}");
    let exemplars = prometheus.ask(&format!("/api/v1/query_exemplars?query={query}&start=0&end=99999999999"));
    let trace = &exemplars[0]["exemplars"][0]["labels"]["trace_id"];
    assert_eq!(trace.as_str().map(str::len), Some(32), "{exemplars}");

    assert!(server.shutdown(Duration::from_secs(5)));
    prometheus.wait("it is seen to be down", || prometheus.value("up{job=\"shop\"}") < 0.5);
}

#[test]
#[ignore = "needs Prometheus; tests/prometheus.sh installs it"]
fn a_program_that_starts_anew_goes_on_where_it_was() {
    let folder = Folder::new("prometheus-restart");
    let run = |calls: u32| {
        let monitor = Monitor::builder().service("shop").build().unwrap();
        monitor.scope(|| (0..calls).for_each(|_| monitor.operation("load").start().succeed()));
        monitor
    };
    let first = run(100);
    let server = Dashboard::new(&first).bearer_token("s3cret").unwrap().serve_at("127.0.0.1:0").unwrap();
    let address = server.address();
    let snapshot = first.snapshot();
    fs::write(folder.0.join("token"), "s3cret").unwrap();
    let files = PrometheusFiles::new(&snapshot).target(&address.to_string()).unwrap();
    let files = files.scrape_interval(Duration::from_secs(1)).unwrap().bearer_token_file("token");
    files.write_to(&folder.0).unwrap();
    let prometheus = Prometheus::start(&folder.0);
    prometheus.scrape();
    first.scope(|| (0..50).for_each(|_| first.operation("load").start().succeed()));
    prometheus.scrape();
    prometheus.scrape();
    server.shutdown(Duration::from_secs(5));
    let second = run(30);
    let server = Dashboard::new(&second).bearer_token("s3cret").unwrap().serve_at(address).unwrap();
    prometheus.scrape();
    prometheus.scrape();
    let of = "monitor_operations_started_total{operation=\"load\"}";
    assert!((prometheus.value(of) - 30.0).abs() < 0.5);
    assert!((prometheus.value(&format!("resets({of}[1h])")) - 1.0).abs() < 0.5);
    assert!((prometheus.value("min_over_time(up{job=\"shop\"}[1h])") - 1.0).abs() < 0.5);
    // What came since the first scrape, over the end of the first run.
    assert!(prometheus.value(&format!("increase({of}[1h])")) >= 79.0);
    drop(server);
}
