//! What clients ask: items, a search, orders.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use monitor_core::{Cache, Context, EntityOf, StateMachineOf, monitor, track_operation};
use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::database::{Database, Item, SoldOut};
use crate::orders::{Mail, Order};

pub(crate) struct Shop {
    pub(crate) database: Database,
    known: Mutex<HashMap<u32, Item>>,
    cache: Cache,
    pub(crate) mails: Mail,
    orders: StateMachineOf<Order>,
    last_order: AtomicU64,
}

impl Shop {
    pub(crate) fn open() -> Result<Arc<Shop>, Failure> {
        Ok(Arc::new(Shop {
            database: Database::open()?,
            known: Mutex::default(),
            cache: monitor().cache("items"),
            mails: Mail::new(),
            orders: monitor().state_machine_of::<Order>()?,
            last_order: AtomicU64::new(0),
        }))
    }

    /// An item, out of memory if it was asked for before.
    fn item(&self, id: u32) -> Result<Option<Item>, rusqlite::Error> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(item) = known.get(&id) {
            self.cache.hit();
            return Ok(Some(item.clone()));
        }
        self.cache.miss();
        let found = self.database.find(id)?;
        if let Some(item) = &found {
            known.insert(id, item.clone());
            self.cache.inserted(1);
            self.cache.set_entries(known.len() as u64);
        }
        Ok(found)
    }

    fn forget(&self, id: u32) {
        if self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(&id).is_some() {
            self.cache.invalidated(1);
        }
    }

    fn next_order(&self) -> String {
        (self.last_order.fetch_add(1, Ordering::Relaxed) + 1).to_string()
    }

    pub(crate) fn order(&self, id: &str) -> Result<EntityOf<Order>, monitor_core::Error> {
        self.orders.entity(id)
    }
}

/// Why a request has no answer.
pub(crate) enum Refused {
    Unknown,
    SoldOut(SoldOut),
    Broken(Failure),
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Refused::Unknown => f.write_str("there is no such item"),
            Refused::SoldOut(why) => why.fmt(f),
            Refused::Broken(why) => why.fmt(f),
        }
    }
}

impl<E: Into<Failure>> From<E> for Refused {
    fn from(error: E) -> Refused {
        Refused::Broken(error.into())
    }
}

impl axum::response::IntoResponse for Refused {
    fn into_response(self) -> axum::response::Response {
        let status = match self {
            Refused::Unknown => StatusCode::NOT_FOUND,
            Refused::SoldOut(_) => StatusCode::CONFLICT,
            Refused::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, format!("{self}\n")).into_response()
    }
}

pub(crate) fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/items/{id}", get(item))
        .route("/search", get(search))
        .route("/orders", post(order))
        .with_state(shop)
}

/// Runs what blocks on a thread for that, as a part of the call that asks for it.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
    Ok(tokio::task::spawn_blocking(Context::current().wrap(work)).await?)
}

#[track_operation(name = "GET /items/{id}", kind = "api")]
async fn item(State(shop): State<Arc<Shop>>, Path(id): Path<u32>) -> Result<Json<Item>, Refused> {
    blocking(move || shop.item(id)).await??.map(Json).ok_or(Refused::Unknown)
}

#[derive(Deserialize)]
struct Search {
    text: String,
}

#[track_operation(name = "GET /search", kind = "api")]
async fn search(State(shop): State<Arc<Shop>>, Query(search): Query<Search>) -> Result<Json<Vec<Item>>, Refused> {
    Ok(Json(blocking(move || shop.database.search(&search.text)).await??))
}

#[derive(Serialize, Deserialize)]
pub(crate) struct NewOrder {
    pub item: u32,
    pub customer: String,
}

#[track_operation(name = "POST /orders", kind = "api")]
async fn order(State(shop): State<Arc<Shop>>, Json(new): Json<NewOrder>) -> Result<StatusCode, Refused> {
    let number = shop.next_order();
    let order = shop.order(&number)?;
    let taken = {
        let (shop, item) = (shop.clone(), new.item);
        blocking(move || shop.database.take(item)).await??
    };
    if !taken {
        order.to(Order::Refused)?;
        return Err(Refused::SoldOut(SoldOut { item: new.item }));
    }
    shop.forget(new.item);
    order.to(Order::Paid)?;
    shop.mails.send(number);
    Ok(StatusCode::CREATED)
}
