//! The page for Prometheus as the body of an answer: made chunk by chunk while the client takes it.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_core::Stream;
use monitor_core::{Exposition, ExpositionPage, Monitor, Snapshot, TextFormat};
use self_cell::self_cell;
use tokio::time::Instant;

/// Calls whose traces may stand for buckets.
const RECENT: usize = 1_024;

struct Owner {
    exposition: Arc<Exposition>,
    snapshot: Snapshot,
}

// A page borrows what it is made of. Together they wait for a client without a thread that waits with them.
self_cell!(
    struct OwnedPage {
        owner: Owner,
        #[not_covariant]
        dependent: ExpositionPage,
    }
);

/// What a monitor knows now, chunk by chunk. In memory there is the snapshot, and a chunk.
pub(crate) struct PageBody {
    page: OwnedPage,
    /// What comes out of it is in its vector.
    gzip: Option<GzEncoder<Vec<u8>>>,
    is_over: bool,
    until: Instant,
}

impl PageBody {
    /// Takes a snapshot, which takes a while when there is much. From then on the client has that much time.
    pub(crate) fn new(
        monitor: &Monitor,
        exposition: Arc<Exposition>,
        format: TextFormat,
        is_zipped: bool,
        time: Duration,
    ) -> PageBody {
        // Before the snapshot, so that each of these calls is in it.
        let recent = if format == TextFormat::OpenMetrics { monitor.recent(RECENT) } else { Vec::new() };
        let owner = Owner { exposition, snapshot: monitor.snapshot() };
        let page = OwnedPage::new(owner, |Owner { exposition, snapshot }| {
            exposition.page(snapshot, format).exemplars(&recent)
        });
        let gzip = is_zipped.then(|| GzEncoder::new(Vec::new(), Compression::fast()));
        PageBody { page, gzip, is_over: false, until: Instant::now() + time }
    }

    /// The next bytes; none yet, if what was written is still in the compressor.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let chunk = self.page.with_dependent_mut(|_, page| page.next_chunk().map(|text| text.as_bytes().to_vec()));
        let Some(chunk) = chunk else {
            self.is_over = true;
            return self.gzip.take().map(GzEncoder::finish).transpose();
        };
        match &mut self.gzip {
            None => Ok(Some(chunk)),
            Some(gzip) => {
                gzip.write_all(&chunk)?;
                Ok(Some(std::mem::take(gzip.get_mut())))
            }
        }
    }
}

impl Stream for PageBody {
    type Item = io::Result<Bytes>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let body = self.get_mut();
        if body.is_over {
            return Poll::Ready(None);
        }
        if Instant::now() >= body.until {
            body.is_over = true;
            // The answer ends without its end, so nobody takes it for all.
            return Poll::Ready(Some(Err(io::Error::from(io::ErrorKind::TimedOut))));
        }
        match body.next() {
            Ok(Some(bytes)) if bytes.is_empty() => {
                // Others get their turn.
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ok(Some(bytes)) => Poll::Ready(Some(Ok(bytes.into()))),
            Ok(None) => Poll::Ready(None),
            Err(error) => {
                body.is_over = true;
                Poll::Ready(Some(Err(error)))
            }
        }
    }
}
