//! The first service: orders, for which it asks the second one.

use std::fmt;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use monitor_core::{Context, track_operation};
use serde::{Deserialize, Serialize};

use crate::stock::Count;

/// What `orders` answers.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    pub id: u32,
    pub pieces: u32,
    pub price_cents: u64,
    /// The trace in which `stock` was asked.
    pub trace_id: Option<String>,
}

struct Orders {
    client: reqwest::Client,
    stock: String,
}

#[derive(Debug)]
enum OrderError {
    NoSuchItem,
    Stock(String),
}

impl fmt::Display for OrderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OrderError::NoSuchItem => f.write_str("there is no such item"),
            OrderError::Stock(why) => write!(f, "stock did not answer: {why}"),
        }
    }
}

pub(crate) fn router(stock: &str) -> Router {
    let orders = Orders { client: reqwest::Client::new(), stock: stock.to_owned() };
    Router::new().route("/orders/{id}", get(order)).with_state(Arc::new(orders))
}

async fn order(State(orders): State<Arc<Orders>>, Path(id): Path<u32>) -> Result<Json<Order>, StatusCode> {
    match orders.ask_stock(id).await {
        Ok(Count { pieces, trace_id, .. }) => {
            let price_cents = price(id, pieces);
            tracing::info!(id, price_cents, "ordered");
            Ok(Json(Order { id, pieces, price_cents, trace_id }))
        }
        Err(OrderError::NoSuchItem) => {
            tracing::info!(id, "no such item");
            Err(StatusCode::NOT_FOUND)
        }
        Err(error) => {
            tracing::error!(id, %error, "not ordered");
            Err(StatusCode::BAD_GATEWAY)
        }
    }
}

impl Orders {
    // That there is no such item is an answer, and no failure.
    #[track_operation(name = "stock.ask", kind = "api", fields(item), error_if = |asked| matches!(asked, Err(OrderError::Stock(_))))]
    async fn ask_stock(&self, item: u32) -> Result<Count, OrderError> {
        let mut request = self.client.get(format!("{}/stock/{item}", self.stock));
        // The trace goes on in the other process, on behalf of this very call.
        let here = Context::current();
        if let Some(parent) = here.traceparent() {
            request = request.header("traceparent", parent.to_string());
        }
        if let Some(state) = here.tracestate() {
            request = request.header("tracestate", state);
        }
        let unreachable = |error: reqwest::Error| OrderError::Stock(error.to_string());
        let response = request.send().await.map_err(unreachable)?;
        match response.status().as_u16() {
            200 => response.json().await.map_err(unreachable),
            404 => Err(OrderError::NoSuchItem),
            status => Err(OrderError::Stock(format!("status {status}"))),
        }
    }
}

#[track_operation(items = pieces)]
fn price(item: u32, pieces: u32) -> u64 {
    u64::from(pieces) * (100 + u64::from(item % 50))
}
