//! A recorder: the shards of all threads, the registry of series, the settings. The one that a process has by itself,
//! and those that a program makes.

use std::alloc::{GlobalAlloc, Layout, System, handle_alloc_error};
use std::any::Any;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::fast::FixedState;
use parking_lot::{Mutex, RwLock};

use super::attached::Attached;
use super::budget::NEVER;
use super::cell::Recording;
use super::fork;
use super::journal::Recent;
use super::lineage::Lineage;
use super::listener::{Listener, Listeners};
use super::parked::Parked;
use super::quiet::quietly_or_not;
use super::registry::{Found, Identity, Limits, Registry, Series};
use super::roster::Roster;
use super::shard;
use super::tsc;
use crate::base::clock::Clock;
use crate::store::Stores;
use crate::store::by_id::OperationsById;
use crate::store::errors::{DEFAULT_GROUPS, DEFAULT_QUIET};

/// A shard of a recorder, and the right to write to it.
pub(crate) type Shard = shard::Shard<Recorder>;
pub(crate) type Holder<'a> = shard::Holder<'a, Recorder>;

/// Settings as they are when nobody says otherwise.
pub(crate) const DEFAULT_LIMITS: Limits = Limits { operations: 4_096, label_sets: 2_000 };
pub(crate) const DEFAULT_RECENT: usize = 1_024;
pub(crate) const DEFAULT_RECORDS_PER_SECOND: u64 = 10;

/// Errors of one source that are looked at each second, after ten at once.
const LOOKS_PER_SECOND: u64 = 10;

pub(crate) struct Recorder {
    pub(crate) shards: Roster<Shard>,
    pub(crate) clock: Clock,
    pub(crate) tsc: bool,
    /// Reading of the clock when the recorder was made.
    pub(crate) since: u64,
    pub(crate) hash_state: FixedState,
    registry: RwLock<Registry>,
    pub(crate) recent: Mutex<Recent>,
    pub(crate) parked: Parked,
    pub(crate) service: Mutex<String>,
    pub(crate) stores: Stores,
    pub(crate) listeners: Listeners,
    pub(crate) by_id: OperationsById<ById>,
    /// Where operations by id are known to other processes. A thing of the trackers, which know its type.
    pub(crate) ledger: OnceLock<Box<dyn Any + Send + Sync>>,
    /// Why it cannot be reached, while that is so.
    pub(crate) by_id_trouble: Mutex<Option<String>>,
    pub(crate) attached: Attached,
    enabled: AtomicBool,
    pub(crate) backtraces: AtomicBool,
    max_operations: AtomicUsize,
    max_label_sets: AtomicUsize,
    /// Ticks of the clock for each error of one source that is looked at.
    pub(crate) look_interval: u64,
    /// Ticks of the clock for each record that a budget allows.
    record_interval: AtomicU64,
    pub(crate) counts: Counts,
    /// Whether handles are counted; the recorder of the process is never freed.
    counted: bool,
    /// The pointer that handles are counted by.
    own: AtomicPtr<Self>,
    /// Of the process that made it: see [`fork`].
    generation: usize,
}

/// What a recorder knows an operation by that is begun and ended by id.
#[derive(Clone, Debug)]
pub(crate) struct ById {
    pub(crate) id: u64,
    pub(crate) series: u32,
    pub(crate) lineage: Lineage,
}

/// Rare events, counted by whoever meets them.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) reentrant_calls: AtomicU64,
    pub(crate) callbacks_panicked: AtomicU64,
    pub(crate) traceparents_ignored: AtomicU64,
    pub(crate) names_changed: AtomicU64,
    pub(crate) by_id_errors: AtomicU64,
    pub(crate) by_id_unshared: AtomicU64,
}

/// What a monitor is built from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) service: String,
    pub(crate) limits: Limits,
    pub(crate) recent: usize,
    pub(crate) records_per_second: u64,
    pub(crate) error_groups: usize,
    pub(crate) errors_quiet: Duration,
    pub(crate) error_backtraces: bool,
    pub(crate) enabled: bool,
    pub(crate) clock: Clock,
}

/// A seed for hashes that nobody outside can know: the time, and where the system put the stack. `RandomState` would ask
/// for memory, which must not be done while the process's recorder is made.
fn seed(clock: &Clock) -> u64 {
    clock.ticks() ^ (std::ptr::from_ref(clock).addr() as u64).rotate_left(32)
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            service: String::new(),
            limits: DEFAULT_LIMITS,
            recent: DEFAULT_RECENT,
            records_per_second: DEFAULT_RECORDS_PER_SECOND,
            error_groups: DEFAULT_GROUPS,
            errors_quiet: DEFAULT_QUIET,
            error_backtraces: false,
            enabled: true,
            clock: Clock::system(),
        }
    }
}

