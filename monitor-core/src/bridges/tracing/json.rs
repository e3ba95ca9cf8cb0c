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
/// context, each as far as there is one. A member that the line has already stands later in it, so that most readers take
/// that one. A line of text gets ` trace_id=.. span_id=..` at its end, or, if it is coloured, at its beginning.
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
        let is_json = line.trim_end().ends_with('}') && line.starts_with('{');
        self.text.store(!is_json, Ordering::Relaxed);
        if is_json {
            let rest = &line['{'.len_utf8()..];
            writer.write_char('{')?;
            write_json(&here, &mut writer)?;
            if !rest.trim_start().starts_with('}') {
                writer.write_char(',')?;
            }
            return writer.write_str(rest);
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

/// The members of a JSON object, without a comma behind.
fn write_json(here: &Context, out: &mut impl Write) -> fmt::Result {
    let mut comma = "";
    let mut member = |out: &mut dyn Write, key: &str, value: Value<'_>| {
        out.write_str(comma)?;
        comma = ",";
        write_text(out, key)?;
        out.write_char(':')?;
        value.write(out)
    };
    if let Some(id) = here.trace_id() {
        member(out, "trace_id", Value::Text(id.to_string().into()))?;
    }
    if let Some(id) = here.span_id() {
        member(out, "span_id", Value::Text(id.to_string().into()))?;
    }
    if let Some(name) = here.operation() {
        member(out, "operation", Value::Text(name.into()))?;
    }
    if let Some(id) = here.operation_id() {
        member(out, "operation_id", Value::Plain(&id))?;
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
        member(out, key, value)?;
    }
    Ok(())
}

enum Value<'a> {
    Text(Cow<'a, str>),
    /// What JSON writes as it displays itself.
    Plain(&'a dyn fmt::Display),
}

impl Value<'_> {
    fn write(&self, out: &mut dyn Write) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(out, text),
            Self::Plain(value) => write!(out, "{value}"),
        }
    }
}

/// A text in quotes, escaped as RFC 8259 asks.
fn write_text(out: &mut dyn Write, text: &str) -> fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\n' => out.write_str("\\n")?,
            '\r' => out.write_str("\\r")?,
            '\t' => out.write_str("\\t")?,
            c if u32::from(c) < 0x20 => write!(out, "\\u{:04x}", u32::from(c))?,
            c => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_escaped() {
        for text in ["", "plain", "\"\\\n\r\t\u{1}\u{1f}\u{7f}", "ä€\u{1F600}\u{2028}"] {
            let mut written = String::new();
            write_text(&mut written, text).unwrap();
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text);
        }
    }

    #[test]
    fn an_empty_context_writes_nothing() {
        let mut written = String::new();
        write_json(&Context::default(), &mut written).unwrap();
        assert_eq!(written, "");
    }

    #[test]
    fn fields_are_values_of_json() {
        let context = Context::new_trace()
            .with_field("n", u64::MAX)
            .with_field("nan", f64::NAN)
            .with_field("on", true)
            .with_field("half", 0.5)
            .with_field("tab\t", "a\"b");
        let mut written = String::new();
        write_json(&context, &mut written).unwrap();
        let json: serde_json::Value = serde_json::from_str(&format!("{{{written}}}")).unwrap();
        assert_eq!((&json["n"], &json["nan"], &json["on"]), (&u64::MAX.into(), &"NaN".into(), &true.into()));
        assert_eq!((&json["half"], &json["tab\t"]), (&0.5.into(), &"a\"b".into()));
        assert_eq!(json["trace_id"], context.trace_id().unwrap().to_string());
    }
}
