//! The summary of performance: by kind, by operation, of the cache; errors; the last bulk operations.

use std::time::Duration;

use monitor_core::{CacheStats, Figures, Snapshot, monitor};

pub(crate) fn print(snapshot: &Snapshot) {
    println!("Performance summary, {:.1} s: {}", snapshot.window().as_secs_f64(), snapshot.summary());
    println!(
        "\n  {:20} {:>7} {:>8} {:>9} {:>9} {:>9} {:>9}",
        "by kind", "calls", "success", "mean", "p95", "max", "calls/s"
    );
    for kind in snapshot.kinds() {
        line(&kind.kind, &kind);
    }
    println!("\n  by operation");
    for operation in snapshot.operations() {
        line(&operation.name, operation);
    }
    snapshot.caches().iter().for_each(cache);
    println!("\n  bulk operations, the last ones first");
    for record in monitor().recent(usize::MAX).iter().filter(|record| record.kind == "bulk").take(3) {
        println!("    {:18} {:>9}  {} items, {}", record.name, time(record.duration), record.items, record.outcome);
    }
    println!("\n  errors");
    for group in snapshot.errors() {
        println!(
            "    {} × {} in {}: {}",
            group.count,
            group.kind.rsplit("::").next().unwrap_or_default(),
            group.place,
            group.pattern
        );
    }
}

fn line(name: &str, figures: &Figures) {
    let success = format!("{:.1} %", figures.success_rate() * 100.0);
    let (mean, p95, max) = (time(figures.mean()), time(figures.percentile(0.95)), time(figures.max()));
    println!(
        "    {name:18} {:>7} {success:>8} {mean:>9} {p95:>9} {max:>9} {:>9.0}",
        figures.started,
        figures.calls_per_second()
    );
}

fn cache(cache: &CacheStats) {
    let percent = |rate: Option<f64>| rate.map_or_else(|| "none".to_owned(), |rate| format!("{:.1} %", rate * 100.0));
    println!("\n  cache {}", cache.name);
    println!("    hit rate {}: {} hits, {} misses", percent(cache.hit_rate()), cache.hits, cache.misses);
    for kind in &cache.kinds {
        println!("      {:10} {:>7}  ({} of {})", kind.kind, percent(kind.hit_rate()), kind.hits, kind.lookups());
    }
    println!("    last minute {}", percent(cache.last_minute.hit_rate()));
    println!(
        "    {} of {} entries, {} bytes",
        cache.entries.unwrap_or(0),
        cache.capacity.unwrap_or(0),
        cache.memory_bytes.unwrap_or(0)
    );
    println!(
        "    {} put in, {} thrown out for room, {} no longer right",
        cache.inserted, cache.evicted, cache.invalidated
    );
}

fn time(duration: Duration) -> String {
    format!("{duration:.1?}")
}
