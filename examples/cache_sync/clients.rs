//! Those who use the cache: threads that read and write as their number says.

use std::thread;

use monitor_core::track_operation;

use crate::USERS;
use crate::cache::Users;
use crate::store::User;

const THREADS: u32 = 4;
const STEPS: u32 = 500;

/// What was done, counted by hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) gets: u64,
    /// Users that came back from lookups, of one and of many.
    pub(crate) found: u64,
    pub(crate) many: u64,
    pub(crate) asked: u64,
    pub(crate) puts: u64,
}

pub(crate) fn run(users: &Users) -> Tally {
    let mut sum = Tally::default();
    thread::scope(|scope| {
        let clients: Vec<_> = (0..THREADS).map(|number| scope.spawn(move || client(users, number))).collect();
        for tally in clients.into_iter().filter_map(|client| client.join().ok()) {
            sum.gets += tally.gets;
            sum.found += tally.found;
            sum.many += tally.many;
            sum.asked += tally.asked;
            sum.puts += tally.puts;
        }
    });
    sum
}

#[track_operation(name = "client")]
fn client(users: &Users, number: u32) -> Tally {
    let mut tally = Tally::default();
    let mut random = Random(u64::from(number) + 1);
    for step in 0..STEPS {
        // Low ids more often than high ones, as a few users are those who come each day.
        let id = random.below(USERS).min(random.below(USERS));
        if step % 50 == 49 {
            let ids: Vec<_> = (0..20).map(|offset| (id + offset) % USERS).collect();
            tally.many += 1;
            tally.asked += ids.len() as u64;
            tally.found += users.get_many(&ids).map_or(0, |users| users.len() as u64);
        } else if step % 10 == 3 {
            tally.puts += 1;
            // A failure is on record; a client goes on.
            let _ = users.put(User { id, name: format!("user {id} by {number}"), visits: u64::from(step) });
        } else {
            tally.gets += 1;
            tally.found += u64::from(matches!(users.get(id), Ok(Some(_))));
        }
    }
    tally
}

/// The same numbers in every run (xorshift, Marsaglia 2003).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap_or_default() % bound
    }
}
