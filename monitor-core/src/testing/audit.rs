//! A place for audit entries in memory, and assertions on what came there.

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::model::text::one_line;
use crate::model::{AuditDraft, AuditEntry, AuditError};
use crate::ports::audit::AuditTrail;

/// Entries that it keeps.
const MOST: usize = 10_000;

/// An [`AuditTrail`] in memory, for tests: what a program says of itself is there to be looked at. Clones share it.
///
/// It keeps 10,000 entries; a further one is refused as by a full disk. Its entries have no hashes.
///
/// ```
/// use monitor_core::{Monitor, testing};
///
/// let trail = testing::MemoryAuditTrail::new();
/// let local = Monitor::builder().audit_trail(trail.clone()).build()?;
/// local.audit("alice", "deploy").target("api").detail("version", "1.2").write()?;
/// trail.assert_entry("alice", "deploy").target("api").detail("version", "1.2");
/// trail.assert_entries(1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryAuditTrail {
    entries: Arc<Mutex<Vec<AuditEntry>>>,
}

impl MemoryAuditTrail {
    /// One without entries.
    #[must_use]
    pub fn new() -> MemoryAuditTrail {
        MemoryAuditTrail::default()
    }

    /// All entries, the oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<AuditEntry> {
        self.entries.lock().clone()
    }

    /// Begins assertions on the last entry of that actor and action.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    pub fn assert_entry(&self, actor: &str, action: &str) -> AuditEntryAssert {
        let entries = self.entries();
        match entries.iter().rfind(|entry| entry.actor == actor && entry.action == action) {
            Some(entry) => AuditEntryAssert { entry: entry.clone() },
            None => {
                panic!("no audit entry says that `{}` did `{}`; {}", one_line(actor), one_line(action), Shown(&entries))
            }
        }
    }

    /// There are so many entries.
    ///
    /// # Panics
    ///
    /// When there are more or fewer.
    #[track_caller]
    pub fn assert_entries(&self, count: usize) {
        let entries = self.entries();
        assert!(entries.len() == count, "expected {count} audit entries; {}", Shown(&entries));
    }
}

impl AuditTrail for MemoryAuditTrail {
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
        draft.check()?;
        let AuditDraft { at, actor, action, target, source, details } = draft.clone();
        let mut entries = self.entries.lock();
        if entries.len() >= MOST {
            return Err(AuditError::full("10000 entries are in memory already"));
        }
        let id = i64::try_from(entries.len() + 1).unwrap_or(i64::MAX);
        let entry = AuditEntry { id, at, actor, action, target, source, details, hash: String::new() };
        entries.push(entry.clone());
        Ok(entry)
    }
}

impl fmt::Debug for MemoryAuditTrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = self.entries.lock().len();
        f.debug_struct("MemoryAuditTrail").field("entries", &entries).finish()
    }
}

/// Assertions on one audit entry, from [`MemoryAuditTrail::assert_entry`]. Each gives itself back, to be followed by another.
///
/// All of them panic, with the whole entry, when they do not hold.
#[derive(Debug, Clone)]
pub struct AuditEntryAssert {
    entry: AuditEntry,
}

impl AuditEntryAssert {
    /// It was done to that.
    #[track_caller]
    pub fn target(self, target: &str) -> Self {
        let holds = self.entry.target == target;
        self.check(holds, format_args!("expected the target `{}`", one_line(target)))
    }

    /// It was done from there.
    #[track_caller]
    pub fn source(self, source: &str) -> Self {
        let holds = self.entry.source == source;
        self.check(holds, format_args!("expected the source `{}`", one_line(source)))
    }

    /// It has that detail.
    #[track_caller]
    pub fn detail(self, key: &str, value: &str) -> Self {
        let holds = self.entry.details.get(key).is_some_and(|found| found == value);
        self.check(holds, format_args!("expected the detail `{}` to be `{}`", one_line(key), one_line(value)))
    }

    #[track_caller]
    fn check(self, holds: bool, expected: fmt::Arguments<'_>) -> Self {
        assert!(holds, "audit entry: {expected}; {}", Shown(std::slice::from_ref(&self.entry)));
        self
    }
}

/// The last entries, a line for each.
struct Shown<'a>(&'a [AuditEntry]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("there are none");
        }
        write!(f, "found {}", self.0.len())?;
        for entry in self.0.iter().rev().take(20) {
            let AuditEntry { id, actor, action, target, source, details, .. } = entry;
            write!(f, "\n  {id} {actor:?} {action:?} target {target:?} source {source:?} {details:?}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Monitor;

    #[test]
    fn what_does_not_hold_panics_and_shows_the_entry() {
        let trail = MemoryAuditTrail::new();
        let local = Monitor::builder().audit_trail(trail.clone()).build().unwrap();
        let failing = |f: &dyn Fn()| {
            let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
            panic.downcast_ref::<String>().unwrap().clone()
        };
        assert!(failing(&|| drop(trail.assert_entry("a", "b"))).ends_with("did `b`; there are none"));
        local.audit("a", "b").target("t").source("s").write().unwrap();
        trail.assert_entry("a", "b").target("t").source("s");
        let message = failing(&|| drop(trail.assert_entry("a", "b").detail("k", "v")));
        assert_eq!(
            message,
            "audit entry: expected the detail `k` to be `v`; found 1\n  1 \"a\" \"b\" target \"t\" source \"s\" {}"
        );
        assert!(failing(&|| trail.assert_entries(2)).starts_with("expected 2 audit entries; found 1"));
        assert!(failing(&|| drop(trail.assert_entry("a", "c").target("t"))).contains("did `c`"));
        assert!(failing(&|| drop(trail.assert_entry("a", "b").target("x"))).contains("the target `x`"));
        assert!(failing(&|| drop(trail.assert_entry("a", "b").source("x"))).contains("the source `x`"));
    }

    #[test]
    fn it_is_bounded() {
        let trail = MemoryAuditTrail::new();
        let draft = AuditDraft::new(std::time::SystemTime::UNIX_EPOCH, "a", "b");
        (0..MOST).for_each(|_| drop(trail.write(&draft).unwrap()));
        assert!(trail.write(&draft).unwrap_err().is_full());
        assert_eq!(trail.entries().len(), MOST);
    }
}
