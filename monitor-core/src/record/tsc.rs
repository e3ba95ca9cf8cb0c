//! The processor's time stamp counter, read in place.
//!
//! [`Clock`] reads it too, but by a call into another crate, which without link-time optimisation is not inlined: it
//! then costs the caller its registers, twice in each tracked call.

use crate::base::clock::Clock;

/// Reads the counter.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn read() -> u64 {
    // SAFETY: every x86-64 processor has the instruction. It faults only where the system forbids it to user code, and
    // there `is_read_by` is false, or the clock, which uses the same instruction, would have faulted before.
    unsafe { core::arch::x86_64::_rdtsc() }
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
pub(crate) fn read() -> u64 {
    0
}

/// Whether a clock's readings are those of the counter: then one of its readings lies between two of ours.
pub(crate) fn is_read_by(clock: &Clock) -> bool {
    cfg!(target_arch = "x86_64") && clock.is_counter() && {
        let (before, reading, after) = (read(), clock.ticks(), read());
        before <= reading && reading <= after
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::ManualClock;

    #[test]
    fn a_manual_clock_is_not_the_counter() {
        assert!(!is_read_by(&Clock::manual(&ManualClock::new())));
    }

    #[test]
    fn readings_of_both_are_on_one_scale() {
        let clock = Clock::system();
        if is_read_by(&clock) {
            let (a, b, c) = (read(), clock.ticks(), read());
            assert!(a <= b && b <= c);
        }
    }
}
