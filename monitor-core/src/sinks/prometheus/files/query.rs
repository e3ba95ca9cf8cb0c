//! Queries for Prometheus, from templates without a namespace and a service.

/// Puts into templates what all queries of a file have in common.
///
/// | in a template | in the query |
/// |---|---|
/// | `@queue_depth` | the family in the namespace, with the common matchers |
/// | `@errors_total{severity="high"}` | the same with further ones |
/// | `#operations_total` | the same with the matchers of operations |
/// | `@:failures:ratio` | the same of a recorded series |
/// | `@!up` | a series that Prometheus makes itself |
/// | `$W` | how far back is looked |
pub(super) struct Queries {
    pub(super) namespace: String,
    /// Of every series.
    pub(super) common: String,
    /// Further ones of operations.
    pub(super) of_operations: String,
    pub(super) window: String,
}

impl Queries {
    pub(super) fn of(&self, template: &str) -> String {
        let mut query = String::with_capacity(template.len() * 2);
        let mut rest = template;
        while let Some(at) = rest.find(['@', '#', '$']) {
            let (before, found) = rest.split_at(at);
            query.push_str(before);
            let (sigil, after) = found.split_at(1);
            rest = match (sigil, after.strip_prefix('W')) {
                ("$", Some(after)) => {
                    query.push_str(&self.window);
                    after
                }
                // A variable of Grafana.
                ("$", None) => {
                    query.push('$');
                    after
                }
                _ => self.series(sigil == "#", after, &mut query),
            };
        }
        query.push_str(rest);
        query
    }

    /// Adds a series, and returns what comes behind it.
    fn series<'t>(&self, is_operation: bool, template: &'t str, query: &mut String) -> &'t str {
        let foreign = template.strip_prefix('!');
        let template = foreign.unwrap_or(template);
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | ':');
        let (name, after) = template.split_at(template.find(|letter| !is_name(letter)).unwrap_or(template.len()));
        if foreign.is_none() {
            query.push_str(&self.namespace);
            query.push_str(if name.starts_with(':') { "" } else { "_" });
        }
        let (own, after) = after.strip_prefix('{').and_then(|own| own.split_once('}')).unwrap_or(("", after));
        let of_operations = if is_operation { &*self.of_operations } else { "" };
        let matchers = [&*self.common, of_operations, own];
        let matchers: Vec<_> = matchers.into_iter().filter(|some| !some.is_empty()).collect();
        query.extend([name, "{", &matchers.join(","), "}"]);
        after
    }
}

/// A text as queries take it between double quotes, which knows the escapes of JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A text as YAML takes it: between single quotes, in which queries can be read, if it is one line. Between double quotes
/// YAML knows the escapes of JSON.
pub(super) fn yaml(text: &str) -> String {
    if text
        .chars()
        .any(|letter| letter.is_control() || matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}'))
    {
        return quoted(text);
    }
    format!("'{}'", text.replace('\'', "''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_become_queries() {
        let queries = Queries {
            namespace: "shop".to_owned(),
            common: "job=\"a\"".to_owned(),
            of_operations: "kind=~\"$kind\"".to_owned(),
            window: "5m".to_owned(),
        };
        for (template, query) in [
            ("1 + 2", "1 + 2"),
            ("@queue_depth > 1", "shop_queue_depth{job=\"a\"} > 1"),
            ("rate(@errors_total{severity=\"x\"}[$W])", "rate(shop_errors_total{job=\"a\",severity=\"x\"}[5m])"),
            ("#operations_total", "shop_operations_total{job=\"a\",kind=~\"$kind\"}"),
            ("@:failures:ratio > 0", "shop:failures:ratio{job=\"a\"} > 0"),
            ("@!up == 0", "up{job=\"a\"} == 0"),
            ("x[$__rate_interval]", "x[$__rate_interval]"),
        ] {
            assert_eq!(queries.of(template), query);
        }
    }

    #[test]
    fn any_text_can_be_quoted() {
        assert_eq!(quoted("a \"b\" \\ \n \u{1} é <script> 🎉"), r#""a \"b\" \\ \n \u0001 é <script> 🎉""#);
        assert_eq!(yaml("a \"b\" it's \\"), "'a \"b\" it''s \\'");
        assert_eq!(yaml("a\nb"), "\"a\\nb\"");
    }
}
