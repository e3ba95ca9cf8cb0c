//! What can go wrong before anything is served.

use std::fmt;
use std::io;
use std::net::SocketAddr;

/// Why a dashboard cannot be served.
///
/// ```
/// use monitor_core::Monitor;
/// use monitor_dashboard::Dashboard;
///
/// let monitor = Monitor::builder().build()?;
/// let error = Dashboard::new(&monitor).serve_at("0.0.0.0:0").unwrap_err();
/// assert!(error.is_open_to_others());
/// # Ok::<(), monitor_core::Error>(())
/// ```
#[derive(Debug)]
pub struct DashboardError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Setting { name: &'static str, given: String, allowed: &'static str },
    OpenToOthers(SocketAddr),
    Address { address: String, source: io::Error },
    Start { what: &'static str, source: io::Error },
}

impl DashboardError {
    /// `given` must not show a secret.
    pub(crate) fn setting(name: &'static str, given: impl fmt::Display, allowed: &'static str) -> DashboardError {
        DashboardError { kind: Kind::Setting { name, given: given.to_string(), allowed } }
    }

    pub(crate) fn open_to_others(address: SocketAddr) -> DashboardError {
        DashboardError { kind: Kind::OpenToOthers(address) }
    }

    pub(crate) fn address(address: impl fmt::Display, source: io::Error) -> DashboardError {
        DashboardError { kind: Kind::Address { address: address.to_string(), source } }
    }

    pub(crate) fn start(what: &'static str, source: io::Error) -> DashboardError {
        DashboardError { kind: Kind::Start { what, source } }
    }

    /// Whether a setting was none.
    #[must_use]
    pub fn is_invalid_setting(&self) -> bool {
        matches!(self.kind, Kind::Setting { .. })
    }

    /// Whether others than programs of this machine could have reached the address, without credentials.
    #[must_use]
    pub fn is_open_to_others(&self) -> bool {
        matches!(self.kind, Kind::OpenToOthers(_))
    }

    /// Whether the address cannot be listened at: it is no address, somebody has it, or it is not of this machine. The
    /// [source](std::error::Error::source) says which.
    #[must_use]
    pub fn is_address(&self) -> bool {
        matches!(self.kind, Kind::Address { .. })
    }
}

impl fmt::Display for DashboardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Setting { name, given, allowed } => write!(f, "{name} is {given}; allowed is {allowed}"),
            Kind::OpenToOthers(address) => write!(
                f,
                "others can reach {address}, so it needs credentials: give `bearer_token` or `basic`, or take an address \
                 of the loopback such as 127.0.0.1:{}",
                address.port()
            ),
            Kind::Address { address, source } => write!(
                f,
                "cannot listen at {address}: {source}; another port may be free, and port 0 takes one that is"
            ),
            Kind::Start { what, source } => write!(f, "cannot start {what}: {source}"),
        }
    }
}

impl std::error::Error for DashboardError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            Kind::Address { source, .. } | Kind::Start { source, .. } => Some(source),
            Kind::Setting { .. } | Kind::OpenToOthers(_) => None,
        }
    }
}
