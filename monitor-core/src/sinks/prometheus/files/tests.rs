use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::model::{MetricStats, MetricValue, SnapshotParts, queue_example};
use crate::sinks::prometheus::families;
use crate::sinks::prometheus::lines::Kind;

fn parts() -> SnapshotParts {
    SnapshotParts { service: "shop".to_owned(), ..SnapshotParts::empty() }
}

fn snapshot() -> Snapshot {
    let metric = MetricStats {
        name: "basket.size".to_owned(),
        description: "Things in a basket.".to_owned(),
        unit: String::new(),
        labels: crate::model::Labels::default(),
        value: MetricValue::Histogram([1.0, 2.0].into_iter().collect()),
    };
    Snapshot::new(SnapshotParts { queues: vec![queue_example("mail")], metrics: vec![metric], ..parts() })
}

/// Names in a query that begin with the namespace.
fn names(query: &str) -> BTreeSet<&str> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':');
    query.split(|letter| !is_name(letter)).filter(|word| word.starts_with("monitor_")).collect()
}

fn known() -> BTreeSet<String> {
    families::all()
        .flat_map(|family| family.kind.endings().iter().map(|ending| format!("monitor_{}{ending}", family.name)))
        .collect()
}

/// Panels that show something, each with its queries.
fn panels(dashboard: &Value) -> Vec<(&Value, Vec<&str>)> {
    let all = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    all.map(|panel| {
        (panel, panel["targets"].as_array().unwrap().iter().map(|target| target["expr"].as_str().unwrap()).collect())
    })
    .collect()
}

#[test]
fn settings_that_are_none_are_refused() {
    let snapshot = Snapshot::new(SnapshotParts::empty());
    let files = PrometheusFiles::new(&snapshot);
    for bad in ["", "host", "host:0", "host:99999", "http://host:80", "host:80/metrics", "a b:80", "::1:80", "[x]:80"] {
        assert!(files.clone().target(bad).unwrap_err().is_invalid_setting(), "{bad}");
    }
    for good in ["host:80", "10.0.0.1:1", "[::1]:8080", "a-b.example_c:65535"] {
        assert!(files.clone().target(good).is_ok(), "{good}");
    }
    assert!(files.clone().scrape_interval(Duration::ZERO).unwrap_err().is_invalid_setting());
    let slow = files.scrape_interval(Duration::from_mins(2)).unwrap();
    assert_eq!(slow.queries().window, "480s");
}

#[test]
fn queries_ask_for_what_is_on_the_page() {
    let known = known();
    let snapshot = snapshot();
    let files = PrometheusFiles::new(&snapshot);
    let queries = files.queries();
    let of_alerts = catalogue::ALERTS.iter().map(|alert| queries.of(alert.expression));
    let recorded = catalogue::RECORDED.iter().map(|(_, expression)| queries.of(expression));
    let dashboard: Value = serde_json::from_str(&files.dashboard()).unwrap();
    let shown = panels(&dashboard).into_iter().flat_map(|(_, queries)| queries).map(str::to_owned);
    let all: Vec<_> = of_alerts.chain(recorded).chain(shown).collect();
    let asked: usize = all.iter().map(|query| names(query).len()).sum();
    assert!(asked >= 50, "{asked}");
    for query in &all {
        for name in names(query).into_iter().filter(|name| !name.contains(':')) {
            assert!(known.contains(name), "{name} in {query}");
        }
    }
    let recorded: BTreeSet<_> = catalogue::RECORDED.iter().map(|(name, _)| format!("monitor:{name}")).collect();
    for query in &all {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':');
        for name in query.split(|letter| !is_name(letter)).filter(|word| word.starts_with("monitor:")) {
            assert!(name == "monitor:operation_latency_objective_seconds" || recorded.contains(name), "{name}");
        }
    }
}

