//! Lines: names, labels with their values escaped, numbers.

use std::time::Duration;

use super::bounds::Bounds;
use super::format::TextFormat;

/// Text of whole lines that is not handed out yet.
pub(super) struct Lines {
    pub(super) text: String,
    pub(super) format: TextFormat,
    /// The name of the family without its ending.
    name: String,
    /// What the samples of a family without special ones end with: `_total` or nothing.
    ending: &'static str,
    /// Kept for its memory.
    counts: Vec<u64>,
}

/// What a family counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
    /// A gauge of 1 whose labels say something.
    Info,
}

impl Kind {
    /// The endings of its samples.
    pub(super) fn endings(self) -> &'static [&'static str] {
        match self {
            Kind::Counter => &["_total"],
            Kind::Gauge => &[""],
            Kind::Histogram => &["_bucket", "_sum", "_count"],
            Kind::Info => &["_info"],
        }
    }
}

impl Lines {
    pub(super) fn new(format: TextFormat, capacity: usize) -> Lines {
        Lines { text: String::with_capacity(capacity), format, name: String::new(), ending: "", counts: Vec::new() }
    }

    /// Begins a family: what it is, once. A help text may be any text.
    pub(super) fn family(&mut self, name: &str, kind: Kind, unit: &str, help: &str) {
        self.name.clear();
        self.name.push_str(name);
        self.ending = if kind == Kind::Histogram { "" } else { kind.endings()[0] };
        let is_open = self.format == TextFormat::OpenMetrics;
        // The name of the family has no ending in OpenMetrics; elsewhere that of its samples.
        let ending = if is_open { "" } else { self.ending };
        let word = match kind {
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Info if is_open => "info",
            Kind::Gauge | Kind::Info => "gauge",
        };
        // The order that OpenMetrics recommends.
        for piece in ["# TYPE ", name, ending, " ", word, "\n"] {
            self.text.push_str(piece);
        }
        // It must be the ending of the name.
        if is_open && !unit.is_empty() && name.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_')) {
            for piece in ["# UNIT ", name, " ", unit, "\n"] {
                self.text.push_str(piece);
            }
        }
        for piece in ["# HELP ", name, ending, " "] {
            self.text.push_str(piece);
        }
        escape(help, is_open, &mut self.text);
        self.text.push('\n');
    }

    /// A line up to its value. `labels` are those of [`label`], as they are.
    fn begin(&mut self, ending: &str, labels: &str) {
        self.text.push_str(&self.name);
        self.text.push_str(ending);
        if !labels.is_empty() {
            self.text.push('{');
            self.text.push_str(labels);
            self.text.push('}');
        }
        self.text.push(' ');
    }

    pub(super) fn integer(&mut self, labels: &str, value: u64) {
        self.begin(self.ending, labels);
        push_integer(value, &mut self.text);
        self.text.push('\n');
    }

    pub(super) fn float(&mut self, labels: &str, value: f64) {
        self.begin(self.ending, labels);
        push_float(value, &mut self.text);
        self.text.push('\n');
    }

    pub(super) fn seconds(&mut self, labels: &str, value: Duration) {
        self.begin(self.ending, labels);
        push_seconds(value, &mut self.text);
        self.text.push('\n');
    }

    /// The same with one label more, whose value needs no escaping.
    pub(super) fn integer_with(&mut self, labels: &str, further: (&str, &str), value: u64) {
        self.integer_like(labels, further, value, "");
    }

    /// The same with an exemplar, if it is not empty.
    pub(super) fn integer_like(&mut self, labels: &str, (key, word): (&str, &str), value: u64, exemplar: &str) {
        self.text.push_str(&self.name);
        self.text.push_str(self.ending);
        self.text.push('{');
        self.text.push_str(labels);
        for piece in [if labels.is_empty() { "" } else { "," }, key, "=\"", word, "\"} "] {
            self.text.push_str(piece);
        }
        push_integer(value, &mut self.text);
        self.text.push_str(exemplar);
        self.text.push('\n');
    }

    /// The buckets of a histogram: `count` puts down how many values are at most each bound, and returns how many there are,
    /// as this does. `exemplar` gives that of a bucket, or an empty text.
    pub(super) fn buckets_of<'e>(
        &mut self,
        labels: &str,
        bounds: &Bounds,
        exemplar: impl Fn(usize) -> &'e str,
        count: impl FnOnce(&mut Vec<u64>) -> u64,
    ) -> u64 {
        let all = count(&mut self.counts);
        let from = self.text.len();
        self.text.push_str(&self.name);
        self.text.push_str("_bucket{");
        self.text.push_str(labels);
        self.text.push_str(if labels.is_empty() { "le=\"" } else { ",le=\"" });
        let to = self.text.len();
        let at_most = bounds.texts().zip(self.counts.iter().copied());
        for (n, (bound, count)) in at_most.chain([("+Inf", all)]).enumerate() {
            if n > 0 {
                self.text.extend_from_within(from..to);
            }
            self.text.push_str(bound);
            self.text.push_str("\"} ");
            push_integer(count, &mut self.text);
            self.text.push_str(exemplar(n));
            self.text.push('\n');
        }
        all
    }

    /// The rest of a histogram.
    pub(super) fn sum_and_count(&mut self, labels: &str, sum: Sum, count: u64) {
        self.begin("_sum", labels);
        match sum {
            Sum::Time(time) => push_seconds(time, &mut self.text),
            Sum::Number(number) => push_float(number, &mut self.text),
        }
        self.text.push('\n');
        self.begin("_count", labels);
        push_integer(count, &mut self.text);
        self.text.push('\n');
    }

    /// The last line.
    pub(super) fn end(&mut self) {
        if self.format == TextFormat::OpenMetrics {
            self.text.push_str("# EOF\n");
        }
    }
}

