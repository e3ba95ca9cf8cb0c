//! Where checkpoints are kept.

use std::io;
use std::sync::Arc;

/// A place that keeps the last checkpoint of each job, by name.
///
/// [`MemoryCheckpoints`](crate::MemoryCheckpoints) and [`FileCheckpoints`](crate::FileCheckpoints) are two; a program may
/// have its own, such as a table of its database. What is kept is a text of one header and the state, with a checksum
/// that the caller of this trait checks; a place keeps it as it is.
///
/// Methods are called on the thread that asks for the checkpoint, never under a lock, and for one job one after the
/// other. A panic in them is contained and becomes an error.
///
/// ```
/// use monitor_core::{Checkpoints, Monitor};
/// use std::{collections::HashMap, io, sync::Mutex};
///
/// #[derive(Default)]
/// struct Table(Mutex<HashMap<String, Vec<u8>>>);
///
/// impl Checkpoints for Table {
///     fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
///         self.0.lock().unwrap().insert(name.to_owned(), bytes.to_vec());
///         Ok(())
///     }
///     fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
///         Ok(self.0.lock().unwrap().get(name).cloned())
///     }
///     fn remove(&self, name: &str) -> io::Result<()> {
///         self.0.lock().unwrap().remove(name);
///         Ok(())
///     }
/// }
///
/// let local = Monitor::builder().build()?;
/// let job = local.progress("import").checkpoints(Table::default()).start();
/// job.checkpoint(&17)?;
/// assert_eq!(job.resume::<i32>()?, Some(17));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Checkpoints: Send + Sync {
    /// Keeps the bytes in the place of those kept under that name before. When it returns they must be there after a
    /// power cut, if the place promises that at all; when it fails, those from before must be there as they were.
    ///
    /// # Errors
    /// When they cannot be kept. [`io::ErrorKind::StorageFull`] is told apart.
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()>;

    /// The bytes kept last under that name, `None` if there are none. A place that cannot tell must fail.
    ///
    /// # Errors
    /// When it cannot be told whether there are any, or they cannot be read.
    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>>;

    /// Forgets what is kept under that name, if anything is.
    ///
    /// # Errors
    /// When it cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Where the checkpoint of that name is, for messages of errors.
    fn location(&self, name: &str) -> String {
        format!("of job `{name}`")
    }
}

impl<C: Checkpoints + ?Sized> Checkpoints for Arc<C> {
    fn save(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        (**self).save(name, bytes)
    }

    fn load(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        (**self).load(name)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        (**self).remove(name)
    }

    fn location(&self, name: &str) -> String {
        (**self).location(name)
    }
}
