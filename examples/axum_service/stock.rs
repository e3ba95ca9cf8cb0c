//! The second service: what is on the shelves. Its figures come from a thread of its own, as from a driver that knows
//! nothing of Tokio.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use monitor_core::Context;
use serde::{Deserialize, Serialize};

use crate::shelves::{NotCounted, Shelves};

/// What `stock` answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Count {
    pub item: u32,
    pub pieces: u32,
    /// The trace that the request arrived in: the client compares.
    pub trace_id: Option<String>,
}

pub(crate) fn router() -> Router {
    Router::new().route("/stock/{item}", get(count)).with_state(Arc::new(Shelves::open()))
}

async fn count(State(shelves): State<Arc<Shelves>>, Path(item): Path<u32>) -> Result<Json<Count>, StatusCode> {
    match shelves.count(item).await {
        Ok(Some(pieces)) => {
            tracing::info!(item, pieces, "counted");
            let trace_id = Context::current().trace_id().map(|id| id.to_string());
            Ok(Json(Count { item, pieces, trace_id }))
        }
        Ok(None) => {
            tracing::info!(item, "no such item");
            Err(StatusCode::NOT_FOUND)
        }
        Err(NotCounted) => {
            tracing::warn!(item, "not counted");
            Err(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}
