//! `#[track_operations]` on every kind of block, under the strictest lints.
#![deny(warnings, clippy::all, clippy::pedantic, missing_docs)]
#![forbid(unsafe_code)]

use monitor_core::track_operations;

#[derive(Clone, Default)]
struct Store<T, const N: usize> {
    values: Vec<T>,
}

#[track_operations(kind = "database", component = "storage", labels(tier = "hot"), sample = 4, record = "none")]
impl<T: Clone + PartialEq, const N: usize> Store<T, N> {
    const LIMIT: usize = { N * 2 };

    /// Not tracked: it is `const`.
    const fn limit() -> usize {
        Self::LIMIT
    }

    fn push(&mut self, value: T) -> Result<&mut T, T> {
        if self.values.len() >= Self::limit() {
            return Err(value);
        }
        self.values.push(value);
        let last = self.values.len() - 1;
        Ok(&mut self.values[last])
    }

    #[inline]
    #[must_use]
    fn get(&self, at: usize) -> Option<&T> {
        self.values.get(at)
    }

    #[monitor_core::track_operation(name = "store.find", kind = "search", labels(tier = "cold"), fields(at = 1))]
    async fn find(&self, value: &T) -> Option<usize> {
        std::future::ready(()).await;
        self.values.iter().position(|have| have == value)
    }

    #[monitor_core::track_operation(skip)]
    fn skipped(&self) -> usize {
        self.values.len()
    }

    #[monitor_core::track_operation]
    fn plain(&self) -> [u8; const { 1 + 1 }] {
        let _ = self.skipped();
        [0; 2]
    }
}

trait Area {
    const UNIT: u32;
    type Number;

    fn area(&self) -> u32;

    fn twice(&self) -> u32 {
        self.area() * 2
    }
}

#[track_operations]
impl Area for u32 {
    const UNIT: u32 = 1;
    type Number = u32;

    fn area(&self) -> u32 {
        *self * Self::UNIT
    }
}

#[track_operations]
trait Named {
    fn name(&self) -> String;

    fn shout(&self) -> String {
        self.name().to_uppercase()
    }
}

impl Named for u32 {
    fn name(&self) -> String {
        "a".to_owned()
    }
}

#[track_operations(kind = "geometry")]
mod geometry {
    #![allow(clippy::inline_always)]
    //! Its documentation.

    use std::fmt::{self, Display};

    pub(crate) const SIDE: Side = Side { length: 2 };
    static NAMES: [&str; 1] = ["a"];

    #[derive(Clone, Copy)]
    pub(crate) struct Side {
        pub(crate) length: u32,
    }

    macro_rules! doubled {
        ($value:expr) => {
            $value * 2
        };
    }

    #[inline(always)]
    pub(crate) fn square(side: Side) -> u32 {
        side.length * side.length
    }

    pub(crate) mod inner {
        pub(crate) async fn later(value: u32) -> u32 {
            std::future::ready(value).await
        }
    }

    impl Side {
        pub(crate) fn doubled(self) -> Self {
            Self { length: doubled!(self.length) }
        }
    }

    impl Display for Side {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{} {}", NAMES[0], self.length)
        }
    }

    #[super::renamed::track_operations(kind = "other")]
    impl Side {
        pub(crate) fn other(self) -> u32 {
            self.length
        }
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn not_tracked() {}
    }
}

mod renamed {
    pub(crate) use monitor_core::track_operations;
}

fn main() {
    let mut store: Store<u8, 1> = Store::default();
    assert_eq!(store.push(1), Ok(&mut 1));
    assert_eq!(store.get(0), Some(&1));
    assert_eq!(store.plain(), [0, 0]);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(store.find(&1)).poll(&mut cx).is_ready());
    assert_eq!(3.twice() + 3_u32.area(), 9);
    assert_eq!(3.shout(), "A");
    assert_eq!(geometry::square(geometry::SIDE.doubled()), 16);
    assert_eq!(geometry::SIDE.other(), 2);
    assert_eq!(geometry::SIDE.to_string(), "a 2");
    assert!(std::pin::pin!(geometry::inner::later(1)).poll(&mut cx).is_ready());
}
