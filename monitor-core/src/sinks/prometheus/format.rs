//! The two formats of the text, and which one a client gets.

/// A format of the text that Prometheus reads.
///
/// ```
/// use monitor_core::TextFormat;
///
/// let format = TextFormat::accepted("application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.3");
/// assert_eq!(format, TextFormat::OpenMetrics);
/// assert_eq!(format.content_type(), "application/openmetrics-text; version=1.0.0; charset=utf-8");
/// ```
#[non_exhaustive]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum TextFormat {
    /// [Version 0.0.4](https://prometheus.io/docs/instrumenting/exposition_formats/) of Prometheus' own format, which
    /// everything reads.
    #[default]
    Prometheus,
    /// [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/): with units, and an end that shows that
    /// nothing is missing.
    OpenMetrics,
}

impl TextFormat {
    /// What a client prefers that sends this `Accept` header; an empty one is as good as none. Of what it does not take
    /// at all it gets [`TextFormat::Prometheus`] all the same, as every other program does it.
    #[must_use]
    pub fn accepted(accept: &str) -> TextFormat {
        let mut best = (TextFormat::Prometheus, 0.0);
        for offer in accept.split(',') {
            let mut parts = offer.split(';').map(str::trim);
            let media = parts.next().unwrap_or_default();
            let (mut version, mut quality) = (None, 1.0);
            for part in parts {
                match part.split_once('=').map(|(key, value)| (key.trim(), value.trim().trim_matches('"'))) {
                    Some((key, value)) if key.eq_ignore_ascii_case("version") => version = Some(value),
                    Some((key, value)) if key.eq_ignore_ascii_case("q") => {
                        quality = value.parse().ok().filter(|quality| (0.0..=1.0).contains(quality)).unwrap_or(0.0);
                    }
                    _ => {}
                }
            }
            let format = if media.eq_ignore_ascii_case("application/openmetrics-text") {
                // Of 0.0.1 as well: Prometheus reads it by the same rules.
                if version.is_some_and(|version| !matches!(version, "1.0.0" | "0.0.1")) {
                    continue;
                }
                TextFormat::OpenMetrics
            } else if ["text/plain", "text/*", "*/*"].iter().any(|plain| media.eq_ignore_ascii_case(plain)) {
                TextFormat::Prometheus
            } else {
                continue;
            };
            if quality > best.1 {
                best = (format, quality);
            }
        }
        best.0
    }

    /// The value of the `Content-Type` header.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            TextFormat::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            TextFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_gets_what_it_prefers() {
        for (accept, format) in [
            ("", TextFormat::Prometheus),
            ("*/*", TextFormat::Prometheus),
            ("text/html, image/png", TextFormat::Prometheus),
            ("application/openmetrics-text", TextFormat::OpenMetrics),
            ("Application/OpenMetrics-Text; Version=\"1.0.0\"", TextFormat::OpenMetrics),
            ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TextFormat::Prometheus),
            ("text/plain;version=0.0.4;q=1,application/openmetrics-text;q=0.9", TextFormat::Prometheus),
            ("text/plain;q=0.5,application/openmetrics-text;q=0.9", TextFormat::OpenMetrics),
            ("application/openmetrics-text;q=0,*/*;q=0.1", TextFormat::Prometheus),
            ("application/openmetrics-text;q=NaN", TextFormat::Prometheus),
            ("application/openmetrics-text;q=7;;=;,,", TextFormat::Prometheus),
            // What Prometheus 2 and 3 send.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,\
                 text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                TextFormat::OpenMetrics,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
                 text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                TextFormat::OpenMetrics,
            ),
        ] {
            assert_eq!(TextFormat::accepted(accept), format, "{accept}");
        }
    }
}
