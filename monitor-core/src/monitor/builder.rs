//! Settings of a monitor.

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::Monitor;
use super::audit::Contained;
use crate::base::clock::{Clock, ManualClock};
use crate::base::error::Error;
use crate::collector::{self, Collector};
use crate::ports::audit::AuditTrail;
use crate::ports::operations::OperationLedger;
use crate::ports::sink::Sink;
use crate::record::attached::Auditing;
use crate::record::recorder::{RecorderRef, Settings};
use crate::trackers::by_id::ledger;

/// Settings of a monitor: [`Monitor::builder`].
///
/// ```
/// use monitor_core::Monitor;
///
/// let local = Monitor::builder().service("indexer").max_operations(500).recent_capacity(100).build()?;
/// assert_eq!(local.snapshot().service(), "indexer");
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Default)]
#[must_use = "a builder makes a monitor with `build` or `install`"]
pub struct MonitorBuilder {
    service: Option<String>,
    max_operations: Option<usize>,
    max_label_sets: Option<usize>,
    recent_capacity: Option<usize>,
    records_per_second: Option<u32>,
    max_error_groups: Option<usize>,
    errors_resolved_after: Option<Duration>,
    error_backtraces: bool,
    disabled: bool,
    clock: Option<ManualClock>,
    sinks: Vec<Box<dyn Sink>>,
    ledger: Option<Box<dyn OperationLedger>>,
    /// That of the first file of a history, if no other one is given.
    file_ledger: Option<Box<dyn OperationLedger>>,
    audit: Option<Arc<dyn Auditing>>,
    /// That of the first file of a history, if no other one is given.
    file_audit: Option<Arc<dyn Auditing>>,
}

impl MonitorBuilder {
    /// Name of the program, shown with its figures. Default: none.
    pub fn service(mut self, service: impl Into<String>) -> Self {
        self.service = Some(service.into());
        self
    }

    /// Operations that are told apart; further ones are counted together as `(overflow)`. From 1 to 1,000,000, default
    /// 4,096. Each costs up to 4 KB for each thread that calls it.
    pub fn max_operations(mut self, operations: usize) -> Self {
        self.max_operations = Some(operations);
        self
    }

    /// Label sets of one operation that are told apart; further ones are counted together, with the label
    /// `overflow="true"`. From 1 to 1,000,000, default 2,000.
    pub fn max_label_sets(mut self, label_sets: usize) -> Self {
        self.max_label_sets = Some(label_sets);
        self
    }

    /// Individual records that are kept for [`Monitor::recent`]. From 0 to 1,000,000, default 1,024.
    pub fn recent_capacity(mut self, records: usize) -> Self {
        self.recent_capacity = Some(records);
        self
    }

    /// Individual records that an operation may make a second on each thread, after ten at once; failed and slow calls
    /// have the same budget once more each. From 0 (none but of operations that record all) to 1,000,000, default 10.
    pub fn records_per_second(mut self, records: u32) -> Self {
        self.records_per_second = Some(records);
        self
    }

    /// Groups of errors that are told apart; further errors are counted together as `(overflow)`, unless a group that
    /// is resolved makes room. From 1 to 100,000, default 1,000. A group takes from one to some 20 KB, by the length of
    /// its texts.
    pub fn max_error_groups(mut self, groups: usize) -> Self {
        self.max_error_groups = Some(groups);
        self
    }

    /// Time after which a group of errors that did not come again counts as resolved. At least a second, default a day.
    pub fn errors_resolved_after(mut self, quiet: Duration) -> Self {
        self.errors_resolved_after = Some(quiet);
        self
    }

    /// Whether the stack is kept with each error that is looked at. Default: no, since that takes from some ten
    /// microseconds to a millisecond. Never in a forked child, where it could hang.
    pub fn error_backtraces(mut self, keep: bool) -> Self {
        self.error_backtraces = keep;
        self
    }

    /// Whether recording is on from the start. Default: yes. [`Monitor::set_enabled`] turns the switch later.
    pub fn enabled(mut self, enabled: bool) -> Self {
        self.disabled = !enabled;
        self
    }

    /// A clock that a test moves by hand. Only for [`build`](Self::build). Default: the system's.
    pub fn clock(mut self, clock: &ManualClock) -> Self {
        self.clock = Some(clock.clone());
        self
    }

