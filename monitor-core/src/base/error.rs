//! The crate's error: opaque, with questions to ask it.

use std::fmt;

/// What can go wrong when a monitor is built or installed.
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
    InvalidSetting { name: &'static str, given: String, allowed: &'static str },
}

impl Error {
    pub(crate) fn already_installed() -> Self {
        Self { kind: Kind::AlreadyInstalled }
    }

    pub(crate) fn invalid_setting(name: &'static str, given: impl fmt::Display, allowed: &'static str) -> Self {
        Self { kind: Kind::InvalidSetting { name, given: given.to_string(), allowed } }
    }

    /// A monitor had been installed before. It goes on working, unchanged.
    #[must_use]
    pub fn is_already_installed(&self) -> bool {
        matches!(self.kind, Kind::AlreadyInstalled)
    }

    /// A setting of the builder was out of its range.
    #[must_use]
    pub fn is_invalid_setting(&self) -> bool {
        matches!(self.kind, Kind::InvalidSetting { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::AlreadyInstalled => f.write_str(
                "a monitor is installed already and goes on working; install once, at the start of main, \
                 or use Monitor::builder().build() for a second one",
            ),
            Kind::InvalidSetting { name, given, allowed } => write!(f, "{name} is {given}; allowed is {allowed}"),
        }
    }
}

impl std::error::Error for Error {}
