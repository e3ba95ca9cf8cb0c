//! Iterators, streams, readers and writers that count for a job, and are otherwise what they were.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail as tests do")]

use std::io::{self, BufRead, BufReader, Cursor, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use monitor_core::{ManualClock, Monitor, Progress, ProgressState, TrackProgress, TrackProgressStream};
use proptest::prelude::*;

fn job() -> Progress {
    let local = Monitor::builder().clock(&ManualClock::new()).build().unwrap();
    local.progress("job").start()
}

fn done(job: &Progress) -> (u64, Option<u64>) {
    (job.stats().done, job.stats().total)
}

#[test]
fn an_item_is_done_when_the_consumer_comes_back() {
    let job = job();
    let mut items = vec!["a", "b"].into_iter().track_progress(&job);
    assert_eq!(done(&job), (0, Some(2)));
    assert_eq!((items.next(), done(&job).0), (Some("a"), 0));
    assert_eq!((items.next(), done(&job).0), (Some("b"), 1));
    assert_eq!((items.next(), done(&job).0), (None, 2));
    assert_eq!((items.next(), done(&job).0), (None, 2));
}

#[test]
fn a_loop_that_is_left_early_leaves_the_item_uncounted() {
    let job = job();
    for n in (0..10).track_progress(&job) {
        if n == 4 {
            break;
        }
    }
    assert_eq!(done(&job), (4, Some(10)));
    let _ = catch_unwind(AssertUnwindSafe(|| (0..3).track_progress(&job).for_each(|n| assert!(n < 1))));
    assert_eq!(done(&job).0, 5);
}

#[test]
fn a_length_that_is_known_becomes_the_total_unless_there_is_one() {
    let with = job();
    with.set_total(Some(77));
    assert_eq!((0..5).track_progress(&with).count(), 5);
    assert_eq!(done(&with), (5, Some(77)));
    let unknown = job();
    let odd = (0..10).filter(|n| n % 2 == 1).track_progress(&unknown);
    assert_eq!(done(&unknown).1, None);
    assert_eq!(odd.collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
    assert_eq!(done(&unknown), (5, Some(5)), "at its end the number is known");
    let resumed = job();
    resumed.already_done(100, 0);
    let _ = (0..20).track_progress(&resumed);
    assert_eq!(done(&resumed), (100, Some(120)));
    let endless = job();
    assert_eq!((0_u64..).track_progress(&endless).take(5).count(), 5);
    assert_eq!(done(&endless).1, None);
}

#[test]
fn a_job_goes_on_while_an_adaptor_is_there_and_has_then_finished() {
    let local = Monitor::builder().build().unwrap();
    let iterator = (0..5).filter(|_| true).track_progress(&local.progress("job").start());
    assert_eq!(local.snapshot().progress()[0].state, ProgressState::Running);
    iterator.for_each(drop);
    assert_eq!(local.snapshot().progress()[0].state, ProgressState::Finished);
}

/// One way of taking items from either end.
#[derive(Debug, Clone)]
enum Take {
    Next,
    Back,
    Nth(usize),
    NthBack(usize),
}

fn takes() -> impl Strategy<Value = Take> {
    prop_oneof![
        3 => Just(Take::Next),
        2 => Just(Take::Back),
        1 => (0_usize..9).prop_map(Take::Nth),
        1 => (0_usize..9).prop_map(Take::NthBack)
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_iterator_gives_what_it_gave_and_everything_taken_is_counted(
        len in 0_u32..40,
        takes in prop::collection::vec(takes(), 0..30),
        fold_back in any::<bool>(),
    ) {
        let job = job();
        let (mut plain, mut tracked) = (0..len, (0..len).track_progress(&job));
        for take in takes {
            let (expected, got) = match take {
                Take::Next => (plain.next(), tracked.next()),
                Take::Back => (plain.next_back(), tracked.next_back()),
                Take::Nth(n) => (plain.nth(n), tracked.nth(n)),
                Take::NthBack(n) => (plain.nth_back(n), tracked.nth_back(n)),
            };
            prop_assert_eq!(expected, got);
            prop_assert_eq!(plain.size_hint(), tracked.size_hint());
            prop_assert_eq!(plain.len(), tracked.len());
        }
        let push = |mut seen: Vec<u32>, n| { seen.push(n); seen };
        if fold_back {
            prop_assert_eq!(plain.rfold(Vec::new(), push), tracked.rfold(Vec::new(), push));
        } else {
            prop_assert_eq!(plain.fold(Vec::new(), push), tracked.fold(Vec::new(), push));
        }
        prop_assert_eq!(done(&job), (u64::from(len), Some(u64::from(len))));
    }

    #[test]
    fn bytes_are_those_that_were_transferred(data in prop::collection::vec(any::<u8>(), 0..5_000), piece in 1_usize..700) {
        let job = job();
        let mut reader = job.wrap_read(BufReader::with_capacity(64, &data[..]));
        let mut writer = job.wrap_write(Vec::new());
        let mut buffer = vec![0; piece];
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                n => writer.write_all(&buffer[..n]).unwrap(),
            }
        }
        prop_assert_eq!(writer.into_inner(), data.clone());
        prop_assert_eq!(job.stats().bytes, 2 * data.len() as u64);
    }
}

/// Yields what is in it, and gives way before each item.
struct Slow(std::vec::IntoIter<u32>, bool);

impl Stream for Slow {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<u32>> {
        self.1 = !self.1;
        if self.1 { Poll::Pending } else { Poll::Ready(self.0.next()) }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

#[test]
fn a_stream_counts_as_an_iterator_does() {
    let job = job();
    let mut stream = pin!(Slow(vec![7, 8].into_iter(), false).track_progress(&job));
    let mut context = Context::from_waker(Waker::noop());
    assert_eq!(stream.size_hint(), (2, Some(2)));
    let mut seen = Vec::new();
    for _ in 0..6 {
        seen.push((stream.as_mut().poll_next(&mut context), job.stats().done));
    }
    let (pending, ready) = (Poll::Pending, Poll::Ready);
    assert_eq!(
        seen,
        [(pending, 0), (ready(Some(7)), 0), (pending, 1), (ready(Some(8)), 1), (pending, 2), (ready(None), 2)]
    );
    assert_eq!(job.stats().total, Some(2));
}

#[test]
fn readers_are_what_they_were_in_all_their_ways() {
    let job = job();
    let bytes = || job.stats().bytes;
    let mut reader = job.wrap_read(Cursor::new(b"line one\nline two\nrest"));
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), bytes()), ("line one\n", 9));
    let (mut one, mut two) = ([0; 2], [0; 3]);
    let read = reader.read_vectored(&mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut two)]).unwrap();
    assert_eq!((read, bytes()), (5, 14), "both buffers at once");
    let mut rest = Vec::new();
    assert_eq!((reader.read_to_end(&mut rest).unwrap(), bytes()), (8, 22));
    assert_eq!(reader.seek(SeekFrom::Start(5)).unwrap(), 5);
    assert_eq!((reader.stream_position().unwrap(), bytes()), (5, 22));
    let mut word = [0; 3];
    reader.read_exact(&mut word).unwrap();
    assert_eq!((&word, bytes()), (b"one", 25), "what is read again counts again");
    assert!(reader.read_exact(&mut [0; 99]).is_err());
    assert_eq!(reader.into_inner().position(), 22);
}

#[test]
fn writers_are_what_they_were_and_errors_come_through() {
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
            let n = buf.len().min(self.0);
            self.0 -= n;
            if n == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(n) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
    let job = job();
    let mut vectored = job.wrap_write(Vec::new());
    assert_eq!(vectored.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"cde")]).unwrap(), 5);
    let mut full = job.wrap_write(Full(4));
    assert_eq!(full.write_all(b"0123456").unwrap_err().kind(), io::ErrorKind::StorageFull);
    assert_eq!(full.flush().unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    assert_eq!((job.stats().bytes, full.get_ref().0), (9, 0));
}
