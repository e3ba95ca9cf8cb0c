//! The audit trail in a file: adding to it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior};

use super::audit_chain::{self, Hash, Head};
use super::durable::Durable;
use super::error::StoreError;
use super::reader::SqliteHistory;
use crate::model::units::{from_unix_ns, unix_ns};
use crate::model::{AuditDraft, AuditEntry, AuditError, AuditHead, AuditReport};
use crate::ports::audit::{AuditBuilder, AuditTrail};
use crate::ports::history::History as _;
use crate::ports::history_error::HistoryError;

/// Who adds an entry by itself when a trail is not the one that it was.
const ACTOR: &str = "monitor";

/// The action of that entry.
const CHANGED: &str = "audit_trail_changed";

/// How long checking a trail may take.
const PATIENCE: Duration = Duration::from_mins(10);

/// An audit trail in a SQLite file, the same file as that of the history or one of its own: who did what, when, to what, from
/// where.
///
/// Each entry carries a hash over itself and the hash of the entry before it, so that [`verify`](Self::verify) finds what
/// was changed, removed, inserted or put in another order by hand. Entries of several threads and processes form one chain.
/// An entry is on the disk when it has been written. A clone is the same log. In a forked child every call is an error; open
/// the file anew there.
///
/// Whoever may write to the file can also make all of it anew, hashes included. Keep [`head`](Self::head) where they cannot
/// reach it, and [`verify_since`](Self::verify_since) finds that, too. The format is described in `docs/audit.md` of the
/// project, so that another program can check a trail.
///
/// When the trail is not the one any more that this log wrote to before, because somebody removed the file, set it back, put
/// another one in its place or changed the last entry, the next entry goes behind one with the actor `monitor` and the action
/// `audit_trail_changed`, whose detail `known_head` is the head that there was.
///
/// Cost of an entry: as long as the disk takes to flush. Entries are read with [`History::audit`](crate::History::audit).
///
/// ```
/// use monitor_core::{AuditFilter, AuditLog, History, PageRequest, SqliteHistory};
///
/// # let folder = std::env::temp_dir().join(format!("monitor-audit-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let file = folder.join("monitor.db");
/// let log = AuditLog::open(&file)?;
/// log.record("alice", "deploy").target("api").source("10.0.0.7").detail("version", "1.2").write()?;
/// let last = log.record("bob", "restart").target("api").write()?;
///
/// let report = log.verify()?;
/// assert!(report.is_intact(), "{report}");
/// assert_eq!(report.head, last.head()); // keep it elsewhere
///
/// let history = SqliteHistory::open(&file)?;
/// let found = history.audit(&AuditFilter::new().target("api"), &PageRequest::new())?;
/// assert_eq!((found.entries.len(), found.entries[0].actor.as_str()), (2, "bob"));
/// # drop((log, history));
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct AuditLog {
    shared: Arc<Shared>,
}

struct Shared {
    durable: Durable,
    /// The last entry that this log wrote. Locked by who has the connection, and so by one at a time.
    seen: Mutex<Option<Seen>>,
}

/// An entry that is known to have been in the trail.
#[derive(Clone, Copy)]
struct Seen {
    id: i64,
    hash: Hash,
}

impl Seen {
    /// Whether it still is, or may have been removed by retention.
    fn is_in(self, transaction: &Transaction<'_>, head: &Head) -> Result<bool, StoreError> {
        if self.id < head.first_id {
            return Ok(self.id < head.first_id - 1 || self.hash == head.first_previous);
        }
        let sql = "SELECT hash FROM audit WHERE id = ?1";
        let same = |row: &Row<'_>| Ok(row.get_ref(0)?.as_blob() == Ok(&self.hash));
        Ok(transaction.prepare_cached(sql)?.query_row([self.id], same).optional()?.unwrap_or(false))
    }
}

impl AuditLog {
    /// Opens a file to add to its audit trail. The file and its tables are made if need be; the folder must be there.
    ///
    /// # Errors
    /// [`AuditError::is_unavailable`]: it is no database or that of another program, it is of a newer version, it may not be
    /// written to, or others have it for longer than two seconds; [`AuditError::is_full`].
    pub fn open(path: impl AsRef<Path>) -> Result<AuditLog, AuditError> {
        let log = AuditLog::later(path);
        log.shared.durable.with(|_| Ok(())).map_err(|error| log.explained(error))?;
        Ok(log)
    }

    /// Opens it with the first entry.
    pub(crate) fn later(path: impl AsRef<Path>) -> AuditLog {
        AuditLog { shared: Arc::new(Shared { durable: Durable::new(path.as_ref()), seen: Mutex::new(None) }) }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.shared.durable.path().to_owned()
    }

