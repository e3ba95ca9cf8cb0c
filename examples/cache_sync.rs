//! A cache before a store: reads go through it, writes go through it, and a pass brings it in line with a store that
//! others write to as well. Shows operations by kind, hits and misses, bulk operations, errors and a summary.
//!
//! ```sh
//! cargo run --release --example cache_sync
//! ```
//!
//! The store is a folder with a file for each user. Four threads read and write; what they did is counted by hand too, and
//! compared with what the monitor says.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[path = "cache_sync/cache.rs"]
mod cache;
#[path = "cache_sync/clients.rs"]
mod clients;
#[path = "cache_sync/store.rs"]
mod store;
#[path = "cache_sync/summary.rs"]
mod summary;

use std::error::Error;
use std::fs;
use std::process::ExitCode;

use cache::Users;
use clients::Tally;
use monitor_core::testing::{assert_cache, assert_operation};
use monitor_core::{Snapshot, monitor};
use store::{Store, User};

/// Users in the store.
const USERS: u32 = 200;
/// Users that the cache has room for.
const CAPACITY: usize = 64;

fn main() -> ExitCode {
    let folder = std::env::temp_dir().join(format!("cache_sync-{}", std::process::id()));
    let ended = run(&folder);
    // Whatever became of it; if the folder stays, it is in a place for such things.
    let _ = fs::remove_dir_all(&folder);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cache_sync: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(folder: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let store = Store::create(folder)?;
    for id in 0..USERS {
        store.save(&User { id, name: format!("user {id}"), visits: 0 })?;
    }
    let users = Users::new(store, CAPACITY);
    users.warm_up(0..32)?;
    let tally = clients::run(&users);

    // Others write to the store, and the cache does not know.
    let changed = users.ids().into_iter().take(10).collect::<Vec<_>>();
    for id in &changed[..7] {
        users.store().save(&User { id: *id, name: "changed".to_owned(), visits: 0 })?;
    }
    for id in &changed[7..] {
        users.store().delete(*id)?;
    }
    let synchronised = users.synchronise()?;
    println!("synchronised: {synchronised}\n");
    // One file is damaged, and the user is not in the cache.
    let damaged = (0..USERS).find(|id| !users.ids().contains(id)).ok_or("the cache has them all")?;
    fs::write(users.store().path(damaged), "no user")?;
    let refused = users.get(damaged);
    assert!(refused.is_err(), "{refused:?}");

    let snapshot = monitor().snapshot();
    summary::print(&snapshot);
    assert_eq!((synchronised.stale, synchronised.gone), (7, 3));
    check(&snapshot, &tally);
    println!("\nevery count is as expected");
    Ok(())
}

/// What the monitor says is what was done.
fn check(snapshot: &Snapshot, tally: &Tally) {
    let Tally { gets, found, many, asked, puts } = *tally;
    // One more was for the damaged user.
    assert_operation(snapshot, "cache.get").calls(gets + 1).failures(1);
    assert_operation(snapshot, "cache.get_many").calls(many).items(asked);
    assert_operation(snapshot, "cache.put").successes(puts);
    assert_eq!(assert_cache(snapshot, "users").stats().lookups(), gets + asked + 1);
    assert_eq!(found, gets + asked, "every user is there");
    // Each miss, and no hit, asked the store.
    let users = assert_cache(snapshot, "users").stats();
    let misses = |kind: &str| users.kind(kind).map_or(0, |kind| kind.misses);
    let refreshed = snapshot.operation("cache.synchronise").map_or(0, |pass| pass.items);
    assert_operation(snapshot, "store.fetch").calls(misses("get") + refreshed);
    assert_operation(snapshot, "store.fetch_many").items(misses("get_many") + 32);
}
