//! Log lines that carry the ids of where they were written.

use std::borrow::Cow;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use crate::model::FieldValue;
use crate::trackers::context::Context;

/// A format of `tracing-subscriber` whose lines carry the ids of the [`Context`] that they are written in.
///
/// A JSON object gets them as its first members: `trace_id`, `span_id`, `operation`, `operation_id` and the fields of the
/// context, each as far as there is one. No member stands there twice: an id that the line has itself, as a field of the
/// event, is the line's; a field of the context whose name is taken, as `level` is, becomes `context.level`. A line of
/// text gets ` trace_id=.. span_id=..` at its end, or, if it is coloured, at its beginning.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use monitor_core::{Context, Monitor};
/// use monitor_core::tracing::WithIds;
/// use tracing_subscriber::{fmt::format, prelude::*};
///
/// # #[derive(Clone, Default)]
/// # struct Lines(Arc<Mutex<Vec<u8>>>);
/// # impl std::io::Write for Lines {
/// #     fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> { self.0.lock().unwrap().write(bytes) }
/// #     fn flush(&mut self) -> std::io::Result<()> { Ok(()) }
/// # }
/// let local = Monitor::builder().build()?;
/// let lines = Lines::default();
/// let out = lines.clone();
/// let log = tracing_subscriber::fmt::layer()
///     .fmt_fields(format::JsonFields::new())
///     .event_format(WithIds::new(format().json()))
///     .with_writer(move || out.clone());
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(log), || {
///     local.scope(|| {
///         let request = Context::new_trace().with_field("tenant", "acme");
///         request.in_context(|| local.track("handle", |_| tracing::info!("hello")));
///     });
/// });
/// let line = String::from_utf8(lines.0.lock().unwrap().clone())?;
/// assert!(line.starts_with(r#"{"trace_id":""#) && line.contains(r#""operation":"handle""#), "{line}");
/// assert!(line.contains(r#""tenant":"acme""#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Each line costs some hundred nanoseconds more; its text is put together in memory first.
#[derive(Debug, Default)]
pub struct WithIds<F> {
    inner: F,
    /// The last line was text: where colours are wanted, the next one is written straight to where they can be.
    text: AtomicBool,
}

impl<F> WithIds<F> {
    /// The same format with ids.
    pub fn new(inner: F) -> WithIds<F> {
        WithIds { inner, text: AtomicBool::new(false) }
    }
}

impl<F: Clone> Clone for WithIds<F> {
    fn clone(&self) -> WithIds<F> {
        WithIds::new(self.inner.clone())
    }
}

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let here = Context::current();
        if here.trace_id().is_none() {
            return self.inner.format_event(context, writer, event);
        }
        let coloured = writer.has_ansi_escapes();
        if coloured && self.text.load(Ordering::Relaxed) {
            return self.write_coloured(&here, context, writer, event);
        }
        // A writer of our own has no colours: of a line that is to have some only the form is looked at.
        let mut line = String::new();
        self.inner.format_event(context, Writer::new(&mut line), event)?;
        let members = members_of(&line);
        self.text.store(members.is_none(), Ordering::Relaxed);
        if let Some((members, rest)) = members {
            let ids = json(&here, &members);
            let comma = if ids.is_empty() || members.is_empty() { "" } else { "," };
            return write!(writer, "{{{ids}{comma}{rest}");
        }
        if coloured {
            return self.write_coloured(&here, context, writer, event);
        }
        let end = line.trim_end_matches(['\n', '\r']).len();
        writer.write_str(&line[..end])?;
        for (key, value) in texts(&here) {
            write!(writer, " {key}={value}")?;
        }
        writer.write_str(&line[end..])
    }
}

impl<F> WithIds<F> {
    fn write_coloured<S, N>(
        &self,
        here: &Context,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
        N: for<'a> FormatFields<'a> + 'static,
        F: FormatEvent<S, N>,
    {
        for (key, value) in texts(here) {
            write!(writer, "{key}={value} ")?;
        }
        self.inner.format_event(context, writer, event)
    }
}

/// The ids for a line of text.
fn texts(here: &Context) -> impl Iterator<Item = (&'static str, String)> {
    let trace = here.trace_id().map(|id| ("trace_id", id.to_string()));
    let span = here.span_id().map(|id| ("span_id", id.to_string()));
    trace.into_iter().chain(span)
}

/// The names of the members of a line that is a JSON object, as they are written there, and all of the line behind its
/// opening brace. `None`: it is something else.
fn members_of(line: &str) -> Option<(Vec<&str>, &str)> {
    let rest = line.strip_prefix('{')?;
    if !rest.trim_start().starts_with(['"', '}']) {
        return None;
    }
    let (mut names, mut text, mut depth, mut bytes) = (Vec::new(), None, 1_u32, rest.bytes().enumerate());
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                let mut escaped = false;
                let (end, _) = bytes.find(|(_, byte)| {
                    let ends = *byte == b'"' && !escaped;
                    escaped = *byte == b'\\' && !escaped;
                    ends
                })?;
                text = rest.get(at + 1..end);
            }
            b':' if depth == 1 => names.push(text.take()?),
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return rest.get(at + 1..)?.trim_ascii().is_empty().then_some((names, rest));
                }
            }
            _ => {}
        }
    }
    None
}

