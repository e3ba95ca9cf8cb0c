//! The layer where others misbehave: layers that panic, locks that are poisoned, layers that are exchanged, programs with
//! very many places.

#![allow(clippy::unwrap_used, clippy::panic, reason = "the helpers of tests fail as tests do")]

mod tracing_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use monitor_core::Monitor;
use tracing::callsite::{Callsite, Identifier};
use tracing::field::FieldSet;
use tracing::metadata::Kind;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Span, info_span};
use tracing_subscriber::layer::Context;
use tracing_subscriber::prelude::*;
use tracing_subscriber::{Layer, fmt, registry, reload};
use tracing_support::{Stage, counts};

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

/// Counts what each thread asked for and has not given back.
struct Counting;

// SAFETY: all is done by the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.set(HELD.get() + layout.size().cast_signed());
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.set(HELD.get() - layout.size().cast_signed());
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

struct Hostile;

impl std::fmt::Debug for Hostile {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("on purpose")
    }
}

/// Formats with what is kept of the span locked, which is of no use to anybody afterwards.
#[test]
fn a_span_that_another_layer_broke_can_be_left_and_closed() {
    let local = Monitor::builder().build().unwrap();
    let log = fmt::layer().with_writer(std::io::sink);
    tracing::subscriber::with_default(registry().with(local.tracing_layer()).with(log), || {
        local.scope(|| {
            let caught = catch_unwind(|| {
                let span = info_span!("broken", value = tracing::field::Empty);
                let _entered = span.enter();
                span.record("value", tracing::field::debug(Hostile));
            });
            assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"on purpose"));
        });
    });
    assert!(local.active().is_empty());
    local.scope(|| local.track("next", |_| ()));
    assert_eq!(local.recent(9).iter().find(|record| record.name == "next").unwrap().parent, None);
}

#[test]
fn a_span_whose_close_is_not_told_ends() {
    struct Panics;
    impl<S: tracing::Subscriber> Layer<S> for Panics {
        fn on_close(&self, _: tracing::span::Id, _: Context<'_, S>) {
            panic!("on purpose");
        }
    }

    let local = Monitor::builder().build().unwrap();
    tracing::subscriber::with_default(registry().with(Panics).with(local.tracing_layer()), || {
        local.scope(|| {
            let span = info_span!("unseen");
            span.in_scope(|| ());
            assert!(catch_unwind(AssertUnwindSafe(|| drop(span))).is_err());
        });
    });
    assert_eq!(counts(&local, "unseen"), (1, 1, 0, 0));
    assert!(local.active().is_empty());
}

#[test]
fn a_layer_that_is_exchanged_ends_what_it_began() {
    let stage = Stage::plain();
    let (layer, handle) = reload::Layer::new(stage.local.tracing_layer());
    tracing::subscriber::with_default(registry().with(layer), || {
        stage.local.scope(|| {
            let (entered, left) = (info_span!("entered").entered(), info_span!("left"));
            left.in_scope(|| stage.pass(1));
            handle.reload(stage.local.tracing_layer()).unwrap();
            info_span!("new").in_scope(|| stage.pass(2));
            drop((entered, left));
            info_span!("after").in_scope(|| ());
        });
    });
    assert!(stage.local.active().is_empty(), "{:?}", stage.local.active());
    for name in ["entered", "left", "new", "after"] {
        assert_eq!(counts(&stage.local, name), (1, 1, 0, 0), "{name}");
    }
    let records = stage.local.recent(9);
    assert_eq!(records.iter().find(|record| record.name == "after").unwrap().parent, None);
}

struct Anywhere;

impl Callsite for Anywhere {
    fn set_interest(&self, _: Interest) {}
    fn metadata(&self) -> &Metadata<'_> {
        unreachable!("nobody asks")
    }
}

static ANYWHERE: Anywhere = Anywhere;

fn place(name: &'static str) -> &'static Metadata<'static> {
    let fields = FieldSet::new(&[], Identifier(&ANYWHERE));
    Box::leak(Box::new(Metadata::new(name, "many", Level::INFO, None, None, None, fields, Kind::SPAN)))
}

#[test]
fn more_places_than_are_remembered_cost_time_and_no_memory() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let stage = Stage::new(|layer| {
        layer.spans(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
            true
        })
    });
    let places: Vec<_> = (0..3_000).map(|n| place(if n % 2 == 0 { "even" } else { "odd" })).collect();
    let round = || {
        for place in &places {
            Span::new(place, &place.fields().value_set(&[])).in_scope(|| ());
        }
    };
    stage.run(|| {
        round();
        let held = HELD.get();
        for _ in 0..20 {
            round();
        }
        let grown = HELD.get() - held;
        assert!(grown < 16_384, "{grown} bytes more");
    });
    assert_eq!(counts(&stage.local, "even"), (31_500, 31_500, 0, 0));
    assert_eq!(counts(&stage.local, "odd"), (31_500, 31_500, 0, 0));
    assert!(asked.load(Ordering::Relaxed) >= 3_000);
}

#[test]
fn many_spans_leave_nothing_behind() {
    let stage = Stage::new(|layer| layer.fields(["n"]));
    let round = |count: u64| {
        for n in 0..count {
            let span = info_span!("many", n, error = n % 5 == 0);
            span.in_scope(|| info_span!("inner").in_scope(|| ()));
        }
        HELD.get()
    };
    stage.run(|| {
        let held = round(10_000);
        let grown = round(100_000) - held;
        assert!(grown < 16_384, "{grown} bytes more");
    });
    assert!(stage.local.active().is_empty());
}

/// As a filter that is set anew by what is read in the log would do it.
#[derive(Clone)]
struct Exchanges(Arc<dyn Fn() + Send + Sync>);

impl std::io::Write for Exchanges {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        (self.0)();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_layer_may_be_exchanged_while_a_failure_is_told() {
    let local = Monitor::builder().build().unwrap();
    let (layer, handle) = reload::Layer::new(local.tracing_layer());
    let (done, exchanged) = std::sync::mpsc::channel();
    let other = local.clone();
    let log = Exchanges(Arc::new(move || {
        let (handle, layer, done) = (handle.clone(), other.tracing_layer(), done.clone());
        let (told, tells) = std::sync::mpsc::channel();
        std::thread::spawn(move || told.send(handle.reload(layer).is_ok()));
        let _ = done.send(tells.recv_timeout(Duration::from_secs(20)));
    }));
    let log = fmt::layer().with_writer(move || log.clone());
    let _events = local.tracing_events().failures(true).start().unwrap();
    tracing::subscriber::with_default(registry().with(layer).with(log), || {
        local.scope(|| info_span!("failing", otel.status_code = "ERROR").in_scope(|| ()));
    });
    assert_eq!(exchanged.try_iter().collect::<Vec<_>>(), [Ok(true)], "locked up");
}
