//! Errors by group.
//!
//! A group is what has one fingerprint. Whoever meets an error decides whether it is looked at; one that is comes here
//! with its text, and with the number of those before it that were only counted. So the counts are exact, and what an
//! error costs in a storm is a count.

mod accounts;
mod group;
mod pattern;
mod window;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

pub(crate) use self::accounts::Account;
use self::accounts::Accounts;
pub(crate) use self::group::Sample;
use self::group::{Group, Title};
use crate::base::clock::Anchor;
use crate::base::names::truncated;
use crate::model::{ErrorCount, ErrorGroup, ErrorSample, ErrorState, Fingerprint};

/// Groups that are told apart unless said otherwise.
pub(crate) const DEFAULT_GROUPS: usize = 1_000;

/// Time after which a group that does not come back counts as resolved, unless said otherwise.
pub(crate) const DEFAULT_QUIET: Duration = Duration::from_hours(24);

/// What errors over the cap of groups are counted under.
const OVERFLOW: &str = "(overflow)";

/// The groups of errors of one monitor.
pub(crate) struct ErrorGroups {
    inner: Mutex<Inner>,
}

struct Inner {
    /// Shared with who reads them: what is copied under the lock is a pointer for each.
    groups: HashMap<u64, Arc<Group>>,
    numbers: HashMap<Fingerprint, u64>,
    next_number: u64,
    max_groups: usize,
    quiet: Duration,
    /// Until this moment none is resolved, so none is looked for.
    resolved_from_ns: u64,
    /// Groups that made room for others, and the errors in them.
    replaced: Replaced,
    accounts: Accounts,
}

/// What a reader gets.
pub(crate) struct Read {
    pub(crate) groups: Vec<ErrorGroup>,
    pub(crate) replaced: Replaced,
    pub(crate) counts: Vec<ErrorCount>,
    /// Memory that the groups take.
    pub(crate) bytes_held: usize,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replaced {
    pub(crate) groups: u64,
    pub(crate) errors: u64,
}

/// An error that was looked at.
pub(crate) struct Found {
    pub(crate) sample: Sample,
    pub(crate) place: Arc<str>,
    pub(crate) component: Arc<str>,
    /// That of the program, if it gave one.
    pub(crate) fingerprint: Option<Fingerprint>,
}

/// Errors that were counted and not looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Unread {
    /// What they count for.
    pub(crate) account: Account,
    pub(crate) count: u64,
    /// When the last of them was.
    pub(crate) last_ns: u64,
}

impl Default for ErrorGroups {
    fn default() -> Self {
        let inner = Inner {
            groups: HashMap::new(),
            numbers: HashMap::new(),
            next_number: 1,
            max_groups: DEFAULT_GROUPS,
            quiet: DEFAULT_QUIET,
            resolved_from_ns: 0,
            replaced: Replaced::default(),
            accounts: Accounts::default(),
        };
        Self { inner: Mutex::new(inner) }
    }
}

impl ErrorGroups {
    pub(crate) fn set_limits(&self, max_groups: usize, quiet: Duration) {
        let mut inner = self.inner.lock();
        (inner.max_groups, inner.quiet, inner.resolved_from_ns) = (max_groups, quiet, 0);
    }

    /// How many groups there may be.
    pub(crate) fn max_groups(&self) -> usize {
        self.inner.lock().max_groups
    }

    /// Files an error with its group. `settle` runs under the lock: it is told what the error counts for, and gives those
    /// before it that were not looked at; from then on they count as filed.
    pub(crate) fn file(&self, found: Found, settle: impl FnOnce(Account) -> Unread) {
        let Found { sample, place, component, fingerprint } = found;
        let pattern = pattern::of_error(&sample.error);
        let fingerprint = fingerprint.unwrap_or_else(|| Fingerprint::of_error(&sample.error.kind, &place, &pattern));
        let kind: Arc<str> = Arc::from(&*sample.error.kind);
        let title = Title { kind: kind.clone(), place, pattern: pattern.into(), component: component.clone() };
        // Whatever is taken out is dropped when the lock is free again.
        let _replaced = {
            let mut inner = self.inner.lock();
            let (number, replaced) = inner.find_or_insert(fingerprint, title, sample.seen_ns);
            let most = inner.max_groups;
            let account = inner.accounts.of(number, (&kind, &component), sample.severity, most);
            let unread = settle(account);
            let of = if unread.account == Account::NONE { account } else { unread.account };
            inner.count_unread(Unread { account: of, ..unread });
            inner.accounts.count(account, 1);
            let quiet = inner.quiet;
            if let Some(group) = inner.groups.get_mut(&number) {
                Arc::make_mut(group).keep(sample, quiet);
            }
            replaced
        };
    }

