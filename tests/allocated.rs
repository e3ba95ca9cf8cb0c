//! The tracked allocator as that of a program: what each operation asks for is counted to the byte, wherever it runs,
//! and what the monitor takes itself is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test's program fails as tests do, and says so"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicIsize, Ordering};
use std::thread;

use monitor_core::alloc::TrackedAllocator;
use monitor_core::{Monitor, TrackFuture, monitor, track_operation};
use tests::{begun, local, panics, poll_once, stats, yield_once};

#[global_allocator]
static ALLOCATOR: TrackedAllocator<Live> = TrackedAllocator::new(Live);

/// The system's allocator, which knows how much is held. So this program also says whether what is dropped is freed.
struct Live;

static HELD: AtomicIsize = AtomicIsize::new(0);

// SAFETY: memory is the system allocator's; counting changes nothing of it.
unsafe impl GlobalAlloc for Live {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size().cast_signed(), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

const ON_PURPOSE: &str = "on purpose";

/// Asks for so many bytes in one block.
fn take(bytes: usize) {
    drop(black_box(Vec::<u8>::with_capacity(bytes)));
}

/// Allocations and bytes of an operation. It takes no memory itself, for it is asked inside of operations too.
fn memory(monitor: &Monitor, name: &str) -> (u64, u64) {
    let snapshot = monitor.snapshot();
    snapshot.operation(name).map_or((0, 0), |stats| (stats.allocations, stats.allocated_bytes))
}

#[track_operation(name = "attributed")]
fn attributed() {
    take(640);
}

#[track_operation(name = "sampled", sample = 32)]
fn sampled() {
    take(10);
}

#[track_operation(name = "inside")]
async fn inside() {
    take(3);
    std::future::ready(()).await;
}

fn each_block_counts_for_the_operation_that_asks() {
    let local = local();
    local.scope(|| {
        local.track("sync", |_| take(1_000));
        attributed();
        local.track("outer", |_| {
            take(100);
            local.track("inner", |_| (take(7), take(8)));
            take(200);
        });
        (0..1_000).for_each(|_| sampled());
    });
    assert_eq!(memory(&local, "sync"), (1, 1_000));
    assert_eq!(memory(&local, "attributed"), (1, 640));
    assert_eq!(memory(&local, "outer"), (2, 300));
    assert_eq!(memory(&local, "inner"), (2, 15));
    assert_eq!(memory(&local, "sampled"), (1_000, 10_000), "calls that are not timed count too");
    let snapshot = local.snapshot();
    let sampled = snapshot.operation("sampled").unwrap();
    assert!((sampled.allocated_bytes_per_call() - 10.0).abs() < 1e-9);
    assert!((sampled.allocations_per_call() - 1.0).abs() < 1e-9);
    let kinds = snapshot.kinds();
    assert_eq!((kinds[0].allocations, kinds[0].allocated_bytes), (1_006, 11_955));
    assert!(snapshot.to_string().contains("allocs"), "{snapshot}");
    let later = local.snapshot().since(&snapshot);
    assert_eq!(later.operation("outer").unwrap().allocated_bytes, 0);
}

fn growth_counts_and_shrinking_and_freeing_do_not() {
    let local = local();
    local.scope(|| {
        local.track("grown", |_| {
            let mut bytes = black_box(Vec::<u8>::with_capacity(100));
            bytes.push(1);
            bytes.reserve_exact(299);
            assert_eq!(bytes.capacity(), 300);
            bytes.shrink_to_fit();
            drop(black_box(bytes));
        });
        local.track("zeroed", |_| drop(black_box(vec![0_u8; 512])));
        let block = black_box(vec![1_u8; 64]);
        local.track("frees", |_| drop(block));
    });
    assert_eq!(memory(&local, "grown"), (2, 300));
    assert_eq!(memory(&local, "zeroed"), (1, 512));
    assert_eq!(memory(&local, "frees"), (0, 0));
}

fn a_future_is_charged_for_its_polls_on_any_thread() {
    let local = local();
    let work = async {
        take(10);
        yield_once().await;
        take(20);
        inside().await;
        yield_once().await;
        take(40);
    };
    let mut task: Pin<Box<_>> = begun(&local, work.tracked("task"));
    // Not the task's: it waits.
    local.scope(|| take(5_000));
    thread::scope(|scope| scope.spawn(|| assert!(poll_once(task.as_mut()).is_pending())).join()).unwrap();
    // What a poll takes for itself, a slot and a frame, is the monitor's.
    assert_eq!(memory(&local, "task"), (2, 30), "while it still runs");
    assert!(poll_once(task.as_mut()).is_ready());
    assert_eq!(memory(&local, "task"), (3, 70));
    assert_eq!(memory(&local, "inside"), (1, 3));
}

fn threads_add_up_and_a_thread_is_not_in_the_operation_that_starts_it() {
    let local = local();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                local.scope(|| {
                    for _ in 0..10_000 {
                        local.track("shared", |_| (take(16), take(32)));
                    }
                });
            });
        }
    });
    assert_eq!(memory(&local, "shared"), (80_000, 1_920_000));
    let (send, receive) = std::sync::mpsc::channel();
    let (started, wait) = std::sync::mpsc::channel();
    let other = thread::spawn(move || {
        receive.recv().unwrap();
        take(1 << 20);
        started.send(()).unwrap();
    });
    local.scope(|| {
        local.track("waits", |_| {
            send.send(()).unwrap();
            wait.recv().unwrap();
        });
    });
    other.join().unwrap();
    assert!(memory(&local, "waits").1 < 1 << 20, "{:?}", memory(&local, "waits"));
}

