//! A dashboard for Grafana.

use serde_json::{Value, json};

use super::PrometheusFiles;
use super::panels::{Has, Look, Panel, ROWS};
use super::query::Queries;
use crate::model::Snapshot;
use crate::sinks::prometheus::custom::custom;
use crate::sinks::prometheus::lines::Kind;

/// Version of the form that Grafana 9 and later take.
const SCHEMA: u32 = 39;

/// Panels of the host's own metrics; further ones are for whoever edits the dashboard.
const MOST_METRICS: usize = 24;

const WIDTH: u32 = 24;
const HEIGHT: u32 = 8;
const STAT_HEIGHT: u32 = 4;

pub(super) fn write(files: &PrometheusFiles<'_>) -> String {
    let queries = Queries {
        namespace: files.exposition.prefix().to_owned(),
        common: "job=~\"$service\",instance=~\"$instance\"".to_owned(),
        of_operations: "kind=~\"$kind\",operation=~\"$operation\"".to_owned(),
        window: String::new(),
    };
    let mut grid = Grid::default();
    for row in ROWS.iter().filter(|row| has(files.snapshot, row.has)) {
        grid.row(row.title);
        for panel in row.panels {
            grid.panel(
                panel.width,
                if panel.look == Look::Stat { STAT_HEIGHT } else { HEIGHT },
                shown(panel, &queries),
            );
        }
    }
    let metrics = of_metrics(files);
    if !metrics.is_empty() {
        grid.row("Metrics of the program");
        for panel in metrics {
            grid.panel(8, HEIGHT, panel);
        }
    }
    let dashboard = json!({
        "uid": uid(files),
        "title": format!("{} monitor", files.job()),
        "description": "Operations, errors, jobs, states, queues and caches of a program.",
        "tags": ["monitor"],
        "editable": true,
        "graphTooltip": 1,
        "refresh": "30s",
        "schemaVersion": SCHEMA,
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables(files)},
        "panels": grid.panels,
    });
    // Of keys in the order of the alphabet, and numbers as they are: the same bytes each time.
    let mut text = serde_json::to_string_pretty(&dashboard).unwrap_or_default();
    text.push('\n');
    text
}

fn has(snapshot: &Snapshot, what: Has) -> bool {
    match what {
        Has::Anything => true,
        Has::Jobs => !snapshot.progress().is_empty(),
        Has::States => !snapshot.state_machines().is_empty(),
        Has::Queues => !snapshot.queues().is_empty(),
        Has::Caches => !snapshot.caches().is_empty(),
    }
}

