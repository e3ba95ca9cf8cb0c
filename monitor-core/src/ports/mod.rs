//! What the monitor asks of the outside, as traits: programs may put their own behind them.

pub(crate) mod checkpoints;