fn after_a_panic_and_after_ends_elsewhere_the_operation_below_is_charged() {
    let local = local();
    local.scope(|| {
        local.track("catches", |_| {
            assert!(panics(|| local.track("panics", |_| {
                take(11);
                std::panic::panic_any(ON_PURPOSE);
            })));
            take(22);
        });
        // Ended on another thread: its frame lies dead on top of this one's stack.
        local.track("below", |_| {
            let above = local.operation("above").start();
            take(1);
            thread::scope(|scope| {
                scope.spawn(|| above.succeed());
            });
            let (blocks, bytes) = memory(&local, "below");
            take(33);
            assert_eq!(memory(&local, "below"), (blocks + 1, bytes + 33));
            // Out of order.
            let (first, second) = (local.operation("first").start(), local.operation("second").start());
            drop(first);
            take(44);
            drop(second);
            take(55);
            assert_eq!(memory(&local, "below"), (blocks + 2, bytes + 88));
        });
    });
    assert!(memory(&local, "panics").1 >= 11);
    assert_eq!(memory(&local, "catches"), (1, 22));
    assert_eq!((memory(&local, "first").1, memory(&local, "second")), (0, (1, 44)));
}

fn deeper_than_the_stack_the_deepest_frame_is_charged() {
    fn nest(local: &Monitor, depth: usize) {
        let name = if depth < 63 { "framed" } else { "deeper" };
        local.track(name, |_| if depth < 100 { nest(local, depth + 1) } else { take(123) });
    }
    let local = local();
    local.scope(|| nest(&local, 0));
    assert_eq!((memory(&local, "framed"), memory(&local, "deeper")), ((1, 123), (0, 0)));
}

fn what_the_monitor_takes_itself_counts_for_nobody() {
    let local = local();
    local.scope(|| {
        local.track("records", |_| {
            for n in 0..200_u64 {
                local.operation("child").kind("sort").component("part").label("n", "1").start().succeed();
                local.operation("failing").start().cancel();
                black_box((local.snapshot(), local.recent(50), local.active(), n));
            }
            // A thread's first call of a monitor.
            thread::scope(|scope| scope.spawn(|| local.track("elsewhere", |_| take(9))).join()).unwrap();
        });
    });
    let (blocks, _) = memory(&local, "records");
    // Starting a thread is the program's, and takes a few blocks.
    assert!(blocks < 30, "{blocks}");
    assert_eq!((memory(&local, "child"), memory(&local, "failing")), ((0, 0), (0, 0)));
    assert_eq!(memory(&local, "elsewhere"), (0, 0), "outside of the scope it is on no stack");
}

fn switched_off_nothing_is_counted() {
    let local = local();
    local.scope(|| {
        local.set_enabled(false);
        local.track("off", |_| take(1_000));
        local.set_enabled(true);
        local.track("off", |_| take(10));
        take(100_000);
    });
    assert_eq!(memory(&local, "off"), (1, 10));
}

/// A value whose destructor runs when the thread's own are already gone, or still there: either must do.
struct AtTheEnd;

impl Drop for AtTheEnd {
    fn drop(&mut self) {
        for _ in 0..10 {
            monitor().track("at_the_end", |_| take(50));
        }
    }
}

thread_local! {
    static EARLY: AtTheEnd = const { AtTheEnd };
    static LATE: AtTheEnd = const { AtTheEnd };
}

fn a_tracked_call_in_a_destructor_of_the_thread_neither_fails_nor_hangs() {
    for _ in 0..20 {
        let thread = thread::spawn(|| {
            EARLY.with(|_| ());
            monitor().track("begins", |_| take(5));
            LATE.with(|_| ());
        });
        thread.join().unwrap();
    }
    assert_eq!(stats(&monitor(), "at_the_end").started, 400);
    assert_eq!(memory(&monitor(), "begins"), (20, 100));
}

