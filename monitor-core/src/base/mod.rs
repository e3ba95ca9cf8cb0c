//! The ground floor: clock, names, labels, the error type, padding and the bucket scale.
//!
//! Nothing here knows what an operation is; every other module may import it.

pub(crate) mod buckets;
pub(crate) mod float_buckets;
#[cfg(feature = "sqlite")]
pub(crate) mod fork_gate;
pub(crate) mod lane;
pub(crate) mod names;
pub(crate) mod padded;

#[cfg(not(loom))]
pub(crate) mod clock;
#[cfg(not(loom))]
pub(crate) mod error;
#[cfg(not(loom))]
pub(crate) mod stripes;
#[cfg(not(loom))]
pub(crate) mod watched;

#[cfg(not(loom))]
pub use clock::ManualClock;
#[cfg(not(loom))]
pub use error::Error;
