//! The crate's error: opaque, with questions to ask it.

use std::fmt;

use super::names::{MAX_NAME_BYTES, truncated};

/// What can go wrong when a monitor is built or installed, or when a state machine or an entity of one is asked for.
///
/// Recording has no errors: it never fails. Ask with the `is_…` methods; the text says what was wrong, what is allowed
/// and what to do.
///
/// ```
/// use monitor_core::Monitor;
///
/// let error = Monitor::builder().max_operations(0).build().unwrap_err();
/// assert!(error.is_invalid_setting());
/// assert_eq!(error.to_string(), "max_operations is 0; allowed is 1 to 1000000");
/// ```
#[derive(Debug)]
pub struct Error {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    AlreadyInstalled,
    #[cfg(feature = "metrics")]
    MetricsRecorderInstalled,
    InvalidSetting {
        name: &'static str,
        given: String,
        allowed: &'static str,
    },
    InvalidStateMachine {
        name: String,
        faults: Vec<String>,
    },
    DifferentStateMachine {
        name: String,
        what: &'static str,
    },
    TooMany {
        what: &'static str,
        of: String,
        most: usize,
        advice: &'static str,
    },
    InvalidId {
        given: String,
        bytes: usize,
    },
    NoThread {
        name: &'static str,
        source: std::io::Error,
    },
    NotHere {
        what: &'static str,
        why: &'static str,
    },
    SinkRefused {
        name: String,
        why: String,
    },
    NotDelivered {
        why: String,
    },
}

impl Error {
    pub(crate) fn already_installed() -> Self {
        Self { kind: Kind::AlreadyInstalled }
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn metrics_recorder_installed() -> Self {
        Self { kind: Kind::MetricsRecorderInstalled }
    }

    pub(crate) fn invalid_setting(name: &'static str, given: impl fmt::Display, allowed: &'static str) -> Self {
        Self { kind: Kind::InvalidSetting { name, given: given.to_string(), allowed } }
    }

    pub(crate) fn invalid_state_machine(name: String, faults: Vec<String>) -> Self {
        Self { kind: Kind::InvalidStateMachine { name, faults } }
    }

    pub(crate) fn different_state_machine(name: String, what: &'static str) -> Self {
        Self { kind: Kind::DifferentStateMachine { name, what } }
    }

    pub(crate) fn too_many(what: &'static str, of: String, most: usize, advice: &'static str) -> Self {
        Self { kind: Kind::TooMany { what, of, most, advice } }
    }

    pub(crate) fn invalid_id(id: &str) -> Self {
        Self { kind: Kind::InvalidId { given: truncated(id, 40).into_owned(), bytes: id.len() } }
    }

    #[cfg_attr(not(feature = "tracing"), allow(dead_code, reason = "nothing else starts a thread"))]
    pub(crate) fn no_thread(name: &'static str, source: std::io::Error) -> Self {
        Self { kind: Kind::NoThread { name, source } }
    }

    pub(crate) fn sink_refused(name: String, why: String) -> Self {
        Self { kind: Kind::SinkRefused { name, why } }
    }

    pub(crate) fn not_delivered(why: String) -> Self {
        Self { kind: Kind::NotDelivered { why } }
    }

    pub(crate) fn not_here(what: &'static str, why: &'static str) -> Self {
        Self { kind: Kind::NotHere { what, why } }
    }

    /// A monitor, or a recorder of the `metrics` facade, had been installed before. It goes on working, unchanged.
    #[must_use]
    pub fn is_already_installed(&self) -> bool {
        match self.kind {
            Kind::AlreadyInstalled => true,
            #[cfg(feature = "metrics")]
            Kind::MetricsRecorderInstalled => true,
            _ => false,
        }
    }

    /// A setting of the builder was out of its range.
    #[must_use]
    pub fn is_invalid_setting(&self) -> bool {
        matches!(self.kind, Kind::InvalidSetting { .. })
    }

    /// The definition of a state machine has faults; the text lists all of them.
    #[must_use]
    pub fn is_invalid_state_machine(&self) -> bool {
        matches!(self.kind, Kind::InvalidStateMachine { .. })
    }

    /// The monitor has another state machine of that name. It goes on working, unchanged.
    #[must_use]
    pub fn is_different_state_machine(&self) -> bool {
        matches!(self.kind, Kind::DifferentStateMachine { .. })
    }

    /// There are as many of a thing as are allowed. What there is goes on working.
    #[must_use]
    pub fn is_too_many(&self) -> bool {
        matches!(self.kind, Kind::TooMany { .. })
    }

    /// A sink cannot be used as it was set up: its path is a folder, its file another program's.
    #[must_use]
    pub fn is_sink_refused(&self) -> bool {
        matches!(self.kind, Kind::SinkRefused { .. })
    }

    /// Not everything could be delivered to all sinks within the deadline.
    #[must_use]
    pub fn is_not_delivered(&self) -> bool {
        matches!(self.kind, Kind::NotDelivered { .. })
    }

    /// An id is empty or over-long.
    #[must_use]
    pub fn is_invalid_id(&self) -> bool {
        matches!(self.kind, Kind::InvalidId { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::AlreadyInstalled => f.write_str(
                "a monitor is installed already and goes on working; install once, at the start of main, \
                 or use Monitor::builder().build() for a second one",
            ),
            #[cfg(feature = "metrics")]
            Kind::MetricsRecorderInstalled => f.write_str(
                "the process has a recorder of the metrics facade already, which goes on working; install one, at the \
                 start of main, and give the other to MetricsRecorder::beside",
            ),
            Kind::InvalidSetting { name, given, allowed } => write!(f, "{name} is {given}; allowed is {allowed}"),
            Kind::InvalidStateMachine { name, faults } => {
                write!(f, "state machine {name:?} cannot be built: {}", faults.join("; "))
            }
            Kind::DifferentStateMachine { name, what } => write!(
                f,
                "there is a state machine {name:?} already, with other {what}; it goes on working; give this one \
                 another name, or define both alike",
            ),
            Kind::TooMany { what, of, most, advice } => {
                write!(f, "there are {most} {what} of {of} already, as many as are allowed; {advice}")
            }
            Kind::InvalidId { given, bytes: 0 } => {
                write!(f, "the id {given:?} is empty; allowed are 1 to {MAX_NAME_BYTES} bytes")
            }
            Kind::InvalidId { given, bytes } => {
                write!(f, "the id {given:?} has {bytes} bytes; allowed are 1 to {MAX_NAME_BYTES}")
            }
            Kind::NoThread { name, source } => write!(f, "the thread {name:?} cannot be started: {source}"),
            Kind::SinkRefused { name, why } => write!(f, "the sink {name:?} cannot be used: {why}"),
            Kind::NotDelivered { why } => write!(f, "not everything was delivered: {why}"),
            Kind::NotHere { what, why } => write!(f, "{what} cannot be reached: {why}"),
        }
    }
}

impl std::error::Error for Error {}
