//! Tracks every request of a service: one operation for each route, in the trace that the request came with.

use std::fmt;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use monitor_core::{Context, InContext, TrackFuture};

/// The routes, tracked.
pub(crate) fn tracked(routes: Router) -> Router {
    // A layer of the routes and not of the router: the pattern of the path is known there, and a path that nobody
    // serves makes no operation.
    routes.route_layer(from_fn(track))
}

/// The trace that a request came with, or a new one.
fn context_of(request: &Request) -> Context {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let context = match header("traceparent") {
        Some(parent) => Context::from_traceparent(parent),
        None => Context::new_trace(),
    };
    match header("tracestate") {
        Some(state) => context.with_tracestate(state),
        None => context,
    }
}

async fn track(request: Request, next: Next) -> Response {
    // The pattern, `/orders/{id}`, and not the path: of those there is no end. It goes on records and log lines.
    let context = context_of(&request).with_field("path", request.uri().path());
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str);
    let name = format!("{} {route}", request.method());

    let answer = async {
        let response = next.run(request).await;
        if response.status().is_server_error() { Err(ServerError(response)) } else { Ok(response) }
    };
    let answer = answer.try_tracked(name).kind("http").in_context(context).await;
    answer.unwrap_or_else(|ServerError(response)| response)
}

/// An answer that counts as a failure of the service.
struct ServerError(Response);

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "answered status {}", self.0.status().as_u16())
    }
}
