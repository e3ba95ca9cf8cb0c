//! Operations by id that other processes know of: the ledger is asked first, and this process does what it says.
//!
//! The ledger decides who of several begins or ends an id. While it cannot be reached this process decides by what it
//! knows itself, and has the ledger told later. Nothing here is asked under a lock.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::base::names::truncated;
use crate::model::{Instance, LedgerBegin, LedgerEnd, LedgerEntry, LedgerWrite, OperationStatus};
use crate::ports::operations::{LedgerError, LedgerNews, OperationLedger};
use crate::record::by_id::{self, Drawn, EndExtras, Entry, Foreign, Refused};
use crate::record::failure::count_panicked_callback;
use crate::record::quiet::quietly;
use crate::record::recorder::{Recorder, RecorderRef};
use crate::record::registry::Identity;
use crate::store::by_id::{End, Plan};

/// Bytes of the reason for which a ledger cannot be reached.
const MAX_REASON_BYTES: usize = 500;

/// What a recorder has where its operations by id are known to other processes.
struct Client {
    /// There until it is dropped.
    ledger: Option<Box<dyn OperationLedger>>,
    news: LedgerNews,
    run: String,
    /// Beginnings that the ledger may know of and the recorder does not yet.
    beginning: AtomicU64,
}

/// Why something was not done: what the recorder says of it, or the ledger.
pub(super) enum Failed {
    Here(Refused),
    Elsewhere(LedgerError),
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        Failed::Here(refused)
    }
}

/// The ledger of a recorder, asked on behalf of it.
#[derive(Clone, Copy)]
pub(super) struct Ledger<'a> {
    recorder: &'a RecorderRef,
    client: &'a Client,
}

/// Gives a ledger to a recorder, once. False if it has one.
pub(crate) fn attach(recorder: &Recorder, ledger: Box<dyn OperationLedger>, instance: &Instance) -> bool {
    let news = LedgerNews::default();
    let client =
        Client { ledger: Some(ledger), news: news.clone(), run: instance.run.clone(), beginning: AtomicU64::new(0) };
    client.contained(|ledger| ledger.open(instance, news));
    recorder.ledger.set(Box::new(client)).is_ok()
}

/// Takes account of what other processes ended.
pub(crate) fn catch_up(recorder: &RecorderRef) {
    if !recorder.is_inherited()
        && let Some(ledger) = Ledger::of(recorder)
    {
        ledger.catch_up();
    }
}

/// What a panic carries may itself panic when dropped.
fn forget_panic<R>(result: std::thread::Result<R>) -> Option<R> {
    result
        .map_err(|panic| {
            std::mem::forget(panic);
            count_panicked_callback();
        })
        .ok()
}

impl Client {
    /// Runs code of the host. `None` when it panicked.
    fn contained<R>(&self, f: impl FnOnce(&dyn OperationLedger) -> R) -> Option<R> {
        let ledger = self.ledger.as_deref()?;
        forget_panic(catch_unwind(AssertUnwindSafe(|| f(ledger))))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // A value of the host, whose drop may panic.
        let ledger = self.ledger.take();
        forget_panic(catch_unwind(AssertUnwindSafe(|| drop(ledger))));
    }
}

