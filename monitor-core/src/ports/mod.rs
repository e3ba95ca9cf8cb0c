//! What the monitor asks of the outside, as traits: programs may put their own behind them.

#[cfg(feature = "checkpoints")]
pub(crate) mod checkpoints;
pub(crate) mod sink;
