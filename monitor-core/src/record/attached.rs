//! The collector of a recorder, as the recorder knows it: somebody to call when there is much to fetch, and to ask how the
//! sinks are doing. And the place of audit entries.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crate::base::error::Error;
use crate::model::{AuditDraft, AuditEntry, AuditError, SinkStats};

/// What stands between a recorder and its sinks.
pub(crate) trait Collecting: Send + Sync {
    /// How each sink is doing.
    fn sinks(&self) -> Vec<SinkStats>;

    /// Has what came so far delivered.
    fn flush(&self, patience: Duration) -> Result<(), Error>;

    /// Delivers what is on its way and ends.
    fn shut_down(&self, patience: Duration) -> Result<(), Error>;
}

/// Where audit entries go.
pub(crate) trait Auditing: Send + Sync {
    /// Keeps an entry.
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError>;
}

/// The collector of a recorder, if it has one, and the place of audit entries. There is one of each at most, once.
#[derive(Default)]
pub(crate) struct Attached {
    collector: OnceLock<Arc<dyn Collecting>>,
    audit: OnceLock<Arc<dyn Auditing>>,
    thread: OnceLock<Thread>,
    /// Whether somebody is there to be called, and has not been called since it last went to work.
    may_call: AtomicBool,
}

impl Attached {
    /// False if there is one already.
    pub(crate) fn attach(&self, collector: Arc<dyn Collecting>) -> bool {
        self.collector.set(collector).is_ok()
    }

    /// The first one counts.
    pub(crate) fn attach_audit(&self, audit: Arc<dyn Auditing>) {
        let _ = self.audit.set(audit);
    }

    /// The place of audit entries.
    pub(crate) fn audit(&self) -> Option<Arc<dyn Auditing>> {
        self.audit.get().cloned()
    }

    pub(crate) fn sinks(&self) -> Vec<SinkStats> {
        self.collector.get().map_or_else(Vec::new, |collector| collector.sinks())
    }

    /// Has what came so far delivered to all sinks, of which there may be none.
    pub(crate) fn flush(&self, patience: Duration) -> Result<(), Error> {
        self.collector.get().map_or(Ok(()), |collector| collector.flush(patience))
    }

    /// Delivers what is on its way, and ends sinks and threads.
    pub(crate) fn shut_down(&self, patience: Duration) -> Result<(), Error> {
        self.collector.get().map_or(Ok(()), |collector| collector.shut_down(patience))
    }

    /// The thread to call from now on. The first one counts.
    pub(crate) fn set_thread(&self, thread: Thread) {
        let _ = self.thread.set(thread);
        self.may_call.store(true, Ordering::SeqCst);
    }

    /// Nobody is to be called any more.
    pub(crate) fn unset_thread(&self) {
        self.may_call.store(false, Ordering::SeqCst);
    }

    /// Lets itself be called again. By the thread itself, before it looks what there is: what comes after its look calls it
    /// once more.
    pub(crate) fn listen(&self) {
        self.may_call.store(true, Ordering::SeqCst);
    }

    /// Has the collector come soon. Cheap when it has been called already, and nothing when there is none.
    ///
    /// Without a lock: whoever found it taken would have to leave, and who has it may be put off by the very thread that it
    /// wakes.
    #[inline]
    pub(crate) fn call(&self) {
        if self.may_call.load(Ordering::Relaxed)
            && self.may_call.swap(false, Ordering::SeqCst)
            && let Some(thread) = self.thread.get()
        {
            thread.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;
    use std::thread;
    use std::time::Instant;

    use super::*;

    #[test]
    fn no_call_is_lost() {
        const CALLS: u64 = 20_000;
        // Longer than anybody waits: only calls make the collector come.
        const LONG: Duration = Duration::from_mins(1);
        let (attached, waiting, fetched) = (Attached::default(), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            let collector = scope.spawn(|| {
                while fetched.load(Ordering::SeqCst) < 2 * CALLS {
                    let parked = Instant::now();
                    thread::park_timeout(LONG);
                    assert!(parked.elapsed() < LONG, "nobody called");
                    attached.listen();
                    let now = waiting.swap(0, Ordering::SeqCst);
                    fetched.fetch_add(now, Ordering::SeqCst);
                }
            });
            attached.set_thread(collector.thread().clone());
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..CALLS {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        attached.call();
                    }
                });
            }
        });
        assert_eq!(fetched.load(Ordering::SeqCst), 2 * CALLS);
    }
}
