//! Guards are asked here, on the caller's thread and outside of every lock.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;

use crate::base::names::truncated;
use crate::record::recorder::Recorder;
use crate::store::states::{Declared, Definition, GuardContext, Machine};

/// Longest reason of a guard in bytes; what is longer is cut.
const MAX_REASON_BYTES: usize = 256;

/// A guard may move entities itself, whose guards do so in turn. This deep, and no deeper: a circle of them would
/// take the whole stack.
const MAX_DEPTH: u32 = 8;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Asks the guard of a transition; `Err` with what it said.
pub(super) fn ask(recorder: &Recorder, machine: &Machine, declared: &Declared, entity: &str) -> Result<(), String> {
    let Some(guard) = &declared.guard else { return Ok(()) };
    let definition: &Definition = &machine.definition;
    let context = GuardContext {
        machine: &definition.name,
        entity,
        from: definition.state_name(declared.from),
        to: definition.state_name(declared.to),
        trigger: declared.trigger.as_deref(),
    };
    DEPTH.set(DEPTH.get() + 1);
    // Unwind safety is asserted: a guard is given nothing that it could leave half changed but what is the host's own.
    let said = catch_unwind(AssertUnwindSafe(|| guard(&context)));
    DEPTH.set(DEPTH.get().saturating_sub(1));
    match said {
        Ok(Ok(())) => Ok(()),
        Ok(Err(reason)) => Err(truncated(&reason, MAX_REASON_BYTES).into_owned()),
        Err(payload) => {
            // What a panic carries may itself panic when dropped.
            std::mem::forget(payload);
            machine.guards_panicked.fetch_add(1, Ordering::Relaxed);
            recorder.counts.callbacks_panicked.fetch_add(1, Ordering::Relaxed);
            Err("(the guard panicked)".to_owned())
        }
    }
}

/// Whether so many guards are being asked one inside the other that no more may be.
pub(super) fn are_too_deep() -> bool {
    DEPTH.get() >= MAX_DEPTH
}
