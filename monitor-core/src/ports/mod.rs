//! What the monitor asks of the outside, as traits: programs may put their own behind them.

pub(crate) mod audit;
#[cfg(feature = "checkpoints")]
pub(crate) mod checkpoints;
pub(crate) mod history;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "for implementations"))]
pub(crate) mod history_checks;
pub(crate) mod history_error;
pub(crate) mod operations;
pub(crate) mod sink;
