//! The monitor over HTTP: `/metrics` for Prometheus, `/health` and probes for whoever looks after the program.
//!
//! ```no_run
//! use monitor_core::monitor;
//! use monitor_dashboard::Dashboard;
//!
//! let _server = Dashboard::new(&monitor()).serve()?; // http://127.0.0.1:8080/metrics
//! # Ok::<(), monitor_dashboard::DashboardError>(())
//! ```
//!
//! Nothing listens unless asked, and what listens does so on the loopback; anything wider needs credentials. A
//! [`Dashboard`] is served by one thread with a small runtime of its own, or mounted into an axum router. A client that is
//! slow, dead or hostile costs what [`Limits`] allow, and delays neither the program nor another client.

mod connections;
mod credentials;
mod dashboard;
mod encoding;
mod error;
mod hosts;
mod limits;
mod page;
mod routes;
mod serve;
mod server;

pub use dashboard::{DEFAULT_ADDRESS, Dashboard};
pub use error::DashboardError;
pub use limits::Limits;
pub use server::DashboardServer;
