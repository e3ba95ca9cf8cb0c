//! A bounded queue from many threads to one async reader, and the smallest executor that can wait for it.
//!
//! A real program would take both from its runtime, see the example `tokio_service`. They are here because this example
//! must be built quickly, and to show that a tracked future needs no particular runtime.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

/// Messages that may wait; a sender of one more blocks.
const CAPACITY: usize = 64;

struct Mailbox<T> {
    state: Mutex<State<T>>,
    room: Condvar,
}

struct State<T> {
    messages: VecDeque<T>,
    senders: usize,
    receiver_is_gone: bool,
    waker: Option<Waker>,
}

pub(crate) struct Sender<T>(Arc<Mailbox<T>>);

pub(crate) struct Receiver<T>(Arc<Mailbox<T>>);

/// The two ends of a queue.
pub(crate) fn mailbox<T>() -> (Sender<T>, Receiver<T>) {
    let state = State { messages: VecDeque::new(), senders: 1, receiver_is_gone: false, waker: None };
    let mailbox = Arc::new(Mailbox { state: Mutex::new(state), room: Condvar::new() });
    (Sender(Arc::clone(&mailbox)), Receiver(mailbox))
}

impl<T> Mailbox<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Sender<T> {
    /// Sends a message; waits while the queue is full. Without a receiver the message is dropped.
    pub(crate) fn send(&self, message: T) {
        let is_full = |state: &mut State<T>| state.messages.len() >= CAPACITY && !state.receiver_is_gone;
        let locked = self.0.room.wait_while(self.0.lock(), is_full);
        let mut state = locked.unwrap_or_else(PoisonError::into_inner);
        if !state.receiver_is_gone {
            state.messages.push_back(message);
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.lock().senders += 1;
        Self(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.senders -= 1;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Receiver<T> {
    /// The next message; `None` when all senders are gone.
    pub(crate) async fn receive(&mut self) -> Option<T> {
        poll_fn(|context| {
            let mut state = self.0.lock();
            if let Some(message) = state.messages.pop_front() {
                self.0.room.notify_one();
                return Poll::Ready(Some(message));
            }
            if state.senders == 0 {
                return Poll::Ready(None);
            }
            state.waker = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.lock().receiver_is_gone = true;
        self.0.room.notify_all();
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread, which sleeps while the future waits.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}
