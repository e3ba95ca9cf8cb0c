//! Queues, caches and metrics.

use monitor_core::{Monitor, monitor};
use tests::local;

use super::process::{forked, under_load};

pub(super) fn an_inherited_queue_or_cache_does_nothing_in_the_child() {
    let (mail, users) = (monitor().queue("mail"), monitor().cache("users"));
    let get = users.kind("get");
    let (waits, thrown_away) = (mail.enqueued(), mail.enqueue("item"));
    let (ends, fails, goes_back) = (mail.enqueued().start(), mail.enqueued().start(), mail.enqueued().start());
    get.hit();
    let child = forked(|| {
        assert_eq!(thrown_away.item(), &"item");
        drop((thrown_away, waits.start()));
        ends.succeed();
        fails.fail_with("of the child");
        goes_back.requeue().start().set_failed();
        mail.enqueued().start().succeed();
        mail.received(std::time::Duration::ZERO).succeed();
        mail.set_depth(99);
        for kind in [&get, &users.kind("new")] {
            kind.hit();
            assert!(kind.lookup(None::<u8>).is_none());
        }
        users.miss();
        users.record_lookup("get", true);
        users.set_entries(99);
        let (of_mail, of_users) = (mail.stats(), users.stats());
        assert_eq!((of_mail.name.as_str(), of_mail.enqueued, of_mail.depth), ("mail", 0, 0));
        assert_eq!((of_users.name.as_str(), of_users.lookups(), of_users.entries), ("users", 0, None));
        let snapshot = monitor().snapshot();
        assert!(snapshot.queues().is_empty() && snapshot.caches().is_empty() && snapshot.errors().is_empty());
        monitor().queue("mail").enqueued().start().succeed();
        assert_eq!(monitor().snapshot().queue("mail").unwrap().processed, 1);
    });
    child.succeeds();
    let (of_mail, of_users) = (mail.stats(), users.stats());
    // In the parent the tickets were dropped with the closure.
    assert_eq!((of_mail.enqueued, of_mail.discarded, of_mail.processed), (5, 2, 3));
    assert_eq!((of_mail.failed, of_mail.requeued, of_mail.depth_reported), (0, 0, false));
    assert_eq!((of_users.hits, of_users.misses, of_users.entries), (1, 0, None));
}

pub(super) fn inherited_queues_and_caches_of_a_busy_process_hang_nobody() {
    let local = local();
    let (mail, users) = (local.queue("mail"), local.cache("users"));
    let get = users.kind("get");
    under_load(
        |name| {
            let waits = mail.enqueued();
            mail.enqueued().start().requeue().start().set_failed();
            let _ = (mail.stats(), local.queue(name).enqueued());
            waits.start().succeed();
            mail.set_depth(7);
            get.hit();
            users.record_lookup(name, false);
            let _ = (users.stats(), local.cache(name).stats());
        },
        || {
            let _ = (mail.enqueued(), mail.stats(), mail.set_oldest(None), local.queue("new in the child").stats());
            (0..100).for_each(|_| get.hit());
            users.record_lookup("new in the child", true);
            let _ = (users.kind("new in the child"), users.stats(), local.cache("new in the child").stats());
            let _ = (local.snapshot(), monitor().snapshot());
        },
    );
}

/// In a child of its own, in which nothing but metrics has told the monitor to look out for forks.
pub(super) fn an_inherited_metric_counts_in_the_child_alone_and_a_new_one_is_the_childs() {
    forked(|| {
        let local = local();
        let recorder = local.metrics_recorder();
        let ask = || (metrics::counter!("kept"), metrics::gauge!("depth"), metrics::histogram!("sizes"));
        let (kept, depth, sizes) = metrics::with_local_recorder(&recorder, ask);
        kept.increment(1);
        let count =
            |monitor: &Monitor| monitor.snapshot().metric("kept", &[]).and_then(monitor_core::MetricStats::counter);
        let child = forked(|| {
            kept.increment(5);
            kept.absolute(100);
            depth.increment(1.0);
            sizes.record(1e300);
            assert!(monitor().snapshot().metrics().is_empty(), "the child has metrics of its parent");
            assert!(local.snapshot().metrics().is_empty(), "the child has metrics of its parent");
            metrics::with_local_recorder(&recorder, || {
                metrics::describe_counter!("kept", "of the child");
                metrics::counter!("kept").increment(2);
            });
            assert_eq!((count(&monitor()), count(&local)), (Some(2), Some(2)));
        });
        child.succeeds();
        kept.increment(1);
        assert_eq!(count(&local), Some(2));
    })
    .succeeds();
}

pub(super) fn inherited_metrics_of_a_busy_process_hang_nobody() {
    let local = local();
    let recorder = local.metrics_recorder();
    let kept = metrics::with_local_recorder(&recorder, || metrics::histogram!("kept"));
    // New names, label sets and octaves all the time: whatever asks for memory or takes a lock.
    let write = |name: &str| {
        metrics::with_local_recorder(&recorder, || {
            metrics::counter!(name.to_owned()).increment(1);
            metrics::histogram!("values", "name" => name.to_owned()).record(1.0);
            metrics::describe_counter!(name.to_owned(), "a description");
        });
        kept.record(f64::from_bits(bits_of(name)));
        let _ = local.snapshot();
    };
    under_load(write, || (0..50).for_each(|n| write(&format!("child {n}"))));
}

/// Bits for a float of any magnitude, the same for the same name.
fn bits_of(name: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
