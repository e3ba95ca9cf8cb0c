//! Connections of clients: how many there may be, and which one goes for another.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use parking_lot::Mutex;

/// The connections that there are.
#[derive(Default)]
pub(crate) struct Connections {
    open: Mutex<HashMap<u64, Open>>,
    /// One has gone, or has ended a request.
    changed: Notify,
}

struct Open {
    /// Requests that are being answered.
    answering: usize,
    idle_since: Instant,
    cut: oneshot::Sender<()>,
}

/// One of them; it is gone when this is dropped.
pub(crate) struct Connection {
    number: u64,
    connections: Arc<Connections>,
}

/// A request that is being answered until this is dropped.
pub(crate) struct Answering {
    number: u64,
    connections: Arc<Connections>,
}

impl Connections {
    /// A place for a further connection. If there are `most` already, the one goes that has been without a request for
    /// longest; while all of them have one, this waits. What is returned says when the connection is to be cut.
    pub(crate) async fn enter(self: &Arc<Self>, number: u64, most: usize) -> (Connection, oneshot::Receiver<()>) {
        loop {
            let changed = self.changed.notified();
            if let Some(place) = self.try_enter(number, most) {
                return place;
            }
            changed.await;
        }
    }

    fn try_enter(self: &Arc<Self>, number: u64, most: usize) -> Option<(Connection, oneshot::Receiver<()>)> {
        let mut open = self.open.lock();
        if open.len() >= most {
            let idle = open.iter().filter(|(_, one)| one.answering == 0);
            let longest = idle.min_by_key(|(_, one)| one.idle_since).map(|(&number, _)| number)?;
            if let Some(one) = open.remove(&longest) {
                let _ = one.cut.send(());
            }
        }
        let (cut, when_cut) = oneshot::channel();
        open.insert(number, Open { answering: 0, idle_since: Instant::now(), cut });
        Some((Connection { number, connections: self.clone() }, when_cut))
    }
}

impl Connection {
    pub(crate) fn answer(&self) -> Answering {
        if let Some(one) = self.connections.open.lock().get_mut(&self.number) {
            one.answering += 1;
        }
        Answering { number: self.number, connections: self.connections.clone() }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.connections.open.lock().remove(&self.number);
        self.connections.changed.notify_one();
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(one) = self.connections.open.lock().get_mut(&self.number) {
            one.answering -= 1;
            one.idle_since = Instant::now();
        }
        self.connections.changed.notify_one();
    }
}
