//! `tracing`: `#[instrument(err)]` under a registry with a layer that times spans.

use super::peer;
use crate::BenchResult;
use crate::contender::{BodyError, Contender, body, repeat};
use crate::timing_layer::TimingLayer;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tracing::instrument;
use tracing::subscriber::set_global_default;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

pub(super) fn contenders() -> BenchResult<Vec<Contender>> {
    let layer = TimingLayer::default();
    let spans = Arc::clone(&layer.spans);
    set_global_default(Registry::default().with(layer))?;
    let row = peer("tracing_layer", "tracing: #[instrument(err)], timing layer", |n| repeat(n, instrumented));
    Ok(vec![row.recorded(move || Ok(spans.load(Ordering::Relaxed)))])
}

#[inline(never)]
#[instrument(err)]
fn instrumented(x: u64) -> Result<u64, BodyError> {
    body(x)
}
