//! Signals that tell the program to end: the bars are taken away first.
//!
//! The handlers are those of `signal-hook`, which does in a handler what may be done there and calls the handler from
//! before. They are registered once and stay; without bars they let a signal do at once what it does by default.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;

use crate::record::fork;

#[cfg(unix)]
const SIGNALS: [i32; 3] = [SIGINT, SIGTERM, signal_hook::consts::SIGHUP];
#[cfg(not(unix))]
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

struct Handlers {
    /// Whether a signal is to do at once what it does by default: without bars, and after a first one.
    at_once: Arc<AtomicBool>,
    received: Arc<AtomicUsize>,
}

static HANDLERS: OnceLock<Handlers> = OnceLock::new();

/// From now on the bars are taken away first.
pub(super) fn arm() {
    let handlers = HANDLERS.get_or_init(|| {
        let handlers = Handlers { at_once: Arc::new(AtomicBool::new(false)), received: Arc::default() };
        for signal in SIGNALS {
            // In this order: the first signal finds the flag not set, and sets it for the second one. A signal that cannot
            // be handled keeps its default, which ends the program as well.
            let registered = flag::register_conditional_default(signal, Arc::clone(&handlers.at_once))
                .and_then(|_| flag::register(signal, Arc::clone(&handlers.at_once)));
            if registered.is_ok()
                && let Ok(number) = usize::try_from(signal)
            {
                let _ = flag::register_usize(signal, Arc::clone(&handlers.received), number);
            }
        }
        // A child has the handlers and not the thread that draws: nobody would end it.
        fork::tell_children(&handlers.at_once);
        handlers
    });
    handlers.at_once.store(false, Ordering::SeqCst);
}

/// From now on there are no bars to take away.
pub(super) fn disarm() {
    if let Some(handlers) = HANDLERS.get() {
        handlers.at_once.store(true, Ordering::SeqCst);
    }
}

/// The signal that came, if one did.
pub(super) fn received() -> Option<i32> {
    let received = HANDLERS.get()?.received.load(Ordering::SeqCst);
    i32::try_from(received).ok().filter(|signal| *signal != 0)
}

/// Does what the signal does by default: ends the program.
pub(super) fn end_by(signal: i32) {
    let _ = emulate_default_handler(signal);
}