impl Recorder {
    fn new(settings: Settings, counted: bool) -> Self {
        let recorder = Self {
            shards: Roster::new(),
            since: settings.clock.ticks(),
            look_interval: settings.clock.ticks_in(Duration::from_secs(1)) / LOOKS_PER_SECOND,
            tsc: tsc::is_read_by(&settings.clock),
            clock: settings.clock.clone(),
            hash_state: FixedState::with_seed(seed(&settings.clock)),
            registry: RwLock::new(Registry::default()),
            recent: Mutex::new(Recent::new(settings.recent)),
            parked: Parked::new(),
            service: Mutex::new(String::new()),
            stores: Stores::default(),
            listeners: Listeners::new(),
            by_id: OperationsById::default(),
            ledger: OnceLock::new(),
            by_id_trouble: Mutex::new(None),
            attached: Attached::default(),
            enabled: AtomicBool::new(true),
            backtraces: AtomicBool::new(false),
            max_operations: AtomicUsize::new(0),
            max_label_sets: AtomicUsize::new(0),
            record_interval: AtomicU64::new(0),
            counts: Counts::default(),
            counted,
            own: AtomicPtr::new(std::ptr::null_mut()),
            generation: fork::generation(),
        };
        recorder.apply(settings);
        recorder
    }

    /// Takes over settings; the clock stays, since times of two clocks cannot be compared.
    pub(crate) fn apply(&self, settings: Settings) {
        *self.service.lock() = settings.service;
        self.recent.lock().set_capacity(settings.recent);
        self.stores.errors.set_limits(settings.error_groups, settings.errors_quiet);
        self.backtraces.store(settings.error_backtraces, Ordering::Relaxed);
        self.max_operations.store(settings.limits.operations, Ordering::Relaxed);
        self.max_label_sets.store(settings.limits.label_sets, Ordering::Relaxed);
        self.stores.set_metric_limits(settings.limits.operations, settings.limits.label_sets);
        let second = self.clock.ticks_in(Duration::from_secs(1));
        let interval = second.checked_div(settings.records_per_second).unwrap_or(NEVER);
        self.record_interval.store(interval, Ordering::Relaxed);
        self.set_enabled(settings.enabled);
    }

