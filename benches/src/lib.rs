//! The measuring side of the benches: what is compared, how it is measured, how it is shown.
//!
//! The targets beside this folder are short programs over these modules:
//!
//! - `record`: what one tracked call costs, ours and others';
//! - `errors`: what an error costs that is known already;
//! - `progress`: what counting one item of a job costs;
//! - `snapshot`: what reading costs;
//! - `states`: what a state machine costs;
//! - `allocations`: what counting an allocation costs;
//! - `sqlite`: what a history in a file costs, and how quickly it answers;
//! - `memory`: what is held, and that it stays as it is.
//!
//! | module | owns |
//! |---|---|
//! | [`contender`] | what is compared: the body that all track, and a named way of tracking it |
//! | [`ours`], [`floor`], `peers` | the contenders: ours, the least that timing can cost, other libraries |
//! | [`failing`] | contenders that meet an error each time |
//! | [`history`] | histories in SQLite files: a large one to ask, and what writing costs |
//! | [`rounds`] | how it is measured: threads, interleaved rounds, the minimum |
//! | [`budgets`] | what ours may cost, as text beside the figures |
//! | [`table`], [`markdown`] | how it is shown |
//! | [`options`], [`process`], [`machine`] | arguments; CPU and memory of this process; the machine's name |
//!
//! Nothing here asserts a time. A figure that misses its budget is printed as missed, and a person decides.

#![forbid(unsafe_code)]

pub mod budgets;
pub mod comparison;
pub mod contender;
pub mod exposition;
pub mod failing;
pub mod floor;
pub mod history;
pub mod machine;
pub mod markdown;
pub mod options;
pub mod ours;
#[cfg(feature = "peers")]
pub mod peers;
pub mod process;
pub mod rounds;
pub mod table;
pub mod timing_layer;

use contender::Contender;

/// What a bench returns: figures, or the reason why there are none.
pub type BenchResult<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// All contenders in the order of the table: ours, the floor and, with the feature `peers`, the peers.
///
/// # Errors
///
/// When a peer refuses to be set up.
pub fn contenders() -> BenchResult<Vec<Contender>> {
    let mut all = ours::contenders();
    all.extend(floor::contenders());
    #[cfg(feature = "peers")]
    all.extend(peers::contenders()?);
    Ok(all)
}
