//! The layer that makes operations of spans, and errors of events.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use smallvec::SmallVec;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::{ExtensionsMut, LookupSpan, SpanRef};

use super::TARGET;
use super::capture::{ContextOf, EventError, OfSpan};
use super::choice::Choice;
use super::site::Places;
use crate::model::Severity;
use crate::record::errors::{Place, Report, report};
use crate::record::note::Telling;
use crate::record::recorder::RecorderRef;
use crate::record::span::{NOWHERE, SpanCaller, SpanParent};
use crate::record::span_call::{SpanCall, knows_where};
use crate::trackers::probe::text::contained;

/// A layer for `tracing` that makes an operation of each span, and an error of each event at level `ERROR`:
/// [`Monitor::tracing_layer`](crate::Monitor::tracing_layer).
///
/// It goes on a [`Registry`](tracing_subscriber::Registry), alone or beside other layers, with a per-layer filter or
/// without. It hides nothing from other layers.
///
/// ```
/// use monitor_core::Monitor;
/// use tracing_subscriber::prelude::*;
///
/// let local = Monitor::builder().build()?;
/// let layer = local.tracing_layer().labels(["table"]).fields(["user_id"]);
/// tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
///     let span = tracing::info_span!("fetch", table = "users", user_id = 7);
///     span.in_scope(|| tracing::error!("connection refused"));
/// });
///
/// let snapshot = local.snapshot();
/// let fetch = snapshot.operation("fetch").unwrap();
/// assert_eq!((fetch.started, fetch.failed, fetch.kind.as_str()), (1, 1, "span"));
/// assert_eq!(fetch.series[0].labels["table"], "users");
/// assert_eq!(snapshot.errors()[0].pattern, "connection refused");
/// assert_eq!(local.recent(1)[0].fields[0].0, "user_id");
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// # What becomes of a span
///
/// | of the span | in the monitor |
/// |---|---|
/// | name, target | name and component of the operation; its kind is `span` |
/// | first enter to last exit | the duration. A handle that is kept for longer does not lengthen it |
/// | time entered, added up over threads | busy time; the rest of the duration is idle. More than the duration, if it was entered on several threads at once |
/// | number of enters, again on the same thread not counted | polls |
/// | parent, explicit or by where it was made | parent. Made inside a tracked call: that one |
/// | `follows_from` | nothing: an operation has one parent |
/// | fields | labels and fields, if they are listed |
/// | an event at level `ERROR` inside, `otel.status_code = "ERROR"`, a field `error` (not `false`) | failure |
/// | `otel.status_code = "OK"` | success, whatever occurred inside |
/// | left by a panic | panicked |
///
/// The call is counted when its span is first entered and ends when that is closed: when its last handle is dropped. One
/// that is never entered is no call; one that is never closed stays [active](crate::Monitor::active). A future in
/// [`Instrumented`](tracing::instrument::Instrumented) enters its span once more when it is dropped, whether it was
/// finished or not: a layer cannot tell, so one that is dropped half-way is a success here. With
/// [`tracked`](crate::TrackFuture::tracked) around the future, or inside, it is known to be cancelled.
///
/// What runs inside of a span is in its trace, on every thread that enters it and records into the layer's monitor.
///
/// # Cost
///
/// A span that is made, entered, left and closed takes some 230 ns more than with the registry alone, on any number of
/// threads; `benches` compares it with a layer that puts an `Instant` into each span. A span that is not to become an
/// operation costs a look-up; have it filtered by [`with_filter`](tracing_subscriber::Layer::with_filter) if nobody else
/// wants it either.
#[must_use = "a layer does nothing unless it is added to a subscriber"]
pub struct MonitorLayer {
    recorder: RecorderRef,
    /// Tells the spans of this layer from those of another one.
    number: u64,
    choice: Choice,
    errors: Option<Level>,
    places: Places,
}

