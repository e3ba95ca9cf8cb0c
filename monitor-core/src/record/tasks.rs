//! Futures that began and wait for their next poll: they are on no thread's stack, and still they are active.
//!
//! The thread on which a future first gives way takes a slot from its own shard; whichever thread ends the future
//! gives it back. A future that is ready at its first poll takes none.

use parking_lot::Mutex;

use super::counter::Counter;
use super::lineage::Lineage;
use super::list::List;
use super::sync::{AtomicU64, AtomicUsize, Ordering, fence};

const SLOTS: usize = 64;

/// Slots of one shard are bounded; a future over the bound is counted and timed as ever, and missing from the list of
/// what is active.
pub(crate) const MAX_TASKS: usize = 1 << 16;

/// What readers know of a future between two polls. Written by the thread that polls it.
pub(crate) struct Task {
    /// Of the operation; zero: the slot is free.
    id: Counter,
    series: Counter,
    since: Counter,
    parent: Counter,
    pub(crate) polls: Counter,
    pub(crate) busy_ns: Counter,
    /// `None`: its trace begins with it. Held for a moment by readers, and where there is one when the slot is taken and
    /// when it is given back.
    lineage: Mutex<Option<Lineage>>,
    /// Whether there is one. Written by the thread that has the slot.
    has_lineage: Counter,
}

impl Task {
    fn new() -> Self {
        let zero = || Counter::new(0);
        Self {
            id: zero(),
            series: zero(),
            since: zero(),
            parent: zero(),
            polls: zero(),
            busy_ns: zero(),
            lineage: Mutex::new(None),
            has_lineage: zero(),
        }
    }
}

impl Task {
    fn lineage(&self, id: u64) -> Lineage {
        let kept = if id != 0 && self.has_lineage.acquire() != 0 { self.lineage.lock().clone() } else { None };
        kept.unwrap_or(Lineage::Root(id))
    }
}

/// A task as another thread saw it.
#[derive(Clone, Debug)]
pub(crate) struct TaskView {
    pub(crate) id: u64,
    pub(crate) series: u32,
    pub(crate) since: u64,
    pub(crate) parent: u64,
    pub(crate) polls: u64,
    pub(crate) busy_ns: u64,
    pub(crate) lineage: Lineage,
}

struct Chunk {
    /// A bit for each slot; set: free. Bits are cleared by the holder of the shard and set by anybody.
    free: AtomicU64,
    tasks: [Task; SLOTS],
}

/// A slot taken. It must be given back with [`release`](Self::release), once.
#[derive(Debug)]
pub(crate) struct TaskSlot {
    chunk: *const Chunk,
    number: usize,
}

// SAFETY: a slot points into a chunk that any thread may use: its fields are atomics.
unsafe impl Send for TaskSlot {}
// SAFETY: as above.
unsafe impl Sync for TaskSlot {}

impl TaskSlot {
    fn chunk(&self) -> &Chunk {
        // SAFETY: a chunk lives as long as its shard, and whoever has a slot keeps the recorder of that shard alive.
        unsafe { &*self.chunk }
    }

    pub(crate) fn task(&self) -> &Task {
        &self.chunk().tasks[self.number]
    }

    pub(crate) fn release(self) {
        self.task().id.set(0);
        // In a statement of its own: what is freed is freed when the lock is gone.
        if self.task().has_lineage.get() != 0 {
            let lineage = self.task().lineage.lock().take();
            drop(lineage);
        }
        self.chunk().free.fetch_or(1 << self.number, Ordering::Release);
    }
}

/// The slots of one shard.
pub(crate) struct Tasks {
    all: List<Chunk>,
    chunks: AtomicUsize,
}

impl Tasks {
    pub(crate) fn new() -> Self {
        Self { all: List::new(), chunks: AtomicUsize::new(0) }
    }

    /// Takes a slot for an operation. Only the thread that holds the shard may call it. `None` over the bound.
    #[cold]
    pub(crate) fn claim(
        &self,
        id: u64,
        series: u32,
        since: u64,
        parent: u64,
        lineage: Option<Lineage>,
    ) -> Option<TaskSlot> {
        let chunk = self.all.iter().find(|chunk| chunk.free.load(Ordering::Relaxed) != 0).or_else(|| self.grow())?;
        let number = chunk.free.load(Ordering::Relaxed).trailing_zeros() as usize;
        // Acquire: what the one before wrote to the slot lies before what is written now.
        chunk.free.fetch_and(!(1 << number), Ordering::Acquire);
        let task = &chunk.tasks[number];
        task.series.publish(u64::from(series));
        task.since.publish(since);
        task.parent.publish(parent);
        task.polls.publish(0);
        task.busy_ns.publish(0);
        task.has_lineage.publish(u64::from(lineage.is_some()));
        if lineage.is_some() {
            *task.lineage.lock() = lineage;
        }
        task.id.publish(id);
        Some(TaskSlot { chunk, number })
    }

    fn grow(&self) -> Option<&Chunk> {
        let chunks = self.chunks.load(Ordering::Relaxed);
        if chunks * SLOTS >= MAX_TASKS {
            return None;
        }
        let tasks = std::array::from_fn(|_| Task::new());
        let chunk = self.all.push(Chunk { free: AtomicU64::new(u64::MAX), tasks });
        self.chunks.store(chunks + 1, Ordering::Relaxed);
        Some(chunk)
    }

    /// The futures that have a slot, from any thread. One that changes hands meanwhile is left out.
    pub(crate) fn read(&self) -> impl Iterator<Item = TaskView> {
        let taken = |chunk: &Chunk| !chunk.free.load(Ordering::Relaxed);
        self.all.iter().filter(move |chunk| taken(chunk) != 0).flat_map(|chunk| chunk.tasks.iter()).filter_map(|task| {
            let id = task.id.acquire();
            let view = TaskView {
                id,
                series: u32::try_from(task.series.acquire()).unwrap_or(u32::MAX),
                since: task.since.acquire(),
                parent: task.parent.acquire(),
                polls: task.polls.acquire(),
                busy_ns: task.busy_ns.acquire(),
                lineage: task.lineage(id),
            };
            fence(Ordering::Acquire);
            (id != 0 && task.id.get() == id).then_some(view)
        })
    }

    pub(crate) fn bytes_held(&self) -> usize {
        self.chunks.load(Ordering::Relaxed) * size_of::<Chunk>()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn slots_are_listed_while_taken_and_used_again() {
        let tasks = Tasks::new();
        let slots: Vec<_> = (1..=100).map(|id| tasks.claim(id, 7, id * 10, 0, None).unwrap()).collect();
        assert_eq!(tasks.read().count(), 100);
        let held = tasks.bytes_held();
        slots.into_iter().for_each(TaskSlot::release);
        assert_eq!(tasks.read().count(), 0);
        let slots: Vec<_> = (1..=100).map(|id| tasks.claim(id, 7, id * 10, 0, None).unwrap()).collect();
        assert_eq!(tasks.bytes_held(), held);
        slots.into_iter().for_each(TaskSlot::release);
    }

    #[test]
    fn slots_are_bounded() {
        let tasks = Tasks::new();
        let slots: Vec<_> = (1..=MAX_TASKS as u64).filter_map(|id| tasks.claim(id, 0, 0, 0, None)).collect();
        assert_eq!(slots.len(), MAX_TASKS);
        assert!(tasks.claim(1, 0, 0, 0, None).is_none());
        slots.into_iter().for_each(TaskSlot::release);
        tasks.claim(1, 0, 0, 0, None).unwrap().release();
    }
}