    /// Keeps history in a SQLite file, which is made if there is none: every run's operations, errors, progress, transitions
    /// and figures over time, and its [audit entries](Monitor::audit). Many processes may share one file. With the feature
    /// `sqlite`. Default: none.
    ///
    /// [Operations by id](Monitor::begin) are known to all of them: begun in one, ended in another.
    ///
    /// The same as [`sink`](Self::sink) with [`SqliteSink::new`], [`operation_ledger`](Self::operation_ledger) with its
    /// [`operations`](crate::SqliteSink::operations) and [`audit_trail`](Self::audit_trail) with
    /// [`AuditLog`](crate::AuditLog); [`SqliteSink::with`] has more to set. A file that cannot be
    /// written just now (its disk is full, another process holds it) hurts nobody: what comes waits for it within bounds, see
    /// [`SinkStats`](crate::SinkStats).
    ///
    /// # Forks
    /// A forked child refuses what it inherited, and may open the file anew. For that `fork` waits until no thread uses
    /// a file, for a tenth of a second at most; if one still does, the child opens none. Neither does a child of
    /// `_Fork`, `vfork` or a bare `clone`, which run no handlers of forks, until it runs another program.
    ///
    /// Connections that the program opens to this file by itself are not known here. If they are of the same SQLite
    /// library, a child that inherits one must not open the file: SQLite would rely on locks that only its parent
    /// holds. Close them before the fork. And while a file is open in a process, nothing in that process may open and
    /// close it past that SQLite library, not even to copy it: on Unix closing any descriptor of a file lets go of all
    /// locks that the process has on it. See <https://www.sqlite.org/howtocorrupt.html>, 2.2, 2.2.1 and 2.6.
    ///
    /// [`SqliteSink::new`]: crate::SqliteSink::new
    /// [`SqliteSink::with`]: crate::SqliteSink::with
    #[cfg(feature = "sqlite")]
    pub fn sqlite(mut self, path: impl Into<std::path::PathBuf>) -> Self {
        let path = path.into();
        let audit = crate::sinks::sqlite::audit::AuditLog::later(&path);
        self.file_audit.get_or_insert_with(|| Arc::new(Contained(audit)));
        let sink = crate::sinks::sqlite::sink::SqliteSink::new(path);
        self.file_ledger.get_or_insert_with(|| Box::new(sink.operations()));
        self.sink(sink)
    }

    /// Where [audit entries](Monitor::audit) are kept. Default: in the first file that is given to `sqlite`, and nowhere
    /// without one.
    pub fn audit_trail(mut self, place: impl AuditTrail + 'static) -> Self {
        self.audit = Some(Arc::new(Contained(place)));
        self
    }

    /// A place that keeps what the monitor sees, beside those given before. Default: none.
    ///
    /// With the first one the monitor starts a thread that makes a [`Batch`](crate::Batch) a second, and each sink has a
    /// thread of its own. They end with [`Monitor::shutdown`], with [`Installed`], or a second after the last handle on the
    /// monitor is gone.
    pub fn sink(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Where operations by id are known to other processes, instead of the one given before: begun in one, ended in another.
    /// Default: none, they are known to this process alone.
    ///
    /// The ledger is asked on the thread that begins or ends an operation. While it cannot be reached the program goes on
    /// with what it knows itself, see [`MonitorStats::by_id_trouble`](crate::MonitorStats::by_id_trouble). Each process counts
    /// what happened in it: the one the beginning, the other one the end, with
    /// [`Figures::ended_elsewhere`](crate::Figures::ended_elsewhere) and
    /// [`Figures::begun_elsewhere`](crate::Figures::begun_elsewhere) for the balance.
    pub fn operation_ledger(mut self, ledger: impl OperationLedger + 'static) -> Self {
        self.ledger = Some(Box::new(ledger));
        self
    }

    /// A monitor of its own.
    ///
    /// # Errors
    /// [`Error::is_invalid_setting`] for a setting out of its range; [`Error::is_sink_refused`] for a sink that cannot be
    /// used as it was set up.
    pub fn build(mut self) -> Result<Monitor, Error> {
        let (sinks, ledger) = (std::mem::take(&mut self.sinks), self.ledger.take().or(self.file_ledger.take()));
        let audit = self.audit.take().or(self.file_audit.take());
        let recorder = RecorderRef::new(self.settings()?);
        connect(&recorder, sinks, ledger)?;
        attach_audit(&recorder, audit);
        Ok(Monitor::of(recorder))
    }

    /// Puts the settings in force for the monitor of the process, once. What was recorded before stays.
    ///
    /// # Errors
    /// [`Error::is_already_installed`] the second time; the first goes on. [`Error::is_invalid_setting`] for a setting
    /// out of its range, and for a manual clock. [`Error::is_sink_refused`] for a sink that cannot be used as it was set up;
    /// then it may be tried once more, with another one.
    pub fn install(mut self) -> Result<Installed, Error> {
        if self.clock.is_some() {
            return Err(Error::invalid_setting("clock", "a manual one", "the system's clock; use build() in tests"));
        }
        let (sinks, ledger) = (std::mem::take(&mut self.sinks), self.ledger.take().or(self.file_ledger.take()));
        let audit = self.audit.take().or(self.file_audit.take());
        let settings = self.settings()?;
        if INSTALLED.swap(true, Ordering::SeqCst) {
            return Err(Error::already_installed());
        }
        let recorder = RecorderRef::of_process();
        recorder.apply(settings);
        if let Err(error) = connect(&recorder, sinks, ledger) {
            INSTALLED.store(false, Ordering::SeqCst);
            return Err(error);
        }
        attach_audit(&recorder, audit);
        Ok(Installed { recorder })
    }

    fn settings(self) -> Result<Settings, Error> {
        const MANY: usize = 1_000_000;
        let mut settings = Settings { service: self.service.unwrap_or_default(), ..Settings::default() };
        let limits = &mut settings.limits;
        set(&mut limits.operations, "max_operations", self.max_operations, 1..=MANY, "1 to 1000000")?;
        set(&mut limits.label_sets, "max_label_sets", self.max_label_sets, 1..=MANY, "1 to 1000000")?;
        set(&mut settings.recent, "recent_capacity", self.recent_capacity, 0..=MANY, "0 to 1000000")?;
        let records = self.records_per_second.map(u64::from);
        set(&mut settings.records_per_second, "records_per_second", records, 0..=MANY as u64, "0 to 1000000")?;
        let groups = &mut settings.error_groups;
        set(groups, "max_error_groups", self.max_error_groups, 1..=100_000, "1 to 100000")?;
        if let Some(quiet) = self.errors_resolved_after {
            if quiet < Duration::from_secs(1) {
                let given = format_args!("{quiet:?}").to_string();
                return Err(Error::invalid_setting("errors_resolved_after", given, "a second and longer"));
            }
            settings.errors_quiet = quiet;
        }
        settings.error_backtraces = self.error_backtraces;
        settings.enabled = !self.disabled;
        if let Some(clock) = &self.clock {
            settings.clock = Clock::manual(clock);
        }
        Ok(settings)
    }
}

impl fmt::Debug for MonitorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("MonitorBuilder");
        // Sinks are code of the host, of which only the number is shown.
        shown.field("service", &self.service).field("sinks", &self.sinks.len()).finish_non_exhaustive()
    }
}