    /// An entry to write: who did what, now. See [`AuditBuilder`].
    pub fn record(&self, actor: &str, action: &str) -> AuditBuilder<'_> {
        AuditBuilder::new(AuditDraft::new(SystemTime::now(), actor, action), |draft| self.add(draft))
    }

    /// The end of the trail.
    ///
    /// # Errors
    /// [`AuditError::is_tampered`]; [`AuditError::is_unavailable`].
    pub fn head(&self) -> Result<AuditHead, AuditError> {
        let head =
            self.shared.durable.with(|connection| Head::sound(connection)).map_err(|error| self.explained(error))?;
        Ok(AuditHead::new(head.last_id, audit_chain::hex(&head.last)))
    }

    /// Checks the whole trail against its hashes: see [`AuditReport`]. What was found wrong is no error but in the report.
    ///
    /// Cost: about a second for a million entries, in little memory. Others may write meanwhile; what they add is not
    /// looked at.
    ///
    /// # Errors
    /// [`AuditError::is_unavailable`]: the file cannot be read, or not within ten minutes.
    pub fn verify(&self) -> Result<AuditReport, AuditError> {
        self.check(None)
    }

    /// As [`verify`](Self::verify), and checks that the entry that the head is of is still the one that it was.
    ///
    /// # Errors
    /// As those of [`verify`](Self::verify).
    pub fn verify_since(&self, head: &AuditHead) -> Result<AuditReport, AuditError> {
        self.check(Some(head))
    }

    fn check(&self, known: Option<&AuditHead>) -> Result<AuditReport, AuditError> {
        let check = || -> Result<AuditReport, HistoryError> {
            SqliteHistory::open(self.shared.durable.path())?.verify_audit(known, PATIENCE)
        };
        if self.shared.durable.is_inherited() {
            return Err(AuditError::unavailable(StoreError::forked()));
        }
        check().map_err(AuditError::unavailable)
    }

    fn add(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
        draft.check()?;
        let Shared { durable, seen } = &*self.shared;
        durable.with(|connection| add(connection, draft, &mut seen.lock())).map_err(|error| self.explained(error))
    }

    fn explained(&self, error: StoreError) -> AuditError {
        if error.is_tampered() {
            return AuditError::tampered(format_args!("{error}, in {}", self.shared.durable.path().display()));
        }
        if error.is_full() { AuditError::full(error) } else { AuditError::unavailable(error) }
    }
}

impl AuditTrail for AuditLog {
    fn write(&self, draft: &AuditDraft) -> Result<AuditEntry, AuditError> {
        self.add(draft)
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog").field("path", &self.shared.durable.path()).finish_non_exhaustive()
    }
}

/// Adds an entry: the lock is taken before the head is read, so that nobody else adds one in between.
fn add(connection: &mut Connection, draft: &AuditDraft, seen: &mut Option<Seen>) -> Result<AuditEntry, StoreError> {
    // Whoever may write to the file may have given it triggers of their own.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut head = Head::sound(&transaction)?;
    let beyond = "SELECT EXISTS (SELECT 1 FROM audit WHERE id > ?1)";
    if head.last_id >= i64::MAX - 1
        || transaction.prepare_cached(beyond)?.query_row([head.last_id], |row| row.get(0))?
    {
        return Err(StoreError::tampered("there are entries behind its last one"));
    }
    if let Some(seen) = *seen
        && !seen.is_in(&transaction, &head)?
    {
        let known = AuditHead::new(seen.id, audit_chain::hex(&seen.hash)).to_string();
        append(&transaction, &mut head, &AuditDraft::new(draft.at, ACTOR, CHANGED).detail("known_head", &known))?;
    }
    let entry = append(&transaction, &mut head, draft)?;
    head.write(&transaction)?;
    transaction.commit()?;
    *seen = Some(Seen { id: head.last_id, hash: head.last });
    Ok(entry)
}

/// Puts an entry behind the last one, which it becomes.
fn append(transaction: &Transaction<'_>, head: &mut Head, draft: &AuditDraft) -> Result<AuditEntry, StoreError> {
    let id = head.last_id.saturating_add(1);
    let at_ns = unix_ns(draft.at);
    let details = details(&draft.details)?;
    let AuditDraft { actor, action, target, source, .. } = draft;
    let texts = [actor, action, target, source, &details].map(String::as_bytes);
    let hash = audit_chain::hash(&head.last, id, at_ns, texts);
    let sql = "INSERT INTO audit (id, at_ns, actor, action, target, source, details, previous_hash, hash)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
    let row = (id, at_ns, actor, action, target, source, &details, head.last, hash);
    transaction.prepare_cached(sql)?.execute(row)?;
    (head.last_id, head.last) = (id, hash);
    Ok(AuditEntry {
        id,
        at: from_unix_ns(at_ns),
        actor: actor.clone(),
        action: action.clone(),
        target: target.clone(),
        source: source.clone(),
        details: draft.details.clone(),
        hash: audit_chain::hex(&hash),
    })
}

fn details(details: &BTreeMap<String, String>) -> Result<String, StoreError> {
    // A map of texts can be written.
    serde_json::to_string(details).map_err(|_| StoreError::damaged("the details of an entry cannot be written as JSON"))
}
