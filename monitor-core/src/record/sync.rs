//! The atomics, so that the model checker can put its own in their place.

#[cfg(loom)]
pub(crate) use checked::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering, fence};

/// Loom's atomics, with loads that count as changes where it decides what to try next.
///
/// Loom remembers the last access of an atomic only. A writer that loads before it stores, as a counter with one writer
/// does, thereby hides from it that another thread had loaded before, and the runs in which that load comes later are
/// never tried. Here each load changes a companion first, in a way that orders nothing: now the writer's load finds the
/// other one.
#[cfg(loom)]
mod checked {
    use loom::sync::atomic::{self, Ordering};

    macro_rules! atomic {
        ($name:ident $(<$t:ident>)?, $value:ty, $($method:ident($($argument:ident: $of:ty),*) -> $result:ty;)*) => {
            #[derive(Debug)]
            pub(crate) struct $name $(<$t>)? {
                value: atomic::$name $(<$t>)?,
                loads: Box<atomic::AtomicUsize>,
            }

            impl $(<$t>)? $name $(<$t>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self { value: atomic::$name::new(value), loads: Box::new(atomic::AtomicUsize::new(0)) }
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    self.loads.fetch_add(1, Ordering::Relaxed);
                    self.value.load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    self.value.store(value, order);
                }

                $(pub(crate) fn $method(&self, $($argument: $of),*) -> $result {
                    self.value.$method($($argument),*)
                })*
            }
        };
    }

    atomic!(AtomicBool, bool, compare_exchange(now: bool, new: bool, ok: Ordering, err: Ordering) -> Result<bool, bool>;);
    atomic!(AtomicPtr<T>, *mut T,
        compare_exchange(now: *mut T, new: *mut T, ok: Ordering, err: Ordering) -> Result<*mut T, *mut T>;);
    atomic!(AtomicUsize, usize, fetch_add(n: usize, order: Ordering) -> usize;);
    atomic!(AtomicU64, u64,
        compare_exchange(now: u64, new: u64, ok: Ordering, err: Ordering) -> Result<u64, u64>;
        fetch_and(bits: u64, order: Ordering) -> u64;
        fetch_or(bits: u64, order: Ordering) -> u64;);
}