    /// Says that the errors of a group are gone. False if there is no such group.
    pub(crate) fn resolve(&self, fingerprint: Fingerprint, now_ns: u64) -> bool {
        let mut inner = self.inner.lock();
        let number = inner.numbers.get(&fingerprint).copied();
        let group = number.and_then(|number| inner.groups.get_mut(&number));
        let found = group.map(|group| Arc::make_mut(group).resolve(now_ns)).is_some();
        if found {
            inner.resolved_from_ns = 0;
        }
        found
    }

    /// The groups that are `wanted`, by their fingerprint and by how many errors they have, of these unread. `unread` runs
    /// under the lock and hands over what is counted and not filed yet.
    pub(crate) fn read(
        &self,
        now_ns: u64,
        anchor: &Anchor<'_>,
        wanted: impl Fn(Fingerprint, u64, u64) -> bool,
        unread: impl FnOnce(&mut dyn FnMut(Unread)),
    ) -> Read {
        let (mut groups, quiet, replaced, accounts) = {
            let inner = self.inner.lock();
            let mut groups = inner.groups.clone();
            let mut replaced = inner.replaced;
            let mut accounts = inner.accounts.clone();
            unread(&mut |unread| {
                accounts.count(unread.account, unread.count);
                match groups.get_mut(&unread.account.group()) {
                    Some(group) => Arc::make_mut(group).count_unread(unread.count, unread.last_ns, inner.quiet),
                    None => replaced.errors = replaced.errors.saturating_add(unread.count),
                }
            });
            (groups, inner.quiet, replaced, accounts)
        };
        let wall = |at_ns: u64| {
            let age = Duration::from_nanos(now_ns.saturating_sub(at_ns));
            anchor.wall.checked_sub(age).unwrap_or(std::time::SystemTime::UNIX_EPOCH)
        };
        let bytes_held = groups.values().map(|group| group.bytes_held()).sum::<usize>() + accounts.bytes_held();
        groups.retain(|_, group| wanted(group.fingerprint, group.count, group.unread));
        let groups = groups.drain().map(|(_, group)| ErrorGroup {
            fingerprint: group.fingerprint,
            kind: group.title.kind.to_string(),
            place: group.title.place.to_string(),
            pattern: group.title.pattern.to_string(),
            component: group.title.component.to_string(),
            severity: group.severity,
            state: group.state(now_ns, quiet),
            count: group.count,
            count_unread: group.unread,
            first_seen: wall(group.first_ns),
            last_seen: wall(group.last_ns),
            last_hour: group.last_hour(now_ns),
            samples: (group.samples.iter().enumerate())
                .map(|(age, sample)| shown(sample, age == 0, wall(sample.seen_ns)))
                .collect(),
        });
        Read { groups: groups.collect(), replaced, counts: accounts.counts(), bytes_held }
    }
}

/// Longest text of a stack in bytes; what is longer is cut.
const MAX_BACKTRACE_BYTES: usize = 8 * 1_024;

