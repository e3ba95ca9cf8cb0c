//! Other copies of this crate in the program: two versions, each with monitors of its own.
//!
//! Such copies share nothing, so what one records the other cannot see, and that is easily taken for a loss. Each copy
//! leaves an entry in one section of the executable, which the linker puts side by side; the section's bounds are
//! symbols that the linker makes. (The same way is used by the Linux kernel for its init calls, and by `linkme`.)
//! A copy in a library that is loaded at run time has a section of its own and is not seen.

/// The version of this copy, padded with zeros. The layout is part of the protocol between versions: never change it.
#[repr(C)]
struct Entry {
    version: [u8; 32],
}

const fn entry() -> Entry {
    let text = env!("CARGO_PKG_VERSION").as_bytes();
    let mut version = [0; 32];
    let mut i = 0;
    while i < text.len() && i < version.len() {
        version[i] = text[i];
        i += 1;
    }
    Entry { version }
}

/// The versions of all copies of this crate that are linked into the program, this one among them.
///
/// More than one means that two versions (or one from two sources) are in use: each has its own global monitor, and a
/// snapshot of one does not hold what the other records. `cargo tree -d` shows who brings them in. The further copies
/// also stand in [`MonitorStats::copies`](crate::MonitorStats::copies) and below the table of a snapshot.
///
/// Found on Linux, Android and the BSDs, for copies in one executable or library; elsewhere this copy alone is listed.
///
/// ```
/// assert_eq!(monitor_core::copies(), [env!("CARGO_PKG_VERSION")]);
/// ```
#[must_use]
pub fn copies() -> Vec<String> {
    let text = |entry: &Entry| {
        let bytes: Vec<u8> = entry.version.iter().copied().take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    section::entries().iter().map(text).collect()
}

/// The other copies, as a line each.
pub(crate) fn others() -> Vec<String> {
    let mut all = copies();
    if let Some(own) = all.iter().position(|version| version == env!("CARGO_PKG_VERSION")) {
        all.remove(own);
    }
    all.into_iter().map(|version| format!("monitor-core {version}")).collect()
}

#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
))]
mod section {
    use super::{Entry, entry};

    // SAFETY: the section is this crate's own, and all its versions put nothing but entries there.
    #[unsafe(link_section = "monitor_core_copies")]
    #[used]
    static ENTRY: Entry = entry();

    unsafe extern "C" {
        #[link_name = "__start_monitor_core_copies"]
        static START: Entry;
        #[link_name = "__stop_monitor_core_copies"]
        static STOP: Entry;
    }

    pub(super) fn entries() -> &'static [Entry] {
        // The reference keeps the linker from dropping the section.
        std::hint::black_box(&ENTRY);
        let (start, stop) = (&raw const START, &raw const STOP);
        let len = (stop.addr() - start.addr()) / size_of::<Entry>();
        // SAFETY: the linker puts the symbols at both ends of the section, which holds entries without gaps: their
        // size is a multiple of their alignment, 1.
        unsafe { std::slice::from_raw_parts(start, len) }
    }
}

#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd"
)))]
mod section {
    use super::{Entry, entry};

    pub(super) fn entries() -> &'static [Entry] {
        static ENTRY: Entry = entry();
        std::slice::from_ref(&ENTRY)
    }
}
