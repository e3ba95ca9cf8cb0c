//! What one thread records into: its cells, its stack of active operations, its ring of records.

use std::cell::UnsafeCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::Deref;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use parking_lot::Mutex;
use rtrb::RingBuffer;
use smallvec::SmallVec;

use super::cell::Cell;
use super::counter::Counter;
use super::journal::{RING, RING_CALLS, RawRecord, Reader, Writer};
use super::lineage::ContextData;
use super::list::List;
use super::registry::{Identity, Series};
use super::roster::Seat;
use super::stack::{FIRST_NUMBER, NUMBER_STEP, Stack};
use super::tallies::{MAX_PLACES, TALLY_BYTES, Tallies};
use super::tasks::Tasks;
use super::tsc;
use crate::base::clock::Clock;
use crate::base::padded::Padded;

/// What one thread of one recorder records into, `H` being the recorder, its home. A thread that ends leaves its shard, with all that is counted in it,
/// to a later thread.
#[repr(align(128))]
pub(crate) struct Shard<H> {
    off: AtomicBool,
    /// Whether the clock's readings can be had from the processor directly.
    tsc: bool,
    pub(crate) clock: Clock,
    /// The last reading that was taken on this thread.
    pub(crate) last_tick: Counter,
    next_number: Counter,
    random: Counter,
    /// Calls at least this long are looked at, whatever is recorded of them. Written by whoever has the recorder's list
    /// of listeners, and when the shard is made.
    listen_ns: AtomicU64,
    /// What the holder alone touches.
    own: UnsafeCell<Own>,
    pub(crate) stack: Stack,
    home: NonNull<H>,
    pub(crate) cells: List<Cell>,
    pub(crate) tasks: Tasks,
    /// Errors that the program records by hand.
    pub(crate) reports: Tallies<MAX_PLACES>,
    /// Written by the holder, read by all.
    pub(crate) losses: Padded<Losses>,
    reader: Mutex<Option<Reader>>,
    thread: Mutex<Arc<str>>,
    /// The contexts that the holder is in, under the ids of their frames: for readers, and for whoever ends a call of
    /// this stack on another thread.
    contexts: Mutex<Vec<(u64, Arc<ContextData>)>>,
}

/// Shards made in this process.
static SHARDS: AtomicU64 = AtomicU64::new(0);

/// What this shard could not keep.
pub(crate) struct Losses {
    pub(crate) ring_full: Counter,
    pub(crate) stack_overflows: Counter,
    pub(crate) task_overflows: Counter,
}

struct Own {
    /// Cells by the number of the call site, and by that of the series; null where there is none.
    by_site: Vec<*const Cell>,
    by_series: Vec<*const Cell>,
    /// Series met by name, under the hash of their identity.
    by_name: HashMap<u64, SmallVec<[Met; 1]>, Unhashed>,
    /// The series that was met last for each [place](Identity::place). What is found here is compared in full.
    by_place: Box<[Option<Met>]>,
    /// Series by number, for records.
    series: Vec<Option<Arc<Series>>>,
    writer: Option<Writer>,
    thread: Arc<str>,
}

/// A series, and its cell in this shard.
type Met = (Arc<Series>, *const Cell);

/// Entries of the table of places; 4 KB, taken with the first name that is given at run time.
const PLACES: usize = 256;

/// The keys are hashes already.
type Unhashed = std::hash::BuildHasherDefault<AsIs>;

#[derive(Default)]
struct AsIs(u64);

impl std::hash::Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

// SAFETY: `own` is touched only through a `Holder`, which exists on the one thread that holds the seat; a seat changes
// hands with release and acquire. The raw pointers in it point to cells of this shard and to the recorder around it.
unsafe impl<H: Sync> Send for Shard<H> {}
// SAFETY: as above; everything else is atomics and mutexes.
unsafe impl<H: Sync> Sync for Shard<H> {}

