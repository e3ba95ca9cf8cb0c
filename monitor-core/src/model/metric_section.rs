//! The metrics in the table of a snapshot.

use super::grid::{Column, Grid, WIDTH};
use super::sections::{label_text, note};
use super::text::{cut_middle, format_count, one_line, plural};
use super::{Distribution, MetricStats, MetricValue};

/// Rows shown unless all are wanted.
const SHOWN: usize = 40;

const COLUMNS: [Column; 7] = [
    Column::left("kind"),
    Column::new("value"),
    Column::new("count"),
    Column::new("p50"),
    Column::new("p99"),
    Column::new("max"),
    Column::left("unit"),
];

pub(super) fn metrics(text: &mut String, metrics: &[MetricStats], all: bool) {
    let shown = if all { metrics.len() } else { metrics.len().min(SHOWN) };
    if shown == 0 {
        return;
    }
    let mut grid = Grid::new(&COLUMNS);
    grid.group("metric");
    for metric in &metrics[..shown] {
        let mut name = one_line(&metric.name);
        if !metric.labels.is_empty() {
            name = format!("{name} {}", label_text(&metric.labels));
        }
        let mut cells = vec![metric.kind().as_str().to_owned()];
        match &metric.value {
            MetricValue::Counter(count) => cells.extend([format_count(*count)].into_iter().chain(blank(4))),
            MetricValue::Gauge(value) => cells.extend([format_value(*value)].into_iter().chain(blank(4))),
            MetricValue::Histogram(values) => {
                let read = |value: Option<f64>| value.map_or_else(String::new, format_value);
                cells.extend([String::new(), format_count(values.count())]);
                cells.extend([values.percentile(0.5), values.percentile(0.99), values.max()].map(read));
            }
        }
        cells.push(cut_middle(&one_line(&metric.unit), 20));
        grid.row(name, cells);
    }
    grid.write(text, WIDTH);
    if metrics.len() > shown {
        note(text, &format!("{} not shown", plural((metrics.len() - shown) as u64, "more metric")));
    }
    let odd = metrics.iter().filter_map(MetricStats::histogram).map(Distribution::not_finite);
    let odd = odd.fold(0, u64::saturating_add);
    if odd > 0 {
        note(text, &format!("{} of histograms not finite, left out", plural(odd, "value")));
    }
}

fn blank(cells: usize) -> impl Iterator<Item = String> {
    std::iter::repeat_n(String::new(), cells)
}

/// `1,234`, `-0.25`, `12.35`, `1.234e-7`, `NaN`: whole numbers in full, others with four digits.
pub(super) fn format_value(value: f64) -> String {
    let magnitude = value.abs();
    if !value.is_finite() {
        return super::units::float_text::text(value);
    }
    if magnitude > 0.0 && !(1e-4..1e15).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1e15, rounded")]
    let whole = magnitude.round() as u64;
    let sign = if value < 0.0 { "-" } else { "" };
    if value.fract() == 0.0 || magnitude >= 999.95 {
        return format!("{sign}{}", format_count(whole));
    }
    let digits = [(99.995, 1), (9.9995, 2), (0.99995, 3), (0.1, 4), (0.01, 5), (0.001, 6)];
    let digits = digits.into_iter().find(|(from, _)| magnitude >= *from).map_or(7, |(_, digits)| digits);
    let text = format!("{magnitude:.digits$}");
    format!("{sign}{}", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::super::metric::example;
    use super::*;

    fn shown(metrics: &[MetricStats], all: bool) -> String {
        let mut text = String::new();
        super::metrics(&mut text, metrics, all);
        for line in text.lines() {
            assert!(line.chars().count() <= WIDTH && line == line.trim_end(), "{line}");
        }
        text
    }

    #[test]
    fn values_are_short_and_keep_their_meaning() {
        let cases = [
            (0.0, "0"),
            (-3.0, "-3"),
            (1_234_567.0, "1,234,567"),
            (0.25, "0.25"),
            (12.345_6, "12.35"),
            (99.999, "100"),
            (-1_234.56, "-1,235"),
            (0.000_123_45, "0.0001234"),
            (1.5e-9, "1.500e-9"),
            (2e20, "2.000e20"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, text) in cases {
            assert_eq!(format_value(value), text);
        }
    }

    #[test]
    fn each_kind_has_its_columns_and_many_and_wide_ones_fit() {
        let values: Distribution = [0.5, 0.5, 8.0, f64::NAN].into_iter().collect();
        let rows = [
            example("build_info", &[("version", "1.2.3")], "", MetricValue::Gauge(1.0)),
            example("cache_hits", &[], "count", MetricValue::Counter(12_345)),
            example("request_seconds", &[("route", "/a")], "seconds", MetricValue::Histogram(values)),
        ];
        let text = shown(&rows, false);
        assert!(text.contains("build_info version=1.2.3  gauge           1"), "{text}");
        assert!(text.contains("cache_hits                counter    12,345") && text.contains("count"), "{text}");
        let histogram = text.lines().find(|line| line.starts_with("request_seconds route=/a")).unwrap();
        assert!(histogram.contains("  3  0.5") && histogram.ends_with("8  seconds"), "{text}");
        assert!(text.contains("1 value of histograms not finite"), "{text}");
        let wide = "wide::\u{1b}[31m".repeat(60);
        let rows: Vec<_> =
            (0..50).map(|_| example(&wide, &[(&wide, &wide)], &wide, MetricValue::Gauge(-1.234e-300))).collect();
        assert!(shown(&rows, false).ends_with("  10 more metrics not shown\n") && shown(&[], true).is_empty());
        assert!(!shown(&rows, true).contains("not shown"));
    }
}
