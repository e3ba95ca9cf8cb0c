//! The cache: what was used last, before a store.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use monitor_core::{Cache, CacheKind, monitor, track_operation};

use crate::store::{Store, StoreError, User};

pub(crate) struct Users {
    store: Store,
    entries: Mutex<Entries>,
    /// One write at a time, so that store and cache agree on which was the last.
    writing: Mutex<()>,
    /// Writes begun and writes ended: odd while one goes on.
    writes: AtomicU64,
    capacity: usize,
    figures: Cache,
    get: CacheKind,
    get_many: CacheKind,
}

/// Users, and when each was used: a number that grows.
#[derive(Default)]
struct Entries {
    users: HashMap<u32, (User, u64)>,
    uses: u64,
}

/// What a pass found.
#[derive(Debug, Default)]
pub(crate) struct Synchronised {
    pub(crate) checked: u64,
    pub(crate) stale: u64,
    pub(crate) gone: u64,
}

impl fmt::Display for Synchronised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Synchronised { checked, stale, gone } = self;
        write!(f, "{checked} entries compared with the store, {stale} brought up to date, {gone} removed")
    }
}

impl Entries {
    fn find(&mut self, id: u32) -> Option<User> {
        self.uses += 1;
        let (user, used) = self.users.get_mut(&id)?;
        *used = self.uses;
        Some(user.clone())
    }
}

impl Users {
    pub(crate) fn new(store: Store, capacity: usize) -> Users {
        let figures = monitor().cache("users");
        figures.set_capacity(capacity as u64);
        let (get, get_many) = (figures.kind("get"), figures.kind("get_many"));
        let (entries, writing, writes) = (Mutex::default(), Mutex::default(), AtomicU64::new(0));
        Users { store, entries, writing, writes, capacity, figures, get, get_many }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// The users that it holds, in order.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut ids: Vec<_> = self.lock().users.keys().copied().collect();
        ids.sort_unstable();
        ids
    }

    /// Reads through: from the cache or else from the store.
    #[track_operation(name = "cache.get", kind = "cache", fields(id))]
    pub(crate) fn get(&self, id: u32) -> Result<Option<User>, StoreError> {
        // In a statement of its own: nobody waits for the lock while the store is read.
        let known = self.lock().find(id);
        if let Some(user) = self.get.lookup(known) {
            return Ok(Some(user));
        }
        let before = self.writes.load(Ordering::SeqCst);
        let user = self.store.fetch(id)?;
        self.keep_if_unchanged(before, user.clone());
        Ok(user)
    }

    /// Likewise for many: the store is asked once for all that are missing.
    #[track_operation(name = "cache.get_many", kind = "bulk", items = ids.len())]
    pub(crate) fn get_many(&self, ids: &[u32]) -> Result<Vec<User>, StoreError> {
        let (mut users, mut missing) = (Vec::new(), Vec::new());
        {
            let mut entries = self.lock();
            for id in ids {
                match entries.find(*id) {
                    Some(user) => users.push(user),
                    None => missing.push(*id),
                }
            }
        }
        self.get_many.hits(users.len() as u64);
        self.get_many.misses(missing.len() as u64);
        if !missing.is_empty() {
            let before = self.writes.load(Ordering::SeqCst);
            let fetched = self.store.fetch_many(&missing)?;
            self.keep_if_unchanged(before, fetched.iter().cloned());
            users.extend(fetched);
        }
        Ok(users)
    }

    /// Writes through: to the store, and then to the cache.
    #[track_operation(name = "cache.put", kind = "cache", fields(id = user.id))]
    pub(crate) fn put(&self, user: User) -> Result<(), StoreError> {
        let _one_at_a_time = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        self.writes.fetch_add(1, Ordering::SeqCst);
        let saved = self.store.save(&user);
        if saved.is_ok() {
            self.keep(&mut self.lock(), Some(user));
        }
        self.writes.fetch_add(1, Ordering::SeqCst);
        saved
    }

    /// Fills it before anybody asks.
    #[track_operation(name = "cache.warm_up", kind = "bulk", items_from = |kept| *kept)]
    pub(crate) fn warm_up(&self, ids: std::ops::Range<u32>) -> Result<usize, StoreError> {
        let users = self.store.fetch_many(&ids.collect::<Vec<_>>())?;
        let kept = users.len();
        self.keep(&mut self.lock(), users);
        Ok(kept)
    }

    /// Compares what it holds with the store, which others write to as well.
    #[track_operation(name = "cache.synchronise", kind = "bulk", items_from = |pass| pass.checked)]
    pub(crate) fn synchronise(&self) -> Result<Synchronised, StoreError> {
        let mut pass = Synchronised::default();
        let progress = monitor().progress("synchronise").total(self.ids().len() as u64).start();
        for id in self.ids() {
            let stored = self.store.fetch(id)?;
            let mut entries = self.lock();
            let held = entries.users.get(&id).map(|(user, _)| user);
            match (&stored, held) {
                (Some(stored), Some(held)) if stored != held => pass.stale += 1,
                (None, Some(_)) => pass.gone += 1,
                _ => {}
            }
            match stored {
                Some(user) => _ = entries.users.entry(id).and_modify(|(held, _)| *held = user),
                None => _ = entries.users.remove(&id),
            }
            pass.checked += 1;
            progress.inc(1);
        }
        self.figures.invalidated(pass.stale + pass.gone);
        self.measure(&self.lock());
        Ok(pass)
    }

    /// Keeps what was read from the store, unless somebody wrote meanwhile: it may be old already.
    fn keep_if_unchanged(&self, writes: u64, users: impl IntoIterator<Item = User>) {
        let mut entries = self.lock();
        if writes.is_multiple_of(2) && self.writes.load(Ordering::SeqCst) == writes {
            self.keep(&mut entries, users);
        }
    }

    fn keep(&self, entries: &mut Entries, users: impl IntoIterator<Item = User>) {
        for user in users {
            entries.uses += 1;
            let used = entries.uses;
            if entries.users.insert(user.id, (user, used)).is_none() {
                self.figures.inserted(1);
            }
            if entries.users.len() > self.capacity {
                let oldest = entries.users.values().min_by_key(|(_, used)| *used).map(|(user, _)| user.id);
                oldest.and_then(|id| entries.users.remove(&id));
                self.figures.evicted(1);
            }
        }
        self.measure(entries);
    }

    fn measure(&self, entries: &Entries) {
        let names: usize = entries.users.values().map(|(user, _)| user.name.capacity()).sum();
        let memory = names + entries.users.capacity() * size_of::<(u32, (User, u64))>();
        self.figures.set_entries(entries.users.len() as u64);
        self.figures.set_memory_bytes(memory as u64);
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
