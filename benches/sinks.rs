//! What a tracked call costs while its monitor hands everything to sinks, as CPU time of the whole process: that of the
//! collector and of the sinks' threads included.
//!
//! `cargo bench -p benches --bench sinks`

#![forbid(unsafe_code)]

use std::time::Duration;

use benches::budgets::Verdict;
use benches::comparison::Comparison;
use benches::contender::{BodyError, Contender, Family, body, repeat};
use benches::floor::UNIT;
use benches::options::Options;
use benches::rounds::Row;
use benches::{BenchResult, floor};
use monitor_core::{Batch, Monitor, RecordPolicy, Sink, SinkError, monitor, track_operation};

const PLAIN: &str = "ours_no_sink";
const ATTACHED: &str = "ours_sink";
const ALL: &str = "ours_sink_record_all";

fn main() -> BenchResult {
    let mut contenders: Vec<_> = floor::contenders().into_iter().filter(|row| row.name == UNIT).collect();
    let attached = Monitor::builder().service("bench").sink(Nowhere).build()?;
    contenders.extend(ours(&Monitor::builder().build()?, &attached));
    let heading = "A tracked call with a sink (`sinks`)";
    Comparison { name: "sinks", heading, contenders, verdicts, others: None }.run(&Options::from_env()?)?;
    attached.shutdown(Duration::from_secs(10))?;
    Ok(())
}

/// Takes what comes and keeps nothing: what is left is the collector's work.
struct Nowhere;

impl Sink for Nowhere {
    fn name(&self) -> &'static str {
        "nowhere"
    }

    fn write(&mut self, _: &Batch) -> Result<(), SinkError> {
        Ok(())
    }
}

#[track_operation]
fn tracked(x: u64) -> Result<u64, BodyError> {
    body(x)
}

#[track_operation(record = "all")]
fn recorded(x: u64) -> Result<u64, BodyError> {
    body(x)
}

fn ours(plain: &Monitor, attached: &Monitor) -> Vec<Contender> {
    let (plain, sink, all) = (plain.clone(), attached.clone(), attached.clone());
    let guard = attached.clone();
    vec![
        Contender::new(Family::Ours, PLAIN, "ours: attribute, no sink", move |calls| {
            plain.scope(|| repeat(calls, tracked));
        }),
        Contender::new(Family::Ours, ATTACHED, "ours: attribute, a sink attached", move |calls| {
            sink.scope(|| repeat(calls, tracked));
        }),
        Contender::new(Family::Ours, ALL, "ours: attribute, every call recorded, a sink attached", move |calls| {
            all.scope(|| repeat(calls, recorded));
        }),
        Contender::new(Family::Ours, "ours_sink_guard_all", "ours: guard, likewise", move |calls| {
            guard.scope(|| {
                repeat(calls, |x| {
                    let op = monitor().operation("guarded").record(RecordPolicy::All).start();
                    let result = body(x);
                    op.succeed();
                    result
                });
            });
        }),
    ]
}

fn verdicts(rows: &[Row]) -> Vec<Verdict> {
    let cpu = |name: &str, threads| Some(rows.iter().find(|row| row.name == name)?.cost(threads)?.cpu_ns);
    let ratio = |name, what, threads| {
        let measured = cpu(ATTACHED, threads)? / cpu(UNIT, threads)?;
        Some(Verdict { name, what, limit: 1.6, measured, unit: "" })
    };
    let all = [
        ratio("sink_attached", "a tracked call with a sink, CPU of the process", 1),
        ratio("sink_attached_2", "the same on 2 threads", 2),
    ];
    all.into_iter().flatten().collect()
}