/// The sum of a histogram's values.
#[derive(Clone, Copy)]
pub(super) enum Sum {
    Time(Duration),
    Number(f64),
}

/// Adds a label. The key must be one.
pub(super) fn label(key: &str, value: &str, labels: &mut String) {
    if !labels.is_empty() {
        labels.push(',');
    }
    labels.push_str(key);
    labels.push_str("=\"");
    escape(value, true, labels);
    labels.push('"');
}

/// Backslashes, ends of lines and, where they end the text, quotes. Readers take a zero for the end of the page.
fn escape(text: &str, with_quotes: bool, into: &mut String) {
    let special = |byte: &u8| matches!(byte, b'\\' | b'\n' | b'"' | 0);
    if !text.as_bytes().iter().any(special) {
        into.push_str(text);
        return;
    }
    for letter in text.chars() {
        match letter {
            '\\' => into.push_str("\\\\"),
            '\n' => into.push_str("\\n"),
            '"' if with_quotes => into.push_str("\\\""),
            '\0' => into.push(char::REPLACEMENT_CHARACTER),
            _ => into.push(letter),
        }
    }
}

pub(super) fn push_integer(value: u64, into: &mut String) {
    into.push_str(itoa::Buffer::new().format(value));
}

/// Seconds, to the nanosecond, without zeros at the end.
pub(super) fn push_seconds(time: Duration, into: &mut String) {
    push_integer(time.as_secs(), into);
    let nanos = time.subsec_nanos();
    if nanos > 0 {
        // A one in front keeps the zeros.
        let mut digits = itoa::Buffer::new();
        let digits = digits.format(1_000_000_000 + nanos);
        into.push('.');
        into.push_str(digits[1..].trim_end_matches('0'));
    }
}

/// As Go reads floats: shortest digits that give the same number back.
pub(super) fn push_float(value: f64, into: &mut String) {
    use std::fmt::Write as _;

    if value.is_nan() {
        into.push_str("NaN");
    } else if value.is_infinite() {
        into.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else if value != 0.0 && !(1e-5..1e16).contains(&value.abs()) {
        let _ = write!(into, "{value:e}");
    } else {
        let _ = write!(into, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut String)) -> String {
        let mut text = String::new();
        write(&mut text);
        text
    }

    #[test]
    fn seconds_are_exact() {
        for (nanos, seconds) in [
            (0, "0"),
            (1, "0.000000001"),
            (10, "0.00000001"),
            (999_999_999, "0.999999999"),
            (1_000_000_000, "1"),
            (1_500_000_000, "1.5"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(text(|into| push_seconds(Duration::from_nanos(nanos), into)), seconds);
        }
        assert_eq!(text(|into| push_seconds(Duration::MAX, into)), "18446744073709551615.999999999");
    }

    #[test]
    fn floats_come_back_the_same() {
        for value in
            [0.0, -0.0, 1.0, 0.1, 1e-5, 9e-6, 1e15, 1e16, 1.5e300, f64::MIN_POSITIVE, f64::MAX, -2.5e-10, 5e-324]
        {
            let text = text(|into| push_float(value, into));
            assert_eq!(text.parse::<f64>().unwrap().to_bits(), value.to_bits(), "{text}");
            assert!(text.len() < 30, "{text}");
        }
        for (value, word) in [(f64::NAN, "NaN"), (f64::INFINITY, "+Inf"), (f64::NEG_INFINITY, "-Inf")] {
            assert_eq!(text(|into| push_float(value, into)), word);
        }
    }

    #[test]
    fn values_of_labels_are_escaped() {
        let mut labels = String::new();
        label("a", "say \"C:\\new\"\nline\0", &mut labels);
        label("b", "<é>", &mut labels);
        assert_eq!(labels, "a=\"say \\\"C:\\\\new\\\"\\nline\u{fffd}\",b=\"<é>\"");
    }

    #[test]
    fn a_family_is_said_once_in_the_words_of_each_format() {
        let page = |format| {
            let mut lines = Lines::new(format, 0);
            lines.family("x_busy_seconds", Kind::Counter, "seconds", "Say \"it\".\\");
            lines.seconds("a=\"b\"", Duration::from_millis(1_500));
            lines.family("x_build", Kind::Info, "", "Build.");
            lines.integer("", 1);
            lines.end();
            lines.text
        };
        assert_eq!(
            page(TextFormat::Prometheus),
            "# TYPE x_busy_seconds_total counter\n# HELP x_busy_seconds_total Say \"it\".\\\\\n\
             x_busy_seconds_total{a=\"b\"} 1.5\n# TYPE x_build_info gauge\n# HELP x_build_info Build.\nx_build_info 1\n"
        );
        assert_eq!(
            page(TextFormat::OpenMetrics),
            "# TYPE x_busy_seconds counter\n# UNIT x_busy_seconds seconds\n# HELP x_busy_seconds Say \\\"it\\\".\\\\\n\
             x_busy_seconds_total{a=\"b\"} 1.5\n# TYPE x_build info\n# HELP x_build Build.\nx_build_info 1\n# EOF\n"
        );
    }
}
