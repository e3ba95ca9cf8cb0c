//! Panics as errors.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use crate::base::names::truncated;
use crate::model::{ErrorText, Severity};
use crate::record::errors::{Place, Report, report};
use crate::record::failure::Failure;
use crate::record::local::current_recorder;
use crate::record::quiet;

/// Records every panic of the program as an error from now on: kind `panic`, severity `critical`, with its message,
/// where in the source it was, and the operation that it was in. The panic goes to the monitor that its thread records
/// into.
///
/// It sets a panic hook that calls the one before, so what the program prints or does on a panic stays as it was. A hook
/// that is set later should call the one before, too. Calling this again does nothing, and neither does calling it
/// while the thread panics.
///
/// The calls that the panic unwinds through are counted as panicked in any case; that needs no hook.
///
/// ```
/// use monitor_core::Monitor;
///
/// monitor_core::record_panics();
/// let local = Monitor::builder().build()?;
/// local.scope(|| {
///     let caught = std::panic::catch_unwind(|| local.track("divide", |_| panic!("by {}", 0)));
///     assert!(caught.is_err());
/// });
/// let snapshot = local.snapshot();
/// let group = &snapshot.errors()[0];
/// assert_eq!((group.kind.as_str(), group.place.as_str(), group.pattern.as_str()), ("panic", "divide", "by <n>"));
/// # Ok::<(), monitor_core::Error>(())
/// ```
pub fn record_panics() {
    static HOOK: Once = Once::new();
    // The standard library panics when a thread that panics touches the hook. Nor may such a thread wait for one that
    // sets it: that one waits for hooks that run.
    if std::thread::panicking() {
        return;
    }
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            record(info);
            before(info);
        }));
    });
}

/// In here nothing may panic: the program would be aborted.
fn record(info: &PanicHookInfo<'_>) {
    // A panic from within the recorder, which may hold a lock: of code that it called, such as an allocator.
    if quiet::is_quiet() {
        return;
    }
    let (file, line, column) = info.location().map_or(("", 0, 0), |at| (at.file(), at.line(), at.column()));
    let place = Place { file, line, column };
    let found = Report {
        error: &Message(info.payload_as_str().unwrap_or("(not a text)")),
        kind: None,
        severity: Severity::Critical,
        component: "",
        fingerprint: None,
        context: &[],
        place,
        here: None,
    };
    report(&current_recorder(), &found);
}

/// Longest message of a panic in bytes; what is longer is cut.
const MAX_MESSAGE_BYTES: usize = 1_024;

struct Message<'a>(&'a str);

impl Failure for Message<'_> {
    fn describe(&self) -> ErrorText {
        ErrorText::new("panic", truncated(self.0, MAX_MESSAGE_BYTES))
    }
}