impl<H> Shard<H> {
    pub(crate) fn new(number: usize, home: &H, clock: &Clock, tsc: bool) -> Self {
        let zero = || Counter::new(0);
        let unnamed: Arc<str> = Arc::from("");
        Self {
            off: AtomicBool::new(false),
            tsc,
            clock: clock.clone(),
            last_tick: Counter::new(clock.ticks()),
            // Each of 65,536 shards of the process has room for 2^41 calls before it comes to the numbers that the next
            // one began with. Of the process, not of the recorder: a forked child goes on with other numbers than those
            // of the calls that it inherited.
            next_number: Counter::new((SHARDS.fetch_add(1, Ordering::Relaxed) << 48) | FIRST_NUMBER),
            random: Counter::new((number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15)),
            listen_ns: AtomicU64::new(u64::MAX),
            own: UnsafeCell::new(Own {
                by_site: Vec::new(),
                by_series: Vec::new(),
                by_name: HashMap::default(),
                by_place: Box::default(),
                series: Vec::new(),
                writer: None,
                thread: Arc::clone(&unnamed),
            }),
            stack: Stack::new(),
            home: NonNull::from(home),
            cells: List::new(),
            tasks: Tasks::new(),
            reports: Tallies::new(),
            losses: Padded(Losses { ring_full: zero(), stack_overflows: zero(), task_overflows: zero() }),
            reader: Mutex::new(None),
            thread: Mutex::new(unnamed),
            contexts: Mutex::new(Vec::new()),
        }
    }

    /// The context whose frame has this id.
    pub(crate) fn context(&self, mark: u64) -> Option<Arc<ContextData>> {
        self.contexts.lock().iter().find(|(known, _)| *known == mark).map(|(_, data)| Arc::clone(data))
    }

    #[inline(always)]
    pub(crate) fn recorder(&self) -> &H {
        // SAFETY: a shard lies in the roster of its recorder and goes with it; a recorder never moves.
        unsafe { self.home.as_ref() }
    }

    #[inline(always)]
    pub(crate) fn is_off(&self) -> bool {
        self.off.load(Ordering::Relaxed)
    }

    pub(crate) fn set_off(&self, off: bool) {
        self.off.store(off, Ordering::SeqCst);
    }

    /// Has calls at least this long looked at in all cells of this shard, those that are made later included.
    pub(crate) fn listen(&self, slow_ns: u64) {
        // Whoever makes a cell puts it in the list and then looks here: one of the two sees the other.
        if self.listen_ns.load(Ordering::SeqCst) != slow_ns {
            self.listen_ns.store(slow_ns, Ordering::SeqCst);
            fence(Ordering::SeqCst);
            self.cells.iter().for_each(|cell| cell.listen(slow_ns));
        }
    }

    /// As many calls of a new cell are looked at as of the others.
    fn listen_in(&self, cell: &Cell) {
        fence(Ordering::SeqCst);
        let mut slow_ns = u64::MAX;
        // Until it stays as it was: it may be changed meanwhile.
        loop {
            let now = self.listen_ns.load(Ordering::SeqCst);
            if now == slow_ns {
                return;
            }
            slow_ns = now;
            cell.listen(slow_ns);
            fence(Ordering::SeqCst);
        }
    }

    /// The clock's reading of this moment.
    #[inline(always)]
    pub(crate) fn now(&self) -> u64 {
        if self.tsc { tsc::read() } else { self.clock.ticks() }
    }

    /// Name of the thread that holds the shard, for readers.
    pub(crate) fn thread(&self) -> Arc<str> {
        Arc::clone(&self.thread.lock())
    }

    /// Hands everything in the ring to `take`.
    pub(crate) fn drain(&self, take: impl FnOnce(&mut Reader)) {
        if let Some(reader) = self.reader.lock().as_mut() {
            take(reader);
        }
    }

    pub(crate) fn bytes_held(&self) -> usize {
        let ring = if self.reader.lock().is_some() { RING * size_of::<RawRecord>() } else { 0 };
        let cells = self.cells.iter().map(Cell::bytes_held).sum::<usize>();
        size_of::<Self>() + cells + ring + self.tasks.bytes_held() + self.reports.held() * TALLY_BYTES
    }
}

/// A shard on the thread that holds it: the right to write.
pub(crate) struct Holder<'a, H> {
    seat: &'a Seat<Shard<H>>,
    /// Not `Send`: it speaks of this thread.
    thread: PhantomData<*const ()>,
}

impl<H> Clone for Holder<'_, H> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<H> Copy for Holder<'_, H> {}

impl<H> Deref for Holder<'_, H> {
    type Target = Shard<H>;

    #[inline(always)]
    fn deref(&self) -> &Shard<H> {
        self.seat
    }
}

impl<'a, H> Holder<'a, H> {
    /// # Safety
    /// The calling thread has claimed the seat and not released it.
    #[inline(always)]
    pub(crate) unsafe fn new(seat: &'a Seat<Shard<H>>) -> Self {
        Self { seat, thread: PhantomData }
    }

