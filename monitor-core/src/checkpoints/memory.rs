//! Checkpoints in memory.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::ports::checkpoints::Checkpoints;

/// Jobs that have a checkpoint, at the most.
const JOBS: usize = 1_024;

/// Checkpoints in memory: for tests, and for jobs that are to be resumed within one process. Clones share them.
///
/// At most 1,024 jobs may have one; a further one is refused as by a full disk.
///
/// ```
/// use monitor_core::{MemoryCheckpoints, Monitor};
///
/// let local = Monitor::builder().build()?;
/// let kept = MemoryCheckpoints::new();
/// let first = local.progress("import").total(100).checkpoints(kept.clone()).start();
/// first.inc(40);
/// first.checkpoint(&"row 40")?;
/// drop(first); // the job was not finished
///
/// let second = local.progress("import").total(100).checkpoints(kept).start();
/// assert_eq!(second.resume::<String>()?.as_deref(), Some("row 40"));
/// assert_eq!(second.stats().done, 40);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default)]
pub struct MemoryCheckpoints {
    kept: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl MemoryCheckpoints {
    /// A place without any checkpoint.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Checkpoints for MemoryCheckpoints {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let bytes = bytes.to_vec();
        let mut kept = self.kept.lock();
        if kept.len() >= JOBS && !kept.contains_key(name) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "1024 jobs have checkpoints here already"));
        }
        kept.insert(name.to_owned(), bytes);
        Ok(())
    }

    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.kept.lock().get(name).cloned())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.kept.lock().remove(name);
        Ok(())
    }

    fn location(&self, name: &str) -> String {
        format!("of job `{name}` in memory")
    }
}

impl fmt::Debug for MemoryCheckpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let jobs = self.kept.lock().len();
        f.debug_struct("MemoryCheckpoints").field("jobs", &jobs).finish()
    }
}
