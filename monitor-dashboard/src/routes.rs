//! What is answered under which path.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, VARY, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use axum::{Json, Router};
use monitor_core::{Exposition, Monitor, SinkState, TextFormat};
use serde::Serialize;

use crate::credentials::Credentials;
use crate::encoding::takes_gzip;
use crate::hosts::{Hosts, Refused};
use crate::page::PageBody;

/// What all routes need.
pub(crate) struct Application {
    pub(crate) monitor: Monitor,
    pub(crate) exposition: Arc<Exposition>,
    pub(crate) version: String,
    pub(crate) credentials: Credentials,
    pub(crate) hosts: Hosts,
    pub(crate) body_bytes: u64,
    pub(crate) response_timeout: Duration,
    /// It takes no more requests.
    pub(crate) is_stopping: AtomicBool,
}

/// In every answer: what comes from here is no page to run or to keep.
const HEADERS: [(HeaderName, &str); 4] = [
    (axum::http::header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (axum::http::header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (axum::http::header::CACHE_CONTROL, "no-store"),
    (axum::http::header::REFERRER_POLICY, "no-referrer"),
];

/// The routes, to be mounted into a router or to be served alone. Each checks who asks.
pub(crate) fn routes(application: &Arc<Application>) -> Router {
    // Who checks whether a program is alive has no credentials as a rule, and learns nothing else.
    let open = Router::new().route("/livez", get(livez)).route("/readyz", get(readyz));
    let closed = Router::new()
        .route("/metrics", get(metrics))
        .route("/health", get(health))
        .route_layer(middleware::from_fn_with_state(application.clone(), authorize));
    open.merge(closed).with_state(application.clone())
}

/// What is checked of each request, and said with each answer, of these routes alone.
pub(crate) fn mounted(application: &Arc<Application>) -> Router {
    routes(application).route_layer(middleware::from_fn_with_state(application.clone(), admit))
}

/// The same with an answer for all other paths.
pub(crate) fn alone(application: &Arc<Application>) -> Router {
    routes(application).fallback(unknown).layer(middleware::from_fn_with_state(application.clone(), admit))
}

fn plain(status: StatusCode, text: &'static str) -> Response {
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

/// Answers what has a good host and no large body.
async fn admit(State(application): State<Arc<Application>>, request: Request, next: Next) -> Response {
    let length = request.headers().get(CONTENT_LENGTH).map(|length| length.to_str().ok()?.parse::<u64>().ok());
    let mut response = match application.hosts.check(request.version(), request.uri(), request.headers()) {
        Err(Refused::Malformed) => plain(StatusCode::BAD_REQUEST, "one good `Host` is needed\n"),
        Err(Refused::Other) => plain(
            StatusCode::MISDIRECTED_REQUEST,
            "this host is not known here; the program allows further ones by `Dashboard::allow_host`\n",
        ),
        Ok(()) if length.is_some_and(|length| length.is_none_or(|length| length > application.body_bytes)) => {
            plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large; none is needed\n")
        }
        Ok(()) => next.run(request).await,
    };
    if response.status() == StatusCode::METHOD_NOT_ALLOWED {
        let allow = response.headers_mut().remove(axum::http::header::ALLOW);
        response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are allowed\n");
        if let Some(allow) = allow {
            response.headers_mut().insert(axum::http::header::ALLOW, allow);
        }
    }
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn authorize(State(application): State<Arc<Application>>, request: Request, next: Next) -> Response {
    if application.credentials.allow(request.headers()) {
        return next.run(request).await;
    }
    let mut response = plain(StatusCode::UNAUTHORIZED, "credentials are needed\n");
    for scheme in ["Bearer realm=\"monitor\"", "Basic realm=\"monitor\", charset=\"UTF-8\""] {
        response.headers_mut().append(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
    }
    response
}

async fn unknown() -> Response {
    plain(StatusCode::NOT_FOUND, "there are /metrics, /health, /livez and /readyz\n")
}

async fn livez() -> Response {
    plain(StatusCode::OK, "ok\n")
}

async fn readyz(State(application): State<Arc<Application>>) -> Response {
    if application.is_stopping.load(Ordering::Relaxed) {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    plain(StatusCode::OK, "ok\n")
}

async fn metrics(State(application): State<Arc<Application>>, headers: HeaderMap) -> Response {
    let accept: Vec<_> = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    let format = TextFormat::accepted(&accept.join(","));
    let is_zipped = takes_gzip(&headers);
    let made = tokio::task::spawn_blocking(move || {
        let Application { monitor, exposition, response_timeout, .. } = &*application;
        PageBody::new(monitor, exposition.clone(), format, is_zipped, *response_timeout)
    });
    let Ok(page) = made.await else {
        return plain(StatusCode::INTERNAL_SERVER_ERROR, "the page cannot be made\n");
    };
    let headers = [(CONTENT_TYPE, format.content_type()), (VARY, "Accept, Accept-Encoding")];
    let mut response = (headers, Body::from_stream(page)).into_response();
    if is_zipped {
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}

/// What `/health` says.
#[derive(Serialize)]
struct Health {
    /// `healthy`, or `degraded` if a sink does not store what it gets.
    status: &'static str,
    service: String,
    /// Of the program; empty if it did not say.
    version: String,
    monitor_version: &'static str,
    started_at_ns: u64,
    uptime_seconds: f64,
    /// Those that are not well, and since when.
    troubles: Vec<Trouble>,
}

#[derive(Serialize)]
struct Trouble {
    sink: String,
    since_ns: u64,
    error: Option<String>,
}

fn nanos(at: SystemTime) -> u64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

async fn health(State(application): State<Arc<Application>>) -> Response {
    let monitor = &application.monitor;
    let uptime = monitor.uptime();
    let sinks = monitor.sinks().into_iter().filter(|sink| sink.state != SinkState::Working);
    let troubles: Vec<_> =
        sinks.map(|sink| Trouble { since_ns: nanos(sink.since), error: sink.error, sink: sink.name }).collect();
    Json(Health {
        status: if troubles.is_empty() { "healthy" } else { "degraded" },
        service: monitor.service(),
        version: application.version.clone(),
        monitor_version: env!("CARGO_PKG_VERSION"),
        started_at_ns: nanos(SystemTime::now().checked_sub(uptime).unwrap_or(SystemTime::UNIX_EPOCH)),
        uptime_seconds: uptime.as_secs_f64(),
        troubles,
    })
    .into_response()
}