    #[inline(always)]
    pub(crate) fn seat(self) -> &'a Seat<Shard<H>> {
        self.seat
    }

    /// Keeps a context that the holder enters.
    pub(crate) fn enter_context(self, mark: u64, data: Arc<ContextData>) {
        self.contexts.lock().push((mark, data));
    }

    /// The holder leaves a context. Given back, so that it is freed when the lock is gone.
    pub(crate) fn leave_context(self, mark: u64) -> Option<Arc<ContextData>> {
        let mut contexts = self.contexts.lock();
        let at = contexts.iter().rposition(|(known, _)| *known == mark)?;
        Some(contexts.swap_remove(at).1)
    }

    /// A number for an id that no other call of this recorder gets.
    #[inline(always)]
    pub(crate) fn next_number(self) -> u64 {
        let number = self.next_number.get();
        self.next_number.set(number.wrapping_add(NUMBER_STEP));
        number
    }

    /// A random number below `bound` (wyrand; its low bias does not matter for gaps of samples).
    #[inline]
    pub(crate) fn random_below(self, bound: u64) -> u64 {
        let state = self.random.get().wrapping_add(0xA076_1D64_78BD_642F);
        self.random.set(state);
        let product = u128::from(state) * u128::from(state ^ 0xE703_7ED1_A0B4_28DB);
        #[expect(clippy::cast_possible_truncation, reason = "the two halves, folded")]
        let number = (product >> 64) as u64 ^ product as u64;
        ((u128::from(number) * u128::from(bound)) >> 64) as u64
    }

    /// The cell of a call site, if this shard has met it.
    #[inline(always)]
    pub(crate) fn cell_of_site(self, site: usize) -> Option<&'a Cell> {
        // SAFETY: this thread holds the shard, and no exclusive reference lives: those of `own_mut` end before any
        // other code of this thread runs (see there).
        let own = unsafe { &*self.seat.own.get() };
        let cell = *own.by_site.get(site)?;
        // SAFETY: a cell lives as long as its shard.
        unsafe { cell.as_ref() }
    }

    /// The cell of a series, if this shard has met it.
    #[inline(always)]
    pub(crate) fn cell_of_series(self, series: u32) -> Option<&'a Cell> {
        // SAFETY: as in `cell_of_site`.
        let own = unsafe { &*self.seat.own.get() };
        let cell = *own.by_series.get(series as usize)?;
        // SAFETY: a cell lives as long as its shard.
        unsafe { cell.as_ref() }
    }

    /// The cell of a name, if this shard has met it at this place.
    #[inline]
    pub(crate) fn cell_at_place(self, identity: &Identity<'_>) -> Option<&'a Cell> {
        // SAFETY: as in `cell_of_site`.
        let own = unsafe { &*self.seat.own.get() };
        let (series, cell) = own.by_place.get(identity.place() % PLACES)?.as_ref()?;
        // SAFETY: a cell lives as long as its shard.
        if series.is(identity) { unsafe { cell.as_ref() } } else { None }
    }

    /// The cell of a bare name, if this shard has met it at this place.
    #[inline(always)]
    pub(crate) fn cell_of_bare_name(self, name: &str) -> Option<&'a Cell> {
        // SAFETY: as in `cell_of_site`.
        let own = unsafe { &*self.seat.own.get() };
        let (series, cell) = own.by_place.get(Identity::bare(name).place() % PLACES)?.as_ref()?;
        // SAFETY: a cell lives as long as its shard.
        if series.is_bare(name) { unsafe { cell.as_ref() } } else { None }
    }

    /// The cell of a name, if this shard has met it.
    pub(crate) fn cell_of_name(self, hash: u64, identity: &Identity<'_>) -> Option<(Arc<Series>, &'a Cell)> {
        // SAFETY: as in `cell_of_site`.
        let own = unsafe { &*self.seat.own.get() };
        let (series, cell) = own.by_name.get(&hash)?.iter().find(|(series, _)| series.is(identity))?;
        // SAFETY: a cell lives as long as its shard.
        Some((Arc::clone(series), unsafe { cell.as_ref() }?))
    }

    /// What the holder alone touches, to change it.
    ///
    /// # Safety
    /// Nothing of this thread may get at `own` while the reference lives. A global allocator may be tracked, so the
    /// caller must have made this shard unreachable first, as [`quietly`](super::quiet::quietly) does.
    #[expect(clippy::mut_from_ref, reason = "the holder is the one thread that can call this")]
    unsafe fn own_mut(&self) -> &mut Own {
        // SAFETY: the caller sees to it.
        unsafe { &mut *self.seat.own.get() }
    }

    /// Has a call site lead to a cell from now on.
    ///
    /// # Safety
    /// As for `own_mut`.
    pub(crate) unsafe fn remember_site(self, site: usize, cell: &Cell) {
        // SAFETY: the caller sees to it.
        remember(&mut unsafe { self.own_mut() }.by_site, site, cell);
    }

    /// Has a name lead to a cell from now on; only for names that are kept in the form that they were given in.
    ///
    /// # Safety
    /// As for `own_mut`.
    pub(crate) unsafe fn remember_name(self, hash: u64, identity: &Identity<'_>, series: Arc<Series>, cell: &Cell) {
        // SAFETY: the caller sees to it.
        let own = unsafe { self.own_mut() };
        let named = own.by_name.entry(hash).or_default();
        if !named.iter().any(|(known, _)| known.number == series.number) {
            named.push((Arc::clone(&series), cell));
        }
        if own.by_place.is_empty() {
            own.by_place = (0..PLACES).map(|_| None).collect();
        }
        own.by_place[identity.place() % PLACES] = Some((series, cell));
    }

    /// The cell of a series, made now if there is none.
    ///
    /// # Safety
    /// As for `own_mut`.
    pub(crate) unsafe fn meet_series(self, series: &Arc<Series>) -> &'a Cell {
        if let Some(cell) = self.cell_of_series(series.number) {
            return cell;
        }
        let cell = self.seat.cells.push(Cell::new(series.number, series.recording));
        self.listen_in(cell);
        // SAFETY: the caller sees to it.
        let own = unsafe { self.own_mut() };
        remember(&mut own.by_series, series.number as usize, cell);
        let number = series.number as usize;
        if own.series.len() <= number {
            own.series.resize(number + 1, None);
        }
        own.series[number] = Some(Arc::clone(series));
        cell
    }

    /// Names of a series and of this thread, for a record.
    ///
    /// # Safety
    /// As for `own_mut`.
    pub(crate) unsafe fn names(self, series: u32) -> Option<(Arc<Series>, Arc<str>)> {
        // SAFETY: the caller sees to it.
        let own = unsafe { self.own_mut() };
        let series = own.series.get(series as usize)?.as_ref()?;
        Some((Arc::clone(series), Arc::clone(&own.thread)))
    }

    /// Puts a record in the ring. If the ring is full, `make_room` may take over what is in it; if it does not, the
    /// record is lost and counted. `fills` is called when the ring is half full and more. True if it was kept.
    ///
    /// # Safety
    /// As for `own_mut`.
    pub(crate) unsafe fn write_record(
        self,
        record: RawRecord,
        make_room: impl FnOnce(&mut Reader),
        fills: impl FnOnce(),
    ) -> bool {
        // SAFETY: the caller sees to it.
        let own = unsafe { self.own_mut() };
        let writer = own.writer.get_or_insert_with(|| {
            let (writer, reader) = RingBuffer::new(RING);
            *self.reader.lock() = Some(reader);
            writer
        });
        let pushed = writer.push(record);
        if writer.slots() <= RING - RING_CALLS {
            fills();
        }
        let refused = match pushed {
            Ok(()) => return true,
            Err(rtrb::PushError::Full(record)) => record,
        };
        // Somebody may be reading it: the thread does not wait for that.
        if let Some(mut reader) = self.reader.try_lock()
            && let Some(reader) = reader.as_mut()
        {
            make_room(reader);
        }
        let kept = writer.push(refused).is_ok();
        if !kept {
            self.losses.ring_full.add(1);
        }
        kept
    }

    /// Sets the thread that is shown as the holder.
    ///
    /// # Safety
    /// As for `own_mut`.
    pub(crate) unsafe fn set_thread(self, name: Arc<str>) {
        // SAFETY: the caller sees to it.
        unsafe { self.own_mut() }.thread = Arc::clone(&name);
        *self.seat.thread.lock() = name;
    }
}

fn remember(table: &mut Vec<*const Cell>, number: usize, cell: &Cell) {
    if table.len() <= number {
        table.resize((number + 1).next_power_of_two(), std::ptr::null());
    }
    table[number] = cell;
}
