//! What can be set of a history in a SQLite file.

use std::path::{Path, PathBuf};

use crate::model::Retention;

const MEBIBYTE: u64 = 1 << 20;

/// Where a history is kept, and how: for [`SqliteSink::with`](super::sink::SqliteSink::with).
///
/// ```
/// use monitor_core::{SqliteOptions, SqliteSink};
///
/// let options = SqliteOptions::new("monitor.db").survive_power_loss(true).wal_limit_bytes(32 << 20);
/// let sink = SqliteSink::with(options);
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct SqliteOptions {
    pub(super) path: PathBuf,
    pub(super) survive_power_loss: bool,
    pub(super) wal_limit_bytes: u64,
    pub(super) wal_hard_limit_bytes: u64,
    pub(super) retention: Retention,
}

impl SqliteOptions {
    /// A history in that file, which is made if it is not there. Its folder must be.
    pub fn new(path: impl Into<PathBuf>) -> SqliteOptions {
        SqliteOptions {
            path: path.into(),
            survive_power_loss: false,
            wal_limit_bytes: 64 * MEBIBYTE,
            wal_hard_limit_bytes: 256 * MEBIBYTE,
            retention: Retention::new(),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether what is stored survives the loss of power too. Default: no, only the end of the process, `kill -9`
    /// included; after a loss of power the file is whole, and may lack the last batches.
    ///
    /// Cost: the disk is waited for with each batch, that is once a second.
    pub fn survive_power_loss(mut self, survive: bool) -> SqliteOptions {
        self.survive_power_loss = survive;
        self
    }

    /// How long what is kept, and how large the file may become. Default: what [`Retention`] says. Of several programs that
    /// share a file, each goes by its own, so the shortest counts.
    ///
    /// Cost: some lookups a minute, and while there is something to remove up to a tenth of the sink's own thread (a third
    /// while the file is too large). A lock is held for some 15 ms at a time.
    pub fn retention(mut self, retention: Retention) -> SqliteOptions {
        self.retention = retention;
        self
    }

    /// Bytes of the write-ahead log (`-wal`) from which it is tried to be taken over into the file again and again. Default: 64
    /// MiB. It grows without end while another program keeps reading in one transaction.
    pub fn wal_limit_bytes(mut self, bytes: u64) -> SqliteOptions {
        self.wal_limit_bytes = bytes;
        self
    }

    /// Bytes of the write-ahead log from which nothing is written until it has been taken over, so that the disk does
    /// not fill. Default: 256 MiB. Less than [`wal_limit_bytes`](SqliteOptions::wal_limit_bytes) means as much.
    pub fn wal_hard_limit_bytes(mut self, bytes: u64) -> SqliteOptions {
        self.wal_hard_limit_bytes = bytes;
        self
    }
}
