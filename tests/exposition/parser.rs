//! A strict reader of both formats, written from their specifications.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::TextFormat;

pub(crate) type Labels = BTreeMap<String, String>;

#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) families: Vec<Family>,
}

#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) unit: String,
    pub(crate) help: String,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    pub(crate) exemplar: Option<Exemplar>,
}

/// A trace that stands for a sample.
#[derive(Debug)]
pub(crate) struct Exemplar {
    pub(crate) labels: Labels,
    pub(crate) value: f64,
    /// In seconds since 1970.
    pub(crate) at: f64,
}

impl Page {
    pub(crate) fn family(&self, name: &str) -> &Family {
        self.families.iter().find(|family| family.name == name).unwrap_or_else(|| panic!("no family {name}"))
    }

    /// The value of the one sample of that name with these labels, among others.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let fits = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(key, value)| sample.labels.get(*key).is_some_and(|of| of == value))
        };
        let found: Vec<_> = self.families.iter().flat_map(|family| &family.samples).filter(fits).collect();
        assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
        found[0].value
    }
}

fn is_name(text: &str, colons: bool) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    !text.is_empty() && !text.starts_with(|c: char| c.is_ascii_digit()) && text.chars().all(fits)
}

fn unescaped(text: &str, quotes: bool) -> String {
    let (mut plain, mut letters) = (String::new(), text.chars());
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => match letters.next() {
                Some('\\') => plain.push('\\'),
                Some('n') => plain.push('\n'),
                Some('"') if quotes => plain.push('"'),
                other => panic!("an escape that there is not: {other:?} in {text}"),
            },
            '"' if quotes => panic!("a quote that is not escaped in {text}"),
            '\0' => panic!("a zero"),
            other => plain.push(other),
        }
    }
    plain
}

/// Labels in braces, and what comes after them.
fn labels(text: &str) -> (Labels, &str) {
    let mut labels = Labels::new();
    let mut rest = text;
    loop {
        let (key, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no label: {rest}"));
        assert!(is_name(key, false) && !key.starts_with("__"), "{key}");
        let mut end = None;
        let mut escaped = false;
        for (at, letter) in after.char_indices() {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    end = Some(at);
                    break;
                }
                _ => {}
            }
        }
        let end = end.unwrap_or_else(|| panic!("no end of a value: {after}"));
        let before = labels.insert(key.to_owned(), unescaped(&after[..end], true));
        assert_eq!(before, None, "{key} twice in {text}");
        rest = &after[end + 1..];
        if let Some(after) = rest.strip_prefix('}') {
            return (labels, after);
        }
        rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("neither comma nor brace: {rest}"));
    }
}

fn number(text: &str) -> f64 {
    match text {
        "NaN" => f64::NAN,
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        _ => {
            assert!(text.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c)), "{text}");
            text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
        }
    }
}

fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, rest) = line.split_at(end);
    assert!(is_name(name, true), "{name}");
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest),
        None => (Labels::new(), rest),
    };
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no space: {line}"));
    let (value, exemplar) = match value.split_once(" # {") {
        Some((value, rest)) => (value, Some(exemplar(rest))),
        None => (value, None),
    };
    Sample { name: name.to_owned(), labels, value: number(value), exemplar }
}

/// What stands behind `# {`.
fn exemplar(text: &str) -> Exemplar {
    let (labels, rest) = labels(text);
    let letters: usize = labels.iter().map(|(key, value)| key.chars().count() + value.chars().count()).sum();
    assert!(letters <= 128, "{labels:?} is too long");
    let (value, at) = rest.strip_prefix(' ').and_then(|rest| rest.split_once(' ')).unwrap();
    Exemplar { labels, value: number(value), at: number(at) }
}

