//! What is to be served, to whom, and where.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use monitor_core::{Exposition, Monitor};

use crate::credentials::Credentials;
use crate::error::DashboardError;
use crate::hosts::{Hosts, Others};
use crate::limits::Limits;
use crate::routes::{Application, mounted};
use crate::server::DashboardServer;

/// Where it is served, unless said otherwise.
pub const DEFAULT_ADDRESS: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8080);

/// A monitor over HTTP, to be served by a thread of its own or mounted into a router.
///
/// | path | answer | needs credentials, if there are any |
/// |---|---|---|
/// | `/metrics` | what the monitor knows, for Prometheus or in OpenMetrics, as the client asks; zipped if it likes | yes |
/// | `/health` | status, uptime and version as JSON | yes |
/// | `/livez` | `ok` | no |
/// | `/readyz` | `ok`, or 503 while it is being shut down | no |
///
/// ```
/// use std::time::Duration;
/// use monitor_core::Monitor;
/// use monitor_dashboard::Dashboard;
///
/// let monitor = Monitor::builder().service("shop").build()?;
/// let server = Dashboard::new(&monitor).version("1.2.3").serve_at("127.0.0.1:0")?;
/// println!("http://{}/metrics", server.address());
/// server.shutdown(Duration::from_secs(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Who may ask
///
/// An address that others can reach is refused without credentials. A request must name a `Host` that is good: on the loopback
/// `localhost`, an address of the loopback, or one that is [allowed](Self::allow_host); elsewhere any, or, if some are allowed,
/// those and addresses. Otherwise a page of the web could have the reader's browser ask, under a name of its own.
///
/// There is no TLS here: before the open network put a proxy that has it.
#[derive(Debug, Clone)]
pub struct Dashboard {
    monitor: Monitor,
    exposition: Exposition,
    version: String,
    credentials: Credentials,
    hosts: Vec<String>,
    limits: Limits,
}

impl Dashboard {
    /// Of that monitor. Nothing is served yet.
    #[must_use]
    pub fn new(monitor: &Monitor) -> Dashboard {
        Dashboard {
            monitor: monitor.clone(),
            exposition: Exposition::new(),
            version: String::new(),
            credentials: Credentials::default(),
            hosts: Vec::new(),
            limits: Limits::new(),
        }
    }

    /// What the page for Prometheus is like: namespace and buckets.
    #[must_use]
    pub fn exposition(mut self, exposition: Exposition) -> Dashboard {
        self.exposition = exposition;
        self
    }

    /// The program's version, for `/health`: mostly `env!("CARGO_PKG_VERSION")`.
    #[must_use]
    pub fn version(mut self, version: &str) -> Dashboard {
        version.clone_into(&mut self.version);
        self
    }

    /// Lets in who sends `Authorization: Bearer` with this token. Of several tokens and passwords each is good. Only a digest
    /// of it is kept.
    ///
    /// # Errors
    /// [`is_invalid_setting`](DashboardError::is_invalid_setting), if it is not of 1 to 4,096 visible ASCII letters.
    pub fn bearer_token(mut self, token: &str) -> Result<Dashboard, DashboardError> {
        self.credentials.add_bearer(token)?;
        Ok(self)
    }

    /// Lets in who sends this user and password by HTTP's basic authentication, likewise.
    ///
    /// # Errors
    /// [`is_invalid_setting`](DashboardError::is_invalid_setting), if one of them is not of 1 to 1,024 bytes without control
    /// characters, or the user has a colon.
    pub fn basic(mut self, user: &str, password: &str) -> Result<Dashboard, DashboardError> {
        self.credentials.add_basic(user, password)?;
        Ok(self)
    }

    /// A further host under which requests may come, such as that of a proxy.
    ///
    /// # Errors
    /// [`is_invalid_setting`](DashboardError::is_invalid_setting), if it is neither a name nor an address.
    pub fn allow_host(mut self, host: &str) -> Result<Dashboard, DashboardError> {
        self.hosts.push(Hosts::name(host)?);
        Ok(self)
    }

