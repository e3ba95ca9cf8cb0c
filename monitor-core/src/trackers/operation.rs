//! The guard, and the builder that starts it.

use std::error::Error;
use std::fmt::{self, Display};

use super::outcome::{Caused, Displayed, failure_in};
use crate::model::{FieldValue, Outcome};
use crate::record::call::sorted;
use crate::record::call_site::RecordPolicy;
use crate::record::open_call::{Fields, OpenCall};
use crate::record::recorder::RecorderRef;
use crate::record::registry::{DEFAULT_KIND, Identity};

/// An operation that is about to start: [`Monitor::operation`](crate::Monitor::operation).
///
/// Setting nothing but the name costs one look-up in a cache of the thread, about 10 ns; each label some 10 ns more.
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// local.scope(|| {
///     let op = local.operation("import").kind("batch").component("loader").label("source", "s3").items(1_000).start();
///     op.succeed();
/// });
/// let snapshot = local.snapshot();
/// let stats = snapshot.operation("import").unwrap();
/// assert_eq!((stats.kind.as_str(), stats.items), ("batch", 1_000));
/// assert_eq!(stats.series[0].labels["source"], "s3");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "an operation begins with `start`"]
pub struct OperationBuilder<'a> {
    recorder: RecorderRef,
    name: &'a str,
    kind: Option<&'a str>,
    component: Option<&'a str>,
    labels: Labels<'a>,
    items: u64,
    bytes: u64,
    sample: u32,
    policy: Option<RecordPolicy>,
    fields: Fields,
}

/// The labels of a builder. The first one, which is mostly the only one, is kept in place: a builder is moved about.
#[derive(Clone, Debug, Default)]
struct Labels<'a> {
    first: Option<(&'a str, &'a str)>,
    #[expect(clippy::box_collection, reason = "one word in the builder, which hardly ever has it")]
    more: Option<Box<Vec<(&'a str, &'a str)>>>,
}

impl<'a> Labels<'a> {
    #[inline(always)]
    fn push(&mut self, key: &'a str, value: &'a str) {
        match &self.first {
            None => self.first = Some((key, value)),
            Some(_) => self.more.get_or_insert_default().push((key, value)),
        }
    }

    /// All of them in order, when there is more than one.
    #[cold]
    fn sorted(&self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        sorted(self.first.iter().chain(more).copied()).into_vec()
    }
}

impl<'a> OperationBuilder<'a> {
    #[inline(always)]
    pub(crate) fn new(recorder: RecorderRef, name: &'a str) -> Self {
        Self {
            recorder,
            name,
            kind: None,
            component: None,
            labels: Labels::default(),
            items: 0,
            bytes: 0,
            sample: 1,
            policy: None,
            fields: Fields::default(),
        }
    }

    /// What sort of work it is: `database`, `api`, `cache`, `bulk` or a word of your own. Default: `function`.
    ///
    /// Statistics are also kept by kind. The same name with another kind is another operation.
    #[inline(always)]
    pub fn kind(mut self, kind: &'a str) -> Self {
        self.kind = Some(kind);
        self
    }

    /// The part of the program that it belongs to. Default: none.
    #[inline(always)]
    pub fn component(mut self, component: &'a str) -> Self {
        self.component = Some(component);
        self
    }

    /// A label: few distinct values, each with statistics of its own.
    ///
    /// The order of labels does not matter; of two with one key the later one counts. A key that Prometheus could not
    /// carry is changed into one that it can (`user-id` becomes `user_id`), a value over 128 bytes is cut, and both
    /// are counted in [`MonitorStats::names_changed`](crate::MonitorStats::names_changed). For values without bound use
    /// [`field`](Self::field).
    #[inline(always)]
    pub fn label(mut self, key: &'a str, value: &'a str) -> Self {
        self.labels.push(key, value);
        self
    }

    /// A field: kept in the individual record of the call, if there is one, and nowhere else.
    pub fn field(mut self, key: &'static str, value: impl Into<FieldValue>) -> Self {
        self.fields.push(key, value.into());
        self
    }

    /// Items that the operation works on.
    #[inline(always)]
    pub fn items(mut self, items: u64) -> Self {
        self.items = items;
        self
    }

    /// Bytes that the operation works on.
    #[inline(always)]
    pub fn bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Times one call in about so many; counts and outcomes stay exact. Default: 1, every call; 0 is read as 1.
    #[inline(always)]
    pub fn sample(mut self, one_in: u32) -> Self {
        self.sample = one_in;
        self
    }

