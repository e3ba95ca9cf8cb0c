//! A place in the source that begins an operation: a `static` made by the attribute.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::cell::{Recording, Successes};
use super::registry::Identity;

/// Which calls are kept as individual records; all calls are counted and timed in any case.
///
/// Besides the named policy each operation and thread has a budget for failed calls, except with
/// [`None`](Self::None).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordPolicy {
    /// A few calls a second of each operation and thread, the failures and the slowest so far.
    #[default]
    Auto,
    /// Every call, as long as the ring of the thread has room; what it has no room for is counted.
    All,
    /// Calls that failed, panicked or were cancelled.
    Errors,
    /// Calls at least this long, and the failures.
    Slow(Duration),
    /// None at all.
    None,
}

impl RecordPolicy {
    pub(crate) fn recording(self) -> Recording {
        let never = u64::MAX;
        let errors = Recording { successes: Successes::No, failures: true, slow_ns: never };
        match self {
            Self::Auto => Recording { successes: Successes::Some, ..errors },
            Self::All => Recording { successes: Successes::All, ..errors },
            Self::Errors => errors,
            Self::Slow(limit) => Recording { slow_ns: u64::try_from(limit.as_nanos()).unwrap_or(never - 1), ..errors },
            Self::None => Recording { failures: false, ..errors },
        }
    }
}

/// What the attribute knows of an operation.
#[derive(Debug)]
pub struct SiteSpec {
    /// The name, if one was given.
    pub name: Option<&'static str>,
    /// Gives the path of the function, from which the default name is made.
    pub path: fn() -> &'static str,
    /// The kind; `function` unless given.
    pub kind: &'static str,
    /// The component, empty unless given.
    pub component: &'static str,
    /// Labels with fixed values.
    pub labels: &'static [(&'static str, &'static str)],
    /// One call in about so many is timed; 1: every call.
    pub sample: u32,
    /// Which calls are kept as individual records.
    pub record: RecordPolicy,
}

/// A number for a place that begins an operation, which no other place has.
pub(crate) fn new_number() -> usize {
    NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A place in the source that begins an operation.
///
/// It gets its number, which is the same for all monitors of the process, when it is first reached.
#[derive(Debug)]
pub struct CallSite {
    number: AtomicUsize,
    name: OnceLock<String>,
    spec: SiteSpec,
}

/// Number 0 stands for "has none yet": its place in every table stays empty.
static NEXT_NUMBER: AtomicUsize = AtomicUsize::new(1);

impl CallSite {
    /// A place that nobody reached yet.
    #[must_use]
    pub const fn new(spec: SiteSpec) -> Self {
        Self { number: AtomicUsize::new(0), name: OnceLock::new(), spec }
    }

    /// The number, 0 before [`numbered`](Self::numbered) was called.
    #[inline(always)]
    pub(crate) fn number(&self) -> usize {
        self.number.load(Ordering::Relaxed)
    }

    /// The number, given now if there is none yet.
    pub(crate) fn numbered(&self) -> usize {
        if self.number() == 0 {
            let number = new_number();
            // When two threads come at once the number of the second one is never used.
            let _ = self.number.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
        }
        self.number()
    }

    #[inline(always)]
    pub(crate) fn spec(&self) -> &SiteSpec {
        &self.spec
    }

    /// Makes the default name, if one is needed: before [`identity`](Self::identity), and where nothing is recorded,
    /// since it asks for memory.
    pub(crate) fn make_name(&self) {
        if self.spec.name.is_none() {
            self.name.get_or_init(|| readable_path((self.spec.path)()));
        }
    }

    /// What identifies the operation that begins here, with its labels.
    pub(crate) fn identity<'a>(&'a self, labels: &'a [(&'a str, &'a str)]) -> Identity<'a> {
        let name = self.spec.name.or_else(|| self.name.get().map(String::as_str)).unwrap_or_default();
        Identity { name, kind: self.spec.kind, component: self.spec.component, labels }
    }
}

/// The path of a function from that of its call site: without the site and without the closures that an async body
/// adds.
fn readable_path(site: &str) -> String {
    let path = site.rsplit_once("::__MONITOR_SITE").map_or(site, |(path, _)| path);
    path.replace("::{{closure}}", "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_keeps_the_number_it_got() {
        let spec = SiteSpec {
            name: None,
            path: || "crate::module::Type::method::{{closure}}::__MONITOR_SITE::{{closure}}",
            kind: "function",
            component: "",
            labels: &[],
            sample: 1,
            record: RecordPolicy::Auto,
        };
        let site = CallSite::new(spec);
        assert_eq!(site.number(), 0);
        let number = site.numbered();
        assert!(number > 0);
        assert_eq!(site.numbered(), number);
        site.make_name();
        assert_eq!(site.identity(&[]).name, "crate::module::Type::method");
    }
}