    /// What a client may cost. A router that it is mounted into has its own, but for bodies and the time of an answer.
    ///
    /// # Errors
    /// [`is_invalid_setting`](DashboardError::is_invalid_setting), if one of them is out of its range.
    pub fn limits(mut self, limits: Limits) -> Result<Dashboard, DashboardError> {
        limits.check()?;
        self.limits = limits;
        Ok(self)
    }

    /// Serves it at [`DEFAULT_ADDRESS`], which only programs of this machine can reach.
    ///
    /// # Errors
    /// As [`serve_at`](Self::serve_at).
    pub fn serve(self) -> Result<DashboardServer, DashboardError> {
        self.serve_at(DEFAULT_ADDRESS)
    }

    /// Serves it there, by a thread of its own; no runtime is needed, and none of the program's is used. Port 0 takes one that
    /// is free, which [`DashboardServer::address`] tells.
    ///
    /// # Errors
    /// [`is_open_to_others`](DashboardError::is_open_to_others), if others can reach the address and there are no credentials;
    /// [`is_address`](DashboardError::is_address), if it is none, or somebody has the port; another one, if the system gives no
    /// thread.
    pub fn serve_at(self, address: impl ToSocketAddrs) -> Result<DashboardServer, DashboardError> {
        let unknown = |source| DashboardError::address("that address", source);
        let addresses: Vec<SocketAddr> = address.to_socket_addrs().map_err(unknown)?.collect();
        for &address in &addresses {
            self.check(address)?;
        }
        let listener = TcpListener::bind(&*addresses).map_err(|source| {
            let all: Vec<_> = addresses.iter().map(SocketAddr::to_string).collect();
            DashboardError::address(if all.is_empty() { "no address".to_owned() } else { all.join(", ") }, source)
        })?;
        self.serve_on(listener)
    }

    /// Serves it by a listener that is ready, such as one that was inherited.
    ///
    /// # Errors
    /// As [`serve_at`](Self::serve_at).
    pub fn serve_on(self, listener: TcpListener) -> Result<DashboardServer, DashboardError> {
        let unknown = |source: io::Error| DashboardError::address("that listener's address", source);
        let address = listener.local_addr().map_err(unknown)?;
        self.check(address)?;
        let others = if is_loopback(address) { Others::Loopback } else { Others::Any };
        let limits = self.limits.clone();
        DashboardServer::start(listener, self.application(others), limits)
    }

    /// The routes for a router of the program, such as `Router::new().merge(dashboard.router())`. They need Tokio, as axum does.
    /// Who can reach them is the program's affair; credentials and hosts are checked, if there are any.
    ///
    /// Where the program has a path of these itself, axum's `merge` panics at the start; `nest` puts all of them below another:
    ///
    /// ```
    /// use axum::Router;
    /// use monitor_core::monitor;
    /// use monitor_dashboard::Dashboard;
    ///
    /// let router: Router = Router::new().nest("/monitor", Dashboard::new(&monitor()).router()); // /monitor/metrics
    /// ```
    pub fn router(self) -> Router {
        mounted(&Arc::new(self.application(Others::Any)))
    }

    fn check(&self, address: SocketAddr) -> Result<(), DashboardError> {
        if self.credentials.is_empty() && !is_loopback(address) {
            return Err(DashboardError::open_to_others(address));
        }
        Ok(())
    }

    fn application(self, others: Others) -> Application {
        Application {
            hosts: Hosts::new(others, &self.hosts),
            monitor: self.monitor,
            exposition: Arc::new(self.exposition),
            version: self.version,
            credentials: self.credentials,
            body_bytes: self.limits.body_bytes,
            response_timeout: self.limits.response_timeout,
            is_stopping: AtomicBool::new(false),
        }
    }
}

fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}