/// Of the newest sample alone with its stack: to put one into words takes milliseconds.
fn shown(sample: &Sample, newest: bool, seen_at: std::time::SystemTime) -> ErrorSample {
    let backtrace = sample.backtrace.as_ref().filter(|_| newest);
    ErrorSample {
        error: sample.error.clone(),
        severity: sample.severity,
        seen_at,
        operation_id: sample.operation_id,
        operation: sample.operation.as_deref().map(str::to_owned),
        trace_id: sample.trace_id,
        span_id: sample.span_id,
        location: sample.location.clone(),
        context: sample.context.clone(),
        thread: sample.thread.as_deref().filter(|name| !name.is_empty()).map(str::to_owned),
        backtrace: backtrace.map(|stack| truncated(&stack.to_string(), MAX_BACKTRACE_BYTES).into_owned()),
    }
}

impl Inner {
    /// The number of a group, made now if need be, and the group that made room for it.
    fn find_or_insert(&mut self, fingerprint: Fingerprint, title: Title, now_ns: u64) -> (u64, Option<Arc<Group>>) {
        if let Some(number) = self.numbers.get(&fingerprint) {
            return (*number, None);
        }
        let mut replaced = None;
        if self.groups.len() >= self.max_groups {
            replaced = self.replace_one(now_ns);
            if replaced.is_none() {
                let overflow = || Arc::from(OVERFLOW);
                let title =
                    Title { kind: overflow(), place: overflow(), pattern: overflow(), component: Arc::from("") };
                return (self.insert(Fingerprint::given(OVERFLOW), title, now_ns), None);
            }
        }
        (self.insert(fingerprint, title, now_ns), replaced)
    }

    fn insert(&mut self, fingerprint: Fingerprint, title: Title, now_ns: u64) -> u64 {
        if let Some(number) = self.numbers.get(&fingerprint) {
            return *number;
        }
        let number = self.next_number;
        self.next_number += 1;
        self.groups.insert(number, Arc::new(Group::new(fingerprint, title, now_ns)));
        self.resolved_from_ns = self.resolved_from_ns.min(self.quiet_from_ns(now_ns));
        self.numbers.insert(fingerprint, number);
        number
    }

    /// Takes the group out that has been resolved for longest, if any is resolved.
    fn replace_one(&mut self, now_ns: u64) -> Option<Arc<Group>> {
        if now_ns < self.resolved_from_ns {
            return None;
        }
        let resolved = self.groups.iter().filter(|(_, group)| group.state(now_ns, self.quiet) == ErrorState::Resolved);
        let Some((&number, _)) = resolved.min_by_key(|(_, group)| group.last_ns) else {
            let oldest_ns = self.groups.values().map(|group| group.last_ns).min().unwrap_or(now_ns);
            self.resolved_from_ns = self.quiet_from_ns(oldest_ns);
            return None;
        };
        let group = self.groups.remove(&number)?;
        self.numbers.remove(&group.fingerprint);
        self.replaced.groups += 1;
        self.replaced.errors = self.replaced.errors.saturating_add(group.count);
        Some(group)
    }

    /// When a group that was last seen at a moment counts as resolved.
    fn quiet_from_ns(&self, last_ns: u64) -> u64 {
        last_ns.saturating_add(u64::try_from(self.quiet.as_nanos()).unwrap_or(u64::MAX))
    }

