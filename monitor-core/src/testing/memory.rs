//! Assertions on the memory that an operation asks for.

use super::OperationAssert;
use crate::model::text::{format_count, plural};

/// # Memory
///
/// For programs that have installed `TrackedAllocator` (feature `alloc`); without it nothing is counted, and every limit
/// holds. Memory asked for by the operations called from inside counts there.
impl OperationAssert<'_> {
    /// At most `n` blocks of memory were asked for, by all calls together.
    ///
    /// ```
    /// use monitor_core::{Monitor, testing};
    ///
    /// let local = Monitor::builder().build()?;
    /// local.scope(|| local.track("hash", |_| 7_u64.wrapping_mul(31)));
    /// testing::assert_operation(&local.snapshot(), "hash").allocations_at_most(0).allocated_bytes_at_most(0);
    /// # Ok::<(), monitor_core::Error>(())
    /// ```
    #[track_caller]
    pub fn allocations_at_most(self, n: u64) -> Self {
        let found = self.stats.allocations;
        self.check(
            found <= n,
            format_args!("expected at most {}", plural(n, "allocation")),
            format_args!("{}", format_count(found)),
        )
    }

    /// At most `n` bytes of memory were asked for, by all calls together.
    #[track_caller]
    pub fn allocated_bytes_at_most(self, n: u64) -> Self {
        let found = self.stats.allocated_bytes;
        self.check(
            found <= n,
            format_args!("expected at most {} of memory", plural(n, "byte")),
            format_args!("{}", format_count(found)),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::assert_operation;
    use super::super::tests::message;
    use crate::model::{Identity, OperationStats, Snapshot, SnapshotParts, Totals};

    #[test]
    fn limits_hold_up_to_the_number_and_fail_above_it_with_all_figures() {
        let totals = Totals { allocations: 12, allocated_bytes: 3_000, ..Totals::of_durations(&[5]) };
        let identity = Identity { name: "sort".into(), ..Identity::default() };
        let operations = vec![OperationStats::new(identity, totals, Duration::from_secs(1))];
        let snapshot = Snapshot::new(SnapshotParts { operations, ..SnapshotParts::empty() });
        let sort = assert_operation(&snapshot, "sort").allocations_at_most(12).allocated_bytes_at_most(3_000);
        let failed = message(|| _ = sort.allocations_at_most(11));
        assert!(failed.starts_with("operation `sort`: expected at most 11 allocations, found 12\n"), "{failed}");
        assert!(failed.contains("\n  memory     12 allocations, 3,000 bytes\n"), "{failed}");
        let failed = message(|| _ = sort.allocated_bytes_at_most(2_999));
        assert!(failed.contains("expected at most 2,999 bytes of memory, found 3,000\n"), "{failed}");
    }
}