impl<'a> Ledger<'a> {
    pub(super) fn of(recorder: &'a RecorderRef) -> Option<Ledger<'a>> {
        let client = recorder.ledger.get()?.downcast_ref()?;
        Some(Ledger { recorder, client })
    }

    /// Begins an operation here and there.
    pub(super) fn begin(self, plan: Plan, identity: &Identity<'_>) -> Result<(), Failed> {
        self.catch_up();
        if let Err(refused) = by_id::may_begin(self.recorder, &plan.id) {
            // It may have ended elsewhere, which a ledger tells when it is asked for anything.
            let Refused::AlreadyRunning(_) = &refused else { return Err(refused.into()) };
            let _ = self.ask(|ledger| ledger.find(&plan.id))?;
            self.catch_up();
            by_id::may_begin(self.recorder, &plan.id)?;
        }
        let drawn = by_id::draw(self.recorder)?;
        let begun = self.begun(&plan, identity, &drawn);
        self.client.beginning.fetch_add(1, Ordering::SeqCst);
        let result = self.begin_there(begun).and_then(|shared| {
            let id = plan.id.clone();
            by_id::begin(self.recorder, plan, identity, drawn, shared).map_err(|refused| {
                if shared {
                    // Full in the meantime: what has begun there is taken back.
                    let _ = self.ask(|ledger| ledger.end(&id, &self.withdrawn()));
                }
                Failed::Here(refused)
            })
        });
        self.client.beginning.fetch_sub(1, Ordering::SeqCst);
        result
    }

    /// Whether others know of it now.
    fn begin_there(self, begun: LedgerBegin) -> Result<bool, Failed> {
        match self.ask(|ledger| ledger.begin(&begun))? {
            Ok(()) => Ok(true),
            Err(LedgerError::Unreachable(_)) => {
                self.keep(LedgerWrite::Begin(begun));
                Ok(false)
            }
            Err(error) => Err(Failed::Elsewhere(error)),
        }
    }

    /// Has an operation go on to its next step, here and there.
    pub(super) fn step(self, id: &str, name: Box<str>) -> Result<(), Failed> {
        self.catch_up();
        let at = self.recorder.clock.anchor().wall;
        let result = self.ask(|ledger| ledger.step(id, &name, at))?;
        self.catch_up();
        match result {
            // Others may have begun it: then there is nothing to do here.
            Ok(()) => {
                let _ = by_id::step(self.recorder, id, name);
                Ok(())
            }
            Err(LedgerError::Unreachable(why)) => match by_id::step(self.recorder, id, name.clone()) {
                Ok(()) => {
                    self.keep(LedgerWrite::Step { id: id.to_owned(), name: name.into(), at });
                    Ok(())
                }
                Err(Refused::NeverBegun) => Err(Failed::Elsewhere(LedgerError::Unreachable(why))),
                Err(refused) => Err(refused.into()),
            },
            Err(error) => match by_id::running(self.recorder, id)? {
                // The ledger does not know it, or an earlier one.
                Some(entry) if !entry.shared || error == LedgerError::NeverBegun => {
                    Ok(by_id::step(self.recorder, id, name)?)
                }
                _ => Err(Failed::Elsewhere(error)),
            },
        }
    }

    /// Ends an operation here and there, and counts it here.
    pub(super) fn end(self, id: &str, end: End, mut extras: EndExtras<'_>) -> Result<OperationStatus, Failed> {
        self.catch_up();
        let anchor = self.recorder.clock.anchor();
        let here = by_id::running(self.recorder, id)?;
        let told = LedgerEnd {
            outcome: end.outcome,
            items: end.items,
            bytes: end.bytes,
            output_bytes: end.output_bytes,
            at: anchor.wall,
            duration: here.as_ref().map(|entry| anchor.age(entry.since)),
        };
        let result = self.ask(|ledger| ledger.end(id, &told))?;
        match (result, here) {
            (Ok(there), Some(entry)) if there.begun.span_id == by_id::span(&entry) => {
                let status = there.status(anchor.wall);
                // Steps that it was moved to elsewhere are known there alone.
                extras.by_id = (!same_steps(&entry.status(&anchor), &status)).then(|| status.by_id.clone());
                Ok(by_id::end(self.recorder, id, end, extras).unwrap_or(status))
            }
            (Ok(there), _) => {
                if there.begun_by == self.client.run {
                    // By a thread of this process that is about to say so.
                    self.client.news.ended(id, there.begun.span_id);
                }
                let status = there.status(anchor.wall);
                self.count_foreign(&there, &status, end, &extras);
                self.catch_up();
                Ok(status)
            }
            (Err(LedgerError::Unreachable(_)), Some(_)) => {
                let status = by_id::end(self.recorder, id, end, extras)?;
                self.keep(LedgerWrite::End { id: id.to_owned(), end: told });
                Ok(status)
            }
            (Err(error @ LedgerError::Unreachable(_)), None) => {
                let ended = by_id::last_end(self.recorder, id)?;
                Err(ended.map_or(Failed::Elsewhere(error), |entry| Refused::AlreadyEnded(entry).into()))
            }
            (Err(error), Some(entry)) => {
                self.catch_up();
                let is_here = by_id::running(self.recorder, id)?.is_some();
                if is_here && (!entry.shared || error == LedgerError::NeverBegun) {
                    // The ledger does not know it: it began before there was one, or its place has been emptied.
                    self.tell_all(&entry, &told);
                    return Ok(by_id::end(self.recorder, id, end, extras)?);
                }
                Err(Failed::Elsewhere(error))
            }
            (Err(error), None) => Err(Failed::Elsewhere(error)),
        }
    }

    /// How an operation is doing, or how it ended.
    pub(super) fn status(self, id: &str) -> Option<OperationStatus> {
        let there = self.ask(|ledger| ledger.find(id)).ok()?;
        self.catch_up();
        let here = by_id::status(self.recorder, id);
        let running = by_id::running(self.recorder, id).ok().flatten();
        let Ok(Some(there)) = there else { return here };
        let status = there.status(self.recorder.clock.anchor().wall);
        match (here, running) {
            (Some(here), Some(entry)) if there.begun.span_id == by_id::span(&entry) => {
                Some(with_all_steps(here, status))
            }
            // The ledger does not know it yet.
            (Some(here), Some(_)) => Some(here),
            // The same end: by the clock of this process.
            (Some(here), None) if self.ended_here(&there) && here.started_at == status.started_at => {
                Some(with_all_steps(here, status))
            }
            _ => Some(status),
        }
    }

    /// Whether it is the run of the operation that began and ended in this process last.
    fn ended_here(self, there: &LedgerEntry) -> bool {
        there.ended_by.as_ref() == Some(&self.client.run)
            && by_id::last_end(self.recorder, &there.begun.id)
                .is_ok_and(|ended| ended.is_some_and(|entry| by_id::span(&entry) == there.begun.span_id))
    }

    /// Takes account of what other processes ended. Costs next to nothing when there is nothing.
    fn catch_up(self) {
        if self.client.news.take_reachable() {
            self.note_trouble(None);
        }
        if self.client.news.is_empty() {
            return;
        }
        let Some(ends) = quietly(|| self.client.news.take()) else { return };
        // After they were taken: what is told of is known to the ledger, and so is on its way into the recorder or there.
        let beginning = self.client.beginning.load(Ordering::SeqCst) > 0;
        for (id, span) in ends {
            if !by_id::ended_elsewhere(self.recorder, &id, span) && beginning {
                quietly(|| self.client.news.ended(&id, span));
            }
        }
    }

    fn count_foreign(self, there: &LedgerEntry, status: &OperationStatus, end: End, extras: &EndExtras<'_>) {
        // What was begun while its monitor was switched off is counted nowhere.
        if there.begun.span_id.is_none() {
            return;
        }
        let LedgerBegin { name, kind, component, labels, .. } = &there.begun;
        let labels: Vec<_> = labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let foreign = Foreign {
            identity: Identity { name, kind, component, labels: &labels },
            fields: &there.begun.fields,
            context: there.begun.context.clone(),
            trace: there.begun.trace_id,
            parent: there.begun.parent_span_id,
            by_id: status.by_id.clone(),
            ns: crate::model::units::to_ns(status.duration),
        };
        by_id::count_foreign(self.recorder, foreign, end, extras);
    }

    /// Tells of a beginning and an end at once.
    fn tell_all(self, entry: &Entry, end: &LedgerEnd) {
        let Some(series) = entry.call.as_ref().and_then(|call| self.recorder.series(call.series)) else { return };
        let labels: Vec<_> = series.labels.iter().map(|(key, value)| (&**key, &**value)).collect();
        let identity =
            Identity { name: &series.name, kind: &series.kind, component: &series.component, labels: &labels };
        let begun = self.begun(&entry.plan, &identity, &by_id::drawn_of(entry));
        if let Ok(true) = self.begin_there(begun) {
            let _ = self.ask(|ledger| ledger.end(&entry.plan.id, end));
        }
    }

    fn begun(self, plan: &Plan, identity: &Identity<'_>, drawn: &Drawn) -> LedgerBegin {
        let labels = identity.labels.iter();
        LedgerBegin {
            id: plan.id.to_string(),
            name: plan.name.to_string(),
            kind: plan.kind.to_string(),
            component: plan.component.to_string(),
            labels: labels.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            worker: plan.worker.as_deref().map(str::to_owned),
            input_bytes: plan.input_bytes,
            fields: plan.fields.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
            context: drawn.context().to_vec(),
            trace_id: drawn.trace(),
            span_id: drawn.span(),
            parent_span_id: drawn.parent(),
            started_at: self.recorder.clock.anchor().wall_time(drawn.since),
        }
    }

    fn withdrawn(self) -> LedgerEnd {
        let at = self.recorder.clock.anchor().wall;
        let outcome = crate::model::Outcome::Cancelled;
        LedgerEnd { outcome, items: 0, bytes: 0, output_bytes: None, at, duration: None }
    }

    /// Asks the ledger, where tracked calls are not recorded: it must not come round to itself.
    fn ask<R>(
        self,
        ask: impl FnOnce(&dyn OperationLedger) -> Result<R, LedgerError>,
    ) -> Result<Result<R, LedgerError>, Refused> {
        let asked = quietly(|| {
            let result = self.client.contained(ask);
            let result = result.unwrap_or_else(|| Err(LedgerError::Unreachable("it panicked".to_owned())));
            self.note_trouble(result.as_ref().err());
            result
        });
        asked.ok_or(Refused::Reentrant)
    }

    /// Shows why the ledger cannot be reached, or that it can.
    fn note_trouble(self, error: Option<&LedgerError>) {
        let why = match error {
            Some(LedgerError::Unreachable(why)) => Some(truncated(why, MAX_REASON_BYTES).into_owned()),
            _ => None,
        };
        let before = std::mem::replace(&mut *self.recorder.by_id_trouble.lock(), why);
        drop(before);
    }

    fn keep(self, write: LedgerWrite) {
        self.recorder.counts.by_id_unshared.fetch_add(1, Ordering::Relaxed);
        quietly(|| self.client.contained(|ledger| ledger.keep(write)));
    }
}

fn same_steps(here: &OperationStatus, there: &OperationStatus) -> bool {
    here.by_id.steps.iter().map(|step| &step.name).eq(there.by_id.steps.iter().map(|step| &step.name))
}

/// What this process knows, and the steps that it was moved to elsewhere.
fn with_all_steps(here: OperationStatus, there: OperationStatus) -> OperationStatus {
    if same_steps(&here, &there) { here } else { OperationStatus { by_id: there.by_id, ..here } }
}