#[cfg(unix)]
fn a_forked_child_counts_for_itself() {
    let local = local();
    local.scope(|| {
        local.track("forks", |_| {
            take(70);
            // SAFETY: the child only calls what is to work in one, and leaves without destructors.
            let child = unsafe { libc::fork() };
            if child == 0 {
                take(1_000);
                monitor().track("in_child", |_| take(80));
                let ok = memory(&monitor(), "in_child") == (1, 80) && stats(&monitor(), "forks").started == 0;
                // SAFETY: ends the child at once.
                unsafe { libc::_exit(i32::from(!ok)) };
            }
            let mut status = -1;
            // SAFETY: the child is this process's own, and the status a place on the stack.
            assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
            assert_eq!(status, 0, "the child's figures");
        });
    });
    assert_eq!(memory(&local, "forks"), (1, 70));
}

/// Gives nothing above 100 bytes.
struct Small;

// SAFETY: memory is the system allocator's, or none.
unsafe impl GlobalAlloc for Small {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are passed on.
        if layout.size() > 100 { std::ptr::null_mut() } else { unsafe { System.alloc(layout) } }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

fn around_another_allocator_only_what_it_gives_is_counted() {
    let small = TrackedAllocator::new(Small);
    let (fits, over) = (Layout::new::<[u8; 100]>(), Layout::new::<[u8; 101]>());
    let local = local();
    let ask = || {
        // SAFETY: neither layout is of size zero, and what is given is given back with its layout.
        unsafe {
            assert!(small.alloc(over).is_null() && small.alloc_zeroed(over).is_null());
            let block = small.alloc_zeroed(fits);
            assert!(!block.is_null() && small.realloc(block, fits, 101).is_null());
            small.dealloc(block, fits);
        }
    };
    local.scope(|| local.track("small", |_| ask()));
    assert_eq!(memory(&local, "small"), (1, 100));
}

/// What keeps an operation by id must not keep its monitor: nobody could drop that any more.
fn a_monitor_that_goes_while_operations_by_id_run_is_freed() {
    let once = || {
        let local = local();
        for n in 0..100 {
            local.begin(&format!("{n}"), "job").worker("w1").field("n", n).start().unwrap();
            local.step(&format!("{n}"), "first").unwrap();
        }
        (0..50).for_each(|n| drop(local.end(&format!("{n}")).failure_with("no").finish().unwrap()));
        assert_eq!(local.active().len(), 50);
    };
    once();
    let held = HELD.load(Ordering::Relaxed);
    (0..10).for_each(|_| once());
    assert_eq!(HELD.load(Ordering::Relaxed) - held, 0, "bytes are held by monitors that are gone");
}

/// A program of its own, so that the allocator is the one of the process.
fn main() {
    // A deadlock is to end it, not to last. It takes a small part of this.
    #[cfg(unix)]
    // SAFETY: it only sets a timer.
    unsafe {
        libc::alarm(60)
    };
    let hook = std::panic::take_hook();
    // The panic that is caught is not the reader's business; it would also be counted with what it prints.
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref::<&str>() != Some(&ON_PURPOSE) {
            hook(panic);
        }
    }));
    let tests: &[(&str, fn())] = &[
        ("each_block_counts_for_the_operation_that_asks", each_block_counts_for_the_operation_that_asks),
        ("growth_counts_and_shrinking_and_freeing_do_not", growth_counts_and_shrinking_and_freeing_do_not),
        ("a_future_is_charged_for_its_polls_on_any_thread", a_future_is_charged_for_its_polls_on_any_thread),
        (
            "threads_add_up_and_a_thread_is_not_in_the_operation_that_starts_it",
            threads_add_up_and_a_thread_is_not_in_the_operation_that_starts_it,
        ),
        (
            "after_a_panic_and_after_ends_elsewhere_the_operation_below_is_charged",
            after_a_panic_and_after_ends_elsewhere_the_operation_below_is_charged,
        ),
        ("deeper_than_the_stack_the_deepest_frame_is_charged", deeper_than_the_stack_the_deepest_frame_is_charged),
        ("what_the_monitor_takes_itself_counts_for_nobody", what_the_monitor_takes_itself_counts_for_nobody),
        (
            "a_monitor_that_goes_while_operations_by_id_run_is_freed",
            a_monitor_that_goes_while_operations_by_id_run_is_freed,
        ),
        ("switched_off_nothing_is_counted", switched_off_nothing_is_counted),
        (
            "a_tracked_call_in_a_destructor_of_the_thread_neither_fails_nor_hangs",
            a_tracked_call_in_a_destructor_of_the_thread_neither_fails_nor_hangs,
        ),
        #[cfg(unix)]
        ("a_forked_child_counts_for_itself", a_forked_child_counts_for_itself),
        (
            "around_another_allocator_only_what_it_gives_is_counted",
            around_another_allocator_only_what_it_gives_is_counted,
        ),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}