/// What the layers of a subscriber keep of a span; hardly ever more than one. A call that is left here when the registry
/// takes the span away ends then.
struct Calls {
    open: SmallVec<[(u64, Box<SpanCall>); 1]>,
    told: Vec<AfterClose>,
}

/// What is told of a call when the registry has closed its span and takes it away. Not in [`Layer::on_close`]: the registry
/// never takes away spans that are closed meanwhile, as by a log that makes some; and whoever has exchangeable layers
/// holds a lock there.
struct AfterClose(Option<Telling>);

impl Drop for AfterClose {
    fn drop(&mut self) {
        if let Some(telling) = self.0.take() {
            telling.tell();
        }
    }
}

/// What layers keep of a span. `None` if one of them panicked while it had it: nobody gets at it any more then.
#[inline]
fn extensions<'s, S>(span: &'s SpanRef<'_, S>) -> Option<ExtensionsMut<'s>>
where
    S: for<'a> LookupSpan<'a>,
{
    contained(|| span.extensions_mut())
}

static NEXT: AtomicU64 = AtomicU64::new(0);

impl MonitorLayer {
    pub(crate) fn new(recorder: RecorderRef) -> Self {
        let choice = Choice {
            max_level: Level::INFO,
            spans: None,
            labels: Vec::new(),
            fields: Vec::new(),
            kind: "span".to_owned(),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self { recorder, number, choice, errors: Some(Level::ERROR), places: Places::new() }
    }

    /// The most detailed level of spans that become operations. Default: [`Level::INFO`].
    pub fn max_level(mut self, level: Level) -> Self {
        self.choice.max_level = level;
        self
    }

    /// Which spans become operations, of those that [`max_level`](Self::max_level) lets pass. It is asked once for each
    /// place in the program that makes spans; one that panics has said no. Default: all.
    pub fn spans(mut self, filter: impl Fn(&Metadata<'_>) -> bool + Send + Sync + 'static) -> Self {
        self.choice.spans = Some(Box::new(filter));
        self
    }

    /// Fields of spans that become labels: few distinct values, each with statistics of its own, and capped as all
    /// labels are. They must be known before the span is first entered. Default: none.
    pub fn labels<N: Into<Cow<'static, str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.choice.labels = names.into_iter().map(Into::into).collect();
        self
    }

    /// Fields of spans that are kept in the records of their calls, up to 32, texts up to 256 bytes; and those of events
    /// that are kept with their errors. Default: none. What is not listed is not read.
    pub fn fields<N: Into<Cow<'static, str>>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.choice.fields = names.into_iter().map(Into::into).collect();
        self
    }

