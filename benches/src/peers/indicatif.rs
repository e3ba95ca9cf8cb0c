//! `indicatif`: the position of a bar that is not drawn, as a program has it that writes to a file.

use super::peer;
use crate::contender::Contender;
use indicatif::{ProgressBar, ProgressDrawTarget};
use std::hint::black_box;

/// A bar that all threads move.
#[must_use]
pub fn contenders() -> Vec<Contender> {
    let bar = ProgressBar::with_draw_target(Some(u64::MAX), ProgressDrawTarget::hidden());
    let read = bar.clone();
    let run = move |calls| (0..calls).for_each(|_| black_box(&bar).inc(black_box(1)));
    vec![peer("indicatif_inc", "indicatif: inc, hidden", run).recorded(move || Ok(read.position()))]
}
