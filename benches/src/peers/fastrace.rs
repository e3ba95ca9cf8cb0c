//! `fastrace`: `#[trace]`, a hundred spans under one root, to a reporter that throws them away.

use super::peer;
use crate::contender::{BodyError, CALLS_STEP, Contender, body, repeat};
use fastrace::collector::{Config, Reporter, SpanContext, SpanRecord};
use fastrace::{Span, trace};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const ROOT: &str = "root";

pub(super) fn contenders() -> Vec<Contender> {
    let spans = Arc::new(AtomicU64::new(0));
    fastrace::set_reporter(Discard { spans: Arc::clone(&spans) }, Config::default());
    let row = peer("fastrace", "fastrace: #[trace], 100 spans a root", |calls| {
        for _ in 0..calls / CALLS_STEP {
            let root = Span::root(ROOT, SpanContext::random());
            let _parent = root.set_local_parent();
            repeat(CALLS_STEP, traced);
        }
    });
    // The collector wakes once a second; the flush makes it do its share now.
    vec![row.after(fastrace::flush).recorded(move || Ok(spans.load(Ordering::Relaxed)))]
}

#[inline(never)]
#[trace]
fn traced(x: u64) -> Result<u64, BodyError> {
    body(x)
}

/// Counts the spans of [`traced`] and forgets them.
struct Discard {
    spans: Arc<AtomicU64>,
}

impl Reporter for Discard {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        let traced = spans.iter().filter(|span| span.name != ROOT).count();
        self.spans.fetch_add(traced as u64, Ordering::Relaxed);
    }
}
