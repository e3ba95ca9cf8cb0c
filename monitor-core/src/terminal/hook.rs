//! The panic hook that takes the bars away before the message of a panic is written.

use std::panic::{PanicHookInfo, set_hook, take_hook};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::desk::Desk;

/// The desk of the bars that are on the terminal.
static CURRENT: Mutex<Weak<Desk>> = Mutex::new(Weak::new());

static INSTALLED: AtomicBool = AtomicBool::new(false);

/// Whose bars are on the terminal, if any are. Tried, not waited for: a forked child may find the lock held for ever.
pub(super) fn current() -> Option<Arc<Desk>> {
    CURRENT.try_lock()?.upgrade().filter(|desk| desk.is_drawn())
}

/// Lets panics take these bars away. The hook is installed once and stays, since others may have been put on it; without
/// bars it does nothing but call the one from before.
pub(super) fn install(desk: &Arc<Desk>) {
    *CURRENT.lock() = Arc::downgrade(desk);
    // The standard library forbids changing hooks while panicking.
    if std::thread::panicking() || INSTALLED.swap(true, Ordering::SeqCst) {
        return;
    }
    let before = take_hook();
    set_hook(Box::new(move |panic: &PanicHookInfo<'_>| {
        let desk = current();
        let _away = desk.as_ref().and_then(|desk| desk.hold());
        before(panic);
    }));
}
