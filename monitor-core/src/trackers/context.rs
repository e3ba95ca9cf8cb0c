//! Contexts as programs use them: taken here, entered there.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

use crate::model::{FieldValue, SpanId, TraceId, TraceParent};
use crate::record::context::{here, poll_in, run_in};
use crate::record::errors::MAX_CONTEXT;
use crate::record::failure::bounded_fields;
use crate::record::lineage::{self, ContextData};
use crate::record::local;
use crate::record::recorder::RecorderRef;

/// Longest `tracestate` that is passed on, in bytes: what the specification asks for at the least.
const MAX_STATE_BYTES: usize = 512;

/// Entries over that length are the first to be left out of one that is too long.
const LONG_ENTRY_BYTES: usize = 128;

/// On whose behalf work is done: its trace, the operation that it belongs to, and fields that go with it.
///
/// Work inside an operation belongs to it by itself: on the same thread, and in a future that is tracked, wherever that
/// is polled. A `Context` carries the same to other threads and tasks, and to other programs. It is a value: cheap to
/// clone, free to send, the same for ever.
///
/// | to go on | write |
/// |---|---|
/// | here | `context.in_context(\|\| work())` |
/// | on another thread | `thread::spawn(context.wrap(\|\| work()))` |
/// | in another task | `tokio::spawn(work().in_context(context))`, with the trait [`InContext`] |
/// | in another program | the header [`traceparent`](Self::traceparent), and there [`from_traceparent`](Self::from_traceparent) |
///
/// ```
/// use monitor_core::{Context, Monitor};
/// use std::thread;
///
/// let local = Monitor::builder().build()?;
/// local.scope(|| {
///     let request = Context::from_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
///     request.with_field("tenant", "acme").in_context(|| {
///         let _op = local.operation("handle").start();
///         let here = Context::current(); // inside `handle`
///         thread::spawn(here.wrap(|| monitor_core::monitor().track("render", |_| ()))).join().unwrap();
///     });
/// });
/// for record in local.recent(2) {
///     assert_eq!(record.trace_id.unwrap().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
///     assert_eq!(record.context[0].0, "tenant");
/// }
/// assert_eq!(local.recent(2)[1].parent_name.as_deref(), Some("handle"));
/// # Ok::<(), monitor_core::Error>(())
/// ```
///
/// Ids are made only when somebody asks for them or a record is read: a tracked call costs no more for it. Taking a
/// context costs an allocation, entering one some 30 ns. Contexts are passed on also while recording is off.
#[derive(Clone, Default)]
pub struct Context {
    data: Option<Arc<ContextData>>,
    /// Where the operation that it belongs to is recorded.
    recorder: Option<RecorderRef>,
}

impl Context {
    /// Where this thread is now: in which trace and operation, with which fields. Outside of any operation and context
    /// it is empty: [`trace_id`](Self::trace_id) is `None`, and what runs in it begins traces of its own.
    #[must_use]
    pub fn current() -> Context {
        let data = here().into_data();
        let caller = data.as_ref().and_then(|data| data.parent);
        let recorder = caller.zip(local::current()).and_then(|(caller, holder)| {
            let recorder = holder.recorder();
            (recorder.address() == caller.home).then(|| RecorderRef::to(recorder))
        });
        Context { data, recorder }
    }

    /// A new trace that begins here.
    #[must_use]
    pub fn new_trace() -> Context {
        Context::of(begun_here())
    }

    /// The trace that a request from another program belongs to, from its header `traceparent`.
    ///
    /// As the specification asks, a header that is not valid is ignored: the work begins a new trace. It is counted in
    /// [`MonitorStats::traceparents_ignored`](crate::MonitorStats::traceparents_ignored). To have the error instead, use
    /// [`TraceParent`]'s `FromStr` and [`Context::from`].
    #[must_use]
    pub fn from_traceparent(header: &str) -> Context {
        header.parse::<TraceParent>().map_or_else(
            |_| {
                let recorder = local::current_recorder();
                recorder.counts.traceparents_ignored.fetch_add(1, Ordering::Relaxed);
                Context::new_trace()
            },
            Context::from,
        )
    }

