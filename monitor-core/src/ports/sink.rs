//! Where a monitor's data goes as it comes.

use std::error::Error;
use std::fmt;

use crate::model::{Batch, Instance};

/// A place that keeps what a monitor sees: a database, a file, another program.
///
/// It is given to [`MonitorBuilder::sink`](crate::MonitorBuilder::sink). Each sink has a thread and a bounded queue of
/// its own: one that is slow, stalled or failing delays nobody, neither the program nor another sink, and loses only its
/// own batches. What is lost is counted by reason in [`SinkStats`](crate::SinkStats).
///
/// A batch comes each second, earlier when there is much to tell. A panic in a method is contained and counts as an error
/// that cannot be mended by trying again.
///
/// ```
/// use monitor_core::{Batch, Instance, Monitor, Sink, SinkError};
/// use std::sync::mpsc;
/// use std::time::Duration;
///
/// struct Names(mpsc::Sender<String>);
///
/// impl Sink for Names {
///     fn name(&self) -> &str {
///         "names"
///     }
///     fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
///         for record in &batch.records {
///             self.0.send(record.name.clone()).map_err(|error| SinkError::refused(&error))?;
///         }
///         Ok(())
///     }
/// }
///
/// let (sender, names) = mpsc::channel();
/// let local = Monitor::builder().sink(Names(sender)).build()?;
/// local.operation("import").start().succeed();
/// local.flush(Duration::from_secs(5))?;
/// assert_eq!(names.recv()?, "import");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Sink: Send {
    /// What it is called in [`SinkStats`](crate::SinkStats), such as `sqlite`.
    fn name(&self) -> &str;

    /// Called once before everything else, by the thread that builds the monitor.
    ///
    /// # Errors
    /// One that is [`refused`](SinkError::refused) makes the building of the monitor fail. After any other the sink begins
    /// as degraded, and this is called again before the next write, by the sink's own thread.
    fn open(&mut self, instance: &Instance) -> Result<(), SinkError> {
        let _ = instance;
        Ok(())
    }

    /// Keeps a batch, all of it or nothing. When it returns, the batch must be as safe as the sink promises.
    ///
    /// # Errors
    /// After [`SinkError::again`] the same batch comes once more, after a moment that grows to five seconds. After
    /// [`SinkError::refused`] it is dropped, and the next one comes.
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError>;

    /// Called when there is nothing to write, about once a second: for upkeep in small portions. Default: nothing.
    ///
    /// # Errors
    /// Counted and shown as those of `write`.
    fn idle(&mut self) -> Result<(), SinkError> {
        Ok(())
    }

    /// Called last, after the last batch.
    ///
    /// # Errors
    /// Told to whoever shuts the monitor down.
    fn close(&mut self) -> Result<(), SinkError> {
        Ok(())
    }
}

/// Why a sink could not do what it was asked to.
#[derive(Debug)]
pub struct SinkError {
    again: bool,
    message: String,
}

impl SinkError {
    /// It may be over soon: a disk that is full, a server that is away.
    #[must_use]
    pub fn again(error: &dyn Error) -> SinkError {
        SinkError { again: true, message: chain(error) }
    }

    /// It will not be different next time: a batch that cannot be stored, a path that is a folder.
    #[must_use]
    pub fn refused(error: &dyn Error) -> SinkError {
        SinkError { again: false, message: chain(error) }
    }

    /// Whether it is to be tried again.
    #[must_use]
    pub fn is_again(&self) -> bool {
        self.again
    }
}

/// The error and what caused it, on one line.
fn chain(error: &dyn Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        message.push_str(": ");
        message.push_str(&cause.to_string());
        source = cause.source();
    }
    message
}

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for SinkError {}