    /// The kind of the operations. Default: `span`.
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.choice.kind = kind.into();
        self
    }

    /// The most detailed level of events that are recorded as errors and make a failure of the span that they occur in.
    /// `None`: events are not looked at. Default: [`Level::ERROR`].
    ///
    /// An error is attached to the operation that it occurs in. Of those from one place in the program ten at once and
    /// then ten a second are put into words; the others are counted.
    pub fn errors(mut self, level: impl Into<Option<Level>>) -> Self {
        self.errors = level.into();
        self
    }

    /// The recorder; in a forked child, which must not touch what it inherited, that of the child's process.
    fn recorder(&self) -> Cow<'_, RecorderRef> {
        if self.recorder.is_inherited() { Cow::Owned(RecorderRef::of_process()) } else { Cow::Borrowed(&self.recorder) }
    }

    /// Runs `f` with what is kept of a span, if it is an operation.
    #[inline]
    fn with_call<S, R>(&self, span: &SpanRef<'_, S>, f: impl FnOnce(&mut SpanCall) -> R) -> Option<R>
    where
        S: for<'a> LookupSpan<'a>,
    {
        let mut extensions = extensions(span)?;
        let calls = extensions.get_mut::<Calls>()?;
        calls.open.iter_mut().find(|(number, _)| *number == self.number).map(|(_, call)| f(call))
    }

    /// The call of a span, or of the nearest one around that is an operation.
    fn caller<S>(&self, span: Option<SpanRef<'_, S>>) -> Option<SpanCaller>
    where
        S: for<'a> LookupSpan<'a>,
    {
        span?.scope().find_map(|span| self.with_call(&span, |call| call.caller()))
    }
}

impl<S> Layer<S> for MonitorLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let wanted = self
            .places
            .with(attributes.metadata(), &self.choice, |place| place.site.as_ref().map(|_| place.has_fields));
        let (Some(has_fields), Some(span)) = (wanted, context.span(id)) else { return };
        let parent = if attributes.is_root() {
            SpanParent::Nobody
        } else if attributes.is_contextual() {
            SpanParent::Here
        } else {
            self.caller(span.parent()).map_or(SpanParent::Nobody, SpanParent::Call)
        };
        let Some(mut call) = SpanCall::new(&self.recorder(), parent, || self.caller(span.parent())) else { return };
        if has_fields {
            let mut read = OfSpan::new(&self.choice);
            attributes.record(&mut read.visitor());
            read.give_to(&mut call);
        }
        let Some(mut extensions) = extensions(&span) else { return };
        match extensions.get_mut::<Calls>() {
            Some(calls) => calls.open.push((self.number, call)),
            None => extensions.insert(Calls { open: SmallVec::from_buf([(self.number, call)]), told: Vec::new() }),
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let has_fields =
            self.places.with(span.metadata(), &self.choice, |place| place.site.is_some() && place.has_fields);
        if has_fields {
            // Read first: the values are the program's, and what is kept of the span is under a lock.
            let mut read = OfSpan::new(&self.choice);
            values.record(&mut read.visitor());
            self.with_call(&span, |call| read.give_to(call));
        }
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        self.places.with(span.metadata(), &self.choice, |place| {
            if let Some(site) = &place.site {
                self.with_call(&span, |call| call.enter(site));
            }
        });
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            self.with_call(&span, SpanCall::exit);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let call = {
            let Some(mut extensions) = extensions(&span) else { return };
            let Some(Calls { open, .. }) = extensions.get_mut::<Calls>() else { return };
            let Some(at) = open.iter().position(|(number, _)| *number == self.number) else { return };
            open.swap_remove(at).1
        };
        if let Some(telling) = call.end()
            && let Some(mut extensions) = extensions(&span)
            && let Some(calls) = extensions.get_mut::<Calls>()
        {
            calls.told.push(AfterClose(Some(telling)));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        if self.errors.is_none_or(|level| *metadata.level() > level) || metadata.target() == TARGET {
            return;
        }
        let error = EventError::new(event);
        let file = metadata.file().unwrap_or_else(|| metadata.target());
        let place = Place { file, line: metadata.line().unwrap_or(0), column: 0 };
        // Contained: built for debugging, the library panics when the current span was closed while it was entered.
        let span = || contained(|| context.event_span(event)).flatten();
        let recorder = self.recorder();
        let here = if !event.is_contextual() {
            Some(self.caller(span()).map_or(NOWHERE, SpanCaller::into_here))
        } else if knows_where(&recorder) {
            None
        } else {
            self.caller(span()).map(SpanCaller::into_here)
        };
        let found = Report {
            error: &error,
            kind: None,
            severity: if *metadata.level() == Level::ERROR { Severity::Medium } else { Severity::Low },
            component: "",
            fingerprint: None,
            context: &ContextOf::read(event, &self.choice),
            place,
            here,
        };
        report(&recorder, &found);
        let text = error.into_text();
        if let Some(span) = span() {
            let mut text = Some(text);
            let _ = span
                .scope()
                .find_map(|span| self.with_call(&span, |call| call.said().meet_error(text.take().flatten())));
        }
    }
}

impl fmt::Debug for MonitorLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MonitorLayer")
            .field("max_level", &self.choice.max_level)
            .field("labels", &self.choice.labels)
            .field("fields", &self.choice.fields)
            .field("errors", &self.errors)
            .finish_non_exhaustive()
    }
}
