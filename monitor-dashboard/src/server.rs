//! The thread that serves, and the handle that ends it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::error::DashboardError;
use crate::limits::Limits;
use crate::routes::{Application, alone};
use crate::serve::serve;

/// Snapshots that are taken at once; further requests wait for their turn.
const SNAPSHOTS: usize = 2;

/// How long a handle that is dropped waits for what is being answered.
const ON_DROP: Duration = Duration::from_secs(1);

/// How long `shutdown` waits beyond its deadline for the thread to see it.
const GRACE: Duration = Duration::from_secs(1);

/// A [`Dashboard`](crate::Dashboard) that is being served, by a thread of its own.
///
/// It ends when this is dropped, or by [`shutdown`](Self::shutdown). In a forked child it is its parent's: nothing here does
/// anything there.
pub struct DashboardServer {
    address: SocketAddr,
    application: Arc<Application>,
    stop: watch::Sender<Option<Instant>>,
    /// Answers when the thread has ended, by its sender's end.
    ended: Mutex<mpsc::Receiver<()>>,
    process: u32,
}

impl DashboardServer {
    pub(crate) fn start(
        listener: TcpListener,
        application: Application,
        limits: Limits,
    ) -> Result<DashboardServer, DashboardError> {
        let failed = |source| DashboardError::start("the server", source);
        let address = listener.local_addr().map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let application = Arc::new(application);
        let router = alone(&application);
        let (stop, stops) = watch::channel(None);
        let (has_ended, ended) = mpsc::channel();
        let (has_begun, begun) = mpsc::sync_channel::<io::Result<()>>(1);
        let body = move || {
            let _has_ended = has_ended;
            let (runtime, listener) = match begin(listener) {
                Ok(parts) => {
                    let _ = has_begun.send(Ok(()));
                    parts
                }
                Err(error) => {
                    let _ = has_begun.send(Err(error));
                    return;
                }
            };
            runtime.block_on(serve(listener, router, limits, stops));
            // A snapshot that is just being taken is for nobody any more.
            runtime.shutdown_background();
        };
        thread::Builder::new().name("monitor-http".to_owned()).spawn(body).map_err(failed)?;
        let began = begun.recv().unwrap_or_else(|_| Err(io::Error::other("its thread has panicked")));
        began.map_err(failed)?;
        Ok(DashboardServer { address, application, stop, ended: Mutex::new(ended), process: std::process::id() })
    }

    /// Where it listens: with the port that it got, where 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: no connection is taken any more at once, what is being answered may be answered until the deadline, and is
    /// cut then. Returns when all of it is over, soon after the deadline at the latest. Any number of times, from any thread;
    /// it blocks the one that it is called on.
    ///
    /// True if it is over and the port is free again; false if its thread did not end in time.
    pub fn shutdown(&self, deadline: Duration) -> bool {
        if std::process::id() != self.process {
            return true;
        }
        self.application.is_stopping.store(true, Ordering::Relaxed);
        let now = Instant::now();
        let until = now.checked_add(deadline).unwrap_or(now + Duration::from_hours(24));
        self.stop.send_if_modified(|stop| {
            // The earliest of several deadlines counts.
            let is_earlier = stop.is_none_or(|stop| until < stop);
            if is_earlier {
                *stop = Some(until);
            }
            is_earlier
        });
        let waits = until.saturating_duration_since(now).saturating_add(GRACE);
        matches!(self.ended.lock().recv_timeout(waits), Err(mpsc::RecvTimeoutError::Disconnected))
    }
}

fn begin(listener: TcpListener) -> io::Result<(Runtime, tokio::net::TcpListener)> {
    let runtime = Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(SNAPSHOTS).build()?;
    let listener = {
        let _inside = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    Ok((runtime, listener))
}

impl Drop for DashboardServer {
    fn drop(&mut self) {
        self.shutdown(ON_DROP);
    }
}

impl fmt::Debug for DashboardServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardServer").field("address", &self.address).finish_non_exhaustive()
    }
}
