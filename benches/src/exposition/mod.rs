//! Pages for Prometheus: who makes them, from what, and how long it takes.

#[cfg(feature = "peers")]
pub mod peers;

use crate::BenchResult;
use monitor_core::{Exposition, ManualClock, Monitor, Snapshot, TextFormat};
use std::time::{Duration, Instant};

/// Bounds of the buckets in seconds, for all alike: with the one that has no end, 13 a histogram.
pub const BUCKETS: [f64; 12] = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Durations that every operation has seen.
pub const DURATIONS_US: [u64; 10] = [1, 40, 160, 640, 2_560, 10_240, 40_960, 163_840, 655_360, 2_621_440];

/// Families that the others have, too.
const COMMON: [&str; 3] = ["operations", "operation_duration_seconds", "operations_in_flight"];

/// Makes a page and returns how long it is.
pub type Make = Box<dyn FnMut() -> BenchResult<Size>>;

/// What a page has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Bytes of text.
    pub bytes: usize,
    /// Lines with a value.
    pub lines: usize,
}

impl Size {
    /// Of a text.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self { bytes: text.len(), lines: text.lines().filter(|line| !line.starts_with('#')).count() }
    }
}

/// One who makes pages.
pub struct Maker {
    /// The key of the machine-readable line.
    pub name: &'static str,
    /// In words.
    pub title: &'static str,
    /// Makes a page, and only that.
    pub make: Make,
    /// What a page of it has.
    pub size: Size,
}

/// How long pages took.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// The shortest time.
    pub min: Duration,
    /// The median.
    pub median: Duration,
}

/// Has each make a page once a round.
///
/// # Errors
///
/// Theirs, and when two pages of one differ in size.
pub fn measure(makers: &mut [Maker], rounds: usize) -> BenchResult<Vec<Taken>> {
    let mut times = vec![Vec::new(); makers.len()];
    for _ in 0..rounds {
        for (maker, times) in makers.iter_mut().zip(&mut times) {
            let start = Instant::now();
            let size = (maker.make)()?;
            times.push(start.elapsed());
            if size.bytes < maker.size.bytes / 2 {
                return Err(
                    format!("{}: a page of {} bytes, not of {}", maker.title, size.bytes, maker.size.bytes).into()
                );
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|mut times| {
            times.sort_unstable();
            let at = |index: usize| times.get(index).copied().unwrap_or_default();
            Taken { min: at(0), median: at(times.len() / 2) }
        })
        .collect())
}

/// Names of so many operations.
#[must_use]
pub fn names(operations: usize) -> Vec<String> {
    (0..operations).map(|n| format!("bench.operation.{n}")).collect()
}

/// A monitor in which every operation has seen all durations.
///
/// # Errors
///
/// When it cannot be built.
pub fn monitor(operations: usize) -> BenchResult<Monitor> {
    let clock = ManualClock::new();
    let monitor = Monitor::builder().clock(&clock).max_operations(operations + 10).recent_capacity(0).build()?;
    monitor.scope(|| {
        for name in names(operations) {
            for micros in DURATIONS_US {
                let call = monitor.operation(&name).start();
                clock.advance(Duration::from_micros(micros));
                if micros == 640 { call.cancel() } else { call.succeed() }
            }
        }
    });
    Ok(monitor)
}

/// Pages with the families that the others have, too.
///
/// # Errors
///
/// When a family has another name.
pub fn common() -> BenchResult<Exposition> {
    let rest: Vec<_> = Exposition::families().filter(|family| !COMMON.contains(family)).collect();
    Ok(Exposition::new().buckets(&BUCKETS)?.without(&rest)?)
}

/// Makes a page of a snapshot chunk by chunk, as it goes to a client.
#[must_use]
pub fn stream(exposition: &Exposition, snapshot: &Snapshot) -> usize {
    let mut page = exposition.page(snapshot, TextFormat::Prometheus);
    let mut bytes = 0;
    while let Some(chunk) = page.next_chunk() {
        bytes += std::hint::black_box(chunk).len();
    }
    bytes
}

/// Ours: the page alone, the page with the snapshot that it is made of, and the page with all families.
///
/// # Errors
///
/// When the monitor cannot be built.
pub fn ours(operations: usize) -> BenchResult<Vec<Maker>> {
    let monitor = monitor(operations)?;
    let (some, all) = (common()?, Exposition::new().buckets(&BUCKETS)?);
    let snapshot = monitor.snapshot();
    let size = Size::of(&some.text(&snapshot, TextFormat::Prometheus));
    let size_of_all = Size::of(&all.text(&snapshot, TextFormat::Prometheus));
    let of = |bytes| Ok(Size { bytes, lines: 0 });
    let (ready, for_all, with_snapshot) = (snapshot.clone(), snapshot, some.clone());
    let ours = monitor.clone();
    Ok(vec![
        Maker {
            name: "ours",
            title: "ours: a snapshot and its page",
            make: Box::new(move || of(stream(&with_snapshot, &ours.snapshot()))),
            size,
        },
        Maker {
            name: "ours_page",
            title: "ours: the page alone",
            make: Box::new(move || of(stream(&some, &ready))),
            size,
        },
        Maker {
            name: "ours_all",
            title: "ours: the page alone, all families",
            make: Box::new(move || of(stream(&all, &for_all))),
            size: size_of_all,
        },
    ])
}
