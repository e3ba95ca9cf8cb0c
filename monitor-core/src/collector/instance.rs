//! Which run of which program this is.

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::SystemTime;

use crate::model::Instance;

/// This run, as sinks are told of it.
pub(super) fn this(service: String, started_at: SystemTime) -> Instance {
    let program = std::env::current_exe().ok();
    let program = program.as_deref().and_then(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned());
    Instance {
        run: format!("{:016x}{:016x}", random(1), random(2)),
        service,
        host: host(),
        program: program.unwrap_or_default(),
        pid: std::process::id(),
        started_at,
    }
}

/// A number that no other run has: by a keyed hash whose key the system draws, of what tells this process from others.
fn random(which: u8) -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u8(which);
    hasher.write_u32(std::process::id());
    hasher.write_u128(SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos()));
    hasher.finish()
}

/// Name of the machine, as far as it can be had without a library.
fn host() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| fs::read_to_string("/etc/hostname"));
    let named = kernel.or_else(|_| std::env::var("COMPUTERNAME")).or_else(|_| std::env::var("HOSTNAME"));
    named.map(|name| name.trim().to_owned()).unwrap_or_default()
}
