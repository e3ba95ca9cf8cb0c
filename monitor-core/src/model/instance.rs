//! One run of one program.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::units::system_time_ns;

/// One run of one program: whose data it is that many runs on many machines keep in one place.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// Tells this run from all others: 32 hexadecimal digits, drawn at its start.
    pub run: String,
    /// Name of the program as it was [given](crate::MonitorBuilder::service); empty when none was.
    pub service: String,
    /// Name of the machine; empty when the system does not say it.
    pub host: String,
    /// File name of the executable; empty when the system does not say it.
    pub program: String,
    /// Number of the process on its machine.
    pub pid: u32,
    /// When the monitor of the process began, by the wall clock.
    #[serde(rename = "started_at_ns", with = "system_time_ns")]
    pub started_at: SystemTime,
}