/// Reads a page, and panics if it is not one.
pub(crate) fn parse(text: &str, format: TextFormat) -> Page {
    let is_open = format == TextFormat::OpenMetrics;
    let body = if is_open {
        text.strip_suffix("# EOF\n").unwrap_or_else(|| panic!("no end: …{}", &text[text.len().saturating_sub(200)..]))
    } else {
        text
    };
    assert!(body.is_empty() || body.ends_with('\n'), "a line without an end");
    let mut page = Page::default();
    for line in body.split_terminator('\n') {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, of) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or_default());
            assert!(is_name(name, true), "{name}");
            if what == "TYPE" {
                assert!(page.families.iter().all(|family| family.name != name), "{name} twice");
                page.families.push(Family { name: name.to_owned(), kind: of.to_owned(), ..Family::default() });
            }
            let family = page.families.last_mut().unwrap();
            assert_eq!(family.name, name);
            assert!(family.samples.is_empty(), "{line} after samples");
            match what {
                "TYPE" => assert!(["counter", "gauge", "histogram", "info"].contains(&of), "{of}"),
                "UNIT" => {
                    assert!(is_open && name.ends_with(&format!("_{of}")), "{line}");
                    of.clone_into(&mut family.unit);
                }
                "HELP" => family.help = unescaped(of, is_open),
                _ => panic!("{line}"),
            }
        } else {
            page.families.last_mut().unwrap().samples.push(sample(line));
        }
    }
    check(&page, is_open);
    page
}

fn check(page: &Page, is_open: bool) {
    let mut names = BTreeMap::new();
    let mut series = BTreeSet::new();
    for family in &page.families {
        let endings: &[&str] = match (&*family.kind, is_open) {
            ("counter", true) => &["_total"],
            ("info", true) => &["_info"],
            ("histogram", _) => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(is_open || family.kind != "info");
        for sample in &family.samples {
            let ending = sample.name.strip_prefix(&family.name).unwrap_or_else(|| panic!("{sample:?}"));
            assert!(endings.contains(&ending), "{sample:?} of {}", family.name);
            assert!(series.insert((&sample.name, &sample.labels)), "{sample:?} twice");
            let of = names.entry(&sample.name).or_insert(&family.name);
            assert_eq!(*of, &family.name, "{} is in two families", sample.name);
            if let Some(exemplar) = &sample.exemplar {
                assert!(is_open && ["_total", "_bucket"].contains(&ending), "{sample:?}");
                if let Some(bound) = sample.labels.get("le") {
                    assert!(exemplar.value <= number(bound) && sample.value >= 1.0, "{sample:?}");
                }
            }
            if family.kind == "counter" || ending == "_bucket" || ending == "_count" {
                assert!(sample.value >= 0.0, "{sample:?}");
            }
        }
        if family.kind == "histogram" {
            histograms(family);
        }
    }
}

/// Buckets ascend in bounds and counts and end with all; sums and counts are there.
fn histograms(family: &Family) {
    let mut buckets: BTreeMap<Labels, Vec<(f64, f64)>> = BTreeMap::new();
    for sample in family.samples.iter().filter(|sample| sample.name.ends_with("_bucket")) {
        let mut labels = sample.labels.clone();
        let bound = labels.remove("le").unwrap();
        if bound != "+Inf" {
            assert!(bound.contains(['.', 'e']), "{bound} is not as OpenMetrics writes it");
        }
        buckets.entry(labels).or_default().push((number(&bound), sample.value));
    }
    let of = |ending: &str, labels: &Labels| {
        let name = format!("{}{ending}", family.name);
        let sample = family.samples.iter().find(|sample| sample.name == name && sample.labels == *labels);
        sample.unwrap_or_else(|| panic!("no {name} {labels:?}")).value
    };
    for (labels, buckets) in &buckets {
        for pair in buckets.windows(2) {
            assert!(pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1, "{}: {pair:?}", family.name);
        }
        let last = buckets.last().unwrap();
        assert!(last.0.is_infinite());
        assert!((last.1 - of("_count", labels)).abs() < 0.5, "{}: +Inf is not the count", family.name);
        of("_sum", labels);
    }
}