    pub(crate) fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(crate) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::SeqCst);
        for shard in self.shards.iter() {
            self.pass_on_switch(shard);
        }
    }

    /// Changes who listens. False if there are too many.
    pub(crate) fn change_listeners(&self, change: impl FnOnce(&mut Vec<Arc<dyn Listener>>)) -> bool {
        // Quietly: the program's allocator may be tracked, and would be told of under the lock that tells who is told.
        let changed = quietly_or_not(|| self.listeners.change(change));
        for shard in self.shards.iter() {
            self.pass_on_switch(shard);
        }
        changed
    }

    /// Sets the switch of a shard as that of the recorder stands, also when that one is turned at the same moment; and
    /// from which time on calls are looked at.
    pub(crate) fn pass_on_switch(&self, shard: &Shard) {
        loop {
            let (enabled, slow_ns) = (self.enabled.load(Ordering::SeqCst), self.listeners.slow_ns());
            shard.set_off(!enabled);
            shard.listen(slow_ns);
            if (self.enabled.load(Ordering::SeqCst), self.listeners.slow_ns()) == (enabled, slow_ns) {
                return;
            }
        }
    }

    /// What tells it from other recorders.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Nanoseconds from the making of the recorder to a reading of the clock.
    pub(crate) fn since_start_ns(&self, ticks: u64) -> u64 {
        self.clock.nanos_between(self.since, ticks)
    }

    pub(crate) fn record_interval(&self) -> u64 {
        self.record_interval.load(Ordering::Relaxed)
    }

    /// Whether this process inherited the recorder by a fork: then nothing may be done with it.
    pub(crate) fn is_inherited(&self) -> bool {
        self.generation != fork::generation()
    }

    fn limits(&self) -> Limits {
        Limits {
            operations: self.max_operations.load(Ordering::Relaxed),
            label_sets: self.max_label_sets.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn find_series(&self, identity: &Identity<'_>, recording: Recording) -> Found {
        let limits = self.limits();
        // In a statement of its own: the read lock must be gone before the write lock is asked for.
        let found = self.registry.read().find(&self.hash_state, identity, limits);
        let found = found
            .unwrap_or_else(|| self.registry.write().find_or_insert(&self.hash_state, identity, recording, limits));
        if found.changed {
            self.counts.names_changed.fetch_add(1, Ordering::Relaxed);
        }
        found
    }

    /// The series, all of them, and the number of operations.
    pub(crate) fn registered(&self) -> (Vec<Arc<Series>>, usize) {
        let registry = self.registry.read();
        (registry.series().to_vec(), registry.operations())
    }

    pub(crate) fn series(&self, number: u32) -> Option<Arc<Series>> {
        self.registry.read().series().get(number as usize).cloned()
    }
}

/// A handle on a recorder. That of the process costs nothing to clone; others count their handles.
pub(crate) struct RecorderRef(NonNull<Recorder>);

// SAFETY: it is a shared pointer to a `Recorder`, which is `Send` and `Sync`.
unsafe impl Send for RecorderRef {}
// SAFETY: as above.
unsafe impl Sync for RecorderRef {}

// What the recorder has inside is whole whenever code of the host runs, also code that panics: no lock is held then.
impl UnwindSafe for RecorderRef {}
impl RefUnwindSafe for RecorderRef {}

impl RecorderRef {
    /// A recorder of its own.
    pub(crate) fn new(settings: Settings) -> Self {
        let recorder = Arc::into_raw(Arc::new(Recorder::new(settings, true))).cast_mut();
        // SAFETY: `into_raw` never gives null.
        let this = Self(unsafe { NonNull::new_unchecked(recorder) });
        this.own.store(recorder, Ordering::Release);
        this
    }

    /// The recorder that the process has by itself, made when it is first asked for.
    pub(crate) fn of_process() -> Self {
        let mut process = PROCESS.load(Ordering::Acquire);
        if process.is_null() {
            let made = Self::place(Recorder::new(Settings::default(), false));
            process = match PROCESS.compare_exchange(process, made, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => made,
                Err(earlier) => {
                    // SAFETY: made above and given to nobody, with the same allocator and layout.
                    unsafe {
                        made.drop_in_place();
                        System.dealloc(made.cast(), Layout::new::<Recorder>());
                    }
                    earlier
                }
            };
        }
        // SAFETY: not null, see above.
        Self(unsafe { NonNull::new_unchecked(process) })
    }

    /// Puts a recorder in memory of the system's own allocator: that of the program may be tracked, and a tracked call
    /// from there would ask for the recorder that is just being made.
    fn place(recorder: Recorder) -> *mut Recorder {
        let layout = Layout::new::<Recorder>();
        // SAFETY: a recorder is not of size zero.
        #[expect(clippy::cast_ptr_alignment, reason = "the layout is that of a recorder")]
        let place = unsafe { System.alloc(layout) }.cast::<Recorder>();
        if place.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: just allocated for it.
        unsafe { place.write(recorder) };
        place
    }

    /// Whether this is the only handle that is left. That of the process is never the last.
    pub(crate) fn is_last_handle(&self) -> bool {
        if !self.counted {
            return false;
        }
        // SAFETY: every counted recorder was made by `new` from an `Arc`; the count is not given back.
        let counted = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(self.0.as_ptr().cast_const()) });
        Arc::strong_count(&counted) == 1
    }

    /// A handle on a recorder that is known to be alive.
    #[inline(always)]
    pub(crate) fn to(recorder: &Recorder) -> Self {
        if recorder.counted {
            // Not the address of the reference: only this pointer may reach the count beside the recorder.
            let own = recorder.own.load(Ordering::Acquire);
            // SAFETY: every counted recorder was made by `new` from an `Arc`, and the reference says that it lives.
            unsafe { Arc::increment_strong_count(own) };
            // SAFETY: it was stored by `new`, from `into_raw`, before anybody had the recorder.
            return Self(unsafe { NonNull::new_unchecked(own) });
        }
        Self(NonNull::from(recorder))
    }
}

impl std::ops::Deref for RecorderRef {
    type Target = Recorder;

    #[inline(always)]
    fn deref(&self) -> &Recorder {
        // SAFETY: a handle keeps its recorder alive, or the recorder is never freed.
        unsafe { self.0.as_ref() }
    }
}

impl Clone for RecorderRef {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self::to(self)
    }
}

impl Drop for RecorderRef {
    #[inline(always)]
    fn drop(&mut self) {
        if self.counted {
            // SAFETY: this handle's own count, taken by `new` or `to`.
            unsafe { Arc::decrement_strong_count(self.0.as_ptr().cast_const()) };
        }
    }
}

/// The recorder of the process; null before it is needed, and again in a forked child.
static PROCESS: AtomicPtr<Recorder> = AtomicPtr::new(std::ptr::null_mut());

/// Lets a forked child begin with a recorder of its own. The parent's is left alone, memory and all.
pub(super) fn forget_process() {
    PROCESS.store(std::ptr::null_mut(), Ordering::Relaxed);
}

/// The recorder of the process, if there is one already.
pub(crate) fn existing_process<'a>() -> Option<&'a Recorder> {
    // SAFETY: it is null or never freed.
    unsafe { PROCESS.load(Ordering::Acquire).as_ref() }
}