/// Connects a recorder with the outside: all of it as the same run.
fn connect(
    recorder: &RecorderRef,
    sinks: Vec<Box<dyn Sink>>,
    ledger: Option<Box<dyn OperationLedger>>,
) -> Result<(), Error> {
    if sinks.is_empty() && ledger.is_none() {
        return Ok(());
    }
    let instance = collector::this_instance(recorder);
    if !sinks.is_empty() {
        Collector::start(recorder, &instance, sinks)?;
    }
    if let Some(ledger) = ledger {
        ledger::attach(recorder, ledger, &instance);
    }
    Ok(())
}

fn attach_audit(recorder: &RecorderRef, audit: Option<Arc<dyn Auditing>>) {
    if let Some(audit) = audit {
        recorder.attached.attach_audit(audit);
    }
}

static INSTALLED: AtomicBool = AtomicBool::new(false);

fn set<N: PartialOrd + fmt::Display>(
    setting: &mut N,
    name: &'static str,
    given: Option<N>,
    range: RangeInclusive<N>,
    allowed: &'static str,
) -> Result<(), Error> {
    match given {
        Some(given) if !range.contains(&given) => Err(Error::invalid_setting(name, given, allowed)),
        Some(given) => {
            *setting = given;
            Ok(())
        }
        None => Ok(()),
    }
}

/// The monitor of the process is set up: [`MonitorBuilder::install`]. Keep it until the end of `main`.
///
/// It is what ends the monitor in order: [`shutdown`](Self::shutdown) delivers what is still on its way to sinks, and so does
/// dropping it, for five seconds at most. Without a sink nothing is, and both are done at once.
#[must_use = "dropping it ends the monitor's deliveries"]
pub struct Installed {
    recorder: RecorderRef,
}

/// Time that a drop may take.
const PATIENCE: Duration = Duration::from_secs(5);

impl Installed {
    /// Delivers what is still on its way to sinks, within a deadline, and ends them. From any thread, any number of times;
    /// recording and reading go on afterwards.
    ///
    /// # Errors
    /// [`Error::is_not_delivered`], which says of each sink what it could not store in time and why.
    pub fn shutdown(&self, deadline: Duration) -> Result<(), Error> {
        // The threads are the parent's.
        if self.recorder.is_inherited() { Ok(()) } else { self.recorder.attached.shut_down(deadline) }
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        // Who wants to know calls `shutdown`.
        let _ = self.shutdown(PATIENCE);
    }
}

impl fmt::Debug for Installed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Installed").finish_non_exhaustive()
    }
}
