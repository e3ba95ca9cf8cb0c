//! `tracing`: `#[instrument(err)]` under a registry with a layer that times spans.
//!
//! The layer is what a user writes who wants durations from spans: a start in the span's extensions, a count and a sum.

use super::peer;
use crate::BenchResult;
use crate::contender::{BodyError, Contender, body, repeat};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tracing::instrument;
use tracing::span::{Attributes, Id};
use tracing::subscriber::{Subscriber, set_global_default};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::{LookupSpan, Registry};

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

#[derive(Default)]
struct TimingLayer {
    // On its own allocation so that the bench can read it; nothing else differs from a plain field.
    spans: Arc<AtomicU64>,
    nanos: AtomicU64,
}

struct Start(Instant);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TimingLayer {
    fn on_new_span(&self, _: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Start(Instant::now()));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(Start(start)) = span.extensions().get::<Start>() {
            let nanos = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            self.spans.fetch_add(1, Ordering::Relaxed);
            self.nanos.fetch_add(nanos, Ordering::Relaxed);
        }
    }
}