/// The members that an object gets beside those that it has, separated by commas.
fn json(here: &Context, members: &[&str]) -> String {
    let mut all = Members { taken: members, out: String::new(), names: Vec::new() };
    if let Some(id) = here.trace_id() {
        all.add("trace_id", &Value::Text(id.to_string().into()));
    }
    if let Some(id) = here.span_id() {
        all.add("span_id", &Value::Text(id.to_string().into()));
    }
    if let Some(name) = here.operation() {
        all.add("operation", &Value::Text(name.into()));
    }
    if let Some(id) = here.operation_id() {
        all.add("operation_id", &Value::Plain(&id));
    }
    for (key, value) in here.fields() {
        let value = match value {
            FieldValue::Bool(value) => Value::Plain(value),
            FieldValue::I64(value) => Value::Plain(value),
            FieldValue::U64(value) => Value::Plain(value),
            FieldValue::F64(value) if value.is_finite() => Value::Plain(value),
            FieldValue::F64(value) => Value::Text(value.to_string().into()),
            FieldValue::Text(text) => Value::Text(text.into()),
        };
        if !all.add(key, &value) {
            all.add(&format!("context.{key}"), &value);
        }
    }
    all.out
}

/// Members that are added to those of an object.
struct Members<'a> {
    taken: &'a [&'a str],
    out: String,
    /// Of those that were added.
    names: Vec<String>,
}

impl Members<'_> {
    /// False if there is one of that name.
    fn add(&mut self, name: &str, value: &Value<'_>) -> bool {
        let mut quoted = String::new();
        write_text(&mut quoted, name);
        let bare = &quoted[1..quoted.len() - 1];
        if self.taken.contains(&bare) || self.names.contains(&quoted) {
            return false;
        }
        if !self.out.is_empty() {
            self.out.push(',');
        }
        self.out.push_str(&quoted);
        self.out.push(':');
        value.write(&mut self.out);
        self.names.push(quoted);
        true
    }
}

enum Value<'a> {
    Text(Cow<'a, str>),
    /// What JSON writes as it displays itself.
    Plain(&'a dyn fmt::Display),
}

impl Value<'_> {
    fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => write_text(out, text),
            Self::Plain(value) => out.push_str(&value.to_string()),
        }
    }
}

/// A text in quotes, escaped as RFC 8259 asks, and in the form that `serde_json` has for it.
fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x20 => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        for text in ["", "plain", "\"\\\n\r\t\u{1}\u{1f}\u{7f}", "ä€\u{1F600}\u{2028}"] {
            let mut written = String::new();
            write_text(&mut written, text);
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }

    #[test]
    fn an_empty_context_writes_nothing() {
        assert_eq!(json(&Context::default(), &[]), "");
    }

    #[test]
    fn fields_are_values_of_json() {
        let context = Context::new_trace()
            .with_field("n", u64::MAX)
            .with_field("nan", f64::NAN)
            .with_field("on", true)
            .with_field("half", 0.5)
            .with_field("tab\t", "a\"b");
        let written = json(&context, &["half", "tab"]);
        let json: serde_json::Value = serde_json::from_str(&format!("{{{written}}}")).unwrap();
        assert_eq!((&json["n"], &json["nan"], &json["on"]), (&u64::MAX.into(), &"NaN".into(), &true.into()));
        assert_eq!((&json["context.half"], &json["tab\t"]), (&0.5.into(), &"a\"b".into()));
        assert_eq!(json["trace_id"], context.trace_id().unwrap().to_string());
    }

    #[test]
    fn members_of_objects_are_found() {
        let line = "{\n \"a\": [{\"x\": \"}\\\\\"}, \"b:\"], \"q\\\"\": \"c\", \"ä\":{}}\n";
        assert_eq!(members_of(line).unwrap().0, ["a", "q\\\"", "ä"]);
        assert_eq!(members_of("{}").unwrap().0.len(), 0);
        for text in ["", "{", "{a}", "{\"a", "{\"a\": 1} {\"b\": 2}", "{\"a\": {}", "text {}", "{\"a\": \"\\\"}"] {
            assert_eq!(members_of(text), None, "{text}");
        }
    }
}