    /// The header `tracestate` that came with `traceparent`, to be passed on as it is.
    ///
    /// As the specification asks, it is ignored if the `traceparent` was (then it speaks of another trace), if it is empty,
    /// and if it is not printable ASCII. Of one over 512 bytes whole entries are left out: first those over 128 bytes, then
    /// those at the end.
    #[must_use]
    pub fn with_tracestate(self, header: &str) -> Context {
        if self.data.as_ref().is_none_or(|data| data.remote.is_none()) {
            return self;
        }
        self.changed(|data| data.state = bounded_state(header))
    }

    /// With a field that every record and error inside has, and every log line that is written with their ids.
    ///
    /// A field of that key is replaced. At most 32 are kept, the text of one up to 256 bytes. In an empty context a new
    /// trace begins.
    #[must_use]
    pub fn with_field(self, key: &str, value: impl Into<FieldValue>) -> Context {
        let mut field = bounded_fields(&[(key, value.into())]);
        self.changed(|data| {
            data.fields.retain(|(known, _)| Some(known) != field.first().map(|(key, _)| key));
            if data.fields.len() < MAX_CONTEXT {
                data.fields.append(&mut field);
            }
        })
    }

    fn of(data: ContextData) -> Context {
        Context { data: Some(Arc::new(data)), recorder: None }
    }

    fn changed(self, change: impl FnOnce(&mut ContextData)) -> Context {
        let mut data = self.data.unwrap_or_else(|| Arc::new(begun_here()));
        change(Arc::make_mut(&mut data));
        Context { data: Some(data), recorder: self.recorder }
    }

    /// The trace; `None` if there is none yet.
    #[must_use]
    pub fn trace_id(&self) -> Option<TraceId> {
        self.data.as_ref().map(|data| data.trace)
    }

    /// The span of the operation that work in this context is done on behalf of: of this program or of another one.
    #[must_use]
    pub fn span_id(&self) -> Option<SpanId> {
        self.data.as_ref().and_then(|data| data.span())
    }

    /// The operation that work in this context is done on behalf of, if it is one of this program: the `id` of its
    /// record.
    #[must_use]
    pub fn operation_id(&self) -> Option<u64> {
        self.data.as_ref()?.parent.map(|caller| caller.id)
    }

    /// Name of that operation.
    #[must_use]
    pub fn operation(&self) -> Option<String> {
        let caller = self.data.as_ref()?.parent?;
        let recorder =
            self.recorder.as_ref().filter(|recorder| !recorder.is_inherited() && recorder.address() == caller.home)?;
        recorder.series(caller.series).map(|series| series.name.to_string())
    }

    /// The fields, in the order in which they were set.
    #[must_use]
    pub fn fields(&self) -> &[(String, FieldValue)] {
        self.data.as_ref().map_or(&[], |data| &data.fields)
    }

