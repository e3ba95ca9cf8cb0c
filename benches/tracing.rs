//! What a span of `tracing` costs (made, entered, left, closed) under a registry alone, with a layer that times spans as
//! users write it, and with ours; and an event that tells of a slow call.
//!
//! `cargo bench -p benches --bench tracing`; the README beside this file says how to read it.

#![forbid(unsafe_code)]

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::contender::{BodyError, Contender, Family, body, repeat};
use benches::floor::UNIT;
use benches::options::Options;
use benches::rounds::Row;
use benches::timing_layer::TimingLayer;
use benches::{BenchResult, floor};
use monitor_core::{Monitor, monitor, track_operation};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, Subscriber, set_global_default};
use tracing::{Event, Metadata, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;

const REGISTRY: &str = "registry";
const TIMING: &str = "registry_and_timing_layer";
const OURS: &str = "registry_and_our_layer";

/// What our layer may add to the registry, as a multiple of what the timing layer adds.
const LIMIT: f64 = 3.0;

fn main() -> BenchResult {
    let options = Options::from_env()?;
    let mut contenders: Vec<_> = floor::contenders().into_iter().filter(|row| row.name == UNIT).collect();
    contenders.extend(spans()?);
    contenders.retain(|row| options.wants(row.name));
    let bench = Comparison {
        name: "tracing",
        heading: "Spans (`tracing`)",
        contenders,
        verdicts: |rows| [(1, "layer_1"), (2, "layer_2")].into_iter().filter_map(|of| verdict(rows, of)).collect(),
        others: None,
    };
    bench.run(&options)
}

/// What our layer adds to the registry, beside what the timing layer adds.
fn verdict(rows: &[Row], (threads, name): (usize, &'static str)) -> Option<Verdict> {
    let cost = |name: &str| Some(rows.iter().find(|row| row.name == name)?.cost(threads)?.wall_ns);
    let (registry, timing, ours) = (cost(REGISTRY)?, cost(TIMING)?, cost(OURS)?);
    let what = if threads == 1 { "our layer to the timing layer, over the registry" } else { "the same on 2 threads" };
    Some(Verdict { name, what, limit: LIMIT, measured: (ours - registry) / (timing - registry), unit: "times" })
}

#[track_operation]
fn tracked(x: u64) -> Result<u64, BodyError> {
    body(x)
}

#[inline(never)]
fn spanned(x: u64) -> Result<u64, BodyError> {
    info_span!("work").in_scope(|| body(x))
}

fn spans() -> BenchResult<Vec<Contender>> {
    let process = monitor();
    let timing = TimingLayer::default();
    let count = Arc::clone(&timing.spans);
    let which = Arc::new(AtomicUsize::new(0));
    let switch = Switch {
        which: Arc::clone(&which),
        all: [
            Box::new(Registry::default()),
            Box::new(Registry::default().with(timing)),
            Box::new(Registry::default().with(process.tracing_layer())),
        ],
    };
    set_global_default(switch)?;
    let row = |number: usize, key, title| {
        let which = Arc::clone(&which);
        let family = if key == OURS { Family::Ours } else { Family::Peer };
        Contender::new(family, key, title, move |calls| {
            which.store(number, Ordering::Relaxed);
            repeat(calls, spanned);
        })
    };
    Ok(vec![
        Contender::new(Family::Ours, "ours_call", "ours: a tracked call, no span", |calls| repeat(calls, tracked)),
        row(2, OURS, "registry + our layer").recorded(move || Ok(started(&process))),
        row(0, REGISTRY, "registry alone"),
        row(1, TIMING, "registry + a layer that times spans").recorded(move || Ok(count.load(Ordering::Relaxed))),
    ])
}

fn started(monitor: &Monitor) -> u64 {
    monitor.snapshot().operation("work").map_or(0, |stats| stats.started)
}

/// The subscriber of a process can be set once: this one leads to one of several. It costs each of them the same.
struct Switch {
    which: Arc<AtomicUsize>,
    all: [Box<dyn Subscriber + Send + Sync>; 3],
}

impl Switch {
    #[inline]
    fn now(&self) -> &dyn Subscriber {
        let [registry, timing, ours] = &self.all;
        match self.which.load(Ordering::Relaxed) {
            0 => registry,
            1 => timing,
            _ => ours,
        }
    }
}

impl Subscriber for Switch {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::always()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.now().enabled(metadata)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        self.now().new_span(attributes)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.now().record(id, values);
    }

    fn record_follows_from(&self, id: &Id, follows: &Id) {
        self.now().record_follows_from(id, follows);
    }

    fn event(&self, event: &Event<'_>) {
        self.now().event(event);
    }

    fn enter(&self, id: &Id) {
        self.now().enter(id);
    }

    fn exit(&self, id: &Id) {
        self.now().exit(id);
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.now().clone_span(id)
    }

    fn try_close(&self, id: Id) -> bool {
        self.now().try_close(id)
    }
}
