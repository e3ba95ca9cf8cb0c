//! Checking an audit trail.
//!
//! It is walked from its end, since each entry vouches for the one before it: the head says which hash the last entry has, and
//! every entry which hash the one before has. One that has another hash, or whose content has, is not the one that was
//! written. Where nothing is known of an entry any more, because the one after it is missing or changed, it is taken for
//! right when its own hash is that of its content.

use rusqlite::OptionalExtension as _;

use super::audit_chain::{self, BOUNDED_COLUMNS, Hash, Head, NOTHING, StoredRow};
use super::error::StoreError;
use super::reading::Reading;
use crate::model::{AuditFault, AuditHead, AuditReport};

/// Faults that are named; what is over is counted.
const MOST_FAULTS: usize = 100;

/// Checks everything that is kept, and whether the head that somebody kept elsewhere is of this trail.
pub(super) fn verify(reading: &Reading<'_>, known: Option<&AuditHead>) -> Result<AuditReport, StoreError> {
    let head = Head::read(reading.connection())?;
    let mut walk =
        Walk { reading, head, next_id: None, next_hash: None, entries: 0, before: false, faults: Vec::new(), over: 0 };
    match &head {
        Some(head) => {
            (walk.next_id, walk.next_hash) = (Some(head.last_id), Some(head.last));
            if let Some(what) = head.contradiction() {
                walk.head_fault(what.to_owned());
            }
        }
        None => walk.head_fault("it is missing, or has no hashes".to_owned()),
    }
    let sql = format!("SELECT {BOUNDED_COLUMNS} FROM audit NOT INDEXED ORDER BY id DESC");
    let mut statement = reading.prepare(&sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        walk.row(&StoredRow::of(row)?)?;
    }
    walk.end()?;
    let confirmed = known.map(|known| walk.confirm(known)).transpose()?.flatten();
    let Walk { next_id, entries, mut faults, over, .. } = walk;
    faults.sort_by_key(AuditFault::place);
    let (first_id, head) = head
        .map_or((next_id.unwrap_or(0).saturating_add(1), AuditHead::new(0, audit_chain::hex(&NOTHING))), |head| {
            (head.first_id, AuditHead::new(head.last_id, audit_chain::hex(&head.last)))
        });
    Ok(AuditReport { entries, first_id, head, faults, faults_over: over, confirmed })
}

/// On the way from the last entry to the first.
struct Walk<'a> {
    reading: &'a Reading<'a>,
    head: Option<Head>,
    /// Number of the entry that is due; `None` before the first row of a trail without a head.
    next_id: Option<i64>,
    /// Its hash, as far as the entry after it can be trusted to know it.
    next_hash: Option<Hash>,
    entries: u64,
    /// Whether there are right entries before the first one that the head says.
    before: bool,
    faults: Vec<AuditFault>,
    over: u64,
}

