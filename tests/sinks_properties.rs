//! Whatever a sink does, every entry ends as stored, dropped for a reason, or waiting; and what the sink has accepted is what
//! it is said to have stored.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use monitor_core::{Batch, Monitor, RecordPolicy, Sink, SinkError};
use proptest::prelude::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Answer {
    Takes,
    Again,
    Refuses,
    Panics,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Calls(u8),
    Error,
    Flush,
}

fn answers() -> impl Strategy<Value = Vec<Answer>> {
    let answer = prop_oneof![4 => Just(Answer::Takes), 1 => Just(Answer::Again), 1 => Just(Answer::Refuses), 1 => Just(Answer::Panics)];
    prop::collection::vec(answer, 0..12)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![(1..40_u8).prop_map(Step::Calls), Just(Step::Error), Just(Step::Flush)];
    prop::collection::vec(step, 1..20)
}

/// Answers as it is told, and takes everything when there is nothing more to answer.
struct Scripted {
    answers: Vec<Answer>,
    accepted: Arc<AtomicU64>,
    refused: Arc<AtomicU64>,
    panicked: Arc<AtomicU64>,
}

impl Sink for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }

    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let error = || std::io::Error::other("as told");
        match self.answers.pop().unwrap_or(Answer::Takes) {
            Answer::Takes => {
                self.accepted.fetch_add(batch.entries(), Ordering::SeqCst);
                Ok(())
            }
            Answer::Again => Err(SinkError::again(&error())),
            Answer::Refuses => {
                self.refused.fetch_add(batch.entries(), Ordering::SeqCst);
                Err(SinkError::refused(&error()))
            }
            Answer::Panics => {
                self.panicked.fetch_add(batch.entries(), Ordering::SeqCst);
                // Without the message that a panic prints.
                std::panic::resume_unwind(Box::new("as told"))
            }
        }
    }
}

/// Sees everything.
struct Witness(Arc<Mutex<(u64, u64)>>);

impl Sink for Witness {
    fn name(&self) -> &'static str {
        "witness"
    }

    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        if let Ok(mut seen) = self.0.lock() {
            seen.0 += batch.records.len() as u64;
            seen.1 += batch.rollups.iter().map(|rollup| rollup.figures().finished()).sum::<u64>();
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn every_entry_is_accounted_for(answers in answers(), steps in steps()) {
        let [accepted, refused, panicked] = [const { AtomicU64::new(0) }; 3].map(Arc::new);
        let scripted = Scripted {
            answers,
            accepted: Arc::clone(&accepted),
            refused: Arc::clone(&refused),
            panicked: Arc::clone(&panicked),
        };
        let seen = Arc::default();
        let monitor = Monitor::builder().sink(scripted).sink(Witness(Arc::clone(&seen))).build()?;
        let mut calls = 0;
        for step in steps {
            match step {
                Step::Calls(n) => {
                    calls += u64::from(n);
                    for _ in 0..n {
                        monitor.operation("work").record(RecordPolicy::All).start().succeed();
                    }
                }
                Step::Error => monitor.error_with("as told").record(),
                // It may not be over by then.
                Step::Flush => drop(monitor.flush(Duration::from_millis(5))),
            }
            for sink in monitor.snapshot().sinks() {
                prop_assert_eq!(sink.produced, sink.stored + sink.dropped() + sink.waiting, "{:?}", sink);
            }
        }
        monitor.shutdown(Duration::from_secs(30))?;
        let snapshot = monitor.snapshot();
        let sink = &snapshot.sinks()[0];
        let dropped = |reason: &str| sink.dropped.get(reason).copied().unwrap_or(0);
        prop_assert_eq!(sink.stored, accepted.load(Ordering::SeqCst));
        prop_assert_eq!(dropped("refused"), refused.load(Ordering::SeqCst));
        prop_assert_eq!(dropped("panicked"), panicked.load(Ordering::SeqCst));
        prop_assert_eq!((sink.waiting, sink.produced), (0, sink.stored + sink.dropped()));
        prop_assert_eq!(*seen.lock().map_err(|error| TestCaseError::fail(error.to_string()))?, (calls, calls));
    }
}
