//! The shelves: a thread that counts items, one question after the other.

use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::thread;

use monitor_core::{Context, track_operation};
use tokio::sync::oneshot;

type Question = Box<dyn FnOnce() + Send>;

/// The way to the thread.
pub(crate) struct Shelves {
    questions: Sender<Question>,
}

/// Somebody stands before that shelf.
#[derive(Debug)]
pub(crate) struct NotCounted;

impl fmt::Display for NotCounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the shelf cannot be reached")
    }
}

impl Shelves {
    /// Starts the thread. It ends with the last way to it.
    pub(crate) fn open() -> Shelves {
        let (questions, asked) = channel::<Question>();
        thread::spawn(move || {
            for question in asked {
                question();
            }
        });
        Shelves { questions }
    }

    /// Has an item counted, on behalf of whoever asks.
    pub(crate) async fn count(&self, item: u32) -> Result<Option<u32>, NotCounted> {
        let (tell, told) = oneshot::channel();
        // The thread works in the context of the request: its calls belong to that trace, its errors too.
        let question = Context::current().wrap(move || {
            // Nobody listens if the request was given up.
            let _ = tell.send(count(item));
        });
        self.questions.send(Box::new(question)).map_err(|_| NotCounted)?;
        told.await.map_err(|_| NotCounted)?
    }
}

/// Every tenth item is unknown, and every tenth shelf cannot be reached.
#[track_operation(name = "shelves.count", kind = "database", fields(item))]
fn count(item: u32) -> Result<Option<u32>, NotCounted> {
    match item % 10 {
        7 => Ok(None),
        9 => Err(NotCounted),
        rest => Ok(Some(rest * 3)),
    }
}
