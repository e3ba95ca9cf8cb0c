//! Names and labels made safe to keep: bounded in length, keys that Prometheus can carry.
//!
//! Nothing is refused: a bad name is changed in a stated way, and the caller counts that it was.

use std::borrow::Cow;

/// Longest operation name, kind or component in bytes; what is longer is cut.
pub(crate) const MAX_NAME_BYTES: usize = 200;

/// Longest label value in bytes; what is longer is cut.
pub(crate) const MAX_LABEL_VALUE_BYTES: usize = 128;

/// What stands for an empty name.
pub(crate) const UNNAMED: &str = "(unnamed)";

/// A name that is neither empty nor over-long.
pub(crate) fn bounded_name(name: &str) -> Cow<'_, str> {
    if name.is_empty() { Cow::Borrowed(UNNAMED) } else { truncated(name, MAX_NAME_BYTES) }
}

/// A label value that is not over-long. An empty one is kept: Prometheus reads it as "no such label".
pub(crate) fn bounded_value(value: &str) -> Cow<'_, str> {
    truncated(value, MAX_LABEL_VALUE_BYTES)
}

/// A label key in the form `[a-zA-Z_][a-zA-Z0-9_]*` without a leading `__`, which Prometheus keeps for itself: what
/// does not fit becomes `_`, a leading digit gets one in front, and two leading underscores become one.
pub(crate) fn label_key(key: &str) -> Cow<'_, str> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let good_start = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !key.starts_with("__");
    if good_start && key.chars().all(fits) && key.len() <= MAX_LABEL_VALUE_BYTES {
        return Cow::Borrowed(key);
    }
    let mut safe: String = key.chars().take(MAX_LABEL_VALUE_BYTES).map(|c| if fits(c) { c } else { '_' }).collect();
    safe = match safe.trim_start_matches('_') {
        rest if rest.len() < safe.len() => format!("_{rest}"),
        _ => safe,
    };
    if safe.is_empty() || safe.starts_with(|c: char| c.is_ascii_digit()) {
        safe.insert(0, '_');
    }
    Cow::Owned(safe)
}

/// The text cut at a character boundary so that it fits, with `…` for what is gone.
pub(crate) fn truncated(text: &str, max_bytes: usize) -> Cow<'_, str> {
    if text.len() <= max_bytes {
        return Cow::Borrowed(text);
    }
    let end = text.floor_char_boundary(max_bytes - '…'.len_utf8());
    Cow::Owned(format!("{}…", &text[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_name_is_kept_as_it_is() {
        assert!(matches!(bounded_name("db.fetch"), Cow::Borrowed("db.fetch")));
        assert!(matches!(label_key("table_1"), Cow::Borrowed("table_1")));
    }

    #[test]
    fn an_empty_name_gets_one() {
        assert_eq!(bounded_name(""), UNNAMED);
    }

    #[test]
    fn an_over_long_name_is_cut_between_characters() {
        let cut = bounded_name(&"ä".repeat(500)).into_owned();
        assert!(cut.len() <= MAX_NAME_BYTES && cut.ends_with("ä…"), "{cut}");
    }

    #[test]
    fn a_bad_label_key_becomes_one_that_prometheus_takes() {
        for (bad, good) in [
            ("", "_"),
            ("9lives", "_9lives"),
            ("a-b.c d", "a_b_c_d"),
            ("__name__", "_name__"),
            ("ключ", "_"),
            ("-9", "_9"),
        ] {
            assert_eq!(label_key(bad), good, "{bad:?}");
        }
    }
}