#[test]
fn every_alert_says_how_bad_it_is_for_how_long_and_what_to_do() {
    let snapshot = snapshot();
    let files = PrometheusFiles::new(&snapshot).runbook_url("https://wiki.example/runbook");
    let (rules, runbook) = (files.rules(), files.runbook());
    let mut seen = BTreeSet::new();
    for alert in catalogue::ALERTS {
        assert!(seen.insert(alert.name), "{} twice", alert.name);
        assert!(catalogue::GROUPS.contains(&alert.group), "{}", alert.name);
        let text = rules.split(&format!("- alert: {}\n", alert.name)).nth(1).unwrap();
        let text = text.split("- alert: ").next().unwrap();
        for part in [
            format!("for: {}", alert.lasts),
            format!("severity: {}", alert.severity),
            format!("https://wiki.example/runbook#{}", alert.name.to_lowercase()),
        ] {
            assert!(text.contains(&part), "{part} in {text}");
        }
        assert!(text.contains("summary: '") && text.contains("description: '"));
        assert!(runbook.contains(&format!("\n## {}\n", alert.name)));
        assert!(!alert.meaning.is_empty() && !alert.advice.is_empty());
    }
    assert!(seen.len() >= 15);
}

#[test]
fn panels_lie_side_by_side_and_ask_by_the_variables() {
    let snapshot = snapshot();
    let dashboard: Value = serde_json::from_str(&PrometheusFiles::new(&snapshot).dashboard()).unwrap();
    let shown = panels(&dashboard);
    assert!(shown.len() >= 11 + 4, "{}", shown.len());
    assert!(shown.iter().any(|(panel, _)| panel["title"] == "basket_size"));
    assert!(shown.iter().any(|(panel, _)| panel["title"] == "Oldest item"));
    assert!(!shown.iter().any(|(panel, _)| panel["title"] == "Hit rate"), "there is no cache");
    for (panel, queries) in &shown {
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{panel}");
        for query in queries {
            assert!(query.contains("$service") && query.contains("$instance"), "{query}");
            let is_of_operations = query.contains("monitor_operation") && !query.contains("operations_known");
            assert_eq!(is_of_operations, query.contains("$operation"), "{query}");
        }
    }
    let names: Vec<_> = dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["datasource", "service", "instance", "kind", "operation"]);
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| panel["gridPos"][key].as_u64().unwrap());
        assert!(x + w <= 24);
        for cell in (x..x + w).flat_map(|x| (y..y + h).map(move |y| (x, y))) {
            assert!(taken.insert(cell), "{} lies on another one", panel["title"]);
        }
    }
}

#[test]
fn the_same_program_gives_the_same_bytes_and_files_are_replaced_when_they_differ() {
    let folder = std::env::temp_dir().join(format!("prometheus-files-test-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    let (one, other) = (snapshot(), snapshot());
    let texts = |snapshot: &Snapshot| {
        let files = PrometheusFiles::new(snapshot);
        [files.scrape_config(), files.rules(), files.dashboard(), files.runbook()]
    };
    assert_eq!(texts(&one), texts(&other));
    let written = PrometheusFiles::new(&one).write_to(&folder).unwrap();
    let names: Vec<_> = written.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["prometheus.yml", "monitor.rules.yml", "monitor-dashboard.json", "RUNBOOK.md"]);
    let modified = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let before: Vec<_> = written.iter().map(|path| modified(path)).collect();
    fs::write(&written[0], "mine").unwrap();
    PrometheusFiles::new(&other).write_to(&folder).unwrap();
    assert_eq!(fs::read_to_string(&written[0]).unwrap(), texts(&one)[0]);
    assert_eq!(written[1..].iter().map(|path| modified(path)).collect::<Vec<_>>(), before[1..]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 4, "nothing is left beside them");
    let error = PrometheusFiles::new(&one).write_to(&written[0]).unwrap_err();
    assert!(error.to_string().contains("prometheus.yml"), "{error}");
    fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_document_has_every_family_and_every_alert_and_no_others() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/prometheus.md")).unwrap();
    let rows: Vec<_> = document.lines().filter(|line| line.starts_with("| `")).collect();
    let families = families::all().map(|family| {
        let ending = if family.kind == Kind::Histogram { "" } else { family.kind.endings()[0] };
        format!("| `{}{ending}` | {} |", family.name, format!("{:?}", family.kind).to_lowercase())
    });
    let alerts =
        catalogue::ALERTS.iter().map(|alert| format!("| `{}` | {} | {} |", alert.name, alert.severity, alert.lasts));
    let expected: Vec<_> = families.chain(alerts).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(row.starts_with(expected), "{row} in place of {expected}");
    }
}
