//! The recorder: call sites, per-thread shards, histograms, stacks of active operations, record rings.
//!
//! The one rule of this folder: **a shard is written by the thread that holds it and by no other.** Its counters are
//! atomics that their one writer changes with a plain load and a plain store, so recording has no locked instruction,
//! no lock and no cache line shared with another writer. Readers add all shards up. What two threads may both write
//! (a claim, a frame marked dead from outside, a slot given back) says so where it stands.
//!
//! It is the only folder with unsafe code (beside a call of the system in `base::fork_gate`): shards, cells and octaves are shared by raw pointers that live as long as
//! their recorder. Each block says why it holds; `loom_tests` checks the protocols.
//!
//! From the ground up, each knowing only what stands before it:
//!
//! | modules | own |
//! |---|---|
//! | `sync`, `counter`, `list`, `quiet` | the atomics, a number with one writer, a list that grows, the way a slow path is kept out of reach |
//! | `budget`, `tallies` | how much is kept of something, how many errors came from one source |
//! | `durations`, `edges`, `cell` | the figures of one operation on one thread |
//! | `lineage` | which trace a call belongs to, ids of traces and spans |
//! | `stack`, `tasks`, `parked` | what runs: on a thread, between two polls, on its way elsewhere |
//! | `scope`, `context` | the contexts that a thread is in, on whose behalf its calls are made |
//! | `roster`, `registry`, `call_site`, `journal` | who holds which shard, which operations there are, records |
//! | `fork`, `tsc`, `copies` | what the process and its machine are like |
//! | `shard`, `recorder`, `local` | a thread's share, all shares, the way from a thread to its share |
//! | `listener`, `attached` | who is told of calls that fail or take long; who fetches records |
//! | `allocations` | memory that operations ask for |
//! | `failure`, `errors` | why a call failed, and the way of errors to their groups |
//! | `note`, `call`, `sync_call`, `open_call`, `task_call`, `span`, `span_call` | one call from beginning to end |
//! | `by_id` | one operation that is begun and ended in different places |
//! | `reader`, `fetch` | all of it added up; what came, for a collector |

// By design; see above.
#![allow(unsafe_code)]

mod sync;

pub(crate) mod budget;
pub(crate) mod cell;
pub(crate) mod counter;
pub(crate) mod durations;
pub(crate) mod edges;
pub(crate) mod lineage;
pub(crate) mod list;
pub(crate) mod quiet;
pub(crate) mod roster;
pub(crate) mod stack;
pub(crate) mod tallies;
pub(crate) mod tasks;

#[cfg(all(feature = "alloc", not(loom)))]
pub(crate) mod allocations;
#[cfg(not(loom))]
pub(crate) mod attached;
#[cfg(not(loom))]
pub(crate) mod by_id;
#[cfg(not(loom))]
pub(crate) mod call;
#[cfg(not(loom))]
pub(crate) mod call_site;
#[cfg(not(loom))]
pub(crate) mod context;
#[cfg(not(loom))]
pub(crate) mod copies;
#[cfg(not(loom))]
pub(crate) mod errors;
#[cfg(not(loom))]
pub(crate) mod failure;
#[cfg(not(loom))]
pub(crate) mod fetch;
#[cfg(not(loom))]
pub(crate) mod fork;
#[cfg(not(loom))]
pub(crate) mod journal;
#[cfg(not(loom))]
#[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "events of `tracing` are what calls are told for"))]
pub(crate) mod listener;
#[cfg(not(loom))]
pub(crate) mod local;
#[cfg(not(loom))]
pub(crate) mod note;
#[cfg(not(loom))]
pub(crate) mod open_call;
#[cfg(not(loom))]
pub(crate) mod parked;
#[cfg(not(loom))]
pub(crate) mod reader;
#[cfg(not(loom))]
pub(crate) mod recorder;
#[cfg(not(loom))]
pub(crate) mod registry;
#[cfg(not(loom))]
pub(crate) mod scope;
#[cfg(not(loom))]
pub(crate) mod shard;
#[cfg(all(feature = "tracing", not(loom)))]
pub(crate) mod span;
#[cfg(all(feature = "tracing", not(loom)))]
pub(crate) mod span_call;
#[cfg(not(loom))]
pub(crate) mod sync_call;
#[cfg(not(loom))]
pub(crate) mod task_call;
#[cfg(not(loom))]
pub(crate) mod tsc;

#[cfg(all(test, loom))]
mod loom_tests;
