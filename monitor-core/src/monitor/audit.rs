//! Audit entries.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::Monitor;
use crate::model::{AuditDraft, AuditEntry, AuditError};
use crate::ports::audit::{AuditBuilder, AuditTrail};
use crate::record::attached::Auditing;
use crate::record::failure::count_panicked_callback;

/// # Audit
///
/// Who did what, when and from where, in the place that the monitor was built with:
/// `MonitorBuilder::sqlite` or
/// [`MonitorBuilder::audit_trail`](crate::MonitorBuilder::audit_trail). Entries are kept whether recording is on or not.
impl Monitor {
    /// An audit entry to write: who did what, now by this monitor's clock. See [`AuditBuilder`].
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use monitor_core::Monitor;
    /// # let folder = std::env::temp_dir().join(format!("monitor-audit-of-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder)?;
    /// # let file = folder.join("monitor.db");
    /// let local = Monitor::builder().sqlite(&file).build()?;
    /// let entry = local.audit("alice", "deploy").target("api").source("10.0.0.7").detail("version", "1.2").write()?;
    /// assert_eq!(entry.id, 1);
    /// # local.shutdown(std::time::Duration::from_secs(5))?;
    /// # std::fs::remove_dir_all(&folder)?;
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    pub fn audit(&self, actor: &str, action: &str) -> AuditBuilder<'static> {
        let recorder = self.recorder();
        let draft = AuditDraft::new(recorder.clock.anchor().wall, actor, action);
        let place = recorder.attached.audit();
        AuditBuilder::new(draft, move |draft| place.ok_or_else(AuditError::no_place)?.write(draft))
    }
}

/// A place of the host's, whose panics are contained.
pub(super) struct Contained<T>(pub(super) T);

impl<T: AuditTrail> Auditing for Contained<T> {
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
        catch_unwind(AssertUnwindSafe(|| self.0.write(draft))).unwrap_or_else(|panic| {
            count_panicked_callback();
            // What it panicked with may itself panic when it is dropped.
            std::mem::forget(panic);
            Err(AuditError::unavailable("its code panicked; whether the entry was kept is not known"))
        })
    }
}