    /// The value of a field.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&FieldValue> {
        self.data.as_ref()?.field(key)
    }

    /// The header `traceparent` for a request that is sent from here; `None` if there is no trace.
    #[must_use]
    pub fn traceparent(&self) -> Option<TraceParent> {
        let data = self.data.as_ref()?;
        Some(TraceParent { flags: data.flags, ..TraceParent::new(data.trace, data.sending_span()) })
    }

    /// The header `tracestate` for a request that is sent from here, if one came in.
    #[must_use]
    pub fn tracestate(&self) -> Option<&str> {
        self.data.as_ref()?.state.as_deref()
    }

    /// Runs a closure in this context, on this thread: also in the monitor of the operation that it belongs to.
    ///
    /// It takes the place of the context around; fields are those of this one alone. (`Context::current().with_field(..)`
    /// has both.)
    pub fn in_context<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.recorder {
            Some(recorder) => local::scope(recorder, || run_in(self.data.as_ref(), f)),
            None => run_in(self.data.as_ref(), f),
        }
    }

    fn poll_in<R>(&self, waiting: &mut Vec<u64>, f: impl FnOnce() -> R, suspended: impl FnOnce(&R) -> bool) -> R {
        let poll = || poll_in(self.data.as_ref(), waiting, f, suspended);
        match &self.recorder {
            Some(recorder) => local::scope(recorder, poll),
            None => poll(),
        }
    }

    /// A closure that runs in this context wherever it is called: for `thread::spawn`, `spawn_blocking` and thread pools.
    pub fn wrap<R, F: FnOnce() -> R>(self, f: F) -> impl FnOnce() -> R + use<R, F> {
        move || self.in_context(f)
    }
}

/// As much of the header `tracestate` as is passed on.
fn bounded_state(header: &str) -> Option<Box<str>> {
    let header = header.trim_matches([' ', '\t']);
    if header.is_empty() || header.bytes().any(|byte| !matches!(byte, b' '..=b'~' | b'\t')) {
        return None;
    }
    if header.len() <= MAX_STATE_BYTES {
        return Some(header.into());
    }
    let mut kept = String::new();
    for entry in header.split(',').filter(|entry| entry.len() <= LONG_ENTRY_BYTES) {
        if kept.len() + entry.len() + usize::from(!kept.is_empty()) > MAX_STATE_BYTES {
            break;
        }
        if !kept.is_empty() {
            kept.push(',');
        }
        kept.push_str(entry);
    }
    if kept.is_empty() { None } else { Some(kept.into()) }
}

/// A new trace.
fn begun_here() -> ContextData {
    // Nothing else may have been used before, and a forked child must not go on with the traces of its parent.
    local::watch_forks();
    ContextData::of_trace(lineage::new_trace(), None)
}

/// The trace that a request belongs to.
impl From<TraceParent> for Context {
    fn from(header: TraceParent) -> Context {
        let data = ContextData::of_trace(header.trace_id, None);
        Context::of(ContextData { remote: Some(header.span_id), flags: header.flags, ..data })
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("trace_id", &self.trace_id())
            .field("span_id", &self.span_id())
            .field("operation_id", &self.operation_id())
            .field("fields", &self.fields())
            .finish_non_exhaustive()
    }
}

/// Futures that run in a [`Context`].
///
/// ```
/// use monitor_core::{Context, InContext};
///
/// # fn spawn<F: Future + Send + 'static>(_: F) {}
/// async fn resize() {}
///
/// spawn(resize().in_context(Context::current())); // a task of its own, on behalf of what runs here
/// ```
pub trait InContext: Future + Sized {
    /// Runs the future in a context: each of its polls, and its drop.
    fn in_context(self, context: Context) -> FutureInContext<Self> {
        FutureInContext { future: Some(self), context, waiting: Vec::new() }
    }
}

impl<F: Future> InContext for F {}

pin_project! {
    /// A future in a [`Context`]: see [`InContext`].
    #[must_use = "futures do nothing unless polled"]
    pub struct FutureInContext<F> {
        // `None` once it was dropped, in the context as well.
        #[pin]
        future: Option<F>,
        context: Context,
        // Guards that it holds between two polls.
        waiting: Vec<u64>,
    }

    impl<F> PinnedDrop for FutureInContext<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let future = &mut this.future;
            this.context.poll_in(this.waiting, || future.set(None), |()| false);
        }
    }
}

impl<F: Future> Future for FutureInContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        let poll = || match future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        };
        this.context.poll_in(this.waiting, poll, Poll::is_pending)
    }
}

impl<F> fmt::Debug for FutureInContext<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FutureInContext").field("context", &self.context).finish_non_exhaustive()
    }
}