    /// Which calls are kept as individual records. Default: [`RecordPolicy::Auto`]. The first start of an operation
    /// decides.
    #[inline(always)]
    pub fn record(mut self, policy: RecordPolicy) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Starts the operation.
    #[inline(always)]
    pub fn start(self) -> Operation {
        let Self { recorder, name, kind, component, labels, items, bytes, sample, policy, fields } = self;
        // Known where the builder is used, so nothing of this question is left after inlining.
        let bare = kind.is_none() && component.is_none() && labels.first.is_none() && policy.is_none() && sample <= 1;
        if bare {
            let mut call = OpenCall::begin_bare(recorder, name);
            (call.items, call.bytes, call.fields) = (items, bytes, fields);
            return Operation { call };
        }
        let sorted;
        let labels = match &labels.more {
            None => labels.first.as_slice(),
            Some(more) => {
                sorted = labels.sorted(more);
                &sorted
            }
        };
        let (kind, component) = (kind.unwrap_or(DEFAULT_KIND), component.unwrap_or_default());
        let identity = Identity { name, kind, component, labels };
        let recording = policy.unwrap_or_default().recording();
        Operation { call: OpenCall::begin(recorder, &identity, recording, sample, (items, bytes, fields)) }
    }

    /// Runs a closure as the operation. The outcome is read from what it returns: an `Err` is a failure, of which the
    /// type is kept; everything else is a success.
    ///
    /// Call [`Operation::fail`] in the closure, or use [`try_run`](Self::try_run), to keep the error's text.
    #[inline(always)]
    pub fn run<T>(self, f: impl FnOnce(&mut Operation) -> T) -> T {
        let mut op = self.start();
        op.call.ends_surely();
        let value = f(&mut op);
        match failure_in(&value) {
            None => op.call.end(Outcome::Success, None),
            Some(error) => op.call.end(Outcome::Failure, Some(&error)),
        }
        value
    }

    /// Runs a closure as the operation, and keeps the text of the error that it returns.
    ///
    /// # Errors
    /// That of the closure.
    #[inline(always)]
    pub fn try_run<T, E: Display>(self, f: impl FnOnce(&mut Operation) -> Result<T, E>) -> Result<T, E> {
        let mut op = self.start();
        op.call.ends_surely();
        let result = f(&mut op);
        match &result {
            Ok(_) => op.call.end(Outcome::Success, None),
            Err(error) => op.call.end(Outcome::Failure, Some(&Displayed(error))),
        }
        result
    }
}

impl fmt::Debug for OperationBuilder<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OperationBuilder")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("component", &self.component)
            .field("labels", &self.labels)
            .finish_non_exhaustive()
    }
}

/// An operation that runs. It ends with [`succeed`](Self::succeed), [`fail`](Self::fail) or [`cancel`](Self::cancel),
/// or when it is dropped: then it succeeded, unless a panic that began while it ran is what drops it.
///
/// It may be sent to another thread and end there. It counts once, wherever it ends; on the thread where it started it
/// is the parent of what starts there until it ends.
///
/// Across an `await` keep it in a future that is tracked itself: the guard then leaves the thread with that future and
/// comes back with it. In a task that is not tracked it stays on the stack of the thread that polled it, and what other
/// tasks do there in the meantime counts as its children.
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().build()?;
/// local.scope(|| {
///     let mut op = local.operation("upload").start();
///     op.add_bytes(4_096);
///     match std::str::from_utf8(b"\xff") {
///         Ok(_) => op.succeed(),
///         Err(error) => op.fail(&error),
///     }
/// });
/// let snapshot = local.snapshot();
/// let stats = snapshot.operation("upload").unwrap();
/// assert_eq!((stats.failed, stats.bytes), (1, 4_096));
/// assert_eq!(local.recent(1)[0].error.as_ref().unwrap().kind, "core::str::error::Utf8Error");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[must_use = "an operation that is not kept in a variable ends at once"]
pub struct Operation {
    call: OpenCall,
}

impl Operation {
    /// The id under which [`Monitor::active`](crate::Monitor::active) and records show the call; 0 when the monitor is
    /// switched off.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.call.id()
    }

    /// Adds items that were worked on. They count when the operation ends, however it ends.
    #[inline(always)]
    pub fn add_items(&mut self, items: u64) {
        self.call.items = self.call.items.saturating_add(items);
    }

    /// Adds bytes that were worked on. They count when the operation ends, however it ends.
    #[inline(always)]
    pub fn add_bytes(&mut self, bytes: u64) {
        self.call.bytes = self.call.bytes.saturating_add(bytes);
    }

    /// Adds a field to the individual record of the call.
    pub fn add_field(&mut self, key: &'static str, value: impl Into<FieldValue>) {
        self.call.fields.push(key, value.into());
    }

    /// Ends the operation with success.
    #[inline(always)]
    pub fn succeed(self) {
        self.call.end(Outcome::Success, None);
    }

    /// Ends the operation with a failure. The error's text and its sources are taken only if a record of the call is
    /// kept.
    pub fn fail<E: Error + ?Sized>(self, error: &E) {
        self.call.end(Outcome::Failure, Some(&Caused(error)));
    }

    /// Ends the operation with a failure that is no [`Error`]: a message, or anything that can be displayed.
    pub fn fail_with<E: Display + ?Sized>(self, message: &E) {
        self.call.end(Outcome::Failure, Some(&Displayed(message)));
    }

    /// Ends the operation as cancelled: given up before it was done, and nobody's error.
    pub fn cancel(self) {
        self.call.end(Outcome::Cancelled, None);
    }
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("id", &self.id()).finish_non_exhaustive()
    }
}
