//! The thread of one sink: it opens it, writes batch after batch, does upkeep, and closes it. Whatever its methods do stays
//! here: they are code of the host, and may fail, panic or hang.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::queue::{FIRST_PAUSE, Fate, Next, Shared};
use crate::model::{Batch, Instance};
use crate::ports::sink::{Sink, SinkError};

/// The longest pause after an error.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often the sink may do upkeep.
const UPKEEP: Duration = Duration::from_secs(1);

const PANICKED: &str = "the sink panicked";

/// What a method of a sink came to.
pub(super) enum Came {
    Done,
    Again(String),
    Refused(String),
    Panicked,
}

impl Came {
    fn of(result: Result<Result<(), SinkError>, Box<dyn Any + Send>>) -> Self {
        match result {
            Ok(Ok(())) => Self::Done,
            Ok(Err(error)) if error.is_again() => Self::Again(error.to_string()),
            Ok(Err(error)) => Self::Refused(error.to_string()),
            Err(panic) => {
                // What a panic carries may itself panic when dropped.
                std::mem::forget(panic);
                Self::Panicked
            }
        }
    }

    /// The error, if there is one.
    pub(super) fn into_error(self) -> Option<String> {
        match self {
            Self::Done => None,
            Self::Again(error) | Self::Refused(error) => Some(error),
            Self::Panicked => Some(PANICKED.to_owned()),
        }
    }
}

/// Runs a method of a sink. Unwind safety: the sink is the host's own, and sees its own panic.
pub(super) fn contained(f: impl FnOnce() -> Result<(), SinkError>) -> Came {
    Came::of(catch_unwind(AssertUnwindSafe(f)))
}

pub(super) struct Worker {
    pub(super) shared: Arc<Shared>,
    pub(super) sink: Box<dyn Sink>,
    pub(super) instance: Instance,
    pub(super) is_open: bool,
}

impl Worker {
    pub(super) fn run(mut self) {
        let mut kept_up = Instant::now();
        loop {
            match self.shared.next(kept_up + UPKEEP) {
                Next::Write(number, batch) => self.write(number, &batch),
                Next::Upkeep => {
                    self.keep_up();
                    kept_up = Instant::now();
                }
                Next::End => break,
            }
        }
        let closed = contained(|| if self.is_open { self.sink.close() } else { Ok(()) }).into_error();
        let Self { shared, sink, .. } = self;
        // Its drop may panic, too.
        let dropped = contained(|| {
            drop(sink);
            Ok(())
        });
        shared.end(closed.or(dropped.into_error()));
    }

    /// Writes a batch, again and again if it must be.
    fn write(&mut self, number: u64, batch: &Batch) {
        let mut pause = FIRST_PAUSE;
        loop {
            let began = self.shared.begin_write();
            let fate = match self.open().or_else(|| Some(contained(|| self.sink.write(batch)))) {
                // It could not be opened, whatever the reason: that may change.
                Some(came) if !self.is_open => Fate::Again(came.into_error().unwrap_or_default()),
                Some(Came::Done) | None => Fate::Stored,
                Some(Came::Again(error)) => Fate::Again(error),
                Some(Came::Refused(error)) => Fate::Dropped("refused", error),
                Some(Came::Panicked) => Fate::Dropped("panicked", PANICKED.to_owned()),
            };
            if self.shared.end_write(number, began, fate) || !self.shared.pause(pause) {
                return;
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Opens the sink if it is not open: what that came to, if it is still not.
    fn open(&mut self) -> Option<Came> {
        if !self.is_open {
            let came = contained(|| self.sink.open(&self.instance));
            if !matches!(came, Came::Done) {
                return Some(came);
            }
            self.is_open = true;
        }
        None
    }

    fn keep_up(&mut self) {
        if self.is_open {
            let error = contained(|| self.sink.idle()).into_error();
            self.shared.end_upkeep(error);
        }
    }
}