/// Of 40 letters at most, as Grafana wants it: a hash, since any name is possible.
fn uid(files: &PrometheusFiles<'_>) -> String {
    let bytes = files.exposition.prefix().bytes().chain([0]).chain(files.job().bytes());
    let hash =
        bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    format!("monitor-{hash:016x}")
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

/// Each takes what those before it leave.
fn variables(files: &PrometheusFiles<'_>) -> Vec<Value> {
    let of = |family: &str, matchers: &str| format!("{}_{family}{{{matchers}}}", files.exposition.prefix());
    let operations = |matchers| of("operations_started_total", matchers);
    let mut all = vec![json!({
        "name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0,
        "current": {}, "options": [], "refresh": 1,
    })];
    for (name, label, series, of) in [
        ("service", "Service", of("build_info", ""), "job"),
        ("instance", "Instance", of("build_info", "job=~\"$service\""), "instance"),
        ("kind", "Kind", operations("job=~\"$service\",instance=~\"$instance\""), "kind"),
        (
            "operation",
            "Operation",
            operations("job=~\"$service\",instance=~\"$instance\",kind=~\"$kind\""),
            "operation",
        ),
    ] {
        let query = format!("label_values({series}, {of})");
        all.push(json!({
            "name": name, "label": label, "type": "query", "datasource": source(), "hide": 0,
            "query": {"query": query, "refId": name}, "definition": query,
            // All of them without a list of names, of which there may be thousands.
            "multi": true, "includeAll": true, "allValue": ".*",
            "current": {"text": ["All"], "value": ["$__all"]},
            "options": [], "refresh": 2, "sort": 1, "regex": "",
        }));
    }
    all
}

/// A panel without its place.
fn shown(panel: &Panel, queries: &Queries) -> Value {
    let targets = panel.queries.iter().map(|(template, legend)| (queries.of(template), (*legend).to_owned()));
    drawn(panel.title, panel.help, panel.look, panel.unit, panel.limits, targets.collect())
}

fn drawn(
    title: &str,
    help: &str,
    look: Look,
    unit: &str,
    limits: Option<(f64, f64)>,
    queries: Vec<(String, String)>,
) -> Value {
    let targets: Vec<_> = (queries.into_iter().zip('A'..))
        .map(|((query, legend), letter)| {
            let format = if look == Look::Heatmap { "heatmap" } else { "time_series" };
            json!({
                "refId": letter.to_string(), "datasource": source(), "editorMode": "code", "expr": query,
                "legendFormat": legend, "format": format, "range": true, "instant": false,
                "exemplar": query.contains("_bucket"),
            })
        })
        .collect();
    let kind = match look {
        Look::Stat => "stat",
        Look::Curves | Look::Stack => "timeseries",
        Look::Heatmap => "heatmap",
        Look::Gauge => "bargauge",
    };
    let mut defaults = json!({"unit": unit, "min": if unit == "percentunit" { json!(0) } else { Value::Null }});
    if look == Look::Gauge {
        defaults["max"] = json!(1);
    }
    if let Some((warning, alarm)) = limits {
        let steps = if warning < alarm {
            [(None, "green"), (Some(warning), "orange"), (Some(alarm), "red")]
        } else {
            [(None, "red"), (Some(alarm), "orange"), (Some(warning), "green")]
        };
        let steps: Vec<_> = steps.into_iter().map(|(value, color)| json!({"color": color, "value": value})).collect();
        defaults["thresholds"] = json!({"mode": "absolute", "steps": steps});
    }
    if matches!(look, Look::Curves | Look::Stack) {
        let is_stacked = look == Look::Stack;
        defaults["custom"] = json!({
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": if is_stacked { 40 } else { 10 }, "showPoints": "never",
            "stacking": {"mode": if is_stacked { "normal" } else { "none" }, "group": "A"},
        });
    }
    let options = match look {
        Look::Stat => json!({
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false}, "graphMode": "area",
            "colorMode": if limits.is_some() { "value" } else { "none" }, "textMode": "value",
        }),
        Look::Gauge => json!({
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": false}, "orientation": "horizontal",
            "displayMode": "basic",
        }),
        Look::Heatmap => json!({
            "calculate": false, "yAxis": {"unit": unit}, "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64},
            "cellGap": 1, "tooltip": {"mode": "single"},
        }),
        Look::Curves | Look::Stack => json!({
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": true},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }),
    };
    json!({
        "type": kind, "title": title, "description": help, "datasource": source(), "targets": targets,
        "fieldConfig": {"defaults": defaults, "overrides": []}, "options": options,
    })
}

/// Panels of the host's own metrics.
fn of_metrics(files: &PrometheusFiles<'_>) -> Vec<Value> {
    let matchers = "{job=~\"$service\",instance=~\"$instance\"}";
    let families = custom(&files.exposition, files.snapshot);
    let panel = |family: &crate::sinks::prometheus::custom::CustomFamily<'_>| {
        let name = family.name();
        let (query, unit) = match family.kind() {
            Kind::Counter => (format!("sum by (instance) (rate({name}_total{matchers}[$__rate_interval]))"), "ops"),
            Kind::Histogram => (
                format!("histogram_quantile(0.95, sum by (le) (rate({name}_bucket{matchers}[$__rate_interval])))"),
                unit(family.unit()),
            ),
            Kind::Gauge | Kind::Info => (format!("sum by (instance) ({name}{matchers})"), unit(family.unit())),
        };
        let legend = if family.kind() == Kind::Histogram { "p95" } else { "{{instance}}" };
        drawn(name, family.help(), Look::Curves, unit, None, vec![(query, legend.to_owned())])
    };
    families.iter().take(MOST_METRICS).map(panel).collect()
}

fn unit(unit: &str) -> &'static str {
    match unit {
        "seconds" => "s",
        "bytes" => "bytes",
        "percent" => "percent",
        _ => "short",
    }
}

/// Places panels in lines, from left to right.
#[derive(Default)]
struct Grid {
    panels: Vec<Value>,
    x: u32,
    y: u32,
    /// Of the line.
    height: u32,
}

impl Grid {
    fn row(&mut self, title: &str) {
        self.end_line();
        self.add(json!({"type": "row", "title": title, "collapsed": false, "panels": []}), WIDTH, 1);
        self.end_line();
    }

    fn panel(&mut self, width: u32, height: u32, panel: Value) {
        if self.x + width > WIDTH {
            self.end_line();
        }
        self.add(panel, width, height);
    }

    fn add(&mut self, mut panel: Value, width: u32, height: u32) {
        panel["id"] = json!(self.panels.len() + 1);
        panel["gridPos"] = json!({"x": self.x, "y": self.y, "w": width, "h": height});
        self.panels.push(panel);
        self.x += width;
        self.height = self.height.max(height);
    }

    fn end_line(&mut self) {
        self.y += self.height;
        (self.x, self.height) = (0, 0);
    }
}
