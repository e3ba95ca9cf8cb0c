//! What errors are counted under for good: a kind, a component and a severity, whatever becomes of their group.
//!
//! A group goes when others need its place, and takes on the severity of the worst of its errors. So sums over groups
//! fall and change sides, which a counter must not.

use std::collections::HashMap;
use std::sync::Arc;

use super::OVERFLOW;
use crate::model::{ErrorCount, Severity};

/// All severities, by their number here.
const SEVERITIES: [Severity; 4] = [Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

const SEVERITY_BITS: u32 = SEVERITIES.len().trailing_zeros();

const ENTRY_BITS: u32 = 20;

/// Where the errors of one source go that are counted without being looked at: into a group, and under a kind, a
/// component and a severity. One number, so that a thread can keep it in a cell; zero stands for none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Account(u64);

impl Account {
    pub(crate) const NONE: Account = Account(0);

    fn new(group: u64, entry: usize, severity: Severity) -> Account {
        let severity = SEVERITIES.iter().position(|&known| known == severity).unwrap_or_default();
        Account(group << (ENTRY_BITS + SEVERITY_BITS) | (entry << SEVERITY_BITS | severity) as u64)
    }

    pub(crate) fn from_number(number: u64) -> Account {
        Account(number)
    }

    pub(crate) fn number(self) -> u64 {
        self.0
    }

    pub(super) fn group(self) -> u64 {
        self.0 >> (ENTRY_BITS + SEVERITY_BITS)
    }

    fn entry(self) -> usize {
        ((self.0 >> SEVERITY_BITS) & ((1 << ENTRY_BITS) - 1)) as usize
    }

    fn severity(self) -> usize {
        (self.0 & ((1 << SEVERITY_BITS) - 1)) as usize
    }
}

/// What was counted since the monitor began. Nothing of it ever goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Accounts {
    entries: Vec<Entry>,
    /// Where each kind and component stands.
    places: HashMap<(Arc<str>, Arc<str>), usize>,
}

#[derive(Clone, Debug)]
struct Entry {
    kind: Arc<str>,
    component: Arc<str>,
    by_severity: [u64; SEVERITIES.len()],
}

impl Accounts {
    /// The account of errors of a group. Of kinds and components beyond `most` all are counted together.
    pub(super) fn of(
        &mut self,
        group: u64,
        (kind, component): (&Arc<str>, &Arc<str>),
        severity: Severity,
        most: usize,
    ) -> Account {
        let most = most.min((1 << ENTRY_BITS) - 2);
        let key = (kind.clone(), component.clone());
        let entry = match self.places.get(&key) {
            Some(&entry) => entry,
            None if self.entries.len() < most => self.add(key),
            None => {
                let rest = (Arc::from(OVERFLOW), Arc::from(""));
                self.places.get(&rest).copied().unwrap_or_else(|| self.add(rest))
            }
        };
        Account::new(group, entry, severity)
    }

    fn add(&mut self, (kind, component): (Arc<str>, Arc<str>)) -> usize {
        let entry = self.entries.len();
        self.entries.push(Entry { kind: kind.clone(), component: component.clone(), by_severity: [0; _] });
        self.places.insert((kind, component), entry);
        entry
    }

    /// Of [`Account::NONE`] nothing is known yet: its errors come when one of them is looked at.
    pub(super) fn count(&mut self, account: Account, errors: u64) {
        if account != Account::NONE
            && let Some(entry) = self.entries.get_mut(account.entry())
        {
            let count = &mut entry.by_severity[account.severity()];
            *count = count.saturating_add(errors);
        }
    }

    /// One for each kind, component and severity with an error, in their order.
    pub(super) fn counts(&self) -> Vec<ErrorCount> {
        let mut counts: Vec<_> = (self.entries.iter())
            .flat_map(|entry| {
                let counts = SEVERITIES.into_iter().zip(entry.by_severity).filter(|&(_, count)| count > 0);
                counts.map(|(severity, count)| ErrorCount {
                    kind: entry.kind.to_string(),
                    component: entry.component.to_string(),
                    severity,
                    count,
                })
            })
            .collect();
        counts.sort_by(|a, b| (&a.kind, &a.component, a.severity).cmp(&(&b.kind, &b.component, b.severity)));
        counts
    }

    pub(super) fn bytes_held(&self) -> usize {
        let texts = self.entries.iter().map(|entry| entry.kind.len() + entry.component.len()).sum::<usize>();
        let entry = size_of::<Entry>() + size_of::<(Arc<str>, Arc<str>)>() + size_of::<usize>();
        texts + self.entries.len() * entry
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Arc<str> {
        Arc::from(name)
    }

    #[test]
    fn an_account_is_a_number() {
        for (group, entry, severity) in [
            (1, 0, Severity::Low),
            (7, (1 << ENTRY_BITS) - 1, Severity::Critical),
            ((1 << 42) - 1, 5, Severity::Medium),
        ] {
            let account = Account::from_number(Account::new(group, entry, severity).number());
            assert_eq!((account.group(), account.entry(), SEVERITIES[account.severity()]), (group, entry, severity));
            assert_ne!(account, Account::NONE);
        }
    }

    #[test]
    fn kinds_are_bounded_and_what_is_over_is_counted_together() {
        let mut accounts = Accounts::default();
        for n in 0..10 {
            let (kind, component) = (name(&format!("k{n}")), name("web"));
            let account = accounts.of(n + 1, (&kind, &component), Severity::High, 3);
            accounts.count(account, 2);
        }
        let counts = accounts.counts();
        let counts: Vec<_> = counts.iter().map(|one| (&*one.kind, &*one.component, one.count)).collect();
        assert_eq!(counts, [(OVERFLOW, "", 14), ("k0", "web", 2), ("k1", "web", 2), ("k2", "web", 2)]);
        assert!(accounts.bytes_held() > 0);
    }

    #[test]
    fn severities_are_counted_apart() {
        let mut accounts = Accounts::default();
        for (severity, errors) in [(Severity::Medium, 3), (Severity::Critical, 1), (Severity::Medium, 1)] {
            let account = accounts.of(1, (&name("Io"), &name("")), severity, 9);
            accounts.count(account, errors);
        }
        accounts.count(Account::NONE, 100);
        let counts = accounts.counts();
        let counts: Vec<_> = counts.iter().map(|one| (one.severity, one.count)).collect();
        assert_eq!(counts, [(Severity::Medium, 4), (Severity::Critical, 1)]);
    }
}
