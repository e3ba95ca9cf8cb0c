//! Accepts connections and answers them, each within its limits.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Request;
use http_body::{Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use pin_project_lite::pin_project;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use crate::connections::{Answering, Connection, Connections};
use crate::limits::Limits;

/// How long nothing is accepted after the system could not: files may be short, and it would say so again at once.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// Until when what is being answered may be answered, once it is to stop.
pub(crate) type Stop = watch::Receiver<Option<Instant>>;

/// Serves until it is to stop, and what is being answered then until the moment that is given.
pub(crate) async fn serve(listener: TcpListener, router: Router, limits: Limits, mut stop: Stop) {
    let connections = Arc::new(Connections::default());
    let mut tasks = JoinSet::new();
    let mut numbers = 0_u64..;
    loop {
        // What has ended is let go.
        while tasks.try_join_next().is_some() {}
        let accepted = tokio::select! {
            accepted = accept(&listener, &connections, &mut numbers, limits.connections) => accepted,
            _ = stop.wait_for(Option::is_some) => break,
        };
        if let Some((stream, connection, when_cut)) = accepted {
            let (router, limits, stop) = (router.clone(), limits.clone(), stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = answer(stream, connection, router, limits, stop) => {}
                    _ = when_cut => {}
                }
            });
        }
    }
    drop(listener);
    let until = stop.borrow().unwrap_or_else(Instant::now);
    let _ = timeout_at(until, async { while tasks.join_next().await.is_some() {} }).await;
}

type Accepted = (TcpStream, Connection, tokio::sync::oneshot::Receiver<()>);

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Connections>,
    numbers: &mut impl Iterator<Item = u64>,
    most: usize,
) -> Option<Accepted> {
    let Ok((stream, _)) = listener.accept().await else {
        sleep(AFTER_FAILURE).await;
        return None;
    };
    let (connection, when_cut) = connections.enter(numbers.next()?, most).await;
    Some((stream, connection, when_cut))
}

async fn answer(stream: TcpStream, connection: Connection, router: Router, limits: Limits, mut stop: Stop) {
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    // That of reading is hyper's, which knows what is a request.
    stream.set_write_timeout(Some(limits.write_timeout));
    let service = service_fn(|request: Request<Incoming>| {
        let (router, answering) = (router.clone(), connection.answer());
        async move {
            let response = router.oneshot(request.map(Body::new)).await;
            response.map(|response| response.map(|body| CountedBody { body, answering: Some(answering) }))
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.header_timeout)
        .max_headers(limits.headers)
        .max_header_size(limits.header_bytes);
    let mut answered = pin!(http.serve_connection(TokioIo::new(Box::pin(stream)), service));
    tokio::select! {
        _ = answered.as_mut() => return,
        _ = stop.wait_for(Option::is_some) => {}
    }
    // It ends after what it is answering, or at once.
    answered.as_mut().graceful_shutdown();
    let _ = answered.await;
}

pin_project! {
    /// A body whose connection is answering until it was taken whole or let go.
    struct CountedBody {
        #[pin]
        body: Body,
        answering: Option<Answering>,
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.project();
        let frame = this.body.poll_frame(context);
        if let Poll::Ready(None) = frame {
            this.answering.take();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
