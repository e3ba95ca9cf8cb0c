//! What this process has used: CPU of all its threads, memory that is resident.

use crate::BenchResult;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use nix::unistd::{SysconfVar, sysconf};
use std::time::Duration;

/// CPU time of the whole process so far, user and system, ended threads included, in microsecond steps.
///
/// # Errors
///
/// When the system refuses `getrusage`.
pub fn cpu_time() -> BenchResult<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    Ok(duration(usage.user_time()) + duration(usage.system_time()))
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Bytes of this process that are in memory now.
///
/// # Errors
///
/// Where there is no `/proc/self/statm`, so on anything but Linux.
pub fn resident_bytes() -> BenchResult<u64> {
    let text = std::fs::read_to_string("/proc/self/statm")
        .map_err(|error| format!("resident memory is read from /proc/self/statm: {error}"))?;
    let page = sysconf(SysconfVar::PAGE_SIZE)?.ok_or("the system does not tell its page size")?;
    Ok(resident_pages(&text)? * u64::try_from(page)?)
}

/// The second number of `statm` is the resident set in pages (`proc_pid_statm(5)`).
fn resident_pages(statm: &str) -> BenchResult<u64> {
    Ok(statm.split_whitespace().nth(1).ok_or("/proc/self/statm has no second number")?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resident_pages_are_the_second_number_of_statm() {
        assert_eq!(resident_pages("1304 271 201 12 0 118 0\n").ok(), Some(271));
        assert!(resident_pages("1304").is_err());
        assert!(resident_pages("1304 many").is_err());
    }

    #[test]
    fn cpu_time_grows_by_what_a_finished_thread_used() -> BenchResult {
        let before = cpu_time()?;
        let work = std::thread::spawn(|| {
            let mut x = 1_u64;
            for n in 0..20_000_000_u64 {
                x = std::hint::black_box(x.wrapping_mul(31).wrapping_add(n));
            }
            x
        });
        assert!(work.join().is_ok());
        assert!(cpu_time()? > before);
        Ok(())
    }
}
