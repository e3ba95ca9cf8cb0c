//! `autometrics`: `#[autometrics]` with its Prometheus exporter.

use super::{peer, samples};
use crate::BenchResult;
use crate::contender::{BodyError, Contender, body, repeat};
use autometrics::{autometrics, prometheus_exporter};

pub(super) fn contenders() -> BenchResult<Vec<Contender>> {
    prometheus_exporter::try_init()?;
    let row = peer("autometrics", "autometrics: #[autometrics]", |calls| repeat(calls, annotated));
    let recorded = || {
        let text = prometheus_exporter::encode_to_string()?;
        samples(&text, "function_calls_duration_seconds_count{", "function=\"annotated\"")
    };
    Ok(vec![row.recorded(recorded)])
}

#[inline(never)]
#[autometrics]
fn annotated(x: u64) -> Result<u64, BodyError> {
    body(x)
}
