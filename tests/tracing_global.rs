//! With the subscriber of the whole program: what happens within a call of it comes to it again, which it does not on a
//! thread that has one of its own.

use std::cell::Cell;
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};

use monitor_core::Monitor;
use tracing::info_span;
use tracing_subscriber::prelude::*;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

static DEEPEST: AtomicU64 = AtomicU64::new(0);
static WRITTEN: AtomicU64 = AtomicU64::new(0);

/// A log that is tracked, makes spans and fails.
struct Log(Monitor);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let depth = DEPTH.get() + 1;
        assert!(depth < 20, "it feeds on itself");
        DEPTH.set(depth);
        DEEPEST.fetch_max(depth.into(), Ordering::Relaxed);
        WRITTEN.fetch_add(1, Ordering::Relaxed);
        let _ = self.0.try_track("write_log", |_| Err::<(), _>("disk full"));
        if depth < 3 {
            info_span!("in_writer").in_scope(|| tracing::error!("from the writer"));
        }
        DEPTH.set(depth - 1);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Logs an error and makes a span whenever it is put into words.
struct Talks;

impl std::fmt::Debug for Talks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let depth = DEPTH.get() + 1;
        assert!(depth < 20, "it feeds on itself");
        DEPTH.set(depth);
        info_span!("talks", talk = 1).in_scope(|| tracing::error!("while it is put into words"));
        DEPTH.set(depth - 1);
        f.write_str("said")
    }
}

#[test]
fn what_happens_within_the_subscriber_neither_loops_nor_locks_up() {
    let local = Monitor::builder().build().unwrap();
    let log = local.clone();
    let subscriber = tracing_subscriber::registry()
        .with(local.tracing_layer().fields(["talk"]).labels(["label"]))
        .with(tracing_subscriber::fmt::layer().with_writer(move || Log(log.clone())));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let events = local.tracing_events().failures(true).slower_than(std::time::Duration::from_nanos(1)).start().unwrap();
    local.scope(|| {
        let _ = local.try_track("work", |_| Err::<(), _>("refused"));
        info_span!("request", talk = ?Talks, label = ?Talks).in_scope(|| {
            tracing::error!(talk = ?Talks, "message {:?}", Talks);
        });
    });
    drop(events);
    let snapshot = local.snapshot();
    assert!(snapshot.active().is_empty(), "{:?}", snapshot.active());
    assert_eq!(snapshot.operation("request").unwrap().failed, 1);
    assert_eq!(snapshot.operation("write_log").unwrap().failed, WRITTEN.load(Ordering::Relaxed));
    assert!(snapshot.operation("talks").unwrap().failed > 0);
    println!("{} lines, {} deep", WRITTEN.load(Ordering::Relaxed), DEEPEST.load(Ordering::Relaxed));
}