impl Walk<'_> {
    fn row(&mut self, row: &StoredRow<'_>) -> Result<(), StoreError> {
        self.entries += 1;
        let due = self.next_id.unwrap_or(row.id);
        if row.id != due {
            if self.next_hash.is_some() && row.hash == self.next_hash {
                if row.is_sound_as(due) {
                    self.moved(row.id, due);
                    self.good(due, row);
                    return Ok(());
                }
                if row.is_sound_as(row.id) {
                    // Entries follow each other without a gap: it is the head that is wrong.
                    self.head_fault(format!("it says that the last entry is {due}, which is {}", row.id));
                    self.good(row.id, row);
                    return Ok(());
                }
            }
            if row.id > due {
                self.inserted(row.id);
                return Ok(());
            }
            if self.head.is_some_and(|head| row.id < head.first_id) {
                self.inserted(row.id);
                return Ok(());
            }
            self.missing(row.id.saturating_add(1), due)?;
        }
        if self.head.is_some_and(|head| row.id < head.first_id) {
            return self.before_the_first(row);
        }
        self.due(row)
    }

    /// The entry with the number that is due.
    fn due(&mut self, row: &StoredRow<'_>) -> Result<(), StoreError> {
        let sound = row.is_sound_as(row.id);
        match self.next_hash {
            None if sound => self.good(row.id, row),
            Some(hash) if sound && row.hash == Some(hash) => self.good(row.id, row),
            // The column with its hash alone was changed.
            Some(hash) if row.computed_as(row.id) == Some(hash) => {
                self.fault(AuditFault::Changed { id: row.id });
                self.good(row.id, row);
            }
            Some(hash) if row.hash != Some(hash) => {
                if !self.find_moved(row.id)? {
                    self.fault(AuditFault::Changed { id: row.id });
                    if sound && self.head.is_some_and(|head| head.last_id == row.id && head.last == hash) {
                        let what =
                            format!("it says another hash than entry {} has; one of the two was changed", row.id);
                        self.head_fault(what);
                    }
                    self.unknown(row.id);
                }
            }
            _ => {
                self.fault(AuditFault::Changed { id: row.id });
                self.unknown(row.id);
            }
        }
        Ok(())
    }

    /// A row before the beginning that the head says: it may be the head that is wrong.
    fn before_the_first(&mut self, row: &StoredRow<'_>) -> Result<(), StoreError> {
        if self.next_hash.is_none() || row.hash != self.next_hash || !row.is_sound_as(row.id) {
            self.inserted(row.id);
            return Ok(());
        }
        if !self.before {
            self.before = true;
            let first_id = self.head.map_or(0, |head| head.first_id);
            self.head_fault(format!("it says that the first entry is {first_id}, and there are entries before it"));
        }
        self.due(row)
    }

    /// After the last row.
    fn end(&mut self) -> Result<(), StoreError> {
        let (Some(head), Some(due)) = (self.head, self.next_id) else { return Ok(()) };
        if self.before {
            return Ok(());
        }
        let fits = self.next_hash.is_none_or(|hash| hash == head.first_previous);
        if due >= head.first_id {
            if self.next_hash == Some(head.first_previous) {
                let (first, said) = (due.saturating_add(1), head.first_id);
                self.head_fault(format!("it says that the first entry is {said}, which is {first}"));
            } else {
                self.missing(head.first_id, due)?;
            }
        } else if !fits && due == head.first_id.saturating_sub(1) {
            self.head_fault("it says another hash before the first entry than the entry itself".to_owned());
        }
        Ok(())
    }

    /// Entries with these numbers are not there; the last one may be somewhere else.
    fn missing(&mut self, first: i64, last: i64) -> Result<(), StoreError> {
        if last < first {
            return Ok(());
        }
        let mut last = last;
        while last >= first && self.find_moved(last)? {
            last = last.saturating_sub(1);
        }
        if last >= first {
            self.fault(AuditFault::Removed { first, last });
            self.unknown(first);
        }
        Ok(())
    }

    /// Looks whether the entry that was due under that number is there under another one, and if so goes on behind it.
    fn find_moved(&mut self, due: i64) -> Result<bool, StoreError> {
        let Some(hash) = self.next_hash.filter(|_| self.faults.len() < MOST_FAULTS) else { return Ok(false) };
        let sql = format!("SELECT {BOUNDED_COLUMNS} FROM audit WHERE hash = ?1");
        let mut statement = self.reading.prepare(&sql)?;
        let found = statement
            .query_row([hash], |row| {
                let row = StoredRow::of(row).map_err(|_| rusqlite::Error::QueryReturnedNoRows)?;
                Ok((row.id, row.previous, row.is_sound_as(due)))
            })
            .optional()?;
        match found {
            Some((id, previous, true)) if id != due => {
                self.moved(id, due);
                (self.next_id, self.next_hash) = (Some(due.saturating_sub(1)), previous);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The head that was kept elsewhere: `Some(true)` if it is of this trail, `None` if its entry is not kept any more.
    fn confirm(&mut self, known: &AuditHead) -> Result<Option<bool>, StoreError> {
        let sql = "SELECT hash FROM audit WHERE id = ?1";
        let blob = |row: &rusqlite::Row<'_>| Ok(row.get_ref(0)?.as_blob().ok().and_then(|bytes| bytes.try_into().ok()));
        let found: Option<Option<Hash>> = self.reading.prepare(sql)?.query_row([known.id], blob).optional()?;
        let hash = match (found, self.head) {
            (Some(hash), _) => hash,
            (None, Some(head)) if known.id == head.last_id => Some(head.last),
            (None, Some(head)) if known.id == head.first_id.saturating_sub(1) => Some(head.first_previous),
            (None, Some(head)) if known.id < head.first_id => return Ok(None),
            (None, Some(head)) if known.id > head.last_id => {
                self.fault(AuditFault::Removed { first: head.last_id.saturating_add(1), last: known.id });
                return Ok(Some(false));
            }
            // Its absence is a fault that has its name already.
            (None, _) => return Ok(Some(false)),
        };
        let same = hash.is_some_and(|hash| audit_chain::hex(&hash).eq_ignore_ascii_case(&known.hash));
        if !same {
            self.fault(AuditFault::Rewritten { id: known.id });
        }
        Ok(Some(same))
    }

    /// The entry with that number is right in its content, and knows the hash of the one before it.
    fn good(&mut self, id: i64, row: &StoredRow<'_>) {
        (self.next_id, self.next_hash) = (Some(id.saturating_sub(1)), row.previous);
    }

    /// Of the entry before that number nothing is known.
    fn unknown(&mut self, id: i64) {
        (self.next_id, self.next_hash) = (Some(id.saturating_sub(1)), None);
    }

    fn inserted(&mut self, id: i64) {
        if !self.faults.iter().any(|fault| matches!(fault, AuditFault::Moved { id: moved, .. } if *moved == id)) {
            self.fault(AuditFault::Inserted { id });
        }
    }

    fn moved(&mut self, id: i64, from: i64) {
        // It was taken for one that does not belong here.
        self.faults.retain(|fault| *fault != AuditFault::Inserted { id });
        self.fault(AuditFault::Moved { id, from });
    }

    fn head_fault(&mut self, what: String) {
        self.fault(AuditFault::Head { what });
    }

    fn fault(&mut self, fault: AuditFault) {
        if self.faults.len() < MOST_FAULTS { self.faults.push(fault) } else { self.over += 1 }
    }
}