    fn count_unread(&mut self, unread: Unread) {
        self.accounts.count(unread.account, unread.count);
        match self.groups.get_mut(&unread.account.group()) {
            Some(group) if unread.count > 0 => {
                Arc::make_mut(group).count_unread(unread.count, unread.last_ns, self.quiet);
            }
            Some(_) => {}
            // Its group made room for another one in the meantime.
            None => self.replaced.errors = self.replaced.errors.saturating_add(unread.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::{Clock, ManualClock};

    fn found(kind: &'static str, message: &str, seen_ns: u64) -> Found {
        let sample = group::example(kind, message, seen_ns);
        Found { sample, place: Arc::from("op"), component: Arc::from(""), fingerprint: None }
    }

    fn read(groups: &ErrorGroups, now_ns: u64) -> Vec<(String, String, u64, u64)> {
        let clock = Clock::manual(&ManualClock::new());
        let mut all = groups.read(now_ns, &clock.anchor(), |_, _, _| true, |_| ()).groups;
        all.sort_by_key(|group| group.fingerprint);
        let mut all: Vec<_> =
            all.into_iter().map(|group| (group.kind, group.pattern, group.count, group.count_unread)).collect();
        all.sort();
        all
    }

    #[test]
    fn one_message_but_for_numbers_is_one_group() {
        let groups = ErrorGroups::default();
        for i in 0..100 {
            groups.file(found("Io", &format!("no user {i}"), i), |_| Unread::default());
        }
        groups.file(found("Io", "no group 7", 5), |_| Unread::default());
        groups.file(found("Other", "no user 7", 5), |_| Unread::default());
        let expected = [("Io", "no group <n>", 1), ("Io", "no user <n>", 100), ("Other", "no user <n>", 1)];
        let expected = expected.map(|(kind, pattern, n)| (kind.to_owned(), pattern.to_owned(), n, 0));
        assert_eq!(read(&groups, 100), expected);
    }

    #[test]
    fn what_was_not_looked_at_counts_for_the_group_before() {
        let groups = ErrorGroups::default();
        let mut first = Account::NONE;
        groups.file(found("Io", "a", 1), |account| {
            first = account;
            Unread::default()
        });
        groups.file(found("Io", "b", 9), |_| Unread { account: first, count: 5, last_ns: 8 });
        let expected = [("Io".to_owned(), "a".to_owned(), 6, 5), ("Io".to_owned(), "b".to_owned(), 1, 0)];
        assert_eq!(read(&groups, 10), expected);
    }

    #[test]
    fn groups_are_bounded_and_no_error_is_lost() {
        let groups = ErrorGroups::default();
        groups.set_limits(3, DEFAULT_QUIET);
        let mut of_b = Account::NONE;
        for word in ["a", "b", "c", "d", "e", "a"] {
            groups.file(found("Io", word, 5), |account| {
                of_b = if word == "b" { account } else { of_b };
                Unread::default()
            });
        }
        let all = read(&groups, 10);
        assert_eq!(all.iter().map(|group| group.2).sum::<u64>(), 6);
        assert_eq!(all.iter().find(|group| group.0 == OVERFLOW).unwrap().2, 2);
        // A group that is resolved makes room.
        assert!(groups.resolve(Fingerprint::of_error("Io", "op", "b"), 10));
        assert!(!groups.resolve(Fingerprint::of_error("Io", "op", "d"), 10));
        groups.file(found("Io", "d", 20), |_| Unread { account: of_b, count: 7, last_ns: 15 });
        let clock = Clock::manual(&ManualClock::new());
        let Read { groups: all, replaced, counts, .. } = groups.read(20, &clock.anchor(), |_, _, _| true, |_| ());
        assert!(all.iter().any(|group| group.pattern == "d") && !all.iter().any(|group| group.pattern == "b"));
        assert_eq!((replaced.groups, replaced.errors), (1, 1 + 7));
        assert_eq!(all.iter().map(|group| group.count).sum::<u64>() + replaced.errors, 6 + 1 + 7);
        assert_eq!(counts.iter().map(|one| (&*one.kind, one.count)).collect::<Vec<_>>(), [("Io", 6 + 1 + 7)]);
    }

    #[test]
    fn a_group_makes_room_from_the_moment_on_that_it_is_resolved() {
        let groups = ErrorGroups::default();
        groups.set_limits(2, Duration::from_nanos(100));
        let file = |word: &str, seen_ns| groups.file(found("Io", word, seen_ns), |_| Unread::default());
        let has = |word: &str, now_ns| read(&groups, now_ns).iter().any(|group| group.1 == word);
        file("a", 10);
        file("b", 20);
        // None is resolved: this is looked up once, and the second time remembered.
        file("c", 50);
        file("c", 109);
        assert!(!has("c", 109) && has("a", 109));
        file("c", 110);
        assert!(has("c", 110) && !has("a", 110));
        // By hand it is resolved at once.
        file("d", 119);
        assert!(!has("d", 119));
        assert!(groups.resolve(Fingerprint::of_error("Io", "op", "b"), 119));
        file("d", 119);
        assert!(has("d", 119) && !has("b", 119));
    }
}
